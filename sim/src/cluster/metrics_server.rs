//! metrics-server: how much CPU and memory pods use, as `kubectl top` and the autoscaler see it.
//!
//! Each kubelet reads its containers' counters every 10 to 15 s (cAdvisor's housekeeping). Every 15 s
//! metrics-server takes what the kubelets have and computes rates from the last two readings, so a
//! figure is up to half a minute old. A pod has a figure only if all its containers have one.

use std::collections::BTreeMap;

use crate::ids::{ContainerIx, NodeIx, PodIx};
use crate::time::{SimDuration, SimTime};
use crate::units::{Bytes, Millicores};

use super::runtime::Host;
use super::{Cluster, Event};

/// Between two scrapes (`--metric-resolution=15s` in its manifest).
pub(super) const RESOLUTION: SimDuration = SimDuration::from_secs(15);
/// Least time between two readings of a kubelet.
const HOUSEKEEPING: SimDuration = SimDuration::from_secs(10);
/// What is added to it at most (`MaxHousekeepingInterval`).
const HOUSEKEEPING_SPREAD: SimDuration = SimDuration::from_secs(5);
/// A container of at least this age, and less than a resolution, has a rate since its start
/// (`freshContainerMinMetricsResolution`).
const FRESH_CONTAINER: SimDuration = SimDuration::from_secs(10);

/// One reading of a container's counters.
#[derive(Clone, Copy, Debug)]
struct Reading {
    at: SimTime,
    process: ContainerIx,
    started: SimTime,
    cpu: SimDuration,
    memory: Bytes,
}

/// The readings that metrics-server has of one container.
#[derive(Clone, Copy, Debug)]
struct Series {
    last: Reading,
    previous: Option<Reading>,
}

/// The use of resources by a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PodMetrics {
    /// When it was read.
    pub(super) at: SimTime,
    /// The time over which the rate was taken.
    pub(super) window: SimDuration,
    pub(super) cpu: Millicores,
    pub(super) memory: Bytes,
}

/// What the kubelets have read, and what metrics-server knows.
#[derive(Clone, Debug, Default)]
pub(super) struct MetricsServer {
    /// By pod and position of the container.
    readings: BTreeMap<(PodIx, usize), Reading>,
    series: BTreeMap<(PodIx, usize), Series>,
}

impl MetricsServer {
    pub(super) fn forget(&mut self, pod: PodIx) {
        self.readings.retain(|(of, _), _| *of != pod);
    }
}

impl Series {
    /// With a new reading.
    fn next(before: Option<Self>, reading: Reading) -> Self {
        match before {
            Some(before) if before.last.at == reading.at => before,
            Some(before) if before.last.process == reading.process => {
                Self { last: reading, previous: Some(before.last) }
            }
            _ => {
                let age = reading.at.since(reading.started);
                let is_fresh = (FRESH_CONTAINER..RESOLUTION).contains(&age);
                let start = Reading { at: reading.started, cpu: SimDuration::ZERO, ..reading };
                Self { last: reading, previous: is_fresh.then_some(start) }
            }
        }
    }

    fn metrics(&self) -> Option<PodMetrics> {
        let previous = self.previous?;
        let window = self.last.at.since(previous.at);
        // Quantities round up to the millicore.
        let cpu = u128::from((self.last.cpu - previous.cpu).0) * 1000;
        let cpu = Millicores(cpu.div_ceil(u128::from(window.0.max(1))) as u64);
        Some(PodMetrics { at: self.last.at, window, cpu, memory: self.last.memory })
    }
}

impl Cluster {
    /// Kubelets begin to read, metrics-server begins to ask, each at its own phase.
    pub(super) fn start_metrics(&mut self, host: &mut dyn Host) {
        for index in 0..self.nodes.len() {
            let wait = self.nodes[index].key.with_str("housekeeping").draw().below(HOUSEKEEPING.0);
            host.schedule(host.now() + SimDuration(wait), Event::SampleUsage(NodeIx(index as u32)));
        }
        let wait = self.key.with_str("metrics-server").draw().below(RESOLUTION.0);
        host.schedule(host.now() + SimDuration(wait), Event::ScrapeUsage);
    }

    /// A kubelet reads the counters of its containers.
    pub(super) fn sample_usage(&mut self, node: NodeIx, host: &mut dyn Host) {
        let now = host.now();
        self.metrics.readings.retain(|(pod, _), _| self.pods.get(pod).is_some_and(|p| p.node() != Some(node)));
        let runs = self.kubelet_runs(node);
        for (process, (ix, index)) in self.containers.iter().filter(|_| runs) {
            let Some(pod) = self.pods.get(ix).filter(|pod| pod.node() == Some(node)) else {
                continue;
            };
            let Some(started) = pod.kubelet.containers[*index].running_since() else {
                continue;
            };
            let usage = host.usage(*process);
            let reading = Reading { at: now, process: *process, started, cpu: usage.cpu, memory: usage.working_set };
            self.metrics.readings.insert((*ix, *index), reading);
        }
        let key = self.nodes[node.index()].key.with_str("housekeeping").with(now.0);
        let wait = HOUSEKEEPING + SimDuration(key.draw().below(HOUSEKEEPING_SPREAD.0));
        host.schedule(now + wait, Event::SampleUsage(node));
    }

    /// metrics-server takes what the kubelets have.
    pub(super) fn scrape_usage(&mut self, host: &mut dyn Host) {
        let before = std::mem::take(&mut self.metrics.series);
        let next =
            |(key, reading): (&(PodIx, usize), &Reading)| (*key, Series::next(before.get(key).copied(), *reading));
        self.metrics.series = self.metrics.readings.iter().map(next).collect();
        host.schedule(host.now() + RESOLUTION, Event::ScrapeUsage);
    }

    /// What the metrics API says about a pod.
    pub(super) fn pod_metrics(&self, pod: PodIx) -> Option<PodMetrics> {
        let containers = self.pods.get(&pod)?.kubelet.containers.len();
        let each = (0..containers).map(|index| self.metrics.series.get(&(pod, index))?.metrics());
        each.reduce(|sum, next| {
            let (sum, next) = (sum?, next?);
            Some(PodMetrics {
                at: sum.at.min(next.at),
                window: sum.window.max(next.window),
                cpu: sum.cpu + next.cpu,
                memory: sum.memory + next.memory,
            })
        })?
    }
}
