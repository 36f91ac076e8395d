//! From documents to objects: which kind a document is, and what is wrong with it by itself.

mod autoscaler;
mod config;
mod container;
mod deployment;
mod names;
mod network_policy;
mod pod;
mod policy;
mod probe;
mod schema;
mod service;

use super::meta::{Labels, Namespace};
use super::{
    ConfigMap, Deployment, HorizontalPodAutoscaler, NetworkPolicy, PodDisruptionBudget, ResourceQuota, Secret, Service,
};
use crate::diagnostic::{Diagnostic, Severity, nearest};
use crate::input::Document;
use schema::Findings;

/// A document and what it turned out to be.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) identity: Identity,
    pub(super) document: Document,
    pub(super) object: Object,
}

/// What tells objects apart. Read from the tree, so that broken objects have it as well.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

#[derive(Clone, Debug)]
pub(super) enum Object {
    Namespace(Namespace),
    Deployment(Deployment),
    Service(Service),
    Autoscaler(HorizontalPodAutoscaler),
    ConfigMap(ConfigMap),
    Secret(Secret),
    DisruptionBudget(PodDisruptionBudget),
    ResourceQuota(ResourceQuota),
    NetworkPolicy(NetworkPolicy),
    /// A workload whose pods, with these labels, the twin does not run, or one that is broken.
    Workload {
        pod_labels: Labels,
        broken: bool,
    },
    /// Without effect in the twin, or broken.
    Other,
}

/// Kinds that are read, with the versions in which they are.
const READ: [(&str, &[&str]); 9] = [
    ("Namespace", &["v1"]),
    ("ConfigMap", &["v1"]),
    ("Secret", &["v1"]),
    ("Service", &["v1"]),
    ("Deployment", &["apps/v1", "apps/v1beta2", "apps/v1beta1", "extensions/v1beta1"]),
    ("HorizontalPodAutoscaler", &["autoscaling/v2", "autoscaling/v1", "autoscaling/v2beta2"]),
    ("PodDisruptionBudget", &["policy/v1", "policy/v1beta1"]),
    ("ResourceQuota", &["v1"]),
    ("NetworkPolicy", &["networking.k8s.io/v1"]),
];

/// Versions that Kubernetes no longer serves (1.16, 1.25 and 1.26), with the one to write instead.
const GONE: [(&str, &str); 5] = [
    ("apps/v1beta2", "apps/v1"),
    ("apps/v1beta1", "apps/v1"),
    ("extensions/v1beta1", "apps/v1"),
    ("autoscaling/v2beta2", "autoscaling/v2"),
    ("policy/v1beta1", "policy/v1"),
];

/// Workloads that the twin cannot run, with the path to their pods' labels.
const WORKLOADS: [(&str, &str); 7] = [
    ("StatefulSet", "spec.template.metadata.labels"),
    ("DaemonSet", "spec.template.metadata.labels"),
    ("ReplicaSet", "spec.template.metadata.labels"),
    ("ReplicationController", "spec.template.metadata.labels"),
    ("Job", "spec.template.metadata.labels"),
    ("CronJob", "spec.jobTemplate.spec.template.metadata.labels"),
    ("Pod", "metadata.labels"),
];

/// Other kinds of Kubernetes itself, which have no effect in the twin.
const WITHOUT_EFFECT: [&str; 35] = [
    "APIService",
    "Binding",
    "CSIDriver",
    "CSINode",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "ControllerRevision",
    "CustomResourceDefinition",
    "EndpointSlice",
    "Endpoints",
    "Event",
    "FlowSchema",
    "Ingress",
    "IngressClass",
    "Lease",
    "LimitRange",
    "MutatingWebhookConfiguration",
    "Node",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "PodSecurityPolicy",
    "PodTemplate",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "Role",
    "RoleBinding",
    "RuntimeClass",
    "ServiceAccount",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "VolumeAttachment",
    "VolumeSnapshot",
];

/// The documents of a file with the items of `List`s in the place of the lists.
pub(super) fn unwrap_lists(documents: Vec<Document>) -> Vec<Document> {
    let mut flat = Vec::new();
    for document in documents {
        match document.items().filter(|_| document.text("kind") == Some("List")) {
            Some(items) => flat.extend(unwrap_lists(items)),
            None => flat.push(document),
        }
    }
    flat
}

/// The API group of a version, if it is none of Kubernetes' own.
fn foreign_group(version: &str) -> Option<&str> {
    let (group, _) = version.split_once('/')?;
    (group.contains('.') && !group.ends_with(".k8s.io")).then_some(group)
}

/// What `document` says it is: the identity is empty where it does not say.
pub(super) fn identity(document: &Document) -> Identity {
    let text = |field| document.text(field).unwrap_or_default().to_owned();
    let (mut kind, name) = (text("kind"), text("metadata.name"));
    if let Some(group) = document.text("apiVersion").and_then(foreign_group) {
        kind = format!("{kind}.{group}");
    }
    let namespace = match document.text("metadata.namespace") {
        _ if kind == "Namespace" => name.clone(),
        Some(namespace) if !namespace.is_empty() => namespace.to_owned(),
        _ => "default".to_owned(),
    };
    Identity { kind, namespace, name }
}

