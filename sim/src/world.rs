//! The twin: a whole simulated world, and the ports through which it is played.
//!
//! ```text
//!                    ┌──────────── notices: probed, exited, over its limit ───────────┐
//!                    ▼                                                                │
//!  act ─▶ cluster (control plane) ──start, kill, probe, what kube-proxy knows──▶ traffic (data plane)
//!            │                                                                        │
//!            └───────────── service discovery ─▶ monitoring ◀──scrapes, usage─────────┘
//!                                                   ▲
//!  observe ─────────────────────────────────────────┘
//! ```
//!
//! [`Twin`] owns the parts and the one queue of events, carries notices between them, and adds what
//! belongs to none: the faults of the scenario and the figures of the judge. Its zero of time is the
//! moment at which the manifests are applied.

mod faults;
mod machines;
mod monitoring;
mod nodes;
mod ports;
mod truth;

use std::sync::Arc;

use crate::app::App;
use crate::chance::Key;
use crate::cluster::{self, Cluster, Registry};
use crate::engine::{self, Model, Queue};
use crate::episode::WorldEvent;
use crate::ids::NodeIx;
use crate::manifest::{self, ObjectSet};
use crate::program::Programs;
use crate::scenario::{Cgroup, Node, Premise, Scenario, StartState, SynRetries};
use crate::telemetry::Store;
use crate::time::{SimDuration, SimTime};
use crate::traffic::{self, Statistics, Traffic, TrafficConfig};
use crate::transition::Observer;

use faults::Faults;
use machines::notice_of;
use monitoring::Monitoring;
pub use monitoring::SCRAPE_EVERY;
use truth::Meter;

/// Anything that happens by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// In the data plane.
    Traffic(traffic::Event),
    /// In the control plane.
    Cluster(cluster::Event),
    /// In Prometheus or the kubelets' metrics.
    Monitoring(monitoring::Event),
}

impl From<traffic::Event> for Event {
    fn from(event: traffic::Event) -> Self {
        Self::Traffic(event)
    }
}

impl From<cluster::Event> for Event {
    fn from(event: cluster::Event) -> Self {
        Self::Cluster(event)
    }
}

impl From<monitoring::Event> for Event {
    fn from(event: monitoring::Event) -> Self {
        Self::Monitoring(event)
    }
}

/// A simulated cluster with an application running on it.
#[derive(Clone)]
pub struct Twin {
    parts: Parts,
    queue: Queue<Event>,
    app: Arc<App>,
    scenario: Arc<Scenario>,
    faults: Faults,
    meter: Meter,
    journal: Vec<WorldEvent>,
    now: SimTime,
    events: u64,
}

/// What events happen to.
#[derive(Clone)]
struct Parts {
    traffic: Traffic,
    cluster: Cluster,
    monitoring: Monitoring,
}

impl Model for Parts {
    type Event = Event;

    #[inline]
    fn handle(&mut self, now: SimTime, event: Event, queue: &mut Queue<Event>) {
        match event {
            Event::Traffic(event) => self.traffic.handle(now, event, queue),
            Event::Cluster(event) => {
                self.cluster.handle(now, event, queue, &mut self.traffic);
                if let cluster::Event::SampleUsage(container) = event {
                    self.monitoring.look(now, container, &self.traffic, &self.cluster);
                }
            }
            Event::Monitoring(event) => {
                self.monitoring.handle(now, event, queue, &mut self.traffic, &self.cluster);
            }
        }
        if !self.traffic.notices.is_empty() {
            self.deliver_notices(now, queue);
        }
    }
}

impl Parts {
    /// Carries what happened to processes to whoever waits for it, until nothing more follows.
    fn deliver_notices(&mut self, now: SimTime, queue: &mut Queue<Event>) {
        while !self.traffic.notices.is_empty() {
            for notice in std::mem::take(&mut self.traffic.notices) {
                match notice {
                    traffic::Notice::ProbeDone { token, result } if monitoring::is_scrape(token) => {
                        self.monitoring.scraped(now, token, result, &self.traffic);
                    }
                    notice => self.cluster.notice(now, notice_of(notice), queue, &mut self.traffic),
                }
            }
        }
    }
}

impl Twin {
    /// A world at its zero of time, with nothing applied yet: [`Stage::prepare`] does that.
    ///
    /// [`Stage::prepare`]: crate::environment::Stage::prepare
    pub fn new(app: &Arc<App>, scenario: &Arc<Scenario>, seed: u64) -> Self {
        let mut queue = Queue::new();
        let nodes = &scenario.cluster.nodes;
        let config = TrafficConfig {
            nodes: nodes.iter().map(|node| traffic_node(node, scenario)).collect(),
            kube_services: app.addresses.iter().map(|address| address.kube_service).collect(),
            hosts: app.addresses.iter().map(|address| app.host_names(address)).collect(),
            // The load generator runs beside the pods of the first node.
            load_node: NodeIx(0),
            seed,
        };
        let objects = Arc::new(start_objects(&app.objects, &scenario.start));
        let cluster_nodes: Vec<_> = nodes.iter().map(cluster_node).collect();
        let key = Key::root(seed);
        let parts = Parts {
            traffic: Traffic::new(Arc::clone(&app.programs), &config, &mut queue),
            cluster: Cluster::new(key, &cluster_nodes, objects, Arc::new(Registry::new(&app.profile))),
            monitoring: Monitoring::new(key, app, nodes),
        };
        Self {
            parts,
            queue,
            app: Arc::clone(app),
            scenario: Arc::clone(scenario),
            faults: Faults::new(key, scenario.faults.len()),
            meter: Meter::default(),
            journal: Vec::new(),
            now: SimTime::ZERO,
            events: 0,
        }
    }

