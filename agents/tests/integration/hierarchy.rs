//! The hierarchy at play: rounds, questions to peers, issues, budgets, and that no order of answers changes a log.

use std::cell::Cell;
use std::rc::Rc;

use agents::episode::{self, Cast, Forks, Log};
use agents::mechanism::Mechanism;
use agents::model::Usage;
use agents::policy::{AutonomicAgent, Cost, Deciding, Decision, Percept, Policy, Role, Tokens, group, runbook};
use datasets::scenarios::{self, Loaded};
use sim::chance::Key;
use sim::diagnostic::Source;
use sim::episode::{Entry, EpisodeEvent, MessageEvent, MessageState};
use sim::scenario::Script;
use sim::score::{self, EpisodeScore};
use sim::time::SimDuration;

use crate::play::{set_up, shipped};

/// Plays in a runtime, since these policies are not always ready.
fn play(loaded: &Loaded, mechanism: Option<Mechanism>, cast: Cast<'_>) -> (Vec<Entry>, EpisodeScore) {
    set_up(loaded, mechanism, 1, |setup, mut world| {
        let mut log = Log::new(None);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let played = runtime.block_on(episode::play(&mut world, &setup, cast, Some(Forks::of_world()), &mut log));
        played.expect("the twin is always there");
        world.check_conservation().expect("no request is lost");
        let score = score::score(setup.judge, log.entries());
        (log.into_entries(), score)
    })
}

fn script(text: &str) -> Script {
    let text = format!("apiVersion: sockpit/v1alpha1\nkind: Script\n{text}");
    let source = Source { path: "script".into(), text };
    Script::load(&source).unwrap_or_else(|mistakes| panic!("{mistakes}")).value
}

fn shipped_script(scenario: &str, name: &str) -> Script {
    let scripts = scenarios::scripts(scenario).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    scripts.into_iter().find(|script| script.name == name).expect("it ships").script
}

fn messages(entries: &[Entry]) -> Vec<&MessageEvent> {
    let messages = entries.iter().filter_map(|entry| match &entry.event {
        EpisodeEvent::Message(message) => Some(message),
        _ => None,
    });
    messages.collect()
}

/// What agents were told in answer to their steps.
fn told<'e>(entries: &'e [Entry], who: &str) -> Vec<&'e str> {
    let told = entries.iter().filter_map(|entry| match &entry.event {
        EpisodeEvent::Answer { agent, text, .. } if agent == who => Some(text.as_str()),
        _ => None,
    });
    told.collect()
}

#[test]
fn the_sum_is_split_a_lie_detected_and_the_plan_revised() {
    let name = "acv/high/reduce-total-latency";
    let (entries, score) = play(&shipped(name), None, Cast::of_script(&shipped_script(name, "witness")));
    assert!(score.levels.l2.as_ref().is_some_and(|outcome| outcome.passed), "{:?}", score.levels);
    assert_eq!((score.conduct.rounds, score.conduct.delegations, score.conduct.right_delegations), (5, 9, 9));
    let rounds = entries.iter().filter_map(|entry| match &entry.event {
        EpisodeEvent::Delegated { receivers, .. } => Some(receivers.len()),
        _ => None,
    });
    assert_eq!(rounds.collect::<Vec<_>>(), [2, 2, 2, 1, 2]);
    for (mutant, right) in [("believes", 4), ("does-not-wait", 0), ("whole-bound-each", 2)] {
        let (_, score) = play(&shipped(name), None, Cast::of_script(&shipped_script(name, mutant)));
        assert!(score.levels.l2.as_ref().is_some_and(|outcome| !outcome.passed), "{mutant}: {:?}", score.levels);
        assert_eq!(score.conduct.right_delegations, right, "{mutant}");
    }
}

#[test]
fn every_message_is_acknowledged_once_and_every_task_answered() {
    let name = "acv/high/reduce-total-latency";
    let (entries, _) = play(&shipped(name), None, Cast::of_script(&shipped_script(name, "witness")));
    let messages = messages(&entries);
    let count = |state: fn(&MessageState) -> bool| messages.iter().filter(|message| state(&message.state)).count();
    // The maintainer's task and nine of the manager's, each with its response.
    assert_eq!(count(|state| matches!(state, MessageState::Published { .. })), 20);
    assert_eq!(count(|state| matches!(state, MessageState::Delivered { attempt: 1 })), 20);
    assert_eq!(count(|state| matches!(state, MessageState::Acknowledged)), 20);
    assert_eq!(messages.len(), 60, "nothing else happened to any of them");
}

const ASKS: &str = "
agents:
  catalogue:
  - action: {ask: {component: front-end, text: How are you?, goal: check-health}}
  - action: {ask: {component: catalogue, text: And I?, goal: check-health}}
  - action: {ask: {component: gremlins, text: Who?, goal: check-health}}
  - action: {raise: {text: I give up.}}
  - action: {report: {healthy: false}}
  front-end:
  - action: {ask: {component: catalogue, text: How are you?, goal: check-health}}
  - action: {report: {healthy: true, values: {p99: 0.01}}}
";

#[test]
fn peers_ask_each_other_but_never_in_a_circle() {
    let loaded = shipped("acv/low/check-health");
    let (entries, _) = play(&loaded, Some(Mechanism::Peers), Cast::of_script(&script(ASKS)));
    let front_end = told(&entries, "front-end");
    assert_eq!(front_end, ["error: catalogue is itself waiting for your answer"]);
    let catalogue = told(&entries, "catalogue");
    assert_eq!(catalogue.len(), 3, "{catalogue:?}");
    assert_eq!(catalogue[0], "error: that is you");
    assert!(catalogue[1].contains("no agent `gremlins`"), "{catalogue:?}");
    assert!(catalogue[2].contains("there is no manager"), "{catalogue:?}");
    let solo = play(&loaded, Some(Mechanism::Solo), Cast::of_script(&script(ASKS))).0;
    assert!(told(&solo, "catalogue").iter().all(|text| text.starts_with("error: ")), "alone nobody can be asked");
}

