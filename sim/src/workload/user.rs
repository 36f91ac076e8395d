//! What one user does, request by request.
//!
//! A *user* is numbered within its load, and all its chance hangs on that number: which task comes next, what a request
//! sets, how long a wait is. What requests are made of is the driver's business: `R` is an endpoint in the twin, a URL
//! in the load generator.

use std::collections::BTreeMap;

use super::{Workload, unknown};
use crate::chance::{Key, Weighted};
use crate::profile::{Assignment, UserRequest, UserWait};
use crate::program::{Attributes, Programs};
use crate::time::{SimDuration, SimTime};

/// The key of all users of a run with this root key.
pub fn users_key(root: Key) -> Key {
    root.with_str("users")
}

/// The key of one load among them.
pub fn load_key(users: Key, load: u32) -> Key {
    users.with(u64::from(load))
}

/// The key of one user of a load.
#[inline]
pub fn user_key(load: Key, number: u64) -> Key {
    load.with(number)
}

/// A user class with its names resolved for one load.
#[derive(Debug)]
pub struct Behaviour<R> {
    /// Whether a user keeps its connections.
    pub keep_alive: bool,
    /// How long a user waits for a response; none: for ever.
    pub timeout: Option<SimDuration>,
    wait: UserWait,
    attributes: Attributes,
    weights: Weighted,
    tasks: Vec<Vec<Request<R>>>,
}

#[derive(Debug)]
struct Request<R> {
    what: R,
    set: Vec<(u8, Assignment)>,
}

impl<R> Behaviour<R> {
    /// The behaviour of a load's users. `resolve` is told the service (the load's target unless the request names
    /// another) and the request.
    ///
    /// # Errors
    /// A name that the profile does not have, what `resolve` does not accept, or users that can never send anything.
    pub fn new(
        programs: &Programs,
        workload: &Workload,
        mut resolve: impl FnMut(&str, &UserRequest) -> Result<R, String>,
    ) -> Result<Self, String> {
        let classes = &programs.user_classes;
        let (name, class) = classes
            .iter()
            .find(|(name, _)| *name == workload.user_class)
            .ok_or_else(|| unknown("user class", &workload.user_class, classes.iter().map(|(n, _)| n.as_str())))?;
        let mut request = |request: &UserRequest| {
            let to = request.to.as_ref().unwrap_or(&workload.target);
            known_service(programs, to)?;
            let set = request.set.iter().map(|(name, assignment)| Ok((attribute(programs, name)?, assignment.clone())));
            Ok(Request { what: resolve(to, request)?, set: set.collect::<Result<_, String>>()? })
        };
        known_service(programs, &workload.target)?;
        let tasks = class.tasks.iter().map(|task| task.requests.iter().map(&mut request).collect());
        let tasks: Vec<Vec<_>> = tasks.collect::<Result<_, String>>()?;
        if tasks.iter().any(Vec::is_empty) {
            return Err(format!("user class `{name}` has a task without requests"));
        }
        let weights = Weighted::new(class.tasks.iter().map(|task| task.weight));
        Ok(Self {
            keep_alive: workload.keep_alive.unwrap_or(class.keep_alive),
            timeout: class.timeout,
            wait: class.wait,
            attributes: initial(programs, &class.attributes)?,
            weights: weights.ok_or_else(|| format!("user class `{name}` has no task with a weight above zero"))?,
            tasks,
        })
    }

    /// The wait from the start of a task to the start of the next, where that is how users wait.
    pub fn pace(&self) -> Option<SimDuration> {
        match self.wait {
            UserWait::Paced(pace) => Some(pace),
            UserWait::Constant(_) | UserWait::Between { .. } | UserWait::Exponential(_) => None,
        }
    }
}

/// How far a user has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Tasks begun.
    tasks: u64,
    /// Requests sent.
    requests: u64,
    attributes: Attributes,
    task_began: SimTime,
    /// The current task, and in it the current or next request.
    task: u32,
    position: u32,
}

