//! What makes a process worse while it runs: leaks, bursts that cost more, data that grows.
//!
//! | what | bound to | ends with |
//! | --- | --- | --- |
//! | [`Traffic::set_leak`], [`Traffic::set_cost_factor`] | one container | it |
//! | [`Traffic::set_defect`] | a service: its containers, now and later | nothing but its being taken back |
//! | [`Traffic::age`] | one container, and the data in it | it: the next one begins with no data |

use super::{Event, Host, ProcessEvent, Traffic};
use crate::engine::Queue;
use crate::ids::{ContainerIx, ServiceIx};
use crate::profile::Growth;
use crate::program::NONE;
use crate::time::{SimDuration, SimTime};
use crate::units::Bytes;

/// Memory that a process never gives back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leak {
    /// With each request that it answers.
    pub per_request: Bytes,
    /// With each second that it listens.
    pub per_second: Bytes,
}

/// What is wrong with a program, in every container that runs it: a bad release, a missing index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Defect {
    /// How many times as much each burst costs.
    pub cost_factor: f64,
    /// What it leaks.
    pub leak: Leak,
}

/// Nothing.
impl Default for Defect {
    fn default() -> Self {
        Self { cost_factor: 1.0, leak: Leak::default() }
    }
}

/// A leak under way in one process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Leaking {
    leak: Leak,
    /// Since how many answered requests, and since when.
    since: (u64, SimTime),
    before: Bytes,
    /// When the kernel looks next whether it is too much.
    due: SimTime,
}

impl Leaking {
    /// From the start of a process.
    pub(super) fn new(leak: Leak) -> Self {
        Self { leak, ..Self::default() }
    }

    /// What is lost when so many requests are answered, in a process that has listened since `listening`.
    pub(super) fn lost(&self, now: SimTime, served: u64, listening: SimTime) -> Bytes {
        let Self { leak, since: (requests, start), before, .. } = *self;
        let time = now.since(start.max(listening));
        let by_time = u128::from(leak.per_second.0) * u128::from(time.0) / 1_000_000_000;
        before + Bytes(leak.per_request.0 * (served - requests)) + Bytes(by_time as u64)
    }
}

/// Between two looks at a leak at least, and at most: what else the process occupies changes too.
const LOOKS: (SimDuration, SimDuration) = (SimDuration::MILLISECOND, SimDuration::from_millis(100));

impl Traffic {
    /// Makes every burst of a container cost `factor` times as much from now on: a slow database, a bad disk under it.
    /// One takes it back.
    pub fn set_cost_factor(&mut self, now: SimTime, ix: ContainerIx, factor: f64) {
        self.now = now;
        self.containers[ix.index()].cost_factor = factor;
    }

    /// Makes a container lose memory from now on. What was lost before stays lost; the default ends it.
    pub fn set_leak<E: Host>(&mut self, now: SimTime, queue: &mut Queue<E>, ix: ContainerIx, leak: Leak) {
        self.now = now;
        let container = &mut self.containers[ix.index()];
        let before = container.leaking.lost(now, container.served, container.listening_since);
        container.leaking = Leaking { leak, since: (container.served, now), before, due: SimTime::NEVER };
        self.watch_leak(queue, ix.0);
    }

    /// Gives a program this defect, in the containers that run it and in those that start later. The default takes it back;
    /// what was leaked before stays so until its container ends.
    pub fn set_defect<E: Host>(&mut self, now: SimTime, queue: &mut Queue<E>, service: ServiceIx, defect: Defect) {
        self.defects[service.index()] = defect;
        for ix in 0..self.containers.len() as u32 {
            let container = &self.containers[ix as usize];
            if container.service == Some(service) && container.is_alive() {
                self.set_cost_factor(now, ContainerIx(ix), defect.cost_factor);
                self.set_leak(now, queue, ContainerIx(ix), defect.leak);
            }
        }
    }

    /// Tells the kernel when to look whether a process that leaks by time is over its limit.
    pub(super) fn watch_leak<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let container = &self.containers[ix as usize];
        let rate = container.leaking.leak.per_second.0;
        let (Some(limit), true) = (container.memory_limit, rate > 0 && container.is_serving()) else {
            return;
        };
        let room = limit - self.working_set(self.now, ix);
        // Until it has lost one byte more than it has room for.
        let time = (u128::from(room.0 + 1) * 1_000_000_000).div_ceil(u128::from(rate));
        let due = self.now + SimDuration(u64::try_from(time).unwrap_or(u64::MAX)).clamp(LOOKS.0, LOOKS.1);
        self.containers[ix as usize].leaking.due = due;
        queue.schedule(due, Event::Process(ProcessEvent::Leak, ContainerIx(ix)).into());
    }

    /// The kernel looks.
    pub(super) fn leak_is_due<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        if self.containers[ix as usize].leaking.due != self.now {
            return;
        }
        self.check_memory(ix);
        if !self.containers[ix as usize].is_over_limit {
            self.watch_leak(queue, ix);
        }
    }

    /// Lets the data of a container count from now on, beginning with so many documents: its requests add to them and cost
    /// more for each ([`Growth`]). `None` ends it: requests cost what they cost without data.
    pub fn age(&mut self, now: SimTime, ix: ContainerIx, documents: Option<u64>) {
        self.now = now;
        self.containers[ix.index()].documents = documents;
    }

    /// How many documents a container that ages has.
    pub fn documents(&self, ix: ContainerIx) -> Option<u64> {
        self.containers[ix.index()].documents
    }

    /// What a handler of a container with so many documents pays for them, and what it adds.
    pub(super) fn grow(&mut self, ix: u32, documents: u64) {
        let job = &mut self.jobs[ix];
        if job.endpoint == NONE {
            return;
        }
        let Growth { adds, scans } = self.programs.endpoints[job.endpoint as usize].growth;
        job.extra += scans * documents;
        self.containers[job.container as usize].documents = Some(documents + u64::from(adds));
    }
}
