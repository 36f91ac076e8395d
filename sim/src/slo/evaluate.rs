//! Clauses against one interval, and health judgements against several.

use super::{ClauseName, ClauseResult, ClauseState, Side, Slos};
use crate::episode::{ComponentTruth, Truth};
use crate::time::{SimDuration, SimTime};

/// A closed loop of users that wait the same time brings now more and now fewer answers into an interval, as their phases
/// have it; over so long that evens out.
const THROUGHPUT_OVER: SimDuration = SimDuration::from_secs(15);

/// Every clause that is asked for, for each of its components, over the last of the intervals that were seen, which are in
/// order.
///
/// `fault_free_per_s` is the throughput of the world without the fault, in requests per second; the scenario's own
/// figure goes first.
pub fn evaluate(slos: &Slos, seen: &[&Truth], fault_free_per_s: Option<f64>) -> Vec<ClauseResult> {
    let mut results = Vec::new();
    let Some(truth) = seen.last() else { return results };
    for clause in ClauseName::ALL.into_iter().filter(|&clause| slos.asks(clause)) {
        for component in slos.components_of(clause) {
            let state = match truth.components.iter().find(|c| c.component == *component) {
                Some(of_component) => component_state(slos, clause, of_component, seen),
                None => Some(ClauseState::NoData),
            };
            results.extend(state.map(|state| ClauseResult { clause, component: Some(component.clone()), state }));
        }
        let state = match clause {
            ClauseName::Success => client_success(slos, truth),
            ClauseName::Throughput => throughput(slos, seen, fault_free_per_s),
            _ => continue,
        };
        results.push(ClauseResult { clause, component: None, state });
    }
    results
}

/// The clauses that keep objectives from being green, each once, in the order of the report.
pub(crate) fn red(results: impl IntoIterator<Item = ClauseResult>) -> Vec<ClauseName> {
    let mut red = Vec::new();
    for result in results {
        if result.state.is_red() && !red.contains(&result.clause) {
            red.push(result.clause);
        }
    }
    red
}

/// Whether objectives hold: nothing is violated or unknown, and something was measured.
pub fn is_green(results: &[ClauseResult]) -> bool {
    let mut measured = false;
    for result in results {
        match result.state {
            ClauseState::Green { .. } => measured = true,
            ClauseState::NotApplicable => {}
            ClauseState::Violated { .. } | ClauseState::NoData => return false,
        }
    }
    measured
}

/// Which answers to "do all objectives hold?" are right at one moment.
///
/// In a transition both are: the last interval is green already, but the time that "stable" asks for is not over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// "Yes" is right: the interval of that moment met all objectives.
    pub healthy: bool,
    /// "No" is right: an interval within [`Slos::stable_for`] before that moment did not.
    pub unhealthy: bool,
}

impl Judgement {
    /// Whether the answer is right.
    pub const fn accepts(self, healthy: bool) -> bool {
        if healthy { self.healthy } else { self.unhealthy }
    }
}

/// Judges the moment `at` by the recorded intervals; none if no interval ended before or covers it.
pub fn judge(slos: &Slos, truths: &[&Truth], fault_free_per_s: Option<f64>, at: SimTime) -> Option<Judgement> {
    let seen = &truths[..truths.partition_point(|truth| truth.from < at)];
    seen.last()?;
    let window = at - slos.stable_for;
    let green = |upto: usize| is_green(&evaluate(slos, &seen[..upto], fault_free_per_s));
    let recent = seen.partition_point(|truth| truth.to <= window);
    Some(Judgement { healthy: green(seen.len()), unhealthy: (recent + 1..=seen.len()).any(|upto| !green(upto)) })
}

/// How a clause stands for a component; none for a clause that has nothing to say about one.
fn component_state(slos: &Slos, clause: ClauseName, of: &ComponentTruth, seen: &[&Truth]) -> Option<ClauseState> {
    Some(match clause {
        ClauseName::Ready => ready(of),
        ClauseName::Cpu if Dropped::of(of, seen).cpu => without_limit(slos.cpu.below),
        ClauseName::Memory if Dropped::of(of, seen).memory => without_limit(slos.memory.below),
        ClauseName::Cpu => share(of.pods, of.cpu_worst_pod, of.cpu_limit, slos.cpu.below),
        ClauseName::Memory => {
            let limit = of.memory_limit.map(|bytes| bytes as f64);
            share(of.pods, of.memory_worst_pod as f64, limit, slos.memory.below)
        }
        ClauseName::Latency => {
            let measured = match slos.latency.side {
                Side::Server => of.p99_s,
                Side::Caller => of.caller_p99_s,
            };
            measured.map_or(ClauseState::NoData, |value| below(value, slos.latency.below.as_secs_f64()))
        }
        ClauseName::Replicas => at_least(f64::from(of.available), f64::from(slos.replicas.at_least.max(of.replicas))),
        ClauseName::Success => success(slos, of)?,
        ClauseName::Throughput => return None,
        ClauseName::Limits => {
            let dropped = Dropped::of(of, seen);
            if dropped.cpu || dropped.memory { without_limit(1.0) } else { limits(of) }
        }
    })
}

