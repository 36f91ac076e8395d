//! What only shows when all objects are seen together.

use std::collections::{BTreeMap, BTreeSet};

use super::config::ConfigReference;
use super::meta::{Labels, is_subset};
use super::read::{Identity, Object, Read};
use super::service::PortRef;
use super::workload::{Deployment, EnvValue};
use super::{HorizontalPodAutoscaler, MetricTarget, Service, ServiceType};
use crate::diagnostic::{Diagnostic, nearest};
use crate::input::Document;

/// Namespaces that every cluster has.
const ALWAYS_THERE: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// Checks all objects together. With `incomplete` some documents could not be read at all: then nothing is said
/// about what seems to be missing.
pub(super) fn check(objects: &[Read], incomplete: bool) -> Vec<Diagnostic> {
    let mut found = duplicates(objects);
    found.extend(node_ports(objects));
    if incomplete {
        return found;
    }
    found.extend(namespaces(objects));
    for read in objects {
        match &read.object {
            Object::Service(service) => found.extend(selection(service, &read.document, objects)),
            Object::Autoscaler(autoscaler) => found.extend(scale_target(autoscaler, &read.document, objects)),
            Object::Deployment(deployment) => found.extend(references(deployment, &read.document, objects)),
            _ => {}
        }
    }
    found
}

fn deployments(objects: &[Read]) -> impl Iterator<Item = &Deployment> {
    objects.iter().filter_map(|read| match &read.object {
        Object::Deployment(deployment) => Some(deployment),
        _ => None,
    })
}

fn place(document: &Document) -> String {
    let place = document.place_of("metadata.name");
    format!("{}:{}", place.path, place.line)
}

fn duplicates(objects: &[Read]) -> Vec<Diagnostic> {
    let mut first: BTreeMap<&Identity, &Document> = BTreeMap::new();
    let mut found = Vec::new();
    for read in objects.iter().filter(|r| !r.identity.name.is_empty()) {
        let Identity { kind, namespace, name } = &read.identity;
        match first.get(&read.identity) {
            Some(earlier) => {
                let earlier = place(earlier);
                let message = format!("{kind} `{name}` in namespace `{namespace}` already stands at {earlier}");
                found.push(read.document.error("metadata.name", message).help("remove one of the two, or rename it"));
            }
            None => {
                first.insert(&read.identity, &read.document);
            }
        }
    }
    found
}

fn node_ports(objects: &[Read]) -> Vec<Diagnostic> {
    let mut first: BTreeMap<u16, &Document> = BTreeMap::new();
    let mut found = Vec::new();
    for read in objects {
        let Object::Service(service) = &read.object else { continue };
        for (i, port) in service.ports.iter().enumerate() {
            let Some(number) = port.node_port else { continue };
            if let Some(earlier) = first.insert(number, &read.document) {
                let message = format!("node port {number} is already taken at {}", place(earlier));
                let diagnostic = read.document.error(&format!("spec.ports[{i}].nodePort"), message);
                found.push(diagnostic.help("choose another, or leave the choice to Kubernetes"));
            }
        }
    }
    found
}

/// A namespace that nobody declares must already exist on a cluster: the twin makes it.
fn namespaces(objects: &[Read]) -> Vec<Diagnostic> {
    let declared = objects.iter().filter(|r| r.identity.kind == "Namespace").map(|r| r.identity.name.as_str());
    let mut known: BTreeSet<&str> = declared.chain(ALWAYS_THERE).collect();
    let mut found = Vec::new();
    for read in objects {
        let namespace = read.identity.namespace.as_str();
        let has_effect = !matches!(read.object, Object::Other);
        if has_effect && !known.contains(namespace) {
            let candidates = known.iter().copied().filter(|k| !ALWAYS_THERE.contains(k));
            let help = match nearest(namespace, candidates) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("add a Namespace `{namespace}`, or expect that the twin makes it"),
            };
            let message = format!("no file declares the namespace `{namespace}`");
            found.push(read.document.warning("metadata.namespace", message).help(help));
            known.insert(namespace);
        }
    }
    found
}

