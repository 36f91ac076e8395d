//! Disk faults: Chaos Mesh's `IOChaos`, which mounts a file system of its own (chaos-mesh/toda) over a volume of a
//! container, and full disks.
//!
//! *Latency* delays each read or write of the file system (`toda`, `src/injector/latency_injector.rs`); a *fault* lets a
//! write fail with ENOSPC (`fault_injector.rs`). How many of them a request waits for, and what its service does about a
//! full disk, is what the profile says ([`DiskUse`](crate::profile::DiskUse), [`WhenFull`]). A database whose data lies in
//! memory and whose journal is written by and by waits for none, so latency of its disk is not seen; a full disk is.
//!
//! It is bound to the container: the file system is mounted in its mount namespace, and the next container has its own.
//!
//! Not played: that an event loop stands still while it waits for a file, errors other than ENOSPC, `attrOverride` and
//! `mistake`.

use super::job::State;
use super::{Event, Host, JobEvent, ProcessEvent, Traffic};
use crate::engine::Queue;
use crate::ids::{ContainerIx, EndpointIx};
use crate::log::Said;
use crate::profile::WhenFull;
use crate::program::NONE;
use crate::time::{SimDuration, SimTime};

/// What is wrong with the disk of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DiskFault {
    /// Added to each read.
    pub read_latency: SimDuration,
    /// Added to each write.
    pub write_latency: SimDuration,
    /// Share of reads and writes that are delayed, 0 to 1 (`percent`).
    pub delayed: f64,
    /// Share of writes that find no space, 0 to 1.
    pub full: f64,
}

impl Traffic {
    /// Puts a container's disk into this state: an `IOChaos` begins, or ends (the default). What waits for a delayed
    /// operation goes on when its time has come.
    pub fn impair_disk(&mut self, now: SimTime, container: ContainerIx, fault: DiskFault) {
        self.now = now;
        let container = &mut self.containers[container.index()];
        container.disk = fault;
        container.has_disk_fault = fault != DiskFault::default();
    }

    /// A handler uses its container's disk before it does anything else. Says whether it does not go on now.
    pub(super) fn use_disk<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) -> bool {
        let job = &self.jobs[ix];
        if job.endpoint == NONE {
            return false;
        }
        let used = self.programs.endpoints[job.endpoint as usize].disk;
        let fault = self.containers[job.container as usize].disk;
        if (used.writes > 0 || used.journals) && self.chance_of(ix, "full", 0, fault.full) {
            return self.disk_is_full(queue, ix);
        }
        let mut wait = SimDuration::ZERO;
        for (what, times, latency) in
            [("read", used.reads, fault.read_latency), ("write", used.writes, fault.write_latency)]
        {
            let delayed = (0..times).filter(|&n| self.chance_of(ix, what, n, fault.delayed)).count();
            wait += latency * delayed as u64;
        }
        if wait == SimDuration::ZERO {
            return false;
        }
        self.wait_for_disk(queue, ix, JobEvent::Wake, wait);
        true
    }

    /// A file operation of a job happens to be one of those that a fault hits.
    fn chance_of(&self, ix: u32, what: &str, number: u32, share: f64) -> bool {
        share >= 1.0 || share > 0.0 && self.jobs[ix].key.with_str(what).with(u64::from(number)).draw().bernoulli(share)
    }

    /// A write finds no space.
    fn disk_is_full<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) -> bool {
        let container = self.jobs[ix].container;
        let service = self.containers[container as usize].service;
        let Some(disk) = service.and_then(|service| self.programs.services[service.index()].disk.as_ref()) else {
            return false;
        };
        let when_full = disk.when_full;
        // A process that has panicked says no more.
        if !self.containers[container as usize].has_panicked {
            self.say(container, Said::DiskFull(EndpointIx(self.jobs[ix].endpoint)));
        }
        match when_full {
            WhenFull::Respond(status) => {
                self.respond(queue, ix, status);
                true
            }
            WhenFull::Wait(again) => {
                self.wait_for_disk(queue, ix, JobEvent::Disk, again);
                true
            }
            WhenFull::Exit { code, within } => {
                self.containers[container as usize].has_panicked = true;
                let exit = Event::Process(ProcessEvent::Fail(code), ContainerIx(container));
                queue.schedule(self.now + within, exit.into());
                false
            }
        }
    }

    fn wait_for_disk<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32, then: JobEvent, time: SimDuration) {
        self.jobs[ix].state = State::Blocked;
        self.leave_runner(ix);
        queue.schedule(self.now + time, Event::Job(then, self.jobs.reference(ix)).into());
    }

    /// A handler that found no space tries again.
    pub(super) fn try_disk_again<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        if !self.use_disk(queue, ix) {
            self.step(queue, ix);
        }
    }
}
