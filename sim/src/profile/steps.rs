//! What a service does with a request or a message: the steps of its programs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::service::one;
use super::{Breaker, DiskUse, Growth};
use crate::time::SimDuration;
use crate::units::Bytes;

/// One kind of request and what the service does with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Method and path, such as `GET /catalogue/{id}`; a part in braces stands for any one segment.
    /// Databases and brokers use a verb of their own, such as `find` or `publish`.
    pub request: String,
    /// The `route` label of its metrics. Default: the path.
    #[serde(default)]
    pub route: Option<String>,
    /// Status of the response when the program ends without another.
    #[serde(default = "default_status")]
    pub status: u16,
    /// Around the whole handler: while open, the endpoint answers 500 without running.
    #[serde(default)]
    pub breaker: Option<Breaker>,
    /// Extra CPU time of the first, second, third … request to it in a process's life, on its
    /// first burst. [`WarmUp`](super::WarmUp) does not multiply it.
    #[serde(default)]
    pub first: Vec<SimDuration>,
    /// Size of its answer with its headers. It takes time only where a fault slows the network or loses packets. A request
    /// fits one segment.
    #[serde(default = "default_answer_size")]
    pub answer_size: Bytes,
    /// What it does on its service's disk.
    #[serde(default)]
    pub disk: DiskUse,
    /// How its cost grows with the service's data.
    #[serde(default)]
    pub growth: Growth,
    /// What it does.
    pub program: Vec<Step>,
}

fn default_status() -> u16 {
    200
}

/// A short answer of JSON with its headers.
pub(crate) fn default_answer_size() -> Bytes {
    Bytes(512)
}

/// One step of a program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// Compute.
    Cpu(Burst),
    /// Call another service and wait for its answer.
    Call(Call),
    /// Start several lists of steps at once and wait for all.
    Parallel(Parallel),
    /// Hand a message to a broker and go on when the broker has it.
    Publish(Publish),
    /// Do nothing for a while, without using CPU (disk, sleep).
    Wait(Wait),
    /// Answer now.
    Respond(Respond),
    /// The same steps several times in sequence.
    Repeat(Repeat),
}

/// CPU time of one thread, at node speed 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// Mean, when warm.
    pub mean: SimDuration,
    /// Added after idleness ([`Runtime::cools_in`](super::Runtime::cools_in)).
    #[serde(default)]
    pub cold: SimDuration,
    /// Coefficient of variation of a log-normal cost. Default 0: always the mean.
    #[serde(default)]
    pub variation: f64,
    /// How the cost varies. Default: log-normal.
    #[serde(default)]
    pub distribution: Distribution,
}

/// How a cost varies around its mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// With the given coefficient of variation; a constant if that is zero.
    #[default]
    LogNormal,
    /// Memoryless, as queueing theory likes it; the coefficient of variation is 1.
    Exponential,
}

/// One call to another service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The service called.
    pub to: String,
    /// Which of its endpoints, as written there.
    pub request: String,
    /// What the caller does when the answer's status is 400 or more. Default: answer with it.
    #[serde(default = "default_on_status")]
    pub on_status: Reaction,
    /// What the caller does when there is no answer: refused, reset, timed out. Default: answer 500.
    #[serde(default = "default_on_failure")]
    pub on_failure: Reaction,
}

fn default_on_status() -> Reaction {
    Reaction::Pass
}

fn default_on_failure() -> Reaction {
    Reaction::Respond(500)
}

/// What a program does about a call that went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reaction {
    /// Goes on as if nothing had happened.
    Continue,
    /// Answers with the status it got (500 where it got none).
    Pass,
    /// Answers with this status.
    Respond(u16),
    /// The whole process exits with code 1 (an exception that nobody catches).
    Crash,
}

/// Several lists of steps at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parallel {
    /// Each runs on a thread of its own.
    pub branches: Vec<Vec<Step>>,
    /// How long the branches are waited for, one after the other, each anew (`Future.get(timeout)`).
    /// A branch that is late goes on; nobody reads its result. Default: as long as they take.
    #[serde(default)]
    pub await_timeout: Option<SimDuration>,
    /// What happens when a branch is late. Default: answer 500.
    #[serde(default = "default_on_failure")]
    pub on_timeout: Reaction,
}

/// A message to a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// The broker service; the message is a `publish` call to it.
    pub broker: String,
    /// The queue.
    pub queue: String,
    /// What happens when the broker cannot be reached. Default: answer 500.
    #[serde(default = "default_on_failure")]
    pub on_failure: Reaction,
}

/// Handles the messages of a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Consumer {
    /// The broker service.
    pub broker: String,
    /// The queue.
    pub queue: String,
    /// Messages handled at once.
    #[serde(default = "one")]
    pub concurrency: u32,
    /// What it does with each.
    pub program: Vec<Step>,
}

/// Time without CPU, log-normal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// Mean.
    pub mean: SimDuration,
    /// Coefficient of variation. Default 0.
    #[serde(default)]
    pub variation: f64,
}

/// An early answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Respond {
    /// The status.
    pub status: u16,
    /// Only then. Default: always.
    #[serde(default)]
    pub when: Option<Condition>,
}

/// A condition on the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Condition {
    /// An attribute is greater than a number.
    Above {
        /// The attribute.
        attribute: String,
        /// The number.
        value: f64,
    },
    /// By chance, with this probability.
    Chance(f64),
}

/// Steps several times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// How many times.
    pub times: u32,
    /// What.
    pub steps: Vec<Step>,
}
