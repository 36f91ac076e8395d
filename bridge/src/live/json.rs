//! Objects of the API as JSON: what is not there reads as nothing, as the API leaves zeros and empty lists out.

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use sim::time::SimDuration;
use sim::units::{Bytes, Millicores, parse_bytes, parse_millicores};

use crate::pods::{TEMPLATE_HASH, component_of_set};

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn owned(value: &Value) -> String {
    text(value).to_owned()
}

pub(super) fn count(value: &Value) -> u32 {
    value.as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(owned).collect()
}

/// An object's name.
pub(super) fn name(object: &Value) -> &str {
    text(&object["metadata"]["name"])
}

/// A number, or a text such as a port's name or `25%`, as it is written.
pub(super) fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// As `kubectl describe` prints labels.
pub(super) fn pairs(labels: &Value) -> Vec<String> {
    let each = labels.as_object().into_iter().flatten();
    each.map(|(key, value)| format!("{key}={}", text(value))).collect()
}

/// Type, status and reason of conditions.
pub(super) fn conditions(conditions: &Value) -> Vec<(String, String, String)> {
    list(conditions).iter().map(|c| (owned(&c["type"]), owned(&c["status"]), owned(&c["reason"]))).collect()
}

/// Whether a condition holds.
pub(super) fn holds(conditions: &Value, kind: &str) -> bool {
    list(conditions).iter().any(|condition| condition["type"] == kind && condition["status"] == "True")
}

/// A quantity that the API server has accepted.
pub(super) fn cpu(quantity: &Value) -> Option<Millicores> {
    parse_millicores(quantity.as_str()?).ok()
}

/// A quantity that the API server has accepted.
pub(super) fn memory(quantity: &Value) -> Option<Bytes> {
    parse_bytes(quantity.as_str()?).ok()
}

/// A time such as `2026-12-01T01:06:34Z`.
pub(super) fn timestamp(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// How long ago a time was; zero if it has yet to come.
pub(super) fn since(now: Timestamp, then: Timestamp) -> SimDuration {
    SimDuration(u64::try_from(now.as_nanosecond() - then.as_nanosecond()).unwrap_or(0))
}

/// The Deployment that a pod was made for, if it was made for one.
pub(super) fn component_of_pod(pod: &Value) -> Option<&str> {
    let meta = &pod["metadata"];
    let hash = meta["labels"][TEMPLATE_HASH].as_str()?;
    let owner = list(&meta["ownerReferences"]).iter().find(|owner| owner["kind"] == "ReplicaSet")?;
    component_of_set(text(&owner["name"]), hash)
}

/// Whether a pod has ended for good.
pub(super) fn is_over(pod: &Value) -> bool {
    matches!(text(&pod["status"]["phase"]), "Succeeded" | "Failed")
}

/// Whether a pod was asked to end.
pub(super) fn is_deleting(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_api_leaves_out_is_nothing() {
        let object = json!({ "metadata": { "name": "carts" } });
        assert_eq!((name(&object), count(&object["spec"]["replicas"])), ("carts", 0));
        assert!(list(&object["spec"]["containers"]).is_empty() && pairs(&object["metadata"]["labels"]).is_empty());
        assert_eq!((cpu(&object["cpu"]), memory(&json!("1Gi"))), (None, Some(Bytes(1 << 30))));
        assert_eq!((written(&json!(80)), written(&json!("25%"))), ("80".to_owned(), "25%".to_owned()));
    }

    #[test]
    fn a_pod_belongs_to_the_deployment_of_its_replica_set() {
        let pod = |owner: &str, hash: &str| {
            json!({ "metadata": {
                "labels": { "pod-template-hash": hash },
                "ownerReferences": [{ "kind": "ReplicaSet", "name": owner }],
            } })
        };
        assert_eq!(component_of_pod(&pod("carts-db-7d4b9c", "7d4b9c")), Some("carts-db"));
        assert_eq!(component_of_pod(&pod("carts", "7d4b9c")), None);
        assert_eq!(component_of_pod(&json!({ "metadata": {} })), None);
    }

    #[test]
    fn ages_are_never_negative() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(since(at(100), at(58)), SimDuration::from_secs(42));
        assert_eq!(since(at(58), at(100)), SimDuration::ZERO);
        assert_eq!(timestamp(&json!("1970-01-01T00:01:00Z")), Some(at(60)));
    }
}
