//! What the numbers of the dashboards say, when nothing else does.

use sim::fault::FaultKind;
use sim::slo::ClauseName;

use super::containers::{LEAKS, THROTTLED};
use super::{Case, Finding, Remedy, SLOWED};
use crate::policy::runbook::numbers::Panel;
use crate::policy::runbook::survey::RATE_STEP;

/// Growth that is more than noise of a minute's samples.
const GREW: f64 = 1.25;
/// A machine is crowded when this share of its CPU is used.
const CROWDED: f64 = 0.85;
/// A load that reached nine tenths of its new height within this many seconds came at once. A minute of it is the
/// window of the rate.
const AT_ONCE: f64 = 75.0;

/// Its memory grows, or is taken.
pub(super) fn memory_fills_up(case: &Case<'_>) -> Option<Finding> {
    if !case.is_violated(ClauseName::Memory) {
        return None;
    }
    if case.seen.now(Panel::MemoryGrowth).is_some_and(|growth| growth > LEAKS) {
        return case.here(FaultKind::MemoryLeak, Remedy::RaiseMemory);
    }
    case.here(FaultKind::MemoryStress, Remedy::ReplacePods)
}

/// The machine on which it runs has no CPU left for it, though its own quota has.
pub(super) fn crowded_machine(case: &Case<'_>) -> Option<Finding> {
    let is_crowded = |node: &str| {
        let view = case.closer.nodes.iter().find(|n| n.name == node);
        view.is_some_and(|n| n.cpu.is_some_and(|used| used.cores() > CROWDED * n.allocatable_cpu.cores()))
    };
    let there = case.seen.pods().any(|pod| pod.node.as_deref().is_some_and(is_crowded));
    (there && !is_throttled(case)).then(|| case.here(FaultKind::NoisyNeighbour, Remedy::RequestCpu))?
}

/// A caller asks for the same thing again and again: it has more work than those behind its callers make.
pub(super) fn retried(case: &Case<'_>) -> Option<Finding> {
    let again = |line: &&String| line.contains("attempt") && line.contains(case.seen.component.as_str());
    let tries = case.closer.callers_log.iter().filter(again).count();
    let numbers = &case.seen.numbers;
    let own = numbers.growth(Panel::Rate, &case.seen.component);
    let callers = case.seen.around.called_by.iter().filter_map(|caller| numbers.growth(Panel::Rate, caller));
    let multiplied =
        own.zip(callers.max_by(f64::total_cmp)).is_some_and(|(own, theirs)| own > GREW && own > SLOWED * theirs);
    if !(is_throttled(case) && (tries > 2 || multiplied)) {
        return None;
    }
    let component = case.seen.around.called_by.first().unwrap_or(&case.seen.component).clone();
    Some(Finding { component, kind: FaultKind::RetryStorm.name(), remedy: Remedy::RaiseCpu })
}

/// More requests than it is sized for.
pub(super) fn too_much_load(case: &Case<'_>) -> Option<Finding> {
    let strained = case.is_violated(ClauseName::Cpu) || case.is_violated(ClauseName::Latency) || is_throttled(case);
    let growth = case.seen.load_growth()?;
    let per_request = cpu_per_request_growth(case).unwrap_or(1.0);
    if !strained || growth < GREW || per_request > growth.max(GREW) {
        return None;
    }
    let kind = if came_at_once(&case.closer.rate) { FaultKind::TrafficBurst } else { FaultKind::RisingTraffic };
    case.here(kind, Remedy::ScaleOut)
}

/// It uses up its CPU, with no more work than usual.
pub(super) fn too_little_cpu(case: &Case<'_>) -> Option<Finding> {
    if !is_throttled(case) && !case.is_violated(ClauseName::Cpu) {
        return None;
    }
    if scanned(&case.closer.log).is_some_and(|documents| documents > MANY_DOCUMENTS) {
        return case.here(FaultKind::DatabaseAgeing, Remedy::ReplacePods);
    }
    let grew = cpu_per_request_growth(case).is_some_and(|growth| growth > GREW);
    let is_database = case.seen.now(Panel::Rate).is_none() && !case.seen.around.called_by.is_empty();
    match (grew, is_database) {
        // It serves queries, whose cost is in its data and indices more often than somewhere beside it.
        (true, true) => case.here(FaultKind::SlowDatabase, Remedy::RaiseCpu),
        (true, false) => case.here(FaultKind::CpuStress, Remedy::ReplacePods),
        (false, _) => case.here(FaultKind::TooSmallLimit, Remedy::RaiseCpu),
    }
}

