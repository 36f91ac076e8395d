//! Chaos Mesh's experiments on pods.

use std::ops::Range;

use crate::chance::Key;
use crate::engine::Queue;
use crate::fault::{PodEffect, Targets};
use crate::ids::PodIx;
use crate::kubectl::Command;
use crate::time::SimTime;
use crate::traffic::MemoryStressIx;

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
}

/// The pods that an experiment hits, of those that run now; which of several is chance.
pub(super) fn choose(key: Key, targets: &Targets, parts: &Parts) -> Vec<PodIx> {
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

/// Does it to each of the pods.
pub(super) fn hit(
    now: SimTime,
    pods: Vec<PodIx>,
    effect: PodEffect,
    parts: &mut Parts,
    queue: &mut Queue<Event>,
) -> Vec<Hit> {
    pods.into_iter().filter_map(|pod| hit_one(now, pod, effect, parts, queue)).collect()
}

/// What is left to undo later, if anything is.
fn hit_one(now: SimTime, pod: PodIx, effect: PodEffect, parts: &mut Parts, queue: &mut Queue<Event>) -> Option<Hit> {
    let Parts { traffic, cluster, .. } = parts;
    match effect {
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
    }
}
