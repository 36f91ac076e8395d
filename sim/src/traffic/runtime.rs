//! What handlers run on: threads, goroutines or an event loop, and the bursts they compute.
//!
//! A *thread* of a `threads` runtime belongs to a handler from start to answer; its bursts share
//! the CPU with those of all others. A *runner* of the other two is held for one burst only: an
//! event loop has one, goroutines have as many as the node has cores, and what is ready to run
//! waits for one first come, first served.

use super::job::State;
use super::{Event, Host, ProcessEvent, Traffic, Work};
use crate::chance::exp;
use crate::engine::Queue;
use crate::ids::{ContainerIx, NodeIx};
use crate::profile::Concurrency;
use crate::program::Burst;
use crate::time::{SimDuration, SimTime};

/// Whose burst it is, as the CPU and the run queues know it: two bits of kind, an index below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Job(u32),
    StartUp(u32),
    Background(u32),
    Stress(u32),
}

const KIND_SHIFT: u32 = 30;
const INDEX_MASK: u32 = (1 << KIND_SHIFT) - 1;

impl Tag {
    #[inline]
    pub(super) fn encode(self) -> u32 {
        match self {
            Self::Job(ix) => ix,
            Self::StartUp(ix) => ix | 1 << KIND_SHIFT,
            Self::Background(ix) => ix | 2 << KIND_SHIFT,
            Self::Stress(ix) => ix | 3 << KIND_SHIFT,
        }
    }

    #[inline]
    fn decode(tag: u32) -> Self {
        let ix = tag & INDEX_MASK;
        match tag >> KIND_SHIFT {
            0 => Self::Job(ix),
            1 => Self::StartUp(ix),
            2 => Self::Background(ix),
            _ => Self::Stress(ix),
        }
    }
}

/// The warm-up factor is reckoned anew this often in a time constant, so it is off by a thousandth of its
/// extra part at most.
const WARM_UP_STEPS: u64 = 1024;

/// `exp(-time / constant)`, without computing it where it is zero for all purposes.
#[inline]
fn decay(time: SimDuration, constant: SimDuration) -> f64 {
    let x = time.0 as f64 / constant.0.max(1) as f64;
    if x > 36.0 { 0.0 } else { exp(-x) }
}

impl Traffic {
    /// Bursts are done on a node. A job that is killed by what another one does next is protected
    /// by its generation, so all are noted before the first goes on.
    pub(super) fn cpu_reports<E: Host>(&mut self, queue: &mut Queue<E>, node: NodeIx) {
        let mut finished = std::mem::take(&mut self.finished);
        let node = &mut self.nodes[node.index()];
        node.armed = SimTime::NEVER;
        let due = node.cpu.next_event().min(self.now);
        node.cpu.advance(due, &mut finished);
        if let [tag] = finished[..]
            && let Tag::Job(ix) = Tag::decode(tag)
        {
            // By far the most frequent case, and the one in which there is nothing to protect.
            finished.clear();
            self.finished = finished;
            return self.burst_done(queue, ix);
        }
        for tag in finished.drain(..) {
            match Tag::decode(tag) {
                Tag::Job(ix) => self.work.push_back(Work::BurstDone(self.jobs.reference(ix))),
                Tag::StartUp(ix) => self.start_up_burst_done(queue, ix),
                Tag::Background(ix) => self.background_done(ix),
                Tag::Stress(ix) => self.stress_burst_done(queue, ix),
            }
        }
        self.finished = finished;
    }

