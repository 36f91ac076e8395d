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
//! [`Programs::compile`], so worlds and their forks share one copy.

mod compile;

use crate::chance::{Draw, LogNormal};
use crate::ids::{EndpointIx, ServiceIx};
use crate::profile::{Breaker, MAX_ATTRIBUTES};
use crate::profile::{Concurrency, Connections, Level, Memory, Metrics, Reaction, Runtime, UserClass};
use crate::time::SimDuration;

/// "None" in tables of plain indices.
pub(crate) const NONE: u32 = u32::MAX;

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
    pub(crate) ops: Vec<Op>,
    pub(crate) bursts: Vec<Burst>,
    pub(crate) calls: Vec<Call>,
    pub(crate) waits: Vec<Burst>,
    /// By the number in [`Op::Fork`]: the range of its branches in [`Self::branches`].
    pub(crate) forks: Vec<(u32, u8)>,
    /// Entries of the branches.
    pub(crate) branches: Vec<u32>,
    pub(crate) awaits: Vec<Await>,
    pub(crate) clients: Vec<Client>,
    /// Names of the queues, with their brokers.
    pub(crate) queues: Vec<(ServiceIx, String)>,
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
    /// The endpoint that answers whatever no other does.
    pub not_found: EndpointIx,
    /// The endpoint that Prometheus scrapes.
    pub scrape: Option<EndpointIx>,
    /// For brokers: what acknowledging a message costs them.
    pub(crate) ack: Option<EndpointIx>,
    /// Its clients, as a range of [`Programs::clients`].
    pub(crate) clients: (u32, u32),
    /// Its endpoints, as a range of [`Programs::endpoints`].
    pub(crate) endpoints: (u32, u32),
    pub(crate) consumers: Vec<Consumer>,
    /// Per request that is answered, the unused part of the heap shrinks by this factor.
    pub(crate) heap_decay: f64,
    /// Of its endpoints, in the order of their `guard`.
    pub(crate) breakers: Vec<Breaker>,
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
    pub(crate) entry: u32,
    /// Index into its service's breakers, or [`NONE`].
    pub(crate) guard: u32,
    /// Extra CPU time of the first requests in a process's life, as a range of [`Programs::bursts`].
    pub(crate) first: (u32, u32),
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
pub(crate) enum Op {
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
    RespondAbove { attribute: u8, status: u16, value: f32 },
    /// Answer with a probability.
    RespondByChance { status: u16, probability: f32 },
    /// Answer.
    Respond(u16),
    /// The program is over.
    End,
}

/// CPU time of one thread on a node of speed 1, or a wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Burst {
    /// Mean in nanoseconds.
    pub(crate) mean: f64,
    /// Added after idleness, in nanoseconds.
    pub(crate) cold: f64,
    pub(crate) law: Law,
}

/// How a cost varies around its mean.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Law {
    Constant,
    Exponential,
    /// Of mean 1.
    LogNormal(LogNormal),
}

impl Law {
    /// A factor of mean 1.
    #[inline]
    pub(crate) fn sample(self, mut draw: Draw) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Exponential => draw.exponential(),
            Self::LogNormal(log_normal) => log_normal.sample(&mut draw),
        }
    }
}

/// One call, or one message to a broker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) to: ServiceIx,
    pub(crate) endpoint: EndpointIx,
    /// Index into [`Programs::clients`].
    pub(crate) client: u32,
    pub(crate) on_status: Reaction,
    pub(crate) on_failure: Reaction,
    /// The queue that gets a message once the call is answered, or [`NONE`].
    pub(crate) queue: u32,
}

/// Waiting for one branch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Await {
    pub(crate) branch: u8,
    pub(crate) timeout: Option<SimDuration>,
    pub(crate) on_timeout: Reaction,
}

/// How one service connects to one other.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// Its place among the clients of its service.
    pub(crate) local: u32,
    pub(crate) to: ServiceIx,
    pub(crate) connections: Connections,
    pub(crate) timeout: Option<SimDuration>,
    pub(crate) connect_timeout: Option<SimDuration>,
    pub(crate) retries: u8,
    pub(crate) retry_backoff: SimDuration,
    pub(crate) breaker: Option<Breaker>,
}

/// A service that handles the messages of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Consumer {
    pub(crate) broker: ServiceIx,
    pub(crate) queue: u32,
    pub(crate) concurrency: u32,
    pub(crate) entry: u32,
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
