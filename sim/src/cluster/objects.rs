//! The objects that the API server stores, with their status.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::chance::Key;
use crate::ids::{DeploymentIx, KubeServiceIx, NodeIx, PodIx, ReplicaSetIx};
use crate::manifest::{self, Labels, PodTemplate, Strategy};
use crate::time::{SimDuration, SimTime};
use crate::units::{Bytes, Millicores};

use super::kubelet;
use super::recorder::Subject;

/// A condition of a Deployment, an autoscaler or a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    /// Its type, such as `Available`.
    pub(super) kind: &'static str,
    /// `True`, `False` or `Unknown`.
    pub(super) status: &'static str,
    /// Such as `MinimumReplicasAvailable`.
    pub(super) reason: &'static str,
    /// For people.
    pub(super) message: String,
    /// When it was last written.
    pub(super) updated: SimTime,
}

/// Writes a condition, in place of the one of its type.
pub(super) fn set_condition(conditions: &mut Vec<Condition>, condition: Condition) {
    match conditions.iter_mut().find(|c| c.kind == condition.kind) {
        Some(old) => *old = condition,
        None => conditions.push(condition),
    }
}

/// `True` or `False`.
pub(super) fn status(holds: bool) -> &'static str {
    if holds { "True" } else { "False" }
}

/// A Deployment.
#[derive(Clone, Debug)]
pub(super) struct Deployment {
    /// What is wanted.
    pub(super) spec: manifest::Deployment,
    /// How often that has changed (`metadata.generation`).
    pub(super) generation: u64,
    /// `deployment.kubernetes.io/revision`.
    pub(super) revision: u64,
    /// What was last seen of its pods.
    pub(super) status: DeploymentStatus,
    pub(super) conditions: Vec<Condition>,
}

/// Numbers of a Deployment's pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DeploymentStatus {
    /// All that are not terminating.
    pub(super) replicas: u32,
    /// Those of the newest template.
    pub(super) updated: u32,
    pub(super) ready: u32,
    pub(super) available: u32,
    /// How many of those that its `ReplicaSet`s want are not available.
    pub(super) unavailable: u32,
    /// The generation that the controller has acted upon (`observedGeneration`).
    pub(super) observed: u64,
}

/// What its controller writes of a Deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeploymentReport {
    pub(super) revision: u64,
    pub(super) status: DeploymentStatus,
    pub(super) conditions: Vec<Condition>,
}

impl Deployment {
    pub(super) fn name(&self) -> &str {
        &self.spec.meta.name
    }

    /// Pods above and below the wanted number that a rollout may have
    /// (`ResolveFenceposts`: surge rounds up, unavailable down; both zero would never move).
    pub(super) fn fenceposts(&self) -> (u32, u32) {
        let Strategy::RollingUpdate { max_surge, max_unavailable } = self.spec.strategy else {
            return (0, 0);
        };
        let wanted = self.spec.replicas;
        let surge = max_surge.of_rounded_up(wanted);
        let unavailable = max_unavailable.of_rounded_down(wanted);
        let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
        (surge, unavailable.min(wanted))
    }

    /// Whether a status says that all pods are of the newest template, and available (`DeploymentComplete`).
    pub(super) fn is_complete(&self, status: DeploymentStatus) -> bool {
        let wanted = self.spec.replicas;
        [status.updated, status.replicas, status.available] == [wanted; 3] && status.observed >= self.generation
    }

    /// The most pods that it may have.
    pub(super) fn max_replicas(&self) -> u32 {
        self.spec.replicas.saturating_add(self.fenceposts().0)
    }

    pub(super) fn subject(&self) -> Subject {
        Subject { object: format!("deployment/{}", self.name()), component: Some(self.name().to_owned()) }
    }
}

/// A `ReplicaSet`: a revision of a Deployment.
#[derive(Clone, Debug)]
pub(super) struct ReplicaSet {
    pub(super) name: String,
    pub(super) deployment: DeploymentIx,
    pub(super) component: String,
    pub(super) template: Arc<PodTemplate>,
    /// `pod-template-hash`.
    pub(super) hash: String,
    /// `spec.replicas`.
    pub(super) replicas: u32,
    /// How often that has changed (`metadata.generation`).
    pub(super) generation: u64,
    pub(super) revision: u64,
    /// The Deployment's size when this was last scaled (`deployment.kubernetes.io/desired-replicas`).
    pub(super) desired_replicas: u32,
    /// That with the surge of then (`deployment.kubernetes.io/max-replicas`).
    pub(super) max_replicas: u32,
    /// The ordinal of the next pod.
    pub(super) pods_created: u64,
    /// Its pods, terminating ones included.
    pub(super) pods: BTreeSet<PodIx>,
    /// What its controller last wrote of them, which is all that the Deployment controller looks at.
    pub(super) status: ReplicaSetStatus,
    /// Why pods could not be created.
    pub(super) failure: Option<Failure>,
}

/// Creations that were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// What the API server said the first time.
    pub(super) message: String,
    /// How many syncs failed in a row.
    pub(super) count: u32,
    /// When it is tried again.
    pub(super) retry: SimTime,
}

/// Numbers of a `ReplicaSet`'s pods that are not terminating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ReplicaSetStatus {
    pub(super) replicas: u32,
    pub(super) ready: u32,
    pub(super) available: u32,
    /// Its condition `ReplicaFailure`.
    pub(super) fails: bool,
    /// The generation that the controller has acted upon (`observedGeneration`).
    pub(super) observed: u64,
}

