//! The caller's side of a job: making it, its answer, its failure, and what then becomes of the
//! handler, user or probe that waited.

use super::breaker::Admission;
use super::connection::Connection;
use super::http::Stage;
use super::job::{Caller, Job, Outcome, State};
use super::network::KERNEL_GIVES_UP;
use super::{Event, Failure, Host, JobEvent, Notice, ProbeCall, ProbeResult, Traffic, Work};
use crate::engine::{Queue, TimerIx};
use crate::ids::{ContainerIx, EndpointIx};
use crate::log::Said;
use crate::profile::{CallError, Reaction};
use crate::program::{Call, NONE};
use crate::time::{SimDuration, SimTime};

impl Traffic {
    /// A handler makes a call.
    pub(super) fn call<E: Host>(&mut self, queue: &mut Queue<E>, parent: u32, call_ix: u32) {
        let call = self.programs.calls[call_ix as usize];
        let client = &self.programs.clients[call.client as usize];
        let handler = &self.jobs[parent];
        let mut is_trial = false;
        if client.breaker.is_some() {
            let link = &mut self.containers[handler.container as usize].links[client.local as usize];
            match link.breaker.admit(self.now) {
                Admission::Pass => {}
                Admission::Trial => is_trial = true,
                Admission::Refuse => {
                    if link.breaker.first_refusal() {
                        self.say_failed(parent, call_ix, CallError::BreakerOpen, SimDuration::ZERO);
                    }
                    return self.react(queue, parent, call.on_failure, None);
                }
            }
        }
        let key = handler.key.with(u64::from(handler.pc) | u64::from(handler.failed_tries) << 32);
        let mut job = Job::new(key, self.now, Caller::Job(self.jobs.reference(parent)));
        job.attributes = handler.attributes;
        job.endpoint = call.endpoint.0;
        job.call = call_ix;
        job.client = self.containers[handler.container as usize].address;
        job.is_client_trial = is_trial;
        let timeout = client.timeout;
        let ix = self.jobs.add(job);
        self.start_timer(queue, ix, timeout);
        self.obtain_connection(queue, ix);
    }

