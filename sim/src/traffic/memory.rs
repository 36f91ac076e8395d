//! Resident memory of a container, and the limit that the kernel enforces.
//!
//! A service's process has
//! `base + heap · (1 - exp(-served / heap_requests)) + per_request · in flight + leak · served`,
//! rising from zero to `base` with the CPU time of the start-up. Beside it there may be processes that a fault started
//! in the same control group (`StressChaos` memory).
//!
//! The limit counts page cache too, but the kernel reclaims that first (`try_charge_memcg` in `mm/memcontrol.c`), so
//! only what cannot be reclaimed kills; a profile's memory is that part, and so is the working set here.
//!
//! Who dies is the node's kernel's business ([`NodeSpec::oom_kills_group`](super::NodeSpec::oom_kills_group)): all
//! processes of the container, or the one with the most memory (`oom_badness` in `mm/oom_kill.c`; a process started in
//! a container has the same `oom_score_adj` as the container's own). A container whose own process dies is over; it
//! outlives that of another.

use super::container::{Container, Phase};
use super::{Notice, Traffic};
use crate::ids::ContainerIx;
use crate::time::SimTime;
use crate::units::Bytes;

/// Processes of one fault in one container. Never given again to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemoryStressIx(pub u32);

/// Processes that occupy memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemoryStress {
    container: ContainerIx,
    /// How many are alive.
    workers: u32,
    /// What each occupies.
    each: Bytes,
}

impl Traffic {
    /// The working set of a container.
    pub(super) fn working_set(&self, now: SimTime, ix: u32) -> Bytes {
        let container = &self.containers[ix as usize];
        self.own_memory(now, container) + container.stressed
    }

    /// What the container's own process occupies.
    fn own_memory(&self, now: SimTime, container: &Container) -> Bytes {
        let Some(service) = container.service.filter(|_| container.is_alive()) else {
            return Bytes(0);
        };
        let service = &self.programs.services[service.index()];
        let memory = &service.memory;
        match container.phase {
            Phase::Exited => Bytes(0),
            Phase::Starting => {
                let node = &self.nodes[container.node.index()];
                let work = service.runtime.start_up.cpu.scaled(node.slowness);
                let done = node.cpu.group_stats(now, container.group).usage;
                let share = if work.0 == 0 { 1.0 } else { (done.0 as f64 / work.0 as f64).min(1.0) };
                Bytes((memory.base.0 as f64 * share) as u64)
            }
            Phase::Listening | Phase::Draining => {
                let heap = (memory.heap.0 as f64 * (1.0 - container.heap_left)) as u64;
                let requests = memory.per_request.0 * u64::from(container.in_flight);
                let leaked = memory.leak_per_request.0 * container.served;
                Bytes(memory.base.0 + heap + requests + leaked)
                    + container.leaking.lost(now, container.served, container.listening_since)
            }
        }
    }

    /// Lets the kernel look whether a container is over its limit, and tells the world, once, when it kills the
    /// container's own process.
    #[inline]
    pub(super) fn check_memory(&mut self, ix: u32) {
        let container = &self.containers[ix as usize];
        let Some(limit) = container.memory_limit else {
            return;
        };
        if !container.is_over_limit && self.working_set(self.now, ix) > limit {
            self.out_of_memory(ix, limit);
        }
    }

    /// Kills processes until the rest fits.
    fn out_of_memory(&mut self, ix: u32, limit: Bytes) {
        while self.working_set(self.now, ix) > limit {
            match self.victim(ix) {
                Some(worker) => {
                    self.stop_memory_worker(worker);
                    self.containers[ix as usize].oom_kills += 1;
                }
                None => return self.kill_for_memory(ix),
            }
        }
    }

    /// The fault whose process is killed; none: the container's own.
    fn victim(&self, ix: u32) -> Option<MemoryStressIx> {
        let container = &self.containers[ix as usize];
        if self.nodes[container.node.index()].spec.oom_kills_group {
            return None;
        }
        let own = self.own_memory(self.now, container);
        let workers = self.memory_stress.iter().enumerate();
        let here = workers.filter(|(_, stress)| stress.container == ContainerIx(ix) && stress.workers > 0);
        let (at, largest) = here.max_by_key(|(_, stress)| stress.each)?;
        (largest.each > own).then_some(MemoryStressIx(at as u32))
    }

    fn stop_memory_worker(&mut self, ix: MemoryStressIx) {
        let stress = &mut self.memory_stress[ix.0 as usize];
        stress.workers -= 1;
        let container = &mut self.containers[stress.container.index()];
        container.stressed = container.stressed - stress.each;
    }

    /// Starts `workers` processes in a container that occupy `size` together, at once, and then sleep. They end with the
    /// container.
    pub fn stress_memory(&mut self, now: SimTime, container: ContainerIx, workers: u32, size: Bytes) -> MemoryStressIx {
        self.now = now;
        let ix = MemoryStressIx(self.memory_stress.len() as u32);
        let each = Bytes(size.0 / u64::from(workers.max(1)));
        let target = &mut self.containers[container.index()];
        let workers = if target.is_alive() { workers } else { 0 };
        target.stressed += Bytes(each.0 * u64::from(workers));
        self.memory_stress.push(MemoryStress { container, workers, each });
        self.check_memory(container.0);
        ix
    }

    /// Ends them, as far as they are alive.
    pub fn unstress_memory(&mut self, now: SimTime, ix: MemoryStressIx) {
        self.now = now;
        while self.memory_stress[ix.0 as usize].workers > 0 {
            self.stop_memory_worker(ix);
        }
    }

    /// A container's own process is over, and with it everything in its control group.
    pub(super) fn memory_stress_ends_with(&mut self, container: ContainerIx) {
        for stress in self.memory_stress.iter_mut().filter(|stress| stress.container == container) {
            stress.workers = 0;
        }
        self.containers[container.index()].stressed = Bytes(0);
    }

    /// The share of its start-up that a process gets done before its own memory reaches its limit.
    pub(super) fn start_up_that_fits(&self, ix: ContainerIx) -> f64 {
        let container = &self.containers[ix.index()];
        let base = container.service.map_or(Bytes(0), |s| self.programs.services[s.index()].memory.base);
        match container.memory_limit {
            Some(limit) if base > limit => limit.0 as f64 / base.0 as f64,
            _ => 1.0,
        }
    }

    /// The kernel kills a container's own process, and with it the container.
    pub(super) fn kill_for_memory(&mut self, ix: u32) {
        self.containers[ix as usize].is_over_limit = true;
        self.notices.push(Notice::OverLimit { container: ContainerIx(ix) });
    }
}
