//! The closed set of typed actions: what an agent can ask of a world and of the episode.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Goal, Rejected};
use crate::time::SimDuration;
use crate::units::{Bytes, Millicores};

/// The name of a component under management: a Deployment.
pub type Component = String;

/// Everything that an agent can do with one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Look.
    Observe(Query),
    /// Change something in the world.
    Write(Write),
    /// Let time pass.
    Wait(SimDuration),
    /// Say what one now believes; it changes nothing in the world and stamps the time of detection.
    Declare(Declaration),
    /// Ask the agent of another component to do something, and wait for its report (mechanism *peers*).
    Ask(Assignment),
    /// Hand the task up to the group manager, and wait for its conclusion (mechanism *managed*).
    Raise {
        /// What could not be solved, in words.
        text: String,
    },
    /// End the task with a report.
    Report(Conclusion),
}

/// One task that an agent gives to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// Whose agent gets it.
    pub component: Component,
    /// In words.
    pub text: String,
    /// Typed.
    pub goal: Goal,
}

/// What a group manager can do with one step. There is no variant that touches the environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ManagerAction {
    /// Give tasks to several agents at once and wait for all their answers: one round.
    Delegate(Vec<Assignment>),
    /// Look at who calls whom.
    ReadGraph,
    /// Let time pass.
    Wait(SimDuration),
    /// Say what one now believes; it stamps the time of detection.
    Declare(Declaration),
    /// End the task with a report.
    Conclude(Conclusion),
}

/// A look at the world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Query {
    /// `kubectl get pods`, of one component or all.
    ListPods {
        /// Only this component's pods.
        component: Option<Component>,
    },
    /// `kubectl describe deployment` with its `ReplicaSets`, pods, autoscaler and events.
    Describe {
        /// Which.
        component: Component,
    },
    /// `kubectl logs`.
    Logs(LogQuery),
    /// `kubectl get events`, of one component or all.
    Events {
        /// Only events about this component's objects.
        component: Option<Component>,
    },
    /// `kubectl top pods`.
    ResourceUsage {
        /// Only this component's pods.
        component: Option<Component>,
    },
    /// `kubectl get/top nodes`.
    Nodes,
    /// A PromQL query.
    Metrics(MetricQuery),
    /// What a component calls and who calls it.
    Dependencies {
        /// Which.
        component: Component,
    },
    /// `kubectl get resourcequotas,poddisruptionbudgets,networkpolicies`.
    Policies,
    /// `kubectl rollout history`.
    RolloutHistory {
        /// Which.
        component: Component,
    },
}

/// `kubectl logs POD [--previous] [--tail N]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LogQuery {
    /// A pod's name, or a component's (then one of its pods).
    pub of: String,
    /// Of the container before the last restart.
    #[serde(default)]
    pub previous: bool,
    /// The last lines.
    pub tail: u32,
}

/// A PromQL query, instant or over a range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricQuery {
    /// The expression.
    pub promql: String,
    /// With it, a range query from this long ago until now.
    #[serde(default)]
    pub range: Option<SimDuration>,
    /// Step of a range query. Default 15 s.
    #[serde(default)]
    pub step: Option<SimDuration>,
}

/// A change to the world. Each means the same in the twin and on a live cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Write {
    /// `kubectl scale deployment`.
    Scale {
        /// Which.
        component: Component,
        /// To how many.
        replicas: u32,
    },
    /// `kubectl set resources deployment`.
    SetResources(ResourceChange),
    /// `kubectl set image deployment`.
    SetImage {
        /// Which.
        component: Component,
        /// Image with tag, for the component's main container.
        image: String,
    },
    /// `kubectl set env deployment`.
    SetEnv {
        /// Which.
        component: Component,
        /// Variable.
        name: String,
        /// Its value; none removes it.
        value: Option<String>,
    },
    /// `kubectl rollout restart deployment`.
    Restart {
        /// Which.
        component: Component,
    },
    /// `kubectl rollout undo deployment`.
    Rollback {
        /// Which.
        component: Component,
        /// To which revision; none is the one before.
        revision: Option<u64>,
    },
    /// Applies an autoscaling/v2 `HorizontalPodAutoscaler` on CPU.
    ApplyAutoscaler(AutoscalerSpec),
    /// `kubectl delete hpa`.
    DeleteAutoscaler {
        /// Which.
        component: Component,
    },
    /// Creates the component's Deployment from the manifest that the scenario holds for it.
    CreateDeployment {
        /// Which.
        component: Component,
    },
    /// `kubectl delete deployment`.
    DeleteDeployment {
        /// Which.
        component: Component,
    },
    /// `kubectl delete pod`.
    DeletePod {
        /// Its name.
        pod: String,
    },
    /// `kubectl apply` of an object of an allowed kind.
    Apply(AppliedObject),
    /// `kubectl delete` of an object of an allowed kind.
    Delete {
        /// Its kind.
        kind: DeletableKind,
        /// Its name.
        name: String,
    },
    /// `kubectl cordon`: no more pods come to a node.
    Cordon {
        /// Which.
        node: String,
    },
    /// `kubectl uncordon`.
    Uncordon {
        /// Which.
        node: String,
    },
    /// One round of `kubectl drain --ignore-daemonsets --delete-emptydir-data`: the node is cordoned, and its pods are
    /// evicted as far as their disruption budgets allow. The answer names those that stay; kubectl itself would ask for
    /// them again every five seconds.
    Drain {
        /// Which.
        node: String,
    },
}

