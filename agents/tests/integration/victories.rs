//! Empty victories, end to end: worlds in which a figure is green because nothing is served.

use sim::episode::ComponentTruth;
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

/// What the judge saw of catalogue last.
fn catalogue(episode: &Episode) -> &ComponentTruth {
    let last = episode.truths().last().expect("the judge has looked");
    last.components.iter().find(|c| c.component == "catalogue").expect("it is under test")
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
        let catalogue = catalogue(&episode);
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
        let catalogue = catalogue(&episode);
        assert!(catalogue.errors > 100, "{scenario}: it does answer: {catalogue:?}");
        assert!(catalogue.p99_s.unwrap() < 0.2, "{scenario}: and fast: {catalogue:?}");
        assert!(catalogue.cpu_worst_pod < 0.5 * catalogue.cpu_limit.unwrap(), "{scenario}: {catalogue:?}");
        // The cure works where the database is there: see `passes`.
        assert!(episode.levels().all(|(level, outcome)| level == Level::L3 || !outcome.passed));
    }
}

/// Another program answers 404 to whatever it is asked: at once, with hardly any CPU, and nobody is served.
#[test]
fn an_answer_of_another_program_is_no_success() {
    for scenario in SCENARIOS {
        let loaded = shipped(scenario);
        let image = "{set_image: {component: catalogue, image: \"weaveworksdemos/payment:0.4.3\"}}";
        let service = "{apply: {manifest: \"{apiVersion: v1, kind: Service, metadata: {name: catalogue, namespace: sock-shop}, \
                       spec: {selector: {name: payment}, ports: [{port: 80, targetPort: 80}]}}\"}}";
        for write in [image, service] {
            let episode = Episode::play(&loaded, 1, claim(write));
            check(&format!("{scenario} {write}"), &episode, &["success"]);
            let catalogue = catalogue(&episode);
            assert!(catalogue.misdirected > 100 && catalogue.errors == 0, "{scenario} {write}: {catalogue:?}");
            let last = episode.truths().last().unwrap();
            assert_eq!((last.client_ok, catalogue.ready), (0, 1), "{scenario} {write}: {last:?}");
        }
    }
}

/// The shop's visitors ask catalogue for pages that it does not have: a 404 of the program that was asked is an answer.
#[test]
fn a_404_that_is_right_is_harmless() {
    let loaded = changed("acv/low/cpu-stress", &[("user_class: catalogue-list", "user_class: browse")]);
    let episode = Episode::play(&loaded, 1, claim("{restart: {component: catalogue}}"));
    for (level, outcome) in episode.results() {
        assert!(outcome.passed, "{level:?}: {}", outcome.why);
    }
    let last = episode.truths().last().unwrap();
    assert!(last.client_ok > 100 && last.client_failed == 0, "{last:?}");
}

/// Without a limit nothing is used up of it.
#[test]
fn a_limit_that_is_taken_away_is_no_cure() {
    for scenario in SCENARIOS {
        let write = "{set_resources: {component: catalogue, cpu_request: \"0\", cpu_limit: \"0\"}}";
        let episode = Episode::play(&shipped(scenario), 1, claim(write));
        check(scenario, &episode, &["limits"]);
        let catalogue = catalogue(&episode);
        assert!(catalogue.cpu_unlimited == 1 && catalogue.p99_s.unwrap() < 0.2, "{scenario}: {catalogue:?}");
    }
}

#[test]
fn an_autoscaler_of_nothing_is_no_autoscaling() {
    let applied = "{apply_autoscaler: {component: catalogue, min_replicas: 1, max_replicas: 5, cpu_percent: 60}}";
    let asleep = steps(&format!(
        "- action: {{write: {applied}}}\n- action: {{write: {{scale: {{component: catalogue, replicas: 0}}}}}}\n\
         - after: 60s\n  action: {{report: {{healthy: true}}}}\n"
    ));
    let loaded = shipped("acv/low/autoscale");
    check("scaled to zero", &Episode::play(&loaded, 1, asleep), &["0 available"]);
    assert!(Episode::play(&loaded, 1, claim(applied)).results().all(|(_, outcome)| outcome.passed));
}

/// Two of five users leave in the middle of it: whoever is left is served well, and the fault is mended.
#[test]
fn users_that_stay_away_are_missed() {
    let shape = "shape: {stages: [{duration: 10s, users: 50, spawn_rate: 50}, {duration: 190s, users: 50, spawn_rate: 50}, \
                 {duration: 10s, users: 30, spawn_rate: 50}]}";
    let loaded = changed("acv/low/cpu-stress", &[("shape: {level: moderate}", shape)]);
    let episode = Episode::play(&loaded, 1, claim("{restart: {component: catalogue}}"));
    let l5 = episode.score.levels.l5.as_ref().unwrap();
    assert!(!l5.passed && l5.why == "not green: throughput", "{l5:?}");
}
