//! Objects that hold others back: disruption budgets and quotas.

use std::collections::BTreeMap;

use serde::Serialize;

use super::meta::{LabelSelector, ObjectMeta};
use super::workload::IntOrPercent;
use crate::units::{Bytes, Millicores};

/// A `PodDisruptionBudget` (`policy/v1`): how many pods evictions must leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodDisruptionBudget {
    /// Name, namespace, labels and annotations.
    pub meta: ObjectMeta,
    /// Which pods it is about; none without a selector.
    pub selector: Option<LabelSelector>,
    /// What must be left.
    pub bound: DisruptionBound,
    /// Whether pods that are not ready may always be evicted (`unhealthyPodEvictionPolicy: AlwaysAllow`).
    pub always_evict_unhealthy: bool,
}

/// What a disruption budget asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DisruptionBound {
    /// So many ready pods; a share is rounded up.
    MinAvailable(IntOrPercent),
    /// So many less than wanted; a share is rounded up.
    MaxUnavailable(IntOrPercent),
}

/// A `ResourceQuota`: what the pods of a namespace may ask for together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceQuota {
    /// Name, namespace, labels and annotations.
    pub meta: ObjectMeta,
    /// The most of each.
    pub hard: QuotaAmounts,
}

/// Amounts of what a quota counts: numbers of pods, millicores, bytes.
pub type QuotaAmounts = BTreeMap<QuotaResource, u64>;

/// What a quota can count; `Cpu` and `RequestsCpu` are two names of one thing, and so for memory and pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum QuotaResource {
    /// `count/pods`.
    CountPods,
    /// `cpu`.
    Cpu,
    /// `limits.cpu`.
    LimitsCpu,
    /// `limits.memory`.
    LimitsMemory,
    /// `memory`.
    Memory,
    /// `pods`.
    Pods,
    /// `requests.cpu`.
    RequestsCpu,
    /// `requests.memory`.
    RequestsMemory,
}

/// How an amount is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaUnit {
    /// A whole number.
    Count,
    /// Of processors.
    Cpu,
    /// Of memory.
    Memory,
}

impl QuotaResource {
    /// In the order of their names.
    pub const ALL: [Self; 8] = [
        Self::CountPods,
        Self::Cpu,
        Self::LimitsCpu,
        Self::LimitsMemory,
        Self::Memory,
        Self::Pods,
        Self::RequestsCpu,
        Self::RequestsMemory,
    ];

    /// As in a manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CountPods => "count/pods",
            Self::Cpu => "cpu",
            Self::LimitsCpu => "limits.cpu",
            Self::LimitsMemory => "limits.memory",
            Self::Memory => "memory",
            Self::Pods => "pods",
            Self::RequestsCpu => "requests.cpu",
            Self::RequestsMemory => "requests.memory",
        }
    }

    /// How its amounts are written.
    pub const fn unit(self) -> QuotaUnit {
        match self {
            Self::CountPods | Self::Pods => QuotaUnit::Count,
            Self::Cpu | Self::LimitsCpu | Self::RequestsCpu => QuotaUnit::Cpu,
            Self::LimitsMemory | Self::Memory | Self::RequestsMemory => QuotaUnit::Memory,
        }
    }

    /// An amount of it as a quantity, such as `100m`.
    pub fn quantity(self, amount: u64) -> String {
        match self.unit() {
            QuotaUnit::Count => amount.to_string(),
            QuotaUnit::Cpu => Millicores(amount).to_string(),
            QuotaUnit::Memory => Bytes(amount).to_string(),
        }
    }
}
