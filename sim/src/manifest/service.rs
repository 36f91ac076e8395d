//! Services: a name and a port for a changing set of pods.

use serde::Serialize;

use super::meta::{Labels, ObjectMeta};
use super::workload::Protocol;

/// A Service (`v1`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Name, namespace, labels and annotations.
    pub meta: ObjectMeta,
    /// Labels of the pods behind it; without any it has no endpoints.
    pub selector: Labels,
    /// At least one, except for `ExternalName` and headless Services.
    pub ports: Vec<ServicePort>,
    /// Who can reach it.
    pub service_type: ServiceType,
    /// `clusterIP: None`: the name resolves to the pods themselves.
    pub headless: bool,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    /// Needed when there are several.
    pub name: Option<String>,
    /// What clients connect to.
    pub port: u16,
    /// Where it leads to in each pod.
    pub target_port: PortRef,
    /// On each node, for `NodePort` and `LoadBalancer`, if chosen by hand.
    pub node_port: Option<u16>,
    /// TCP as a rule.
    pub protocol: Protocol,
}

/// A port of a pod by number, or by the name that a container gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PortRef {
    /// Any number: a pod may listen on ports that it does not declare.
    Number(u16),
    /// A `ports[].name` of one of the pod's containers.
    Name(String),
}

/// Who can reach a Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum ServiceType {
    /// Pods.
    #[default]
    ClusterIP,
    /// And everybody who reaches a node.
    NodePort,
    /// And everybody.
    LoadBalancer,
    /// A DNS alias to somewhere outside: nothing in the twin answers there.
    ExternalName,
}
