//! Users: closed loops as Locust runs them, and arrivals that run one task each.
//!
//! A *load* is one [`Workload`] under way. A user of a closed load does tasks until its load wants
//! fewer users, and stops after the task it is in; an arrival is a user for one task. Users are
//! numbered within their load, and all their chance hangs on that number.

use std::sync::Arc;

use super::connection::Connection;
use super::job::{Caller, Job};
use super::{Event, Failure, Host, Traffic};
use crate::engine::Queue;
use crate::ids::EndpointIx;
use crate::program::NONE;
use crate::time::{SimDuration, SimTime};
use crate::workload::{Behaviour, Change, Course, Progress, Workload, load_key, user_key};

/// How long the next request of a user is off at least when the last one took no time at all.
const SHORTEST_FAILURE: SimDuration = SimDuration::from_micros(100);

const NO_CONNECTION: Connection = Connection { server: NONE, opened: 0 };

/// A load of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadIx(pub u32);

/// What a user asks for.
#[derive(Clone, Copy, Debug)]
struct Request {
    endpoint: EndpointIx,
    /// Its place in the statistics.
    kind: u32,
}

#[derive(Clone, Debug)]
struct Load {
    behaviour: Arc<Behaviour<Request>>,
    course: Course,
    start: SimTime,
    /// Users so far, which numbers them.
    started: u64,
    /// Users of a closed load that are not asked to stop, oldest first.
    active: Vec<u32>,
    is_over: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UserState {
    /// The slot is free.
    Gone,
    Waiting,
    Requesting,
}

#[derive(Clone, Copy, Debug)]
struct User {
    load: u32,
    number: u64,
    progress: Progress,
    /// The connection that it keeps; with [`NONE`] at its other end if it has none.
    connection: Connection,
    state: UserState,
    /// It goes after the task that it is in.
    is_stopping: bool,
}

/// All loads and users of a world.
#[derive(Clone, Debug, Default)]
pub(super) struct Users {
    loads: Vec<Load>,
    slots: Vec<User>,
    free: Vec<u32>,
    sent: u64,
    ended: u64,
}

impl Users {
    fn add(&mut self, user: User) -> u32 {
        if let Some(ix) = self.free.pop() {
            self.slots[ix as usize] = user;
            ix
        } else {
            self.slots.push(user);
            self.slots.len() as u32 - 1
        }
    }

    fn requesting(&self) -> u64 {
        self.slots.iter().filter(|user| user.state == UserState::Requesting).count() as u64
    }

    pub(super) fn check_conservation(&self) -> Result<(), String> {
        let waiting = self.requesting();
        if self.sent == self.ended + waiting {
            return Ok(());
        }
        Err(format!("{} user requests sent, {} over, {waiting} waiting", self.sent, self.ended))
    }
}

impl Traffic {
    /// Lets a load begin. Its `start` counts from the start of the world.
    ///
    /// # Errors
    /// A name that the profile does not have, or a load that can never send anything.
    pub fn add_workload<E: Host>(
        &mut self,
        now: SimTime,
        queue: &mut Queue<E>,
        workload: &Workload,
    ) -> Result<WorkloadIx, String> {
        self.now = now;
        let programs = self.programs.clone();
        let behaviour = Behaviour::new(&programs, workload, |service, request| {
            let service = programs.service(service).expect("the behaviour knows its services");
            Ok(Request {
                endpoint: programs.endpoint_or_not_found(service, &request.request),
                kind: self.statistics.request(service, &request.request),
            })
        })?;
        let start = (SimTime::ZERO + workload.start).max(now);
        let course = Course::new(&workload.shape, &programs.levels, &workload.target, start)?;
        let is_closed = matches!(course, Course::Closed(_));
        let ix = WorkloadIx(self.users.loads.len() as u32);
        self.users.loads.push(Load {
            behaviour: Arc::new(behaviour),
            course,
            start,
            started: 0,
            active: Vec::new(),
            is_over: false,
        });
        if is_closed {
            queue.schedule(start, Event::Spawn(ix).into());
        } else {
            self.schedule_arrival(queue, ix);
        }
        Ok(ix)
    }

    /// Ends a load: its users stop after the task that they are in.
    pub fn stop_workload(&mut self, now: SimTime, ix: WorkloadIx) {
        self.now = now;
        let load = &mut self.users.loads[ix.0 as usize];
        load.is_over = true;
        for user in load.active.drain(..) {
            self.users.slots[user as usize].is_stopping = true;
        }
    }

    /// User requests without an answer so far.
    pub fn waiting_requests(&self) -> u64 {
        self.users.requesting()
    }

    /// Users of closed loads that are running.
    pub fn active_users(&self) -> u32 {
        self.users.loads.iter().map(|load| load.active.len() as u32).sum()
    }

