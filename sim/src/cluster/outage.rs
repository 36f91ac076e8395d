//! Nodes that fail and come back, and what that means for their kubelets.
//!
//! A kubelet that is away misses what happens; one that starts again knows nothing and looks at all pods of its node. What
//! it does then is what the recorded traces `node-lost`, `node-silent`, `node-lost-evicted` and `runtime-lost` show.
//!
//! ```text
//!  Up ──fail_node──▶ Away ──restore_node──▶ Starting ──0.3 s──▶ Registered ──1 s──▶ Up
//! ```
//!
//! Invariants:
//! - What happens on a node without a kubelet changes no object: processes end unseen, and pods stay as they were shown.
//! - On a lost machine no process lives, and nobody answers at the addresses of its pods.

use crate::engine::Queue;
use crate::ids::{ContainerIx, NodeIx, PodIx};
use crate::time::{SimDuration, SimTime};

use super::kubelet::Container;
use super::node::{Node, NodeCondition};
use super::objects::Pod;
use super::recorder::{Severity, Source};
use super::runtime::{ContainerRuntime, Host, Machines};
use super::{Cluster, Event};

/// From the start of a kubelet's process until it has told of itself (seen with Kubernetes 1.34).
const REGISTRATION: SimDuration = SimDuration::from_millis(400);
/// From then until it looks at its pods: its caches are filled first (seen with Kubernetes 1.34).
const FIRST_SYNC: SimDuration = SimDuration::from_secs(1);
/// Between two looks of a kubelet at its container runtime (`updateRuntimeUp`).
const RUNTIME_CHECK: SimDuration = SimDuration::from_secs(5);
/// For how long a runtime may not answer (`maxWaitForContainerRuntime`).
const RUNTIME_GRACE: SimDuration = SimDuration::from_secs(30);

/// What of a node does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outage {
    /// The machine is gone, with all that ran on it; packets to its pods vanish. When it is back it has booted.
    Machine,
    /// The kubelet is dead; pods and network go on.
    Kubelet,
    /// The container runtime is away: containers go on, and nothing can be done with them.
    Runtime {
        /// When the kubelet last heard of it.
        heard: SimTime,
        /// Whether it is there again, which the kubelet has not seen yet.
        is_back: bool,
    },
}

/// How far a kubelet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KubeletState {
    Up,
    Away,
    /// Its process has started; it registers at this time.
    Starting(SimTime),
    /// It has told of itself; it looks at its pods at this time.
    Registered(SimTime),
}

impl Node {
    /// Whether its kubelet thinks that its container runtime is well (`runtimeState.runtimeErrors`).
    pub(super) fn is_runtime_up(&self, now: SimTime) -> bool {
        match self.outage {
            Some(Outage::Runtime { heard, .. }) => now.since(heard) <= RUNTIME_GRACE,
            _ => true,
        }
    }

    /// The last look at the container runtime before `now`.
    fn last_runtime_check(&self, now: SimTime) -> SimTime {
        let phase = self.key.with_str("runtime").draw().below(RUNTIME_CHECK.0);
        let since = now.since(SimTime(phase)).0 % RUNTIME_CHECK.0;
        now - SimDuration(since)
    }
}

impl Cluster {
    /// The number of a node.
    pub fn node_named(&self, name: &str) -> Option<NodeIx> {
        self.nodes.iter().position(|node| node.spec.name == name).map(|index| NodeIx(index as u32))
    }

    /// Whether the kubelet of a node answers, such as a Prometheus that scrapes it.
    pub fn kubelet_answers(&self, node: NodeIx) -> bool {
        self.kubelet_runs(node)
    }

    /// Loses the machine of a node: all that runs there is gone at once, and packets to it vanish.
    pub fn lose_node<E, R>(&mut self, now: SimTime, node: NodeIx, queue: &mut Queue<E>, runtime: &mut R)
    where
        E: Copy + From<Event>,
        R: ContainerRuntime<E>,
    {
        self.fail(node, Outage::Machine, &mut Machines { now, queue, runtime });
    }

