//! What was measured in the hold time at the end: better figures, and the guards without which they count for nothing.

use super::super::levels::{Outcome, outcome};
use super::super::{Judge, Reading};
use super::of;
use crate::slo::{ClauseName, ClauseResult};

/// The guard of what users get that was violated in the hold time: an object counts only if it does not stand beside an
/// outage. Replicas that are starting, as an autoscaler's may be, are none.
pub(super) fn users_unserved(judge: &Judge<'_>, reading: &Reading<'_>) -> Option<&'static str> {
    first_in_hold(judge, reading, |r| {
        matches!(r.clause, ClauseName::Success | ClauseName::Throughput) && r.state.is_violated()
    })
}

/// A better figure counts only if no guard was violated for it: neither zero replicas nor fast 500s improve a service.
fn guard_broken(judge: &Judge<'_>, reading: &Reading<'_>) -> Option<&'static str> {
    first_in_hold(judge, reading, |r| r.clause.is_guard() && r.state.is_red())
}

/// The first clause of the hold time that stands so.
fn first_in_hold(
    judge: &Judge<'_>,
    reading: &Reading<'_>,
    stands: impl Fn(&ClauseResult) -> bool,
) -> Option<&'static str> {
    judge
        .through_hold(&reading.truths, reading.fault_free_per_s)
        .flat_map(|look| look.clauses)
        .find(stands)
        .map(|result| result.clause.name())
}

/// The P99 of one component, or the sum over several, in the worst interval.
pub(super) fn p99_below(judge: &Judge<'_>, reading: &Reading<'_>, components: &[String], bound: f64) -> Outcome {
    if let Some(guard) = guard_broken(judge, reading) {
        return outcome(false, format!("the guard `{guard}` is not green"));
    }
    let worst = judge
        .in_hold(&reading.truths)
        .iter()
        .map(|truth| components.iter().map(|component| of(truth, component)?.p99_s).sum::<Option<f64>>())
        .reduce(|worst, next| Some(worst?.max(next?)));
    let whose = components.join(" and ");
    match worst {
        Some(Some(worst)) => outcome(worst < bound, format!("P99 of {whose} was at most {:.0} ms", worst * 1e3)),
        _ => outcome(false, format!("P99 of {whose} was not measured")),
    }
}

pub(super) fn cpu_below(judge: &Judge<'_>, reading: &Reading<'_>, component: &str, bound: f64) -> Outcome {
    if let Some(guard) = guard_broken(judge, reading) {
        return outcome(false, format!("the guard `{guard}` is not green"));
    }
    let shares: Option<Vec<f64>> = judge
        .in_hold(&reading.truths)
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

#[cfg(test)]
mod tests {
    use crate::episode::Truth;
    use crate::score::testing::{Log, healthy, played};

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
}