    /// A closed load looks at how many users it wants.
    pub(super) fn spawn_tick<E: Host>(&mut self, queue: &mut Queue<E>, ix: WorkloadIx) {
        let load = &mut self.users.loads[ix.0 as usize];
        let Course::Closed(staircase) = &mut load.course else {
            return;
        };
        if load.is_over {
            return;
        }
        let (change, next) = staircase.tick(self.now, load.active.len() as u32);
        if change == Some(Change::Stop) {
            let user = load.active.pop().expect("more users than wanted are at least one");
            self.users.slots[user as usize].is_stopping = true;
        }
        queue.schedule(next, Event::Spawn(ix).into());
        if change == Some(Change::Start) {
            let user = self.start_user(ix, false);
            self.users.loads[ix.0 as usize].active.push(user);
            self.user_continues(queue, user);
        }
    }

    fn schedule_arrival<E: Host>(&mut self, queue: &mut Queue<E>, ix: WorkloadIx) {
        let load = &mut self.users.loads[ix.0 as usize];
        if let Some(after) = load.course.arrival(load_key(self.keys.users, ix.0), load.started) {
            queue.schedule((load.start + after).max(self.now), Event::Arrival(ix).into());
        }
    }

    pub(super) fn arrival<E: Host>(&mut self, queue: &mut Queue<E>, ix: WorkloadIx) {
        if self.users.loads[ix.0 as usize].is_over {
            return;
        }
        let user = self.start_user(ix, true);
        self.schedule_arrival(queue, ix);
        self.user_continues(queue, user);
    }

    fn start_user(&mut self, ix: WorkloadIx, is_stopping: bool) -> u32 {
        let load = &mut self.users.loads[ix.0 as usize];
        let number = load.started;
        load.started += 1;
        let progress = Progress::new(&load.behaviour, self.now);
        let connection = NO_CONNECTION;
        self.users.add(User { load: ix.0, number, progress, connection, state: UserState::Waiting, is_stopping })
    }

    /// A user begins a task or goes on with one: it sends a request, or it is gone.
    pub(super) fn user_continues<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let user = &mut self.users.slots[ix as usize];
        let behaviour = &self.users.loads[user.load as usize].behaviour;
        if user.is_stopping && user.progress.is_between_tasks() {
            return self.user_leaves(ix);
        }
        let key = user_key(load_key(self.keys.users, user.load), user.number);
        let key = user.progress.next_request(behaviour, key, self.now);
        let request = *user.progress.current(behaviour);
        user.state = UserState::Requesting;
        self.users.sent += 1;
        self.statistics.requests[request.kind as usize].sent += 1;
        let mut job = Job::new(key, self.now, Caller::User(ix));
        job.attributes = *user.progress.attributes();
        job.endpoint = request.endpoint.0;
        let (connection, timeout) = (user.connection, behaviour.timeout);
        let job = self.jobs.add(job);
        self.start_timer(queue, job, timeout);
        // A client library sees that a kept connection was closed before it uses it, or leads elsewhere.
        let service = self.programs.endpoints[request.endpoint.index()].service;
        let is_usable = |server: &super::Container| server.is_serving() && server.service == Some(service);
        if connection != NO_CONNECTION && is_usable(&self.containers[connection.server as usize]) {
            self.send_on(queue, job, connection);
        } else {
            self.connect(queue, job);
        }
    }

    /// A user has its answer, or will not get one.
    pub(super) fn user_answered<E: Host>(
        &mut self,
        queue: &mut Queue<E>,
        ix: u32,
        outcome: Result<u16, Failure>,
        endpoint: EndpointIx,
        took: SimDuration,
        connection: Connection,
    ) {
        let overhead = self.programs.client_overhead;
        let user = &mut self.users.slots[ix as usize];
        let behaviour = &self.users.loads[user.load as usize].behaviour;
        let asked = *user.progress.current(behaviour);
        let service = self.programs.endpoints[asked.endpoint.index()].service;
        let is_misdirected = outcome.is_ok() && self.programs.endpoints[endpoint.index()].service != service;
        self.statistics.called(service, outcome.ok(), took);
        if is_misdirected {
            self.statistics.misdirected(service);
        }
        self.statistics.user(asked.kind, outcome, is_misdirected, took + overhead);
        self.users.ended += 1;
        user.state = UserState::Waiting;
        user.connection = if behaviour.keep_alive && outcome.is_ok() { connection } else { NO_CONNECTION };
        // A client needs some time even to be refused; else a loop of failures would stop the clock.
        let mut next = self.now + if took == SimDuration::ZERO { overhead.max(SHORTEST_FAILURE) } else { overhead };
        if user.progress.finish(behaviour) {
            if user.is_stopping {
                return self.user_leaves(ix);
            }
            let key = user_key(load_key(self.keys.users, user.load), user.number);
            next = user.progress.next_task(behaviour, key, next);
        }
        queue.schedule(next, Event::User(ix).into());
    }

    fn user_leaves(&mut self, ix: u32) {
        self.users.slots[ix as usize].state = UserState::Gone;
        self.users.free.push(ix);
    }
}
