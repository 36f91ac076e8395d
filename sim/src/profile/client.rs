//! How one service connects to another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::SimDuration;

/// How one service connects to another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// When connections are opened. kube-proxy chooses a pod per connection.
    #[serde(default)]
    pub connections: Connections,
    /// Time for the whole call, connecting included. Default: none, it may hang for ever.
    #[serde(default)]
    pub timeout: Option<SimDuration>,
    /// Time for connecting. Default: as long as the kernel goes on sending SYN.
    #[serde(default)]
    pub connect_timeout: Option<SimDuration>,
    /// How many times a failed call is tried again.
    #[serde(default)]
    pub retries: u32,
    /// Wait before the first retry; doubles each time.
    #[serde(default)]
    pub retry_backoff: SimDuration,
    /// The format in which failed calls are logged, one of the profile's `logs`. Default: its service's.
    #[serde(default)]
    pub logs: Option<String>,
    /// Stops calling what keeps failing.
    #[serde(default)]
    pub breaker: Option<Breaker>,
}

/// When a client opens connections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Connections {
    /// A new one per call.
    #[default]
    PerCall,
    /// Kept after the call and used again.
    Pool {
        /// Calls wait for a free one beyond this many. Default: no limit.
        #[serde(default)]
        max_open: Option<u32>,
        /// Idle ones beyond this are closed. Default: no limit.
        #[serde(default)]
        max_idle: Option<u32>,
    },
    /// One for all calls at once.
    Shared,
}

/// A circuit breaker: while open, calls fail at once; then one trial decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// Opens when.
    pub trips: Trips,
    /// How long it stays open before a trial.
    pub open_for: SimDuration,
}

/// When a circuit breaker opens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Trips {
    /// After more than this many failures in a row.
    ConsecutiveFailures(u32),
    /// When the failed share of the calls in a sliding window passes a ratio.
    FailureRatio {
        /// Share of failures, 0 to 1.
        ratio: f64,
        /// Fewest calls in the window before the ratio counts.
        min_calls: u32,
        /// Length of the window.
        window: SimDuration,
    },
}
