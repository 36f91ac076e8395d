//! What the pods use meanwhile: CPU and memory from the control groups, which tell to the nanosecond what cAdvisor tells
//! every ten seconds.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use bridge::Cluster;
use lab::{Lab, PodUsage};
use sim::time::SimDuration;
use sim::units::Bytes;

use crate::commands::lab::compare::side::ComponentSide;

/// Time between two looks at the pods.
const EVERY: SimDuration = SimDuration::SECOND;

pub(super) struct Watch<'a> {
    lab: &'a Lab,
    cluster: &'a Cluster,
    next: SimDuration,
    /// Ready pods by component, as they were seen last.
    ready: BTreeMap<String, u32>,
    /// By UID.
    pods: BTreeMap<String, Seen>,
    /// The processors when the measurement began.
    processors: Option<Vec<ProcessorTime>>,
}

/// A pod over the measured time.
struct Seen {
    component: String,
    /// When the measurement began; nothing for a pod that came later.
    before: PodUsage,
    latest: PodUsage,
}

/// Everything that was seen.
pub(super) struct Sight {
    ready: BTreeMap<String, u32>,
    pods: BTreeMap<String, Seen>,
    /// Idle share of the busiest processor.
    pub(super) idle: f64,
}

impl<'a> Watch<'a> {
    pub(super) fn new(lab: &'a Lab, cluster: &'a Cluster) -> Self {
        let (ready, pods) = (BTreeMap::new(), BTreeMap::new());
        Self { lab, cluster, next: SimDuration::ZERO, ready, pods, processors: None }
    }

    /// The measurement begins, if it has not.
    pub(super) fn begin(&mut self) -> Result<()> {
        if self.processors.is_none() {
            for (uid, seen) in &mut self.pods {
                seen.latest = self.lab.pod_usage(uid).unwrap_or(seen.latest);
                seen.before = seen.latest;
            }
            self.processors = Some(processors()?);
        }
        Ok(())
    }

    /// Looks at the pods once a second.
    pub(super) async fn look(&mut self, now: SimDuration) -> Result<()> {
        if now < self.next {
            return Ok(());
        }
        self.next = now + EVERY;
        self.ready.clear();
        for pod in self.cluster.pods().await? {
            let Some(component) = pod.component else { continue };
            *self.ready.entry(component.clone()).or_default() += u32::from(pod.ready);
            let nothing = PodUsage::default();
            self.pods.entry(pod.uid).or_insert(Seen { component, before: nothing, latest: nothing });
        }
        // A pod that is gone keeps what was seen last.
        for (uid, seen) in &mut self.pods {
            seen.latest = self.lab.pod_usage(uid).unwrap_or(seen.latest);
        }
        Ok(())
    }

    pub(super) fn end(self) -> Result<Sight> {
        let before = self.processors.context("the measurement never began")?;
        let shares = processors()?.into_iter().zip(before).map(|(now, before)| now.idle_since(before));
        Ok(Sight { ready: self.ready, pods: self.pods, idle: shares.fold(1.0, f64::min) })
    }
}

impl Sight {
    /// The figures of each component.
    pub(super) fn components(&self, duration: SimDuration) -> BTreeMap<String, ComponentSide> {
        let mut components: BTreeMap<String, (ComponentSide, u64, u64)> = BTreeMap::new();
        for Seen { component, before, latest } in self.pods.values() {
            let (side, periods, throttled) = components.entry(component.clone()).or_default();
            side.cpu_m += latest.cpu.0.saturating_sub(before.cpu.0) as f64 / duration.0 as f64 * 1e3;
            *periods += latest.periods.saturating_sub(before.periods);
            *throttled += latest.throttled_periods.saturating_sub(before.throttled_periods);
            side.memory_mib = side.memory_mib.max(Bytes(latest.working_set.0).mebibytes());
        }
        let finish = |(name, (side, periods, throttled)): (String, (ComponentSide, u64, u64))| {
            let ready = self.ready.get(&name).copied().unwrap_or_default();
            (name, ComponentSide { throttled_ratio: throttled as f64 / periods.max(1) as f64, ready, ..side })
        };
        components.into_iter().map(finish).collect()
    }
}

#[derive(Clone, Copy)]
struct ProcessorTime {
    idle: u64,
    total: u64,
}

impl ProcessorTime {
    fn idle_since(self, before: Self) -> f64 {
        (self.idle - before.idle) as f64 / (self.total - before.total).max(1) as f64
    }
}

/// Idle and total time of each processor in clock ticks, from `/proc/stat`.
fn processors() -> Result<Vec<ProcessorTime>> {
    let text = std::fs::read_to_string("/proc/stat").context("/proc/stat")?;
    let lines = text.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "));
    let times = lines.map(|line| {
        let fields: Vec<u64> = line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal (proc(5)).
        ProcessorTime { idle: fields[3] + fields[4], total: fields[..8].iter().sum() }
    });
    Ok(times.collect())
}
