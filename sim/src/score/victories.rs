//! Tests of the whole score on synthetic logs: what passes, and which empty victories do not.

#![expect(clippy::float_cmp, reason = "figures that are exact by construction")]

use super::testing::{Log, SCENARIO, healthy, scenario, stressed, words};
use super::*;
use crate::environment::{AppliedObject, Conclusion, Write};
use crate::episode::{EndReason, EpisodeEvent};
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
    // Its episode ended at 240 s, the budget and the hold time at 660 s.
    assert_eq!((score.times.detect.unwrap().seconds, score.times.mitigate.unwrap().seconds), (600.0, 600.0));
}

/// Changes that make figures look good while the service is gone, broken or given a machine of its own.
#[test]
fn empty_victories_do_not_pass() {
    type Spoil = fn(&mut Truth);
    let table: [(&str, &str, Spoil); 10] = [
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
        ("another program that knows nothing", "not green: latency, success, throughput", |truth| {
            let c = &mut truth.components[0];
            (c.requests, c.misdirected, c.p99_s) = (0, 250, None);
            (truth.client_ok, truth.client_failed) = (0, 250);
        }),
        ("404s of another program that the client takes for 200", "not green: success", |truth| {
            truth.components[0].misdirected = 250;
        }),
        ("no limit any more", "not green: cpu, limits", |truth| {
            let c = &mut truth.components[0];
            (c.cpu_limit, c.cpu_limit_written, c.cpu_unlimited) = (None, None, 1);
        }),
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
    // A killed pod is replaced by itself, whatever the agent did.
    let kill = SCENARIO.replace("kind: StressChaos", "kind: PodChaos");
    let blow = scenario(&kill.replace("stressors: {cpu: {workers: 2, load: 50}}", "action: pod-kill"));
    let why = competent(healthy).score_by(&blow).levels.l5.unwrap();
    assert!(!why.passed && why.why.contains("over at once"), "{why:?}");
    let branched = competent(healthy).idle_branch(false).score_by(&blow);
    assert!(passed(branched.levels.l5.as_ref()), "a branch says more than what is declared: {:?}", branched.levels.l5);
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

/// Three heartbeats are promised; the first report comes so late that the second evaluation begins with it.
#[test]
fn every_promised_evaluation_is_judged_in_itself() {
    let heartbeats =
        scenario(&SCENARIO.replace("start: 90s", "start: 90s\n  trigger: {heartbeat: {every: 60s, times: 3}}"));
    let healthy_said = || Conclusion { healthy: true, ..Conclusion::default() };
    let first = || Log::of(60, healthy).reports(170, healthy_said()).begins(170, 2);
    let all = first().reports(180, healthy_said()).begins(210, 3).reports(220, healthy_said());
    let l3 = |log: Log| log.score_by(&heartbeats).levels.l3.unwrap();
    assert!(passed(Some(&l3(all))));
    let silent = first().begins(210, 3).reports(220, healthy_said());
    assert_eq!(l3(silent).why, "evaluation 2 ended without a judgement");
    let waited_out = first().reports(180, healthy_said());
    assert_eq!(l3(waited_out).why, "only 2 of 3 evaluations began before time was up");
}

#[test]
fn a_budget_that_any_evaluation_used_up_is_seen() {
    let healthy_said = || Conclusion { healthy: true, ..Conclusion::default() };
    let over = |log: Log| log.score().conduct.over_budget;
    assert!(!over(Log::of(60, healthy).reports(100, healthy_said())));
    assert!(over(Log::of(60, healthy)));
    assert!(over(Log::of(60, healthy).begins(150, 2).reports(160, healthy_said())), "the log's end says: completed");
    assert!(!over(Log::of(60, healthy).reports(100, healthy_said()).begins(150, 2).reports(160, healthy_said())));
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
    // 180 s, and from the end at 240 s to the horizon 420 s more: 0.1 cores and 0.1 GiB requested, 0.2 of each as limit.
    let resources = -600.0 * (0.1 * 0.1 + 0.2 * 0.01 + 0.1 * 0.01 + 0.2 * 0.001);
    assert!((score.total.resources - resources).abs() < 1e-9, "{} {resources}", score.total.resources);
    assert_eq!((score.total.actions, score.total.harm), (-5.0, 0.0));
    let bounds: Vec<(f64, f64)> = score.reward.iter().map(|r| (r.from.as_secs_f64(), r.to.as_secs_f64())).collect();
    assert_eq!(bounds, [(60.0, 110.0), (110.0, 240.0), (240.0, 660.0)]);
    assert_eq!(score.reward.iter().map(|r| r.projected).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(score.reward[0].terms.violations[&slo::ClauseName::Cpu], -50.0);
    let sum: f64 = score.reward.iter().map(|interval| interval.terms.sum()).sum();
    assert!((sum - score.total.sum()).abs() < 1e-9);
}

/// Whoever reports at once that all is well pays for what it leaves behind, as long as everybody does.
#[test]
fn giving_up_early_is_not_cheaper() {
    let until = |second: f64| {
        let mut log = Log::of(240, healthy);
        log.0.retain(|(at, _)| at.as_secs_f64() <= second);
        let end = EpisodeEvent::Ended { reason: EndReason::Completed };
        let mut entries = log.entries();
        entries.pop();
        entries.push(Entry { seq: entries.len() as u64 + 1, t_ns: SimTime::from_secs_f64(second), event: end });
        let distance = |_: &str, _: &str| None;
        score(&Judge::new(&scenario(SCENARIO), &words(), &distance), &entries)
    };
    let (early, late) = (until(155.0), until(240.0));
    assert!((early.total.sum() - late.total.sum()).abs() < 1e-9, "{:?} {:?}", early.total, late.total);
    assert_eq!(early.times, late.times, "and its times are censored where those of others are");
    assert_eq!(late.total.violations[&slo::ClauseName::Cpu], -600.0);
    let played = early.reward.iter().filter(|interval| !interval.projected);
    assert_eq!(played.map(|interval| interval.terms.violations[&slo::ClauseName::Cpu]).sum::<f64>(), -95.0);
}

/// A branch is charged for the same time as the world as it was played: the difference is the decision's.
#[test]
fn a_branch_has_the_horizon_of_its_world() {
    let scenario = scenario(SCENARIO);
    let distance = |_: &str, _: &str| None;
    let judge = Judge::new(&scenario, &words(), &distance);
    let world = |mended: u64| -> Vec<Truth> {
        (0..240)
            .step_by(5)
            .map(|from| if (60..mended).contains(&from) { stressed(from) } else { healthy(from) })
            .collect()
    };
    let value = |truths: &[Truth], writes: &[Write]| {
        let truths: Vec<&Truth> = truths.iter().collect();
        let (from, end) = (SimTime::from_secs_f64(110.0), SimTime::from_secs_f64(240.0));
        return_of(&judge, &truths, writes.iter(), judge.fault_free_per_s(&truths), from, end).sum()
    };
    let (with, without) = (value(&world(120), &[restart()]), value(&world(240), &[]));
    // Two clauses from 120 s to 660 s, and the price of a rollout.
    assert!((with - without - (2.0 * 540.0 - 5.0)).abs() < 1e-6, "{with} {without}");
}

/// Decided at 100 s, carried out when the thinking is over, which is when the next step is decided.
#[test]
fn a_write_is_the_price_of_the_step_that_decided_on_it() {
    let log = Log::of(120, healthy).decides(100, 1, restart()).decides(110, 2, restart()).answered(110, 1);
    let actions: Vec<(Option<u32>, f64)> = log.score().reward.iter().map(|r| (r.step, r.terms.actions)).collect();
    assert_eq!(actions, [(None, 0.0), (Some(1), -5.0), (Some(2), 0.0), (None, 0.0)]);
}

#[test]
fn changes_to_what_is_shared_are_counted_by_themselves() {
    let apply = |kind: &str, spec: &str| {
        let manifest = format!("apiVersion: {kind}\nmetadata: {{name: any}}\nspec: {spec}\n");
        Write::Apply(AppliedObject { manifest })
    };
    let quota = apply("v1\nkind: ResourceQuota", "{hard: {pods: \"5\"}}");
    let scaler = apply(
        "autoscaling/v2\nkind: HorizontalPodAutoscaler",
        "{scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: carts}, maxReplicas: 3, metrics: [{type: Resource, \
         resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]}",
    );
    let cordon = Write::Cordon { node: "node-2".into() };
    let log = Log::of(120, healthy).writes(110, 1, quota).writes(111, 2, cordon).writes(112, 3, scaler);
    let conduct = log.writes(113, 4, restart()).score().conduct;
    assert_eq!((conduct.actions, conduct.cluster_wide, conduct.foreign), (4, 2, 1));
}

#[test]
fn harm_counts_failed_requests_and_actions_on_others() {
    let foreign = Write::Scale { component: "carts".into(), replicas: 0 };
    let score = Log::of(120, |from| Truth { client_failed: 10, ..healthy(from) }).writes(110, 1, foreign).score();
    // 24 intervals of 10 failed requests at 0.01, as many in the 84 up to the horizon, and one foreign action.
    assert!((score.total.harm - (-(24.0 + 84.0) * 10.0 * 0.01 - 10.0)).abs() < 1e-9, "{}", score.total.harm);
    assert_eq!(score.total.actions, -30.0, "scaling to zero is destructive");
    assert_eq!((score.conduct.foreign, score.conduct.destructive), (1, 1));
    let pod = Write::DeletePod { pod: "catalogue-db-7d4b9c55f-x2x4z".into() };
    assert_eq!(component_of(&pod).as_deref(), Some("catalogue-db"));
}

#[test]
fn the_summary_has_the_documented_form() {
    let scores = [competent(healthy).idle_branch(false).score(), Log::of(240, healthy).score()];
    let trials = Trials { scenario: "test/stress", model: "runbook", seed: 7, void: 1, unplayed: 0, wall_s: Some(0.5) };
    let summary = serde_json::to_string_pretty(&summarize(&trials, &scores)).unwrap();
    insta::assert_snapshot!(summary);
    let split = mitigation_by_diagnosis(&scores);
    assert_eq!((split.diagnosed.passed, split.diagnosed.of), (1, 1));
    assert_eq!((split.not_diagnosed.passed, split.not_diagnosed.of), (0, 1));
}
