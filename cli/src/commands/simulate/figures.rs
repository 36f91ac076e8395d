//! The figures of a simulation, as `--json` prints them.

use std::collections::BTreeMap;

use serde::Serialize;
use sim::episode::ComponentTruth;
use sim::time::SimTime;
use sim::traffic::{Latency, RequestStatistics, ServiceStatistics};
use sim::units::Bytes;

use super::plan::Plan;
use super::play::{Dashboard, Played, Window};

/// Everything that is reported. Rates are per simulated second but for those that say otherwise; speeds
/// are those of the measured time.
#[derive(Serialize)]
pub(in crate::commands) struct Figures {
    /// The app or scenario, as typed.
    pub(in crate::commands) what: String,
    /// The load in words.
    pub(in crate::commands) load: String,
    pub(in crate::commands) seed: u64,
    /// Simulated seconds that were measured.
    pub(in crate::commands) simulated_s: f64,
    pub(in crate::commands) wall_s: f64,
    /// Simulated over wall seconds.
    pub(in crate::commands) speedup: f64,
    /// Per wall second.
    pub(in crate::commands) events_per_s: f64,
    /// User requests that were answered, per wall second: throttling cuts the work, and so makes the twin fast.
    pub(in crate::commands) requests_per_wall_s: f64,
    /// By node.
    pub(in crate::commands) nodes: BTreeMap<String, NodeFigures>,
    /// By component.
    pub(in crate::commands) services: BTreeMap<String, ServiceFigures>,
    /// By kind of user request, as the load generator sees them.
    pub(in crate::commands) requests: Vec<RequestFigures>,
    /// Parts of the measured time, with `--every`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::commands) windows: Vec<WindowFigures>,
}

#[derive(Serialize)]
pub(in crate::commands) struct NodeFigures {
    pub(in crate::commands) cores: f64,
    pub(in crate::commands) speed: f64,
    /// Share of its cores' time in which it worked, 0 to 1.
    pub(in crate::commands) busy: f64,
}

/// A component. Without a request a latency is null.
#[derive(Serialize)]
pub(in crate::commands) struct ServiceFigures {
    /// Requests that it answered; without probes and scrapes.
    pub(in crate::commands) rps: f64,
    /// Requests as Prometheus counts them: with probes and scrapes where the service counts those; null
    /// without such a metric.
    pub(in crate::commands) rps_all: Option<f64>,
    /// Share of requests that were answered with 5xx or not at all.
    pub(in crate::commands) error_rate: f64,
    /// Server side: from the start of the handler to its answer.
    pub(in crate::commands) mean_ms: Option<f64>,
    pub(in crate::commands) p50_ms: Option<f64>,
    pub(in crate::commands) p90_ms: Option<f64>,
    pub(in crate::commands) p99_ms: Option<f64>,
    /// Prometheus' estimate of `p99_ms` from buckets, as the dashboard shows it: mean over the measured time.
    pub(in crate::commands) p99_prometheus_ms: Option<f64>,
    /// Caller side: what callers waited, connecting and queueing included.
    pub(in crate::commands) caller_p50_ms: Option<f64>,
    pub(in crate::commands) caller_p99_ms: Option<f64>,
    /// Of all its pods.
    pub(in crate::commands) cpu_m: f64,
    /// Of its largest pod, at the end.
    pub(in crate::commands) memory_mib: f64,
    /// Share of its quota periods in which it was throttled; 0 without a quota.
    pub(in crate::commands) throttled_ratio: f64,
    /// At the end.
    pub(in crate::commands) replicas_ready: u32,
}

/// One kind of user request.
#[derive(Serialize)]
pub(in crate::commands) struct RequestFigures {
    /// Method and path.
    pub(in crate::commands) request: String,
    /// Whom it asks.
    pub(in crate::commands) service: String,
    /// Finished, answered or not.
    pub(in crate::commands) rps: f64,
    /// Share that got 5xx or no answer.
    pub(in crate::commands) error_rate: f64,
    /// Share that got 400 to 499.
    pub(in crate::commands) client_error_rate: f64,
    pub(in crate::commands) mean_ms: Option<f64>,
    pub(in crate::commands) p50_ms: Option<f64>,
    pub(in crate::commands) p90_ms: Option<f64>,
    pub(in crate::commands) p99_ms: Option<f64>,
}

/// A part of the measured time.
#[derive(Serialize)]
pub(in crate::commands) struct WindowFigures {
    pub(in crate::commands) from_s: f64,
    pub(in crate::commands) to_s: f64,
    pub(in crate::commands) services: BTreeMap<String, ServiceFigures>,
    pub(in crate::commands) requests: Vec<RequestFigures>,
    /// What happened to the world.
    pub(in crate::commands) events: Vec<String>,
}

