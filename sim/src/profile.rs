//! The behaviour that manifests do not hold: what each service of an application does with a
//! request, what that costs, and how its users behave.
//!
//! A profile is one YAML file beside the manifests. Its words:
//!
//! - a *service* is a program that containers run; which container runs it follows from the image
//!   ([`ImageProfile::runs`]), and it is called by the DNS name of its Kubernetes Service;
//! - an *endpoint* is one kind of request it answers, with a program: a list of [`Step`]s;
//! - a *burst* is CPU time of one thread, in the time of a node of speed 1 (the machine on which
//!   the profile was measured); a node's relative speed scales it;
//! - a *user class* is a Locust user: weighted tasks of requests, and a wait between tasks;
//! - an *attribute* is a number that a request carries along its whole call tree (such as the
//!   total of an order), set by the user and tested by programs.
//!
//! The types here are what the file says, no more; `program` compiles them to flat instructions.

mod check;
mod client;
mod environment;
mod images;
mod logs;
mod service;
mod steps;
mod storage;
mod users;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::SimDuration;
use crate::units::Bytes;

pub use client::{Breaker, Client, Connections, Trips};
pub use environment::Variable;
pub use images::MissingImage;
pub(crate) use logs::fill;
pub use logs::{CallError, LogEvent, LogFormat};
pub use service::{Background, Concurrency, Memory, Metrics, Runtime, ServiceProfile, StartUp, WarmUp};
pub(crate) use steps::default_answer_size;
pub use steps::{
    Burst, Call, Condition, Consumer, Distribution, Endpoint, Parallel, Publish, Reaction, Repeat, Respond, Step, Wait,
};
pub use storage::{Disk, DiskUse, Growth, WhenFull};
pub use users::{Assignment, UserClass, UserRequest, UserTask, UserWait};

/// A whole profile file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Always `sockpit/v1alpha1`.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// Always `Profile`.
    pub kind: String,
    /// Where the numbers come from and the machine they belong to, for readers.
    #[serde(default)]
    pub description: String,
    /// Names of the attributes that requests carry; at most [`MAX_ATTRIBUTES`].
    #[serde(default)]
    pub attributes: Vec<String>,
    /// What a registry holds: which images exist, with which tags, and what they run.
    pub images: Vec<ImageProfile>,
    /// The programs, by name.
    pub services: BTreeMap<String, ServiceProfile>,
    /// How programs word what they write to their logs, by the name of a language or a driver.
    #[serde(default)]
    pub logs: BTreeMap<String, LogFormat>,
    /// The load generator that the numbers were measured with.
    #[serde(default)]
    pub client: LoadClient,
    /// How users behave, by name.
    #[serde(default)]
    pub user_classes: BTreeMap<String, UserClass>,
    /// Named loads, such as the paper's light, moderate, heavy and rising.
    #[serde(default)]
    pub levels: BTreeMap<String, Level>,
    /// PromQL of the dashboards that operators of this application have, by name; `$component`
    /// stands for a component. Agents are told `latency_p99` (seconds), `request_rate` (requests/s),
    /// `cpu` (cores) and `throttled` (share of periods), where they are given.
    #[serde(default)]
    pub dashboards: BTreeMap<String, String>,
    /// The level, user class and target of `simulate` when nothing is asked for.
    #[serde(default)]
    pub default_load: Option<DefaultLoad>,
}

/// How many attributes a request can carry.
pub const MAX_ATTRIBUTES: usize = 4;

/// One repository of a container registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageProfile {
    /// Repository without tag, as in the manifests, such as `weaveworksdemos/catalogue`.
    pub image: String,
    /// The tags that can be pulled. An empty list means any tag.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The service that a container of this image runs; of several, the one that has the
    /// container's name (two databases of one image). Without any, the container starts, serves
    /// nothing and stays up (such as `pause` or a metrics exporter).
    #[serde(default)]
    pub runs: Vec<String>,
    /// Compressed size, which a first pull to a node transfers.
    #[serde(default)]
    pub size: Bytes,
}

/// The load generator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadClient {
    /// What the client itself adds to each response time (its own CPU, connecting, wake-ups).
    #[serde(default)]
    pub overhead: SimDuration,
}

/// A named load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Number of users in the end.
    pub users: u32,
    /// Users started per second.
    pub spawn_rate: f64,
    /// Another number of users where a certain service is the target (spawned at the same number per second).
    #[serde(default)]
    pub users_by_target: BTreeMap<String, u32>,
}

/// What load there is when nothing is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DefaultLoad {
    /// The level.
    pub level: String,
    /// The user class.
    pub user_class: String,
    /// The service that users call.
    pub target: String,
}
