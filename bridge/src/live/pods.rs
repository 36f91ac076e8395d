//! Pods and their containers, as agents see them.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use sim::environment::{ContainerView, PodView, Usage};
use sim::units::{Bytes, Millicores};

use super::json::{
    component_of_pod, count, cpu, holds, is_deleting, list, memory, name, owned, since, text, timestamp,
};

pub(super) fn pod_view(pod: &Value, component: &str, now: Timestamp) -> PodView {
    let (spec, status) = (&pod["spec"], &pod["status"]);
    let containers = list(&status["containerStatuses"]);
    let created = timestamp(&pod["metadata"]["creationTimestamp"]).unwrap_or(now);
    let given = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    PodView {
        name: name(pod).to_owned(),
        component: component.to_owned(),
        status: pod_status(pod).to_owned(),
        ready: containers.iter().filter(|container| container["ready"] == true).count() as u32,
        containers: list(&spec["containers"]).len() as u32,
        restarts: containers.iter().map(|container| count(&container["restartCount"])).sum(),
        age: since(now, created),
        node: given(&spec["nodeName"]),
        ip: given(&status["podIP"]),
    }
}

/// The STATUS column of `kubectl get pods` (`pkg/printers/internalversion/printers.go`, `printPod`): the reason of the last
/// container that has one, unless one runs and another has completed.
pub(super) fn pod_status(pod: &Value) -> &str {
    let status = &pod["status"];
    if is_deleting(pod) {
        return "Terminating";
    }
    let mut shown = match (text(&status["reason"]), text(&status["phase"])) {
        ("", "Succeeded") => "Completed",
        ("", "Failed") => "Error",
        ("", phase) => phase,
        (reason, _) => reason,
    };
    let mut is_running = false;
    for container in list(&status["containerStatuses"]).iter().rev() {
        let state = &container["state"];
        let why = [&state["waiting"]["reason"], &state["terminated"]["reason"]].map(text);
        match why.into_iter().find(|reason| !reason.is_empty()) {
            Some(reason) => shown = reason,
            None => is_running |= state["running"].is_object() && container["ready"] == true,
        }
    }
    match shown {
        "Completed" if is_running && holds(&status["conditions"], "Ready") => "Running",
        "Completed" if is_running => "NotReady",
        shown => shown,
    }
}

pub(super) fn container_views(pod: &Value) -> Vec<ContainerView> {
    let statuses = list(&pod["status"]["containerStatuses"]);
    let view = |spec: &Value| {
        let status = statuses.iter().find(|status| status["name"] == spec["name"]).unwrap_or(&Value::Null);
        ContainerView {
            name: owned(&spec["name"]),
            image: owned(&spec["image"]),
            state: state(&status["state"]),
            last_state: terminated(&status["lastState"]["terminated"]),
            ready: status["ready"] == true,
            restarts: count(&status["restartCount"]),
        }
    };
    list(&pod["spec"]["containers"]).iter().map(view).collect()
}

fn state(state: &Value) -> String {
    if state["running"].is_object() {
        return "Running".to_owned();
    }
    match (terminated(&state["terminated"]), text(&state["waiting"]["reason"])) {
        (Some(terminated), _) => terminated,
        (None, "") => "Waiting".to_owned(),
        (None, reason) => format!("Waiting ({reason})"),
    }
}

fn terminated(end: &Value) -> Option<String> {
    let code = end["exitCode"].as_i64()?;
    Some(format!("Terminated ({}, exit code {code})", text(&end["reason"])))
}

/// What metrics-server says that a pod used, in the sum of its containers.
pub(super) fn used(metrics: &Value) -> (Millicores, Bytes) {
    let containers = list(&metrics["containers"]);
    let cpu = containers.iter().filter_map(|container| cpu(&container["usage"]["cpu"])).sum();
    let memory = containers.iter().filter_map(|container| memory(&container["usage"]["memory"])).sum();
    (cpu, memory)
}