fn below(value: f64, bound: f64) -> ClauseState {
    if value < bound { ClauseState::Green { value } } else { ClauseState::Violated { value, bound } }
}

fn at_least(value: f64, bound: f64) -> ClauseState {
    if value >= bound { ClauseState::Green { value } } else { ClauseState::Violated { value, bound } }
}

/// Ready pods among those there are; a Deployment without pods has none that is ready.
fn ready(of: &ComponentTruth) -> ClauseState {
    at_least(f64::from(of.ready), f64::from(of.pods.max(1)))
}

fn share(pods: u32, used: f64, limit: Option<f64>, bound: f64) -> ClauseState {
    match limit {
        _ if pods == 0 => ClauseState::NoData,
        Some(limit) if limit > 0.0 => below(used / limit, bound),
        Some(_) | None => ClauseState::NotApplicable,
    }
}

/// Which limits a component began with and has no longer.
///
/// A limit that is taken away is a limit that no node can honour, and takes the objective with it: usage over what the node
/// has would be green for whoever lifts the limit, and cheaper than raising it. So the clause is violated instead, and the
/// guard with it. What has no limit in its manifest never had that objective.
#[derive(Clone, Copy, Debug, Default)]
struct Dropped {
    cpu: bool,
    memory: bool,
}

impl Dropped {
    fn of<'t>(now: &ComponentTruth, seen: &[&'t Truth]) -> Self {
        if now.cpu_unlimited == 0 && now.memory_unlimited == 0 {
            return Self::default();
        }
        let runs = |c: &&ComponentTruth| {
            c.cpu_unlimited + c.memory_unlimited > 0 || c.cpu_limit.is_some() || c.memory_limit.is_some()
        };
        let of_component = |truth: &&'t Truth| truth.components.iter().find(|c| c.component == now.component);
        let first = seen.iter().filter_map(of_component).find(runs);
        first.map_or_else(Self::default, |first| Self {
            cpu: now.cpu_unlimited > 0 && first.cpu_unlimited == 0,
            memory: now.memory_unlimited > 0 && first.memory_unlimited == 0,
        })
    }
}

/// Stands for a share of a limit that is gone: all of it, and more than any bound.
const fn without_limit(bound: f64) -> ClauseState {
    ClauseState::Violated { value: f64::MAX, bound }
}

/// Requests to a component that its own program answered without an error, of all that were answered. Without any in the
/// interval the clients' side of the clause says what is to be said.
fn success(slos: &Slos, of: &ComponentTruth) -> Option<ClauseState> {
    let answered = of.requests + of.misdirected;
    let failed = (of.errors + of.misdirected) as f64;
    (answered > 0).then(|| at_least(1.0 - failed / answered as f64, slos.success.at_least))
}

/// The most that a limit exceeds what the node can give: CPU or memory, as a ratio.
fn limits(of: &ComponentTruth) -> ClauseState {
    let ratio = |written: Option<f64>, given: Option<f64>| match (written, given) {
        (Some(written), Some(given)) if given > 0.0 => Some(written / given),
        _ => None,
    };
    // Of the worst pods alone, which is all that a log of version 1 tells.
    let cpu = ratio(of.cpu_limit_written, of.cpu_limit);
    let memory = ratio(of.memory_limit_written.map(|b| b as f64), of.memory_limit.map(|b| b as f64));
    match cpu.into_iter().chain(memory).chain(of.limit_over_node).reduce(f64::max) {
        // What the node gives is the written limit itself, or less.
        Some(worst) if worst > 1.0 => ClauseState::Violated { value: worst, bound: 1.0 },
        Some(value) => ClauseState::Green { value },
        None => ClauseState::NotApplicable,
    }
}

/// Requests that clients saw answered, of those whose outcome is known. Those still waiting count neither
/// way: they are what the latency and the throughput suffer from.
fn client_success(slos: &Slos, truth: &Truth) -> ClauseState {
    let known = truth.client_ok + truth.client_failed;
    if known == 0 {
        return ClauseState::NoData;
    }
    at_least(truth.client_ok as f64 / known as f64, slos.success.at_least)
}

