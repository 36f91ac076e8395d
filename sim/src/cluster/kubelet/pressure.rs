//! The kubelet's eviction manager (`pkg/kubelet/eviction`): when its node runs short of memory or disk, it reports that and
//! ends pods one after the other, until there is enough.
//!
//! What a node can give is what its pods can request and the threshold beyond it; what the node itself needs is reserved.
//! Pods use no disk; images do, and whatever a fault puts there.
//!
//! Invariants:
//! - At most one pod of a node is being evicted.
//! - An evicted pod never runs again. It stays as Failed until somebody deletes it.

use std::cmp::Reverse;

use crate::engine::Queue;
use crate::ids::{NodeIx, PodIx};
use crate::time::{SimDuration, SimTime};
use crate::units::Bytes;

use super::super::node::{NodeCondition, NodeConditions, Truth};
use super::super::objects::{Failed, Pod};
use super::super::recorder::{Severity, Source};
use super::super::runtime::{ContainerRuntime, Host, Machines};
use super::super::{Cluster, Event};
use super::Stage;

/// Between two looks at the node (`evictionMonitoringPeriod`).
const MONITORING: SimDuration = SimDuration::from_secs(10);
/// Between two looks whether an evicted pod has ended (`podCleanupPollFreq`), and how long that is waited for.
const CLEANUP_POLL: SimDuration = SimDuration::SECOND;
const CLEANUP_TIMEOUT: SimDuration = SimDuration::from_secs(30);
/// How long a condition lasts after it was last seen (`evictionPressureTransitionPeriod`).
const TRANSITION: SimDuration = SimDuration::from_secs(300);
/// `memory.available` of the default hard thresholds.
const MEMORY_THRESHOLD: Bytes = Bytes::from_mebibytes(100);
/// The disk of a node: minikube's `--disk-size`.
const DISK: Bytes = Bytes(20_000_000_000);
/// `nodefs.available` of the default hard thresholds, in per cent of it.
const DISK_THRESHOLD_PERCENT: u64 = 10;
/// What a pod has from SIGTERM to SIGKILL (`immediateEvictionGracePeriodSeconds`).
pub(super) const EVICTION_GRACE: SimDuration = SimDuration::SECOND;

/// What the eviction manager of a node knows, and what on the node belongs to no pod.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Pressure {
    occupied_memory: Bytes,
    occupied_disk: Bytes,
    /// When either was last short.
    memory_seen: Option<SimTime>,
    disk_seen: Option<SimTime>,
    /// The pod that is being evicted, and since when.
    evicting: Option<(PodIx, SimTime)>,
    /// What else the kubelet was told to look out for, and since when it sees that.
    soft: Option<SoftThreshold>,
    soft_since: Option<SimTime>,
}

/// A soft threshold of `memory.available`: pods are evicted when there has been less for as long as its grace period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftThreshold {
    /// How much.
    pub available: Bytes,
    /// For how long (`evictionSoftGracePeriod`).
    pub grace: SimDuration,
}

/// What is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Starved {
    Memory,
    Disk,
}

impl Starved {
    /// The resource, as messages call it (`signalToResource`).
    const fn resource(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "ephemeral-storage",
        }
    }
}

/// A threshold that is met.
#[derive(Clone, Copy, Debug)]
struct Met {
    starved: Starved,
    threshold: Bytes,
    available: Bytes,
}

impl Pressure {
    /// A kubelet that starts knows nothing of what was.
    pub(in super::super) fn forget(&mut self) {
        (self.memory_seen, self.disk_seen, self.evicting, self.soft_since) = (None, None, None, None);
    }

    /// The threshold that less memory than this meets, if any does for long enough (`thresholdsMetGracePeriod`). The
    /// condition comes at once.
    fn memory_met(&mut self, available: Bytes, now: SimTime) -> Option<Bytes> {
        let soft = self.soft.filter(|soft| available < soft.available);
        self.soft_since = soft.map(|_| self.soft_since.unwrap_or(now));
        let is_hard = available < MEMORY_THRESHOLD;
        if is_hard || soft.is_some() {
            self.memory_seen = Some(now);
        }
        let lasts = self.soft_since.zip(soft).is_some_and(|(since, soft)| now.since(since) >= soft.grace);
        if is_hard { Some(MEMORY_THRESHOLD) } else { soft.filter(|_| lasts).map(|soft| soft.available) }
    }

