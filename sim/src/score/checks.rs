//! L1 and L2: the end state and the reported values, checked by program.

use super::levels::{Outcome, outcome};
use super::{Judge, Reading};
use crate::environment::Description;
use crate::episode::{ComponentTruth, Truth};
use crate::scenario::{Answer, Check, Quantity};
use crate::slo::{self, ClauseName, ClauseResult, ClauseState};
use crate::time::SimTime;

/// All checks of the task.
pub(super) fn all(judge: &Judge<'_>, reading: &Reading<'_>) -> Outcome {
    let outcomes: Vec<Outcome> = judge.scenario.task.checks().iter().map(|check| one(judge, reading, check)).collect();
    let wrong: Vec<&str> = outcomes.iter().filter(|o| !o.passed).map(|o| o.why.as_str()).collect();
    if wrong.is_empty() {
        let found: Vec<&str> = outcomes.iter().map(|o| o.why.as_str()).collect();
        return outcome(true, found.join("; "));
    }
    outcome(false, wrong.join("; "))
}

fn one(judge: &Judge<'_>, reading: &Reading<'_>, check: &Check) -> Outcome {
    match check {
        Check::Created(component) => with_end(reading, component, |end| {
            outcome(serves(end), format!("{component} exists with {} available", end.deployment.available))
        }),
        Check::Replicas { component, equals } => with_end(reading, component, |end| {
            let found = &end.deployment;
            let right = found.replicas == *equals && found.available == *equals;
            outcome(right, format!("{component} has {} of {} replicas available", found.available, found.replicas))
        }),
        Check::ImageTag { component, tag } => with_end(reading, component, |end| {
            let image = &end.deployment.image;
            // Another program is no version of this one, whatever its tag.
            let own = judge.images.get(component).is_none_or(|own| split_image(own).0 == split_image(image).0);
            let right = own && split_image(image).1 == tag && serves(end);
            outcome(right, format!("{component} runs {image}, {} available", end.deployment.available))
        }),
        Check::Env { component, name, value } => with_end(reading, component, |end| {
            let found = end.deployment.env.iter().find(|(key, _)| key == name).map(|(_, found)| found.as_str());
            let right = found == Some(value) && serves(end);
            outcome(right, format!("{component} has {name}={}", found.unwrap_or("(not set)")))
        }),
        Check::Restarted(component) => with_end(reading, component, |end| restarted(reading, component, end)),
        Check::Autoscaler { component, target_from, target_to, replicas_to } => with_end(reading, component, |end| {
            let Some(scaler) = &end.autoscaler else { return outcome(false, format!("{component} has no autoscaler")) };
            let available = end.deployment.available;
            let right = scaler.min_replicas >= 1
                // At zero replicas an autoscaler does nothing, and with none available it has nothing to measure.
                && end.deployment.replicas >= scaler.min_replicas
                && available >= scaler.min_replicas
                && scaler.max_replicas > scaler.min_replicas
                && scaler.max_replicas <= *replicas_to
                && (*target_from..=*target_to).contains(&scaler.target_percent);
            let found = format!(
                "autoscaler of {component}: {} to {} replicas at {} %, {available} available",
                scaler.min_replicas, scaler.max_replicas, scaler.target_percent
            );
            match users_unserved(judge, reading) {
                Some(clause) => outcome(false, format!("{found}, but `{clause}` is not green")),
                None => outcome(right, found),
            }
        }),
        Check::P99Below { component, bound } => {
            p99_below(judge, reading, std::slice::from_ref(component), bound.as_secs_f64())
        }
        Check::P99SumBelow { components, bound } => p99_below(judge, reading, components, bound.as_secs_f64()),
        Check::CpuBelow { component, share } => cpu_below(judge, reading, component, *share),
        Check::HealthReported => health_reported(judge, reading),
        Check::Reported(answer) => reported(judge, reading, answer),
    }
}

fn with_end(reading: &Reading<'_>, component: &str, check: impl FnOnce(&Description) -> Outcome) -> Outcome {
    match reading.states.get(component) {
        Some((_, Some(end))) => check(end),
        Some((_, None)) => outcome(false, format!("{component} does not exist in the end")),
        None => outcome(false, format!("the end state of {component} was not recorded")),
    }
}

