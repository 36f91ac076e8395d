//! What a task asks for, typed: the same thing that its text says, for policies that read no text
//! and for the judge of a delegation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::SimDuration;

/// The goal of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Goal {
    /// Create the component's Deployment from its manifest.
    CreateDeployment,
    /// Set an environment variable.
    SetEnv {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// Run this image tag.
    SetImageTag {
        /// The tag.
        tag: String,
    },
    /// Restart all pods.
    Restart,
    /// Run this many replicas.
    Scale {
        /// How many.
        replicas: u32,
    },
    /// Report how much CPU the component uses, in cores, as the value `cpu`.
    ReportCpu,
    /// Report its P99 latency, in seconds, as the value `p99`.
    ReportP99,
    /// Say whether the component is healthy.
    CheckHealth,
    /// Say whether its performance meets the objectives.
    CheckPerformance,
    /// Put an autoscaler in place.
    Autoscale,
    /// Bring the P99 latency below a bound.
    ReduceLatency {
        /// The bound.
        below: SimDuration,
    },
    /// Bring the sum of the P99 latencies of a group's components below a bound. Only a group manager gets it.
    ReduceTotalLatency {
        /// The bound.
        below: SimDuration,
    },
    /// Bring the average CPU below a share of the limit.
    ReduceCpu {
        /// The share, 0 to 1.
        below: f64,
    },
    /// Check all objectives; where one is violated find the cause, mend it, confirm.
    Maintain,
}