/// Callers see connections that end in the middle, while it is well.
pub(super) fn connections_break_off(case: &Case<'_>) -> Option<Finding> {
    if !case.is_violated(ClauseName::Success) {
        return None;
    }
    let says_so = |line: &&String| ["hang up", "reset", "EOF"].iter().any(|words| line.contains(words));
    let complaints = case.closer.callers_log.iter().filter(says_so).count();
    let own_errors = case.seen.now(Panel::Errors).unwrap_or(0.0);
    (complaints > 0 || own_errors < 0.005).then(|| case.here(FaultKind::HttpAbort, Remedy::ReplacePods))?
}

/// Callers wait for answers that it gave long ago.
pub(super) fn answers_are_held(case: &Case<'_>) -> Option<Finding> {
    let numbers = &case.seen.numbers;
    let own = numbers.growth(Panel::P99, &case.seen.component)?;
    let callers = case.seen.around.called_by.iter().filter_map(|caller| numbers.growth(Panel::P99, caller));
    let slowed = callers.max_by(f64::total_cmp).is_some_and(|growth| growth > SLOWED);
    (case.is_violated(ClauseName::Latency) && slowed && own < SLOWED)
        .then(|| case.here(FaultKind::HttpDelay, Remedy::ReplacePods))?
}

/// It answers late, and nothing in it is busy.
pub(super) fn network_is_slow(case: &Case<'_>) -> Option<Finding> {
    if !case.is_violated(ClauseName::Latency) {
        return None;
    }
    // Its own latency or, where it measures none, that of whom it serves.
    let who = case.seen.load_witnesses();
    let slowest = |panel| who.iter().filter_map(|who| case.seen.numbers.now(panel, who)).max_by(f64::total_cmp);
    let (median, tail) = (slowest(Panel::P50)?, slowest(Panel::P99)?);
    let kind = if tail > 4.0 * median {
        // Most packets arrive as ever; those that are lost come a retransmission timeout later.
        FaultKind::NetworkLoss
    } else if median > 1.0 {
        // So late is no packet on any way; it waits for those before it.
        FaultKind::NetworkBandwidth
    } else {
        FaultKind::NetworkDelay
    };
    case.here(kind, Remedy::ReplacePods)
}

fn is_throttled(case: &Case<'_>) -> bool {
    case.seen.now(Panel::Throttled).is_some_and(|share| share > THROTTLED)
}

/// How many times the usual CPU it takes per request: growing load is not a hog, nor does a hog that slows its victim
/// make a quiet hour.
fn cpu_per_request_growth(case: &Case<'_>) -> Option<f64> {
    let cpu = case.seen.numbers.growth(Panel::Cpu, &case.seen.component)?;
    Some(cpu / case.seen.load_growth().unwrap_or(1.0))
}

/// More documents than a query with an index looks at.
const MANY_DOCUMENTS: u64 = 10_000;

/// The most documents that a query scanned, as MongoDB's log of slow queries says.
fn scanned(log: &[String]) -> Option<u64> {
    let documents = |line: &String| {
        let (_, after) = line.split_once("docsExamined:")?;
        after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    log.iter().filter_map(documents).max()
}

/// Whether a rate went from its lowest to its highest value at once.
fn came_at_once(rate: &[f64]) -> bool {
    let low = rate.iter().copied().fold(f64::INFINITY, f64::min);
    let high = rate.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let part = |share: f64| low + share * (high - low);
    let reached = |bound: f64| rate.iter().position(|value| *value >= bound);
    let (Some(end), Some(_)) = (reached(part(0.9)), rate.first()) else { return false };
    let begin = rate[..end].iter().rposition(|value| *value <= part(0.1)).unwrap_or(0);
    (end - begin) as f64 * RATE_STEP.as_secs_f64() <= AT_ONCE
}
