//! The control plane: Kubernetes as far as agents can see and touch it.
//!
//! It holds the API objects and runs what acts on them: the Deployment, `ReplicaSet`,
//! `EndpointSlice` and node controllers, the scheduler, a kubelet and a kube-proxy per node, metrics-server
//! and the horizontal pod autoscaler. It knows no requests: processes live in the data plane, behind
//! [`ContainerRuntime`].
//!
//! ```text
//!  writes ─▶ API objects ─▶ controllers ─▶ pods ─▶ scheduler ─▶ kubelets ──start, kill, probe──▶ machines
//!                ▲  │                                              │ ▲                               │
//!  reads ◀───────┘  └─▶ endpoints ─▶ kube-proxies ──set_backends───┼─┼──────────────────────────────▶│
//!                ▲                                                 │ └──── exited, probed ───────────┤
//!                └──────────── status, Events ─────────────────────┘                                 │
//!            autoscaler ◀── metrics-server ◀──────────────── usage ─────────────────────────────────┘
//! ```
//!
//! Invariants:
//! - A controller reads and writes objects only, and is run again when one of its objects changed:
//!   `Cluster::touch` puts it into the work queue. Running it once too often changes nothing.
//! - Nothing polls, except where the real thing does: probes, metrics-server, the autoscaler, heartbeats of nodes and
//!   the kubelet's own resync.
//! - All chance is keyed by names (`ReplicaSet`, ordinal of the pod in it, attempt), so that an action
//!   on one component shifts no draw of another.
//! - Where a constant or a wording has no comment of its own, it is that of Kubernetes 1.34.

mod autoscaler;
mod configuration;
mod deployment;
mod disruption;
mod endpoints;
mod event;
mod heartbeat;
mod kubelet;
mod metrics_server;
mod names;
mod node;
mod node_lifecycle;
mod objects;
mod outage;
mod policies;
mod printer;
mod quota;
mod read;
mod recorder;
mod registry;
mod replica_set;
mod runtime;
mod scheduler;
mod taint_eviction;
mod work;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::chance::Key;
use crate::engine::Queue;
use crate::episode::WorldEvent;
use crate::ids::{AutoscalerIx, ContainerIx, DeploymentIx, KubeServiceIx, PodIx, ReplicaSetIx};
use crate::manifest::{self, ObjectSet, PodDisruptionBudget};
use crate::time::{SimDuration, SimTime};

use autoscaler::Autoscaler;
use configuration::Configuration;
use metrics_server::MetricsServer;
use node::Node;
use node_lifecycle::NodeLifecycle;
use objects::{Deployment, Pod, ReplicaSet, Service};
use quota::Quota;
use recorder::{Recorder, Severity, Source, Subject};
use runtime::{Host, Machines};
use scheduler::SchedulingQueue;
use work::WorkQueues;

pub use event::{Event, Work};
pub use kubelet::{ProbeKind, SoftThreshold};
pub use node::NodeSpec;
pub use read::{ComponentState, ContainerLog, RunningContainer};
pub use registry::{Image, Program, Registry};
pub use runtime::{Backend, Chore, ContainerRuntime, ContainerUsage, Notice, ProbeOutcome, ProbeTarget, ProcessSpec};
pub use write::{Object, RolloutProgress};

/// From a change of an object to what those do who watch it, their own request included: the scheduler, kubelets, the
/// controllers of nodes and endpoints. The scheduler was seen to take 7 ms with Kubernetes 1.34 on a calm machine.
const WATCH_LATENCY: SimDuration = SimDuration::from_millis(7);

/// How long a controller waits for one request to the API server. Two writes of one sync, the creation of a `ReplicaSet` and
/// the Deployment's new revision, were seen 8 ms apart with Kubernetes 1.34 (median of 127 in the traces).
const REQUEST: SimDuration = SimDuration::from_millis(8);

