//! Disruption budgets and quotas as a manifest may say them.

use std::collections::BTreeMap;

use super::deployment::{SelectorSpec, int_or_percent, label_selector};
use super::names::{NameKind, below, meta};
use super::schema::{Findings, IntOrString, Metadata, Quantity, schema};
use crate::diagnostic::nearest;
use crate::manifest::policy::{
    DisruptionBound, PodDisruptionBudget, QuotaAmounts, QuotaResource, QuotaUnit, ResourceQuota,
};
use crate::manifest::workload::IntOrPercent;
use crate::units::{parse_bytes, parse_millicores};

schema! {
    struct BudgetFile { metadata: Metadata, spec: BudgetSpec, }
    ignores { api_version, kind, status, }
}

schema! {
    struct BudgetSpec {
        min_available: Option<IntOrString>,
        max_unavailable: Option<IntOrString>,
        selector: Option<SelectorSpec>,
        unhealthy_pod_eviction_policy: Option<UnhealthyPolicy>,
    }
    ignores {}
}

#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize)]
pub(in crate::manifest) enum UnhealthyPolicy {
    IfHealthyBudget,
    AlwaysAllow,
}

schema! {
    struct QuotaFile { metadata: Metadata, spec: QuotaSpec, }
    ignores { api_version, kind, status, }
}

schema! {
    struct QuotaSpec { hard: Option<BTreeMap<String, Quantity>>, }
    ignores { scopes, scope_selector, }
}

/// What quotas can count as well, and of which the twin has nothing.
const NOT_COUNTED: [&str; 9] = [
    "configmaps",
    "ephemeral-storage",
    "persistentvolumeclaims",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];

pub(super) fn budget(file: BudgetFile, findings: &mut Findings) -> PodDisruptionBudget {
    let spec = file.spec;
    let mut share = |spec: IntOrString, name: &str| {
        let field = format!("spec.{name}");
        let share = int_or_percent(spec, &field, findings);
        if matches!(share, IntOrPercent::Percent(101..)) {
            findings.error(&field, "a share is at most 100%", "write at most 100%");
        }
        share
    };
    let bound = match (spec.min_available, spec.max_unavailable) {
        (Some(least), None) => DisruptionBound::MinAvailable(share(least, "minAvailable")),
        (None, Some(most)) => DisruptionBound::MaxUnavailable(share(most, "maxUnavailable")),
        (Some(_), Some(most)) => {
            let help = "remove one of the two";
            findings.error("spec.maxUnavailable", "`minAvailable` and `maxUnavailable` exclude each other", help);
            DisruptionBound::MaxUnavailable(int_or_percent(most, "spec.maxUnavailable", findings))
        }
        (None, None) => {
            let help = "add `minAvailable` or `maxUnavailable`";
            findings.error("spec", "a budget without a bound holds nothing back", help);
            DisruptionBound::MinAvailable(IntOrPercent::Int(0))
        }
    };
    if spec.selector.is_none() {
        let help = "add `selector: {matchLabels: …}` with the labels of the pods";
        findings.warning("spec", "a budget without a selector is about no pods", help);
    }
    PodDisruptionBudget {
        selector: spec.selector.map(|selector| label_selector(selector, "spec.selector", findings)),
        bound,
        always_evict_unhealthy: spec.unhealthy_pod_eviction_policy == Some(UnhealthyPolicy::AlwaysAllow),
        meta: meta(findings, file.metadata, NameKind::Subdomain),
    }
}

pub(super) fn quota(file: QuotaFile, findings: &mut Findings) -> ResourceQuota {
    for field in ["spec.scopes", "spec.scopeSelector"] {
        if findings.is_written(field) {
            let help = "remove it: the twin's quotas are about all pods of their namespace";
            findings.error(field, "the twin knows no scopes of quotas", help);
        }
    }
    let written = file.spec.hard.unwrap_or_default();
    let hard: QuotaAmounts =
        written.into_iter().filter_map(|(name, quantity)| hard_limit(&name, &quantity, findings)).collect();
    ResourceQuota { meta: meta(findings, file.metadata, NameKind::Subdomain), hard }
}

fn hard_limit(name: &str, quantity: &Quantity, findings: &mut Findings) -> Option<(QuotaResource, u64)> {
    let field = below("spec.hard", name);
    let Some(resource) = QuotaResource::ALL.into_iter().find(|resource| resource.name() == name) else {
        if NOT_COUNTED.contains(&name) || name.starts_with("count/") || name.starts_with("requests.") {
            let help = "remove it, or leave it: the rest is not affected";
            findings.warning(&field, format!("`{name}` is not counted in the twin"), help);
        } else {
            let help = match nearest(name, QuotaResource::ALL.into_iter().map(QuotaResource::name)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "write `pods`, `requests.cpu`, `requests.memory`, `limits.cpu` or `limits.memory`".to_owned(),
            };
            findings.error(&field, format!("quotas count no `{name}`"), help);
        }
        return None;
    };
    let text = &quantity.0;
    let amount = match resource.unit() {
        QuotaUnit::Count => text.parse().map_err(|_| format!("`{text}` is not a whole number: write one such as 10")),
        QuotaUnit::Cpu => parse_millicores(text).map(|amount| amount.0),
        QuotaUnit::Memory => parse_bytes(text).map(|amount| amount.0),
    };
    Some((resource, findings.parsed(&field, amount)?))
}
