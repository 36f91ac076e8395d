//! A Service put right from what `kubectl describe` shows of it and of the Deployment that it should lead to.

use serde_json::{Map, Value, json};
use sim::environment::{AppliedObject, Description, ServiceView, Write};

/// The change after which the Service selects the Deployment's pods and leads to a port that they declare; none if there
/// is no Service, or if it does so already.
pub(crate) fn led_to_its_pods(description: &Description) -> Option<Write> {
    let service = description.service.as_ref()?;
    let labels = &description.deployment.labels;
    let selects = selects_the_pods(description);
    if selects && !leads_to_a_closed_port(description) {
        return None;
    }
    let selector = if selects { &service.selector } else { labels };
    let manifest = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": service.name,
            "namespace": service.namespace,
            "labels": object(&service.labels),
            "annotations": object(&service.annotations),
        },
        "spec": {"selector": object(selector), "ports": ports(service, &description.deployment.ports)},
    });
    // JSON is YAML.
    Some(Write::Apply(AppliedObject { manifest: manifest.to_string() }))
}

/// Whether every label that the Service asks for is one of the Deployment's pods. Without a Service nothing is wrong.
pub(crate) fn selects_the_pods(description: &Description) -> bool {
    let labels = &description.deployment.labels;
    description.service.as_ref().is_none_or(|service| service.selector.iter().all(|label| labels.contains(label)))
}

/// Whether the Service leads to a port that the Deployment's containers do not declare, though they declare some.
pub(crate) fn leads_to_a_closed_port(description: &Description) -> bool {
    let declared = &description.deployment.ports;
    let is_closed = |port: &String| target(port).is_some_and(|port| !declared.contains(&port));
    !declared.is_empty() && description.service.as_ref().is_some_and(|service| service.ports.iter().any(is_closed))
}

fn ports(service: &ServiceView, declared: &[u16]) -> Vec<Value> {
    let port = |port: &String| {
        let (outer, inner) = port.split_once(" -> ")?;
        // A name that the pods give to a port stays as it is.
        let inner = match inner.parse::<u16>() {
            Ok(number) if declared.is_empty() || declared.contains(&number) => json!(number),
            Ok(_) => json!(declared.first()?),
            Err(_) => json!(inner),
        };
        Some(json!({"port": outer.parse::<u16>().ok()?, "targetPort": inner}))
    };
    service.ports.iter().filter_map(port).collect()
}

/// The number after the arrow of `80 -> 8080`.
fn target(port: &str) -> Option<u16> {
    port.split_once(" -> ")?.1.parse().ok()
}

/// Labels as `key=value` as an object.
fn object(labels: &[String]) -> Map<String, Value> {
    let pairs = labels.iter().filter_map(|label| label.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.into())).collect()
}