/// `kubectl top pods`, of those of `pods` that metrics-server knows, in their order.
pub(super) fn usage(pods: &[(&Value, String)], metrics: &[Value]) -> Vec<Usage> {
    let by_name: BTreeMap<&str, &Value> = metrics.iter().map(|metrics| (name(metrics), metrics)).collect();
    let view = |(pod, component): &(&Value, String)| {
        let (cpu_used, memory_used) = used(by_name.get(name(pod))?);
        let resources = || list(&pod["spec"]["containers"]).iter().map(|container| &container["resources"]);
        Some(Usage {
            pod: name(pod).to_owned(),
            component: component.clone(),
            cpu: cpu_used,
            memory: memory_used,
            cpu_request: total(resources().map(|resources| cpu(&resources["requests"]["cpu"]))),
            cpu_limit: total(resources().map(|resources| cpu(&resources["limits"]["cpu"]))),
            memory_limit: total(resources().map(|resources| memory(&resources["limits"]["memory"]))),
        })
    };
    pods.iter().filter_map(view).collect()
}

/// The sum of quantities; none if no container has one.
fn total<T: std::iter::Sum>(each: impl Iterator<Item = Option<T>>) -> Option<T> {
    let mut some = each.flatten().peekable();
    some.peek().is_some().then(|| some.sum())
}

/// Which component a pod belongs to: its Deployment, or else what its label of this name says.
pub(super) fn component(pod: &Value, label: Option<&str>) -> String {
    let labelled = || label.map_or("", |label| text(&pod["metadata"]["labels"][label]));
    component_of_pod(pod).unwrap_or_else(labelled).to_owned()
}

