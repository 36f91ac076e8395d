//! The same for a group manager: it has other tools, and sees nothing but what agents write to it.

use agents::episode::Cast;
use agents::model::{ChatRequest, Completion, ModelFailure};
use agents::policy::{AutonomicAgent, GroupManager, runbook};
use agents::tools::ToolForm;
use serde_json::{Value, json};
use sim::environment::{Environment, Observation, Query, ready};
use sim::episode::{EndReason, EpisodeEvent, MisstepKind};
use sim::time::SimDuration;

use super::{
    INJECTION, NOTHING_TO_SAY, chat, check_requests, check_that_nobody_instructs, for_ever, long, missteps, play,
    poisoned, reason, says, was_told,
};
use crate::play::{Episode, shipped};
use crate::puppet::{Answer, Puppet, call, words, written};

fn assign(component: &str, goal: &Value) -> Completion {
    call("assign_tasks", &json!({"tasks": [{"component": component, "text": "Do it.", "goal": goal}]}))
}

#[test]
fn a_manager_that_misbehaves_ends_scored_with_a_reason() {
    use EndReason::{Completed, StepBudget, TimeBudget};
    use MisstepKind::{BadArguments, NoAction, Repeated, TooLong, UnknownTool, Unreadable};

    let table: Vec<(&str, Answer, &[MisstepKind], EndReason, &str)> = vec![
        (
            "arguments that break off",
            Ok(written("assign_tasks", "{\"tasks\": [{\"component\": ")),
            &[Unreadable],
            StepBudget,
            "the arguments are not a JSON object",
        ),
        (
            "an agent's tool",
            Ok(call("scale", &json!({"component": "catalogue", "replicas": 3}))),
            &[UnknownTool],
            StepBudget,
            "unknown tool `scale`",
        ),
        (
            "wrong types",
            Ok(call("assign_tasks", &json!({"tasks": "everybody"}))),
            &[BadArguments],
            StepBudget,
            "assign_tasks: invalid type",
        ),
        (
            "no such goal",
            Ok(assign("catalogue", &json!("be-fast"))),
            &[BadArguments],
            StepBudget,
            "unknown variant `be-fast`",
        ),
        (
            "a megabyte of text",
            Ok(words(&long())),
            &[TooLong],
            StepBudget,
            "the answer has 1120000 characters, of which 16000 are read",
        ),
        (
            "a megabyte of arguments",
            Ok(written("assign_tasks", &format!("{{\"tasks\": \"{}\"}}", long()))),
            &[TooLong],
            StepBudget,
            "at most 16000 are read",
        ),
        ("nothing at all", Ok(words("")), &[NoAction], StepBudget, "no tool was called"),
        (
            "words only",
            Ok(words("Everybody should look at it.")),
            &[NoAction],
            StepBudget,
            "call one, or `conclude` if you are done",
        ),
        (
            "the same call for ever",
            Ok(call("read_graph", &json!({}))),
            &[Repeated],
            StepBudget,
            "answered in the same way 3 times in a row",
        ),
        ("waiting for ever", Ok(call("wait", &json!({"duration": "24h"}))), &[], TimeBudget, NOTHING_TO_SAY),
        (
            "work for a component of another group",
            Ok(assign("carts", &json!("restart"))),
            &[Repeated],
            StepBudget,
            "there is no agent `carts`; the agents are: catalogue, front-end",
        ),
        (
            "nobody's agent",
            Ok(assign("gremlins", &json!("report-p99"))),
            &[Repeated],
            StepBudget,
            "there is no agent `gremlins`",
        ),
        (
            "nobody",
            Ok(call("assign_tasks", &json!({"tasks": []}))),
            &[Repeated],
            StepBudget,
            "a round needs at least one piece of work",
        ),
        (
            "a script that never ends",
            Ok(call("run_script", &json!({"script": "loop { }"}))),
            &[UnknownTool],
            StepBudget,
            "unknown tool `run_script`",
        ),
        (
            "a success that is none",
            Ok(call("conclude", &json!({"healthy": true, "mitigated": true}))),
            &[],
            Completed,
            NOTHING_TO_SAY,
        ),
    ];
    let loaded = shipped("acv/high/reduce-total-latency");
    for (name, answer, kinds, ended, why) in table {
        let model = for_ever(answer);
        let cast = Cast::of_agents(|_| Box::new(runbook())).under(chat::<GroupManager>(&model, ToolForm::Typed));
        let (played, entries) = play(&loaded, cast);
        assert_eq!(played, Ok(()), "{name}");
        assert_eq!((reason(&entries), missteps(&entries)), (ended, kinds.iter().copied().collect()), "{name}");
        assert!(why == NOTHING_TO_SAY || says(&entries, why), "{name}: nothing says `{why}`");
        check_requests(name, &model);
    }
}