    /// Ends the kubelet of a node; its pods go on.
    pub fn silence_node<E, R>(&mut self, now: SimTime, node: NodeIx, queue: &mut Queue<E>, runtime: &mut R)
    where
        E: Copy + From<Event>,
        R: ContainerRuntime<E>,
    {
        self.fail(node, Outage::Kubelet, &mut Machines { now, queue, runtime });
    }

    /// Ends the container runtime of a node; its containers go on.
    pub fn lose_runtime<E, R>(&mut self, now: SimTime, node: NodeIx, queue: &mut Queue<E>, runtime: &mut R)
    where
        E: Copy + From<Event>,
        R: ContainerRuntime<E>,
    {
        let heard = self.nodes[node.index()].last_runtime_check(now);
        self.fail(node, Outage::Runtime { heard, is_back: false }, &mut Machines { now, queue, runtime });
    }

    /// Brings a node back: what was away starts again. A node that is well stays as it is.
    pub fn restore_node<E, R>(&mut self, now: SimTime, node: NodeIx, queue: &mut Queue<E>, runtime: &mut R)
    where
        E: Copy + From<Event>,
        R: ContainerRuntime<E>,
    {
        self.restore(node, &mut Machines { now, queue, runtime });
    }

    /// Whether the kubelet of a node runs: it probes, renews its lease and answers.
    pub(super) fn kubelet_runs(&self, node: NodeIx) -> bool {
        self.nodes[node.index()].kubelet == KubeletState::Up
    }

    /// Whether the kubelet of a node sees to its pods; without its container runtime it does not (`syncLoop`).
    fn kubelet_syncs(&self, node: NodeIx) -> bool {
        let node = &self.nodes[node.index()];
        node.kubelet == KubeletState::Up && node.outage.is_none()
    }

    /// Whether the kubelet of a pod's node sees to it.
    pub(super) fn is_tended(&self, pod: PodIx) -> bool {
        let node = self.pods.get(&pod).and_then(Pod::node);
        node.is_none_or(|node| self.kubelet_syncs(node))
    }

    /// Whether an event finds nobody: its kubelet is away, or stands still.
    pub(super) fn is_missed(&self, event: Event) -> bool {
        match event {
            Event::Wake(pod)
            | Event::Relisted(pod)
            | Event::Resync(pod)
            | Event::StepDone(pod, _)
            | Event::Probed(pod)
            | Event::TornDown(pod) => !self.is_tended(pod),
            Event::Probe(pod, ..) => {
                self.pods.get(&pod).and_then(Pod::node).is_some_and(|node| !self.kubelet_runs(node))
            }
            Event::GraceOver(container) => {
                self.containers.get(&container).is_some_and(|(pod, _)| !self.is_tended(*pod))
            }
            _ => false,
        }
    }

    fn fail(&mut self, ix: NodeIx, outage: Outage, host: &mut dyn Host) {
        let node = &mut self.nodes[ix.index()];
        match (node.outage, outage) {
            // What is gone already stays gone.
            (Some(Outage::Machine), _)
            | (Some(Outage::Kubelet), Outage::Kubelet | Outage::Runtime { .. })
            | (Some(Outage::Runtime { is_back: false, .. }), Outage::Runtime { .. }) => return,
            _ => node.outage = Some(outage),
        }
        self.halt_workers(ix);
        if matches!(outage, Outage::Runtime { .. }) {
            return;
        }
        self.nodes[ix.index()].kubelet = KubeletState::Away;
        for pod in self.pods_on(ix) {
            self.probes.forget_pod(pod);
            self.metrics.forget(pod);
        }
        if outage == Outage::Machine {
            self.lose_processes(ix, host);
        }
    }

    fn restore(&mut self, ix: NodeIx, host: &mut dyn Host) {
        let now = host.now();
        let node = &mut self.nodes[ix.index()];
        match node.outage {
            None => {}
            Some(Outage::Runtime { heard, .. }) => {
                node.outage = Some(Outage::Runtime { heard, is_back: true });
                host.schedule(node.last_runtime_check(now) + RUNTIME_CHECK, Event::KubeletGoesOn(ix));
            }
            Some(Outage::Machine | Outage::Kubelet) => {
                node.outage = None;
                node.kubelet = KubeletState::Starting(now + REGISTRATION);
                host.schedule(now + REGISTRATION, Event::KubeletGoesOn(ix));
            }
        }
    }