/// A kind of object that agents may delete by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletableKind {
    /// `v1`.
    ResourceQuota,
    /// `policy/v1`.
    PodDisruptionBudget,
    /// `networking.k8s.io/v1`.
    NetworkPolicy,
}

impl DeletableKind {
    /// As manifests name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ResourceQuota => "ResourceQuota",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::NetworkPolicy => "NetworkPolicy",
        }
    }

    /// As kubectl names it in answers.
    pub const fn resource(self) -> &'static str {
        match self {
            Self::ResourceQuota => "resourcequota",
            Self::PodDisruptionBudget => "poddisruptionbudget.policy",
            Self::NetworkPolicy => "networkpolicy.networking.k8s.io",
        }
    }
}

impl Write {
    /// The component that it changes; none for a pod, an object or a node by name, or a whole manifest.
    pub fn component(&self) -> Option<&str> {
        match self {
            Self::Scale { component, .. }
            | Self::SetImage { component, .. }
            | Self::SetEnv { component, .. }
            | Self::Restart { component }
            | Self::Rollback { component, .. }
            | Self::DeleteAutoscaler { component }
            | Self::CreateDeployment { component }
            | Self::DeleteDeployment { component } => Some(component),
            Self::SetResources(change) => Some(&change.component),
            Self::ApplyAutoscaler(spec) => Some(&spec.component),
            Self::DeletePod { .. }
            | Self::Apply(_)
            | Self::Delete { .. }
            | Self::Cordon { .. }
            | Self::Uncordon { .. }
            | Self::Drain { .. } => None,
        }
    }

    /// What the name of the pod begins with, where a list of actions cannot know the rest, which chance makes:
    /// `catalogue-*` is the first pod whose name begins with `catalogue-`.
    pub fn pod_prefix(&self) -> Option<&str> {
        match self {
            Self::DeletePod { pod } => pod.strip_suffix('*'),
            _ => None,
        }
    }
}

/// A change of requests and limits; what is not named stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResourceChange {
    /// Which.
    pub component: Component,
    /// CPU request.
    #[serde(default)]
    pub cpu_request: Option<Millicores>,
    /// CPU limit.
    #[serde(default)]
    pub cpu_limit: Option<Millicores>,
    /// Memory request.
    #[serde(default)]
    pub memory_request: Option<Bytes>,
    /// Memory limit.
    #[serde(default)]
    pub memory_limit: Option<Bytes>,
}

impl ResourceChange {
    /// Checks that it changes something.
    ///
    /// # Errors
    /// It does not, in `kubectl`'s words.
    pub fn check(&self) -> Result<(), Rejected> {
        if self.cpu_request.or(self.cpu_limit).is_none() && self.memory_request.or(self.memory_limit).is_none() {
            let message = "you must specify an update to requests or limits (in the form of --requests/--limits)";
            return Err(Rejected(message.to_owned()));
        }
        Ok(())
    }
}

/// A `HorizontalPodAutoscaler` on CPU utilisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AutoscalerSpec {
    /// Which Deployment it scales.
    pub component: Component,
    /// Fewest replicas.
    pub min_replicas: u32,
    /// Most replicas.
    pub max_replicas: u32,
    /// Target utilisation in per cent of the CPU request.
    pub cpu_percent: u32,
}

/// A manifest to apply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AppliedObject {
    /// YAML of one object of kind Service, `HorizontalPodAutoscaler`, `NetworkPolicy`, `ResourceQuota` or
    /// `PodDisruptionBudget`.
    pub manifest: String,
}

/// What an agent now believes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Declaration {
    /// Whether all objectives hold.
    pub healthy: bool,
    /// Where the cause is, or was.
    #[serde(default)]
    pub component: Option<Component>,
    /// The kind of cause, a word of the scenario's catalogue of kinds, such as `cpu-stress`.
    #[serde(default)]
    pub kind: Option<String>,
}

/// The structured report that ends a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Conclusion {
    /// Whether all objectives hold now.
    pub healthy: bool,
    /// Names of the objectives that were found violated, such as `latency`.
    #[serde(default)]
    pub violated: Vec<String>,
    /// Where the cause was.
    #[serde(default)]
    pub root_cause_component: Option<Component>,
    /// Its kind.
    #[serde(default)]
    pub root_cause_kind: Option<String>,
    /// Values that the task asked for, by name, in base units (cores, seconds, bytes).
    #[serde(default)]
    pub values: BTreeMap<String, f64>,
    /// What was done, in words.
    #[serde(default)]
    pub actions_taken: String,
    /// Whether it worked.
    #[serde(default)]
    pub mitigated: Option<bool>,
}
