//! Nodes: the machines as the control plane knows them.

use std::collections::BTreeSet;

use crate::chance::Key;
use crate::manifest::Labels;
use crate::units::{Bytes, Millicores};

use super::{endpoints, kubelet};

/// A machine to run pods on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// Its name.
    pub name: String,
    /// Its labels beside those that every node has.
    pub labels: Labels,
    /// CPU that pods can request.
    pub allocatable_cpu: Millicores,
    /// Memory that pods can request.
    pub allocatable_memory: Bytes,
}

/// What each kubelet allows at most (`--max-pods`).
pub(super) const MAX_PODS: u32 = 110;

/// A node with what runs there.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) spec: NodeSpec,
    /// With `kubernetes.io/hostname`, `kubernetes.io/os` and `kubernetes.io/arch`.
    pub(super) labels: Labels,
    /// Images that it has.
    pub(super) images: BTreeSet<String>,
    /// Whether it is cordoned (`spec.unschedulable`): no more pods come.
    pub(super) unschedulable: bool,
    /// How many pods had an address here.
    pub(super) addresses: u32,
    pub(super) puller: kubelet::Puller,
    pub(super) relist: kubelet::Relist,
    pub(super) proxy: endpoints::Proxy,
    pub(super) key: Key,
}

impl Node {
    pub(super) fn new(key: Key, spec: &NodeSpec) -> Self {
        let mut labels = spec.labels.clone();
        for (label, value) in [
            ("kubernetes.io/hostname", &*spec.name),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", "amd64"),
            // Deprecated, and still set (`initialNode` in pkg/kubelet/kubelet_node_status.go).
            ("beta.kubernetes.io/os", "linux"),
            ("beta.kubernetes.io/arch", "amd64"),
        ] {
            labels.insert(label.to_owned(), value.to_owned());
        }
        Self {
            spec: spec.clone(),
            labels,
            images: BTreeSet::new(),
            unschedulable: false,
            addresses: 0,
            puller: kubelet::Puller::default(),
            relist: kubelet::Relist::default(),
            proxy: endpoints::Proxy::default(),
            key: key.with_str("node").with_str(&spec.name),
        }
    }
}
