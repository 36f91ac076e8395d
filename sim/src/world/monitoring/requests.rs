//! One endpoint of a Service as Prometheus scrapes it: `up` and the request histograms of the
//! process behind it.

use crate::cluster::RunningContainer;
use crate::ids::{ContainerIx, EndpointIx, PodIx};
use crate::telemetry::{ABSENT, Store, TargetIx};
use crate::time::SimTime;
use crate::traffic::{SeriesView, Traffic};

use super::ScrapedService;

/// A scraped pod.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) pod: PodIx,
    /// Where the Service leads to in the pod.
    pub(super) port: u16,
    /// The process that answers now; a restart puts another one in its place.
    pub(super) container: ContainerIx,
    pub(super) is_gone: bool,
    series: TargetIx,
    /// First column of each histogram.
    histograms: Vec<(EndpointIx, u16, usize)>,
    /// Columns so far.
    columns: usize,
    last_row: SimTime,
}

/// `up` is the first column of each target.
const UP: usize = 0;

impl Target {
    pub(super) fn new(
        store: &mut Store,
        service: &ScrapedService,
        container: &RunningContainer<'_>,
        port: u16,
    ) -> Self {
        let instance = format!("{}:{port}", container.address);
        let mut labels: Vec<(&str, &str)> = vec![
            ("job", "kubernetes-service-endpoints"),
            ("instance", &instance),
            ("kubernetes_namespace", &service.namespace),
            ("kubernetes_name", &service.name),
            ("kubernetes_pod_name", container.pod_name),
        ];
        labels.extend(service.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let target = store.add_target(&labels);
        store.add_series(target, "up", &[]);
        Self {
            pod: container.pod,
            port,
            container: container.process,
            is_gone: false,
            series: target,
            histograms: Vec::new(),
            columns: 1,
            last_row: SimTime::ZERO,
        }
    }

    /// Keeps what the process exposes.
    pub(super) fn keep(&mut self, now: SimTime, store: &mut Store, traffic: &Traffic, row: &mut Vec<f64>) {
        row.clear();
        row.resize(self.columns, ABSENT);
        row[UP] = 1.0;
        for series in traffic.series(self.container) {
            let first = self.columns_of(&series, store, traffic);
            row.resize(self.columns, ABSENT);
            let mut below = 0;
            for (column, count) in series.buckets.iter().enumerate() {
                below += count;
                row[first + column] = below as f64;
            }
            let after = first + series.bounds.len();
            row[after] = series.count as f64;
            row[after + 1] = series.sum;
            row[after + 2] = series.count as f64;
        }
        self.append(now, store, row);
    }

    /// First column of a histogram: its buckets, `+Inf`, sum and count.
    fn columns_of(&mut self, series: &SeriesView<'_>, store: &mut Store, traffic: &Traffic) -> usize {
        let known = self.histograms.iter().find(|(e, s, _)| *e == series.endpoint && *s == series.status);
        if let Some((_, _, first)) = known {
            return *first;
        }
        let first = self.columns;
        let programs = traffic.programs();
        let service = programs.endpoints[series.endpoint.index()].service;
        if let Some(metrics) = &programs.services[service.index()].metrics {
            let status = series.status.to_string();
            let name = &metrics.histogram;
            let mut labels: Vec<(&str, &str)> =
                vec![("method", &series.name.method), ("route", &series.name.route), ("status_code", &status)];
            labels.extend(metrics.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())));
            let bounds = series.bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
            for bound in bounds {
                let with_bound: Vec<_> = labels.iter().copied().chain([("le", &*bound)]).collect();
                store.add_series(self.series, &format!("{name}_bucket"), &with_bound);
            }
            store.add_series(self.series, &format!("{name}_sum"), &labels);
            store.add_series(self.series, &format!("{name}_count"), &labels);
        }
        self.columns += series.bounds.len() + 3;
        self.histograms.push((series.endpoint, series.status, first));
        first
    }

    /// The scrape got no answer: everything but `up` goes stale.
    pub(super) fn failed(&mut self, now: SimTime, store: &mut Store) {
        self.append(now, store, &[0.0]);
    }

    /// Its pod is no endpoint any more.
    pub(super) fn gone(&mut self, now: SimTime, store: &mut Store) {
        self.is_gone = true;
        if now.as_millis() > self.last_row.as_millis() {
            store.target_gone(self.series, now.as_millis());
        }
    }

    fn append(&mut self, now: SimTime, store: &mut Store, row: &[f64]) {
        // Two answers in one millisecond would be one sample twice.
        if now.as_millis() > self.last_row.as_millis() {
            store.append(self.series, now.as_millis(), row);
            self.last_row = now;
        }
    }
}
