//! What the on-call engineer does about each cause.

use sim::environment::{DeletableKind, ResourceChange, Write};
use sim::units::{Bytes, Millicores};

use super::super::TaskView;
use super::super::desk::Desk;
use super::diagnose::Remedy;
use super::numbers::Panel;
use super::survey::Survey;
use crate::service;

/// Room that is left below an objective when sizing, since load is uneven.
const HEADROOM: f64 = 0.8;
/// How long a leak must find room, in seconds: until somebody repairs the program.
const UNTIL_REPAIRED: f64 = 1800.0;

/// Carries out a remedy, and notes what was done.
pub(super) async fn mend(desk: &Desk, task: &TaskView, seen: &Survey, remedy: &Remedy, done: &mut Vec<String>) {
    for write in writes(task, seen, remedy) {
        let what = format!("{write:?}");
        if desk.write(write).await {
            done.push(what);
        }
    }
}

/// The changes that a remedy is made of, in order.
fn writes(task: &TaskView, seen: &Survey, remedy: &Remedy) -> Vec<Write> {
    let component = seen.component.clone();
    match remedy {
        Remedy::Wait => Vec::new(),
        Remedy::Create => vec![Write::CreateDeployment { component }],
        Remedy::Rollback => vec![Write::Rollback { component, revision: None }],
        Remedy::DeletePods(pods) => pods.iter().map(|pod| Write::DeletePod { pod: pod.clone() }).collect(),
        Remedy::ReplacePods => replace_pods(seen),
        Remedy::Delete(kind, name, ask_again) => delete(seen, *kind, name, *ask_again),
        Remedy::MendService => seen.description.as_ref().and_then(service::led_to_its_pods).into_iter().collect(),
        Remedy::ScaleOut => vec![Write::Scale { component, replicas: replicas_needed(task, seen) }],
        Remedy::RaiseCpu => vec![Write::SetResources(ResourceChange {
            component,
            cpu_limit: Some(limit_needed(task, seen)),
            ..ResourceChange::default()
        })],
        Remedy::RaiseMemory => vec![Write::SetResources(ResourceChange {
            component,
            memory_limit: Some(memory_needed(task, seen)),
            ..ResourceChange::default()
        })],
        Remedy::RequestCpu => vec![Write::SetResources(ResourceChange {
            component,
            cpu_request: Some(request_needed(seen)),
            ..ResourceChange::default()
        })],
    }
}

/// New pods in place of the old ones. Deleting the only pod is an outage, and users who connect meanwhile may hang for
/// two minutes; a rolling restart keeps it until the new one is ready. Of several, the busiest is deleted.
fn replace_pods(seen: &Survey) -> Vec<Write> {
    match seen.usage.as_slice() {
        [_, _, ..] => {
            let busiest = seen.usage.iter().max_by_key(|usage| usage.cpu);
            busiest.map(|usage| Write::DeletePod { pod: usage.pod.clone() }).into_iter().collect()
        }
        _ => vec![Write::Restart { component: seen.component.clone() }],
    }
}

fn delete(seen: &Survey, kind: DeletableKind, name: &str, ask_again: bool) -> Vec<Write> {
    let mut writes = vec![Write::Delete { kind, name: name.to_owned() }];
    if ask_again {
        // The controller tries again after ever longer pauses; a rollout makes it try now.
        writes.push(Write::Restart { component: seen.component.clone() });
    }
    writes
}

/// CPU that the load asks for, in cores: what is used, and more where it was throttled.
fn wanted_cores(seen: &Survey) -> f64 {
    let used = seen.now(Panel::Cpu).unwrap_or_default();
    let metered: f64 = seen.usage.iter().map(|u| u.cpu.cores()).sum();
    used.max(metered) * (1.0 + seen.now(Panel::Throttled).unwrap_or_default())
}

/// Replicas with which each stays below the CPU objective; at least one more than now.
fn replicas_needed(task: &TaskView, seen: &Survey) -> u32 {
    let now = seen.description.as_ref().map_or(1, |d| d.deployment.replicas);
    let limit = seen.description.as_ref().and_then(|d| d.deployment.cpu_limit).map_or(1.0, Millicores::cores);
    let bound = task.objectives.cpu.below;
    let needed = (wanted_cores(seen) / (limit * bound * HEADROOM)).ceil();
    (needed as u32).clamp(now + 1, now + 6)
}

/// A CPU limit under which the present use stays below the objective.
fn limit_needed(task: &TaskView, seen: &Survey) -> Millicores {
    let replicas = seen.description.as_ref().map_or(1, |d| d.deployment.replicas.max(1));
    let now = seen.description.as_ref().and_then(|d| d.deployment.cpu_limit).unwrap_or(Millicores(100));
    let bound = task.objectives.cpu.below;
    let needed = wanted_cores(seen) / f64::from(replicas) / (bound * HEADROOM) * 1e3;
    // What was used says nothing of what somebody asks for who is throttled most of the time.
    if seen.now(Panel::Throttled).is_some_and(|share| share > 0.5) {
        return Millicores(now.0 * 8);
    }
    Millicores((needed.ceil() as u64).clamp(now.0 * 3 / 2, now.0 * 4))
}

/// A memory limit under which what grows finds room for a while.
fn memory_needed(task: &TaskView, seen: &Survey) -> Bytes {
    let now = seen.description.as_ref().and_then(|d| d.deployment.memory_limit).unwrap_or(Bytes(1 << 28));
    let used = seen.usage.iter().map(|u| u.memory.0).max().unwrap_or(now.0) as f64;
    let growth = seen.now(Panel::MemoryGrowth).unwrap_or(0.0).max(0.0);
    let needed = (used + growth * UNTIL_REPAIRED) / (task.objectives.memory.below * HEADROOM);
    let mebibyte = f64::from(1 << 20);
    Bytes((((needed / mebibyte).ceil() * mebibyte) as u64).clamp(now.0 * 2, now.0 * 32))
}

/// A CPU request that is what it usually uses, and as much again.
fn request_needed(seen: &Survey) -> Millicores {
    let used = seen.numbers.usual(Panel::Cpu, &seen.component).unwrap_or_else(|| wanted_cores(seen));
    let now = seen.description.as_ref().and_then(|d| d.deployment.cpu_request).unwrap_or(Millicores(0));
    Millicores(((used * 2e3).ceil() as u64).max(now.0 * 2).max(100))
}
