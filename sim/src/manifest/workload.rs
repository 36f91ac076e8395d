//! Deployments and the pods that they describe.

use std::fmt;

use serde::Serialize;

use super::config::{ConfigReference, EnvFrom};
use super::meta::{LabelSelector, Labels, ObjectMeta};
use crate::time::SimDuration;
use crate::units::{Bytes, Millicores};

/// A Deployment (`apps/v1`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Name, namespace, labels and annotations.
    pub meta: ObjectMeta,
    /// How many pods there should be.
    pub replicas: u32,
    /// Which pods are its own; it selects the template's labels.
    pub selector: LabelSelector,
    /// What a pod is made from.
    pub template: PodTemplate,
    /// How pods of an old template are replaced.
    pub strategy: Strategy,
    /// How long a pod must be ready before it counts as available.
    pub min_ready: SimDuration,
    /// How many old `ReplicaSets` are kept for undo.
    pub revision_history_limit: u32,
    /// How long a rollout may show no progress before its condition says so.
    pub progress_deadline: SimDuration,
    /// Whether template changes wait.
    pub paused: bool,
}

impl Deployment {
    /// The position of the container that the image and the resources of the component mean: the one that is called as
    /// the Deployment, or else the first.
    pub fn main_container(&self) -> usize {
        self.template.containers.iter().position(|c| c.name == self.meta.name).unwrap_or(0)
    }
}

/// How a Deployment replaces pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Strategy {
    /// All old pods end before the first new one begins.
    Recreate,
    /// Some at a time.
    #[serde(rename_all = "camelCase")]
    RollingUpdate {
        /// Pods above the wanted number; a share is rounded up.
        max_surge: IntOrPercent,
        /// Pods below the wanted number; a share is rounded down.
        max_unavailable: IntOrPercent,
    },
}

/// A number of pods, or a share of the wanted number in per cent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum IntOrPercent {
    /// So many.
    Int(u32),
    /// So many of a hundred.
    Percent(u32),
}

impl IntOrPercent {
    /// Of `total`, a fraction rounded up.
    pub fn of_rounded_up(self, total: u32) -> u32 {
        match self {
            Self::Int(n) => n,
            Self::Percent(p) => (u64::from(p) * u64::from(total)).div_ceil(100) as u32,
        }
    }

    /// Of `total`, a fraction rounded down.
    pub fn of_rounded_down(self, total: u32) -> u32 {
        match self {
            Self::Int(n) => n,
            Self::Percent(p) => (u64::from(p) * u64::from(total) / 100) as u32,
        }
    }
}

/// As in a manifest: `1`, `25%`.
impl fmt::Display for IntOrPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(n) => write!(f, "{n}"),
            Self::Percent(p) => write!(f, "{p}%"),
        }
    }
}

/// What a pod is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodTemplate {
    /// What selectors look at.
    pub labels: Labels,
    /// Such as `kubectl.kubernetes.io/restartedAt`, which a restart sets.
    pub annotations: Labels,
    /// At least one.
    pub containers: Vec<Container>,
    /// Labels that a node must have.
    pub node_selector: Labels,
    /// From SIGTERM to SIGKILL.
    pub termination_grace: SimDuration,
    /// Taints of nodes that it puts up with, as written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
}

/// A taint that a pod puts up with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Toleration {
    /// Of taints with this key; none is any.
    pub key: Option<String>,
    /// Of taints with this value; none is any.
    pub value: Option<String>,
    /// Of taints with this effect; none is any.
    pub effect: Option<TaintEffect>,
    /// For how long, before it is evicted; none is for good.
    pub seconds: Option<u64>,
}

/// What a taint of a node does to pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum TaintEffect {
    /// None comes.
    NoSchedule,
    /// None comes, if another node will do.
    PreferNoSchedule,
    /// None comes, and those that are there go.
    NoExecute,
}

impl Toleration {
    /// Whether it is about a taint without a value (`Toleration.ToleratesTaint`).
    pub fn covers(&self, key: &str, effect: TaintEffect) -> bool {
        self.effect.is_none_or(|own| own == effect)
            && self.key.as_ref().is_none_or(|own| own == key)
            && self.value.as_ref().is_none_or(String::is_empty)
    }
}

impl TaintEffect {
    /// As the API names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Unique in the pod.
    pub name: String,
    /// Such as `weaveworksdemos/carts:0.4.8`, as written.
    pub image: String,
    /// When the image is fetched.
    pub image_pull_policy: ImagePullPolicy,
    /// The program, if it is not the image's own.
    pub command: Vec<String>,
    /// Its arguments.
    pub args: Vec<String>,
    /// Environment, in the order written.
    pub env: Vec<EnvVar>,
    /// What gives it more variables, in the order written. One under `env` takes the place of one of its name here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<EnvFrom>,
    /// Ports it listens on, as declared.
    pub ports: Vec<ContainerPort>,
    /// What it asks for and what it may use at most.
    pub resources: ResourceRequirements,
    /// Restarts the container when it fails.
    pub liveness_probe: Option<Probe>,
    /// Takes the pod out of its Services while it fails.
    pub readiness_probe: Option<Probe>,
    /// Holds the other two back until it succeeds.
    pub startup_probe: Option<Probe>,
}