    /// Writes the conditions that follow.
    pub(in super::super) fn report(&self, now: SimTime, conditions: &mut NodeConditions) {
        let lasts = |seen: Option<SimTime>| Truth::of(seen.is_some_and(|at| now.since(at) < TRANSITION));
        conditions.set(NodeCondition::MemoryPressure, lasts(self.memory_seen));
        conditions.set(NodeCondition::DiskPressure, lasts(self.disk_seen));
    }
}

impl Cluster {
    /// Lets something that belongs to no pod occupy so much of a node's memory from now on.
    pub fn occupy_memory(&mut self, node: NodeIx, bytes: Bytes) {
        self.nodes[node.index()].pressure.occupied_memory = bytes;
    }

    /// Lets something that belongs to no pod occupy so much of a node's disk from now on.
    pub fn occupy_disk(&mut self, node: NodeIx, bytes: Bytes) {
        self.nodes[node.index()].pressure.occupied_disk = bytes;
    }

    /// Tells the kubelet of a node, which must be restarted for it, to evict pods at another threshold too, or at none but
    /// its own.
    pub fn set_soft_threshold(&mut self, node: NodeIx, threshold: Option<SoftThreshold>) {
        self.nodes[node.index()].pressure.soft = threshold;
    }

    /// How much of a node's memory is left before its kubelet evicts pods; less than nothing is nothing.
    pub fn spare_memory<E, R>(&self, now: SimTime, node: NodeIx, queue: &mut Queue<E>, runtime: &mut R) -> Bytes
    where
        E: Copy + From<Event>,
        R: ContainerRuntime<E>,
    {
        let available = self.available_memory(node, &mut Machines { now, queue, runtime });
        Bytes(available.0.saturating_sub(MEMORY_THRESHOLD.0))
    }

    /// How much of a node's disk is left before its kubelet evicts pods.
    pub fn spare_disk(&self, node: NodeIx) -> Bytes {
        Bytes(self.available_disk(node).0.saturating_sub(DISK.0 * DISK_THRESHOLD_PERCENT / 100))
    }

    /// Eviction managers begin to look, each at its own phase.
    pub(in super::super) fn start_eviction_managers(&mut self, host: &mut dyn Host) {
        for index in 0..self.nodes.len() {
            let wait = self.nodes[index].key.with_str("eviction").draw().below(MONITORING.0);
            host.schedule(host.now() + SimDuration(wait), Event::LookForPressure(NodeIx(index as u32)));
        }
    }

    /// `synchronize`, and when it comes next.
    pub(in super::super) fn look_for_pressure(&mut self, ix: NodeIx, host: &mut dyn Host) {
        let wait = if self.kubelet_runs(ix) { self.relieve(ix, host) } else { MONITORING };
        host.schedule(host.now() + wait, Event::LookForPressure(ix));
    }

    fn relieve(&mut self, ix: NodeIx, host: &mut dyn Host) -> SimDuration {
        let now = host.now();
        if let Some((pod, since)) = self.nodes[ix.index()].pressure.evicting {
            let is_ending = self.pods.get(&pod).is_some_and(|pod| pod.kubelet.stage != Stage::Stopped);
            if is_ending && now.since(since) < CLEANUP_TIMEOUT {
                return CLEANUP_POLL;
            }
            self.nodes[ix.index()].pressure.evicting = None;
        }
        let met = self.thresholds_met(ix, host);
        // Memory comes first (`byEvictionPriority`).
        let Some(worst) = met.first().copied() else {
            return MONITORING;
        };
        let about = self.nodes[ix.index()].subject();
        let message = format!("Attempting to reclaim {}", worst.starved.resource());
        self.record(host, Source::Kubelet, &about, Severity::Warning, "EvictionThresholdMet", message);
        if worst.starved == Starved::Disk && self.reclaim_disk(ix) {
            return MONITORING;
        }
        let Some(pod) = self.rank_for_eviction(ix, worst.starved, host).into_iter().next() else {
            return MONITORING;
        };
        self.evict_for_pressure(pod, worst, host);
        self.nodes[ix.index()].pressure.evicting = Some((pod, now));
        CLEANUP_POLL
    }