/// The control plane of one cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    key: Key,
    /// For generated names: they stay the same in every future, so that recorded actions find them.
    names: Key,
    /// Names of all pods so far: none is given twice.
    names_given: BTreeSet<String>,
    /// The manifests that Deployments are created from.
    manifests: Arc<ObjectSet>,
    registry: Arc<Registry>,
    nodes: Vec<Node>,
    deployments: BTreeMap<DeploymentIx, Deployment>,
    replica_sets: BTreeMap<ReplicaSetIx, ReplicaSet>,
    pods: BTreeMap<PodIx, Pod>,
    services: Vec<Service>,
    budgets: Vec<PodDisruptionBudget>,
    quotas: Vec<Quota>,
    configuration: Configuration,
    autoscalers: BTreeMap<AutoscalerIx, Autoscaler>,
    /// Numbers given so far.
    created: Created,
    work: WorkQueues,
    scheduling: SchedulingQueue,
    node_lifecycle: NodeLifecycle,
    metrics: MetricsServer,
    recorder: Recorder,
    /// Whose process a running container is: pod and position in it.
    containers: BTreeMap<ContainerIx, (PodIx, usize)>,
    /// Probes on their way.
    probes: kubelet::ProbesInFlight,
    policies: policies::Policies,
}

/// How many objects of each kind were ever created.
#[derive(Clone, Copy, Debug, Default)]
struct Created {
    deployments: u32,
    replica_sets: u32,
    pods: u32,
    autoscalers: u32,
}

impl Cluster {
    /// A cluster with these nodes and no objects yet.
    pub fn new(seed: Key, nodes: &[NodeSpec], manifests: Arc<ObjectSet>, registry: Arc<Registry>) -> Self {
        let key = seed.with_str("kubernetes");
        Self {
            key,
            names: key.with_str("names"),
            names_given: BTreeSet::new(),
            manifests,
            registry,
            nodes: nodes.iter().map(|spec| Node::new(key, spec)).collect(),
            deployments: BTreeMap::new(),
            replica_sets: BTreeMap::new(),
            pods: BTreeMap::new(),
            services: Vec::new(),
            budgets: Vec::new(),
            quotas: Vec::new(),
            configuration: Configuration::default(),
            autoscalers: BTreeMap::new(),
            created: Created::default(),
            work: WorkQueues::default(),
            scheduling: SchedulingQueue::default(),
            node_lifecycle: NodeLifecycle::default(),
            metrics: MetricsServer::default(),
            recorder: Recorder::default(),
            containers: BTreeMap::new(),
            probes: kubelet::ProbesInFlight::default(),
            policies: policies::Policies::default(),
        }
    }

    /// Applies all manifests, except the Deployments named in `absent`, whose manifests
    /// [`Write::CreateDeployment`](crate::environment::Write::CreateDeployment) can still create. Every node has the
    /// images that the manifests name, as after a long life; pods are Ready as soon as their programs and probes allow.
    pub fn bootstrap<E, R>(&mut self, now: SimTime, absent: &[String], queue: &mut Queue<E>, runtime: &mut R)
    where
        E: Copy + From<Event>,
        R: ContainerRuntime<E>,
    {
        let host = &mut Machines { now, queue, runtime };
        let manifests = Arc::clone(&self.manifests);
        let containers = manifests.deployments.iter().flat_map(|d| &d.template.containers);
        let images: BTreeSet<_> = containers
            .map(|container| &container.image)
            .filter(|image| self.registry.find(image).is_ok())
            .cloned()
            .collect();
        for node in &mut self.nodes {
            node.images.extend(images.iter().cloned());
        }
        self.configuration.add_all(&manifests);
        for budget in &manifests.disruption_budgets {
            self.put_budget(budget.clone());
        }
        for quota in &manifests.resource_quotas {
            self.put_quota(quota.clone(), now);
        }
        for (index, service) in manifests.services.iter().enumerate() {
            self.add_service(service.clone(), Some(KubeServiceIx(index as u32)), host);
        }
        for deployment in manifests.deployments.iter().filter(|d| !absent.contains(&d.meta.name)) {
            self.add_deployment(deployment.clone(), host);
        }
        for policy in &manifests.network_policies {
            self.put_network_policy(policy.clone(), host);
        }
        for autoscaler in &manifests.autoscalers {
            self.add_autoscaler(autoscaler.clone(), host);
        }
        self.start_metrics(host);
        self.start_heartbeats(host);
        self.start_eviction_managers(host);
    }