/// All replicas that are asked for are of the newest template and available, and there is one.
fn serves(state: &Description) -> bool {
    let found = &state.deployment;
    found.replicas > 0 && found.available >= found.replicas && found.updated >= found.replicas
}

/// Repository and tag of an image.
fn split_image(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        // A colon before the last slash belongs to the registry's port.
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (image, "latest"),
    }
}

fn restarted(reading: &Reading<'_>, component: &str, end: &Description) -> Outcome {
    let Some((Some(begin), _)) = reading.states.get(component) else {
        return outcome(false, format!("{component} did not exist when the task began"));
    };
    let left = begin.pods.iter().filter(|pod| end.pods.iter().any(|other| other.name == pod.name)).count();
    let right = left == 0 && serves(end) && end.deployment.replicas >= begin.deployment.replicas;
    outcome(
        right,
        format!(
            "{left} of {} old pods of {component} are left, {} available",
            begin.pods.len(),
            end.deployment.available
        ),
    )
}

/// The intervals of the hold time at the end.
fn hold<'r, 'a>(judge: &Judge<'_>, reading: &'r Reading<'a>) -> &'r [&'a Truth] {
    let Some(last) = reading.truths.last() else { return &[] };
    let from = last.to - judge.scenario.hold;
    &reading.truths[reading.truths.partition_point(|truth| truth.to <= from)..]
}

/// The guard of what users get that was violated in the hold time: an object counts only if it does not stand beside an
/// outage. Replicas that are starting, as an autoscaler's may be, are none.
fn users_unserved(judge: &Judge<'_>, reading: &Reading<'_>) -> Option<&'static str> {
    first_in_hold(judge, reading, |r| {
        matches!(r.clause, ClauseName::Success | ClauseName::Throughput) && r.state.is_violated()
    })
}

/// A better figure counts only if no guard was violated for it: neither zero replicas nor fast 500s improve a service.
fn guard_broken(judge: &Judge<'_>, reading: &Reading<'_>) -> Option<&'static str> {
    first_in_hold(judge, reading, |r| r.clause.is_guard() && (r.state.is_violated() || r.state == ClauseState::NoData))
}

/// The first clause of the hold time that stands so.
fn first_in_hold(
    judge: &Judge<'_>,
    reading: &Reading<'_>,
    stands: impl Fn(&ClauseResult) -> bool,
) -> Option<&'static str> {
    let first = reading.truths.len() - hold(judge, reading).len();
    (first + 1..=reading.truths.len())
        .flat_map(|upto| slo::evaluate(&judge.scenario.slos, &reading.truths[..upto], reading.fault_free_per_s))
        .find(stands)
        .map(|result| result.clause.name())
}

fn of<'t>(truth: &'t Truth, component: &str) -> Option<&'t ComponentTruth> {
    truth.components.iter().find(|c| c.component == component)
}

/// The P99 of one component, or the sum over several, in the worst interval.
fn p99_below(judge: &Judge<'_>, reading: &Reading<'_>, components: &[String], bound: f64) -> Outcome {
    if let Some(guard) = guard_broken(judge, reading) {
        return outcome(false, format!("the guard `{guard}` is not green"));
    }
    let worst = hold(judge, reading)
        .iter()
        .map(|truth| components.iter().map(|component| of(truth, component)?.p99_s).sum::<Option<f64>>())
        .reduce(|worst, next| Some(worst?.max(next?)));
    let whose = components.join(" and ");
    match worst {
        Some(Some(worst)) => outcome(worst < bound, format!("P99 of {whose} was at most {:.0} ms", worst * 1e3)),
        _ => outcome(false, format!("P99 of {whose} was not measured")),
    }
}

fn cpu_below(judge: &Judge<'_>, reading: &Reading<'_>, component: &str, bound: f64) -> Outcome {
    if let Some(guard) = guard_broken(judge, reading) {
        return outcome(false, format!("the guard `{guard}` is not green"));
    }
    let shares: Option<Vec<f64>> = hold(judge, reading)
        .iter()
        .map(|truth| of(truth, component).and_then(|c| Some(c.cpu_worst_pod / c.cpu_limit?)))
        .collect();
    match shares.filter(|shares| !shares.is_empty()) {
        Some(shares) => {
            let mean = shares.iter().sum::<f64>() / shares.len() as f64;
            outcome(mean < bound, format!("CPU of {component} was {:.0} % of its limit", mean * 100.0))
        }
        None => outcome(false, format!("CPU of {component} has no limit or was not measured")),
    }
}