impl Figures {
    pub(in crate::commands) fn of(plan: &Plan, played: &Played, seed: u64) -> Self {
        let total = &played.total;
        let simulated_s = total.to.since(total.from).as_secs_f64();
        // A clock that stands still would make infinite speeds.
        let wall_s = played.wall_s.max(1e-9);
        let answered: u64 = total.statistics.requests.iter().map(|r| r.latency.count()).sum();
        let nodes = plan.scenario.cluster.nodes.iter().zip(&played.nodes_busy);
        Self {
            what: plan.what.clone(),
            load: plan.load.clone(),
            seed,
            simulated_s,
            wall_s,
            speedup: simulated_s / wall_s,
            events_per_s: played.events as f64 / wall_s,
            requests_per_wall_s: answered as f64 / wall_s,
            nodes: nodes
                .map(|(node, busy)| {
                    (node.name.clone(), NodeFigures { cores: node.cores.cores(), speed: node.speed, busy: *busy })
                })
                .collect(),
            services: services(plan, total, &played.dashboards),
            requests: requests(plan, total),
            windows: played.windows.iter().map(|window| WindowFigures::of(plan, window)).collect(),
        }
    }
}

impl WindowFigures {
    fn of(plan: &Plan, window: &Window) -> Self {
        Self {
            from_s: window.from.since(SimTime::ZERO).as_secs_f64(),
            to_s: window.to.since(SimTime::ZERO).as_secs_f64(),
            services: services(plan, window, &[]),
            requests: requests(plan, window),
            events: super::report::events(plan, window),
        }
    }
}

fn services(plan: &Plan, window: &Window, dashboards: &[Dashboard]) -> BTreeMap<String, ServiceFigures> {
    let seconds = window.to.since(window.from).as_secs_f64();
    let nothing = ServiceStatistics::default();
    let figures = |(i, component): (usize, &ComponentTruth)| {
        let service = plan.app.service_of(&component.component);
        let statistics = service.map_or(&nothing, |s| &window.statistics.services[s.index()]);
        let dashboard = dashboards.get(i).copied().unwrap_or_default();
        (component.component.clone(), service_figures(component, statistics, dashboard, seconds))
    };
    window.components.iter().enumerate().map(figures).collect()
}

fn service_figures(
    component: &ComponentTruth,
    statistics: &ServiceStatistics,
    dashboard: Dashboard,
    seconds: f64,
) -> ServiceFigures {
    let handler = &statistics.handler;
    let asked = statistics.answered + statistics.calls_failed;
    ServiceFigures {
        rps: statistics.answered as f64 / seconds,
        rps_all: dashboard.request_rate,
        error_rate: share(statistics.server_errors + statistics.calls_failed, asked),
        mean_ms: handler.mean().map(to_ms),
        p50_ms: quantile_ms(handler, 0.5),
        p90_ms: quantile_ms(handler, 0.9),
        p99_ms: quantile_ms(handler, 0.99),
        p99_prometheus_ms: dashboard.latency_p99.map(to_ms),
        caller_p50_ms: quantile_ms(&statistics.caller, 0.5),
        caller_p99_ms: quantile_ms(&statistics.caller, 0.99),
        cpu_m: component.cpu_total * 1e3,
        memory_mib: Bytes(component.memory_worst_pod).mebibytes(),
        throttled_ratio: share(component.throttled_periods, component.periods),
        replicas_ready: component.ready,
    }
}

fn requests(plan: &Plan, window: &Window) -> Vec<RequestFigures> {
    let seconds = window.to.since(window.from).as_secs_f64();
    let figures = |request: &RequestStatistics| {
        let failed = request.server_errors + request.unanswered;
        let finished = request.ok + request.client_errors + failed;
        RequestFigures {
            request: request.request.clone(),
            service: plan.app.component_of(request.service).to_owned(),
            rps: finished as f64 / seconds,
            error_rate: share(failed, finished),
            client_error_rate: share(request.client_errors, finished),
            mean_ms: request.latency.mean().map(to_ms),
            p50_ms: quantile_ms(&request.latency, 0.5),
            p90_ms: quantile_ms(&request.latency, 0.9),
            p99_ms: quantile_ms(&request.latency, 0.99),
        }
    };
    window.statistics.requests.iter().map(figures).collect()
}

fn quantile_ms(latency: &Latency, q: f64) -> Option<f64> {
    latency.quantile(q).map(to_ms)
}

fn to_ms(seconds: f64) -> f64 {
    seconds * 1e3
}

fn share(part: u64, of: u64) -> f64 {
    part as f64 / of.max(1) as f64
}