impl Progress {
    /// A user that has done nothing yet.
    pub fn new<R>(behaviour: &Behaviour<R>, now: SimTime) -> Self {
        Self { tasks: 0, requests: 0, attributes: behaviour.attributes, task_began: now, task: 0, position: 0 }
    }

    /// Whether the user has done a task and not begun the next.
    #[inline]
    pub fn is_between_tasks(&self) -> bool {
        self.position == 0 && self.tasks > 0
    }

    /// When the current or last task began.
    pub fn task_began(&self) -> SimTime {
        self.task_began
    }

    /// What the current request carries.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The current request, from [`Self::next_request`] to [`Self::finish`].
    #[inline]
    pub fn current<'a, R>(&self, behaviour: &'a Behaviour<R>) -> &'a R {
        &behaviour.tasks[self.task as usize][self.position as usize].what
    }

    /// The user, whose key is `user`, sends its next request and thereby may begin a task. Returns the key of the
    /// request.
    #[inline]
    pub fn next_request<R>(&mut self, behaviour: &Behaviour<R>, user: Key, now: SimTime) -> Key {
        if self.position == 0 {
            self.task_began = now;
            self.task = match behaviour.tasks.len() {
                1 => 0,
                _ => behaviour.weights.choose(&mut user.with_str("task").with(self.tasks).draw()) as u32,
            };
            self.tasks += 1;
        }
        let key = user.with(self.requests);
        let request = &behaviour.tasks[self.task as usize][self.position as usize];
        for (n, (attribute, assignment)) in request.set.iter().enumerate() {
            self.attributes[usize::from(*attribute)] = assigned(assignment, key.with_str("set").with(n as u64));
        }
        self.requests += 1;
        key
    }

    /// The current request is over. Returns whether its task is, too.
    #[inline]
    pub fn finish<R>(&mut self, behaviour: &Behaviour<R>) -> bool {
        self.position += 1;
        let is_over = self.position as usize == behaviour.tasks[self.task as usize].len();
        if is_over {
            self.position = 0;
        }
        is_over
    }

    /// When the next task begins, if the last one ended at `now`.
    #[inline]
    pub fn next_task<R>(&self, behaviour: &Behaviour<R>, user: Key, now: SimTime) -> SimTime {
        let draw = || user.with_str("wait").with(self.tasks).draw();
        match behaviour.wait {
            UserWait::Constant(wait) => now + wait,
            UserWait::Between { min, max } => now + SimDuration(draw().between(min.0 as f64, max.0 as f64) as u64),
            UserWait::Exponential(mean) => now + draw().exponential_duration(mean),
            UserWait::Paced(pace) => now.max(self.task_began + pace),
        }
    }
}

fn assigned(assignment: &Assignment, key: Key) -> f32 {
    match assignment {
        Assignment::Value(value) => *value as f32,
        Assignment::OneOf(values) if values.is_empty() => 0.0,
        Assignment::OneOf(values) => values[key.draw().below(values.len() as u64) as usize] as f32,
    }
}

fn initial(programs: &Programs, values: &BTreeMap<String, f64>) -> Result<Attributes, String> {
    let mut attributes = Attributes::default();
    for (name, value) in values {
        attributes[usize::from(attribute(programs, name)?)] = *value as f32;
    }
    Ok(attributes)
}

fn attribute(programs: &Programs, name: &str) -> Result<u8, String> {
    let at = programs.attributes.iter().position(|known| known == name);
    at.map(|at| at as u8).ok_or_else(|| unknown("attribute", name, programs.attributes.iter().map(String::as_str)))
}

fn known_service(programs: &Programs, name: &str) -> Result<(), String> {
    let known = || programs.services.iter().map(|s| s.name.as_str());
    programs.service(name).map(|_| ()).ok_or_else(|| unknown("service", name, known()))
}