    /// Lets an event happen.
    pub fn handle<E, R>(&mut self, now: SimTime, event: Event, queue: &mut Queue<E>, runtime: &mut R)
    where
        E: Copy + From<Event>,
        R: ContainerRuntime<E>,
    {
        let host = &mut Machines { now, queue, runtime };
        if self.is_missed(event) {
            return;
        }
        match event {
            Event::Sync(work) => self.sync(work, host),
            Event::Answered(work) => self.answered(work, host),
            Event::Wake(pod) => self.wake(pod, host),
            Event::Relisted(pod) => self.relisted(pod, host),
            Event::Resync(pod) => self.resync(pod, host),
            Event::StepDone(pod, step) => self.step_done(pod, step, host),
            Event::Pulled(node) => self.pulled(node, host),
            Event::Probed(pod) => self.probed(pod, host),
            Event::Probe(pod, container, kind) => self.probe_due(pod, container.into(), kind, host),
            Event::GraceOver(container) => self.grace_over(container, host),
            Event::TornDown(pod) => self.torn_down(pod, host),
            Event::ProgramProxy(node) => self.program_proxy(node, host),
            Event::SampleUsage(container) => self.sample_usage(container, host),
            Event::ScrapeUsage => self.scrape_usage(host),
            Event::RenewLease(node) => self.renew_lease(node, host),
            Event::ReportNode(node) => self.report_node(node, host),
            Event::KubeletGoesOn(node) => self.kubelet_goes_on(node, host),
            Event::LookForPressure(node) => self.look_for_pressure(node, host),
            Event::MonitorNodes => self.monitor_nodes(host),
            Event::MarkNotReady(pod) => self.mark_not_ready(pod, host),
            Event::TaintNodes => self.taint_nodes(host),
            Event::EvictTainted(pod) => self.evict_tainted(pod, host),
            Event::Autoscale(autoscaler) => self.autoscale(autoscaler, host),
        }
    }

    /// Hears of what happened on a machine.
    pub fn notice<E, R>(&mut self, now: SimTime, notice: Notice, queue: &mut Queue<E>, runtime: &mut R)
    where
        E: Copy + From<Event>,
        R: ContainerRuntime<E>,
    {
        let host = &mut Machines { now, queue, runtime };
        match notice {
            Notice::ProbeDone { token, outcome } => self.probe_done(token, outcome, host),
            Notice::Exited { container, code } => self.exited(container, code, host),
            Notice::Wrote { container, entry } => self.log(container, entry),
            Notice::OverLimit { container } => self.over_limit(container, host),
            Notice::Listening { container } => self.listening(container, host),
        }
    }

    /// Lets every node have an image, as after a long life.
    pub fn add_image(&mut self, image: &str) {
        for node in &mut self.nodes {
            node.images.insert(image.to_owned());
        }
    }

    /// Kubernetes Events since the last call, in order, every occurrence.
    pub fn drain_journal(&mut self) -> Vec<WorldEvent> {
        std::mem::take(&mut self.recorder.journal)
    }

    /// Draws all chance from now on under another key.
    pub fn rekey(&mut self, future: u64) {
        self.key = self.key.with(future);
        for node in &mut self.nodes {
            node.key = node.key.with(future);
        }
        for pod in self.pods.values_mut() {
            pod.key = pod.key.with(future);
        }
    }

    fn record(
        &mut self,
        host: &dyn Host,
        source: Source,
        about: &Subject,
        severity: Severity,
        reason: &str,
        message: String,
    ) {
        if self.recorder.record(host.now(), source, about, severity, reason, message) {
            self.work.count_event(source, host.now());
        }
    }

    fn find_deployment(&self, name: &str) -> Option<DeploymentIx> {
        self.deployments.iter().find(|(_, d)| d.name() == name).map(|(ix, _)| *ix)
    }

    fn find_pod(&self, name: &str) -> Option<PodIx> {
        self.pods.iter().find(|(_, p)| p.name == name).map(|(ix, _)| *ix)
    }

    /// Creates a Deployment.
    fn add_deployment(&mut self, spec: manifest::Deployment, host: &mut dyn Host) {
        let index = DeploymentIx(self.created.deployments);
        self.created.deployments += 1;
        let (status, conditions) = (objects::DeploymentStatus::default(), Vec::new());
        self.deployments.insert(index, Deployment { spec, generation: 1, revision: 0, status, conditions });
        self.touch(Work::Deployment(index), host);
    }

    /// Changes what is wanted of a Deployment.
    fn change_deployment(
        &mut self,
        ix: DeploymentIx,
        change: impl FnOnce(&mut manifest::Deployment),
        host: &mut dyn Host,
    ) {
        let Some(deployment) = self.deployments.get_mut(&ix) else {
            return;
        };
        let before = deployment.spec.clone();
        change(&mut deployment.spec);
        if deployment.spec != before {
            deployment.generation += 1;
            self.touch(Work::Deployment(ix), host);
        }
    }
}
