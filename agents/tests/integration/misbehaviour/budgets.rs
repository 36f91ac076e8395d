//! Tokens that are used up, and changes that a critic declines: what the log says of them.

use std::sync::Arc;

use agents::episode::Cast;
use agents::model::Message;
use agents::policy::chat::{ChatLimits, ChatSettings, Seat};
use agents::policy::{AutonomicAgent, Chat, GroupManager, runbook};
use agents::prompts::Prompts;
use agents::tools::ToolForm;
use serde_json::json;
use sim::environment::{Action, ManagerAction};
use sim::episode::{EndReason, Entry, EpisodeEvent, MisstepKind};
use sim::time::SimDuration;

use super::{SCENARIO, chat, for_ever, missteps, play, reason, says};
use crate::play::{Episode, shipped};
use crate::puppet::{Puppet, call};

/// A model with a budget of tokens, of which each call takes 1100.
fn thrifty<R: Seat>(model: &Arc<Puppet>, tokens: u64) -> Chat<R> {
    let limits = ChatLimits { tokens: Some(tokens), ..ChatLimits::default() };
    Chat::new(model.clone(), Arc::new(Prompts::default()), ChatSettings { limits, ..ChatSettings::default() })
}

/// Looks, each time at something else.
fn curious() -> Arc<Puppet> {
    Puppet::new(|times, _| Ok(call("query_metrics", &json!({"promql": format!("up + {times}")}))))
}

