//! What a run came to, as `--json` prints it.

use std::collections::BTreeMap;

use serde::Serialize;
use sim::traffic::Latency;

use crate::client::Failure;

/// A run, or what there was of it when it was stopped. Rates are per second of the measured time.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Of all chance.
    pub seed: u64,
    /// Time under load before the measurement.
    pub warm_up_s: f64,
    /// Length of the measured time.
    pub measured_s: f64,
    /// Whether it was stopped before its time.
    pub is_cut_short: bool,
    /// Users of closed loads at the end.
    pub users: u32,
    /// Users started, arrivals among them, warm-up included.
    pub users_started: u64,
    /// Connections opened, warm-up included.
    pub connections: u64,
    /// Requests that were under way at the end: in no other figure here.
    pub unfinished: u64,
    /// How long ago the oldest of them was due.
    pub oldest_unfinished_ms: Option<f64>,
    /// All requests.
    pub total: RequestReport,
    /// By kind of request.
    pub requests: Vec<RequestReport>,
    /// Parts of the measured time, where they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<WindowReport>,
    /// The generator itself.
    pub generator: Generator,
}

/// Requests that were over within the measured time. Latencies are of those that were answered, and begin with
/// the sending.
#[derive(Clone, Debug, Serialize)]
pub struct RequestReport {
    /// Method and path; of the total: `*`.
    pub request: String,
    /// Whom it asks; of the total: `*`.
    pub service: String,
    /// How many, answered or not.
    pub count: u64,
    /// The same per second.
    pub rps: f64,
    /// Share that got 5xx or no answer.
    pub error_rate: f64,
    /// Share that got 400 to 499.
    pub client_error_rate: f64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without an answer, by reason.
    pub failures: BTreeMap<Failure, u64>,
    /// Mean service time.
    pub mean_ms: Option<f64>,
    /// Median.
    pub p50_ms: Option<f64>,
    /// 90th percentile.
    pub p90_ms: Option<f64>,
    /// 99th percentile.
    pub p99_ms: Option<f64>,
    /// The longest.
    pub max_ms: Option<f64>,
    /// Response times: from when the request was due.
    pub from_due: Latencies,
}

/// Latencies; null if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latencies {
    /// Mean.
    pub mean_ms: Option<f64>,
    /// Median.
    pub p50_ms: Option<f64>,
    /// 90th percentile.
    pub p90_ms: Option<f64>,
    /// 99th percentile.
    pub p99_ms: Option<f64>,
    /// The longest.
    pub max_ms: Option<f64>,
}

/// A part of the measured time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowReport {
    /// Seconds since the start of the run.
    pub from_s: f64,
    /// The same.
    pub to_s: f64,
    /// Users of closed loads at its end.
    pub users: u32,
    /// Requests over, answered or not, per second.
    pub rps: f64,
    /// Share that got 5xx or no answer.
    pub error_rate: f64,
    /// Service times.
    pub p50_ms: Option<f64>,
    /// 99th percentile of the service times.
    pub p99_ms: Option<f64>,
    /// 99th percentile of the response times.
    pub from_due_p99_ms: Option<f64>,
}

/// Whether the generator kept up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Generator {
    /// CPU time of its thread within the measured time.
    pub cpu_s: f64,
    /// The same per second; it has one core at most.
    pub cpu_cores: f64,
    /// By how much its timers were late.
    pub lateness: Latencies,
}

/// Above this share of its core the generator's own queueing shows in what it measures.
const FULL: f64 = 0.7;
/// A timer that is later than this in one of a hundred cases was kept waiting by something.
const LATE_MS: f64 = 5.0;

impl Report {
    /// What the reader must know before believing the figures.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let generator = &self.generator;
        if generator.cpu_cores > FULL {
            warnings.push(format!(
                "the generator used {:.0} % of its one core: the figures describe it as well as the system under test",
                generator.cpu_cores * 100.0
            ));
        }
        if let Some(late) = generator.lateness.p99_ms.filter(|late| *late > LATE_MS) {
            warnings.push(format!(
                "the generator's timers were {late:.1} ms late in one of a hundred cases: it shares its cores with too \
                 much else"
            ));
        }
        if let Some(count) = self.total.failures.get(&Failure::OwnMachine) {
            warnings.push(format!(
                "{count} requests failed on this machine (no port, file descriptor or memory left), not on the target"
            ));
        }
        warnings
    }
}

impl Latencies {
    pub(crate) fn of(latency: &Latency) -> Self {
        let quantile = |q| latency.quantile(q).map(to_ms);
        Self {
            mean_ms: latency.mean().map(to_ms),
            p50_ms: quantile(0.5),
            p90_ms: quantile(0.9),
            p99_ms: quantile(0.99),
            max_ms: latency.max().map(to_ms),
        }
    }
}

pub(crate) fn to_ms(seconds: f64) -> f64 {
    seconds * 1e3
}
