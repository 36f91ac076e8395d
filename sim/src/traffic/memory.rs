//! Resident memory of a process, and the limit that the kernel enforces.
//!
//! `base + heap · (1 - exp(-served / heap_requests)) + per_request · in flight + leak · served`,
//! and rising from zero to `base` with the CPU time of the start-up.

use super::container::Phase;
use super::{Notice, Traffic};
use crate::ids::ContainerIx;
use crate::time::SimTime;
use crate::units::Bytes;

impl Traffic {
    /// The working set of a container.
    pub(super) fn working_set(&self, now: SimTime, ix: u32) -> Bytes {
        let container = &self.containers[ix as usize];
        let Some(service) = container.service else {
            return container.ballast;
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
                Bytes((memory.base.0 as f64 * share) as u64) + container.ballast
            }
            Phase::Listening | Phase::Draining => {
                let heap = (memory.heap.0 as f64 * (1.0 - container.heap_left)) as u64;
                let requests = memory.per_request.0 * u64::from(container.in_flight);
                let leaked = (memory.leak_per_request.0 + container.leak.0) * container.served;
                Bytes(memory.base.0 + heap + requests + leaked) + container.ballast
            }
        }
    }

    /// Tells the world, once, when a container is over its limit.
    #[inline]
    pub(super) fn check_memory(&mut self, ix: u32) {
        let container = &self.containers[ix as usize];
        let Some(limit) = container.memory_limit else {
            return;
        };
        if !container.is_over_limit && self.working_set(self.now, ix) > limit {
            self.containers[ix as usize].is_over_limit = true;
            self.notices.push(Notice::OverLimit { container: ContainerIx(ix) });
        }
    }

    /// Occupies memory in a container's control group (`StressChaos` memory), in place of what was
    /// occupied so before.
    pub fn set_ballast(&mut self, now: SimTime, ix: ContainerIx, ballast: Bytes) {
        self.now = now;
        self.containers[ix.index()].ballast = ballast;
        self.check_memory(ix.0);
    }
}