/// The pod whose log is shown for a Deployment: a ready one, a running one, or any; of equals the oldest.
pub(super) fn for_logs<'a>(pods: &[&'a Value]) -> Option<&'a Value> {
    let rank = |pod: &Value| {
        let status = &pod["status"];
        let phase = match text(&status["phase"]) {
            "Running" => 1,
            "Succeeded" => 2,
            "Failed" => 3,
            _ => 0,
        };
        let is_active = !is_deleting(pod) && phase < 2;
        (is_active, holds(&status["conditions"], "Ready"), phase)
    };
    let created = |pod: &Value| owned(&pod["metadata"]["creationTimestamp"]);
    pods.iter().copied().max_by_key(|pod| (rank(pod), std::cmp::Reverse(created(pod))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sim::time::SimDuration;

    use super::*;

    fn pod(phase: &str, containers: &Value) -> Value {
        json!({
            "metadata": { "name": "carts-7d4b9c-x2x4z", "creationTimestamp": "2026-12-01T01:00:00Z" },
            "spec": { "nodeName": "node-1", "containers": [
                {
                    "name": "carts", "image": "c:1",
                    "resources": { "requests": { "cpu": "100m" }, "limits": { "cpu": "300m", "memory": "500Mi" } },
                },
                { "name": "proxy", "image": "p:1", "resources": { "limits": { "cpu": "100m" } } },
            ] },
            "status": { "phase": phase, "podIP": "10.244.1.7", "containerStatuses": containers },
        })
    }

    #[test]
    fn the_status_is_the_column_of_kubectl() {
        let running = || json!({ "ready": true, "state": { "running": {} } });
        let waiting = |why: &str| json!({ "ready": false, "state": { "waiting": { "reason": why } } });
        let ended = |why: &str| json!({ "ready": false, "state": { "terminated": { "reason": why, "exitCode": 0 } } });
        for (phase, containers, status) in [
            ("Running", json!([running()]), "Running"),
            ("Pending", json!([]), "Pending"),
            ("Pending", json!([waiting("ContainerCreating")]), "ContainerCreating"),
            ("Pending", json!([waiting("ImagePullBackOff"), running()]), "ImagePullBackOff"),
            ("Running", json!([waiting("CrashLoopBackOff")]), "CrashLoopBackOff"),
            ("Running", json!([ended("Error")]), "Error"),
            ("Running", json!([ended("Completed"), running()]), "NotReady"),
            ("Succeeded", json!([ended("Completed")]), "Completed"),
        ] {
            assert_eq!(pod_status(&pod(phase, &containers)), status, "{phase} {containers}");
        }
        let mut evicted = pod("Failed", &json!([]));
        evicted["status"]["reason"] = json!("Evicted");
        assert_eq!(pod_status(&evicted), "Evicted");
        evicted["metadata"]["deletionTimestamp"] = json!("2026-12-01T01:00:00Z");
        assert_eq!(pod_status(&evicted), "Terminating");
    }

    #[test]
    fn a_pod_and_its_containers_are_counted() {
        let statuses = json!([
            {
                "name": "carts", "ready": false, "restartCount": 3, "state": { "waiting": { "reason": "CrashLoopBackOff" } },
                "lastState": { "terminated": { "reason": "OOMKilled", "exitCode": 137 } },
            },
            { "name": "proxy", "ready": true, "restartCount": 1, "state": { "running": {} } },
        ]);
        let pod = pod("Running", &statuses);
        let now: Timestamp = "2026-12-01T01:02:03Z".parse().unwrap();
        let view = pod_view(&pod, "carts", now);
        assert_eq!((view.ready, view.containers, view.restarts, view.age), (1, 2, 4, SimDuration::from_secs(123)));
        assert_eq!((view.node.as_deref(), view.ip.as_deref()), (Some("node-1"), Some("10.244.1.7")));
        let containers = container_views(&pod);
        assert_eq!(containers[0].state, "Waiting (CrashLoopBackOff)");
        assert_eq!(containers[0].last_state.as_deref(), Some("Terminated (OOMKilled, exit code 137)"));
        assert_eq!((containers[1].state.as_str(), &containers[1].last_state), ("Running", &None));
    }

    #[test]
    fn usage_is_summed_over_the_containers_of_a_pod() {
        let pod = pod("Running", &json!([]));
        let metrics = [json!({
            "metadata": { "name": "carts-7d4b9c-x2x4z" },
            "containers": [
                { "name": "carts", "usage": { "cpu": "12345678n", "memory": "300Mi" } },
                { "name": "proxy", "usage": { "cpu": "1m", "memory": "1Mi" } },
            ],
        })];
        let seen = usage(&[(&pod, "carts".to_owned())], &metrics);
        assert_eq!((seen[0].cpu, seen[0].memory), (Millicores(14), Bytes::from_mebibytes(301)));
        assert_eq!((seen[0].cpu_request, seen[0].cpu_limit), (Some(Millicores(100)), Some(Millicores(400))));
        assert_eq!(seen[0].memory_limit, Some(Bytes::from_mebibytes(500)));
        assert!(usage(&[(&pod, "carts".to_owned())], &[]).is_empty(), "metrics-server does not know it yet");
    }

    #[test]
    fn the_log_is_that_of_a_pod_that_serves() {
        let with = |name: &str, phase: &str, is_ready: bool, created: &str| {
            let ready = if is_ready { "True" } else { "False" };
            json!({
                "metadata": { "name": name, "creationTimestamp": created },
                "status": { "phase": phase, "conditions": [{ "type": "Ready", "status": ready }] },
            })
        };
        let pods = [
            with("pending", "Pending", false, "2026-12-01T01:00:00Z"),
            with("young", "Running", true, "2026-12-01T01:00:09Z"),
            with("old", "Running", true, "2026-12-01T01:00:01Z"),
            with("unready", "Running", false, "2026-12-01T01:00:00Z"),
        ];
        let all: Vec<&Value> = pods.iter().collect();
        assert_eq!(for_logs(&all).map(name), Some("old"));
        assert_eq!(for_logs(&[&pods[0], &pods[3]]).map(name), Some("unready"));
        assert_eq!(for_logs(&[]), None);
    }
}
