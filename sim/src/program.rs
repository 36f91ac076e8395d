//! The profile, compiled: flat tables with indices instead of names, one array of instructions.
//!
//! ```text
//!   endpoint ──entry──▶ ops: … │ Cpu 3 │ Call 7 │ Fork 0 │ Await 0 │ Await 1 │ End │ …
//!                               │        │        └─ branches: entries of lists that end in End
//!                               ▼        ▼
//!                             bursts    calls ──▶ service, endpoint, client (how it connects)
//! ```
//!
//! Terms. A *program* is a run of `Op`s that begins at an *entry* and ends with `Op::End`;
//! `repeat` steps are unrolled. A *client* is how one service connects to one other. A *queue* is a
//! message queue at a broker service. Besides the endpoints of the profile, every service has one
//! that stands for all requests it does not know (404) and, if it has metrics, one that is scraped.
//!
//! Invariants: every index in these tables is valid, every program ends, and nothing changes after
//! [`Programs::compile`], so worlds and their forks share one copy; a world in which a fault changes how clients behave
//! has its own. The lab's stand-in plays the same instructions for real.

mod compile;
mod environment;

pub use environment::{Complaint, Environment, HostAndPort, Setting};

use crate::chance::{Draw, LogNormal};
use crate::ids::{EndpointIx, ServiceIx};
use crate::profile::{Breaker, Disk, DiskUse, Growth, LogFormat, MAX_ATTRIBUTES, Variable};
use crate::profile::{Concurrency, Connections, Level, Memory, Metrics, Reaction, Runtime, UserClass};
use crate::time::SimDuration;
use crate::units::Bytes;

/// "None" in tables of plain indices.
pub const NONE: u32 = u32::MAX;

/// Most branches of one parallel step.
pub const MAX_BRANCHES: usize = 16;

/// The numbers that a request carries along its call tree.
pub type Attributes = [f32; MAX_ATTRIBUTES];

/// Everything that a profile says about behaviour, ready to run.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    /// By [`ServiceIx`]: in the order of their names.
    pub services: Vec<Service>,
    /// By [`EndpointIx`].
    pub endpoints: Vec<Endpoint>,
    /// By [`EndpointIx`]: what people call it.
    pub endpoint_names: Vec<EndpointName>,
    /// All programs, one after the other.
    pub ops: Vec<Op>,
    /// By the number in [`Op::Cpu`].
    pub bursts: Vec<Burst>,
    /// By the number in [`Op::Call`].
    pub calls: Vec<Call>,
    /// By the number in [`Op::Wait`].
    pub waits: Vec<Burst>,
    /// By the number in [`Op::Fork`]: the range of its branches in [`Self::branches`].
    pub forks: Vec<(u32, u8)>,
    /// Entries of the branches.
    pub branches: Vec<u32>,
    /// By the number in [`Op::Await`].
    pub awaits: Vec<Await>,
    /// How services connect, those of one service side by side.
    pub clients: Vec<Client>,
    /// Names of the queues, with their brokers.
    pub queues: Vec<(ServiceIx, String)>,
    /// How logs are worded: first the plain format, then those of the profile.
    pub log_formats: Vec<LogFormat>,
    /// Names of the attributes.
    pub attributes: Vec<String>,
    /// How users behave, by name.
    pub user_classes: Vec<(String, UserClass)>,
    /// Named loads.
    pub levels: Vec<(String, Level)>,
    /// What the load generator adds to each response time.
    pub client_overhead: SimDuration,
}