/// A Service must lead to pods, and to ports that they have.
fn selection(service: &Service, document: &Document, objects: &[Read]) -> Vec<Diagnostic> {
    if service.selector.is_empty() || service.service_type == ServiceType::ExternalName {
        return Vec::new();
    }
    let here = |namespace: &str| namespace == service.meta.namespace;
    let selected: Vec<&Deployment> = deployments(objects)
        .filter(|d| here(&d.meta.namespace) && is_subset(&service.selector, &d.template.labels))
        .collect();
    if !selected.is_empty() {
        return target_ports(service, document, &selected);
    }
    let other = objects.iter().find_map(|read| match &read.object {
        Object::Workload { pod_labels, broken }
            if here(&read.identity.namespace)
                && (is_subset(&service.selector, pod_labels) || *broken && pod_labels.is_empty()) =>
        {
            Some((&read.identity, *broken))
        }
        _ => None,
    });
    let diagnostic = match other {
        // Why it is missing has been said.
        Some((_, true)) => return Vec::new(),
        Some((Identity { kind, name, .. }, false)) => {
            let message = format!("the pods behind it are those of {kind} `{name}`, which the twin does not run");
            document.error("spec.selector", message).help(format!("make `{name}` a Deployment, or remove this Service"))
        }
        None => {
            let message = format!("it selects no pod: no template has the labels {}", pairs(&service.selector));
            document.error("spec.selector", message).help(meant_labels(service, objects))
        }
    };
    vec![diagnostic]
}

fn pairs(labels: &Labels) -> String {
    labels.iter().map(|(key, value)| format!("`{key}: {value}`")).collect::<Vec<_>>().join(", ")
}

/// Which pods a Service that selects none most likely means.
fn meant_labels(service: &Service, objects: &[Read]) -> String {
    let elsewhere = deployments(objects).find(|d| is_subset(&service.selector, &d.template.labels));
    if let Some(deployment) = elsewhere {
        let (name, namespace) = (&deployment.meta.name, &deployment.meta.namespace);
        return format!("Deployment `{name}` has them in namespace `{namespace}`: move one of the two");
    }
    let local = || deployments(objects).filter(|d| d.meta.namespace == service.meta.namespace);
    for (key, value) in &service.selector {
        let values = local().filter_map(|d| d.template.labels.get(key)).map(String::as_str);
        if let Some(meant) = nearest(value, values).filter(|meant| meant != value) {
            return format!("did you mean `{key}: {meant}`?");
        }
        let keys = local().flat_map(|d| d.template.labels.keys()).map(String::as_str);
        if let Some(meant) = nearest(key, keys).filter(|meant| meant != key) {
            return format!("did you mean `{meant}: {value}`?");
        }
    }
    "write the labels of a Deployment's template".to_owned()
}

fn target_ports(service: &Service, document: &Document, selected: &[&Deployment]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (i, port) in service.ports.iter().enumerate() {
        let field = format!("spec.ports[{i}].targetPort");
        for deployment in selected {
            let name = &deployment.meta.name;
            let declared: Vec<_> = deployment.template.containers.iter().flat_map(|c| &c.ports).collect();
            match &port.target_port {
                PortRef::Name(target) if declared.iter().all(|p| p.name.as_ref() != Some(target)) => {
                    let names = declared.iter().filter_map(|p| p.name.as_deref());
                    let help = match nearest(target, names) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => "write the port's number, or name it in the Deployment's `ports`".to_owned(),
                    };
                    let message = format!("no container of Deployment `{name}` has a port named `{target}`");
                    found.push(document.error(&field, message).help(help));
                }
                PortRef::Number(target) if !declared.is_empty() && declared.iter().all(|p| p.port != *target) => {
                    let ports: Vec<_> = declared.iter().map(|p| p.port.to_string()).collect();
                    let message = format!("no container of Deployment `{name}` declares port {target}");
                    let help = format!("check the number: declared are {}", ports.join(", "));
                    found.push(document.warning(&field, message).help(help));
                }
                _ => {}
            }
        }
    }
    found
}

