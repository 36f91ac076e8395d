//! metrics-server: how much CPU and memory pods use, as `kubectl top` and the autoscaler see it.
//!
//! The kubelet's cAdvisor reads a container's counters as it starts, and then every 10 to 20 s, each container on its own
//! (*housekeeping*). Every 15 s metrics-server takes what the kubelets have read and computes rates from the last two
//! readings, so a figure is up to half a minute old. A pod has a figure only if all its containers have one.

use std::collections::BTreeMap;

use crate::ids::{ContainerIx, PodIx};
use crate::time::{SimDuration, SimTime};
use crate::units::{Bytes, Millicores};

use super::runtime::Host;
use super::{Cluster, Event};

/// Between two scrapes (`--metric-resolution=15s` in its manifest).
pub(super) const RESOLUTION: SimDuration = SimDuration::from_secs(15);
/// Least time between two readings of a container (`defaultHousekeepingInterval`); up to as much again is added by chance
/// (`nextHousekeepingInterval` of google/cadvisor, `manager/container.go`).
const HOUSEKEEPING: SimDuration = SimDuration::from_secs(10);
/// The same after a reading that found what the one before had found (`maxHousekeepingInterval`).
const IDLE_HOUSEKEEPING: SimDuration = SimDuration::from_secs(15);
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
    /// The pod is gone.
    pub(super) fn forget(&mut self, pod: PodIx) {
        self.readings.retain(|(of, _), _| *of != pod);
    }

    /// A container's process has ended, and its control group with it.
    pub(super) fn forget_container(&mut self, pod: PodIx, index: usize) {
        self.readings.remove(&(pod, index));
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
    /// metrics-server begins to ask, at its own phase.
    pub(super) fn start_metrics(&mut self, host: &mut dyn Host) {
        let wait = self.key.with_str("metrics-server").draw().below(RESOLUTION.0);
        host.schedule(host.now() + SimDuration(wait), Event::ScrapeUsage);
    }

    /// cAdvisor reads the counters of a container, as long as it lives.
    pub(super) fn sample_usage(&mut self, process: ContainerIx, host: &mut dyn Host) {
        let now = host.now();
        let Some(&(ix, index)) = self.containers.get(&process) else { return };
        let Some(pod) = self.pods.get(&ix) else { return };
        let Some(started) = pod.kubelet.containers[index].running_since() else { return };
        if !pod.node().is_some_and(|node| self.kubelet_runs(node)) {
            // A kubelet that starts again begins to read anew; what is asked of it meanwhile gets no answer.
            host.schedule(now + HOUSEKEEPING, Event::SampleUsage(process));
            return;
        }
        let usage = host.usage(process);
        let reading = Reading { at: now, process, started, cpu: usage.cpu, memory: usage.working_set };
        let before = self.metrics.readings.insert((ix, index), reading);
        let is_same =
            |before: Reading| (before.process, before.cpu, before.memory) == (process, usage.cpu, usage.working_set);
        let interval = if before.is_some_and(is_same) { IDLE_HOUSEKEEPING } else { HOUSEKEEPING };
        let key = pod.key.with_str("housekeeping").with(index as u64).with(now.0);
        host.schedule(now + interval + interval.scaled(key.draw().uniform()), Event::SampleUsage(process));
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