impl ReplicaSet {
    pub(super) fn subject(&self) -> Subject {
        Subject { object: format!("replicaset/{}", self.name), component: Some(self.component.clone()) }
    }
}

/// `status.phase` of a pod. Containers of a Deployment's pods are always restarted, so that a pod succeeds or fails
/// only by its own end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Pending,
    Running,
    Succeeded,
    Failed,
}

/// A pod.
#[derive(Clone, Debug)]
pub(super) struct Pod {
    pub(super) name: String,
    pub(super) namespace: String,
    /// The Deployment it was made for.
    pub(super) component: String,
    pub(super) owner: ReplicaSetIx,
    pub(super) template: Arc<PodTemplate>,
    /// The template's and `pod-template-hash`.
    pub(super) labels: Labels,
    /// Images by container before a patch replaced them: Chaos Mesh keeps them in an annotation.
    pub(super) patched_images: Option<Vec<String>>,
    pub(super) uid: String,
    /// All its chance.
    pub(super) key: Key,
    pub(super) created: SimTime,
    /// When its deletion was asked for.
    pub(super) deleted: Option<SimTime>,
    /// From SIGTERM to SIGKILL when it is deleted (`deletionGracePeriodSeconds`).
    pub(super) grace: SimDuration,
    /// Where it was bound to, and when.
    pub(super) bound: Option<(NodeIx, SimTime)>,
    pub(super) address: Option<Address>,
    /// `status.startTime`: when its kubelet first saw it.
    pub(super) started: Option<SimTime>,
    pub(super) phase: Phase,
    /// Whether its sandbox is up, as last written (`PodReadyToStartContainers`).
    pub(super) has_sandbox: bool,
    /// Its condition `Ready`: all containers are, as its kubelet last wrote, and its node was not given up since.
    pub(super) ready: bool,
    /// When `ready` last changed (`lastTransitionTime`), in whole seconds.
    pub(super) ready_since: SimTime,
    /// Why the scheduler could not place it.
    pub(super) unschedulable: Option<String>,
    /// When it is evicted for a taint of its node, unless the taint goes.
    pub(super) eviction: Option<SimTime>,
    /// Why it is ended from outside: the reason of its condition `DisruptionTarget`.
    pub(super) disruption: Option<&'static str>,
    /// Why its kubelet has ended it for good, or will have when its containers are over.
    pub(super) failed: Option<Failed>,
    /// What the kubelet knows and does, and what it shows of the containers.
    pub(super) kubelet: kubelet::PodWorker,
}

/// `status.reason` and `status.message` of a pod that its kubelet has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// An IP address in a node's range of pod addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Address {
    node: NodeIx,
    host: u32,
}

impl Address {
    /// The address number `host` of a node.
    pub(super) fn new(node: NodeIx, host: u32) -> Self {
        Self { node, host }
    }
}

/// `10.244.NODE.HOST`, as flannel and kind lay pods out; the bridge itself is `.1`.
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = self.host + 2;
        write!(f, "10.{}.{}.{}", 244 + host / 254, self.node.0, host % 254 + u32::from(host >= 254))
    }
}

impl Pod {
    pub(super) fn subject(&self) -> Subject {
        Subject { object: format!("pod/{}", self.name), component: Some(self.component.clone()) }
    }

    /// Whether it counts towards its `ReplicaSet`'s replicas (`IsPodActive`).
    pub(super) fn is_active(&self) -> bool {
        self.deleted.is_none() && !self.is_over()
    }

    /// Whether it has ended for good: it takes nothing of its node any more.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }

    /// Whether it has been ready long enough.
    pub(super) fn is_available(&self, now: SimTime, min_ready: SimDuration) -> bool {
        self.ready && now.since(self.ready_since) >= min_ready
    }

    pub(super) fn node(&self) -> Option<NodeIx> {
        self.bound.map(|(node, _)| node)
    }

    /// What the scheduler reserves for it.
    pub(super) fn requests(&self) -> Requests {
        Requests::of(&self.template)
    }
}

/// Sums of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Requests {
    pub(super) cpu: Millicores,
    pub(super) memory: Bytes,
}

impl Requests {
    /// Of a pod of this template. A limit without a request is a request
    /// (`pkg/apis/core/v1/defaults.go`, `SetDefaults_Pod`).
    pub(super) fn of(template: &PodTemplate) -> Self {
        let each = |c: &manifest::Container| {
            let r = &c.resources;
            (
                r.requests.cpu.or(r.limits.cpu).unwrap_or_default(),
                r.requests.memory.or(r.limits.memory).unwrap_or_default(),
            )
        };
        template
            .containers
            .iter()
            .map(each)
            .fold(Self::default(), |sum, (cpu, memory)| Self { cpu: sum.cpu + cpu, memory: sum.memory + memory })
    }
}

/// A Service and its endpoints.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) spec: manifest::Service,
    /// Its number in the data plane; none if it came later, where nothing calls it.
    pub(super) index: Option<KubeServiceIx>,
    /// The pods that it selects, in the order of their creation.
    pub(super) endpoints: Vec<Endpoint>,
}

/// One address of an `EndpointSlice`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) pod: PodIx,
    pub(super) address: Address,
    /// Whether it answers its readiness probe.
    pub(super) serving: bool,
    pub(super) terminating: bool,
}

impl Endpoint {
    pub(super) fn is_ready(self) -> bool {
        self.serving && !self.terminating
    }
}
