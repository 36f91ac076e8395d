//! Connections: when a client opens one, where it leads, and what happens to SYNs.
//!
//! A *link* is what one container keeps for one service that it calls: its pool of connections and
//! its breaker. A connection is known by the container at its other end; kube-proxy's choice was
//! made when it was opened, so a kept connection never sees a new replica.

use std::collections::VecDeque;

use super::backends::Route;
use super::breaker::Breaker;
use super::job::{Caller, State};
use super::network::{KERNEL_GIVES_UP, Leg};
use super::{Event, Failure, Host, JobEvent, Traffic, Work};
use crate::engine::Queue;
use crate::profile::Connections;
use crate::program::NONE;
use crate::time::{SimDuration, SimTime};

/// `tcp_syn_retries`: after the linear ones come 6 SYNs with doubling gaps, and the last gap is
/// waited for too. With 4 linear ones that is SYNs at 0, 1, 2, 3, 4, 5, 7, 11, 19, 35 and 67 s and
/// the end at 131 s; with none, 0, 1, 3, 7, 15, 31, 63 and 127 s (`tcp_retransmit_timer`).
const SYN_RETRIES: u8 = 6;

/// Marks a connect whose patience ends at its next event.
const LAST_SYN: u8 = u8::MAX;
/// Marks a connect to an address whose neighbour does not answer ARP.
const NO_NEIGHBOUR: u8 = u8::MAX - 1;

/// What a container keeps for one service that it calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Link {
    pub(super) breaker: Breaker,
    /// Connections that are free, by the container at their other end; used last in, first out.
    idle: Vec<u32>,
    /// Connections that are open or being opened.
    open: u32,
    /// Jobs that wait for a connection.
    waiters: VecDeque<u32>,
    shared: Shared,
}

/// The one connection of a client that shares it among all calls.
#[derive(Clone, Copy, Debug, Default)]
enum Shared {
    #[default]
    Closed,
    Opening,
    Open(u32),
}

impl Traffic {
    /// The link of a call: container, its local number.
    fn link_of(&self, ix: u32) -> Option<(usize, usize, u32)> {
        let job = &self.jobs[ix];
        let Caller::Job(parent) = job.caller else {
            return None;
        };
        let client = self.programs.calls[job.call as usize].client;
        let container = self.jobs[parent.ix].container as usize;
        Some((container, self.programs.clients[client as usize].local as usize, client))
    }