/// When the kubelet fetches an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ImagePullPolicy {
    /// For every start; the default for the tag `latest` and for no tag.
    Always,
    /// Unless the node has it; the default for other tags.
    IfNotPresent,
    /// Not at all.
    Never,
}

/// An environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: EnvValue,
}

/// Where an environment variable has its value from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum EnvValue {
    /// Written in the template.
    Text(String),
    /// That of a key: the twin knows whether there is one, and not its value.
    Key(ConfigReference),
    /// A field of the pod or a resource of the container, such as `status.podIP`: the twin does not resolve it.
    From(String),
}

impl Container {
    /// What its environment takes from other objects, in the order in which the kubelet looks it up.
    pub fn references(&self) -> impl Iterator<Item = &ConfigReference> {
        let keys = self.env.iter().filter_map(|variable| match &variable.value {
            EnvValue::Key(reference) => Some(reference),
            EnvValue::Text(_) | EnvValue::From(_) => None,
        });
        self.env_from.iter().map(|from| &from.source).chain(keys)
    }

    /// Sets a variable of its environment, in the place of the one of the same name, or removes it.
    pub fn set_env(&mut self, name: &str, value: Option<&str>) {
        let known = self.env.iter().position(|variable| variable.name == name);
        match (known, value) {
            (Some(at), Some(value)) => self.env[at].value = EnvValue::Text(value.to_owned()),
            (None, Some(value)) => {
                self.env.push(EnvVar { name: name.to_owned(), value: EnvValue::Text(value.to_owned()) });
            }
            (Some(at), None) => {
                self.env.remove(at);
            }
            (None, None) => {}
        }
    }
}

/// A port that a container listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPort {
    /// What a Service's `targetPort` may call it.
    pub name: Option<String>,
    /// Its number.
    pub port: u16,
    /// TCP as a rule.
    pub protocol: Protocol,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// The default, and all that the twin sends.
    #[default]
    Tcp,
    /// Carried along only.
    Udp,
    /// Carried along only.
    Sctp,
}

/// What a container asks for and what it may use at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceRequirements {
    /// What the scheduler reserves; CPU shares follow it.
    pub requests: ResourceList,
    /// The CPU quota and the memory at which the container is killed.
    pub limits: ResourceList,
}

/// Amounts of the resources that the twin knows; `None` is no request, or no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceList {
    /// Processor.
    pub cpu: Option<Millicores>,
    /// Memory.
    pub memory: Option<Bytes>,
}

/// A check that the kubelet makes on a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// What is tried.
    pub action: ProbeAction,
    /// From the start of the container to the first try.
    pub initial_delay: SimDuration,
    /// Between tries.
    pub period: SimDuration,
    /// How long an answer may take.
    pub timeout: SimDuration,
    /// Successes in a row after which a failed probe has succeeded.
    pub success_threshold: u32,
    /// Failures in a row after which it has failed.
    pub failure_threshold: u32,
}

/// What a probe tries. Named ports are resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ProbeAction {
    /// A GET whose answer has a status from 200 to 399.
    HttpGet {
        /// The path, with its query.
        path: String,
        /// The port.
        port: u16,
    },
    /// A connection.
    TcpSocket {
        /// The port.
        port: u16,
    },
    /// A command in the container that exits with 0.
    Exec {
        /// The command and its arguments.
        command: Vec<String>,
    },
    /// A gRPC health check.
    Grpc {
        /// The port.
        port: u16,
    },
}

/// The tag of an image reference: `None` without tag, or with a digest. A colon before the last slash
/// belongs to the registry's port.
pub fn image_tag(image: &str) -> Option<&str> {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains('@') {
        return None;
    }
    name.split_once(':').map(|(_, tag)| tag)
}

impl ImagePullPolicy {
    /// What holds when a manifest says nothing (`pkg/apis/core/v1/defaults.go`,
    /// `SetDefaults_Container`).
    pub fn default_for(image: &str) -> Self {
        match image_tag(image) {
            None if image.contains('@') => Self::IfNotPresent,
            None | Some("latest") => Self::Always,
            Some(_) => Self::IfNotPresent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_round_as_the_deployment_controller_does() {
        let quarter = IntOrPercent::Percent(25);
        for (replicas, surge, unavailable) in [(1, 1, 0), (3, 1, 0), (4, 1, 1), (10, 3, 2)] {
            assert_eq!(quarter.of_rounded_up(replicas), surge);
            assert_eq!(quarter.of_rounded_down(replicas), unavailable);
        }
        assert_eq!(IntOrPercent::Int(2).of_rounded_up(1), 2);
        assert_eq!(quarter.to_string(), "25%");
    }

    #[test]
    fn tags_are_found_behind_registries_with_ports() {
        for (image, tag, policy) in [
            ("mongo", None, ImagePullPolicy::Always),
            ("redis:alpine", Some("alpine"), ImagePullPolicy::IfNotPresent),
            ("localhost:5000/carts", None, ImagePullPolicy::Always),
            ("localhost:5000/carts:0.4.8", Some("0.4.8"), ImagePullPolicy::IfNotPresent),
            ("carts:latest", Some("latest"), ImagePullPolicy::Always),
            ("carts@sha256:00", None, ImagePullPolicy::IfNotPresent),
        ] {
            assert_eq!(image_tag(image), tag, "{image}");
            assert_eq!(ImagePullPolicy::default_for(image), policy, "{image}");
        }
    }
}
