//! Prometheus beside the application: finds what there is to scrape, scrapes it every 15 s, keeps
//! the samples.
//!
//! Two jobs, as in Sock Shop's own configuration: the endpoints of each Service whose program has
//! metrics (the scrape is a request that travels to the pod and costs CPU there), and each kubelet's
//! cAdvisor, whose figures are 10 to 20 s apart whatever the scrape interval. Each target has its own
//! phase within the interval; a target that goes leaves stale markers.

mod cadvisor;
mod requests;

use crate::app::App;
use crate::chance::Key;
use crate::cluster::Cluster;
use crate::engine::Queue;
use crate::ids::{ContainerIx, KubeServiceIx, NodeIx, PodIx, ServiceIx};
use crate::scenario::Node;
use crate::telemetry::Store;
use crate::time::{SimDuration, SimTime};
use crate::traffic::{ProbeCall, ProbeResult, Traffic};

use cadvisor::Kubelet;
use requests::Target;

/// How often a target is scraped: `scrape_interval` of Sock Shop's Prometheus, and of the lab's.
pub const SCRAPE_EVERY: SimDuration = SimDuration::from_secs(15);
/// `scrape_timeout`, Prometheus' default.
const SCRAPE_TIMEOUT: SimDuration = SimDuration::from_secs(10);
/// How often service discovery hands on what changed (`discovery/manager.go`, `updatert`).
const DISCOVER_EVERY: SimDuration = SimDuration::from_secs(5);

/// Tokens of scrapes have this bit; those of the kubelets' probes do not.
const SCRAPE_BIT: u32 = 1 << 31;

/// Whether a probe's token belongs to a scrape.
pub(super) fn is_scrape(token: u32) -> bool {
    token & SCRAPE_BIT != 0
}

/// Something that Prometheus or a kubelet's cAdvisor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Service discovery hands on what changed.
    Discover,
    /// The target with this number is due.
    Scrape(u32),
    /// The kubelet of a node is scraped.
    ScrapeKubelet(NodeIx),
}

/// A Kubernetes Service whose endpoints are scraped.
#[derive(Clone, Debug)]
struct ScrapedService {
    service: KubeServiceIx,
    name: String,
    namespace: String,
    labels: Vec<(String, String)>,
}

/// Prometheus and what it needs.
#[derive(Clone)]
pub(super) struct Monitoring {
    key: Key,
    services: Vec<ScrapedService>,
    targets: Vec<Target>,
    kubelets: Vec<Kubelet>,
    store: Store,
    /// Scratch for one row.
    row: Vec<f64>,
}

impl Monitoring {
    pub(super) fn new(key: Key, app: &App, nodes: &[Node]) -> Self {
        let mut store = Store::new();
        let kubelets = nodes.iter().map(|node| Kubelet::new(&mut store, &node.name)).collect();
        Self {
            key: key.with_str("monitoring"),
            services: scraped_services(app),
            targets: Vec::new(),
            kubelets,
            store,
            row: Vec::new(),
        }
    }

