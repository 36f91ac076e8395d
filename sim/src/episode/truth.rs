//! The truth of a world, interval by interval, as only the judge reads it.

use serde::{Deserialize, Serialize};

use crate::time::SimTime;

/// What the judge sees of one interval: exact, over all requests, not sampled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Start of the interval.
    pub from: SimTime,
    /// End of the interval.
    pub to: SimTime,
    /// Requests that clients sent.
    pub client_sent: u64,
    /// Requests that clients saw answered with a status below 500 by the program that they asked.
    pub client_ok: u64,
    /// Requests that clients saw fail: 5xx, refused, reset, timed out, answered by another program.
    pub client_failed: u64,
    /// Requests without an answer at the end of the interval.
    pub client_waiting: u64,
    /// Client-side 99th percentile in seconds, of requests answered in the interval.
    pub client_p99_s: Option<f64>,
    /// Each component.
    pub components: Vec<ComponentTruth>,
    /// The values at the end of the interval of the scenario's own PromQL expressions, in the order of
    /// [`Scenario::measured_expressions`](crate::scenario::Scenario::measured_expressions): the first sample of each
    /// result.
    #[serde(default)]
    pub measured: Vec<Option<f64>>,
}

/// One component over an interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComponentTruth {
    /// The Deployment.
    pub component: String,
    /// `spec.replicas`; zero when the Deployment is gone.
    pub replicas: u32,
    /// Whether the Deployment exists.
    pub exists: bool,
    /// Pods of the Deployment (not terminating).
    pub pods: u32,
    /// Pods ready at the end of the interval.
    pub ready: u32,
    /// Pods available at the end of the interval.
    pub available: u32,
    /// Requests answered.
    pub requests: u64,
    /// Requests answered with 5xx.
    pub errors: u64,
    /// Calls to it, by clients and other components, that a container of another program answered. They are not among
    /// `requests`.
    #[serde(default)]
    pub misdirected: u64,
    /// Server-side 99th percentile in seconds, probes and scrapes excluded.
    pub p99_s: Option<f64>,
    /// Client- or caller-side 99th percentile in seconds of calls to this component, connecting included.
    pub caller_p99_s: Option<f64>,
    /// CPU used by the worst pod, in cores: the one that uses most of its own limit, or, if none has one, most at all.
    pub cpu_worst_pod: f64,
    /// CPU used by all pods, in cores.
    pub cpu_total: f64,
    /// CPU limit of that pod in cores, or what its node has, whichever is less; none without limit.
    pub cpu_limit: Option<f64>,
    /// CPU limit of that pod in cores as its spec says it.
    pub cpu_limit_written: Option<f64>,
    /// Running pods with a container whose CPU is not limited.
    #[serde(default)]
    pub cpu_unlimited: u32,
    /// Working set of the worst pod in bytes: the one that fills most of its own limit, or, if none has one, the largest.
    pub memory_worst_pod: u64,
    /// Memory limit of that pod in bytes, or what its node has, whichever is less; none without limit.
    pub memory_limit: Option<u64>,
    /// Memory limit of that pod in bytes as its spec says it.
    pub memory_limit_written: Option<u64>,
    /// Running pods with a container whose memory is not limited.
    #[serde(default)]
    pub memory_unlimited: u32,
    /// The most that a written limit, CPU or memory of any running pod, is of what the pod's node has, as a ratio; none
    /// without limits.
    #[serde(default)]
    pub limit_over_node: Option<f64>,
    /// Periods of CPU quota, of all pods.
    pub periods: u64,
    /// Throttled ones among them.
    pub throttled_periods: u64,
    /// Core-seconds requested by its pods over the interval.
    pub cpu_request_core_s: f64,
    /// Core-seconds of limits.
    pub cpu_limit_core_s: f64,
    /// GiB-seconds requested.
    pub memory_request_gib_s: f64,
    /// GiB-seconds of limits.
    pub memory_limit_gib_s: f64,
}