    /// The next step of a kubelet that starts, or finds its container runtime again.
    pub(super) fn kubelet_goes_on(&mut self, ix: NodeIx, host: &mut dyn Host) {
        let now = host.now();
        let node = &mut self.nodes[ix.index()];
        match (node.kubelet, node.outage) {
            (KubeletState::Up, Some(Outage::Runtime { is_back: true, .. })) => {
                node.outage = None;
                for pod in self.pods_on(ix) {
                    self.resume_pod(pod, host);
                }
            }
            (KubeletState::Starting(at), _) if at == now => {
                node.kubelet = KubeletState::Registered(now + FIRST_SYNC);
                node.kubelet_started = now;
                node.pressure.forget();
                node.told_unschedulable = false;
                node.lease_renewed = now;
                host.schedule(now + FIRST_SYNC, Event::KubeletGoesOn(ix));
                self.register(ix, host);
            }
            (KubeletState::Registered(at), _) if at == now => {
                node.kubelet = KubeletState::Up;
                if matches!(node.outage, Some(Outage::Runtime { is_back: true, .. })) {
                    node.outage = None;
                }
                let orphans = std::mem::take(&mut node.orphans);
                for orphan in orphans {
                    host.kill(orphan);
                    host.remove_address(orphan);
                }
                for pod in self.pods_on(ix) {
                    self.find_pod_again(pod, host);
                }
            }
            _ => {}
        }
    }

    /// A kubelet that has started tells of itself. It tells of its node's conditions in any case, once more if the control
    /// plane thought otherwise.
    fn register(&mut self, ix: NodeIx, host: &mut dyn Host) {
        let about = self.nodes[ix.index()].subject();
        let message = "Starting kubelet.".to_owned();
        self.record(host, Source::Kubelet, &about, Severity::Normal, "Starting", message);
        for condition in [NodeCondition::MemoryPressure, NodeCondition::DiskPressure, NodeCondition::PidPressure] {
            self.tell_condition(ix, condition, host);
        }
        self.write_node_status(ix, host);
        self.nodes[ix.index()].status_written = host.now();
    }

    pub(super) fn pods_on(&self, node: NodeIx) -> Vec<PodIx> {
        self.pods.iter().filter(|(_, pod)| pod.node() == Some(node)).map(|(ix, _)| *ix).collect()
    }

    /// A kubelet that has just started looks at a pod.
    fn find_pod_again(&mut self, ix: PodIx, host: &mut dyn Host) {
        if let Some(pod) = self.pods.get_mut(&ix) {
            pod.kubelet.forget();
        }
        if self.is_tended(ix) {
            self.resume_pod(ix, host);
        }
    }

    /// All that the kubelet of a node was doing ends undone.
    fn halt_workers(&mut self, ix: NodeIx) {
        self.nodes[ix.index()].puller = super::kubelet::Puller::default();
        for pod in self.pods.values_mut().filter(|pod| pod.node() == Some(ix)) {
            pod.kubelet.halt();
        }
    }

    /// All processes of a node are gone, and with them the addresses of its pods.
    fn lose_processes(&mut self, ix: NodeIx, host: &mut dyn Host) {
        let is_here = |pod: &PodIx| self.pods.get(pod).is_some_and(|pod| pod.node() == Some(ix));
        let lost: Vec<_> = self.containers.iter().filter(|(_, (pod, _))| is_here(pod)).map(|(c, _)| *c).collect();
        for process in lost {
            self.containers.remove(&process);
            host.lose(process);
        }
        for pod in self.pods.values_mut().filter(|pod| pod.node() == Some(ix)) {
            pod.kubelet.lose(host.now());
            for process in pod.kubelet.containers.iter().filter_map(Container::newest_process) {
                host.remove_address(process);
            }
        }
        for orphan in std::mem::take(&mut self.nodes[ix.index()].orphans) {
            host.lose(orphan);
        }
    }

    /// The object of a pod is gone while nobody tends it: what runs goes on until its kubelet comes back.
    pub(super) fn orphan(&mut self, node: NodeIx, process: ContainerIx) {
        self.containers.remove(&process);
        self.nodes[node.index()].orphans.push(process);
    }
}
