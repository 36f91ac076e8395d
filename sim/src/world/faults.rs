//! Injecting the scenario's faults, and ending those that end by themselves.
//!
//! Each does what the real thing does to a real cluster, through the same doors: a patched pod, busy
//! loops and memory in a container's cgroup, another image in a template, more users. Nothing else of the world
//! knows that there is a fault.

use std::ops::Range;

use crate::chance::Key;
use crate::engine::Queue;
use crate::environment::{Rejected, Write};
use crate::fault::{Effect, ImageChange, Targets};
use crate::ids::PodIx;
use crate::time::SimTime;
use crate::traffic::{MemoryStressIx, WorkloadIx};

use super::{Event, Parts};

/// What Chaos Mesh puts in the place of a container's image
/// (`controllers/chaosimpl/podchaos/podfailure/impl.go`, `config.PauseImage`).
const PAUSE_IMAGE: &str = "gcr.io/google-containers/pause:latest";

/// What a fault has done, and how to undo it.
#[derive(Clone, Debug)]
enum Active {
    Pods(Vec<PodIx>),
    Stress(Vec<Range<u32>>),
    MemoryStress(Vec<MemoryStressIx>),
    Image(ImageChange),
    Traffic(WorkloadIx),
}

/// The faults of a scenario, by their number in it.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    key: Key,
    active: Vec<Option<Active>>,
}

impl Faults {
    pub(super) fn new(key: Key, count: usize) -> Self {
        Self { key: key.with_str("faults"), active: vec![None; count] }
    }

    /// Injects fault number `index`.
    ///
    /// # Errors
    /// Why the cluster refused it.
    pub(super) fn inject(
        &mut self,
        now: SimTime,
        index: usize,
        effect: Effect,
        parts: &mut Parts,
        queue: &mut Queue<Event>,
    ) -> Result<(), Rejected> {
        let active = match effect {
            Effect::PodFailure(targets) => {
                let hit = self.choose(index, &targets, parts);
                for pod in &hit {
                    let Parts { traffic, cluster, .. } = parts;
                    cluster.patch_pod_image(now, *pod, PAUSE_IMAGE, queue, traffic);
                }
                Active::Pods(hit)
            }
            Effect::CpuStress { targets, workers, load } => {
                let hit = self.choose(index, &targets, parts);
                let Parts { traffic, cluster, .. } = parts;
                let processes = hit.into_iter().filter_map(|pod| cluster.first_process(pod));
                let stress = |process| traffic.stress(now, queue, process, workers, load);
                Active::Stress(processes.map(stress).collect())
            }
            Effect::MemoryStress { targets, workers, size } => {
                let hit = self.choose(index, &targets, parts);
                let Parts { traffic, cluster, .. } = parts;
                let processes = hit.into_iter().filter_map(|pod| cluster.first_process(pod));
                let stress = |process| traffic.stress_memory(now, process, workers, size);
                let stress = processes.map(stress).collect();
                // Who is killed for it dies now, not with the next event.
                parts.deliver_notices(now, queue);
                Active::MemoryStress(stress)
            }
            Effect::SetImage(change) => {
                let Parts { traffic, cluster, .. } = parts;
                let before = cluster.describe(now, &change.component)?.deployment.image;
                let ImageChange { component, image } = change;
                let write = Write::SetImage { component: component.clone(), image };
                cluster.write(now, &write, queue, traffic)?;
                Active::Image(ImageChange { component, image: before })
            }
            Effect::Traffic(workload) => {
                Active::Traffic(parts.traffic.add_workload(now, queue, &workload).map_err(Rejected)?)
            }
        };
        self.active[index] = Some(active);
        Ok(())
    }

    /// Ends fault number `index`, as far as what it hit still exists.
    ///
    /// # Errors
    /// Why the cluster refused it.
    pub(super) fn recover(
        &mut self,
        now: SimTime,
        index: usize,
        parts: &mut Parts,
        queue: &mut Queue<Event>,
    ) -> Result<(), Rejected> {
        let Parts { traffic, cluster, .. } = parts;
        match self.active[index].take() {
            Some(Active::Pods(pods)) => {
                for pod in pods {
                    cluster.restore_pod_image(now, pod, queue, traffic);
                }
            }
            Some(Active::Stress(workers)) => {
                for workers in workers {
                    traffic.unstress(now, queue, workers);
                }
            }
            Some(Active::MemoryStress(stress)) => {
                for stress in stress {
                    traffic.unstress_memory(now, stress);
                }
            }
            Some(Active::Image(ImageChange { component, image })) => {
                cluster.write(now, &Write::SetImage { component, image }, queue, traffic)?;
            }
            Some(Active::Traffic(workload)) => traffic.stop_workload(now, workload),
            None => {}
        }
        Ok(())
    }

    /// The pods that an experiment hits, of those that run now; which of several is chance.
    fn choose(&self, index: usize, targets: &Targets, parts: &Parts) -> Vec<PodIx> {
        let found = parts.cluster.pods_with(&targets.namespaces, &targets.labels);
        let mut selected: Vec<PodIx> = found.collect();
        let wanted = targets.choice.of(selected.len() as u32) as usize;
        let mut chosen = Vec::with_capacity(wanted);
        let key = self.key.with(index as u64);
        while chosen.len() < wanted {
            let draw = key.with(chosen.len() as u64).draw().below(selected.len() as u64);
            chosen.push(selected.remove(draw as usize));
        }
        chosen.sort_unstable();
        chosen
    }
}
