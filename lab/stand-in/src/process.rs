//! One service at work: everything that its handlers share.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use sim::chance::Key;
use sim::ids::{EndpointIx, ServiceIx};
use sim::program::{Client, Endpoint, Programs, Service};
use sim::time::{SimDuration, SimTime};
use sim::traffic::Breaker;

use crate::broker::Broker;
use crate::client::{Link, Resolver};
use crate::concurrency::Stage;
use crate::config::Config;
use crate::cost::Costs;
use crate::memory::{Memory, anonymous};
use crate::metrics::Metrics;
use crate::wire;

/// One service at work.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) config: Config,
    pub(crate) programs: Programs,
    pub(crate) service: ServiceIx,
    pub(crate) stage: Stage,
    pub(crate) costs: Arc<Costs>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) metrics: Metrics,
    pub(crate) broker: Broker,
    /// By the local number of each client of the service.
    links: Vec<Link>,
    /// By call: what is sent, without attributes and the empty line. Empty for the calls of other services.
    requests: Vec<Vec<u8>>,
    /// By the `guard` of its endpoints.
    pub(crate) guards: Vec<Mutex<Breaker>>,
    /// By endpoint of the service: requests handled, as far as its `first` list cares.
    handled: Vec<AtomicU32>,
    is_fresh: AtomicBool,
    started: Instant,
    key: Key,
    numbered: AtomicU64,
}

impl Process {
    /// A process that has just started.
    pub(crate) fn new(config: Config, programs: Programs, service: ServiceIx, stage: Stage, costs: Arc<Costs>) -> Self {
        let me = &programs.services[service.index()];
        let (first_client, last_client) = me.clients;
        let clients = &programs.clients[first_client as usize..last_client as usize];
        let links = clients.iter().map(|client| link(&config, &programs, client, &stage)).collect::<Vec<_>>();
        let calls = programs.calls.iter().map(|call| {
            let is_mine = (first_client..last_client).contains(&call.client);
            let link = is_mine.then(|| &links[(call.client - first_client) as usize]);
            link.map(|link| request(&programs, call, link.closes())).unwrap_or_default()
        });
        Self {
            requests: calls.collect(),
            memory: Arc::new(Memory::new(me.memory.clone(), config.memory_share, anonymous())),
            metrics: Metrics::new(me.metrics.clone()),
            broker: Broker::new(&programs, service),
            guards: me.breakers.iter().map(|_| Mutex::default()).collect(),
            handled: (me.endpoints.0..me.endpoints.1).map(|_| AtomicU32::new(0)).collect(),
            is_fresh: AtomicBool::new(true),
            started: Instant::now(),
            key: Key::root(config.seed.unwrap_or_else(crate::burn::monotonic)),
            numbered: AtomicU64::new(0),
            links,
            config,
            service,
            stage,
            costs,
            programs,
        }
    }

    /// What it plays.
    pub(crate) fn service(&self) -> &Service {
        &self.programs.services[self.service.index()]
    }

    /// One of its endpoints, or of those that it calls.
    pub(crate) fn endpoint(&self, ix: EndpointIx) -> &Endpoint {
        &self.programs.endpoints[ix.index()]
    }

    /// Time since its start, for breakers.
    pub(crate) fn now(&self) -> SimTime {
        SimTime(self.started.elapsed().as_nanos() as u64)
    }

    /// Whether it is older than that.
    pub(crate) fn has_lived(&self, time: Option<Duration>) -> bool {
        time.is_some_and(|time| self.started.elapsed() >= time)
    }

    /// The link of a client in the programs.
    pub(crate) fn link(&self, client: u32) -> &Link {
        &self.links[(client - self.service().clients.0) as usize]
    }

    /// What is sent for a call, without attributes and the empty line.
    pub(crate) fn request(&self, call: u32) -> &[u8] {
        &self.requests[call as usize]
    }

    /// Where the chance of the next request or message comes from.
    pub(crate) fn next_key(&self) -> Key {
        self.key.with(self.numbered.fetch_add(1, Relaxed))
    }

    /// CPU time that a request costs because it is one of the first.
    pub(crate) fn extra(&self, ix: EndpointIx) -> SimDuration {
        let mut extra = SimDuration::ZERO;
        let (first, end) = self.endpoint(ix).first;
        if first < end {
            let handled = self.handled[(ix.0 - self.service().endpoints.0) as usize].fetch_add(1, Relaxed);
            if let Some(burst) = self.programs.bursts[first as usize..end as usize].get(handled as usize) {
                extra += SimDuration(burst.mean as u64);
            }
        }
        if self.is_fresh.load(Relaxed) && self.is_fresh.swap(false, Relaxed) {
            extra += self.service().runtime.start_up.first_request;
        }
        extra
    }
}

/// Where a service is found: by its DNS name at the port that the kubelet or else the profile says.
pub(crate) fn resolver(config: &Config, service: &Service) -> Resolver {
    let port = config.service_port(&service.address).unwrap_or(service.port);
    let query = config.hosts.get(&service.address).cloned();
    Resolver::new(query.unwrap_or_else(|| format!("{}:{port}", service.address)))
}

fn link(config: &Config, programs: &Programs, client: &Client, stage: &Stage) -> Link {
    let target = &programs.services[client.to.index()];
    Link::new(client, resolver(config, target), stage.way())
}

fn request(programs: &Programs, call: &sim::program::Call, closes: bool) -> Vec<u8> {
    let name = &programs.endpoint_names[call.endpoint.index()];
    let (method, path) = wire::method_and_path(&name.request);
    let host = &programs.services[call.to.index()].address;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\n");
    if closes {
        head.push_str("connection: close\r\n");
    }
    if let Some((_, queue)) = programs.queues.get(call.queue as usize) {
        head.extend([wire::QUEUE, ": ", queue, "\r\n"]);
    }
    head.into_bytes()
}
