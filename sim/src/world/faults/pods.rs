//! Chaos Mesh's experiments on pods.

use std::ops::Range;

use crate::chance::Key;
use crate::engine::Queue;
use crate::fault::{PodEffect, Targets};
use crate::ids::{ContainerIx, PodIx};
use crate::kubectl::Command;
use crate::time::SimTime;
use crate::traffic::{DiskFault, HttpFault, HttpFaultIx, MemoryStressIx, NetworkFault, NetworkFaultIx};

use super::{Event, Parts};

/// What Chaos Mesh puts in the place of a container's image
/// (`controllers/chaosimpl/podchaos/podfailure/impl.go`, `config.PauseImage`).
const PAUSE_IMAGE: &str = "gcr.io/google-containers/pause:latest";

/// What was done to one pod.
#[derive(Clone, Debug)]
pub(super) enum Hit {
    Paused(PodIx),
    Stress(Range<u32>),
    MemoryStress(MemoryStressIx),
    Network(NetworkFaultIx),
    Http(HttpFaultIx),
    Disk(ContainerIx),
}

/// The pods that an experiment hits, of those that run now; which of several is chance.
fn choose(key: Key, targets: &Targets, parts: &Parts) -> Vec<PodIx> {
    let mut selected: Vec<PodIx> = parts.cluster.pods_with(&targets.namespaces, &targets.labels).collect();
    let wanted = targets.choice.of(selected.len() as u32) as usize;
    let mut chosen = Vec::with_capacity(wanted);
    while chosen.len() < wanted {
        let draw = key.with(chosen.len() as u64).draw().below(selected.len() as u64);
        chosen.push(selected.remove(draw as usize));
    }
    chosen.sort_unstable();
    chosen
}

/// Does it to the pods that it chooses.
pub(super) fn hit(
    now: SimTime,
    key: Key,
    targets: &Targets,
    effect: &PodEffect,
    parts: &mut Parts,
    queue: &mut Queue<Event>,
) -> Vec<Hit> {
    let chosen = choose(key, targets, parts);
    let processes = |pods: Vec<PodIx>, parts: &Parts| -> Vec<ContainerIx> {
        pods.into_iter().filter_map(|pod| parts.cluster.first_process(pod)).collect()
    };
    match effect {
        PodEffect::Network { target, direction, effect } => {
            let sources = processes(chosen, parts);
            let at_the_other_end = target.as_ref().map(|target| choose(key.with_str("target"), target, parts));
            // A target that nobody is in is not everybody.
            if sources.is_empty() || at_the_other_end.as_ref().is_some_and(Vec::is_empty) {
                return Vec::new();
            }
            let targets = processes(at_the_other_end.unwrap_or_default(), parts);
            let fault = NetworkFault { sources, targets, direction: *direction, effect: *effect };
            vec![Hit::Network(parts.traffic.impair_network(now, &fault))]
        }
        PodEffect::Http { target, port, path, method, code, action } => {
            let fault = HttpFault {
                containers: processes(chosen, parts),
                target: *target,
                port: *port,
                path: path.clone(),
                method: method.clone(),
                code: *code,
                action: *action,
            };
            vec![Hit::Http(parts.traffic.impair_http(fault))]
        }
        _ => chosen.into_iter().filter_map(|pod| hit_one(now, pod, effect, parts, queue)).collect(),
    }
}

/// What is left to undo later, if anything is.
fn hit_one(now: SimTime, pod: PodIx, effect: &PodEffect, parts: &mut Parts, queue: &mut Queue<Event>) -> Option<Hit> {
    let Parts { traffic, cluster, .. } = parts;
    match *effect {
        PodEffect::Fail => {
            cluster.patch_pod_image(now, pod, PAUSE_IMAGE, queue, traffic);
            Some(Hit::Paused(pod))
        }
        PodEffect::Kill { grace } => {
            let pods = Some(vec![cluster.pod_name(pod)?.to_owned()]);
            let seconds = grace.as_secs_f64() as u64;
            let command = Command::DeletePods { pods, grace_seconds: Some(seconds), wait: false };
            // The pod was there a moment ago; who deletes it twice has deleted it.
            drop(cluster.run(now, &command, queue, traffic));
            None
        }
        PodEffect::KillContainer => {
            let process = cluster.first_process(pod)?;
            traffic.kill(now, queue, process);
            None
        }
        PodEffect::StressCpu { workers, load } => {
            let process = cluster.first_process(pod)?;
            Some(Hit::Stress(traffic.stress(now, queue, process, workers, load)))
        }
        PodEffect::StressMemory { workers, size } => {
            let process = cluster.first_process(pod)?;
            Some(Hit::MemoryStress(traffic.stress_memory(now, process, workers, size)))
        }
        PodEffect::Disk(fault) => {
            let process = cluster.first_process(pod)?;
            traffic.impair_disk(now, process, fault);
            Some(Hit::Disk(process))
        }
        // These are one thing for all pods together.
        PodEffect::Network { .. } | PodEffect::Http { .. } => None,
    }
}

/// Undoes it, as far as it is still there.
pub(super) fn release(now: SimTime, hit: Hit, parts: &mut Parts, queue: &mut Queue<Event>) {
    let Parts { traffic, cluster, .. } = parts;
    match hit {
        Hit::Paused(pod) => {
            cluster.restore_pod_image(now, pod, queue, traffic);
        }
        Hit::Stress(workers) => traffic.unstress(now, queue, workers),
        Hit::MemoryStress(stress) => traffic.unstress_memory(now, stress),
        Hit::Network(fault) => traffic.mend_network(now, queue, fault),
        Hit::Http(fault) => traffic.mend_http(fault),
        Hit::Disk(container) => traffic.impair_disk(now, container, DiskFault::default()),
    }
}
