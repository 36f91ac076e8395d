//! Tests of the whole score on synthetic logs: what passes, and which empty victories do not.

#![expect(clippy::float_cmp, reason = "figures that are exact by construction")]

use super::testing::{Log, SCENARIO, healthy, scenario, stressed};
use super::*;
use crate::environment::{Conclusion, Write};
use crate::fault::FaultKind;

fn restart() -> Write {
    Write::Restart { component: "catalogue".into() }
}

/// Declares the cause at 100 s, acts at 110 s, is right from 120 s on, reports at 160 s.
fn competent(after: impl Fn(u64) -> Truth) -> Log {
    Log::of(120, after).declares(100, false, Some(("catalogue", "cpu-stress"))).writes(110, 1, restart()).reports(
        160,
        Conclusion {
            healthy: true,
            root_cause_component: Some("catalogue".into()),
            root_cause_kind: Some("cpu-stress".into()),
            ..Conclusion::default()
        },
    )
}

fn passed(outcome: Option<&Outcome>) -> bool {
    outcome.unwrap_or_else(|| panic!("the level is asked for")).passed
}

#[test]
fn a_mended_fault_passes_all_levels_and_shows_its_times() {
    let score = competent(healthy).idle_branch(false).score();
    for level in [crate::scenario::Level::L3, crate::scenario::Level::L4, crate::scenario::Level::L5] {
        assert!(passed(score.levels.get(level)), "{level:?}: {:?}", score.levels);
    }
    assert_eq!(score.levels.l1, None);
    let (detect, mitigate) = (score.times.detect.unwrap(), score.times.mitigate.unwrap());
    assert_eq!((detect.seconds, detect.censored), (40.0, false));
    assert_eq!((mitigate.seconds, mitigate.censored), (60.0, false));
    assert_eq!(score.localization.unwrap().score, 1.0);
    assert_eq!((score.conduct.steps, score.conduct.actions, score.conduct.foreign), (1, 1, 0));
}

#[test]
fn doing_nothing_is_censored_and_not_mended() {
    let score = Log::of(240, healthy).reports(100, Conclusion { healthy: true, ..Conclusion::default() }).score();
    assert!(!passed(score.levels.l3.as_ref()) && !passed(score.levels.l4.as_ref()));
    assert_eq!(score.levels.l5.unwrap().why, "not green: cpu, latency");
    assert!(score.times.detect.unwrap().censored && score.times.mitigate.unwrap().censored);
    assert_eq!(score.times.mitigate.unwrap().seconds, 180.0);
}

/// Changes that make figures look good while the service is gone, broken or given a machine of its own.
#[test]
fn empty_victories_do_not_pass() {
    type Spoil = fn(&mut Truth);
    let table: [(&str, &str, Spoil); 7] = [
        ("scaled to zero", "not green: ready, cpu, memory, latency, replicas, success, throughput", |truth| {
            let c = &mut truth.components[0];
            (c.replicas, c.pods, c.ready, c.available, c.requests, c.p99_s) = (0, 0, 0, 0, 0, None);
            (truth.client_ok, truth.client_failed) = (0, 250);
        }),
        ("deleted", "not green: ready, cpu, memory, latency, replicas, success, throughput", |truth| {
            let c = &mut truth.components[0];
            (c.exists, c.replicas, c.pods, c.ready, c.available) = (false, 0, 0, 0, 0);
            (c.requests, c.p99_s, c.cpu_limit, c.memory_limit) = (0, None, None, None);
            (truth.client_ok, truth.client_failed) = (0, 250);
        }),
        ("a limit of 64 cores", "not green: limits", |truth| {
            truth.components[0].cpu_limit_written = Some(64.0);
            truth.components[0].cpu_limit = Some(6.0);
        }),
        ("fast 500s", "not green: success, throughput", |truth| {
            truth.components[0].errors = 250;
            (truth.client_ok, truth.client_failed) = (0, 250);
        }),
        ("fast 500s that the client takes for 200", "not green: success", |truth| truth.components[0].errors = 250),
        ("users turned away", "not green: throughput", |truth| {
            (truth.client_ok, truth.components[0].requests) = (150, 150);
        }),
        ("one good pod of two", "not green: ready, replicas", |truth| {
            (truth.components[0].replicas, truth.components[0].pods) = (2, 2);
        }),
    ];
    for (name, why, spoil) in table {
        let score = competent(|from| {
            let mut truth = healthy(from);
            spoil(&mut truth);
            truth
        })
        .idle_branch(false)
        .score();
        let outcome = score.levels.l5.unwrap();
        assert!(!outcome.passed && outcome.why == why, "{name}: {outcome:?}");
    }
}

#[test]
fn green_must_be_the_agents_doing() {
    let by_itself = competent(healthy).idle_branch(true).score();
    assert!(!passed(by_itself.levels.l5.as_ref()), "{:?}", by_itself.levels.l5);
    // Live there are no branches: then the fault's declared persistence decides, and that something was done.
    let live = competent(healthy).score();
    assert!(passed(live.levels.l5.as_ref()), "{:?}", live.levels.l5);
    let short = scenario(&SCENARIO.replace("mode: all", "mode: all\n        duration: 60s"));
    assert!(!passed(competent(healthy).score_by(&short).levels.l5.as_ref()));
    let idle = Log::of(120, healthy).score();
    assert_eq!(idle.levels.l5.unwrap().why, "green, but the agent changed nothing");
}