    /// Lets the world run until `until`.
    pub fn run_until(&mut self, until: SimTime) {
        self.events += engine::run_until(&mut self.parts, &mut self.queue, until);
        self.now = self.now.max(until);
    }

    /// Lets the world run until `until` and shows `observer`, whose recording began at `began`, how its objects look
    /// every `resolution`. Takes the Kubernetes Events out of the journal.
    pub fn run_observed(&mut self, until: SimTime, began: SimTime, resolution: SimDuration, observer: &mut Observer) {
        while self.now < until {
            self.run_until((self.now + resolution).min(until));
            let journal = self.parts.cluster.drain_journal();
            self.parts.cluster.show_observer(self.now, began, journal, observer);
        }
    }

    /// The world's clock.
    pub fn now(&self) -> SimTime {
        self.now
    }

    /// Events that have happened so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Whether every Deployment has the pods it wants.
    pub fn all_ready(&self) -> bool {
        self.parts.cluster.all_ready()
    }

    /// Everything that Prometheus has scraped.
    pub fn store(&self) -> &Store {
        self.parts.monitoring.store()
    }

    /// What is played.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The application that runs.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Exact figures about requests since the last [`Self::reset_statistics`].
    pub fn statistics(&self) -> &Statistics {
        self.parts.traffic.statistics()
    }

    /// Starts a new window of [`Self::statistics`].
    pub fn reset_statistics(&mut self) {
        self.parts.traffic.reset_statistics();
    }

    /// The compiled profile.
    pub fn programs(&self) -> &Programs {
        self.parts.traffic.programs()
    }

    /// Core time that each node has spent working so far.
    pub fn nodes_busy(&self) -> Vec<SimDuration> {
        let nodes = 0..self.scenario.cluster.nodes.len() as u32;
        nodes.map(|node| self.parts.traffic.node_busy(self.now, NodeIx(node))).collect()
    }

    /// Checks that no request was lost or answered twice.
    ///
    /// # Errors
    /// The counts that do not agree.
    pub fn check_conservation(&self) -> Result<(), String> {
        self.parts.traffic.check_conservation()
    }
}

/// How long a kernel looks for a neighbour: three ARP requests, a second apart (`mcast_solicit`, `retrans_time_ms`).
const ARP_GIVES_UP: SimDuration = SimDuration::from_secs(3);

fn traffic_node(node: &Node, scenario: &Scenario) -> traffic::NodeSpec {
    traffic::NodeSpec {
        cores: node.cores.0.div_ceil(1000).max(1) as u32,
        speed: node.speed,
        syn_linear_timeouts: match scenario.cluster.syn_retries {
            SynRetries::Linear => 4,
            SynRetries::Exponential => 0,
        },
        // On a single node all pods are neighbours, on its bridge. Between nodes it depends on the network plug-in.
        unreachable_after: (scenario.cluster.nodes.len() == 1).then_some(ARP_GIVES_UP),
        latency: scenario.cluster.network_latency,
        local_latency: scenario.cluster.local_latency,
        oom_kills_group: scenario.cluster.cgroup == Cgroup::V2,
    }
}

fn cluster_node(node: &Node) -> cluster::NodeSpec {
    cluster::NodeSpec {
        name: node.name.clone(),
        labels: manifest::Labels::default(),
        allocatable_cpu: node.cores,
        allocatable_memory: node.memory,
    }
}

/// The application's objects with the scenario's premises.
fn start_objects(objects: &ObjectSet, start: &StartState) -> ObjectSet {
    let mut objects = objects.clone();
    for premise in &start.premises {
        let named = objects.deployments.iter_mut().find(|d| d.meta.name == premise.component);
        if let Some(deployment) = named {
            apply_premise(deployment, premise);
        }
    }
    objects
}

fn apply_premise(deployment: &mut manifest::Deployment, premise: &Premise) {
    if let Some(replicas) = premise.replicas {
        deployment.replicas = replicas;
    }
    if let Some(strategy) = premise.strategy {
        deployment.strategy = strategy.strategy();
    }
    let main = deployment.main_container();
    let Some(container) = deployment.template.containers.get_mut(main) else { return };
    if let Some(image) = &premise.image {
        container.image.clone_from(image);
    }
    let (requests, limits) = (&mut container.resources.requests, &mut container.resources.limits);
    requests.cpu = premise.cpu_request.or(requests.cpu);
    limits.cpu = premise.cpu_limit.or(limits.cpu);
    requests.memory = premise.memory_request.or(requests.memory);
    limits.memory = premise.memory_limit.or(limits.memory);
    for (name, value) in &premise.env {
        container.set_env(name, Some(value));
    }
}
