//! Busy loops in a container's control group: Chaos Mesh's `StressChaos`, which runs stress-ng.
//!
//! A worker with a load below 100 % computes for a while, then sleeps in proportion to the wall
//! time that the computing took (`stress_cpu` in stress-ng's `stress-cpu.c`), so a throttled worker
//! sleeps longer too.

use super::runtime::Tag;
use super::{Event, Host, Traffic};
use crate::cpu::ThreadIx;
use crate::engine::Queue;
use crate::ids::ContainerIx;
use crate::time::{SimDuration, SimTime};

/// CPU time that a worker spends between two sleeps.
const SLICE: SimDuration = SimDuration::from_millis(20);
/// What a worker without sleep computes at a time.
const ENDLESS: SimDuration = SimDuration::from_secs(3600);

/// One stress worker. Never given again to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StressIx(pub u32);

/// One worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stress {
    container: ContainerIx,
    /// Share of a core, above 0, at most 1.
    load: f64,
    thread: Option<ThreadIx>,
    began: SimTime,
    is_over: bool,
}

impl Traffic {
    /// Starts `workers` busy loops in a container, each of which would use `load` of a core (0 to 1)
    /// if it were alone. They end with the container. Returns the range of their indices.
    pub fn stress<E: Host>(
        &mut self,
        now: SimTime,
        queue: &mut Queue<E>,
        container: ContainerIx,
        workers: u32,
        load: f64,
    ) -> std::ops::Range<u32> {
        self.now = now;
        let first = self.stress.len() as u32;
        for _ in 0..workers {
            let is_over = !self.containers[container.index()].is_alive() || load <= 0.0;
            let ix = self.stress.len() as u32;
            self.stress.push(Stress { container, load: load.min(1.0), thread: None, began: now, is_over });
            self.stress_wakes(StressIx(ix));
        }
        self.settle(queue);
        first..self.stress.len() as u32
    }

    /// Ends busy loops.
    pub fn unstress<E: Host>(&mut self, now: SimTime, queue: &mut Queue<E>, workers: std::ops::Range<u32>) {
        self.now = now;
        for ix in workers {
            let stress = &mut self.stress[ix as usize];
            if !std::mem::replace(&mut stress.is_over, true)
                && let Some(thread) = stress.thread.take()
            {
                let node = self.containers[stress.container.index()].node;
                self.nodes[node.index()].cpu.stop(now, thread);
            }
        }
        self.settle(queue);
    }

    /// A worker starts to compute.
    pub(super) fn stress_wakes(&mut self, ix: StressIx) {
        let stress = &mut self.stress[ix.0 as usize];
        if stress.is_over {
            return;
        }
        let container = &self.containers[stress.container.index()];
        let work = if stress.load < 1.0 { SLICE } else { ENDLESS };
        stress.began = self.now;
        let cpu = &mut self.nodes[container.node.index()].cpu;
        stress.thread = Some(cpu.start(self.now, container.group, work, Tag::Stress(ix.0).encode()));
    }

    pub(super) fn stress_burst_done<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let stress = &mut self.stress[ix as usize];
        stress.thread = None;
        let took = self.now.since(stress.began);
        let sleep = took.scaled((1.0 - stress.load) / stress.load);
        queue.schedule(self.now + sleep, Event::Stress(StressIx(ix)).into());
    }

    /// A process is over, and everything in its control group with it.
    pub(super) fn stress_ends_with(&mut self, container: ContainerIx) {
        for stress in self.stress.iter_mut().filter(|stress| stress.container == container) {
            stress.is_over = true;
            stress.thread = None;
        }
    }
}
