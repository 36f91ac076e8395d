//! How a scenario's world differs from the manifests at its start.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::environment::Component;
use crate::manifest::{IntOrPercent, Strategy};
use crate::units::{Bytes, Millicores};

/// Changes to the application before it is applied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StartState {
    /// Deployments that are not there; their manifests are kept for `create deployment`.
    pub absent: Vec<Component>,
    /// Changes to Deployments: the premise under which a target is missed.
    pub premises: Vec<Premise>,
    /// The nodes on which the first pods of Deployments lie, in the order of their creation, if they fit there. Among
    /// nodes that score the same the scheduler chooses by chance; a world that is to be like a given cluster is not.
    pub placement: BTreeMap<Component, Vec<String>>,
}

/// What is different in one Deployment; what is not named stays as in its manifest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Premise {
    /// Which.
    pub component: Component,
    /// `spec.replicas`.
    #[serde(default)]
    pub replicas: Option<u32>,
    /// How pods of an old template are replaced.
    #[serde(default)]
    pub strategy: Option<PremiseStrategy>,
    /// Image with tag of the main container.
    #[serde(default)]
    pub image: Option<String>,
    /// CPU request of the main container.
    #[serde(default)]
    pub cpu_request: Option<Millicores>,
    /// CPU limit of the main container.
    #[serde(default)]
    pub cpu_limit: Option<Millicores>,
    /// Memory request of the main container.
    #[serde(default)]
    pub memory_request: Option<Bytes>,
    /// Memory limit of the main container.
    #[serde(default)]
    pub memory_limit: Option<Bytes>,
    /// Environment variables that are set beside those of the manifest.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// `spec.strategy.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PremiseStrategy {
    /// All old pods end before the first new one begins: a rollout is an outage, a bad one lasts.
    Recreate,
    /// Kubernetes' default: at most a quarter more, and a quarter fewer, than asked for.
    RollingUpdate,
}

impl PremiseStrategy {
    /// The Deployment's strategy.
    pub const fn strategy(self) -> Strategy {
        match self {
            Self::Recreate => Strategy::Recreate,
            Self::RollingUpdate => Strategy::RollingUpdate {
                max_surge: IntOrPercent::Percent(25),
                max_unavailable: IntOrPercent::Percent(25),
            },
        }
    }
}