/// One service.
#[derive(Clone, Debug)]
pub struct Service {
    /// In the profile.
    pub name: String,
    /// DNS name under which others call it.
    pub address: String,
    /// The port it listens on.
    pub port: u16,
    /// How its process runs.
    pub runtime: Runtime,
    /// What its process occupies.
    pub memory: Memory,
    /// Its metrics.
    pub metrics: Option<Metrics>,
    /// What its environment variables do, by name.
    pub environment: Vec<(String, Variable)>,
    /// The format of its log, an index into [`Programs::log_formats`].
    pub log_format: u32,
    /// What it writes when it cannot use one of these variables, in place of its format's words.
    pub complaints: Vec<(String, String)>,
    /// From what time on a request is a slow query, which is logged.
    pub slow_after: SimDuration,
    /// What it keeps on disk.
    pub disk: Option<Disk>,
    /// The endpoint that answers whatever no other does.
    pub not_found: EndpointIx,
    /// The endpoint that Prometheus scrapes.
    pub scrape: Option<EndpointIx>,
    /// For brokers: what acknowledging a message costs them.
    pub ack: Option<EndpointIx>,
    /// Its clients, as a range of [`Programs::clients`].
    pub clients: (u32, u32),
    /// Its endpoints, as a range of [`Programs::endpoints`].
    pub endpoints: (u32, u32),
    /// The queues whose messages it handles.
    pub consumers: Vec<Consumer>,
    /// Per request that is answered, the unused part of the heap shrinks by this factor.
    pub(crate) heap_decay: f64,
    /// Of its endpoints, in the order of their `guard`.
    pub breakers: Vec<Breaker>,
}

impl Service {
    /// How many bursts its process can run at once on a node with so many cores.
    pub(crate) fn runners(&self, cores: u32) -> u32 {
        match self.runtime.model {
            Concurrency::EventLoop => 1,
            Concurrency::Goroutines => cores,
            Concurrency::Threads => u32::MAX,
        }
    }
}

/// One kind of request.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// Who answers it.
    pub service: ServiceIx,
    /// What kind it is.
    pub kind: EndpointKind,
    /// Status when the program ends without another.
    pub status: u16,
    /// Whether its service's histogram counts it.
    pub counted: bool,
    /// Where its program begins in [`Programs::ops`].
    pub entry: u32,
    /// Index into its service's breakers, or [`NONE`].
    pub guard: u32,
    /// Extra CPU time of the first requests in a process's life, as a range of [`Programs::bursts`].
    pub first: (u32, u32),
    /// Size of its answer.
    pub answer_size: Bytes,
    /// What it does on disk.
    pub disk: DiskUse,
    /// How its cost grows with the data.
    pub growth: Growth,
}

/// Why an endpoint exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointKind {
    /// The profile lists it.
    Listed,
    /// It serves the metrics.
    Scrape,
    /// It answers what no other endpoint does.
    NotFound,
}

/// What people call an endpoint.
#[derive(Clone, Debug)]
pub struct EndpointName {
    /// Method and path as in the profile.
    pub request: String,
    /// The `method` label.
    pub method: String,
    /// The `route` label.
    pub route: String,
}

/// One instruction. Numbers are indices into the tables of [`Programs`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// Compute a burst.
    Cpu(u32),
    /// Make a call and react to its outcome.
    Call(u32),
    /// Start branches.
    Fork(u32),
    /// Wait for one branch of the latest fork.
    Await(u32),
    /// Do nothing for a while.
    Wait(u32),
    /// Answer if an attribute is above a value.
    RespondAbove {
        /// Its place among [`Programs::attributes`].
        attribute: u8,
        /// With this.
        status: u16,
        /// More than this.
        value: f32,
    },
    /// Answer with a probability.
    RespondByChance {
        /// With this.
        status: u16,
        /// 0 to 1.
        probability: f32,
    },
    /// Answer.
    Respond(u16),
    /// The program is over.
    End,
}

/// CPU time of one thread on a node of speed 1, or a wait.
#[derive(Clone, Copy, Debug)]
pub struct Burst {
    /// Mean in nanoseconds.
    pub mean: f64,
    /// Added after idleness, in nanoseconds.
    pub cold: f64,
    /// Around the mean.
    pub law: Law,
}

/// How a cost varies around its mean.
#[derive(Clone, Copy, Debug)]
pub enum Law {
    /// Always the mean.
    Constant,
    /// Memoryless.
    Exponential,
    /// Of mean 1.
    LogNormal(LogNormal),
}