    /// The thresholds that are met now, with what follows for the node's conditions.
    fn thresholds_met(&mut self, ix: NodeIx, host: &mut dyn Host) -> Vec<Met> {
        let now = host.now();
        let memory = self.available_memory(ix, host);
        let disk = self.available_disk(ix);
        let disk_threshold = Bytes(DISK.0 * DISK_THRESHOLD_PERCENT / 100);
        let pressure = &mut self.nodes[ix.index()].pressure;
        let mut met = Vec::new();
        if let Some(threshold) = pressure.memory_met(memory, now) {
            met.push(Met { starved: Starved::Memory, threshold, available: memory });
        }
        if disk < disk_threshold {
            pressure.disk_seen = Some(now);
            met.push(Met { starved: Starved::Disk, threshold: disk_threshold, available: disk });
        }
        met
    }

    fn available_memory(&self, ix: NodeIx, host: &mut dyn Host) -> Bytes {
        let node = &self.nodes[ix.index()];
        let used: u64 = self.pods_on(ix).into_iter().map(|pod| self.memory_of(pod, host).0).sum();
        let capacity = node.spec.allocatable_memory + MEMORY_THRESHOLD;
        Bytes(capacity.0.saturating_sub(used + node.pressure.occupied_memory.0))
    }

    fn available_disk(&self, ix: NodeIx) -> Bytes {
        let node = &self.nodes[ix.index()];
        let images = node.images.iter().filter_map(|image| self.registry.find(image).ok());
        let used: u64 = images.map(|image| image.size.0).sum();
        Bytes(DISK.0.saturating_sub(used + node.pressure.occupied_disk.0))
    }

    /// What the containers of a pod use.
    fn memory_of(&self, pod: PodIx, host: &mut dyn Host) -> Bytes {
        let running = self.pods[&pod].kubelet.containers.iter().filter_map(super::Container::running);
        running.map(|process| host.usage(process).working_set).sum()
    }

    /// Images that no pod uses go first. Returns whether that was enough.
    fn reclaim_disk(&mut self, ix: NodeIx) -> bool {
        let pods = self.pods.values().filter(|pod| pod.node() == Some(ix));
        let used: Vec<_> = pods.flat_map(|pod| &pod.template.containers).map(|c| c.image.clone()).collect();
        self.nodes[ix.index()].images.retain(|image| used.contains(image));
        self.spare_disk(ix) > Bytes(0)
    }

    /// The pods that can be evicted, those to go first first (`rankMemoryPressure`, `rankDiskPressureFunc`): those that use
    /// more than they have requested, and of those the ones that use the most beyond it. All have the same priority, and
    /// none uses disk.
    fn rank_for_eviction(&self, ix: NodeIx, starved: Starved, host: &mut dyn Host) -> Vec<PodIx> {
        let is_active = |pod: &PodIx| {
            let pod = &self.pods[pod];
            pod.is_active() && pod.failed.is_none() && matches!(pod.kubelet.stage, Stage::Bare | Stage::Up)
        };
        let mut pods: Vec<_> = self.pods_on(ix).into_iter().filter(is_active).collect();
        if starved == Starved::Memory {
            pods.sort_by_cached_key(|pod| {
                let (used, requested) = (self.memory_of(*pod, host).0, self.pods[pod].requests().memory.0);
                (used <= requested, Reverse(i128::from(used) - i128::from(requested)))
            });
        }
        pods
    }

    fn evict_for_pressure(&mut self, ix: PodIx, met: Met, host: &mut dyn Host) {
        let message = self.eviction_message(ix, met, host);
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        pod.failed = Some(Failed { reason: "Evicted", message: message.clone() });
        pod.disruption.get_or_insert("TerminationByKubelet");
        self.record_pod(host, ix, Severity::Warning, "Evicted", message);
        self.terminate_pod(ix, host);
    }

