//! Kubernetes objects as one would `kubectl apply` them.
//!
//! [`load`] reads an application's files, with an overlay if there is one:
//!
//! ```text
//! files ──input──▶ documents ──overlay──▶ documents ──read──▶ objects ──check──▶ ObjectSet
//! ```
//!
//! What the API server would refuse is a mistake; so is what can only be one, such as a Service that selects nothing.
//! What a cluster would take and the twin treats otherwise is a warning.
//!
//! The types are the objects as the twin uses them: defaults are filled in, quantities are
//! numbers, and what has no effect in the twin is gone. They are plain data that the control plane
//! keeps and changes at run time.

mod autoscaler;
mod check;
mod config;
mod meta;
mod network_policy;
mod overlay;
mod policy;
mod read;
mod service;
mod workload;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Source};
use crate::input::{self, Document};
use read::{Identity, Object, Read};

pub use autoscaler::{
    Behavior, HorizontalPodAutoscaler, MetricTarget, ScaleTarget, ScalingPolicy, ScalingPolicyKind, ScalingRules,
    SelectPolicy,
};
pub use config::{ConfigKind, ConfigMap, ConfigReference, EnvFrom, Secret};
pub use meta::{LabelSelector, Labels, Namespace, ObjectMeta, Requirement, SelectorOperator, is_subset};
pub use network_policy::{NetworkPolicy, PolicyEnd, PolicyPeer, PolicyRule, policies_allow};
pub use policy::{DisruptionBound, PodDisruptionBudget, QuotaAmounts, QuotaResource, QuotaUnit, ResourceQuota};
pub use service::{PortRef, Service, ServicePort, ServiceType};
pub use workload::{
    Container, ContainerPort, Deployment, EnvValue, EnvVar, ImagePullPolicy, IntOrPercent, PodTemplate, Probe,
    ProbeAction, Protocol, ResourceList, ResourceRequirements, Strategy, TaintEffect, Toleration, image_tag,
};

/// The objects of an application, each kind in the order of namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
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
    /// What evictions must leave.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disruption_budgets: Vec<PodDisruptionBudget>,
    /// What the pods of a namespace may ask for together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_quotas: Vec<ResourceQuota>,
    /// Who may connect to whom.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_policies: Vec<NetworkPolicy>,
    /// Where each object was read.
    #[serde(skip)]
    documents: BTreeMap<Identity, Document>,
}

impl ObjectSet {
    /// The document that an object was read from, to report mistakes that show only later: its kind is as in a
    /// manifest, such as `Deployment`.
    pub fn document(&self, kind: &str, meta: &ObjectMeta) -> Option<&Document> {
        let ObjectMeta { namespace, name, .. } = meta.clone();
        self.documents.get(&Identity { kind: kind.to_owned(), namespace, name })
    }

    /// How many objects there are.
    pub(crate) fn count(&self) -> usize {
        self.documents.len()
    }

    /// Takes the objects in, in any order.
    fn collect(objects: Vec<Read>) -> Self {
        let mut set = Self::default();
        let sorted: BTreeMap<_, _> = objects.into_iter().map(|r| (r.identity, (r.document, r.object))).collect();
        for (identity, (document, object)) in sorted {
            match object {
                Object::Namespace(namespace) => set.namespaces.push(namespace),
                Object::Deployment(deployment) => set.deployments.push(deployment),
                Object::Service(service) => set.services.push(service),
                Object::Autoscaler(autoscaler) => set.autoscalers.push(autoscaler),
                Object::ConfigMap(config_map) => set.config_maps.push(config_map),
                Object::Secret(secret) => set.secrets.push(secret),
                Object::DisruptionBudget(budget) => set.disruption_budgets.push(budget),
                Object::ResourceQuota(quota) => set.resource_quotas.push(quota),
                Object::NetworkPolicy(policy) => set.network_policies.push(policy),
                Object::Workload { .. } | Object::Other => continue,
            }
            set.documents.insert(identity, document);
        }
        set
    }
}

/// Reads an application: its files, and the files of the overlay that is laid over them, if there is one. Beside the
/// objects come warnings, in the order of files and lines.
///
/// # Errors
/// Every mistake in any of the files.
pub fn load(files: &[Source], overlay: &[Source]) -> Result<(ObjectSet, Vec<Diagnostic>), Diagnostics> {
    let (objects, found) = load_objects(files, overlay, check::check);
    refuse_or(objects, found, files.iter().chain(overlay))
}

/// The objects of an application, of every kind, as `kubectl apply` takes them, with an overlay laid over them if there is
/// one. Namespaces come first, since the others need them.
///
/// # Errors
/// Every mistake in any of the files.
pub fn merge(files: &[Source], overlay: &[Source]) -> Result<Vec<serde_json::Value>, Diagnostics> {
    let (_, found) = load_objects(files, overlay, check::check);
    refuse_or(Vec::new(), found, files.iter().chain(overlay))?;
    let (documents, _) = overlaid(files, overlay);
    let (namespaces, others): (Vec<_>, Vec<_>) =
        documents.into_iter().partition(|document| document.text("kind") == Some("Namespace"));
    Ok(namespaces.iter().chain(&others).map(|document| document.root.to_json()).collect())
}

/// Reads objects that are applied to a running cluster one by one: each must be right by itself, whatever else
/// exists.
///
/// # Errors
/// Every mistake in the file.
pub fn read_objects(file: &Source) -> Result<(ObjectSet, Vec<Diagnostic>), Diagnostics> {
    let files = std::slice::from_ref(file);
    let (objects, found) = load_objects(files, &[], |_, _| Vec::new());
    refuse_or(objects, found, files.iter())
}

/// Reads the files and checks their objects together by `check`, which is told whether any are missing.
fn load_objects(
    files: &[Source],
    overlay: &[Source],
    check: impl Fn(&[Read], bool) -> Vec<Diagnostic>,
) -> (Vec<Read>, Vec<Diagnostic>) {
    let (documents, mut found) = overlaid(files, overlay);
    let incomplete = !found.is_empty();
    let mut objects = Vec::new();
    for document in documents {
        let (object, findings) = read::read(document);
        found.extend(findings);
        objects.push(object);
    }
    found.extend(check(&objects, incomplete));
    (objects, found)
}

/// The documents of the files, with an overlay laid over them.
fn overlaid(files: &[Source], overlay: &[Source]) -> (Vec<Document>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let mut scan = |sources: &[Source]| {
        let mut documents = Vec::new();
        for source in sources {
            let (scanned, mistakes) = input::scan(source);
            documents.extend(read::unwrap_lists(scanned));
            found.extend(mistakes);
        }
        documents
    };
    let mut documents = scan(files);
    let patches = scan(overlay);
    found.extend(overlay::apply(&mut documents, patches));
    (documents, found)
}

fn refuse_or<'s>(
    objects: Vec<Read>,
    mut found: Vec<Diagnostic>,
    files: impl Iterator<Item = &'s Source>,
) -> Result<(ObjectSet, Vec<Diagnostic>), Diagnostics> {
    let order: BTreeMap<&str, usize> = files.enumerate().map(|(i, file)| (file.path.as_str(), i)).collect();
    found.sort_by_key(|d| (order.get(d.path.as_str()).copied(), d.line));
    if found.iter().any(|d| d.severity == Severity::Error) {
        found.retain(|d| d.severity == Severity::Error);
        return Err(Diagnostics(found));
    }
    Ok((ObjectSet::collect(objects), found))
}