/// Enough in the last interval, or over the time in which phases even out.
fn throughput(slos: &Slos, seen: &[&Truth], fault_free_per_s: Option<f64>) -> ClauseState {
    let reference = slos.throughput.fault_free_per_s.or(fault_free_per_s).filter(|reference| *reference > 0.0);
    let (Some(reference), Some(last)) = (reference, seen.last()) else { return ClauseState::NoData };
    let rate = |truths: &[&Truth]| {
        let seconds: f64 = truths.iter().map(|truth| truth.to.since(truth.from).as_secs_f64()).sum();
        let answered: u64 = truths.iter().map(|truth| truth.client_ok).sum();
        (seconds > 0.0).then(|| answered as f64 / seconds / reference)
    };
    let window = last.to - THROUGHPUT_OVER;
    let recent = &seen[seen.partition_point(|truth| truth.to <= window)..];
    match rate(&seen[seen.len() - 1..]).zip(rate(recent)) {
        Some((now, lately)) => at_least(now.max(lately), slos.throughput.at_least),
        None => ClauseState::NoData,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SimDuration;

    fn component() -> ComponentTruth {
        ComponentTruth {
            component: "carts".into(),
            replicas: 2,
            exists: true,
            pods: 2,
            ready: 2,
            available: 2,
            requests: 100,
            errors: 0,
            misdirected: 0,
            p99_s: Some(0.05),
            caller_p99_s: Some(0.3),
            cpu_worst_pod: 0.1,
            cpu_total: 0.15,
            cpu_limit: Some(0.3),
            cpu_limit_written: Some(0.3),
            cpu_unlimited: 0,
            memory_worst_pod: 100,
            memory_limit: Some(400),
            memory_limit_written: Some(400),
            memory_unlimited: 0,
            limit_over_node: Some(0.05),
            periods: 0,
            throttled_periods: 0,
            cpu_request_core_s: 0.0,
            cpu_limit_core_s: 0.0,
            memory_request_gib_s: 0.0,
            memory_limit_gib_s: 0.0,
        }
    }

    fn truth(component: ComponentTruth) -> Truth {
        Truth {
            from: SimTime::ZERO,
            to: SimTime::ZERO + SimDuration::from_secs(5),
            client_sent: 100,
            client_ok: 100,
            client_failed: 0,
            client_waiting: 0,
            client_p99_s: None,
            components: vec![component],
            measured: Vec::new(),
        }
    }

    fn results(slos: &Slos, change: impl FnOnce(&mut ComponentTruth)) -> Vec<ClauseResult> {
        let mut component = component();
        change(&mut component);
        evaluate(slos, &[&truth(component)], Some(20.0))
    }

    fn state(results: &[ClauseResult], clause: ClauseName) -> ClauseState {
        results.iter().find(|result| result.clause == clause).map(|result| result.state).unwrap()
    }

    #[test]
    fn a_clause_without_limit_or_data_is_never_green() {
        let slos = Slos::of(vec!["carts".into()]);
        let all = results(&slos, |_| {});
        assert!(is_green(&all), "{all:?}");
        let unlimited = results(&slos, |c| (c.cpu_limit, c.cpu_limit_written) = (None, None));
        assert_eq!(state(&unlimited, ClauseName::Cpu), ClauseState::NotApplicable);
        assert!(is_green(&unlimited), "what does not apply does not stand in the way");
        let silent = results(&slos, |c| c.p99_s = None);
        assert_eq!(state(&silent, ClauseName::Latency), ClauseState::NoData);
        assert!(!is_green(&silent));
        let nobody = evaluate(&Slos::of(vec!["orders".into()]), &[&truth(component())], Some(20.0));
        assert_eq!(state(&nobody, ClauseName::Ready), ClauseState::NoData);
        assert!(!is_green(&evaluate(&slos, &[&truth(component())], None)), "throughput without a reference");
        assert!(!is_green(&[]), "nothing was measured");
    }

    #[test]
    fn bounds_are_those_of_the_scenario_and_the_worst_pod_counts() {
        let mut slos = Slos::of(vec!["carts".into()]);
        slos.latency.side = Side::Caller;
        let all = results(&slos, |c| (c.cpu_worst_pod, c.cpu_total) = (0.15, 0.16));
        assert_eq!(state(&all, ClauseName::Latency), ClauseState::Violated { value: 0.3, bound: 0.2 });
        assert_eq!(state(&all, ClauseName::Cpu), ClauseState::Violated { value: 0.5, bound: 0.5 }, "below is below");
        assert!((state(&all, ClauseName::Latency).excess() - 0.5).abs() < 1e-9);
        slos.without = vec![ClauseName::Latency, ClauseName::Cpu];
        assert!(is_green(&results(&slos, |_| {})));
        slos.throughput.fault_free_per_s = Some(30.0);
        let slow = results(&slos, |_| {});
        assert_eq!(state(&slow, ClauseName::Throughput), ClauseState::Violated { value: 20.0 / 30.0, bound: 0.95 });
    }

    #[test]
    fn a_limit_that_is_taken_away_is_not_met() {
        let slos = Slos::of(vec!["carts".into()]);
        let after = |first: ComponentTruth, last: ComponentTruth| {
            let (first, last) = (truth(first), truth(last));
            evaluate(&slos, &[&first, &last], Some(20.0))
        };
        let unlimited = |cpu: bool| {
            let mut c = component();
            if cpu {
                (c.cpu_limit, c.cpu_limit_written, c.cpu_unlimited) = (None, None, 2);
            } else {
                (c.memory_limit, c.memory_limit_written, c.memory_unlimited) = (None, None, 2);
            }
            c
        };
        for (cpu, clause, other) in
            [(true, ClauseName::Cpu, ClauseName::Memory), (false, ClauseName::Memory, ClauseName::Cpu)]
        {
            let lifted = after(component(), unlimited(cpu));
            assert!(state(&lifted, clause).is_violated() && !state(&lifted, other).is_violated(), "{lifted:?}");
            assert!(state(&lifted, ClauseName::Limits).is_violated(), "whoever has none has more than the node");
            let never_had = after(unlimited(cpu), unlimited(cpu));
            assert_eq!(state(&never_had, clause), ClauseState::NotApplicable);
            assert!(is_green(&never_had), "as a database without limits in its manifest");
        }
        // A pod that does not run yet, or none at all, says nothing of limits.
        let starting = |c: &mut ComponentTruth| (c.cpu_limit, c.cpu_limit_written) = (None, None);
        let mut pending = component();
        starting(&mut pending);
        assert_eq!(state(&after(component(), pending), ClauseName::Cpu), ClauseState::NotApplicable);
    }

    #[test]
    fn an_answer_of_another_program_is_an_error_of_the_component_that_was_asked() {
        let slos = Slos::of(vec!["carts".into()]);
        let silent = |c: &mut ComponentTruth| (c.requests, c.misdirected, c.p99_s) = (0, 100, Some(0.05));
        let none_left = results(&slos, silent);
        assert_eq!(state(&none_left, ClauseName::Success), ClauseState::Violated { value: 0.0, bound: 0.99 });
        let half = results(&slos, |c| c.misdirected = 100);
        assert_eq!(state(&half, ClauseName::Success), ClauseState::Violated { value: 0.5, bound: 0.99 });
        let nobody_asked = results(&slos, |c| c.requests = 0);
        assert!(is_green(&nobody_asked), "{nobody_asked:?}");
    }

    #[test]
    fn phases_of_users_are_no_loss_of_throughput() {
        let slos = Slos::of(vec!["carts".into()]);
        let counted = |counts: &[u64]| {
            let each = counts.iter().enumerate().map(|(i, &client_ok)| {
                let at = |n: usize| SimTime::ZERO + SimDuration::from_secs(5 * n as u64);
                Truth { from: at(i), to: at(i + 1), client_ok, ..truth(component()) }
            });
            let truths: Vec<Truth> = each.collect();
            let seen: Vec<&Truth> = truths.iter().collect();
            state(&evaluate(&slos, &seen, Some(20.0)), ClauseName::Throughput)
        };
        assert_eq!(counted(&[100, 100, 91]), ClauseState::Green { value: 291.0 / 300.0 });
        assert_eq!(counted(&[0, 0, 100]), ClauseState::Green { value: 1.0 }, "it is back at once");
        assert_eq!(counted(&[90, 90, 90]), ClauseState::Violated { value: 0.9, bound: 0.95 });
    }

    #[test]
    fn nothing_is_judged_before_the_first_look() {
        let slos = Slos::of(vec!["carts".into()]);
        assert_eq!(judge(&slos, &[], Some(20.0), SimTime::ZERO), None);
        let only = truth(component());
        let healthy = Judgement { healthy: true, unhealthy: false };
        assert_eq!(judge(&slos, &[&only], Some(20.0), SimTime::ZERO + SimDuration::from_secs(9)), Some(healthy));
    }
}