    /// Starts everything.
    pub(super) fn start(&mut self, now: SimTime, queue: &mut Queue<super::Event>) {
        queue.schedule(now, Event::Discover.into());
        for node in 0..self.kubelets.len() as u32 {
            let phase = self.phase("kubelet", node);
            queue.schedule(now + phase, Event::ScrapeKubelet(NodeIx(node)).into());
        }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Draws all chance from now on under another key.
    pub(super) fn rekey(&mut self, future: u64) {
        self.key = self.key.with(future);
    }

    /// Where in the interval a target is scraped (`Target.offset` of Prometheus hashes its labels).
    fn phase(&self, kind: &str, number: u32) -> SimDuration {
        let draw = self.key.with_str(kind).with(number.into()).draw().below(SCRAPE_EVERY.0);
        SimDuration(draw)
    }

    pub(super) fn handle(
        &mut self,
        now: SimTime,
        event: Event,
        queue: &mut Queue<super::Event>,
        traffic: &mut Traffic,
        cluster: &Cluster,
    ) {
        match event {
            Event::Discover => {
                self.discover(now, queue, traffic, cluster);
                queue.schedule(now + DISCOVER_EVERY, event.into());
            }
            Event::Scrape(target) => self.scrape(now, target, queue, traffic),
            Event::ScrapeKubelet(node) => {
                let answers = cluster.kubelet_answers(node);
                self.kubelets[node.index()].scrape(now, answers, &mut self.store, &mut self.row, cluster);
                queue.schedule(now + SCRAPE_EVERY, event.into());
            }
        }
    }

    /// cAdvisor has read a container's control group, for metrics-server and for whoever scrapes the kubelet.
    pub(super) fn look(&mut self, now: SimTime, process: ContainerIx, traffic: &Traffic, cluster: &Cluster) {
        if let Some(container) = cluster.running_container(process) {
            self.kubelets[container.node.index()].look(now, &container, &mut self.store, traffic);
        }
    }

    fn scrape(&mut self, now: SimTime, number: u32, queue: &mut Queue<super::Event>, traffic: &mut Traffic) {
        let target = &self.targets[number as usize];
        if target.is_gone {
            return;
        }
        queue.schedule(now + SCRAPE_EVERY, Event::Scrape(number).into());
        let (container, port) = (target.container, target.port);
        let programs = traffic.programs();
        let service = traffic.service_of(container).map(|s| &programs.services[s.index()]);
        // Where nobody listens the connection is refused.
        let endpoint = service.filter(|service| service.port == port).and_then(|service| service.scrape);
        match endpoint {
            Some(endpoint) => {
                let token = SCRAPE_BIT | number;
                traffic.probe(now, queue, token, container, ProbeCall::Http(endpoint), SCRAPE_TIMEOUT);
            }
            None => self.targets[number as usize].failed(now, &mut self.store),
        }
    }

    /// A scrape is over.
    pub(super) fn scraped(&mut self, now: SimTime, token: u32, result: ProbeResult, traffic: &Traffic) {
        let target = &mut self.targets[(token & !SCRAPE_BIT) as usize];
        if target.is_gone {
            return;
        }
        if result.is_success() {
            target.keep(now, &mut self.store, traffic, &mut self.row);
        } else {
            target.failed(now, &mut self.store);
        }
    }

    /// Takes up targets that are new and lets go of those that are gone.
    fn discover(&mut self, now: SimTime, queue: &mut Queue<super::Event>, traffic: &Traffic, cluster: &Cluster) {
        let mut found = vec![false; self.targets.len()];
        let programs = traffic.programs();
        let has_metrics =
            |process| traffic.service_of(process).is_some_and(|s| programs.services[s.index()].scrape.is_some());
        for service in &self.services {
            let endpoints: Vec<(PodIx, u16)> = cluster.endpoints(service.service).collect();
            for (at, target) in self.targets.iter().enumerate() {
                found[at] |= !target.is_gone && endpoints.contains(&(target.pod, target.port));
            }
            for container in cluster.running_containers().filter(|c| has_metrics(c.process)) {
                let endpoint = endpoints.iter().find(|(pod, _)| *pod == container.pod);
                let Some(&(pod, port)) = endpoint else { continue };
                let known = self.targets.iter_mut().find(|t| !t.is_gone && (t.pod, t.port) == (pod, port));
                if let Some(target) = known {
                    target.container = container.process;
                    continue;
                }
                let number = self.targets.len() as u32;
                self.targets.push(Target::new(&mut self.store, service, &container, port));
                found.push(true);
                let phase = self.phase("target", number);
                queue.schedule(now + phase, Event::Scrape(number).into());
            }
        }
        for (target, found) in self.targets.iter_mut().zip(found) {
            if !found && !target.is_gone {
                target.gone(now, &mut self.store);
            }
        }
    }
}

/// The Services behind which a program with metrics runs.
fn scraped_services(app: &App) -> Vec<ScrapedService> {
    let programs = &app.programs;
    let has_metrics = |ix: &Option<ServiceIx>| ix.is_some_and(|s| programs.services[s.index()].scrape.is_some());
    let scraped = app.kube_services.iter().enumerate().filter(|(_, s)| has_metrics(&s.leads_to));
    scraped
        .map(|(index, service)| ScrapedService {
            service: KubeServiceIx(index as u32),
            name: service.name.clone(),
            namespace: service.namespace.clone(),
            labels: app.objects.services[index].meta.labels.clone().into_iter().collect(),
        })
        .collect()
}
