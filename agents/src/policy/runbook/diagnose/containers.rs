//! How containers ended, what they wrote before, and what was changed last.

use sim::fault::FaultKind;
use sim::slo::ClauseName;
use sim::time::SimDuration;

use super::numbers::grew_steadily;
use super::{Case, Finding, Remedy};
use crate::policy::runbook::numbers::Panel;
use crate::policy::runbook::survey::Survey;

/// What was changed longer ago than this worked until now.
const LATELY: SimDuration = SimDuration::from_secs(900);
/// A pod that is younger may still be starting.
const JUST_NOW: SimDuration = SimDuration::from_secs(120);
/// A share of throttled periods that explains slowness.
pub(super) const THROTTLED: f64 = 0.2;

/// The database's disk has no space left.
pub(super) fn disk_is_full(case: &Case<'_>) -> Option<Finding> {
    let logs = case.closer.previous_log.iter().chain(&case.closer.log);
    let said = logs.rev().any(|line| line.contains("No space left on device"));
    // SIGABRT: MongoDB aborts when it cannot write.
    let aborted = case.seen.ended("exit code 134");
    (said || aborted).then(|| case.here(FaultKind::DiskFull, Remedy::Wait))
}

/// The last change of the template, if it was made lately: what it changed, and what that makes of it.
pub(super) fn changed_and_broken(case: &Case<'_>) -> Option<Finding> {
    if case.earlier > 0 {
        return None;
    }
    let description = case.seen.description.as_ref()?;
    let newest = description.replica_sets.iter().max_by_key(|set| set.revision)?;
    let is_new = case.seen.pods().any(|pod| pod.name.starts_with(&newest.name) && pod.age <= LATELY);
    if newest.revision < 2 || !is_new {
        return None;
    }
    let is_down = case.unready().next().is_some() || restarts(case.seen) > 0;
    let has_any = |clauses: &[ClauseName]| clauses.iter().any(|clause| case.is_violated(*clause));
    let limits_bite = has_any(&[ClauseName::Cpu, ClauseName::Latency, ClauseName::Memory, ClauseName::Success]);
    let change = newest.change.as_str();
    let fails = is_down || case.is_violated(ClauseName::Success);
    // Who is restarted because he does not answer has not exited by himself.
    let exits = restarts(case.seen) > 0 && !case.seen.happened(LATELY, "Killing", "failed liveness probe");
    let kind = if change.contains("image ") && fails {
        FaultKind::FakeImage
    } else if change.contains("env ") && exits {
        FaultKind::CrashOnStart
    } else if change.contains("env ") {
        FaultKind::BadEnvironment
    } else if (change.contains("cpu") || change.contains("memory")) && (is_down || limits_bite) {
        FaultKind::TooSmallLimit
    } else if change == "template changed" && is_down {
        FaultKind::WrongProbe
    } else {
        return None;
    };
    Some(case.here(kind, Remedy::Rollback))
}

/// The kernel killed it for its memory.
pub(super) fn out_of_memory(case: &Case<'_>) -> Option<Finding> {
    if !case.seen.ended("OOMKilled") {
        return None;
    }
    if grew_steadily(&case.closer.memory) {
        return Some(case.here(FaultKind::MemoryLeak, Remedy::RaiseMemory));
    }
    if restarts(case.seen) > 1 {
        return Some(case.here(FaultKind::TooSmallLimit, Remedy::RaiseMemory));
    }
    Some(case.here(FaultKind::MemoryStress, Remedy::Wait))
}

/// Nobody reaches it, probes neither, though it has CPU to answer.
pub(super) fn cut_off(case: &Case<'_>) -> Option<Finding> {
    let unanswered = ["context deadline exceeded", "Client.Timeout", "i/o timeout"];
    let unheard = unanswered.iter().any(|words| case.seen.happened(JUST_NOW, "Unhealthy", words));
    let is_slow = case.seen.now(Panel::Throttled).is_some_and(|share| share > THROTTLED);
    // Prometheus is more patient than a probe: whom it hears is late and not cut off.
    let is_down = case.seen.now(Panel::Up).map_or(case.unready().next().is_some(), |up| up < 1.0);
    let is_old = case.seen.worst_pod().is_some_and(|pod| pod.age > JUST_NOW && pod.restarts == 0);
    // Without probes nobody says so but Prometheus, to whom a running process that is no longer new does not answer.
    if is_slow || !is_down || !(unheard || is_old) {
        return None;
    }
    let pods = Case::names(case.unready());
    let remedy = if pods.is_empty() { Remedy::ReplacePods } else { Remedy::DeletePods(pods) };
    Some(case.here(FaultKind::NetworkPartition, remedy))
}

/// Somebody killed the process, and the kubelet started another one.
pub(super) fn was_killed(case: &Case<'_>) -> Option<Finding> {
    let by_kubelet = case.seen.happened(JUST_NOW, "Killing", "");
    let lately = case.seen.happened(JUST_NOW, "Started", "");
    (case.seen.ended("exit code 137") && lately && !by_kubelet)
        .then(|| case.here(FaultKind::ContainerKill, Remedy::Wait))
}

/// A pod was deleted without a rollout, and its successor starts.
pub(super) fn pod_was_deleted(case: &Case<'_>) -> Option<Finding> {
    let deleted = case.seen.happened(JUST_NOW, "Killing", "Stopping container");
    let rolled = case.seen.happened(JUST_NOW, "ScalingReplicaSet", "");
    let replaced = case.seen.pods().any(|pod| pod.age <= JUST_NOW);
    (deleted && replaced && !rolled && case.earlier == 0).then(|| case.here(FaultKind::PodKill, Remedy::Wait))
}

fn restarts(seen: &Survey) -> u32 {
    seen.pods().map(|pod| pod.restarts).max().unwrap_or(0)
}