    /// The burst of a handler is done.
    #[inline]
    pub(super) fn burst_done<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        self.leave_runner(ix);
        let job = &mut self.jobs[ix];
        job.pc += 1;
        job.state = State::Ready;
        self.containers[job.container as usize].last_ran = self.now;
        self.step(queue, ix);
    }

    /// The handler has an instruction to compute: on a runner, if it has or gets one.
    #[inline]
    pub(super) fn compute(&mut self, ix: u32, burst: u32) {
        let job = &self.jobs[ix];
        let container = &mut self.containers[job.container as usize];
        if !job.has_runner {
            if container.running >= container.max_running {
                container.run_queue.push_back(Tag::Job(ix).encode());
                self.jobs[ix].state = State::Ready;
                return;
            }
            container.running += 1;
            self.jobs[ix].has_runner = true;
        }
        self.start_burst(ix, burst);
    }

    #[inline]
    fn start_burst(&mut self, ix: u32, burst: u32) {
        let burst = self.programs.bursts[burst as usize];
        let mean = self.mean(self.jobs[ix].container, burst);
        let job = &mut self.jobs[ix];
        let container = &self.containers[job.container as usize];
        let factor = burst.law.sample(job.key.with(u64::from(job.pc)).draw());
        let work = mean * factor + job.extra.0 as f64;
        job.extra = SimDuration::ZERO;
        job.state = State::Running;
        let node = &mut self.nodes[container.node.index()];
        let work = work * container.cost_factor * node.slowness;
        let work = SimDuration((work + 0.5) as u64).max(SimDuration(1));
        node.cpu.start(self.now, container.group, work, Tag::Job(ix).encode());
    }

    /// What a burst takes on average in a process of this age that was idle for this long.
    #[inline]
    fn mean(&mut self, container: u32, burst: Burst) -> f64 {
        let container = &mut self.containers[container as usize];
        let service = container.service.expect("only a container that runs a service computes");
        let runtime = &self.programs.services[service.index()].runtime;
        let mut mean = burst.mean;
        // Whoever asks holds a runner himself.
        if burst.cold > 0.0 && container.running <= 1 {
            mean += burst.cold * (1.0 - decay(self.now.since(container.last_ran), runtime.cools_in));
        }
        if let Some(warm_up) = &runtime.warm_up {
            if self.now >= container.cold_until {
                let age = self.now.since(container.listening_since);
                container.coldness = 1.0 + warm_up.extra * decay(age, warm_up.time_constant);
                container.cold_until = self.now + warm_up.time_constant / WARM_UP_STEPS;
            }
            mean *= container.coldness;
        }
        mean
    }

    /// Gives a handler's runner, if it holds one, to whoever waits for it.
    #[inline]
    pub(super) fn leave_runner(&mut self, ix: u32) {
        let job = &mut self.jobs[ix];
        if job.has_runner {
            job.has_runner = false;
            let container = job.container;
            self.free_runner(container);
        }
    }

    #[inline]
    fn free_runner(&mut self, ix: u32) {
        let container = &mut self.containers[ix as usize];
        match container.run_queue.pop_front().map(Tag::decode) {
            Some(Tag::Job(job)) => {
                self.jobs[job].has_runner = true;
                self.work.push_back(Work::Run(self.jobs.reference(job)));
            }
            Some(_) => self.work.push_back(Work::RunBackground(ContainerIx(ix))),
            None => container.running -= 1,
        }
    }

    /// A request has reached its server's process: its handler starts as soon as a thread or a
    /// runner is free.
    #[inline]
    pub(super) fn admit<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let job = &mut self.jobs[ix];
        job.state = State::Queued;
        let container = &mut self.containers[job.container as usize];
        container.unaccepted += 1;
        if container.busy_threads >= container.max_threads {
            container.accept_queue.push_back(ix);
            return;
        }
        container.busy_threads += 1;
        if container.running >= container.max_running {
            container.run_queue.push_back(Tag::Job(ix).encode());
            return;
        }
        container.running += 1;
        job.has_runner = true;
        self.run(queue, ix);
    }

    /// A handler answers: its thread takes the next request.
    #[inline]
    pub(super) fn free_thread(&mut self, ix: u32) {
        let container = &mut self.containers[ix as usize];
        match container.accept_queue.pop_front() {
            Some(next) => {
                container.running += 1;
                self.jobs[next].has_runner = true;
                self.work.push_back(Work::Run(self.jobs.reference(next)));
            }
            None => container.busy_threads -= 1,
        }
    }

    /// A handler has a runner: it starts, or goes on computing.
    #[inline]
    pub(super) fn run<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        if self.jobs[ix].state == State::Queued {
            self.begin(queue, ix);
        } else {
            self.step(queue, ix);
        }
    }

    /// The process does something without being asked, unless it has not even done the last.
    pub(super) fn background<E: Host>(&mut self, queue: &mut Queue<E>, ix: ContainerIx) {
        let container = &mut self.containers[ix.index()];
        let service = container.service.expect("only a container that runs a service has background work");
        let service = &self.programs.services[service.index()];
        let Some(background) = &service.runtime.background else {
            return;
        };
        queue.schedule(self.now + background.every, Event::Process(ProcessEvent::Background, ix).into());
        if container.background_pending {
            return;
        }
        container.background_pending = true;
        if service.runtime.model != Concurrency::Threads && container.running >= container.max_running {
            container.run_queue.push_back(Tag::Background(ix.0).encode());
        } else {
            container.running += 1;
            self.run_background(ix);
        }
    }

    /// The background work of a process has a runner.
    pub(super) fn run_background(&mut self, ix: ContainerIx) {
        let container = &self.containers[ix.index()];
        if !container.is_alive() {
            return;
        }
        let service = container.service.expect("only a container that runs a service has background work");
        let Some(background) = &self.programs.services[service.index()].runtime.background else {
            return;
        };
        let node = &mut self.nodes[container.node.index()];
        let work = background.cpu.scaled(node.slowness).max(SimDuration(1));
        node.cpu.start(self.now, container.group, work, Tag::Background(ix.0).encode());
    }

    fn background_done(&mut self, ix: u32) {
        let container = &mut self.containers[ix as usize];
        container.background_pending = false;
        container.last_ran = self.now;
        self.free_runner(ix);
    }
}
