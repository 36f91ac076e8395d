//! What the agent reported: that all is well, and values that it was asked for.

use super::super::levels::{Outcome, outcome};
use super::super::{Judge, Reading};
use super::of;
use crate::scenario::{Answer, Quantity};
use crate::slo;
use crate::time::SimTime;

/// The last report is right about the world at its time.
pub(super) fn health(judge: &Judge<'_>, reading: &Reading<'_>) -> Outcome {
    let Some((at, report)) = reading.reports.last() else { return outcome(false, "nothing was reported") };
    let truth = slo::judge(&judge.scenario.slos, &reading.truths, reading.fault_free_per_s, *at);
    let said = if report.healthy { "healthy" } else { "unhealthy" };
    outcome(truth.is_some_and(|truth| truth.accepts(report.healthy)), format!("reported {said}"))
}

/// A value is right if it agrees with the truth over any window of the warm world that meets the evaluation.
pub(super) fn value(judge: &Judge<'_>, reading: &Reading<'_>, answer: &Answer) -> Outcome {
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

    use crate::environment::{Conclusion, Write};
    use crate::episode::EpisodeEvent;
    use crate::score::testing::{Log, SCENARIO, healthy, played, scenario};

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
