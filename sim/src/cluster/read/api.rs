//! Objects as the API server answers for them, in JSON, as far as somebody reads them: a watch on the twin says what a
//! watch on a cluster would.

use serde_json::{Value, json};

use crate::manifest::Labels;

use super::super::autoscaler::Autoscaler;
use super::super::kubelet::{Container, ContainerState, Exit};
use super::super::node::NodeCondition;
use super::super::objects::{Condition, Deployment, Phase, Pod, ReplicaSet, Service};
use super::super::printer::STATUS_UNKNOWN;
use super::super::{Cluster, Node};

/// The annotation that holds the revision of a Deployment and of its `ReplicaSet`s.
const REVISION: &str = "deployment.kubernetes.io/revision";

impl Cluster {
    /// All Deployments, `ReplicaSet`s, pods, `EndpointSlice`s, autoscalers and nodes, each kind in the order of
    /// creation.
    pub fn api_objects(&self) -> Vec<Value> {
        let mut objects: Vec<_> = self.deployments.values().map(deployment).collect();
        objects.extend(self.replica_sets.values().map(|set| {
            let namespace = self.deployments.get(&set.deployment).map_or("", |d| &d.spec.meta.namespace);
            replica_set(set, namespace)
        }));
        objects.extend(self.pods.values().map(|each| self.pod(each)));
        objects.extend(self.services.iter().map(|service| self.endpoint_slice(service)));
        objects.extend(self.autoscalers.values().map(Self::autoscaler));
        objects.extend(self.nodes.iter().map(node));
        objects
    }

    /// All events that are kept, in the order in which they were first seen.
    pub fn api_events(&self) -> impl Iterator<Item = Value> + '_ {
        let namespace = self.deployments.values().next().map_or("default", |d| &d.spec.meta.namespace);
        self.recorder.all().enumerate().map(move |(number, (source, event))| {
            let (kind, name) = event.object.split_once('/').unwrap_or(("", &event.object));
            json!({
                "kind": "Event",
                "metadata": {"name": format!("{name}.{number}"), "namespace": namespace},
                "involvedObject": {"kind": kind, "name": name, "namespace": namespace},
                "type": event.severity, "reason": event.reason, "message": event.message, "count": event.count,
                "source": {"component": source.name()},
            })
        })
    }

    fn pod(&self, pod: &Pod) -> Value {
        let mut metadata = metadata(&pod.name, &pod.namespace, &pod.labels);
        if let Some(deleted) = pod.deleted {
            metadata["deletionTimestamp"] = json!(deleted.as_secs_f64());
            metadata["deletionGracePeriodSeconds"] = json!(pod.grace.0 / 1_000_000_000);
        }
        let node = pod.node().map(|node| &*self.nodes[node.index()].spec.name);
        let phase = match pod.phase {
            Phase::Pending => "Pending",
            Phase::Running => "Running",
            Phase::Succeeded => "Succeeded",
            Phase::Failed => "Failed",
        };
        let mut status = json!({"phase": phase, "conditions": pod_conditions(pod)});
        if let Some(failed) = pod.failed.as_ref().filter(|_| pod.is_over()) {
            status["reason"] = json!(failed.reason);
            status["message"] = json!(failed.message);
        }
        if pod.started.is_some() {
            let statuses = pod.template.containers.iter().zip(&pod.kubelet.containers);
            status["containerStatuses"] =
                statuses.map(|(spec, container)| container_status(&spec.name, container)).collect();
        }
        let mut spec = json!({});
        if let Some(node) = node {
            spec["nodeName"] = json!(node);
        }
        json!({"kind": "Pod", "metadata": metadata, "spec": spec, "status": status})
    }

    fn endpoint_slice(&self, service: &Service) -> Value {
        let endpoints = service.endpoints.iter().filter_map(|endpoint| {
            let pod = self.pods.get(&endpoint.pod)?;
            Some(json!({
                "addresses": [endpoint.address.to_string()],
                "targetRef": {"kind": "Pod", "name": pod.name},
                "conditions": {
                    "ready": endpoint.is_ready(), "serving": endpoint.serving, "terminating": endpoint.terminating,
                },
            }))
        });
        let meta = &service.spec.meta;
        let labels = Labels::from([("kubernetes.io/service-name".to_owned(), meta.name.clone())]);
        let metadata = metadata(&format!("{}-slice", meta.name), &meta.namespace, &labels);
        json!({"kind": "EndpointSlice", "metadata": metadata, "endpoints": endpoints.collect::<Vec<_>>()})
    }

    fn autoscaler(autoscaler: &Autoscaler) -> Value {
        let meta = &autoscaler.spec.meta;
        let metrics: Vec<_> = autoscaler
            .current_percent
            .map(|percent| json!({"resource": {"name": "cpu", "current": {"averageUtilization": percent}}}))
            .into_iter()
            .collect();
        json!({
            "kind": "HorizontalPodAutoscaler",
            "metadata": metadata(&meta.name, &meta.namespace, &meta.labels),
            "status": {
                "currentReplicas": autoscaler.current, "desiredReplicas": autoscaler.desired,
                "currentMetrics": metrics, "conditions": conditions(&autoscaler.conditions),
            },
        })
    }
}

