//! What a world answers to a query: typed, with names and numbers that a real cluster would show.
//! The text that a model reads is rendered from these in one place, in the crate `agents`.

use serde::{Deserialize, Serialize};

use super::DeletableKind;
use crate::time::{SimDuration, SimTime};
use crate::units::{Bytes, Millicores};

/// An answer to a [`super::Query`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// `kubectl get pods`.
    Pods(Vec<PodView>),
    /// `kubectl describe deployment`.
    Description(Box<Description>),
    /// `kubectl logs`.
    Logs {
        /// The pod.
        pod: String,
        /// Lines, oldest first.
        lines: Vec<String>,
    },
    /// `kubectl get events`, oldest first.
    Events(Vec<EventView>),
    /// `kubectl top pods`.
    Usage(Vec<Usage>),
    /// Nodes and what is left of them.
    Nodes(Vec<NodeView>),
    /// A PromQL answer in the JSON of Prometheus' HTTP API (its `data`).
    Metrics(serde_json::Value),
    /// Edges of the service graph.
    Dependencies(Dependencies),
    /// Quotas, disruption budgets and network policies.
    Policies(Vec<PolicyView>),
    /// `kubectl rollout history`, oldest first.
    RolloutHistory(Vec<ReplicaSetView>),
}

/// An object that holds others back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyView {
    /// Its kind.
    pub kind: DeletableKind,
    /// Its name.
    pub name: String,
    /// What it says, such as `pods: 14/13`.
    pub says: String,
}

/// One pod as `kubectl get pods -o wide` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// The Deployment it belongs to.
    pub component: String,
    /// The STATUS column: `Running`, `Pending`, `ContainerCreating`, `ErrImagePull`, `CrashLoopBackOff`, `Terminating`, ….
    pub status: String,
    /// Ready containers.
    pub ready: u32,
    /// Containers.
    pub containers: u32,
    /// Restarts of all its containers.
    pub restarts: u32,
    /// Time since it was created.
    pub age: SimDuration,
    /// The node, once bound.
    pub node: Option<String>,
    /// Its address, once running.
    pub ip: Option<String>,
}

/// One container of a pod as `kubectl describe pod` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerView {
    /// Its name.
    pub name: String,
    /// Image with tag, as it runs.
    pub image: String,
    /// `Running`, `Waiting (CrashLoopBackOff)`, `Terminated (OOMKilled)`, ….
    pub state: String,
    /// How the one before it ended, such as `Terminated (Error, exit code 137)`.
    pub last_state: Option<String>,
    /// Whether it is ready.
    pub ready: bool,
    /// Restarts.
    pub restarts: u32,
}

/// `kubectl describe deployment` and what belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The Deployment itself.
    pub deployment: DeploymentView,
    /// Its `ReplicaSets` with pods or history, newest first.
    pub replica_sets: Vec<ReplicaSetView>,
    /// Its pods.
    pub pods: Vec<PodView>,
    /// Their containers, by pod, in the order of `pods`.
    pub containers: Vec<Vec<ContainerView>>,
    /// The Service that selects its pods, or else the one of its name, if there is one.
    pub service: Option<ServiceView>,
    /// Its autoscaler, if it has one.
    pub autoscaler: Option<AutoscalerView>,
    /// Recent events about all of them, oldest first.
    pub events: Vec<EventView>,
}

/// A Deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeploymentView {
    /// Its name.
    pub name: String,
    /// `spec.replicas`.
    pub replicas: u32,
    /// Pods of the newest template.
    pub updated: u32,
    /// Ready pods.
    pub ready: u32,
    /// Available pods.
    pub available: u32,
    /// Image of the main container.
    pub image: String,
    /// Requests and limits of the main container.
    pub cpu_request: Option<Millicores>,
    /// CPU limit of the main container.
    pub cpu_limit: Option<Millicores>,
    /// Memory request of the main container.
    pub memory_request: Option<Bytes>,
    /// Memory limit of the main container.
    pub memory_limit: Option<Bytes>,
    /// Command of the main container, if it is not its image's own.
    #[serde(default)]
    pub command: Vec<String>,
    /// Arguments of the main container.
    #[serde(default)]
    pub args: Vec<String>,
    /// Environment of the main container.
    pub env: Vec<(String, String)>,
    /// What gives the main container more variables, each as one line as `kubectl describe` prints it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<String>,
    /// Labels of the pod template as `key=value`: what a Service has to select.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Ports of the main container, as declared.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// Probes of the main container, each as one line as `kubectl describe` prints it.
    pub probes: Vec<String>,
    /// Conditions: type, status, reason.
    pub conditions: Vec<(String, String, String)>,
    /// `deployment.kubernetes.io/revision`.
    pub revision: u64,
    /// `RollingUpdate` parameters as kubectl prints them, such as `25% max unavailable, 25% max surge`.
    pub strategy: String,
}