/// An autoscaler whose target does not exist is accepted by Kubernetes, and never scales. Of the target's
/// `apiVersion` the controller looks at the group only (`pkg/controller/podautoscaler/horizontal.go`,
/// `reconcileAutoscaler`).
fn scale_target(autoscaler: &HorizontalPodAutoscaler, document: &Document, objects: &[Read]) -> Vec<Diagnostic> {
    const FIELD: &str = "spec.scaleTargetRef";
    let super::ScaleTarget { api_version, kind, name } = &autoscaler.target;
    let namespace = &autoscaler.meta.namespace;
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    if kind != "Deployment" || group != "apps" {
        let message = format!("the twin has no {kind} of `{api_version}`: it can never scale (FailedGetScale)");
        return vec![document.warning(FIELD, message).help("write a Deployment of `apps/v1`")];
    }
    let is_target =
        |r: &&Read| r.identity.kind == "Deployment" && r.identity.name == *name && r.identity.namespace == *namespace;
    let deployment = match objects.iter().find(is_target).map(|r| &r.object) {
        Some(Object::Deployment(deployment)) => deployment,
        // Broken: that has been said.
        Some(_) => return Vec::new(),
        None => {
            let names = deployments(objects).filter(|d| d.meta.namespace == *namespace);
            let help = match nearest(name, names.map(|d| d.meta.name.as_str())) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "name a Deployment of the same namespace".to_owned(),
            };
            let message = format!(
                "there is no Deployment `{name}` in namespace `{namespace}`: it can never scale (FailedGetScale)"
            );
            return vec![document.warning(&format!("{FIELD}.name"), message).help(help)];
        }
    };
    let mut found = Vec::new();
    if api_version != "apps/v1" {
        let message = format!("`{api_version}` is gone from Kubernetes: only its group is looked at");
        found.push(document.warning(&format!("{FIELD}.apiVersion"), message).help("write `apps/v1`"));
    }
    found.extend(missing_requests(autoscaler, deployment, document));
    found
}

/// Utilization is relative to the request: without one it is not known.
fn missing_requests(
    autoscaler: &HorizontalPodAutoscaler,
    deployment: &Deployment,
    document: &Document,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let has_no = |of: fn(&super::ResourceList) -> bool| {
        deployment.template.containers.iter().find(|c| !of(&c.resources.requests))
    };
    for metric in &autoscaler.metrics {
        let (resource, without) = match metric {
            MetricTarget::CpuUtilization(_) => ("cpu", has_no(|r| r.cpu.is_some())),
            MetricTarget::MemoryUtilization(_) => ("memory", has_no(|r| r.memory.is_some())),
            MetricTarget::CpuAverage(_) | MetricTarget::MemoryAverage(_) => continue,
        };
        if let Some(container) = without {
            let message = format!(
                "container `{}` of its target requests no {resource}: its utilization is not known \
                 (FailedGetResourceMetric)",
                container.name
            );
            found.push(document.warning("spec", message).help(format!("add a {resource} request to the container")));
        }
    }
    found
}

/// A container whose environment refers to something missing does not start.
fn references(deployment: &Deployment, document: &Document, objects: &[Read]) -> Vec<Diagnostic> {
    let namespace = &deployment.meta.namespace;
    let mut found = Vec::new();
    for (i, container) in deployment.template.containers.iter().enumerate() {
        let field = format!("spec.template.spec.containers[{i}]");
        for (j, from) in container.env_from.iter().enumerate() {
            found.extend(missing(&from.source, namespace, &format!("{field}.envFrom[{j}]"), document, objects));
        }
        for (j, variable) in container.env.iter().enumerate() {
            let EnvValue::Key(reference) = &variable.value else { continue };
            found.extend(missing(reference, namespace, &format!("{field}.env[{j}].valueFrom"), document, objects));
        }
    }
    found
}

/// What a reference that stands below `field` does not find.
fn missing(
    reference: &ConfigReference,
    namespace: &str,
    field: &str,
    document: &Document,
    objects: &[Read],
) -> Option<Diagnostic> {
    const CONSEQUENCE: &str = "the container will not start (CreateContainerConfigError)";
    const OTHERWISE: &str = "or write `optional: true` if its program can do without";
    if reference.optional {
        return None;
    }
    let (kind, name) = (reference.kind.name(), &reference.name);
    let field = format!("{field}.{}", reference.field());
    let is_meant = |r: &&Read| r.identity.kind == kind && r.identity.name == *name && r.identity.namespace == namespace;
    let Some(read) = objects.iter().find(is_meant) else {
        let message = format!("no file has the {kind} `{name}`: {CONSEQUENCE}");
        let help = format!("add the {kind}, {OTHERWISE}");
        return Some(document.warning(&format!("{field}.name"), message).help(help));
    };
    let keys: Vec<&str> = match &read.object {
        Object::ConfigMap(config_map) => config_map.data.keys().map(String::as_str).collect(),
        Object::Secret(secret) => secret.keys.iter().map(String::as_str).collect(),
        // Broken: that has been said.
        _ => return None,
    };
    let key = reference.key.as_deref().filter(|key| !keys.contains(key))?;
    let message = format!("the {kind} `{name}` has no key `{key}`: {CONSEQUENCE}");
    let help = match nearest(key, keys) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("add the key, {OTHERWISE}"),
    };
    Some(document.warning(&format!("{field}.key"), message).help(help))
}
