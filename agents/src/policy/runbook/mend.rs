//! What the on-call engineer does about each cause.

use sim::environment::{ResourceChange, Write};
use sim::units::Millicores;

use super::super::TaskView;
use super::super::desk::Desk;
use super::diagnose::Cause;
use super::survey::Survey;

/// Room that is left below an objective when sizing, since load is uneven.
const HEADROOM: f64 = 0.8;

/// Acts on the cause, and notes what was done.
pub(super) async fn mend(desk: &Desk, task: &TaskView, seen: &Survey, cause: Cause, done: &mut Vec<String>) {
    let component = task.component.clone();
    let write = match cause {
        Cause::Missing => Write::CreateDeployment { component },
        Cause::BadTag | Cause::FakeImage => Write::Rollback { component, revision: None },
        Cause::PodFailure => return delete_unready(desk, seen, done).await,
        // Deleting the only pod is an outage, and users who connect meanwhile may hang for two minutes; a
        // rolling restart keeps it until the new one is ready.
        Cause::CpuStress if seen.usage.len() == 1 => Write::Restart { component },
        Cause::CpuStress => return delete_hottest(desk, seen, done).await,
        Cause::RisingTraffic => Write::Scale { component, replicas: replicas_needed(task, seen) },
        Cause::TooSmallLimit => Write::SetResources(ResourceChange {
            component,
            cpu_limit: Some(limit_needed(task, seen)),
            ..ResourceChange::default()
        }),
    };
    apply(desk, write, done).await;
}

async fn apply(desk: &Desk, write: Write, done: &mut Vec<String>) {
    let what = format!("{write:?}");
    if desk.write(write).await {
        done.push(what);
    }
}

async fn delete_unready(desk: &Desk, seen: &Survey, done: &mut Vec<String>) {
    let pods = seen.description.iter().flat_map(|d| &d.pods);
    for pod in pods.filter(|p| p.ready < p.containers) {
        apply(desk, Write::DeletePod { pod: pod.name.clone() }, done).await;
    }
}

/// Deletes the pod that uses the largest share of its limit; the others go on serving.
async fn delete_hottest(desk: &Desk, seen: &Survey, done: &mut Vec<String>) {
    if let Some(hot) = seen.usage.iter().max_by_key(|u| u.cpu) {
        apply(desk, Write::DeletePod { pod: hot.pod.clone() }, done).await;
    }
}

/// CPU that the load asks for, in cores: what is used, and more where it was throttled.
fn wanted_cores(seen: &Survey) -> f64 {
    let used = seen.cpu_total.unwrap_or_default();
    let metered: f64 = seen.usage.iter().map(|u| u.cpu.cores()).sum();
    used.max(metered) * (1.0 + seen.throttled.unwrap_or_default())
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
    Millicores((needed.ceil() as u64).clamp(now.0 * 3 / 2, now.0 * 4))
}
