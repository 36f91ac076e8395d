//! The Prometheus histograms that a process exposes about its requests: one series per endpoint and
//! status, made when it is first observed, as client libraries do.

use super::Traffic;
use crate::ids::{ContainerIx, EndpointIx};
use crate::program::EndpointName;
use crate::time::SimDuration;

#[derive(Clone, Copy, Debug)]
struct Series {
    endpoint: EndpointIx,
    status: u16,
    count: u64,
    /// Seconds.
    sum: f64,
}

/// The series of one process, in the order in which they appeared.
#[derive(Clone, Debug, Default)]
pub(super) struct Histograms {
    series: Vec<Series>,
    /// Observations by series and bucket, not cumulative, without those above the last bound.
    buckets: Vec<u64>,
}

impl Histograms {
    #[inline]
    pub(super) fn observe(&mut self, bounds: &[f64], endpoint: EndpointIx, status: u16, took: SimDuration) {
        let known = self.series.iter().position(|s| s.endpoint == endpoint && s.status == status);
        let at = known.unwrap_or_else(|| {
            self.series.push(Series { endpoint, status, count: 0, sum: 0.0 });
            self.buckets.resize(self.series.len() * bounds.len(), 0);
            self.series.len() - 1
        });
        let seconds = took.as_secs_f64();
        let series = &mut self.series[at];
        series.count += 1;
        series.sum += seconds;
        let bucket = bounds.partition_point(|&bound| bound < seconds);
        if bucket < bounds.len() {
            self.buckets[at * bounds.len() + bucket] += 1;
        }
    }
}

/// One series of one process, as a scrape finds it. Its position among the others never changes.
#[derive(Clone, Copy, Debug)]
pub struct SeriesView<'a> {
    /// What was asked for.
    pub endpoint: EndpointIx,
    /// The `method` and `route` labels.
    pub name: &'a EndpointName,
    /// The `status_code` label.
    pub status: u16,
    /// Upper bounds of the buckets, in seconds.
    pub bounds: &'a [f64],
    /// Observations in each bucket: not cumulative, and without those above the last bound.
    pub buckets: &'a [u64],
    /// All observations.
    pub count: u64,
    /// Their sum in seconds.
    pub sum: f64,
}

impl Traffic {
    /// The request metrics of a process, in the order in which their series appeared. They can be
    /// read after its end too.
    pub fn series(&self, container: ContainerIx) -> impl Iterator<Item = SeriesView<'_>> {
        let container = &self.containers[container.index()];
        let metrics = container.service.and_then(|s| self.programs.services[s.index()].metrics.as_ref());
        let bounds: &[f64] = metrics.map_or(&[], |m| &m.buckets);
        let Histograms { series, buckets } = &container.histograms;
        series.iter().enumerate().map(move |(at, series)| SeriesView {
            endpoint: series.endpoint,
            name: &self.programs.endpoint_names[series.endpoint.index()],
            status: series.status,
            bounds,
            buckets: &buckets[at * bounds.len()..(at + 1) * bounds.len()],
            count: series.count,
            sum: series.sum,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let mut histograms = Histograms::default();
        let bounds = [0.005, 0.01];
        for (endpoint, status, micros) in [(0, 200, 5_000), (1, 200, 5_001), (0, 200, 1), (0, 500, 10_001)] {
            histograms.observe(&bounds, EndpointIx(endpoint), status, SimDuration::from_micros(micros));
        }
        assert_eq!(histograms.buckets, [2, 0, 0, 1, 0, 0]);
        let counts: Vec<_> = histograms.series.iter().map(|s| (s.endpoint.0, s.status, s.count)).collect();
        assert_eq!(counts, [(0, 200, 2), (1, 200, 1), (0, 500, 1)]);
    }
}
