//! Kubernetes objects as one would `kubectl apply` them.
//!
//! The types are the objects as the twin uses them: defaults are filled in, quantities are
//! numbers, and what has no effect in the twin is gone. They are plain data that the control plane
//! keeps and changes at run time.

mod autoscaler;
mod config;
mod meta;
mod service;
mod workload;

use serde::Serialize;

pub use autoscaler::{
    Behavior, HorizontalPodAutoscaler, MetricTarget, ScaleTarget, ScalingPolicy, ScalingPolicyKind, ScalingRules,
    SelectPolicy,
};
pub use config::{ConfigMap, Secret};
pub use meta::{LabelSelector, Labels, Namespace, ObjectMeta, Requirement, SelectorOperator, is_subset};
pub use service::{PortRef, Service, ServicePort, ServiceType};
pub use workload::{
    Container, ContainerPort, Deployment, EnvValue, EnvVar, ImagePullPolicy, IntOrPercent, PodTemplate, Probe,
    ProbeAction, Protocol, ResourceList, ResourceRequirements, Strategy, image_tag,
};

/// The objects of an application, each kind in the order of namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectSet {
    /// Namespaces that are declared; `default` always exists.
    pub namespaces: Vec<Namespace>,
    /// What runs.
    pub deployments: Vec<Deployment>,
    /// How it is reached.
    pub services: Vec<Service>,
    /// What scales it.
    pub autoscalers: Vec<HorizontalPodAutoscaler>,
    /// Configuration.
    pub config_maps: Vec<ConfigMap>,
    /// Configuration whose values are hidden.
    pub secrets: Vec<Secret>,
}
