//! Empty victories, end to end: worlds in which a figure is green because nothing is served.

use sim::scenario::Level;

use crate::play::{Episode, Player, changed, shipped, steps};

const SCENARIOS: [&str; 3] = ["acv/low/cpu-stress", "acv/low/rising-traffic", "acv/low/reduce-latency"];

/// One write, time for it to show, and the claim that all is well.
fn claim(write: &str) -> Player {
    steps(&format!("- action: {{write: {write}}}\n- after: 60s\n  action: {{report: {{healthy: true}}}}\n"))
}

/// No level that speaks of the world's state is passed, and the reason names a guard.
fn check(name: &str, episode: &Episode, guards: &[&str]) {
    for (level, outcome) in episode.results() {
        assert!(!outcome.passed, "{name}: {level:?}: {}", outcome.why);
        let named = guards.iter().any(|guard| outcome.why.contains(guard));
        assert!(named, "{name}: {level:?}: {}", outcome.why);
    }
}

#[test]
fn nothing_is_won_by_serving_nothing() {
    let table: [(&str, &[&str]); 2] = [
        ("{scale: {component: catalogue, replicas: 0}}", &["replicas"]),
        ("{delete_deployment: {component: catalogue}}", &["replicas"]),
    ];
    for scenario in SCENARIOS {
        let loaded = shipped(scenario);
        for (write, guards) in &table {
            check(&format!("{scenario} {write}"), &Episode::play(&loaded, 1, claim(write)), guards);
        }
    }
}

#[test]
fn a_limit_that_no_node_can_honour_is_no_cure() {
    for scenario in SCENARIOS {
        let episode =
            Episode::play(&shipped(scenario), 1, claim("{set_resources: {component: catalogue, cpu_limit: \"64\"}}"));
        check(scenario, &episode, &["limits"]);
        // All that the limit was meant to bring is there.
        let last = episode.truths().last().unwrap();
        let catalogue = last.components.iter().find(|c| c.component == "catalogue").unwrap();
        assert!(catalogue.cpu_worst_pod < 0.5 * 6.0 && catalogue.p99_s.unwrap() < 0.2, "{catalogue:?}");
    }
}

/// Catalogue's database is gone, so that catalogue answers 500 at once: neither CPU nor latency is amiss.
#[test]
fn fast_errors_are_no_success() {
    const GONE: &str = "inject:\n    fake-image: {component: catalogue-db, image: \"busybox:1.36\"}\ntask:";
    for (scenario, faults, cure) in [
        ("acv/low/cpu-stress", "- start: 125s\n  ", "{restart: {component: catalogue}}"),
        ("acv/low/rising-traffic", "- start: 125s\n  ", "{scale: {component: catalogue, replicas: 3}}"),
        (
            "acv/low/reduce-latency",
            "faults:\n- start: 110s\n  ",
            "{set_resources: {component: catalogue, cpu_request: 100m, cpu_limit: 200m}}",
        ),
    ] {
        let loaded = changed(scenario, &[("task:", &format!("{faults}{GONE}"))]);
        let episode = Episode::play(&loaded, 1, claim(cure));
        check(scenario, &episode, &["success"]);
        let last = episode.truths().last().unwrap();
        let catalogue = last.components.iter().find(|c| c.component == "catalogue").unwrap();
        assert!(catalogue.errors > 100, "{scenario}: it does answer: {catalogue:?}");
        assert!(catalogue.p99_s.unwrap() < 0.2, "{scenario}: and fast: {catalogue:?}");
        assert!(catalogue.cpu_worst_pod < 0.5 * catalogue.cpu_limit.unwrap(), "{scenario}: {catalogue:?}");
        // The cure works where the database is there: see `passes`.
        assert!(episode.levels().all(|(level, outcome)| level == Level::L3 || !outcome.passed));
    }
}