    /// `evictionMessage`.
    fn eviction_message(&self, ix: PodIx, met: Met, host: &mut dyn Host) -> String {
        let Met { starved, threshold, available } = met;
        let resource = starved.resource();
        let mut message = format!(
            "The node was low on resource: {resource}. Threshold quantity: {threshold}, available: {}. ",
            whole_pages(available)
        );
        let pod = &self.pods[&ix];
        for (spec, container) in pod.template.containers.iter().zip(&pod.kubelet.containers) {
            let Some(process) = container.running().filter(|_| starved == Starved::Memory) else {
                continue;
            };
            let usage = host.usage(process).working_set;
            let request = spec.resources.requests.memory.or(spec.resources.limits.memory).unwrap_or_default();
            if usage > request {
                let (name, usage) = (&spec.name, whole_pages(usage));
                message.push_str("Container ");
                message.push_str(name);
                message.extend([format!(
                    " was using {usage}, request is {request}, has larger consumption of {resource}. "
                )]);
            }
        }
        message
    }

    /// Whether the kubelet takes a pod that has just come (`Admit`): under pressure of memory none without requests, under
    /// pressure of disk none at all. Those that it refuses have failed.
    pub(super) fn admits(&mut self, ix: PodIx, host: &mut dyn Host) -> bool {
        let Some(pod) = self.pods.get_mut(&ix) else {
            return false;
        };
        let Some(node) = pod.node() else { return true };
        let mut conditions = NodeConditions::WELL;
        self.nodes[node.index()].pressure.report(host.now(), &mut conditions);
        let holds = |kind: &NodeCondition| conditions.get(*kind) == Truth::True;
        let pressed: Vec<_> =
            [NodeCondition::MemoryPressure, NodeCondition::DiskPressure].into_iter().filter(holds).collect();
        let takes = match pressed.as_slice() {
            [] => true,
            [NodeCondition::MemoryPressure] => !is_best_effort(pod),
            _ => false,
        };
        if takes {
            return true;
        }
        let names: Vec<_> = pressed.iter().map(|kind| kind.name()).collect();
        let message = format!("The node had condition: [{}]. ", names.join(" "));
        pod.failed = Some(Failed { reason: "Evicted", message: message.clone() });
        pod.kubelet.stage = Stage::Stopped;
        pod.kubelet.is_over = true;
        self.record_pod(host, ix, Severity::Warning, "Evicted", message);
        self.show_status(ix, host);
        false
    }
}

/// Whether it asks for nothing (`GetPodQOS`).
fn is_best_effort(pod: &Pod) -> bool {
    let asks = |c: &crate::manifest::Container| {
        let (requests, limits) = (c.resources.requests, c.resources.limits);
        requests.cpu.or(limits.cpu).is_some() || requests.memory.or(limits.memory).is_some()
    };
    !pod.template.containers.iter().any(asks)
}

/// Memory comes in pages.
fn whole_pages(bytes: Bytes) -> Bytes {
    Bytes(bytes.0 - bytes.0 % 4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_soft_threshold_is_met_when_its_grace_period_is_over_and_a_hard_one_at_once() {
        let soft = SoftThreshold { available: Bytes::from_mebibytes(500), grace: SimDuration::from_secs(5) };
        let mut pressure = Pressure { soft: Some(soft), ..Pressure::default() };
        let mut met = |seconds, mebibytes| {
            let now = SimTime::ZERO + SimDuration::from_secs(seconds);
            pressure.memory_met(Bytes::from_mebibytes(mebibytes), now)
        };
        assert_eq!(met(10, 400), None);
        assert_eq!(met(14, 400), None);
        assert_eq!(met(15, 400), Some(soft.available));
        assert_eq!(met(16, 50), Some(MEMORY_THRESHOLD));
        assert_eq!(met(17, 600), None);
        assert_eq!(met(20, 400), None, "its time begins anew");
        assert_eq!(pressure.memory_seen, Some(SimTime::ZERO + SimDuration::from_secs(20)));
    }
}
