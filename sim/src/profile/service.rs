//! One service: its process, its memory, its metrics.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Burst, Client, Consumer, Disk, Endpoint, Variable};
use crate::time::SimDuration;
use crate::units::Bytes;

/// One service: a program that answers requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceProfile {
    /// DNS name under which others call it: the Kubernetes Service. Default: the service's own name.
    #[serde(default)]
    pub address: Option<String>,
    /// The port it listens on, inside its container.
    pub port: u16,
    /// How it runs: threads, start-up, warm-up.
    pub runtime: Runtime,
    /// Resident memory.
    pub memory: Memory,
    /// What its environment variables do when it starts. Those that are not listed have no effect.
    #[serde(default)]
    pub environment: BTreeMap<String, Variable>,
    /// The format of its log, one of the profile's `logs`. Default: plain words.
    #[serde(default)]
    pub logs: Option<String>,
    /// What it writes, in place of its format's words, when it cannot use one of these variables: a template with
    /// `{variable}`, `{value}` and `{allowed}`.
    #[serde(default)]
    pub complaints: BTreeMap<String, String>,
    /// What it keeps on disk. Default: nothing that a fault of the disk would reach.
    #[serde(default)]
    pub disk: Option<Disk>,
    /// How it connects to each service that it calls, by that service's name.
    #[serde(default)]
    pub clients: BTreeMap<String, Client>,
    /// The kinds of request it answers.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    /// What a request costs that no endpoint answers (404).
    #[serde(default)]
    pub not_found: Option<Burst>,
    /// The queues whose messages it handles.
    #[serde(default)]
    pub consumes: Vec<Consumer>,
    /// The Prometheus metrics that it exposes about its requests.
    #[serde(default)]
    pub metrics: Option<Metrics>,
}

/// How a service's process runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// What a request runs on.
    pub model: Concurrency,
    /// With `threads`: how many requests are worked on at once (Tomcat's `maxThreads`). Default: no limit.
    #[serde(default)]
    pub max_threads: Option<u32>,
    /// Connections that wait to be accepted before a SYN is dropped (`listen(2)`).
    #[serde(default = "default_backlog")]
    pub backlog: u32,
    /// Work between the start of the process and its first `listen`.
    #[serde(default)]
    pub start_up: StartUp,
    /// A runtime that compiles as it goes is slower at first.
    #[serde(default)]
    pub warm_up: Option<WarmUp>,
    /// After how much idleness a burst pays most of its cold part: it pays the share
    /// `1 - exp(-idle / cools_in)`, since caches empty and cores fall asleep gradually. A process
    /// is idle from the end of its last burst to the begin of the next.
    #[serde(default = "default_cools_in")]
    pub cools_in: SimDuration,
    /// CPU that the process spends without requests: timers, garbage collection, heartbeats.
    #[serde(default)]
    pub background: Option<Background>,
    /// Services that must answer before this one listens; it tries once a second.
    #[serde(default)]
    pub waits_for: Vec<String>,
    /// Time from SIGTERM to exit; without it the process ignores SIGTERM and is killed after the
    /// grace period.
    #[serde(default)]
    pub exits_in: Option<SimDuration>,
}

fn default_backlog() -> u32 {
    // Linux: net.core.somaxconn since 5.4.
    4096
}

fn default_cools_in() -> SimDuration {
    SimDuration::from_millis(60)
}

/// What a request runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Concurrency {
    /// One thread runs one burst after the other, first come, first served; calls do not block it
    /// (Node.js, Redis).
    EventLoop,
    /// Bursts run first come, first served on as many threads as the node has cores; calls do not
    /// block them (Go's scheduler, Erlang's).
    Goroutines,
    /// A thread of the operating system per request, also while it waits for a call (Tomcat, MySQL).
    Threads,
}

/// What a process does before it listens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartUp {
    /// CPU time, under the container's quota.
    #[serde(default)]
    pub cpu: SimDuration,
    /// Over how many threads it is spread. Default 1.
    #[serde(default = "one")]
    pub threads: u32,
    /// Waiting that costs no CPU (reading from disk), before it.
    #[serde(default)]
    pub wait: SimDuration,
    /// Extra CPU time of the very first request (class loading, dispatcher initialisation). It was
    /// measured cold, so [`WarmUp`] does not multiply it.
    #[serde(default)]
    pub first_request: SimDuration,
}

/// No time at all.
impl Default for StartUp {
    fn default() -> Self {
        Self { cpu: SimDuration::ZERO, threads: one(), wait: SimDuration::ZERO, first_request: SimDuration::ZERO }
    }
}

pub(super) fn one() -> u32 {
    1
}

/// Bursts cost `1 + extra · exp(-age / time_constant)` times as much, where the age counts from the
/// moment at which the process listens (start-up is measured as it is, cold).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WarmUp {
    /// How much more a burst costs right after start: 1.0 is twice as much.
    pub extra: f64,
    /// In what time that falls to 37 %.
    pub time_constant: SimDuration,
}

/// CPU spent without requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Background {
    /// CPU time each time.
    pub cpu: SimDuration,
    /// How often.
    pub every: SimDuration,
}

/// Resident memory of one process (its container's working set).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// After start-up.
    pub base: Bytes,
    /// Heap that grows with the first requests and then stays: what it adds in the end.
    #[serde(default)]
    pub heap: Bytes,
    /// In how many requests the heap reaches 63 % of that.
    #[serde(default = "default_heap_requests")]
    pub heap_requests: u32,
    /// Each request in progress.
    #[serde(default)]
    pub per_request: Bytes,
    /// Never freed again, per request.
    #[serde(default)]
    pub leak_per_request: Bytes,
}

fn default_heap_requests() -> u32 {
    1000
}

/// The Prometheus histogram of a service's requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Name of the histogram, such as `request_duration_seconds`.
    pub histogram: String,
    /// Upper bounds of its buckets in seconds, without `+Inf`.
    pub buckets: Vec<f64>,
    /// Labels that are the same for every series, beside `method`, `route` and `status_code`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The path that Prometheus scrapes.
    #[serde(default = "default_metrics_path")]
    pub path: String,
    /// What one scrape costs.
    #[serde(default)]
    pub scrape: Option<Burst>,
    /// Whether scrapes are themselves counted in the histogram.
    #[serde(default)]
    pub counts_scrapes: bool,
    /// Whether requests that end with an error status (400 or more) are counted.
    #[serde(default = "yes")]
    pub counts_errors: bool,
    /// The `route` label of requests that no endpoint answers. Default: not counted.
    #[serde(default)]
    pub not_found_route: Option<String>,
}

fn default_metrics_path() -> String {
    "/metrics".into()
}

fn yes() -> bool {
    true
}
