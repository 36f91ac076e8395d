//! Services as a manifest may say them.

use std::collections::BTreeSet;

use super::names::{NameKind, check_labels, check_name, meta};
use super::pod::{ProtocolName, port_number, port_ref};
use super::schema::{Findings, IntOrString, Metadata, schema};
use crate::manifest::meta::Labels;
use crate::manifest::service::{PortRef, Service, ServicePort, ServiceType};

/// The default range of `kube-apiserver --service-node-port-range`.
const NODE_PORTS: std::ops::RangeInclusive<u64> = 30_000..=32_767;

schema! {
    struct ServiceFile { metadata: Metadata, spec: ServiceSpec, }
    ignores { api_version, kind, status, }
}

schema! {
    struct ServiceSpec {
        r#type: Option<TypeName>,
        selector: Option<Labels>,
        ports: Option<Vec<PortSpec>>,
        #[serde(rename = "clusterIP")]
        cluster_ip: Option<String>,
        session_affinity: Option<SessionAffinity>,
    }
    ignores {
        allocate_load_balancer_node_ports,
        #[serde(rename = "clusterIPs")] cluster_ips,
        #[serde(rename = "externalIPs")] external_ips,
        external_name,
        external_traffic_policy,
        health_check_node_port,
        internal_traffic_policy,
        ip_families,
        ip_family_policy,
        load_balancer_class,
        #[serde(rename = "loadBalancerIP")] load_balancer_ip,
        load_balancer_source_ranges,
        publish_not_ready_addresses,
        session_affinity_config,
        topology_keys,
        traffic_distribution,
    }
}

schema! {
    struct PortSpec {
        name: Option<String>,
        protocol: Option<ProtocolName>,
        port: u64,
        target_port: Option<IntOrString>,
        node_port: Option<u64>,
    }
    ignores { app_protocol, }
}

#[derive(Debug, serde::Deserialize)]
pub(super) enum TypeName {
    ClusterIP,
    NodePort,
    LoadBalancer,
    ExternalName,
}

#[derive(Debug, PartialEq, serde::Deserialize)]
pub(super) enum SessionAffinity {
    None,
    ClientIP,
}

pub(super) fn service(file: ServiceFile, findings: &mut Findings) -> Service {
    let spec = file.spec;
    let service_type = match spec.r#type {
        None | Some(TypeName::ClusterIP) => ServiceType::ClusterIP,
        Some(TypeName::NodePort) => ServiceType::NodePort,
        Some(TypeName::LoadBalancer) => ServiceType::LoadBalancer,
        Some(TypeName::ExternalName) => ServiceType::ExternalName,
    };
    let selector = spec.selector.unwrap_or_default();
    check_labels(findings, "spec.selector", &selector);
    let headless = spec.cluster_ip.as_deref() == Some("None");
    let ports = spec.ports.unwrap_or_default();
    if ports.is_empty() && !headless && service_type != ServiceType::ExternalName {
        findings.error("spec.ports", "a Service needs a port", "add `ports: [{port: 80}]`");
    }
    check_port_names(findings, &ports);
    if spec.session_affinity == Some(SessionAffinity::ClientIP) {
        let help = "expect a random pod per connection, or remove the field";
        findings.warning("spec.sessionAffinity", "the twin does not keep clients with their pod", help);
    }
    if selector.is_empty() {
        let help = "expect that connections to it are refused, or add a selector";
        findings.warning("spec.selector", "without a selector the Service leads nowhere in the twin", help);
    }
    Service {
        meta: meta(findings, file.metadata, NameKind::LetterLabel),
        selector,
        ports: ports.into_iter().enumerate().map(|(i, p)| port(findings, i, p, service_type)).collect(),
        service_type,
        headless,
    }
}

fn port(findings: &mut Findings, index: usize, spec: PortSpec, service_type: ServiceType) -> ServicePort {
    let field = |name: &str| format!("spec.ports[{index}].{name}");
    let number = port_number(findings, &field("port"), spec.port);
    let target_port = match spec.target_port {
        Some(target) => port_ref(findings, &field("targetPort"), target),
        None => PortRef::Number(number),
    };
    if let Some(node_port) = spec.node_port {
        if !NODE_PORTS.contains(&node_port) {
            let help = "write a port from 30000 to 32767, or leave the choice to Kubernetes";
            findings.error(&field("nodePort"), format!("`{node_port}` is not a node port"), help);
        } else if service_type == ServiceType::ClusterIP {
            let help = "set `type: NodePort`, or remove it";
            findings.error(&field("nodePort"), "a Service of type ClusterIP has no node port", help);
        }
    }
    let node_port = spec.node_port.and_then(|n| u16::try_from(n).ok());
    let protocol = spec.protocol.unwrap_or_default().into();
    ServicePort { name: spec.name, port: number, target_port, node_port, protocol }
}

/// Ports are told apart by their names, and by number and protocol.
fn check_port_names(findings: &mut Findings, ports: &[PortSpec]) {
    let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for (i, port) in ports.iter().enumerate() {
        let field = format!("spec.ports[{i}]");
        match &port.name {
            None if ports.len() > 1 => {
                findings.error(&field, "one of several ports has no name", "add `name` to each port");
            }
            Some(name) if !names.insert(name) => {
                let help = "give each port a name of its own";
                findings.error(&format!("{field}.name"), format!("a second port is named `{name}`"), help);
            }
            Some(name) => check_name(findings, &format!("{field}.name"), name, NameKind::Label),
            None => {}
        }
        if !numbers.insert((port.port, port.protocol.unwrap_or_default())) {
            let message = format!("port {} is listed twice", port.port);
            findings.error(&format!("{field}.port"), message, "remove one of the two");
        }
    }
}
