//! Network policies as a manifest may say them. What the twin does not play is refused by name, since without it a policy
//! would allow too much or too little.

use super::deployment::{SelectorSpec, label_selector};
use super::names::{NameKind, meta};
use super::pod::{ProtocolName, port_number};
use super::schema::{Findings, Ignored, IntOrString, Metadata, schema};
use crate::manifest::network_policy::{NetworkPolicy, PolicyPeer, PolicyRule};

schema! {
    struct NetworkPolicyFile { metadata: Metadata, spec: NetworkPolicySpec, }
    ignores { api_version, kind, status, }
}

schema! {
    struct NetworkPolicySpec {
        pod_selector: Option<SelectorSpec>,
        policy_types: Option<Vec<PolicyType>>,
        ingress: Option<Vec<IngressSpec>>,
        egress: Option<Vec<EgressSpec>>,
    }
    ignores {}
}

schema! {
    struct IngressSpec { from: Option<Vec<PeerSpec>>, ports: Option<Vec<PolicyPortSpec>>, }
    ignores {}
}

schema! {
    struct EgressSpec { to: Option<Vec<PeerSpec>>, ports: Option<Vec<PolicyPortSpec>>, }
    ignores {}
}

schema! {
    struct PeerSpec {
        pod_selector: Option<SelectorSpec>,
        namespace_selector: Option<SelectorSpec>,
        ip_block: Option<Ignored>,
    }
    ignores {}
}

schema! {
    struct PolicyPortSpec { protocol: Option<ProtocolName>, port: Option<IntOrString>, end_port: Option<u64>, }
    ignores {}
}

#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize)]
pub(super) enum PolicyType {
    Ingress,
    Egress,
}

pub(super) fn network_policy(file: NetworkPolicyFile, findings: &mut Findings) -> NetworkPolicy {
    let spec = file.spec;
    // `SetDefaults_NetworkPolicy`: ingress always, egress if there are rules for it.
    let types = spec.policy_types.unwrap_or_else(|| match spec.egress {
        Some(_) => vec![PolicyType::Ingress, PolicyType::Egress],
        None => vec![PolicyType::Ingress],
    });
    let pod_selector = selector(spec.pod_selector, "spec.podSelector", findings).unwrap_or_default();
    let ingress = spec.ingress.unwrap_or_default().into_iter().enumerate();
    let ingress: Vec<_> = ingress
        .map(|(i, spec)| {
            let field = format!("spec.ingress[{i}]");
            PolicyRule {
                peers: peers(spec.from, &format!("{field}.from"), findings),
                ports: ports(spec.ports, &field, findings),
            }
        })
        .collect();
    let egress = spec.egress.unwrap_or_default().into_iter().enumerate();
    let egress: Vec<_> = egress
        .map(|(i, spec)| {
            let field = format!("spec.egress[{i}]");
            PolicyRule {
                peers: peers(spec.to, &format!("{field}.to"), findings),
                ports: ports(spec.ports, &field, findings),
            }
        })
        .collect();
    NetworkPolicy {
        meta: meta(findings, file.metadata, NameKind::Subdomain),
        pod_selector,
        ingress: types.contains(&PolicyType::Ingress).then_some(ingress),
        egress: types.contains(&PolicyType::Egress).then_some(egress),
    }
}

fn selector(
    spec: Option<SelectorSpec>,
    field: &str,
    findings: &mut Findings,
) -> Option<crate::manifest::meta::LabelSelector> {
    spec.map(|spec| label_selector(spec, field, findings))
}

fn peers(specs: Option<Vec<PeerSpec>>, field: &str, findings: &mut Findings) -> Vec<PolicyPeer> {
    let mut peers = Vec::new();
    for (i, spec) in specs.unwrap_or_default().into_iter().enumerate() {
        let field = format!("{field}[{i}]");
        if spec.ip_block.is_some() {
            let help = "name pods by `podSelector`: the twin's network has no addresses to compare";
            findings.error(&format!("{field}.ipBlock"), "the twin does not play `ipBlock`", help);
        } else if spec.pod_selector.is_none() && spec.namespace_selector.is_none() {
            findings.error(&field, "it names nobody", "add `podSelector` or `namespaceSelector`");
        }
        peers.push(PolicyPeer {
            pods: selector(spec.pod_selector, &format!("{field}.podSelector"), findings),
            namespaces: selector(spec.namespace_selector, &format!("{field}.namespaceSelector"), findings),
        });
    }
    peers
}

/// TCP ports. A rule for other protocols only allows nothing here, where everything is TCP.
fn ports(specs: Option<Vec<PolicyPortSpec>>, field: &str, findings: &mut Findings) -> Option<Vec<u16>> {
    let specs = specs.filter(|specs| !specs.is_empty())?;
    let mut ports = Vec::new();
    for (i, spec) in specs.into_iter().enumerate() {
        let field = format!("{field}.ports[{i}]");
        if spec.end_port.is_some() {
            let help = "list the ports one by one";
            findings.error(&format!("{field}.endPort"), "the twin does not play ranges of ports", help);
        }
        let is_tcp = spec.protocol.unwrap_or_default() == ProtocolName::Tcp;
        match spec.port {
            Some(IntOrString::Int(number)) => {
                let port = port_number(findings, &format!("{field}.port"), number);
                ports.extend(is_tcp.then_some(port));
            }
            Some(IntOrString::Text(name)) => {
                let message = format!("the twin does not look up the port `{name}` by its name");
                findings.error(&format!("{field}.port"), message, "write its number");
            }
            // Every port of the protocol.
            None if is_tcp => return None,
            None => {}
        }
    }
    Some(ports)
}