#[test]
fn a_relapse_in_the_hold_time_is_not_mended() {
    let score = competent(|from| if from < 235 { healthy(from) } else { stressed(from) }).idle_branch(false).score();
    assert!(!passed(score.levels.l5.as_ref()));
    assert_eq!(score.times.mitigate.unwrap().seconds, 60.0, "it did hold for a while");
}

#[test]
fn judgements_are_right_or_wrong_at_their_time() {
    let table = [
        (80, false, true, "stressed, said unhealthy"),
        (80, true, false, "stressed, said healthy"),
        (50, true, true, "before the fault"),
        (50, false, false, "before the fault"),
        (130, true, true, "just mended: the last interval is green"),
        (130, false, true, "just mended: not stable yet"),
        (200, false, false, "long mended"),
    ];
    for (second, healthy_said, right, name) in table {
        let score = Log::of(120, healthy).declares(second, healthy_said, None).score();
        assert_eq!(score.judgements[0].right, right, "{name}: said {healthy_said} at {second}");
    }
}

#[test]
fn an_evaluation_without_a_judgement_fails_l3() {
    let score = Log::of(120, healthy).score();
    assert_eq!(score.levels.l3.unwrap().why, "evaluation 1 ended without a judgement");
}

#[test]
fn a_diagnosis_counts_by_place_and_kind() {
    let table = [
        (("catalogue", "cpu-stress"), true, 1.0),
        (("catalogue", "bad-tag"), false, 0.5),
        (("catalogue", "gremlins"), false, 0.5),
        (("carts", "cpu-stress"), false, 0.5 / 3.0),
    ];
    for (cause, exact, partial) in table {
        let score = Log::of(120, healthy).declares(100, false, Some(cause)).score();
        assert_eq!(passed(score.levels.l4.as_ref()), exact, "{cause:?}");
        assert_eq!(score.localization.unwrap().score, partial, "{cause:?}");
    }
    // A later answer replaces an earlier one, so that naming everything in turn does not help.
    let last = Log::of(120, healthy)
        .declares(100, false, Some(("catalogue", "cpu-stress")))
        .declares(105, false, Some(("carts", "cpu-stress")))
        .score();
    assert!(!passed(last.levels.l4.as_ref()));
    assert_eq!(FaultKind::from_name("gremlins"), None);
}

#[test]
fn reward_terms_add_up_over_the_decision_intervals() {
    let score = competent(healthy).score();
    // From the fault at 60 s to the mending at 120 s two clauses are violated.
    assert_eq!(score.total.violations[&slo::ClauseName::Cpu], -60.0);
    assert_eq!(score.total.violations[&slo::ClauseName::Latency], -60.0);
    // 180 s: 0.1 cores and 0.1 GiB requested, 0.2 of each as limit.
    let resources = -180.0 * (0.1 * 0.1 + 0.2 * 0.01 + 0.1 * 0.01 + 0.2 * 0.001);
    assert!((score.total.resources - resources).abs() < 1e-9, "{} {resources}", score.total.resources);
    assert_eq!((score.total.actions, score.total.harm), (-5.0, 0.0));
    let bounds: Vec<(f64, f64)> = score.reward.iter().map(|r| (r.from.as_secs_f64(), r.to.as_secs_f64())).collect();
    assert_eq!(bounds, [(60.0, 110.0), (110.0, 240.0)]);
    assert_eq!(score.reward[0].terms.violations[&slo::ClauseName::Cpu], -50.0);
    let sum: f64 = score.reward.iter().map(|interval| interval.terms.sum()).sum();
    assert!((sum - score.total.sum()).abs() < 1e-9);
}

#[test]
fn harm_counts_failed_requests_and_actions_on_others() {
    let foreign = Write::Scale { component: "carts".into(), replicas: 0 };
    let score = Log::of(120, |from| Truth { client_failed: 10, ..healthy(from) }).writes(110, 1, foreign).score();
    // 24 intervals of 10 failed requests at 0.01, and one foreign action.
    assert!((score.total.harm - (-24.0 * 10.0 * 0.01 - 10.0)).abs() < 1e-9, "{}", score.total.harm);
    assert_eq!(score.total.actions, -30.0, "scaling to zero is destructive");
    assert_eq!((score.conduct.foreign, score.conduct.destructive), (1, 1));
    let pod = Write::DeletePod { pod: "catalogue-db-7d4b9c55f-x2x4z".into() };
    assert_eq!(component_of(&pod).as_deref(), Some("catalogue-db"));
}

#[test]
fn the_summary_has_the_documented_form() {
    let scores = [competent(healthy).idle_branch(false).score(), Log::of(240, healthy).score()];
    let trials = Trials { scenario: "test/stress", model: "runbook", seed: 7, void: 1, wall_s: 0.5 };
    let summary = serde_json::to_string_pretty(&summarize(&trials, &scores)).unwrap();
    insta::assert_snapshot!(summary);
    let split = mitigation_by_diagnosis(&scores);
    assert_eq!((split.diagnosed.passed, split.diagnosed.of), (1, 1));
    assert_eq!((split.not_diagnosed.passed, split.not_diagnosed.of), (0, 1));
}
