//! What one side did, in the same figures for both.

use std::collections::BTreeMap;

use serde::Serialize;

use super::record::Record;
use crate::commands::simulate::figures::Figures;

/// One play. Null where a side cannot say.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Side {
    /// By kind of user request, as `SERVICE METHOD PATH`.
    pub(super) requests: BTreeMap<String, RequestSide>,
    /// By component.
    pub(super) components: BTreeMap<String, ComponentSide>,
    /// Ready pods over time: seconds since the load began, component, how many. Only what changed.
    pub(super) ready: Vec<(f64, String, u32)>,
}

/// One kind of user request, as the load generator sees it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct RequestSide {
    pub(super) rps: f64,
    /// Share without an answer below 500.
    pub(super) error_rate: f64,
    pub(super) mean_ms: Option<f64>,
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
}

/// One component, all pods together.
#[derive(Clone, Copy, Debug, Default, Serialize)]
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

pub(super) fn request_name(service: &str, request: &str) -> String {
    format!("{service} {request}")
}