/// A `ReplicaSet`: one revision of a Deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplicaSetView {
    /// Its name.
    pub name: String,
    /// Its revision.
    pub revision: u64,
    /// Image of the main container.
    pub image: String,
    /// `spec.replicas`.
    pub replicas: u32,
    /// Pods that exist.
    pub current: u32,
    /// Ready pods.
    pub ready: u32,
    /// `kubernetes.io/change-cause`, or what the template changed.
    pub change: String,
}

/// A Service and where it leads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceView {
    /// Its name.
    pub name: String,
    /// Its namespace.
    #[serde(default)]
    pub namespace: String,
    /// Its labels as `key=value`.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Its annotations as `key=value`.
    #[serde(default)]
    pub annotations: Vec<String>,
    /// Selector as `key=value`.
    pub selector: Vec<String>,
    /// Port and target port.
    pub ports: Vec<String>,
    /// Addresses of ready pods.
    pub endpoints: Vec<String>,
}

/// A `HorizontalPodAutoscaler`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutoscalerView {
    /// Its name.
    pub name: String,
    /// Fewest replicas.
    pub min_replicas: u32,
    /// Most replicas.
    pub max_replicas: u32,
    /// Measured utilisation in per cent of the request, if known.
    pub current_percent: Option<u32>,
    /// Target utilisation in per cent of the request.
    pub target_percent: u32,
    /// What it wants now.
    pub desired_replicas: u32,
    /// Conditions: type, status, reason.
    pub conditions: Vec<(String, String, String)>,
}

/// One Kubernetes Event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventView {
    /// When it was last seen.
    pub last_seen: SimTime,
    /// How many times.
    pub count: u32,
    /// `Normal` or `Warning`.
    pub severity: String,
    /// Its reason, such as `BackOff`.
    pub reason: String,
    /// About what, such as `pod/catalogue-7d4b9c-x2x4z`.
    pub object: String,
    /// The component it belongs to, if any.
    pub component: Option<String>,
    /// The message.
    pub message: String,
}

/// One pod's usage as `kubectl top pods` shows it (a metrics-server sample), with its limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// The pod.
    pub pod: String,
    /// Its component.
    pub component: String,
    /// CPU used.
    pub cpu: Millicores,
    /// Memory used (working set).
    pub memory: Bytes,
    /// CPU request, if set.
    pub cpu_request: Option<Millicores>,
    /// CPU limit, if set.
    pub cpu_limit: Option<Millicores>,
    /// Memory limit, if set.
    pub memory_limit: Option<Bytes>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Its `Ready` condition.
    pub ready: bool,
    /// Whether it is cordoned: no more pods come.
    #[serde(default)]
    pub unschedulable: bool,
    /// Of what it is short: those of its other conditions that hold, such as `MemoryPressure`.
    #[serde(default)]
    pub pressure: Vec<String>,
    /// What pods can use.
    pub allocatable_cpu: Millicores,
    /// Memory that pods can use.
    pub allocatable_memory: Bytes,
    /// Sum of requests.
    pub requested_cpu: Millicores,
    /// Sum of memory requests.
    pub requested_memory: Bytes,
    /// Measured use, if known.
    pub cpu: Option<Millicores>,
    /// Measured memory use, if known.
    pub memory: Option<Bytes>,
}

/// Who calls a component and whom it calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dependencies {
    /// The component.
    pub component: String,
    /// Whom it calls.
    pub calls: Vec<String>,
    /// Who calls it.
    pub called_by: Vec<String>,
}