impl Law {
    /// A factor of mean 1.
    #[inline]
    pub fn sample(self, mut draw: Draw) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Exponential => draw.exponential(),
            Self::LogNormal(log_normal) => log_normal.sample(&mut draw),
        }
    }
}

/// One call, or one message to a broker.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Who is called.
    pub to: ServiceIx,
    /// For what.
    pub endpoint: EndpointIx,
    /// Index into [`Programs::clients`].
    pub client: u32,
    /// To a status of 400 or more.
    pub on_status: Reaction,
    /// To no answer.
    pub on_failure: Reaction,
    /// The queue that gets a message once the call is answered, or [`NONE`].
    pub queue: u32,
}

/// Waiting for one branch.
#[derive(Clone, Copy, Debug)]
pub struct Await {
    /// Its place among those of the fork.
    pub branch: u8,
    /// For how long.
    pub timeout: Option<SimDuration>,
    /// When it is late.
    pub on_timeout: Reaction,
}

/// How one service connects to one other.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its place among the clients of its service.
    pub local: u32,
    /// The service that it calls.
    pub to: ServiceIx,
    /// When it opens connections.
    pub connections: Connections,
    /// For the whole call.
    pub timeout: Option<SimDuration>,
    /// For connecting.
    pub connect_timeout: Option<SimDuration>,
    /// How many times a failed call is tried again.
    pub retries: u8,
    /// Before the first retry; doubles.
    pub retry_backoff: SimDuration,
    /// The format in which failed calls are logged, an index into [`Programs::log_formats`].
    pub log_format: u32,
    /// Around its calls.
    pub breaker: Option<Breaker>,
}

/// A service that handles the messages of a queue.
#[derive(Clone, Copy, Debug)]
pub struct Consumer {
    /// Where the queue is.
    pub broker: ServiceIx,
    /// Index into [`Programs::queues`].
    pub queue: u32,
    /// Messages handled at once.
    pub concurrency: u32,
    /// Where the program for one message begins.
    pub entry: u32,
}

impl Programs {
    /// The service with this name in the profile.
    pub fn service(&self, name: &str) -> Option<ServiceIx> {
        self.services.binary_search_by(|service| service.name.as_str().cmp(name)).ok().map(|ix| ServiceIx(ix as u32))
    }

    /// The endpoint of `service` that answers `request`, a method and a path: the one written
    /// exactly so, or else the first whose segments match, a part in braces standing for any one.
    /// A query (`?id=…`) does not count.
    pub fn endpoint(&self, service: ServiceIx, request: &str) -> Option<EndpointIx> {
        let request = strip_query(request);
        let (from, to) = self.services[service.index()].endpoints;
        let listed = || (from..to).filter(|&ix| self.endpoints[ix as usize].kind != EndpointKind::NotFound);
        let name = |ix: u32| strip_query(&self.endpoint_names[ix as usize].request);
        listed()
            .find(|&ix| name(ix) == request)
            .or_else(|| listed().find(|&ix| answers(name(ix), request)))
            .map(EndpointIx)
    }

    /// The same, with the endpoint that answers 404 in place of none.
    pub fn endpoint_or_not_found(&self, service: ServiceIx, request: &str) -> EndpointIx {
        self.endpoint(service, request).unwrap_or(self.services[service.index()].not_found)
    }
}

fn strip_query(request: &str) -> &str {
    request.split('?').next().unwrap_or_default()
}

/// Whether an endpoint with this `request` in the profile answers a request: segment by segment, where a part in
/// braces stands for any one. Queries do not count.
pub(crate) fn answers(template: &str, request: &str) -> bool {
    let (mut template, mut request) = (strip_query(template).split('/'), strip_query(request).split('/'));
    loop {
        match (template.next(), request.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == b || (a.starts_with('{') && a.ends_with('}')) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests;