    /// A call wants a connection as its client makes them.
    pub(super) fn obtain_connection<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let (container, local, client) = self.link_of(ix).expect("only handlers make calls");
        let link = &mut self.containers[container].links[local];
        match self.programs.clients[client as usize].connections {
            Connections::PerCall => return self.connect(queue, ix),
            Connections::Pool { max_open, .. } => {
                if let Some(server) = link.idle.pop() {
                    self.jobs[ix].container = server;
                    return self.send(queue, ix);
                }
                if link.open < max_open.unwrap_or(NONE) {
                    link.open += 1;
                    return self.connect(queue, ix);
                }
            }
            Connections::Shared => match link.shared {
                Shared::Open(server) => {
                    self.jobs[ix].container = server;
                    return self.send(queue, ix);
                }
                Shared::Closed => {
                    link.shared = Shared::Opening;
                    return self.connect(queue, ix);
                }
                Shared::Opening => {}
            },
        }
        link.waiters.push_back(ix);
        self.jobs[ix].state = State::PoolWait;
    }

    /// A call is over for its client, with an answer or not: its connection goes to the next call,
    /// back to the pool, or is closed.
    pub(super) fn release_connection(&mut self, ix: u32, failure: Option<Failure>) {
        let Some((container, local, client)) = self.link_of(ix) else {
            return;
        };
        let job = &self.jobs[ix];
        let server = job.container;
        let link = &mut self.containers[container].links[local];
        if job.state == State::PoolWait {
            return link.waiters.retain(|&waiter| waiter != ix);
        }
        match self.programs.clients[client as usize].connections {
            Connections::PerCall => {}
            Connections::Pool { max_idle, .. } if failure.is_none() => {
                if let Some(next) = link.waiters.pop_front() {
                    self.jobs[next].container = server;
                    self.work.push_back(Work::Send(self.jobs.reference(next)));
                } else if link.idle.len() < max_idle.unwrap_or(NONE) as usize {
                    link.idle.push(server);
                } else {
                    link.open -= 1;
                }
            }
            Connections::Pool { .. } => {
                if failure == Some(Failure::Reset) {
                    // The client notices that the others are dead too.
                    let before = link.idle.len() as u32;
                    link.idle.retain(|&other| other != server);
                    link.open -= before - link.idle.len() as u32;
                }
                match link.waiters.pop_front() {
                    Some(next) => self.work.push_back(Work::Connect(self.jobs.reference(next))),
                    None => link.open -= 1,
                }
            }
            Connections::Shared => {
                let was_opening = matches!(link.shared, Shared::Opening) && job.state == State::Connecting;
                let was_reset =
                    matches!(link.shared, Shared::Open(other) if other == server && failure == Some(Failure::Reset));
                if was_opening || was_reset {
                    link.shared = Shared::Closed;
                    if let Some(next) = link.waiters.pop_front() {
                        link.shared = Shared::Opening;
                        self.work.push_back(Work::Connect(self.jobs.reference(next)));
                    }
                }
            }
        }
    }

    /// Opens a connection for a job.
    pub(super) fn connect<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let job = &mut self.jobs[ix];
        job.state = State::Connecting;
        job.since = self.now;
        job.syns = 0;
        self.send_syn(queue, ix);
    }

    /// The address that kube-proxy sends a SYN of this job to: as it chose for the first one that left the node, or,
    /// if none has, as it would choose now.
    fn address_of(&mut self, ix: u32) -> Route {
        let job = &self.jobs[ix];
        if job.address != NONE {
            return Route::Address(job.address);
        }
        let (key, caller) = (job.key.with_str("backend"), job.caller);
        let service = match caller {
            Caller::Job(_) => self.programs.calls[job.call as usize].to,
            _ => self.programs.endpoints[job.endpoint as usize].service,
        };
        let route = self.route(self.client_node(caller), service, key);
        if let Route::Address(address) = route {
            self.jobs[ix].address = address;
        }
        route
    }

    /// A SYN goes to the job's address, and is answered or not.
    fn send_syn<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let caller = self.jobs[ix].caller;
        let address = match self.address_of(ix) {
            Route::Address(address) => address,
            Route::NoEndpoints if !self.hears_of_refusal(caller) => return self.await_syn(queue, ix),
            Route::NoEndpoints | Route::Refused => return self.client_failed(queue, ix, Failure::Refused),
            Route::UnknownHost => return self.client_failed(queue, ix, Failure::UnknownHost),
        };
        let server = self.container_at(address);
        if server == NONE {
            return self.nobody_there(queue, ix);
        }
        if self.is_lost(ix, server) {
            return self.await_syn(queue, ix);
        }
        let container = &self.containers[server as usize];
        if !container.is_serving() {
            return self.client_failed(queue, ix, Failure::Refused);
        }
        let service = container.service.expect("a container that serves runs a service");
        if container.unaccepted >= self.programs.services[service.index()].runtime.backlog {
            return self.await_syn(queue, ix);
        }
        self.jobs[ix].container = server;
        self.connected(queue, ix);
    }

    /// The server's kernel has accepted: the request goes out, a round trip later.
    fn connected<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        if let Some((container, local, client)) = self.link_of(ix)
            && matches!(self.programs.clients[client as usize].connections, Connections::Shared)
        {
            let server = self.jobs[ix].container;
            let link = &mut self.containers[container].links[local];
            link.shared = Shared::Open(server);
            while let Some(waiter) = link.waiters.pop_front() {
                self.jobs[waiter].container = server;
                self.work.push_back(Work::Send(self.jobs.reference(waiter)));
            }
        }
        let handshake = self.travel_time(ix, Leg::Syn) + self.travel_time(ix, Leg::SynAck);
        self.send_after(queue, ix, handshake);
    }

    /// The request goes out on an open connection.
    pub(super) fn send<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        self.send_after(queue, ix, SimDuration::ZERO);
    }

    fn send_after<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32, handshake: SimDuration) {
        self.jobs[ix].state = State::Travelling;
        let time = handshake + self.travel_time(ix, Leg::Request);
        self.travel(queue, ix, JobEvent::Arrive, time);
    }

    /// Lets `what` happen to a job when a message has travelled.
    pub(super) fn travel<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32, what: JobEvent, time: SimDuration) {
        if time > SimDuration::ZERO {
            let job = self.jobs.reference(ix);
            let what = if time >= KERNEL_GIVES_UP { JobEvent::Timeout } else { what };
            queue.schedule(self.now + time, Event::Job(what, job).into());
        } else if what == JobEvent::Arrive {
            self.arrive(queue, ix);
        } else {
            self.answer(queue, ix);
        }
    }

    /// No machine has the address: ARP tells after a while, or nobody ever does.
    fn nobody_there<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let node = self.client_node(self.jobs[ix].caller);
        match self.nodes[node.index()].spec.unreachable_after {
            Some(time) => {
                self.jobs[ix].syns = NO_NEIGHBOUR;
                self.connect_by(queue, ix, self.now + time);
            }
            None => self.await_syn(queue, ix),
        }
    }

    /// A SYN went unanswered: the kernel sends another one after a while, a few times.
    fn await_syn<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let node = self.client_node(self.jobs[ix].caller);
        let linear = self.nodes[node.index()].spec.syn_linear_timeouts;
        let job = &mut self.jobs[ix];
        let gap = SimDuration::SECOND * (1 << job.syns.saturating_sub(linear));
        job.syns = if job.syns >= linear + SYN_RETRIES { LAST_SYN } else { job.syns + 1 };
        self.connect_by(queue, ix, self.now + gap);
    }

    /// Looks at a connecting job again at `next`, or when its client's patience ends.
    fn connect_by<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32, next: SimTime) {
        let limit = self.link_of(ix).and_then(|(.., client)| self.programs.clients[client as usize].connect_timeout);
        let job = &mut self.jobs[ix];
        let end = limit.map_or(SimTime::NEVER, |limit| job.since + limit);
        if end <= next {
            job.syns = LAST_SYN;
        }
        let job = self.jobs.reference(ix);
        queue.schedule(next.min(end), Event::Job(JobEvent::Connect, job).into());
    }

    pub(super) fn connect_again<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        match self.jobs[ix].syns {
            LAST_SYN => self.client_failed(queue, ix, Failure::TimedOut),
            NO_NEIGHBOUR => {
                let caller = self.jobs[ix].caller;
                if self.hears_of_refusal(caller) {
                    return self.client_failed(queue, ix, Failure::Unreachable);
                }
                // "Host unreachable" is an ICMP message too, and this client has had its share: its SYN comes again.
                self.jobs[ix].syns = 0;
                self.await_syn(queue, ix);
            }
            _ => self.send_syn(queue, ix),
        }
    }
}