fn declined(entries: &[Entry]) -> Vec<&str> {
    let texts = entries.iter().filter_map(|entry| match &entry.event {
        EpisodeEvent::Misstep { what: MisstepKind::Declined, text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// Whether anything was decided that lets no time pass: what used to stand for a step that came to nothing.
fn pauses(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| match &entry.event {
        EpisodeEvent::Decision { action: Action::Wait(length), .. }
        | EpisodeEvent::ManagerDecision { action: ManagerAction::Wait(length), .. } => *length == SimDuration::ZERO,
        _ => false,
    })
}

#[test]
fn who_has_used_up_its_tokens_ends_for_that_reason() {
    let model = curious();
    let episode = Episode::play(&shipped(SCENARIO), 1, Box::new(thrifty::<AutonomicAgent>(&model, 2_500)));
    assert_eq!(reason(&episode.entries), EndReason::TokenBudget);
    assert_eq!(missteps(&episode.entries), [MisstepKind::TokensSpent].into_iter().collect());
    assert!(says(&episode.entries, "the budget of 2500 tokens is used up"));
    // 3300 tokens are more than 2500; 2200 were not.
    assert_eq!(model.asked().len(), 3);
    let conduct = &episode.score.conduct;
    assert_eq!((conduct.steps, conduct.missteps, conduct.over_budget), (4, 1, true));
}

/// The budget is that of the episode: a heartbeat wakes an agent that can think no more.
#[test]
fn tokens_that_are_used_up_stay_so_in_later_evaluations() {
    let model = curious();
    let loaded = shipped("acv/low/pod-failure");
    let episode = Episode::play(&loaded, 1, Box::new(thrifty::<AutonomicAgent>(&model, 1_000)));
    assert_eq!(reason(&episode.entries), EndReason::TokenBudget);
    assert_eq!(model.asked().len(), 1);
    let conduct = &episode.score.conduct;
    assert_eq!((conduct.evaluations, conduct.steps, conduct.missteps), (3, 4, 3));
}

#[test]
fn a_manager_hears_that_an_agent_has_used_up_its_tokens_and_may_use_up_its_own() {
    let work = json!({"tasks": [{"component": "catalogue", "text": "Look.", "goal": "check-health"}]});
    let manager =
        Puppet::in_order(vec![Ok(call("assign_tasks", &work)), Ok(call("conclude", &json!({"healthy": false})))]);
    let (agent, loaded) = (curious(), shipped("acv/high/reduce-cpu"));
    let cast = Cast::of_agents(|_| Box::new(thrifty::<AutonomicAgent>(&agent, 1_000)))
        .under(thrifty::<GroupManager>(&manager, 1_000_000));
    let (played, entries) = play(&loaded, cast);
    assert_eq!((played, reason(&entries)), (Ok(()), EndReason::Completed));
    let told = manager.last_messages().into_iter().filter_map(|message| match message {
        Message::Tool { text, .. } => Some(text),
        _ => None,
    });
    let why = "catalogue has no report: its budget of tokens was used up before it reported";
    assert_eq!(told.collect::<Vec<_>>(), [why]);
    let manager = Puppet::in_order(vec![Ok(call("assign_tasks", &work))]);
    let cast = Cast::of_agents(|_| Box::new(runbook())).under(thrifty::<GroupManager>(&manager, 1_000));
    let (played, entries) = play(&loaded, cast);
    assert_eq!((played, reason(&entries)), (Ok(()), EndReason::TokenBudget));
}

#[test]
fn what_a_critic_declines_is_in_the_log_and_is_not_done() {
    let verdict = call("verdict", &json!({"approve": false, "reason": "nothing was measured"}));
    let text =
        r#"not done, since the critic declines {"scale":{"component":"catalogue","replicas":3}}: nothing was measured"#;
    let typed = call("scale", &json!({"component": "catalogue", "replicas": 3}));
    let kubectl = call("kubectl", &json!({"command": "kubectl scale deployment/catalogue --replicas=3"}));
    let script = r#"try { scale("catalogue", 3); } catch (why) { print("refused: " + why); }"#;
    let script = call("run_script", &json!({"script": script}));
    for (form, proposal) in [(ToolForm::Typed, typed), (ToolForm::Kubectl, kubectl), (ToolForm::Script, script)] {
        let model = Puppet::in_order(vec![Ok(proposal), Ok(call("report", &json!({"healthy": false})))]);
        let critic = for_ever(Ok(verdict.clone()));
        let player = chat::<AutonomicAgent>(&model, form).with_critic(critic.clone());
        let episode = Episode::play(&shipped(SCENARIO), 1, Box::new(player));
        let name = form.name();
        assert_eq!(declined(&episode.entries), [text], "{name}");
        assert!(!pauses(&episode.entries), "{name}: it is no wait");
        assert_eq!(critic.asked().len(), 1, "{name}");
        let conduct = &episode.score.conduct;
        assert_eq!((conduct.missteps, conduct.actions), (1, 0), "{name}");
        // The critic's tokens are in the account of the step.
        assert_eq!(conduct.tokens_in, 3_000, "{name}");
        let told = format!("{:?}", model.last_messages());
        assert!(told.contains("nothing was measured"), "{name}: {told}");
    }
}

#[test]
fn a_round_that_a_critic_declines_is_in_the_log_and_is_not_given_out() {
    let verdict = call("verdict", &json!({"approve": false, "reason": "measure first"}));
    let work = json!({"tasks": [{"component": "catalogue", "text": "Restart.", "goal": "restart"}]});
    let manager =
        Puppet::in_order(vec![Ok(call("assign_tasks", &work)), Ok(call("conclude", &json!({"healthy": false})))]);
    let critic = for_ever(Ok(verdict));
    let manager = chat::<GroupManager>(&manager, ToolForm::Typed).with_critic(critic);
    let cast = Cast::of_agents(|_| Box::new(runbook())).under(manager);
    let (played, entries) = play(&shipped("acv/high/reduce-cpu"), cast);
    assert_eq!((played, reason(&entries)), (Ok(()), EndReason::Completed));
    let [text] = declined(&entries)[..] else { panic!("{:?}", declined(&entries)) };
    assert!(text.contains(r#""component":"catalogue""#) && text.ends_with(": measure first"), "{text}");
    assert!(!pauses(&entries), "it is no wait");
    assert!(!entries.iter().any(|entry| matches!(entry.event, EpisodeEvent::Delegated { .. })), "no round");
}
