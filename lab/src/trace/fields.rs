//! What of an object is worth recording, as names and values.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Names, text};

/// Status fields of workloads, with `0` for those that are absent, as Kubernetes leaves zeros out.
const DEPLOYMENT: [(&str, &str); 6] = [
    ("replicas", "/spec/replicas"),
    ("status.replicas", "/status/replicas"),
    ("status.updated", "/status/updatedReplicas"),
    ("status.ready", "/status/readyReplicas"),
    ("status.available", "/status/availableReplicas"),
    ("status.unavailable", "/status/unavailableReplicas"),
];
const REPLICA_SET: [(&str, &str); 4] = [
    ("replicas", "/spec/replicas"),
    ("status.replicas", "/status/replicas"),
    ("status.ready", "/status/readyReplicas"),
    ("status.available", "/status/availableReplicas"),
];
const AUTOSCALER: [(&str, &str); 3] = [
    ("current", "/status/currentReplicas"),
    ("desired", "/status/desiredReplicas"),
    ("cpu.percent", "/status/currentMetrics/0/resource/current/averageUtilization"),
];

type Fields = BTreeMap<String, String>;

/// The fields of an object that are recorded.
pub(super) fn of(object: &Value, names: &mut Names) -> Fields {
    let mut fields = Fields::new();
    match text(object, "/kind") {
        "Deployment" => {
            numbers(object, &DEPLOYMENT, &mut fields);
            revision(object, &mut fields);
            if object.pointer("/spec/paused") == Some(&Value::Bool(true)) {
                fields.insert("paused".into(), "true".into());
            }
        }
        "ReplicaSet" => {
            numbers(object, &REPLICA_SET, &mut fields);
            revision(object, &mut fields);
        }
        "HorizontalPodAutoscaler" => numbers(object, &AUTOSCALER, &mut fields),
        "Pod" => pod(object, &mut fields),
        "EndpointSlice" => endpoints(object, names, &mut fields),
        "Node" => node(object, &mut fields),
        _ => {}
    }
    conditions(object, &mut fields);
    fields
}

fn items<'v>(object: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn numbers(object: &Value, wanted: &[(&str, &str)], fields: &mut Fields) {
    for (name, pointer) in wanted {
        let number = object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
        fields.insert((*name).into(), number.to_string());
    }
}

fn revision(object: &Value, fields: &mut Fields) {
    let revision = text(object, "/metadata/annotations/deployment.kubernetes.io~1revision");
    fields.insert("revision".into(), revision.into());
}

/// `Available: True/MinimumReplicasAvailable`.
fn conditions(object: &Value, fields: &mut Fields) {
    for condition in items(object, "/status/conditions") {
        let value = [text(condition, "/status"), text(condition, "/reason")].join("/");
        fields.insert(format!("condition.{}", text(condition, "/type")), value.trim_end_matches('/').into());
    }
}

fn pod(object: &Value, fields: &mut Fields) {
    for (name, pointer) in [("phase", "/status/phase"), ("node", "/spec/nodeName"), ("reason", "/status/reason")] {
        let value = text(object, pointer);
        if !value.is_empty() {
            fields.insert(name.into(), value.into());
        }
    }
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        let grace = object.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0);
        fields.insert("deleted.grace".into(), grace.to_string());
    }
    for status in items(object, "/status/containerStatuses") {
        let name = text(status, "/name");
        fields.insert(format!("container.{name}"), state(status.pointer("/state")));
        let last = state(status.pointer("/lastState"));
        if !last.is_empty() {
            fields.insert(format!("container.{name}.last"), last);
        }
        let restarts = status.pointer("/restartCount").and_then(Value::as_i64).unwrap_or(0);
        fields.insert(format!("container.{name}.restarts"), restarts.to_string());
        let ready = status.pointer("/ready").and_then(Value::as_bool).unwrap_or(false);
        fields.insert(format!("container.{name}.ready"), ready.to_string());
    }
}

/// `running`, `waiting/CrashLoopBackOff` or `terminated/OOMKilled/137`.
fn state(state: Option<&Value>) -> String {
    let Some((name, detail)) = state.and_then(Value::as_object).and_then(|state| state.iter().next()) else {
        return String::new();
    };
    let exit = detail.pointer("/exitCode").and_then(Value::as_i64).map(|code| code.to_string());
    let reason = Some(text(detail, "/reason")).filter(|reason| !reason.is_empty());
    [Some(name.as_str()), reason, exit.as_deref()].into_iter().flatten().collect::<Vec<_>>().join("/")
}

/// Per pod the conditions that hold.
fn endpoints(object: &Value, names: &mut Names, fields: &mut Fields) {
    for endpoint in items(object, "/endpoints") {
        let pod = names.of_reference("pod", text(endpoint, "/targetRef/name"));
        let holds = |name: &&str| endpoint.pointer(&format!("/conditions/{name}")) == Some(&Value::Bool(true));
        let held: Vec<_> = ["ready", "serving", "terminating"].into_iter().filter(holds).collect();
        fields.insert(format!("endpoint.{pod}"), held.join(" "));
    }
}

fn node(object: &Value, fields: &mut Fields) {
    let taint = |taint: &Value| format!("{}:{}", text(taint, "/key"), text(taint, "/effect"));
    let mut taints: Vec<_> = items(object, "/spec/taints").map(taint).collect();
    taints.sort();
    if !taints.is_empty() {
        fields.insert("taints".into(), taints.join(" "));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(object: &Value, expected: &[(&str, &str)]) {
        let expected: Fields = expected.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        assert_eq!(of(object, &mut Names::default()), expected);
    }

    #[test]
    fn a_pods_life_is_in_its_fields() {
        let statuses = json!([{
            "name": "web", "ready": false, "restartCount": 2,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
        }]);
        let object = json!({"kind": "Pod", "metadata": {"deletionTimestamp": "2026", "deletionGracePeriodSeconds": 30},
            "spec": {"nodeName": "node-1"},
            "status": {"phase": "Running", "containerStatuses": statuses,
                       "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}]}});
        check(
            &object,
            &[
                ("condition.Ready", "False/ContainersNotReady"),
                ("container.web", "waiting/CrashLoopBackOff"),
                ("container.web.last", "terminated/OOMKilled/137"),
                ("container.web.ready", "false"),
                ("container.web.restarts", "2"),
                ("deleted.grace", "30"),
                ("node", "node-1"),
                ("phase", "Running"),
            ],
        );
    }

    #[test]
    fn endpoints_are_named_by_their_pods() {
        let conditions = json!({"ready": false, "serving": true, "terminating": true});
        let object = json!({"kind": "EndpointSlice",
            "endpoints": [{"targetRef": {"name": "web-5c-x"}, "conditions": conditions}]});
        check(&object, &[("endpoint.web.r1.p1", "serving terminating")]);
    }
}