fn health_reported(judge: &Judge<'_>, reading: &Reading<'_>) -> Outcome {
    let Some((at, report)) = reading.reports.last() else { return outcome(false, "nothing was reported") };
    let truth = slo::judge(&judge.scenario.slos, &reading.truths, reading.fault_free_per_s, *at);
    let said = if report.healthy { "healthy" } else { "unhealthy" };
    outcome(truth.is_some_and(|truth| truth.accepts(report.healthy)), format!("reported {said}"))
}

/// A value is right if it agrees with the truth over any window of the warm world that meets the evaluation.
fn reported(judge: &Judge<'_>, reading: &Reading<'_>, answer: &Answer) -> Outcome {
    let value = reading.reports.last().and_then(|(at, report)| Some((*at, *report.values.get(&answer.name)?)));
    let Some((at, value)) = value else { return outcome(false, format!("`{}` was not reported", answer.name)) };
    let agrees = |truth: f64| (value - truth).abs() <= answer.tolerance * truth.abs();
    let right = answer.truth.iter().any(|quantity| measured(judge, reading, quantity, at, &agrees, value));
    outcome(right, format!("reported {} = {value}", answer.name))
}

fn measured(
    judge: &Judge<'_>,
    reading: &Reading<'_>,
    quantity: &Quantity,
    until: SimTime,
    agrees: &dyn Fn(f64) -> bool,
    value: f64,
) -> bool {
    // Before the load has its strength, a window could be stretched until it agrees with anything.
    let warm = &reading.truths[reading.truths.partition_point(|truth| truth.from < judge.warm_at)..];
    let begin = reading.evaluations.iter().rev().find(|begun| **begun <= until);
    let begin = begin.copied().unwrap_or(SimTime::ZERO + judge.scenario.task.start);
    let first = warm.partition_point(|truth| truth.to < begin);
    let during = &warm[first..warm.partition_point(|truth| truth.from < until).max(first)];
    match quantity {
        Quantity::Cpu(component) => (first..warm.len()).any(|last| {
            let (mut used, mut seconds) = (0.0, 0.0);
            warm[..=last].iter().enumerate().rev().any(|(ix, truth)| {
                let length = truth.to.since(truth.from).as_secs_f64();
                used += of(truth, component).map_or(0.0, |c| c.cpu_total) * length;
                seconds += length;
                // A window after the report has to reach back into the evaluation.
                ix < first + during.len() && agrees(used / seconds)
            })
        }),
        // The P99 of a window lies between the smallest and the largest of its intervals.
        Quantity::P99(component) => {
            let p99s = during.iter().filter_map(|truth| of(truth, component)?.p99_s);
            let (low, high) = p99s.clone().fold((f64::INFINITY, 0.0_f64), |(low, high), p| (low.min(p), high.max(p)));
            (low..=high).contains(&value) || p99s.into_iter().any(agrees)
        }
        Quantity::Promql(expression) => {
            let index = judge.scenario.measured_expressions().iter().position(|known| known == expression);
            let values = during.iter().filter_map(|truth| *truth.measured.get(index?)?);
            values.into_iter().any(agrees)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::environment::{AutoscalerView, Conclusion, DeploymentView, PodView, Write};
    use crate::episode::EpisodeEvent;
    use crate::score::testing::{Log, SCENARIO, healthy, scenario};
    use crate::time::SimDuration;

    /// A Deployment with one pod.
    fn state(pod: &str) -> Description {
        Description {
            deployment: DeploymentView {
                name: "catalogue".into(),
                replicas: 1,
                updated: 1,
                ready: 1,
                available: 1,
                image: "registry:5000/weaveworksdemos/catalogue:0.3.5".into(),
                cpu_request: None,
                cpu_limit: None,
                memory_request: None,
                memory_limit: None,
                command: Vec::new(),
                args: Vec::new(),
                env: vec![("logger_flag".into(), "true".into())],
                labels: Vec::new(),
                ports: Vec::new(),
                probes: Vec::new(),
                conditions: Vec::new(),
                revision: 1,
                strategy: String::new(),
            },
            replica_sets: Vec::new(),
            pods: vec![PodView {
                name: pod.into(),
                component: "catalogue".into(),
                status: "Running".into(),
                ready: 1,
                containers: 1,
                restarts: 0,
                age: SimDuration::SECOND,
                node: None,
                ip: None,
            }],
            containers: Vec::new(),
            service: None,
            autoscaler: None,
            events: Vec::new(),
        }
    }

    fn scaler(min_replicas: u32, max_replicas: u32, target_percent: u32) -> AutoscalerView {
        AutoscalerView {
            name: "catalogue".into(),
            min_replicas,
            max_replicas,
            current_percent: None,
            target_percent,
            desired_replicas: 1,
            conditions: Vec::new(),
        }
    }

    /// The healthy world with an L1 task, whose objects changed from one pod to what `change` makes of another.
    fn outcome_of(goal: &str, change: impl FnOnce(&mut Description)) -> Outcome {
        let mut end = state("catalogue-b");
        change(&mut end);
        played(goal, Log::of(60, healthy).state(90, Some(state("catalogue-a"))).state(240, Some(end)))
    }

    fn played(goal: &str, log: Log) -> Outcome {
        let text = SCENARIO.replace("[L3, L4, L5]", "[L1]").replace("goal: maintain", &format!("goal: {goal}"));
        log.score_by(&scenario(&text)).levels.l1.unwrap()
    }

    #[test]
    fn end_states_are_checked_against_the_goal() {
        type Change = fn(&mut Description);
        let table: [(&str, bool, Change); 20] = [
            ("create-deployment", true, |_| {}),
            ("create-deployment", false, |end| end.deployment.available = 0),
            ("{scale: {replicas: 3}}", true, |end| (end.deployment.replicas, end.deployment.available) = (3, 3)),
            ("{scale: {replicas: 3}}", false, |end| (end.deployment.replicas, end.deployment.available) = (3, 2)),
            ("{set-image-tag: {tag: 0.3.5}}", true, |_| {}),
            ("{set-image-tag: {tag: 0.3.4}}", false, |_| {}),
            ("{set-image-tag: {tag: 0.3.5}}", false, |end| end.deployment.updated = 0),
            // Another program, the same one elsewhere.
            ("{set-image-tag: {tag: 0.3.5}}", false, |end| end.deployment.image = "weaveworksdemos/carts:0.3.5".into()),
            ("{set-image-tag: {tag: 0.3.5}}", false, |end| end.deployment.image = "catalogue:0.3.5".into()),
            ("{set-env: {name: logger_flag, value: \"true\"}}", true, |_| {}),
            ("{set-env: {name: logger_flag, value: \"false\"}}", false, |_| {}),
            ("restart", true, |_| {}),
            ("restart", false, |end| end.pods[0].name = "catalogue-a".into()),
            ("autoscale", true, |end| end.autoscaler = Some(scaler(1, 5, 60))),
            ("autoscale", false, |_| {}),
            ("autoscale", false, |end| end.autoscaler = Some(scaler(1, 1, 60))),
            ("autoscale", false, |end| end.autoscaler = Some(scaler(1, 5, 99))),
            ("autoscale", false, |end| end.autoscaler = Some(scaler(2, 5, 60))),
            // Scaled to zero: the autoscaler is asleep.
            ("autoscale", false, |end| {
                end.autoscaler = Some(scaler(1, 5, 60));
                (end.deployment.replicas, end.deployment.available) = (0, 0);
            }),
            // On its way up.
            ("autoscale", true, |end| {
                end.autoscaler = Some(scaler(1, 5, 60));
                end.deployment.replicas = 3;
            }),
        ];
        for (goal, passes, change) in table {
            let outcome = outcome_of(goal, change);
            assert_eq!(outcome.passed, passes, "{goal}: {outcome:?}");
        }
        let gone = played("restart", Log::of(60, healthy).state(90, Some(state("catalogue-a"))).state(240, None));
        assert_eq!(gone.why, "catalogue does not exist in the end");
    }

    #[test]
    fn better_figures_count_only_with_their_guards() {
        let below = "{reduce-cpu: {below: 0.3}}";
        assert!(played(below, Log::of(60, healthy)).passed, "40 m of 200 m");
        assert!(!played("{reduce-cpu: {below: 0.1}}", Log::of(60, healthy)).passed);
        assert!(played("{reduce-latency: {below: 300ms}}", Log::of(60, healthy)).passed);
        assert!(!played("{reduce-latency: {below: 5ms}}", Log::of(60, healthy)).passed);
        let giant = Log::of(60, |from| {
            let mut truth = healthy(from);
            truth.components[0].cpu_limit_written = Some(64.0);
            truth.components[0].cpu_limit = Some(6.0);
            truth
        });
        assert_eq!(played(below, giant).why, "the guard `limits` is not green");
        let refusing = Log::of(60, |from| Truth { client_ok: 0, client_failed: 250, ..healthy(from) });
        assert_eq!(played(below, refusing).why, "the guard `success` is not green");
    }

    #[test]
    fn reported_values_agree_with_some_window_before_the_report() {
        // 40 m until 150 s, 80 m from then on; the report is at 200 s.
        let log = |cpu: f64| {
            let report = Conclusion { values: BTreeMap::from([("cpu".into(), cpu)]), ..Conclusion::default() };
            Log::of(60, |from| {
                let mut truth = healthy(from);
                truth.components[0].cpu_total = if from < 150 { 0.04 } else { 0.08 };
                truth
            })
            .reports(200, report)
        };
        for (cpu, right) in
            [(0.04, true), (0.0437, true), (0.06, true), (0.087, true), (0.03, false), (0.1, false), (40.0, false)]
        {
            assert_eq!(played("report-cpu", log(cpu)).passed, right, "{cpu}");
        }
        assert_eq!(played("report-cpu", Log::of(60, healthy)).why, "`cpu` was not reported");
        let p99 = |value: f64| {
            let report = Conclusion { values: BTreeMap::from([("p99".into(), value)]), ..Conclusion::default() };
            played("report-p99", Log::of(60, healthy).reports(200, report)).passed
        };
        assert!(p99(0.0105) && !p99(0.012) && !p99(10.0), "10 ms, in seconds");
    }

    /// The load begins at 60 s: a window that reaches back into the idle time could be made to say anything less.
    #[test]
    fn a_window_begins_when_the_load_has_its_strength() {
        let late = SCENARIO.replace("spawn_rate: 50}}}", "spawn_rate: 50}}, start: 60s}");
        let text = late.replace("[L3, L4, L5]", "[L1]").replace("goal: maintain", "goal: report-cpu");
        let right = |cpu: f64, second: u64| {
            let report = Conclusion { values: BTreeMap::from([("cpu".into(), cpu)]), ..Conclusion::default() };
            let log = Log::of(60, |from| {
                let mut truth = healthy(from);
                truth.components[0].cpu_total = if from < 200 { 0.04 } else { 0.08 };
                truth
            });
            let mut log = log.reports(second, report);
            for (at, event) in &mut log.0 {
                if let EpisodeEvent::Truth(truth) = event
                    && at.as_secs_f64() <= 60.0
                {
                    truth.components[0].cpu_total = 0.0;
                }
            }
            log.score_by(&scenario(&text)).levels.l1.unwrap().passed
        };
        assert!(right(0.04, 180) && !right(0.02, 180), "the mean of idle and busy times is that of no time");
        assert!(right(0.06, 180), "a window that meets the evaluation may end after it");
        assert!(!right(0.08, 180), "a window after the report is none of the evaluation's");
        assert!(right(0.08, 220));
    }

    #[test]
    fn a_health_report_must_be_right() {
        let report = |healthy_said| Conclusion { healthy: healthy_said, ..Conclusion::default() };
        assert!(played("check-health", Log::of(60, healthy).reports(100, report(true))).passed);
        assert!(!played("check-health", Log::of(60, healthy).reports(100, report(false))).passed);
        assert!(!played("check-health", Log::of(240, healthy).reports(100, report(true))).passed);
        assert!(!played("check-health", Log::of(60, healthy)).passed, "nothing was reported");
        let restart = Write::Restart { component: "catalogue".into() };
        assert!(played("check-health", Log::of(60, healthy).writes(95, 1, restart).reports(100, report(true))).passed);
    }
}
