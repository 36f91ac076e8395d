//! Faults that are objects which somebody applies beside the application: a quota that is used up, a network policy that
//! lets nobody in.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::injection::Written;
use super::{Effect, ObjectChange};
use crate::environment::{Component, DeletableKind};
use crate::manifest::Labels;
use crate::scenario::{AppWords, Checker};
use crate::time::SimDuration;

/// A `ResourceQuota` that the namespace has used up: pods that run go on, and none may take the place of one that ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaChange {
    /// The Deployment that will miss a pod.
    pub component: Component,
    /// The quota's name.
    pub name: String,
    /// `spec.hard`: what all pods of the namespace may ask for together, such as `pods: "13"`.
    pub hard: BTreeMap<String, String>,
}

impl Written for QuotaChange {
    fn effect(&self, _: SimDuration, _: f64) -> Effect {
        let hard: Vec<String> =
            self.hard.iter().map(|(resource, amount)| format!("{resource}: \"{amount}\"")).collect();
        let manifest = format!(
            "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: {}}}\nspec:\n  hard: {{{}}}\n",
            self.name,
            hard.join(", ")
        );
        let kind = DeletableKind::ResourceQuota;
        Effect::Object(ObjectChange::Applied { kind, name: self.name.clone(), manifest })
    }

    fn component(&self) -> Option<&str> {
        Some(&self.component)
    }
}

impl QuotaChange {
    /// Something must be limited.
    pub(super) fn check(&self, checker: &mut Checker<'_>, at: &str, words: &AppWords) {
        checker.component(&format!("{at}.component"), &self.component, words);
        if self.hard.is_empty() {
            checker.refuse(&format!("{at}.hard"), "nothing is limited", "write an amount, such as `pods: \"13\"`");
        }
    }
}

/// A `NetworkPolicy` that lets nobody connect to a component's pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyChange {
    /// The Deployment whose pods it selects.
    pub component: Component,
    /// Their labels.
    pub labels: Labels,
    /// The policy's name.
    pub name: String,
}

impl Written for PolicyChange {
    fn effect(&self, _: SimDuration, _: f64) -> Effect {
        let labels: Vec<String> = self.labels.iter().map(|(key, value)| format!("{key}: \"{value}\"")).collect();
        let manifest = format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {}}}\nspec:\n  podSelector: {{matchLabels: \
             {{{}}}}}\n  policyTypes: [Ingress]\n",
            self.name,
            labels.join(", ")
        );
        let kind = DeletableKind::NetworkPolicy;
        Effect::Object(ObjectChange::Applied { kind, name: self.name.clone(), manifest })
    }

    fn component(&self) -> Option<&str> {
        Some(&self.component)
    }
}

impl PolicyChange {
    /// It must select the component's pods.
    pub(super) fn check(&self, checker: &mut Checker<'_>, at: &str, words: &AppWords) {
        checker.component(&format!("{at}.component"), &self.component, words);
        let Some(component) = words.component_words(&self.component) else { return };
        if self.labels.is_empty() || self.labels.iter().any(|(key, value)| component.labels.get(key) != Some(value)) {
            let message = format!("the pods of {} do not have them", self.component);
            checker.refuse(&format!("{at}.labels"), message, "write labels of its template, such as `{name: …}`");
        }
    }
}
