//! Objects that hold others back: quotas, budgets and network policies, as `kubectl get` prints them.

use crate::environment::{DeletableKind, PolicyView};
use crate::manifest::{DisruptionBound, LabelSelector, NetworkPolicy, PodDisruptionBudget};

use super::super::Cluster;
use super::super::quota::Quota;

impl Cluster {
    /// `kubectl get resourcequotas,poddisruptionbudgets,networkpolicies`, in the order of their names.
    pub fn list_policies(&self) -> Vec<PolicyView> {
        let view = |kind, name: &String, says| PolicyView { kind, name: name.clone(), says };
        let quotas = self.quotas.iter();
        let quotas = quotas.map(|q| view(DeletableKind::ResourceQuota, &q.spec.meta.name, self.quota_text(q)));
        let budgets = self.budgets.iter();
        let budgets = budgets.map(|b| view(DeletableKind::PodDisruptionBudget, &b.meta.name, self.budget_text(b)));
        let policies = self.network_policies().iter();
        let policies = policies.map(|p| view(DeletableKind::NetworkPolicy, &p.meta.name, network_policy_text(p)));
        let mut all: Vec<_> = quotas.chain(budgets).chain(policies).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Used and hard amounts, such as `pods: 14/13`.
    fn quota_text(&self, quota: &Quota) -> String {
        let used = |resource| self.quota_usage(&quota.spec.meta.namespace, resource);
        let each = quota.spec.hard.iter().map(|(resource, hard)| {
            format!("{}: {}/{}", resource.name(), resource.quantity(used(*resource)), resource.quantity(*hard))
        });
        each.collect::<Vec<_>>().join(", ")
    }

    fn budget_text(&self, budget: &PodDisruptionBudget) -> String {
        let bound = match budget.bound {
            DisruptionBound::MinAvailable(least) => format!("min available {least}"),
            DisruptionBound::MaxUnavailable(most) => format!("max unavailable {most}"),
        };
        format!("{bound}, allowed disruptions {}", self.budget_status(budget).allowed)
    }
}

/// Which pods it isolates, and how.
fn network_policy_text(policy: &NetworkPolicy) -> String {
    let isolates = [("ingress", &policy.ingress), ("egress", &policy.egress)];
    let each = isolates.into_iter().filter_map(|(way, rules)| match rules.as_deref()? {
        [] => Some(format!("no {way}")),
        rules => Some(format!("{way} by {} rules", rules.len())),
    });
    format!("pods {}: {}", selector_text(&policy.pod_selector), each.collect::<Vec<_>>().join(", "))
}

fn selector_text(selector: &LabelSelector) -> String {
    let labels: Vec<String> = selector.match_labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    match (labels.is_empty(), selector.match_expressions.is_empty()) {
        (true, true) => "<all>".to_owned(),
        (true, false) => "by expressions".to_owned(),
        (false, _) => labels.join(","),
    }
}