    /// Limits how long the caller waits.
    pub(super) fn start_timer<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32, timeout: Option<SimDuration>) {
        if let Some(timeout) = timeout {
            let timer = queue.add_timer();
            self.jobs[ix].timer = timer.0;
            let event = Event::Job(JobEvent::Timeout, self.jobs.reference(ix));
            queue.set_timer(timer, self.now + timeout, event.into());
        }
    }

    pub(super) fn stop_timer<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let timer = std::mem::replace(&mut self.jobs[ix].timer, NONE);
        if timer != NONE {
            queue.remove_timer(TimerIx(timer));
        }
    }

    /// Asks a container directly, from its own node, as the kubelet does; Prometheus' scrapes take
    /// the same way. [`Notice::ProbeDone`] follows. Not counted in the statistics.
    pub fn probe<E: Host>(
        &mut self,
        now: SimTime,
        queue: &mut Queue<E>,
        token: u32,
        container: ContainerIx,
        call: ProbeCall,
        timeout: SimDuration,
    ) {
        self.now = now;
        let target = &self.containers[container.index()];
        let key = target.key.with_str("probe").with(now.0);
        let mut job = Job::new(key, now, Caller::Probe(token));
        job.address = target.address;
        match call {
            ProbeCall::Tcp => job.is_tcp_probe = true,
            ProbeCall::Http(endpoint) => job.endpoint = endpoint.0,
        }
        let ix = self.jobs.add(job);
        self.start_timer(queue, ix, Some(timeout));
        self.connect(queue, ix);
        self.settle(queue);
    }

    /// The request has reached the server's machine.
    pub(super) fn arrive<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let job = &mut self.jobs[ix];
        let server = job.container;
        let container = &mut self.containers[server as usize];
        if container.is_lost {
            job.state = State::Lost;
            let gives_up = Event::Job(JobEvent::Timeout, self.jobs.reference(ix));
            queue.schedule(self.now + KERNEL_GIVES_UP, gives_up.into());
            return;
        }
        if !container.is_serving() {
            return self.client_failed(queue, ix, Failure::Reset);
        }
        if self.http.is_active && self.meddle(queue, ix, Stage::Request) {
            return;
        }
        let job = &mut self.jobs[ix];
        let container = &mut self.containers[server as usize];
        if job.is_tcp_probe {
            return self.send_answer(queue, ix);
        }
        if container.service != Some(self.programs.endpoints[job.endpoint as usize].service) {
            // The Service selects pods of another program, which does not know the request.
            let service = container.service.expect("a container that serves runs a service");
            job.endpoint = self.programs.services[service.index()].not_found.0;
        }
        container.in_flight += 1;
        self.check_memory(server);
        self.admit(queue, ix);
    }

    /// The server has answered.
    pub(super) fn send_answer<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        if self.jobs[ix].caller == Caller::Nobody {
            return self.jobs.end(ix, Outcome::Answered);
        }
        if self.http.is_active && self.meddle(queue, ix, Stage::Response) {
            return;
        }
        self.jobs[ix].state = State::Answering;
        if self.network.is_impaired {
            return self.begin_message(queue, ix);
        }
        let time = self.travel_time(ix);
        self.travel(queue, ix, JobEvent::Answer, time);
    }

    /// The answer has reached the caller.
    pub(super) fn answer<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        if self.http.is_active && self.meddle(queue, ix, Stage::Result) {
            return;
        }
        self.stop_timer(queue, ix);
        self.release_connection(ix, None);
        let job = &self.jobs[ix];
        let (caller, status, server, opened) = (job.caller, job.status, job.container, job.opened);
        let (call, endpoint, is_trial) = (job.call, job.endpoint, job.is_client_trial);
        let took = self.now.since(job.sent);
        let (key, attributes) = (job.key, job.attributes);
        let is_tcp_probe = job.is_tcp_probe;
        self.jobs.end(ix, Outcome::Answered);
        match caller {
            Caller::Job(parent) => {
                let call_ix = call;
                let call = self.programs.calls[call as usize];
                self.statistics.called(call.to, Some(status), took);
                if self.programs.endpoints[endpoint as usize].service != call.to {
                    self.statistics.misdirected(call.to);
                }
                self.record_at_client(parent.ix, call, is_trial, status < 500);
                if call.queue != NONE && status < 400 {
                    self.publish(server, call.queue, key, attributes);
                }
                self.jobs[parent.ix].failed_tries = 0;
                if status >= 400 {
                    if status >= 500 && call.on_status != Reaction::Continue {
                        self.say(self.jobs[parent.ix].container, Said::ErrorAnswer { call: call_ix, status });
                    }
                    self.react(queue, parent.ix, call.on_status, Some(status));
                } else {
                    self.jobs[parent.ix].pc += 1;
                    self.work.push_back(Work::Step(parent));
                }
            }
            Caller::User(user) => {
                let connection = Connection { server, opened };
                self.user_answered(queue, user, Ok(status), EndpointIx(endpoint), took, connection);
            }
            Caller::Probe(token) => {
                let result = if is_tcp_probe { ProbeResult::Connected } else { ProbeResult::Status(status) };
                self.notices.push(Notice::ProbeDone { token, result });
            }
            Caller::Ack(subscription, epoch) => self.acknowledged(subscription, epoch),
            Caller::Nobody | Caller::Branch(..) | Caller::Message(..) => {}
        }
    }

    /// The caller gets no answer. If the server still works on the request, it goes on for nobody.
    pub(super) fn client_failed<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32, failure: Failure) {
        self.stop_timer(queue, ix);
        self.release_connection(ix, Some(failure));
        let (error, waited) = self.failure_of(ix, failure);
        let job = self.jobs[ix];
        let is_at_server = matches!(job.state, State::Queued | State::Ready | State::Running | State::Blocked);
        // What a client has sent before it stopped waiting still arrives.
        let is_on_its_way = self.network.is_impaired && job.state == State::Travelling;
        let goes_on = is_at_server || is_on_its_way && failure == Failure::TimedOut && job.caller != Caller::Nobody;
        if goes_on && self.containers[job.container as usize].is_alive() {
            self.jobs[ix].caller = Caller::Nobody;
        } else {
            self.jobs.end(ix, Outcome::Failed);
        }
        match job.caller {
            Caller::Job(parent) => {
                let call = self.programs.calls[job.call as usize];
                self.statistics.called(call.to, None, self.now.since(job.sent));
                self.record_at_client(parent.ix, call, job.is_client_trial, false);
                self.say_failed(parent.ix, job.call, error, waited);
                self.call_failed(queue, parent.ix, call);
            }
            Caller::User(user) => {
                let took = self.now.since(job.sent);
                let connection = Connection { server: job.container, opened: job.opened };
                self.user_answered(queue, user, Err(failure), EndpointIx(job.endpoint), took, connection);
            }
            Caller::Probe(token) => {
                self.notices.push(Notice::ProbeDone { token, result: ProbeResult::Failed(failure) });
            }
            Caller::Ack(subscription, epoch) => self.acknowledged(subscription, epoch),
            Caller::Nobody | Caller::Branch(..) | Caller::Message(..) => {}
        }
    }

    /// The client's breaker learns what came of a call.
    fn record_at_client(&mut self, parent: u32, call: Call, is_trial: bool, succeeded: bool) {
        let client = &self.programs.clients[call.client as usize];
        if let Some(settings) = &client.breaker {
            let container = self.jobs[parent].container as usize;
            let breaker = &mut self.containers[container].links[client.local as usize].breaker;
            breaker.record(settings, self.now, is_trial, succeeded);
        }
    }

    /// A call got no answer: the handler tries again, or does something about it.
    fn call_failed<E: Host>(&mut self, queue: &mut Queue<E>, parent: u32, call: Call) {
        let client = &self.programs.clients[call.client as usize];
        let handler = &mut self.jobs[parent];
        if handler.failed_tries < client.retries {
            let backoff = client.retry_backoff * (1 << handler.failed_tries.min(32));
            handler.failed_tries += 1;
            self.wake_after(queue, parent, backoff);
        } else {
            handler.failed_tries = 0;
            self.react(queue, parent, call.on_failure, None);
        }
    }
}
