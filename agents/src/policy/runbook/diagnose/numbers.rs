//! What the numbers of the dashboards say, when nothing else does.

use sim::fault::FaultKind;
use sim::slo::ClauseName;

use super::containers::THROTTLED;
use super::{Case, Finding, Remedy, SLOWED};
use crate::policy::runbook::numbers::Panel;
use crate::policy::runbook::survey::MANY_ERRORS;

/// Growth that is more than noise of a minute's samples.
const GREW: f64 = 1.25;
/// A machine is crowded when this share of its CPU is used.
const CROWDED: f64 = 0.85;
/// A rise of which this share came within [`AT_ONCE`] came at once.
const MOST: f64 = 0.75;
/// The window of a rate, which spreads a step over it, and a step more.
const AT_ONCE: usize = 5;
/// Working sets are measured as they are, but not at the moment of the step.
const AT_ONCE_IN_MEMORY: usize = 2;

/// Its memory grows, or is taken.
pub(super) fn memory_fills_up(case: &Case<'_>) -> Option<Finding> {
    if !case.is_violated(ClauseName::Memory) {
        return None;
    }
    if grew_steadily(&case.closer.memory) {
        return Some(case.here(FaultKind::MemoryLeak, Remedy::RaiseMemory));
    }
    Some(case.here(FaultKind::MemoryStress, Remedy::ReplacePods))
}

/// The machine on which it runs has no CPU left for it, though its own quota has.
pub(super) fn crowded_machine(case: &Case<'_>) -> Option<Finding> {
    let is_crowded = |node: &str| {
        let view = case.closer.nodes.iter().find(|n| n.name == node);
        view.is_some_and(|n| n.cpu.is_some_and(|used| used.cores() > CROWDED * n.allocatable_cpu.cores()))
    };
    let own = case.seen.now(Panel::Cpu).unwrap_or(0.0);
    // Who takes most of a machine himself has no neighbour to blame.
    let is_guest = |node: &str| {
        let used = case.closer.nodes.iter().find(|n| n.name == node).and_then(|n| n.cpu);
        used.is_some_and(|used| own < 0.5 * used.cores())
    };
    let there = case.seen.pods().any(|pod| pod.node.as_deref().is_some_and(|node| is_crowded(node) && is_guest(node)));
    (there && !is_throttled(case)).then(|| case.here(FaultKind::NoisyNeighbour, Remedy::RequestCpu))
}