fn metadata(name: &str, namespace: &str, labels: &Labels) -> Value {
    json!({"name": name, "namespace": namespace, "labels": labels})
}

fn condition(kind: &str, status: &str, reason: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason})
}

fn conditions(conditions: &[Condition]) -> Vec<Value> {
    conditions.iter().map(|c| condition(c.kind, c.status, c.reason)).collect()
}

fn deployment(deployment: &Deployment) -> Value {
    let (meta, status) = (&deployment.spec.meta, deployment.status);
    let mut metadata = metadata(&meta.name, &meta.namespace, &meta.labels);
    if deployment.revision > 0 {
        metadata["annotations"] = json!({REVISION: deployment.revision.to_string()});
    }
    json!({
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {"replicas": deployment.spec.replicas, "paused": deployment.spec.paused},
        "status": {
            "replicas": status.replicas, "updatedReplicas": status.updated, "readyReplicas": status.ready,
            "availableReplicas": status.available, "unavailableReplicas": status.unavailable,
            "conditions": conditions(&deployment.conditions),
        },
    })
}

fn replica_set(set: &ReplicaSet, namespace: &str) -> Value {
    let mut metadata = metadata(&set.name, namespace, &set.template.labels);
    metadata["annotations"] = json!({REVISION: set.revision.to_string()});
    let status = set.status;
    let failure = status.fails.then(|| condition("ReplicaFailure", "True", "FailedCreate"));
    json!({
        "kind": "ReplicaSet",
        "metadata": metadata,
        "spec": {"replicas": set.replicas},
        "status": {
            "replicas": status.replicas, "readyReplicas": status.ready, "availableReplicas": status.available,
            "conditions": failure.into_iter().collect::<Vec<_>>(),
        },
    })
}

/// The scheduler's, and once the kubelet has seen the pod the kubelet's (`pkg/kubelet/status/generate.go`).
fn pod_conditions(pod: &Pod) -> Vec<Value> {
    let mut conditions = Vec::new();
    if pod.bound.is_some() {
        conditions.push(condition("PodScheduled", "True", ""));
    } else if pod.unschedulable.is_some() {
        conditions.push(condition("PodScheduled", "False", "Unschedulable"));
    }
    if let Some(reason) = pod.disruption {
        conditions.push(condition("DisruptionTarget", "True", reason));
    }
    if pod.started.is_none() {
        return conditions;
    }
    let not_ready = match pod.phase {
        Phase::Succeeded => "PodCompleted",
        Phase::Failed if pod.kubelet.containers.iter().any(|c| c.newest_process().is_some()) => "PodFailed",
        Phase::Failed | Phase::Pending | Phase::Running => "ContainersNotReady",
    };
    let initialized = if pod.phase == Phase::Succeeded { "PodCompleted" } else { "" };
    conditions.push(condition("Initialized", "True", initialized));
    conditions.push(condition("PodReadyToStartContainers", truth(pod.has_sandbox), ""));
    let are_ready = pod.kubelet.containers.iter().all(|container| container.shown.ready);
    let reason = if are_ready { "" } else { not_ready };
    conditions.push(condition("ContainersReady", truth(are_ready), reason));
    conditions.push(condition("Ready", truth(pod.ready), reason));
    conditions
}

fn truth(holds: bool) -> &'static str {
    if holds { "True" } else { "False" }
}

fn container_status(name: &str, container: &Container) -> Value {
    let shown = &container.shown;
    let state = match &shown.state {
        ContainerState::Unknown => json!({}),
        ContainerState::Waiting(waiting) => json!({"waiting": {"reason": waiting.reason}}),
        ContainerState::Running { .. } => json!({"running": {}}),
        ContainerState::Terminated(exit) => terminated(exit),
        ContainerState::Lost => json!({"terminated": {"reason": STATUS_UNKNOWN, "exitCode": 137}}),
    };
    let last = shown.last.as_ref().map_or_else(|| json!({}), terminated);
    json!({"name": name, "state": state, "lastState": last, "ready": shown.ready, "restartCount": shown.restarts})
}

fn terminated(exit: &Exit) -> Value {
    json!({"terminated": {"reason": exit.reason(), "exitCode": exit.code}})
}

fn node(node: &Node) -> Value {
    let conditions = NodeCondition::ALL.map(|kind| {
        let status = node.conditions.get(kind);
        condition(kind.name(), status.name(), kind.reason(status))
    });
    let taints: Vec<_> =
        node.taints.iter().map(|taint| json!({"key": taint.key, "effect": taint.effect.name()})).collect();
    json!({
        "kind": "Node",
        "metadata": {"name": node.spec.name, "labels": node.labels},
        "spec": {"unschedulable": node.unschedulable, "taints": taints},
        "status": {"conditions": conditions},
    })
}
