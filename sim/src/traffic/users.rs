//! Users: closed loops as Locust runs them, and arrivals that run one task each.
//!
//! A *load* is one [`Workload`] under way. A user of a closed load does tasks until its load wants
//! fewer users, and stops after the task it is in; an arrival is a user for one task. Users are
//! numbered within their load, and all their chance hangs on that number.

use std::sync::Arc;

use super::arrivals::{Schedule, Staircase};
use super::job::{Caller, Job};
use super::{Event, Failure, Host, Traffic};
use crate::chance::{Key, Weighted};
use crate::diagnostic::nearest;
use crate::engine::Queue;
use crate::ids::{EndpointIx, ServiceIx};
use crate::profile::{Assignment, UserClass, UserWait};
use crate::program::{Attributes, NONE, Programs};
use crate::time::{SimDuration, SimTime};
use crate::workload::{Shape, Workload};

/// How long the next request of a user is off at least when the last one took no time at all.
const SHORTEST_FAILURE: SimDuration = SimDuration::from_micros(100);

/// A load of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadIx(pub u32);

/// A user class with its names resolved for one target.
#[derive(Debug)]
struct Behaviour {
    wait: UserWait,
    keep_alive: bool,
    timeout: Option<SimDuration>,
    attributes: Attributes,
    weights: Weighted,
    tasks: Vec<Vec<Request>>,
}

#[derive(Debug)]
struct Request {
    endpoint: EndpointIx,
    /// Its place in the statistics.
    kind: u32,
    set: Vec<(u8, Assignment)>,
}

/// How the number of users or arrivals develops.
#[derive(Clone, Debug)]
enum Course {
    Closed(Staircase),
    Open(Schedule),
    Trace(Arc<[SimDuration]>),
}

#[derive(Clone, Debug)]
struct Load {
    behaviour: Arc<Behaviour>,
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
    /// Tasks begun.
    tasks: u64,
    /// Requests sent.
    requests: u64,
    attributes: Attributes,
    task_began: SimTime,
    /// The current task, and its next request.
    task: u32,
    position: u32,
    /// The container that its kept connection leads to, or [`NONE`].
    connection: u32,
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
        let behaviour = self.behaviour(workload)?;
        let start = (SimTime::ZERO + workload.start).max(now);
        let closed = |stages: Vec<_>| match stages.iter().all(|s: &crate::workload::Stage| s.spawn_rate > 0.0) {
            true if !stages.is_empty() => Ok(Course::Closed(Staircase::new(stages, start))),
            true => Err("a closed load needs a stage".to_owned()),
            false => Err("the spawn rate must be above zero".to_owned()),
        };
        let course = match &workload.shape {
            Shape::Level(name) => {
                let level = self.programs.levels.iter().find(|(known, _)| known == name);
                let (_, level) = level
                    .ok_or_else(|| unknown("level", name, self.programs.levels.iter().map(|(n, _)| n.as_str())))?;
                closed(Staircase::of_level(level, &workload.target))?
            }
            Shape::Users(users) => closed(Staircase::flat(users.users, users.spawn_rate))?,
            Shape::Stages(stages) => closed(stages.clone())?,
            Shape::Arrivals(arrivals) => Course::Open(Schedule::new(arrivals)),
            Shape::Trace(times) => Course::Trace(times.clone().into()),
        };
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

    fn behaviour(&mut self, workload: &Workload) -> Result<Behaviour, String> {
        let programs = self.programs.clone();
        let service = |name: &str| {
            let known = || programs.services.iter().map(|s| s.name.as_str());
            programs.service(name).ok_or_else(|| unknown("service", name, known()))
        };
        let target = service(&workload.target)?;
        let classes = &programs.user_classes;
        let (_, class) = classes
            .iter()
            .find(|(name, _)| *name == workload.user_class)
            .ok_or_else(|| unknown("user class", &workload.user_class, classes.iter().map(|(n, _)| n.as_str())))?;
        let mut tasks = Vec::new();
        for task in &class.tasks {
            let mut requests = Vec::new();
            for request in &task.requests {
                let to = request.to.as_deref().map_or(Ok(target), service)?;
                requests.push(self.request(&programs, to, &request.request, &request.set)?);
            }
            tasks.push(requests);
        }
        if tasks.iter().any(Vec::is_empty) {
            return Err(format!("user class `{}` has a task without requests", workload.user_class));
        }
        let weights = Weighted::new(class.tasks.iter().map(|task| task.weight));
        Ok(Behaviour {
            wait: class.wait,
            keep_alive: workload.keep_alive.unwrap_or(class.keep_alive),
            timeout: class.timeout,
            attributes: initial(&programs, class)?,
            weights: weights
                .ok_or_else(|| format!("user class `{}` has no task with a weight above zero", workload.user_class))?,
            tasks,
        })
    }

    fn request(
        &mut self,
        programs: &Programs,
        to: ServiceIx,
        request: &str,
        set: &std::collections::BTreeMap<String, Assignment>,
    ) -> Result<Request, String> {
        let set = set.iter().map(|(name, assignment)| Ok((attribute(programs, name)?, assignment.clone())));
        Ok(Request {
            endpoint: programs.endpoint_or_not_found(to, request),
            kind: self.statistics.request(to, request),
            set: set.collect::<Result<_, String>>()?,
        })
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
        let (wanted, step, until) = staircase.at(self.now);
        let active = load.active.len() as u32;
        if active > wanted {
            let user = load.active.pop().expect("more users than wanted are at least one");
            self.users.slots[user as usize].is_stopping = true;
        }
        let left = active.abs_diff(wanted).saturating_sub(1);
        let next = if left > 0 { until.min(self.now + step) } else { until };
        queue.schedule(next, Event::Spawn(ix).into());
        if active < wanted {
            let user = self.start_user(ix, false);
            self.users.loads[ix.0 as usize].active.push(user);
            self.user_continues(queue, user);
        }
    }

