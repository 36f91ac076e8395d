//! Handlers: programs at work on requests.
//!
//! While a handler waits, its `pc` stays at the instruction that it waits for; whoever ends the
//! wait moves it on. A handler ends by answering, by dying with its process, or, if it is a branch,
//! by handing its result to the fork.

use super::breaker::Admission;
use super::job::{Caller, Job, Outcome, State};
use super::{Event, Host, JobEvent, Traffic, Work};
use crate::engine::{Queue, TimerIx};
use crate::ids::EndpointIx;
use crate::log::Said;
use crate::profile::Reaction;
use crate::program::{Await, NONE, Op};
use crate::time::SimDuration;

/// What a breaker answers in place of a handler.
const BREAKER_STATUS: u16 = 500;
/// What a handler answers that fails without a status at hand.
const ERROR_STATUS: u16 = 500;

impl Traffic {
    /// The handler starts; it holds a runner.
    pub(super) fn begin<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let job = &mut self.jobs[ix];
        job.since = self.now;
        let container = &mut self.containers[job.container as usize];
        container.unaccepted -= 1;
        if job.endpoint != NONE {
            let endpoint = &self.programs.endpoints[job.endpoint as usize];
            let service = &self.programs.services[endpoint.service.index()];
            job.pc = endpoint.entry;
            if endpoint.guard != NONE {
                let breaker = &mut container.breakers[endpoint.guard as usize];
                match breaker.admit(self.now) {
                    Admission::Pass => {}
                    Admission::Trial => job.is_endpoint_trial = true,
                    Admission::Refuse => {
                        job.pc = NONE;
                        if breaker.first_refusal() {
                            let (server, endpoint) = (job.container, EndpointIx(job.endpoint));
                            self.say(server, Said::BreakerRefused(endpoint));
                        }
                        return self.respond(queue, ix, BREAKER_STATUS);
                    }
                }
            }
            let (first, end) = endpoint.first;
            if first < end {
                let handled = &mut container.handled[job.endpoint as usize - service.endpoints.0 as usize];
                if first + u32::from(*handled) < end {
                    job.extra += SimDuration(self.programs.bursts[(first + u32::from(*handled)) as usize].mean as u64);
                    *handled += 1;
                }
            }
            if container.is_fresh {
                container.is_fresh = false;
                job.extra += service.runtime.start_up.first_request;
            }
            if let Some(documents) = container.documents {
                self.grow(ix, documents);
            }
            if self.containers[self.jobs[ix].container as usize].has_disk_fault && self.use_disk(queue, ix) {
                return;
            }
        }
        self.step(queue, ix);
    }

    /// Does instructions until one takes time.
    pub(super) fn step<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        loop {
            let job = &mut self.jobs[ix];
            match self.programs.ops[job.pc as usize] {
                Op::Cpu(burst) => return self.compute(ix, burst),
                Op::Call(call) => {
                    self.block(ix);
                    return self.call(queue, ix, call);
                }
                Op::Fork(fork) => self.fork(queue, ix, fork),
                Op::Await(await_ix) => {
                    if !self.await_branch(queue, ix, await_ix) {
                        return;
                    }
                }
                Op::Wait(wait) => {
                    let wait = self.programs.waits[wait as usize];
                    let factor = wait.law.sample(job.key.with(u64::from(job.pc)).draw());
                    job.pc += 1;
                    self.block(ix);
                    return self.wake_after(queue, ix, SimDuration((wait.mean * factor + 0.5) as u64));
                }
                Op::RespondAbove { attribute, status, value } => {
                    if job.attributes[usize::from(attribute)] > value {
                        return self.respond(queue, ix, status);
                    }
                    job.pc += 1;
                }
                Op::RespondByChance { status, probability } => {
                    if job.key.with(u64::from(job.pc)).draw().bernoulli(f64::from(probability)) {
                        return self.respond(queue, ix, status);
                    }
                    job.pc += 1;
                }
                Op::Respond(status) => return self.respond(queue, ix, status),
                Op::End => {
                    let status =
                        if job.endpoint == NONE { 0 } else { self.programs.endpoints[job.endpoint as usize].status };
                    return self.respond(queue, ix, status);
                }
            }
        }
    }

    /// The handler gives its runner up and waits.
    fn block(&mut self, ix: u32) {
        self.jobs[ix].state = State::Blocked;
        self.leave_runner(ix);
    }

    /// The blocked handler goes on after a while.
    pub(super) fn wake_after<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32, time: SimDuration) {
        let job = self.jobs.reference(ix);
        if time == SimDuration::ZERO {
            self.work.push_back(Work::Step(job));
        } else {
            queue.schedule(self.now + time, Event::Job(JobEvent::Wake, job).into());
        }
    }

    /// Starts the branches of a parallel step.
    fn fork<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32, fork: u32) {
        let (first, count) = self.programs.forks[fork as usize];
        self.drop_fork(queue, ix);
        let parent = self.jobs.reference(ix);
        let fork = self.forks.add(parent, count);
        let job = &mut self.jobs[ix];
        job.fork = fork;
        job.pc += 1;
        let job = *job;
        for branch in 0..count {
            let key = job.key.with(u64::from(job.pc) << 8 | u64::from(branch));
            let mut part = Job::new(key, self.now, Caller::Branch(fork, branch));
            part.attributes = job.attributes;
            part.container = job.container;
            part.pc = self.programs.branches[first as usize + usize::from(branch)];
            part.state = State::Blocked;
            let part = self.jobs.add(part);
            self.work.push_back(Work::Step(self.jobs.reference(part)));
        }
    }

    /// Waits for a branch; says whether the handler can go on at once.
    fn await_branch<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32, await_ix: u32) -> bool {
        let fork_ix = self.jobs[ix].fork;
        let spec = self.programs.awaits[await_ix as usize];
        let parent = self.jobs.reference(ix);
        let fork = &mut self.forks[fork_ix];
        if fork.done >> spec.branch & 1 == 1 {
            let status = fork.statuses[usize::from(spec.branch)];
            if status > 0 {
                self.respond(queue, ix, status);
                return false;
            }
            self.jobs[ix].pc += 1;
            return true;
        }
        fork.awaited = spec.branch;
        if let Some(timeout) = spec.timeout {
            let timer = queue.add_timer();
            fork.timer = timer.0;
            queue.set_timer(timer, self.now + timeout, Event::AwaitTimeout(parent).into());
        }
        self.block(ix);
        false
    }

    pub(super) fn await_timed_out<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let Op::Await(await_ix) = self.programs.ops[self.jobs[ix].pc as usize] else {
            return;
        };
        let Await { timeout, on_timeout: reaction, .. } = self.programs.awaits[await_ix as usize];
        let job = &self.jobs[ix];
        let late = Said::Late { pc: job.pc, waited: timeout.unwrap_or_default() };
        self.say(job.container, late);
        let fork = self.jobs[ix].fork;
        self.stop_awaiting(queue, fork);
        self.react(queue, ix, reaction, None);
    }

    fn stop_awaiting<E: Host>(&mut self, queue: &mut Queue<E>, fork: u32) {
        let fork = &mut self.forks[fork];
        fork.awaited = u8::MAX;
        if fork.timer != NONE {
            queue.remove_timer(TimerIx(fork.timer));
            fork.timer = NONE;
        }
    }

    /// A branch is done; zero means that nothing went wrong in it.
    fn branch_done<E: Host>(&mut self, queue: &mut Queue<E>, fork_ix: u32, branch: u8, status: u16) {
        let fork = &mut self.forks[fork_ix];
        fork.running -= 1;
        fork.done |= 1 << branch;
        fork.statuses[usize::from(branch)] = status;
        if let Some(parent) = fork.parent
            && fork.awaited == branch
        {
            self.stop_awaiting(queue, fork_ix);
            self.work.push_back(Work::Step(parent));
        }
        self.forks.end_if_unused(fork_ix);
    }

    /// The handler will not ask for its branches any more. They go on; nobody reads their results.
    pub(super) fn drop_fork<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let fork = std::mem::replace(&mut self.jobs[ix].fork, NONE);
        if fork != NONE {
            self.stop_awaiting(queue, fork);
            self.forks[fork].parent = None;
            self.forks.end_if_unused(fork);
        }
    }

    /// The handler does something about a step that went wrong, perhaps with a status.
    pub(super) fn react<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32, reaction: Reaction, status: Option<u16>) {
        match reaction {
            Reaction::Continue => {
                self.jobs[ix].pc += 1;
                self.work.push_back(Work::Step(self.jobs.reference(ix)));
            }
            Reaction::Pass => self.respond(queue, ix, status.unwrap_or(ERROR_STATUS)),
            Reaction::Respond(status) => self.respond(queue, ix, status),
            Reaction::Crash => {
                self.say_crashed(ix, status);
                self.crash(queue, self.jobs[ix].container);
            }
        }
    }

    /// The handler answers and is over.
    pub(super) fn respond<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32, status: u16) {
        self.leave_runner(ix);
        self.drop_fork(queue, ix);
        let job = &mut self.jobs[ix];
        job.status = status;
        match job.caller {
            Caller::Branch(fork, branch) => {
                self.jobs.end(ix, Outcome::Answered);
                self.branch_done(queue, fork, branch, status);
            }
            Caller::Message(subscription, epoch) => {
                let container = job.container;
                self.leave_container(ix);
                self.jobs.end(ix, Outcome::Answered);
                self.message_handled(queue, subscription, epoch, container);
            }
            _ => {
                let container = job.container;
                self.observe(ix);
                self.leave_container(ix);
                self.free_thread(container);
                self.send_answer(queue, ix);
            }
        }
    }

    /// A request is no longer in its container.
    fn leave_container(&mut self, ix: u32) {
        let container = &mut self.containers[self.jobs[ix].container as usize];
        container.in_flight -= 1;
        container.served += 1;
        if let Some(service) = container.service {
            container.heap_left *= self.programs.services[service.index()].heap_decay;
        }
    }

    /// What the server's own breaker, metrics and statistics make of an answer.
    fn observe(&mut self, ix: u32) {
        let job = &self.jobs[ix];
        if job.endpoint == NONE {
            return;
        }
        let endpoint = self.programs.endpoints[job.endpoint as usize];
        let took = self.now.since(job.since);
        let is_error = job.status >= 400;
        let container = &mut self.containers[job.container as usize];
        let service = &self.programs.services[endpoint.service.index()];
        let was_refused = job.pc == NONE;
        if endpoint.guard != NONE && !was_refused {
            let guard = endpoint.guard as usize;
            container.breakers[guard].record(&service.breakers[guard], self.now, job.is_endpoint_trial, !is_error);
        }
        if let Some(metrics) = &service.metrics
            && endpoint.counted
            && (metrics.counts_errors || !is_error)
        {
            container.histograms.observe(&metrics.buckets, EndpointIx(job.endpoint), job.status, took);
        }
        let is_probe = matches!(job.caller, Caller::Probe(_));
        if !is_probe {
            self.statistics.served(endpoint.service, job.status, took);
        }
        if took >= service.slow_after && !was_refused {
            self.say_slow(ix, took);
        }
    }
}
