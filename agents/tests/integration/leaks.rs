//! What an agent reads holds nothing of a scenario but its task, and nothing of a fault but what a real cluster
//! would show.

use agents::policy::runbook;
use datasets::scenarios::{self, Loaded};

use crate::play::{Episode, Player, changed, steps};

/// A word that no text of a world has.
const CANARY: &str = "heliotrope";

/// Each scenario with a fault, and the part of its file that names it where Chaos Mesh asks for a name.
const SCENARIOS: [(&str, Option<&str>); 5] = [
    ("acv/low/pod-failure", Some("metadata: {name: catalogue-pod-failure, namespace: chaos-mesh}")),
    ("acv/low/cpu-stress", Some("metadata: {name: catalogue-cpu-stress, namespace: chaos-mesh}")),
    ("acv/low/fake-image", None),
    ("acv/low/bad-tag", None),
    ("acv/low/rising-traffic", None),
];

/// Looks at everything twice, with writes between, and gives up.
fn nosy() -> Player {
    let looks = "- action: {observe: {list_pods: {component: null}}}
- action: {observe: {describe: {component: catalogue}}}
- action: {observe: {logs: {of: catalogue, tail: 100}}}
- action: {observe: {logs: {of: catalogue, previous: true, tail: 100}}}
- action: {observe: {events: {component: null}}}
- action: {observe: {resource_usage: {component: null}}}
- action: {observe: nodes}
- action: {observe: {metrics: {promql: '{job=~\".+\"}'}}}
- action: {observe: {metrics: {promql: 'count by (__name__, name, pod, container) ({__name__=~\".+\"})', range: 2m}}}
- action: {observe: {dependencies: {component: catalogue}}}
- action: {observe: {rollout_history: {component: catalogue}}}
- action: {observe: {describe: {component: heliotrop}}}
";
    steps(&format!(
        "{looks}- action: {{write: {{restart: {{component: catalogue}}}}}}\n\
         - action: {{write: {{delete_pod: {{pod: catalogue-*}}}}}}\n\
         - after: 45s\n  action: {{write: {{rollback: {{component: catalogue, revision: null}}}}}}\n\
         {looks}- action: {{report: {{healthy: false}}}}\n"
    ))
}

/// The same world by other names.
fn renamed(name: &str, metadata: Option<&str>) -> Loaded {
    let text = scenarios::find(name).expect("it ships").text;
    let description = text.lines().skip_while(|line| !line.starts_with("description")).nth(1).expect("it has one");
    let canary_name = format!("name: {CANARY}/{CANARY}");
    let name_line = format!("name: {name}");
    let canary_metadata = format!("metadata: {{name: {CANARY}, namespace: {CANARY}}}");
    let mut changes = vec![
        (name_line.as_str(), canary_name.as_str()),
        (description, "  heliotrope"),
        // Only the judge knows what counts as the right answer, and what it is worth.
        ("task:", "root_causes: [{component: carts, kinds: [bad-tag]}]\nprices: {core_request_s: 7.0}\ntask:"),
    ];
    changes.extend(metadata.map(|metadata| (metadata, canary_metadata.as_str())));
    changed(name, &changes)
}

#[test]
fn names_and_truths_never_reach_an_agent() {
    for (name, metadata) in SCENARIOS {
        let plain = changed(name, &[]);
        let secret = renamed(name, metadata);
        let players: [fn() -> Player; 2] = [nosy, || Box::new(runbook())];
        for player in players {
            let seen = Episode::play(&plain, 1, player());
            let seen_by_other_names = Episode::play(&secret, 1, player());
            let texts: Vec<&str> = seen.texts().collect();
            assert!(texts.len() > 20, "{name}: only {} texts", texts.len());
            assert!(seen_by_other_names.texts().eq(texts), "{name}: what an agent reads depends on a name");
            // `heliotrop` was asked for and may be said back.
            let leak = seen_by_other_names.texts().find(|text| text.contains(CANARY));
            assert_eq!(leak, None, "{name}");
        }
    }
}

/// Nothing says which fault it is, in the words in which the judge would accept it, but what Kubernetes says too.
#[test]
fn no_text_says_the_kind_of_a_fault_or_that_there_is_one() {
    for (name, _) in SCENARIOS {
        let episode = Episode::play(&changed(name, &[]), 1, nosy());
        for text in episode.texts() {
            let words = ["pod-failure", "cpu-stress", "fake-image", "bad-tag", "rising-traffic", "haos", "inject"];
            let told = words.into_iter().find(|word| text.contains(word));
            assert_eq!(told, None, "{name}: {text}");
        }
    }
}