    fn schedule_arrival<E: Host>(&mut self, queue: &mut Queue<E>, ix: WorkloadIx) {
        let load = &mut self.users.loads[ix.0 as usize];
        let key = self.keys.users.with(u64::from(ix.0)).with_str("arrivals");
        let next = match &mut load.course {
            Course::Closed(_) => None,
            Course::Open(schedule) => schedule.next(key, load.started),
            Course::Trace(times) => times.get(load.started as usize).copied(),
        };
        if let Some(after) = next {
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
        let attributes = load.behaviour.attributes;
        self.users.add(User {
            load: ix.0,
            number,
            tasks: 0,
            requests: 0,
            attributes,
            task_began: self.now,
            task: 0,
            position: 0,
            connection: NONE,
            state: UserState::Waiting,
            is_stopping,
        })
    }

    /// A user begins a task or goes on with one: it sends a request, or it is gone.
    pub(super) fn user_continues<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let user = &mut self.users.slots[ix as usize];
        let behaviour = &self.users.loads[user.load as usize].behaviour;
        let key = self.keys.users.with(u64::from(user.load)).with(user.number);
        if user.position == 0 {
            if user.is_stopping && user.tasks > 0 {
                return self.user_leaves(ix);
            }
            user.task_began = self.now;
            user.task = match behaviour.tasks.len() {
                1 => 0,
                _ => behaviour.weights.choose(&mut key.with_str("task").with(user.tasks).draw()) as u32,
            };
            user.tasks += 1;
        }
        let request = &behaviour.tasks[user.task as usize][user.position as usize];
        let key = key.with(user.requests);
        for (n, (attribute, assignment)) in request.set.iter().enumerate() {
            user.attributes[usize::from(*attribute)] = assigned(assignment, key.with_str("set").with(n as u64));
        }
        user.requests += 1;
        user.state = UserState::Requesting;
        self.users.sent += 1;
        self.statistics.requests[request.kind as usize].sent += 1;
        let mut job = Job::new(key, self.now, Caller::User(ix));
        job.attributes = user.attributes;
        job.endpoint = request.endpoint.0;
        let (connection, timeout) = (user.connection, behaviour.timeout);
        let job = self.jobs.add(job);
        self.start_timer(queue, job, timeout);
        // A client library sees that a kept connection was closed before it uses it.
        if connection != NONE && self.containers[connection as usize].is_serving() {
            self.jobs[job].container = connection;
            self.send(queue, job);
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
        server: u32,
    ) {
        let service = self.programs.endpoints[endpoint.index()].service;
        self.statistics.called(service, outcome.ok(), took);
        let overhead = self.programs.client_overhead;
        let user = &mut self.users.slots[ix as usize];
        let load = &self.users.loads[user.load as usize];
        let behaviour = &load.behaviour;
        let task = &behaviour.tasks[user.task as usize];
        self.statistics.user(task[user.position as usize].kind, outcome, took + overhead);
        self.users.ended += 1;
        user.state = UserState::Waiting;
        user.connection = if behaviour.keep_alive && outcome.is_ok() { server } else { NONE };
        user.position += 1;
        // A client needs some time even to be refused; else a loop of failures would stop the clock.
        let mut next = self.now + if took == SimDuration::ZERO { overhead.max(SHORTEST_FAILURE) } else { overhead };
        if user.position as usize == task.len() {
            user.position = 0;
            if user.is_stopping {
                return self.user_leaves(ix);
            }
            next = match behaviour.wait {
                UserWait::Constant(wait) => next + wait,
                UserWait::Between { min, max } => {
                    let key = self.keys.users.with(u64::from(user.load)).with(user.number).with_str("wait");
                    let draw = key.with(user.tasks).draw().between(min.0 as f64, max.0 as f64);
                    next + SimDuration(draw as u64)
                }
                UserWait::Exponential(mean) => {
                    let key = self.keys.users.with(u64::from(user.load)).with(user.number).with_str("wait");
                    next + key.with(user.tasks).draw().exponential_duration(mean)
                }
                UserWait::Paced(pace) => next.max(user.task_began + pace),
            };
        }
        queue.schedule(next, Event::User(ix).into());
    }

    fn user_leaves(&mut self, ix: u32) {
        self.users.slots[ix as usize].state = UserState::Gone;
        self.users.free.push(ix);
    }
}

fn assigned(assignment: &Assignment, key: Key) -> f32 {
    match assignment {
        Assignment::Value(value) => *value as f32,
        Assignment::OneOf(values) if values.is_empty() => 0.0,
        Assignment::OneOf(values) => values[key.draw().below(values.len() as u64) as usize] as f32,
    }
}

fn initial(programs: &Programs, class: &UserClass) -> Result<Attributes, String> {
    let mut attributes = Attributes::default();
    for (name, value) in &class.attributes {
        attributes[usize::from(attribute(programs, name)?)] = *value as f32;
    }
    Ok(attributes)
}

fn attribute(programs: &Programs, name: &str) -> Result<u8, String> {
    let at = programs.attributes.iter().position(|known| known == name);
    at.map(|at| at as u8).ok_or_else(|| unknown("attribute", name, programs.attributes.iter().map(String::as_str)))
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    match nearest(name, known) {
        Some(near) => format!("no {what} `{name}`: did you mean `{near}`?"),
        None => format!("no {what} `{name}`"),
    }
}