/// A caller asks for the same thing again and again: it has more work than those behind its callers make.
pub(super) fn retried(case: &Case<'_>) -> Option<Finding> {
    let ports = case.seen.description.iter().flat_map(|d| &d.service).flat_map(|service| &service.ports);
    let ports: Vec<String> = ports.filter_map(|port| Some(format!(":{}", port.split_once(' ')?.0))).collect();
    let is_here = |line: &str| line.contains(&case.seen.component) || ports.iter().any(|port| line.contains(port));
    let again = |line: &&String| (line.contains("attempt") || line.contains("retry")) && is_here(line);
    let tries = case.closer.callers_log.iter().filter(again).count();
    let numbers = &case.seen.numbers;
    let own = numbers.growth(Panel::Rate, &case.seen.component);
    let theirs = callers_growth(case, Panel::Rate);
    let multiplied = own.zip(theirs).is_some_and(|(own, theirs)| own > GREW && own > SLOWED * theirs);
    // Who gets more to do without anybody's retries has callers that are well.
    let callers_suffer = case.seen.around.called_by.iter().any(|caller| {
        numbers.now(Panel::Errors, caller).is_some_and(|share| share > MANY_ERRORS)
            || numbers.growth(Panel::P99, caller).is_some_and(|growth| growth > SLOWED)
    });
    if !(is_throttled(case) && (tries > 2 || (multiplied && callers_suffer))) {
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
    let kind =
        if rose_at_once(&case.closer.rate, AT_ONCE) { FaultKind::TrafficBurst } else { FaultKind::RisingTraffic };
    Some(case.here(kind, Remedy::ScaleOut))
}

/// It uses up its CPU, with no more work than usual.
pub(super) fn too_little_cpu(case: &Case<'_>) -> Option<Finding> {
    let per_request = cpu_per_request_growth(case).unwrap_or(1.0);
    let is_busier = case.seen.numbers.growth(Panel::Cpu, &case.seen.component).is_some_and(|growth| growth > GREW);
    let is_busy = case.is_violated(ClauseName::Latency) && per_request > SLOWED && is_busier;
    if !is_throttled(case) && !case.is_violated(ClauseName::Cpu) && !is_busy {
        return None;
    }
    if scanned(&case.closer.log).is_some_and(|documents| documents > MANY_DOCUMENTS) {
        return Some(case.here(FaultKind::DatabaseAgeing, Remedy::ReplacePods));
    }
    let grew = per_request > GREW;
    let is_database = case.seen.now(Panel::Rate).is_none() && !case.seen.around.called_by.is_empty();
    match (grew, is_database) {
        // It serves queries, whose cost is in its data and indices more often than somewhere beside it.
        (true, true) => Some(case.here(FaultKind::SlowDatabase, Remedy::RaiseCpu)),
        (true, false) => Some(case.here(FaultKind::CpuStress, Remedy::ReplacePods)),
        (false, _) => Some(case.here(FaultKind::TooSmallLimit, Remedy::RaiseCpu)),
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
    (complaints > 0 || own_errors < 0.005).then(|| case.here(FaultKind::HttpAbort, Remedy::ReplacePods))
}

/// Callers wait for answers that it gave long ago.
pub(super) fn answers_are_held(case: &Case<'_>) -> Option<Finding> {
    let own = case.seen.numbers.growth(Panel::P99, &case.seen.component)?;
    let slowed = callers_growth(case, Panel::P99).is_some_and(|growth| growth > SLOWED);
    (case.is_violated(ClauseName::Latency) && slowed && own < SLOWED)
        .then(|| case.here(FaultKind::HttpDelay, Remedy::ReplacePods))
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
    } else {
        // All are late. Nothing that is measured here tells a long way from a narrow one; the former is commoner.
        FaultKind::NetworkDelay
    };
    Some(case.here(kind, Remedy::ReplacePods))
}

fn is_throttled(case: &Case<'_>) -> bool {
    case.seen.now(Panel::Throttled).is_some_and(|share| share > THROTTLED)
}

/// The highest growth among those who call it.
fn callers_growth(case: &Case<'_>, panel: Panel) -> Option<f64> {
    let numbers = &case.seen.numbers;
    let growths = case.seen.around.called_by.iter().filter_map(|caller| numbers.growth(panel, caller));
    growths.max_by(f64::total_cmp)
}

/// How many times the usual CPU it takes per request: growing load is not a hog, nor does a hog that slows its victim
/// make a quiet hour.
fn cpu_per_request_growth(case: &Case<'_>) -> Option<f64> {
    let cpu = case.seen.numbers.growth(Panel::Cpu, &case.seen.component)?;
    Some(cpu / case.seen.load_growth().unwrap_or(1.0))
}

/// More documents than a query with an index looks at.
const MANY_DOCUMENTS: u64 = 10_000;

/// The most documents that a query scanned, as `MongoDB`'s log of slow queries says.
fn scanned(log: &[String]) -> Option<u64> {
    let documents = |line: &String| {
        let (_, after) = line.split_once("docsExamined")?;
        let number = after.trim_start_matches(|c: char| !c.is_ascii_digit());
        number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    log.iter().filter_map(documents).max()
}

/// Whether memory grew a little each time, and not at once.
pub(super) fn grew_steadily(memory: &[f64]) -> bool {
    memory.len() > 2 * AT_ONCE_IN_MEMORY && !rose_at_once(memory, AT_ONCE_IN_MEMORY)
}

/// Whether most of a rise came within so many steps.
fn rose_at_once(values: &[f64], steps: usize) -> bool {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let rises = values.windows(steps + 1).map(|window| window[steps] - window[0]);
    rises.fold(0.0, f64::max) >= MOST * (high - low)
}
