//! Nodes: the machines as the control plane knows them.

use std::collections::BTreeSet;

use crate::chance::Key;
use crate::ids::ContainerIx;
use crate::manifest::{Labels, TaintEffect, Toleration};
use crate::time::SimTime;
use crate::units::{Bytes, Millicores};

use super::node_lifecycle::Health;
use super::outage::{KubeletState, Outage};
use super::recorder::Subject;
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

/// A condition of a node that its kubelet reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NodeCondition {
    MemoryPressure,
    DiskPressure,
    PidPressure,
    Ready,
}

/// The status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    True,
    False,
    Unknown,
}

impl Truth {
    pub(super) const fn of(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl NodeCondition {
    /// In the order in which a kubelet reports them.
    pub(super) const ALL: [Self; 4] = [Self::MemoryPressure, Self::DiskPressure, Self::PidPressure, Self::Ready];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::MemoryPressure => "MemoryPressure",
            Self::DiskPressure => "DiskPressure",
            Self::PidPressure => "PIDPressure",
            Self::Ready => "Ready",
        }
    }

    /// As a kubelet or the node lifecycle controller writes it (`pkg/kubelet/nodestatus/setters.go`).
    pub(super) const fn reason(self, status: Truth) -> &'static str {
        match (self, status) {
            (_, Truth::Unknown) => "NodeStatusUnknown",
            (Self::MemoryPressure, Truth::True) => "KubeletHasInsufficientMemory",
            (Self::MemoryPressure, Truth::False) => "KubeletHasSufficientMemory",
            (Self::DiskPressure, Truth::True) => "KubeletHasDiskPressure",
            (Self::DiskPressure, Truth::False) => "KubeletHasNoDiskPressure",
            (Self::PidPressure, Truth::True) => "KubeletHasInsufficientPID",
            (Self::PidPressure, Truth::False) => "KubeletHasSufficientPID",
            (Self::Ready, Truth::True) => "KubeletReady",
            (Self::Ready, Truth::False) => "KubeletNotReady",
        }
    }

    /// The reason of the event with which a kubelet tells of it.
    pub(super) const fn event(self, holds: bool) -> &'static str {
        match (self, holds) {
            (Self::MemoryPressure, true) => "NodeHasInsufficientMemory",
            (Self::MemoryPressure, false) => "NodeHasSufficientMemory",
            (Self::DiskPressure, true) => "NodeHasDiskPressure",
            (Self::DiskPressure, false) => "NodeHasNoDiskPressure",
            (Self::PidPressure, true) => "NodeHasInsufficientPID",
            (Self::PidPressure, false) => "NodeHasSufficientPID",
            (Self::Ready, true) => "NodeReady",
            (Self::Ready, false) => "NodeNotReady",
        }
    }
}

/// The statuses of all conditions of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeConditions([Truth; 4]);

impl NodeConditions {
    /// Of a node that is well.
    pub(super) const WELL: Self = Self([Truth::False, Truth::False, Truth::False, Truth::True]);
    /// Of one of which nothing is heard.
    pub(super) const UNKNOWN: Self = Self([Truth::Unknown; 4]);

    pub(super) const fn get(self, condition: NodeCondition) -> Truth {
        self.0[condition as usize]
    }

    pub(super) const fn set(&mut self, condition: NodeCondition, status: Truth) {
        self.0[condition as usize] = status;
    }

    pub(super) fn is_ready(self) -> bool {
        self.get(NodeCondition::Ready) == Truth::True
    }
}

/// A taint; those of Kubernetes' own components have no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Taint {
    pub(super) key: &'static str,
    pub(super) effect: TaintEffect,
}

impl Taint {
    pub(super) const NOT_READY: &'static str = "node.kubernetes.io/not-ready";
    pub(super) const UNREACHABLE: &'static str = "node.kubernetes.io/unreachable";
    pub(super) const UNSCHEDULABLE: &'static str = "node.kubernetes.io/unschedulable";
    pub(super) const MEMORY_PRESSURE: &'static str = "node.kubernetes.io/memory-pressure";
    pub(super) const DISK_PRESSURE: &'static str = "node.kubernetes.io/disk-pressure";
    pub(super) const PID_PRESSURE: &'static str = "node.kubernetes.io/pid-pressure";

    pub(super) const fn no_schedule(key: &'static str) -> Self {
        Self { key, effect: TaintEffect::NoSchedule }
    }

    pub(super) const fn no_execute(key: &'static str) -> Self {
        Self { key, effect: TaintEffect::NoExecute }
    }

    pub(super) fn is_tolerated(self, tolerations: &[Toleration]) -> bool {
        tolerations.iter().any(|toleration| toleration.covers(self.key, self.effect))
    }
}

/// `KEY:EFFECT`, as kubectl prints it.
impl std::fmt::Display for Taint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.key, self.effect.name())
    }
}

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
    /// What of that its kubelet has told last.
    pub(super) told_unschedulable: bool,
    /// As last written by its kubelet, or for want of it by the node lifecycle controller.
    pub(super) conditions: NodeConditions,
    pub(super) taints: BTreeSet<Taint>,
    /// What of it does not work.
    pub(super) outage: Option<Outage>,
    pub(super) kubelet: KubeletState,
    /// When its kubelet last started.
    pub(super) kubelet_started: SimTime,
    /// When its kubelet last renewed the node's lease, and last wrote its status.
    pub(super) lease_renewed: SimTime,
    pub(super) status_written: SimTime,
    /// What the node lifecycle controller knows of it.
    pub(super) health: Health,
    /// What is short.
    pub(super) pressure: kubelet::Pressure,
    /// Processes whose pods' objects are gone, and of which its kubelet does not know yet.
    pub(super) orphans: Vec<ContainerIx>,
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
            told_unschedulable: false,
            conditions: NodeConditions::WELL,
            taints: BTreeSet::new(),
            outage: None,
            kubelet: KubeletState::Up,
            kubelet_started: SimTime::ZERO,
            lease_renewed: SimTime::ZERO,
            status_written: SimTime::ZERO,
            health: Health::default(),
            pressure: kubelet::Pressure::default(),
            orphans: Vec::new(),
            addresses: 0,
            puller: kubelet::Puller::default(),
            relist: kubelet::Relist::default(),
            proxy: endpoints::Proxy::default(),
            key: key.with_str("node").with_str(&spec.name),
        }
    }

    pub(super) fn subject(&self) -> Subject {
        Subject { object: format!("node/{}", self.spec.name), component: None }
    }
}
