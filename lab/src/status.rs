//! What runs of the lab.

use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use sim::units::Bytes;

use crate::cgroups;
use crate::component::Component;
use crate::layout::parse_meminfo;

/// What runs.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Whether all components run and the API server is ready.
    pub up: bool,
    /// The folder of the lab's files.
    pub directory: PathBuf,
    /// For kubectl and other clients on this machine.
    pub kubeconfig: PathBuf,
    /// Where Prometheus answers.
    pub prometheus: String,
    /// The daemons.
    pub components: Vec<ComponentStatus>,
    /// The nodes, as far as the API server says.
    pub nodes: Vec<NodeStatus>,
    /// What exists of a lab that is not up: processes, mounts, namespaces, links, control groups.
    pub leftovers: Vec<String>,
}

/// One daemon.
#[derive(Clone, Debug, Serialize)]
pub struct ComponentStatus {
    /// Its name, such as `node-1/kubelet`.
    pub name: String,
    /// Whether it runs.
    pub alive: bool,
    /// What it and its children keep in memory, in bytes; a page that several share counts once among them (`Pss`).
    pub memory: Bytes,
    /// Its log.
    pub log: PathBuf,
}

/// One node.
#[derive(Clone, Debug, Serialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// Whether its kubelet reports it ready.
    pub ready: bool,
    /// What it offers of CPU, as Kubernetes writes it.
    pub cpu: String,
    /// What it offers of memory, as Kubernetes writes it.
    pub memory: String,
}

impl ComponentStatus {
    pub(crate) fn of(component: &Component, log: PathBuf) -> Self {
        let resident = cgroups::processes_of(&component.name).into_iter().filter_map(|pid| {
            let status = fs::read_to_string(format!("/proc/{}/smaps_rollup", pid.as_raw_nonzero())).ok()?;
            Some(parse_meminfo(&status, "Pss")?.0)
        });
        let memory = Bytes(resident.sum());
        Self { name: component.name.clone(), alive: component.is_alive(), memory, log }
    }
}

/// Reads `kubectl get nodes -o json`.
pub(crate) fn nodes(json: &str) -> Vec<NodeStatus> {
    let list: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    let node = |node: &serde_json::Value| {
        let text = |pointer: &str| node.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default();
        let conditions = node.pointer("/status/conditions").and_then(serde_json::Value::as_array);
        let ready = conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True");
        NodeStatus {
            name: text("/metadata/name").to_owned(),
            ready,
            cpu: text("/status/allocatable/cpu").to_owned(),
            memory: text("/status/allocatable/memory").to_owned(),
        }
    };
    list["items"].as_array().into_iter().flatten().map(node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_read_from_what_kubectl_prints() {
        let json = r#"{"items": [
            {"metadata": {"name": "node-1"}, "status": {"allocatable": {"cpu": "1", "memory": "8Gi"},
             "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": "True"}]}},
            {"metadata": {"name": "node-2"}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}]}"#;
        let found: Vec<_> = nodes(json).into_iter().map(|n| (n.name, n.ready, n.cpu)).collect();
        assert_eq!(found, [("node-1".into(), true, "1".into()), ("node-2".into(), false, String::new())]);
        assert_eq!(nodes("").len(), 0);
    }
}