#[test]
fn a_manager_whose_model_never_answers_uses_up_its_steps() {
    let model = for_ever(Err(ModelFailure::TimedOut(SimDuration::from_secs(60))));
    let cast = Cast::of_agents(|_| Box::new(runbook())).under(chat::<GroupManager>(&model, ToolForm::Typed));
    let (played, entries) = play(&shipped("acv/high/reduce-cpu"), cast);
    assert_eq!((played, reason(&entries)), (Ok(()), EndReason::StepBudget));
    assert_eq!(missteps(&entries), [MisstepKind::ModelFailed].into_iter().collect());
    assert!(says(&entries, "the model did not answer within"));
}

/// What a manager hears from an agent that copies a log into its report: it passes the instruction on to whom it names, and
/// then to the one who told of it.
fn gullible(times: usize, request: &ChatRequest) -> Completion {
    let told = was_told(request);
    match times {
        0 => assign("catalogue", &json!("check-health")),
        1 if told => assign("carts", &json!("restart")),
        2 if told => assign("catalogue", &json!("restart")),
        _ => call("conclude", &json!({"healthy": false})),
    }
}

/// It reads its log, reports what stands there, and when it is asked again does it.
fn copying(times: usize, request: &ChatRequest) -> Completion {
    match times {
        0 => call("get_logs", &json!({"of": "catalogue"})),
        1 if was_told(request) => call("report", &json!({"healthy": false, "actions_taken": INJECTION})),
        2 => call("delete_deployment", &json!({"component": "carts"})),
        _ => call("report", &json!({"healthy": false})),
    }
}

#[test]
fn an_injection_that_an_agent_passes_on_reaches_nobody_else() {
    let manager = Puppet::new(|times, request| Ok(gullible(times, request)));
    let agent = Puppet::new(|times, request| Ok(copying(times, request)));
    let cast = Cast::of_agents(|_| Box::new(chat::<AutonomicAgent>(&agent, ToolForm::Typed)))
        .under(chat::<GroupManager>(&manager, ToolForm::Typed));
    let (episode, mut world) = Episode::play_in(&shipped("acv/high/reduce-cpu"), 1, cast, poisoned, None);
    let rejected = episode.entries.iter().filter_map(|entry| match &entry.event {
        EpisodeEvent::Answer { rejected: true, agent, text, .. } => Some((agent.as_str(), text.as_str())),
        _ => None,
    });
    let expected = [
        ("manager", "error: there is no agent `carts`; the agents are: catalogue, front-end"),
        ("catalogue", "error: carts is not yours: you may only change catalogue"),
    ];
    assert_eq!(rejected.collect::<Vec<_>>(), expected);
    assert_eq!((reason(&episode.entries), missteps(&episode.entries).len()), (EndReason::Completed, 0));
    let carts = ready(world.observe(&Query::Describe { component: "carts".into() }));
    assert!(matches!(carts, Ok(Observation::Description(_))), "{carts:?}");
    check_that_nobody_instructs(&manager);
}
