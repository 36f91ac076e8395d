//! Objects that hold others back: quotas, budgets and network policies, as `kubectl get` prints them.

use serde_json::Value;
use sim::environment::{DeletableKind, PolicyView};

use super::json::{list, name, text, written};

/// Quotas, disruption budgets and network policies, in the order of their names.
pub(super) fn policy_views(quotas: &[Value], budgets: &[Value], policies: &[Value]) -> Vec<PolicyView> {
    let views = |objects: &[Value], kind: DeletableKind, says: fn(&Value) -> String| -> Vec<PolicyView> {
        let view = |object: &Value| PolicyView { kind, name: name(object).to_owned(), says: says(object) };
        objects.iter().map(view).collect()
    };
    let mut all = views(quotas, DeletableKind::ResourceQuota, quota_text);
    all.extend(views(budgets, DeletableKind::PodDisruptionBudget, budget_text));
    all.extend(views(policies, DeletableKind::NetworkPolicy, network_policy_text));
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// Used and hard amounts, such as `pods: 14/13`. Before the quota controller has counted, what is used is not known.
fn quota_text(quota: &Value) -> String {
    let hard = quota["spec"]["hard"].as_object().into_iter().flatten();
    let each = hard.map(|(resource, hard)| {
        let used = &quota["status"]["used"][resource.as_str()];
        let used = if used.is_null() { "?".to_owned() } else { written(used) };
        format!("{resource}: {used}/{}", written(hard))
    });
    each.collect::<Vec<_>>().join(", ")
}

fn budget_text(budget: &Value) -> String {
    let spec = &budget["spec"];
    let bound = if spec["minAvailable"].is_null() {
        format!("max unavailable {}", written(&spec["maxUnavailable"]))
    } else {
        format!("min available {}", written(&spec["minAvailable"]))
    };
    let allowed = budget["status"]["disruptionsAllowed"].as_u64().unwrap_or(0);
    format!("{bound}, allowed disruptions {allowed}")
}

/// Which pods it isolates, and how.
fn network_policy_text(policy: &Value) -> String {
    let spec = &policy["spec"];
    let isolates = |kind: &str| list(&spec["policyTypes"]).iter().any(|isolated| isolated == kind);
    let ways = [("Ingress", "ingress"), ("Egress", "egress")].into_iter().filter(|(kind, _)| isolates(kind));
    let each = ways.map(|(_, way)| match list(&spec[way]) {
        [] => format!("no {way}"),
        rules => format!("{way} by {} rules", rules.len()),
    });
    format!("pods {}: {}", selector_text(&spec["podSelector"]), each.collect::<Vec<_>>().join(", "))
}

fn selector_text(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let labels: Vec<String> = labels.map(|(key, value)| format!("{key}={}", text(value))).collect();
    match (labels.is_empty(), list(&selector["matchExpressions"]).is_empty()) {
        (true, true) => "<all>".to_owned(),
        (true, false) => "by expressions".to_owned(),
        (false, _) => labels.join(","),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn policies_say_what_they_hold_back() {
        let quota = json!({
            "metadata": { "name": "z" }, "spec": { "hard": { "pods": "13", "requests.cpu": "2" } },
            "status": { "used": { "pods": "14" } },
        });
        let budget =
            |spec: Value| json!({ "metadata": { "name": "b" }, "spec": spec, "status": { "disruptionsAllowed": 1 } });
        let policy = |name: &str, spec: Value| json!({ "metadata": { "name": name }, "spec": spec });
        let budgets = [budget(json!({ "minAvailable": "50%" })), budget(json!({ "maxUnavailable": 1 }))];
        let policies = [
            policy("a", json!({ "podSelector": { "matchLabels": { "name": "carts" } }, "policyTypes": ["Ingress"] })),
            policy(
                "y",
                json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [] }),
            ),
        ];
        let views = policy_views(&[quota], &budgets, &policies);
        let said: Vec<(&str, &str)> = views.iter().map(|view| (view.name.as_str(), view.says.as_str())).collect();
        assert_eq!(
            said,
            [
                ("a", "pods name=carts: no ingress"),
                ("b", "min available 50%, allowed disruptions 1"),
                ("b", "max unavailable 1, allowed disruptions 1"),
                ("y", "pods <all>: ingress by 1 rules, no egress"),
                ("z", "pods: 14/13, requests.cpu: ?/2")
            ]
        );
    }
}
