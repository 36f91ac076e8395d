//! What one side did, in the same figures for both.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::record::Record;
use crate::commands::simulate::figures::Figures;

/// One play. Null where a side cannot say.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Side {
    /// By kind of user request, as `SERVICE METHOD PATH`.
    pub(super) requests: BTreeMap<String, RequestSide>,
    /// By component.
    pub(super) components: BTreeMap<String, ComponentSide>,
    /// Ready pods over time: seconds since the load began, component, how many. Only what changed.
    pub(super) ready: Vec<(f64, String, u32)>,
}

/// One kind of user request, as the load generator sees it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct RequestSide {
    pub(super) rps: f64,
    /// Share without an answer below 500.
    pub(super) error_rate: f64,
    pub(super) mean_ms: Option<f64>,
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
}

/// One component, all pods together.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct ComponentSide {
    /// As Prometheus counts requests, probes and scrapes among them.
    pub(super) rps_all: Option<f64>,
    /// Prometheus' estimate from buckets.
    pub(super) p99_prometheus_ms: Option<f64>,
    pub(super) cpu_m: f64,
    /// Of its quota periods.
    pub(super) throttled_ratio: f64,
    /// Working set of its largest pod at the end.
    pub(super) memory_mib: f64,
    /// At the end.
    pub(super) ready: u32,
}

impl Side {
    /// Several plays of the same with other chance, figure by figure the middle one. One play is one draw, and where a
    /// hundredth of some hundred requests is looked at, draws differ.
    pub(super) fn median(plays: &[Self]) -> Self {
        let Some(first) = plays.first() else { return Self::default() };
        let request = |name: &String| {
            let of = |figure: fn(&RequestSide) -> Option<f64>| {
                middle(plays.iter().filter_map(|play| play.requests.get(name).and_then(figure)).collect())
            };
            RequestSide {
                rps: of(|r| Some(r.rps)).unwrap_or_default(),
                error_rate: of(|r| Some(r.error_rate)).unwrap_or_default(),
                mean_ms: of(|r| r.mean_ms),
                p50_ms: of(|r| r.p50_ms),
                p99_ms: of(|r| r.p99_ms),
            }
        };
        let component = |name: &String, first: &ComponentSide| {
            let of = |figure: fn(&ComponentSide) -> Option<f64>| {
                middle(plays.iter().filter_map(|play| play.components.get(name).and_then(figure)).collect())
            };
            ComponentSide {
                rps_all: of(|c| c.rps_all),
                p99_prometheus_ms: of(|c| c.p99_prometheus_ms),
                cpu_m: of(|c| Some(c.cpu_m)).unwrap_or_default(),
                throttled_ratio: of(|c| Some(c.throttled_ratio)).unwrap_or_default(),
                memory_mib: of(|c| Some(c.memory_mib)).unwrap_or_default(),
                ready: first.ready,
            }
        };
        Self {
            requests: first.requests.keys().map(|name| (name.clone(), request(name))).collect(),
            components: first.components.iter().map(|(name, c)| (name.clone(), component(name, c))).collect(),
            ready: first.ready.clone(),
        }
    }

    pub(super) fn of_twin(figures: &Figures, record: &Record) -> Self {
        let requests = figures.requests.iter().map(|r| {
            let side = RequestSide {
                rps: r.rps,
                error_rate: r.error_rate,
                mean_ms: r.mean_ms,
                p50_ms: r.p50_ms,
                p99_ms: r.p99_ms,
            };
            (request_name(&r.service, &r.request), side)
        });
        let components = figures.services.iter().map(|(name, s)| {
            let side = ComponentSide {
                rps_all: s.rps_all,
                p99_prometheus_ms: s.p99_prometheus_ms,
                cpu_m: s.cpu_m,
                throttled_ratio: s.throttled_ratio,
                memory_mib: s.memory_mib,
                ready: s.replicas_ready,
            };
            (name.clone(), side)
        });
        Self { requests: requests.collect(), components: components.collect(), ready: record.ready() }
    }
}

fn middle(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

pub(super) fn request_name(service: &str, request: &str) -> String {
    format!("{service} {request}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_several_plays_is_taken_figure_by_figure() {
        let play = |rps: f64, p99_ms: Option<f64>, cpu_m: f64| Side {
            requests: [("a".to_owned(), RequestSide { rps, p99_ms, ..RequestSide::default() })].into(),
            components: [("b".to_owned(), ComponentSide { cpu_m, ready: 1, ..ComponentSide::default() })].into(),
            ready: Vec::new(),
        };
        let middle = Side::median(&[play(1.0, Some(9.0), 30.0), play(3.0, None, 10.0), play(2.0, Some(5.0), 20.0)]);
        let (request, component) = (middle.requests["a"], middle.components["b"]);
        assert_eq!((request.rps, request.p99_ms, request.mean_ms), (2.0, Some(9.0), None));
        assert_eq!((component.cpu_m, component.ready), (20.0, 1));
        assert!(Side::median(&[]).requests.is_empty());
    }
}
