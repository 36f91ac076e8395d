//! A kubelet's `/metrics/cadvisor`: CPU, throttling and memory of the containers of its node, each as of the last look at
//! its control group (`google/cadvisor`, `manager/container.go`: housekeeping).

use std::collections::BTreeMap;

use crate::cluster::{Cluster, RunningContainer};
use crate::ids::ContainerIx;
use crate::telemetry::{ABSENT, Store, TargetIx};
use crate::time::SimTime;
use crate::traffic::Traffic;

/// The figures of one container, in the order of its columns.
const FIGURES: [&str; 9] = [
    "container_cpu_usage_seconds_total",
    "container_cpu_cfs_periods_total",
    "container_cpu_cfs_throttled_periods_total",
    "container_cpu_cfs_throttled_seconds_total",
    "container_memory_working_set_bytes",
    "container_oom_events_total",
    "container_spec_cpu_quota",
    "container_spec_cpu_period",
    "container_spec_memory_limit_bytes",
];

/// `cpu.cfs_period_us`.
const CPU_PERIOD_MICROSECONDS: f64 = 100_000.0;

/// One kubelet.
#[derive(Clone, Debug)]
pub(super) struct Kubelet {
    target: TargetIx,
    columns: usize,
    /// First column of each container that was ever seen alive, oldest first.
    containers: Vec<(ContainerIx, usize)>,
    /// First column, and what the last look saw.
    seen: BTreeMap<ContainerIx, (usize, [f64; FIGURES.len()])>,
}

impl Kubelet {
    pub(super) fn new(store: &mut Store, node: &str) -> Self {
        let labels = [("job", "kubernetes-cadvisor"), ("instance", node)];
        let target = store.add_target(&labels);
        store.add_series(target, "up", &[]);
        Self { target, columns: 1, containers: Vec::new(), seen: BTreeMap::new() }
    }

    /// Looks at a container's control group.
    pub(super) fn look(
        &mut self,
        now: SimTime,
        container: &RunningContainer<'_>,
        store: &mut Store,
        traffic: &Traffic,
    ) {
        let column = self.column_of(container, store);
        self.seen.insert(container.process, (column, figures(now, container, traffic)));
    }

    fn column_of(&mut self, container: &RunningContainer<'_>, store: &mut Store) -> usize {
        if let Ok(at) = self.containers.binary_search_by_key(&container.process, |(ix, _)| *ix) {
            return self.containers[at].1;
        }
        let labels = [
            ("namespace", container.namespace),
            ("pod", container.pod_name),
            ("container", container.name),
            ("image", container.image),
        ];
        // A container that was restarted in its pod goes on with the same labels.
        let first = FIGURES.map(|figure| store.add_series(self.target, figure, &labels).column as usize)[0];
        self.columns = self.columns.max(first + FIGURES.len());
        self.containers.push((container.process, first));
        self.containers.sort_unstable_by_key(|(ix, _)| *ix);
        first
    }

    /// Prometheus takes what the last looks saw of the containers that still live, if the kubelet answers.
    pub(super) fn scrape(
        &mut self,
        now: SimTime,
        answers: bool,
        store: &mut Store,
        row: &mut Vec<f64>,
        cluster: &Cluster,
    ) {
        self.seen.retain(|process, _| cluster.running_container(*process).is_some());
        row.clear();
        row.resize(self.columns, ABSENT);
        row[0] = f64::from(answers);
        for (column, figures) in self.seen.values().filter(|_| answers) {
            row[*column..column + FIGURES.len()].copy_from_slice(figures);
        }
        store.append(self.target, now.as_millis(), row);
    }
}

fn figures(now: SimTime, container: &RunningContainer<'_>, traffic: &Traffic) -> [f64; FIGURES.len()] {
    let stats = traffic.stats(now, container.process);
    let limits = container.resources.limits;
    [
        stats.cpu.usage.as_secs_f64(),
        stats.cpu.nr_periods as f64,
        stats.cpu.nr_throttled as f64,
        stats.cpu.throttled.as_secs_f64(),
        stats.working_set.0 as f64,
        // Counted per control group, which ends with its container: only those that the container outlived are ever seen.
        f64::from(stats.oom_kills),
        limits.cpu.map_or(ABSENT, |limit| limit.cores() * CPU_PERIOD_MICROSECONDS),
        limits.cpu.map_or(ABSENT, |_| CPU_PERIOD_MICROSECONDS),
        limits.memory.map_or(0.0, |limit| limit.0 as f64),
    ]
}
