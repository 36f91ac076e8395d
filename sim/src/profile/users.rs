//! How users behave: Locust's user classes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::SimDuration;

/// A Locust user class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserClass {
    /// What it does, for readers.
    #[serde(default)]
    pub description: String,
    /// Between two tasks.
    pub wait: UserWait,
    /// Whether a user keeps its connection from one request to the next (then it never sees a new replica).
    #[serde(default)]
    pub keep_alive: bool,
    /// How long a user waits for a response. Default: for ever, as Locust's.
    #[serde(default)]
    pub timeout: Option<SimDuration>,
    /// Values of attributes at the start of a user.
    #[serde(default)]
    pub attributes: BTreeMap<String, f64>,
    /// What a user does, chosen by weight each time.
    pub tasks: Vec<UserTask>,
}

/// The wait between two tasks (Locust's `wait_time`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum UserWait {
    /// From the end of a task to the start of the next (`constant`).
    Constant(SimDuration),
    /// The same, uniform between two bounds (`between`).
    Between {
        /// Shortest.
        min: SimDuration,
        /// Longest.
        max: SimDuration,
    },
    /// The same, exponential with this mean: independent users, as queueing theory has them.
    Exponential(SimDuration),
    /// From the start of a task to the start of the next; none if the task took longer (`constant_pacing`).
    Paced(SimDuration),
}

/// A task: requests one after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserTask {
    /// A name for reports.
    pub name: String,
    /// How often it is chosen, relative to the others. Default 1.
    #[serde(default = "unit_weight")]
    pub weight: f64,
    /// In sequence. A request that fails does not stop the others.
    pub requests: Vec<UserRequest>,
}

fn unit_weight() -> f64 {
    1.0
}

/// One request of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserRequest {
    /// Method and path; the service is the load's target unless `to` names one.
    pub request: String,
    /// Another service than the load's target.
    #[serde(default)]
    pub to: Option<String>,
    /// Attributes of the user that this request changes, before it is sent.
    #[serde(default)]
    pub set: BTreeMap<String, Assignment>,
}

/// A new value of an attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Assignment {
    /// This one.
    Value(f64),
    /// One of these, each as likely as the others.
    OneOf(Vec<f64>),
}
