//! The machines of a scenario.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::SimDuration;
use crate::units::{Bytes, Millicores};

/// The nodes and the network between them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// The machines that pods run on.
    pub nodes: Vec<Node>,
    /// One way between two nodes, added to each message: from one process' `write` until the other runs.
    pub network_latency: SimDuration,
    /// The same, within a node.
    pub local_latency: SimDuration,
    /// How the nodes' kernels repeat a SYN that finds a full accept queue.
    pub syn_retries: SynRetries,
    /// The control groups of the nodes: who is killed when a container is over its memory limit.
    pub cgroup: Cgroup,
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// What pods can use of its CPU (`status.allocatable.cpu`).
    pub cores: Millicores,
    /// What pods can use of its memory.
    pub memory: Bytes,
    /// How fast it computes, relative to the machine on which the profile was measured. Default 1.
    #[serde(default = "unit_speed")]
    pub speed: f64,
}

fn unit_speed() -> f64 {
    1.0
}

/// The kernel's way of repeating a SYN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SynRetries {
    /// Linux 6.5 and later: after 1, 2, 3 and 4 s, then doubling (`tcp_syn_linear_timeouts`).
    #[default]
    Linear,
    /// Before: after 1, 3, 7 s …, doubling from the start.
    Exponential,
}

/// The version of a node's control groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cgroup {
    /// All processes of a container die at once (`memory.oom.group`, which the kubelet sets since 1.28).
    #[default]
    V2,
    /// The process with the most memory dies; the container ends if that is its own.
    V1,
}

impl Default for Cluster {
    /// The paper's minikube: one node of 6 cores and 16 GiB (arXiv 2407.14402, section 4.1).
    fn default() -> Self {
        Self {
            nodes: vec![Node {
                name: "minikube".into(),
                cores: Millicores(6_000),
                memory: Bytes::from_mebibytes(16 << 10),
                speed: 1.0,
            }],
            network_latency: SimDuration::ZERO,
            local_latency: SimDuration::ZERO,
            syn_retries: SynRetries::Linear,
            cgroup: Cgroup::V2,
        }
    }
}