#[test]
fn an_issue_goes_to_the_manager_and_its_conclusion_comes_back() {
    let hierarchy = script(
        "
manager:
- action: {delegate: [{component: catalogue, text: Do it yourself., goal: maintain}]}
- action: {delegate: [{component: front-end, text: Look., goal: check-health}]}
- action: {conclude: {healthy: true, actions_taken: asked front-end}}
agents:
  catalogue:
  - action: {raise: {text: I cannot tell.}}
  - action: {report: {healthy: true}}
  front-end:
  - action: {raise: {text: Neither can I.}}
  - action: {report: {healthy: true}}
",
    );
    let loaded = shipped("acv/low/check-health");
    let (entries, score) = play(&loaded, Some(Mechanism::Managed), Cast::of_script(&hierarchy));
    let manager = told(&entries, "manager");
    assert_eq!(manager, ["error: catalogue is itself waiting for your answer"]);
    let published = messages(&entries).into_iter().filter_map(|message| match &message.state {
        MessageState::Published { text } => Some((message.from.as_str(), message.to.as_str(), text.as_str())),
        _ => None,
    });
    let told: Vec<_> = published.collect();
    assert_eq!(told[1], ("agent/catalogue", "manager", "I cannot tell."));
    assert_eq!(told[3], ("agent/front-end", "manager", "it could not solve it: Neither can I."));
    assert_eq!(told[4], ("manager", "agent/catalogue", "healthy; done: asked front-end"));
    assert_eq!(score.judgements.len(), 1, "what the manager concludes for an agent is no judgement of the whole");
}

#[test]
fn who_never_reports_uses_up_a_budget_and_its_manager_hears_of_it() {
    let looks = "  - action: {observe: {list_pods: {component: null}}}\n".repeat(40);
    let text = format!(
        "
manager:
- action: {{delegate: [{{component: catalogue, text: Look., goal: check-health}}]}}
- action: {{conclude: {{healthy: false}}}}
agents:
  catalogue:
{looks}  - action: {{report: {{healthy: true}}}}
"
    );
    let (entries, _) = play(&shipped("acv/high/reduce-cpu"), None, Cast::of_script(&script(&text)));
    let mut responses = messages(&entries).into_iter().filter_map(|message| match &message.state {
        MessageState::Published { text } if message.to == "manager" => Some(text.as_str()),
        _ => None,
    });
    assert!(responses.next_back().is_some_and(|text| text.contains("budget of steps was used up")));
}

/// A policy whose answers come late: after so many turns of the runtime as chance says, and with think times of its own.
struct Late<P> {
    policy: P,
    key: Key,
    calls: Rc<Cell<u64>>,
    tokens: u64,
}

impl<R: Role, P: Policy<R>> Policy<R> for Late<P>
where
    R::Heard: 'static,
    R::Action: 'static,
{
    fn name(&self) -> &str {
        self.policy.name()
    }

    fn decide<'a>(&'a mut self, percept: &'a Percept<R::Heard>) -> Deciding<'a, R::Action> {
        self.calls.set(self.calls.get() + 1);
        let turns = self.key.with(self.calls.get()).draw().below(8);
        let usage = Usage { tokens: Tokens { input: self.tokens, output: self.tokens / 10 }, ..Usage::default() };
        Box::pin(async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            let decision: Decision<R::Action> = self.policy.decide(percept).await;
            Decision { cost: Cost::Model(usage), ..decision }
        })
    }
}

#[test]
fn no_order_of_answers_changes_the_log() {
    let mut loaded = shipped("acv/high/pod-failure");
    loaded.scenario.value.budget.time = SimDuration::from_secs(420);
    let played = |shuffle: u64| {
        let calls = Rc::new(Cell::new(0));
        let key = Key::root(shuffle);
        let agents = |component: &String| -> Box<dyn Policy<AutonomicAgent>> {
            let tokens = if component == "catalogue" { 3_000 } else { 700 };
            Box::new(Late { policy: runbook(), key, calls: Rc::clone(&calls), tokens })
        };
        let manager = Late { policy: group::runbook(), key, calls: Rc::clone(&calls), tokens: 1_500 };
        let (entries, _) = play(&loaded, None, Cast::of_agents(agents).under(manager));
        entries.iter().map(|entry| serde_json::to_string(entry).expect("JSON")).collect::<Vec<_>>().join("\n")
    };
    let first = played(0);
    assert!(first.contains("\"delegate\""), "the manager gave out work");
    for shuffle in 1..100 {
        assert!(played(shuffle) == first, "shuffle {shuffle} gave another log");
    }
}

#[test]
fn a_value_that_is_no_number_is_not_reported() {
    let hierarchy = script(
        "
manager:
- action: {delegate: [{component: catalogue, text: Look., goal: report-p99}]}
- action: {conclude: {healthy: false}}
agents:
  catalogue:
  - action: {report: {healthy: true, values: {p99: .nan}}}
",
    );
    let (entries, score) = play(&shipped("acv/high/reduce-cpu"), None, Cast::of_script(&hierarchy));
    let mut published = messages(&entries).into_iter().filter_map(|message| match &message.state {
        MessageState::Published { text } if message.to == "manager" => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(published.next_back(), Some("healthy"), "neither message nor log can hold it");
    assert!(!score.conduct.over_budget, "the manager has its answer and concluded");
}
