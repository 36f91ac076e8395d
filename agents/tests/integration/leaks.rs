//! What an agent reads holds nothing of a scenario but its task, and nothing of a fault but what a real cluster
//! would show.

mod requests;

use agents::episode::Cast;
use agents::policy::runbook;
use datasets::scenarios::{self, Loaded};
use sim::fault::{Fault, FaultKind, Injection};
use sim::world::Twin;

use crate::play::{Episode, Player, shipped, steps};
use crate::worlds::Flawed;

/// A word that no text of a world has.
pub(crate) const CANARY: &str = "heliotrope";

/// Scenarios with a fault: every kind, and the paper's.
pub(crate) fn faulty() -> impl Iterator<Item = String> {
    let is_hand_written = |name: &String| name.matches('/').count() == 1 || name.starts_with("acv/low/");
    scenarios::shipped()
        .into_iter()
        .filter(is_hand_written)
        .filter(|name| !shipped(name).scenario.value.faults.is_empty())
}

/// Looks at everything twice, with writes between, and gives up.
fn nosy(component: &str) -> Player {
    let looks = "- action: {observe: {list_pods: {component: null}}}
- action: {observe: {describe: {component: COMPONENT}}}
- action: {observe: {logs: {of: COMPONENT, tail: 100}}}
- action: {observe: {logs: {of: COMPONENT, previous: true, tail: 100}}}
- action: {observe: {events: {component: null}}}
- action: {observe: {resource_usage: {component: null}}}
- action: {observe: nodes}
- action: {observe: policies}
- action: {observe: {metrics: {promql: '{job=~\".+\"}'}}}
- action: {observe: {metrics: {promql: 'count by (__name__, name, pod, container) ({__name__=~\".+\"})', range: 2m}}}
- action: {observe: {dependencies: {component: COMPONENT}}}
- action: {observe: {rollout_history: {component: COMPONENT}}}
- action: {observe: {describe: {component: heliotrop}}}
";
    let all = format!(
        "{looks}- action: {{write: {{restart: {{component: COMPONENT}}}}}}\n\
         - after: 45s\n  action: {{write: {{rollback: {{component: COMPONENT, revision: null}}}}}}\n\
         {looks}- action: {{report: {{healthy: false}}}}\n"
    );
    steps(&all.replace("COMPONENT", component))
}

/// The same world by other names. Only the judge knows what counts as the right answer, and what it is worth.
pub(crate) fn renamed(name: &str) -> Loaded {
    let canary_name = format!("{CANARY}/{CANARY}");
    let mut settings = vec![
        ("name".to_owned(), canary_name),
        ("description".to_owned(), CANARY.to_owned()),
        ("root_causes".to_owned(), "[{component: carts, kinds: [bad-tag]}]".to_owned()),
        ("prices".to_owned(), "{core_request_s: 7.0}".to_owned()),
    ];
    for (index, fault) in shipped(name).scenario.value.faults.iter().enumerate() {
        if let Injection::ChaosMesh(_) = &fault.inject {
            for field in ["name", "namespace"] {
                settings.push((format!("faults[{index}].inject.chaos-mesh.metadata.{field}"), CANARY.to_owned()));
            }
        }
    }
    let settings: Vec<(&str, &str)> = settings.iter().map(|(path, value)| (path.as_str(), value.as_str())).collect();
    scenarios::load(name, &settings).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// What two agents read who do the same in the same world by other names: the first text that tells the worlds apart, or
/// that holds the word that none may hold.
fn leak<'a>(plain: &[&str], secret: &[&'a str]) -> Option<&'a str> {
    // `heliotrop` was asked for and may be said back.
    let told = |(i, text): (usize, &&'a str)| (plain.get(i) != Some(text) || text.contains(CANARY)).then_some(*text);
    secret.iter().enumerate().find_map(told)
}

#[test]
fn names_and_truths_never_reach_an_agent() {
    let mut scenarios = 0;
    for name in faulty() {
        scenarios += 1;
        let (plain, secret) = (shipped(&name), renamed(&name));
        let agent = plain.scenario.value.task.agent.clone();
        let players: [&dyn Fn() -> Player; 2] = [&|| nosy(&agent), &|| Box::new(runbook())];
        for player in players {
            let (seen, seen_by_other_names) = (Episode::play(&plain, 1, player()), Episode::play(&secret, 1, player()));
            let (texts, other_texts): (Vec<&str>, Vec<&str>) =
                (seen.texts().collect(), seen_by_other_names.texts().collect());
            assert!(texts.len() > 4, "{name}: only {} texts", texts.len());
            assert_eq!(texts.len(), other_texts.len(), "{name}: what an agent does depends on a name");
            assert_eq!(leak(&texts, &other_texts), None, "{name}");
        }
    }
    assert!(scenarios >= 38, "only {scenarios} scenarios have a fault");
}

/// Nothing says which fault it is, in the words in which the judge would accept it, but what Kubernetes says too.
#[test]
fn no_text_says_the_kind_of_a_fault_or_that_there_is_one() {
    for name in faulty() {
        let loaded = shipped(&name);
        let kinds = loaded.scenario.value.faults.iter().filter_map(Fault::kind).map(FaultKind::name);
        let words: Vec<&str> = kinds.chain(["haos", "inject"]).collect();
        let episode = Episode::play(&loaded, 1, nosy(&loaded.scenario.value.task.agent));
        // The task is the scenario's own text.
        for text in episode.texts().skip(1) {
            let told = words.iter().find(|word| text.contains(**word));
            assert_eq!(told, None, "{name}: {text}");
        }
    }
}

/// A world that gives itself away: the last line of every log is the scenario's name.
fn telltale(twin: Twin) -> Flawed {
    let line = format!("experiment {} is running", twin.scenario().name);
    Flawed::saying(twin, line)
}

#[test]
fn a_leak_on_purpose_is_caught() {
    let name = "acv/low/cpu-stress";
    let plain = Episode::play(&shipped(name), 1, nosy("catalogue"));
    let (leaky, _) = Episode::play_in(&renamed(name), 1, Cast::solo(nosy("catalogue")), telltale, None);
    let (texts, leaky_texts): (Vec<&str>, Vec<&str>) = (plain.texts().collect(), leaky.texts().collect());
    let caught = leak(&texts, &leaky_texts).expect("the canary is in every log");
    assert!(caught.contains(&format!("experiment {CANARY}/{CANARY} is running")), "{caught}");
}
