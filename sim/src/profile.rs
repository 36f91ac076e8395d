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
mod images;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::SimDuration;
use crate::units::Bytes;

pub use images::MissingImage;

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

fn one() -> u32 {
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

/// How one service connects to another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// When connections are opened. kube-proxy chooses a pod per connection.
    #[serde(default)]
    pub connections: Connections,
    /// Time for the whole call, connecting included. Default: none, it may hang for ever.
    #[serde(default)]
    pub timeout: Option<SimDuration>,
    /// Time for connecting. Default: as long as the kernel goes on sending SYN.
    #[serde(default)]
    pub connect_timeout: Option<SimDuration>,
    /// How many times a failed call is tried again.
    #[serde(default)]
    pub retries: u32,
    /// Wait before the first retry; doubles each time.
    #[serde(default)]
    pub retry_backoff: SimDuration,
    /// Stops calling what keeps failing.
    #[serde(default)]
    pub breaker: Option<Breaker>,
}

/// When a client opens connections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Connections {
    /// A new one per call.
    #[default]
    PerCall,
    /// Kept after the call and used again.
    Pool {
        /// Calls wait for a free one beyond this many. Default: no limit.
        #[serde(default)]
        max_open: Option<u32>,
        /// Idle ones beyond this are closed. Default: no limit.
        #[serde(default)]
        max_idle: Option<u32>,
    },
    /// One for all calls at once.
    Shared,
}

/// A circuit breaker: while open, calls fail at once; then one trial decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// Opens when.
    pub trips: Trips,
    /// How long it stays open before a trial.
    pub open_for: SimDuration,
}

/// When a circuit breaker opens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Trips {
    /// After more than this many failures in a row.
    ConsecutiveFailures(u32),
    /// When the failed share of the calls in a sliding window passes a ratio.
    FailureRatio {
        /// Share of failures, 0 to 1.
        ratio: f64,
        /// Fewest calls in the window before the ratio counts.
        min_calls: u32,
        /// Length of the window.
        window: SimDuration,
    },
}

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
    /// first burst. [`WarmUp`] does not multiply it.
    #[serde(default)]
    pub first: Vec<SimDuration>,
    /// What it does.
    pub program: Vec<Step>,
}

fn default_status() -> u16 {
    200
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
    /// Added after idleness ([`Runtime::cools_in`]).
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

/// The load generator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadClient {
    /// What the client itself adds to each response time (its own CPU, connecting, wake-ups).
    #[serde(default)]
    pub overhead: SimDuration,
}

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
