//! The load on an application: who sends requests, to what, how many, and how that changes.
//!
//! Closed loops are users as Locust runs them; open loops are arrivals at a rate, whoever waits.
//!
//! The types here are what a file says. A [`Course`] says when users start and stop, a [`Behaviour`] and a [`Progress`]
//! what each of them does. They know neither a twin nor a socket: the twin's users and the load generator's (`load`)
//! are driven by the same, so a seed gives the same requests in both.

mod course;
mod user;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diagnostic::nearest;
use crate::time::SimDuration;

pub use course::{Change, Course, Schedule, Staircase};
pub use user::{Behaviour, Progress, load_key, user_key, users_key};

/// One load. A scenario can have several at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// A user class of the profile.
    pub user_class: String,
    /// The service that its requests go to, unless a request names another.
    pub target: String,
    /// Whether a user keeps its connection. Default: as its class says.
    #[serde(default)]
    pub keep_alive: Option<bool>,
    /// How much.
    pub shape: Shape,
    /// When it starts, from the start of the world.
    #[serde(default)]
    pub start: SimDuration,
}

/// How much load, over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Shape {
    /// A level that the profile names, such as `heavy`.
    Level(String),
    /// A number of users, started at a rate.
    Users(Users),
    /// Numbers of users one after the other (Locust's `LoadTestShape`); the last one stays.
    Stages(Vec<Stage>),
    /// Arrivals at rates one after the other; the last one stays. Each runs one task.
    Arrivals(Arrivals),
    /// Arrivals at recorded times since the start of the load, ascending.
    Trace(Vec<SimDuration>),
}

/// A number of users.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Users {
    /// In the end.
    pub users: u32,
    /// Started per second.
    pub spawn_rate: f64,
}

/// One stage of a closed load. Users beyond its number stop after the task they are in.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// How long.
    pub duration: SimDuration,
    /// Users at its end.
    pub users: u32,
    /// Users started, or stopped, per second.
    pub spawn_rate: f64,
}

/// An open load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arrivals {
    /// The gaps between arrivals.
    pub process: ArrivalProcess,
    /// Rates, one after the other.
    pub stages: Vec<RateStage>,
}

/// How arrivals follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ArrivalProcess {
    /// Independent of each other: exponential gaps.
    Poisson,
    /// Equal gaps.
    Constant,
}

/// One stage of an open load.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateStage {
    /// How long.
    pub duration: SimDuration,
    /// Tasks per second at its end.
    pub rate: f64,
    /// Whether the rate goes there in a straight line from the stage before (a ramp), or at once (a step).
    #[serde(default)]
    pub ramp: bool,
}

/// What is said about a name that is not known.
fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    match nearest(name, known) {
        Some(near) => format!("no {what} `{name}`: did you mean `{near}`?"),
        None => format!("no {what} `{name}`"),
    }
}