/// Reads one document as the object that it says it is.
pub(super) fn read(document: Document) -> (Read, Vec<Diagnostic>) {
    let mut findings = Findings::new(&document);
    let object = object(&document, &mut findings);
    let found = findings.into_vec();
    let refused = found.iter().any(|d| d.severity == Severity::Error);
    let identity = identity(&document);
    let object = match object {
        Some(object) if !refused => object,
        _ if document.is_written("spec.template") => {
            Object::Workload { pod_labels: document.texts("spec.template.metadata.labels"), broken: true }
        }
        _ => Object::Other,
    };
    (Read { identity, document, object }, found)
}

fn object(document: &Document, findings: &mut Findings) -> Option<Object> {
    let Some((version, kind)) = version_and_kind(document, findings) else {
        let kind = identity(document).kind;
        let (_, labels) = WORKLOADS.iter().find(|(workload, _)| kind == *workload)?;
        return Some(Object::Workload { pod_labels: document.texts(labels), broken: false });
    };
    if let Some((_, instead)) = GONE.iter().find(|(gone, _)| *gone == version) {
        let help = format!("write `{instead}`, as which it is read");
        findings.warning("apiVersion", format!("`{version}` is gone from Kubernetes"), help);
    }
    Some(match (kind, version) {
        ("Namespace", _) => Object::Namespace(config::namespace(findings.typed()?, findings)),
        ("ConfigMap", _) => Object::ConfigMap(config::config_map(findings.typed()?, findings)),
        ("Secret", _) => Object::Secret(config::secret(findings.typed()?, findings)),
        ("Service", _) => Object::Service(service::service(findings.typed()?, findings)),
        ("PodDisruptionBudget", _) => Object::DisruptionBudget(policy::budget(findings.typed()?, findings)),
        ("ResourceQuota", _) => Object::ResourceQuota(policy::quota(findings.typed()?, findings)),
        ("Deployment", _) => Object::Deployment(deployment::deployment(findings.typed()?, findings)),
        ("NetworkPolicy", _) => Object::NetworkPolicy(network_policy::network_policy(findings.typed()?, findings)),
        (_, "autoscaling/v1") => Object::Autoscaler(autoscaler::autoscaler_v1(findings.typed()?, findings)),
        _ => Object::Autoscaler(autoscaler::autoscaler_v2(findings.typed()?, findings)),
    })
}

/// The version and kind, if it is a kind that is read. Otherwise it is said what it is.
fn version_and_kind<'d>(document: &'d Document, findings: &mut Findings) -> Option<(&'d str, &'d str)> {
    let keys = document.keys();
    if keys.is_empty() {
        let help = "write `apiVersion`, `kind` and `metadata`, or remove the document";
        findings.error("", "a manifest is a mapping", help);
        return None;
    }
    let (version, kind) = (document.text("apiVersion"), document.text("kind"));
    for (field, value, example) in [("apiVersion", version, "apps/v1"), ("kind", kind, "Deployment")] {
        if value.is_none_or(str::is_empty) {
            let help = match nearest(field, keys.iter().copied()).filter(|key| *key != field) {
                Some(key) => format!("write `{field}` instead of `{key}`"),
                None => format!("add it, such as `{field}: {example}`"),
            };
            findings.error(field, format!("missing field `{field}`"), help);
        }
    }
    let (version, kind) = (version.filter(|v| !v.is_empty())?, kind.filter(|k| !k.is_empty())?);
    let is_kubernetes = foreign_group(version).is_none();
    let read = READ.iter().find(|(k, _)| *k == kind);
    match read {
        Some((_, versions)) if versions.contains(&version) => return Some((version, kind)),
        Some((_, versions)) if is_kubernetes => {
            let help = format!("write `apiVersion: {}`", versions[0]);
            findings.error("apiVersion", format!("there is no {kind} in `{version}`"), help);
        }
        _ if !is_kubernetes => ignored(kind, findings),
        _ if WORKLOADS.iter().any(|(k, _)| *k == kind) => {
            let help = "make it a Deployment if it matters here";
            findings.warning("kind", format!("the twin runs no {kind}: its pods will be missing"), help);
        }
        _ if WITHOUT_EFFECT.contains(&kind) => ignored(kind, findings),
        _ => unknown_kind(version, kind, findings),
    }
    None
}

fn ignored(kind: &str, findings: &mut Findings) {
    let help = "remove the document, or leave it: the rest is not affected";
    findings.warning("kind", format!("{kind} is ignored: it has no effect in the twin"), help);
}

fn unknown_kind(version: &str, kind: &str, findings: &mut Findings) {
    let known = READ.iter().map(|(k, _)| *k).chain(WORKLOADS.iter().map(|(k, _)| *k)).chain(["List"]);
    let help = match nearest(kind, known.chain(WITHOUT_EFFECT)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "write `Deployment`, `Service`, `HorizontalPodAutoscaler`, `Namespace`, `ConfigMap` or `Secret`".into(),
    };
    findings.error("kind", format!("there is no kind `{kind}` in `{version}`"), help);
}
