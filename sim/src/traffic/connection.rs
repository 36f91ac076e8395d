//! Connections: when a client opens one, where it leads, and what happens to SYNs.
//!
//! A *link* is what one container keeps for one service that it calls: its pool of connections and
//! its breaker. A connection is known by the container at its other end; kube-proxy's choice was
//! made when it was opened, so a kept connection never sees a new replica.

use std::collections::VecDeque;

use super::backends::Route;
use super::breaker::Breaker;
use super::environment::Target;
use super::http::Stage;
use super::job::{Caller, State};
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
    /// Connections that are free; used last in, first out.
    idle: Vec<Connection>,
    /// Connections that are open or being opened.
    open: u32,
    /// Jobs that wait for a connection.
    waiters: VecDeque<u32>,
    shared: Shared,
}

/// An open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    /// The container at its other end.
    pub(super) server: u32,
    /// How many HTTP faults there had been when it was opened.
    pub(super) opened: u16,
}

/// The one connection of a client that shares it among all calls.
#[derive(Clone, Copy, Debug, Default)]
enum Shared {
    #[default]
    Closed,
    Opening,
    Open(Connection),
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
                if let Some(connection) = link.idle.pop() {
                    return self.send_on(queue, ix, connection);
                }
                if link.open < max_open.unwrap_or(NONE) {
                    link.open += 1;
                    return self.connect(queue, ix);
                }
            }
            Connections::Shared => match link.shared {
                Shared::Open(connection) => return self.send_on(queue, ix, connection),
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
        let connection = Connection { server: job.container, opened: job.opened };
        // A connection that a proxy closed says nothing about the others.
        let is_dead = failure == Some(Failure::Reset)
            && self.containers.get(job.container as usize).is_none_or(|server| !server.is_alive());
        let link = &mut self.containers[container].links[local];
        if job.state == State::PoolWait {
            return link.waiters.retain(|&waiter| waiter != ix);
        }
        match self.programs.clients[client as usize].connections {
            Connections::PerCall => {}
            Connections::Pool { max_idle, .. } if failure.is_none() => {
                if let Some(next) = link.waiters.pop_front() {
                    self.hand_over(next, connection);
                } else if link.idle.len() < max_idle.unwrap_or(NONE) as usize {
                    link.idle.push(connection);
                } else {
                    link.open -= 1;
                }
            }
            Connections::Pool { .. } => {
                if is_dead {
                    // The client notices that the others are dead too.
                    let before = link.idle.len() as u32;
                    link.idle.retain(|other| other.server != connection.server);
                    link.open -= before - link.idle.len() as u32;
                }
                match link.waiters.pop_front() {
                    Some(next) => self.work.push_back(Work::Connect(self.jobs.reference(next))),
                    None => link.open -= 1,
                }
            }
            Connections::Shared => {
                let was_opening = matches!(link.shared, Shared::Opening) && job.state == State::Connecting;
                let was_reset = failure == Some(Failure::Reset)
                    && matches!(link.shared, Shared::Open(other) if other.server == connection.server);
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

    /// A job gets a connection that another one does not need any more, or shares.
    fn hand_over(&mut self, ix: u32, connection: Connection) {
        self.jobs[ix].container = connection.server;
        self.jobs[ix].opened = connection.opened;
        self.work.push_back(Work::Send(self.jobs.reference(ix)));
    }

    /// The request of a job goes out on a connection that was kept.
    pub(super) fn send_on<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32, connection: Connection) {
        self.jobs[ix].container = connection.server;
        self.jobs[ix].opened = connection.opened;
        self.send(queue, ix);
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
            Caller::Job(parent) => {
                let client = &self.containers[self.jobs[parent.ix].container as usize];
                match client.target(self.programs.calls[job.call as usize].to) {
                    Target::Service(service) => service,
                    Target::Nowhere => return Route::UnknownHost,
                    Target::WrongPort => return Route::Unanswered,
                }
            }
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
        let address = match self.address_of(ix) {
            Route::Address(address) => address,
            Route::Unanswered => return self.await_syn(queue, ix),
            Route::NoEndpoints if !self.hears_of_refusal(ix) => return self.await_syn(queue, ix),
            Route::NoEndpoints | Route::Refused => return self.client_failed(queue, ix, Failure::Refused),
            Route::UnknownHost => return self.client_failed(queue, ix, Failure::UnknownHost),
        };
        let server = self.container_at(address);
        if server == NONE {
            return self.nobody_there(queue, ix);
        }
        let is_dropped = self.network.is_impaired && self.is_syn_lost(ix, server)
            || self.policies.is_active && self.is_forbidden(ix, server);
        if is_dropped {
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
        self.jobs[ix].opened = self.http.count();
        if self.network.is_impaired {
            return self.shake_hands(queue, ix);
        }
        self.share_connection(ix);
        // Its request goes out a round trip later.
        let handshake = self.travel_time(ix) * 2;
        self.send_after(queue, ix, handshake);
    }

    /// SYN and SYN-ACK get through, but may take longer than the client waits.
    fn shake_hands<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let connected = self.now + self.impaired_handshake(ix);
        if self.gives_up_connecting(ix) <= connected {
            return self.connect_by(queue, ix, connected);
        }
        let job = self.jobs.reference(ix);
        queue.schedule(connected, Event::Job(JobEvent::Connected, job).into());
    }

    /// The handshake is over.
    pub(super) fn connected<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        self.share_connection(ix);
        if self.jobs[ix].is_tcp_probe {
            return self.answer(queue, ix);
        }
        self.send(queue, ix);
    }

    /// All calls of a client that shares one connection can use it now.
    fn share_connection(&mut self, ix: u32) {
        let Some((container, local, client)) = self.link_of(ix) else {
            return;
        };
        if matches!(self.programs.clients[client as usize].connections, Connections::Shared) {
            let job = &self.jobs[ix];
            let connection = Connection { server: job.container, opened: job.opened };
            let link = &mut self.containers[container].links[local];
            link.shared = Shared::Open(connection);
            for waiter in std::mem::take(&mut link.waiters) {
                self.hand_over(waiter, connection);
            }
        }
    }

    /// The request goes out on an open connection.
    pub(super) fn send<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        self.send_after(queue, ix, SimDuration::ZERO);
    }

    fn send_after<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32, handshake: SimDuration) {
        self.jobs[ix].state = State::Travelling;
        if self.http.is_active && self.meddle(queue, ix, Stage::Call) {
            return;
        }
        if self.network.is_impaired {
            return self.begin_message(queue, ix);
        }
        let time = handshake + self.travel_time(ix);
        self.travel(queue, ix, JobEvent::Arrive, time);
    }

    /// Lets `what` happen to a job when a message has travelled.
    pub(super) fn travel<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32, what: JobEvent, time: SimDuration) {
        if time > SimDuration::ZERO {
            let job = self.jobs.reference(ix);
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
        let end = self.gives_up_connecting(ix);
        if end <= next {
            self.jobs[ix].syns = LAST_SYN;
        }
        let job = self.jobs.reference(ix);
        queue.schedule(next.min(end), Event::Job(JobEvent::Connect, job).into());
    }

    /// When the patience of a job's client with connecting ends.
    fn gives_up_connecting(&self, ix: u32) -> SimTime {
        let limit = self.link_of(ix).and_then(|(.., client)| self.programs.clients[client as usize].connect_timeout);
        limit.map_or(SimTime::NEVER, |limit| self.jobs[ix].since + limit)
    }

    pub(super) fn connect_again<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        match self.jobs[ix].syns {
            LAST_SYN => self.client_failed(queue, ix, Failure::TimedOut),
            NO_NEIGHBOUR => {
                if self.hears_of_refusal(ix) {
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
