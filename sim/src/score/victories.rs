//! Tests of the whole score on synthetic logs: what passes, and which empty victories do not.

use super::*;
use crate::diagnostic::Source;
use crate::environment::{Action, Conclusion, Declaration, Write};
use crate::episode::{Branch, ComponentTruth, EndReason, EpisodeEvent};
use crate::fault::FaultKind;
use crate::time::SimDuration;

/// Catalogue under CPU stress from 60 s on; asked at 90 s; 60 s of hold.
const SCENARIO: &str = "
apiVersion: sockpit/v1alpha1
kind: Scenario
name: test/stress
app: {name: sock-shop}
workloads:
- {user_class: browse, target: catalogue, shape: {users: {users: 50, spawn_rate: 50}}}
faults:
- start: 60s
  inject:
    chaos-mesh:
      apiVersion: chaos-mesh.org/v1alpha1
      kind: StressChaos
      metadata: {name: stress}
      spec:
        mode: all
        selector: {labelSelectors: {name: catalogue}}
        stressors: {cpu: {workers: 2, load: 50}}
task:
  levels: [L3, L4, L5]
  agent: catalogue
  text: Check the objectives and mend what is wrong.
  goal: maintain
  start: 90s
slos: {components: [catalogue]}
";

fn words() -> AppWords {
    let component = |name: &str| crate::scenario::ComponentWords {
        name: name.into(),
        labels: [("name".to_owned(), name.to_owned())].into(),
    };
    AppWords {
        components: ["catalogue", "carts"].map(component).into(),
        services: vec!["catalogue".into()],
        user_classes: vec!["browse".into()],
        ..AppWords::default()
    }
}

fn scenario(text: &str) -> Scenario {
    let source = Source { path: "test.yaml".into(), text: text.into() };
    Scenario::load(&source, &[], |_| Ok(words())).unwrap_or_else(|mistakes| panic!("{mistakes}")).value
}

/// A healthy interval of 5 s: 250 requests, 40 m of a limit of 200 m.
fn healthy(from: u64) -> Truth {
    let at = |s| SimTime::ZERO + SimDuration::from_secs(s);
    Truth {
        from: at(from),
        to: at(from + 5),
        client_sent: 250,
        client_ok: 250,
        client_failed: 0,
        client_waiting: 0,
        client_p99_s: Some(0.02),
        components: vec![ComponentTruth {
            component: "catalogue".into(),
            replicas: 1,
            exists: true,
            pods: 1,
            ready: 1,
            available: 1,
            requests: 250,
            errors: 0,
            p99_s: Some(0.01),
            caller_p99_s: Some(0.02),
            cpu_worst_pod: 0.04,
            cpu_total: 0.04,
            cpu_limit: Some(0.2),
            cpu_limit_written: Some(0.2),
            memory_worst_pod: 20 << 20,
            memory_limit: Some(200 << 20),
            memory_limit_written: Some(200 << 20),
            periods: 50,
            throttled_periods: 0,
            cpu_request_core_s: 0.5,
            cpu_limit_core_s: 1.0,
            memory_request_gib_s: 0.5,
            memory_limit_gib_s: 1.0,
        }],
        measured: Vec::new(),
    }
}

/// The same with the CPU used up.
fn stressed(from: u64) -> Truth {
    let mut truth = healthy(from);
    truth.components[0].cpu_worst_pod = 0.2;
    truth.components[0].p99_s = Some(0.4);
    truth
}

struct Log(Vec<(SimTime, EpisodeEvent)>);

impl Log {
    /// Healthy until 60 s, stressed until `mended`, then what `after` says, until 240 s.
    fn of(mended: u64, after: impl Fn(u64) -> Truth) -> Self {
        let mut log = Self(Vec::new());
        for from in (0..240).step_by(5) {
            let truth = match from {
                0..60 => healthy(from),
                from if from < mended => stressed(from),
                from => after(from),
            };
            log.0.push((truth.to, EpisodeEvent::Truth(Box::new(truth))));
        }
        log.at(90, EpisodeEvent::TaskStarted { agent: "catalogue".into(), evaluation: 1, text: String::new() })
    }

    fn at(mut self, second: u64, event: EpisodeEvent) -> Self {
        self.0.push((SimTime::ZERO + SimDuration::from_secs(second), event));
        self
    }

    fn declares(self, second: u64, healthy: bool, cause: Option<(&str, &str)>) -> Self {
        let (component, kind) = cause.map(|(c, k)| (c.to_owned(), k.to_owned())).unzip();
        let declaration = Declaration { healthy, component, kind };
        self.at(second, EpisodeEvent::Declared { agent: "catalogue".into(), declaration })
    }

    fn reports(self, second: u64, conclusion: Conclusion) -> Self {
        self.at(second, EpisodeEvent::Reported { agent: "catalogue".into(), conclusion })
    }

    fn writes(self, second: u64, step: u32, write: Write) -> Self {
        let agent = || "catalogue".to_owned();
        let decision = EpisodeEvent::Decision { agent: agent(), step, action: Action::Write(write), think_ns: 0 };
        let answer = EpisodeEvent::Answer { agent: agent(), step, rejected: false, text: String::new() };
        self.at(second, decision).at(second, answer)
    }

    fn idle_branch(self, green_at_end: bool) -> Self {
        let branch =
            Branch { without_step: None, future: 0, played: -10.0, branch: -90.0, inapplicable: 0, green_at_end };
        self.at(240, EpisodeEvent::Branch(Box::new(branch)))
    }

    fn entries(mut self) -> Vec<Entry> {
        self.0.sort_by_key(|(at, _)| *at);
        self.0.push((SimTime::ZERO + SimDuration::from_secs(240), EpisodeEvent::Ended { reason: EndReason::Completed }));
        self.0.into_iter().zip(1..).map(|((t_ns, event), seq)| Entry { seq, t_ns, event }).collect()
    }

    fn score(self) -> EpisodeScore {
        self.score_by(&scenario(SCENARIO))
    }

    fn score_by(self, scenario: &Scenario) -> EpisodeScore {
        let distance = |a: &str, b: &str| (a != b).then_some(2);
        score(&Judge::new(scenario, &words(), &distance), &self.entries())
    }
}

fn restart() -> Write {
    Write::Restart { component: "catalogue".into() }
}

/// Declares the cause at 100 s, acts at 110 s, is right from 120 s on, reports at 160 s.
fn competent(after: impl Fn(u64) -> Truth) -> Log {
    Log::of(120, after)
        .declares(100, false, Some(("catalogue", "cpu-stress")))
        .writes(110, 1, restart())
        .reports(
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
