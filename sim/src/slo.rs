//! Service level objectives: what a scenario asks of a system, and whether an interval met it.
//!
//! An objective is made of *clauses*. Four are the paper's (arXiv 2407.14402, section 4): every pod
//! ready, CPU and memory below half of the limit, P99 below 200 ms. Four are *guards*, without which
//! they could be met by an empty victory: the declared number of available replicas (scaling to
//! zero, deleting the Deployment), client success (fast 500s), throughput (turning users away) and
//! limits that the node can honour (64 cores).
//!
//! Invariants:
//! - a clause takes the worst pod, never the mean of several;
//! - utilisation divides by the limit or what the node can give, whichever is less;
//! - without a limit a clause is *not applicable*, without data it is *no data*: neither is green.
//!
//! Everything is a pure function of [`Truth`](crate::episode::Truth), which only the judge reads.

mod evaluate;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::environment::Component;
use crate::time::SimDuration;

pub(crate) use evaluate::red;
pub use evaluate::{Judgement, evaluate, is_green, judge};

/// The objectives of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slos {
    /// The components under test; a clause can name others.
    pub components: Vec<Component>,
    /// Clauses that are not asked for. Guards cannot be left out.
    #[serde(default)]
    pub without: Vec<ClauseName>,
    /// How far back a judgement looks: "stable" means that no interval of this time was above the bound.
    #[serde(default = "default_stable_for")]
    pub stable_for: SimDuration,
    /// Every pod ready.
    #[serde(default)]
    pub ready: Ready,
    /// CPU of the busiest pod as a share of its limit.
    #[serde(default)]
    pub cpu: Utilisation,
    /// Memory of the largest pod as a share of its limit.
    #[serde(default)]
    pub memory: Utilisation,
    /// 99th percentile of the latency.
    #[serde(default)]
    pub latency: Latency,
    /// Guard: available replicas.
    #[serde(default)]
    pub replicas: Replicas,
    /// Guard: share of requests answered without a server error, as clients and the component see it.
    #[serde(default)]
    pub success: Success,
    /// Guard: answered requests per second, relative to the world without the fault.
    #[serde(default)]
    pub throughput: Throughput,
    /// Guard: limits that the node can honour.
    #[serde(default)]
    pub limits: Limits,
}

fn default_stable_for() -> SimDuration {
    SimDuration::from_secs(30)
}

/// The names of the clauses, as reports and [`Conclusion::violated`](crate::environment::Conclusion)
/// use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClauseName {
    /// Every pod ready.
    Ready,
    /// CPU below a share of the limit.
    Cpu,
    /// Memory below a share of the limit.
    Memory,
    /// P99 below a bound.
    Latency,
    /// Guard: available replicas.
    Replicas,
    /// Guard: share of requests that succeed.
    Success,
    /// Guard: throughput.
    Throughput,
    /// Guard: limits within the node.
    Limits,
}

impl ClauseName {
    /// All, in the order in which they are reported.
    pub const ALL: [Self; 8] = [
        Self::Ready,
        Self::Cpu,
        Self::Memory,
        Self::Latency,
        Self::Replicas,
        Self::Success,
        Self::Throughput,
        Self::Limits,
    ];

    /// Whether it only guards against empty victories.
    pub const fn is_guard(self) -> bool {
        matches!(self, Self::Replicas | Self::Success | Self::Throughput | Self::Limits)
    }

    /// The word in files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Latency => "latency",
            Self::Replicas => "replicas",
            Self::Success => "success",
            Self::Throughput => "throughput",
            Self::Limits => "limits",
        }
    }
}

fn one() -> f64 {
    1.0
}

/// Declares a clause: which components, what weight, and its own fields with their defaults.
macro_rules! clause {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident : $type:ty = $default:expr),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
            /// Which components; all under test if not given.
            pub components: Option<Vec<Component>>,
            /// What a second of violation weighs in the reward.
            pub weight: f64,
        }
        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* components: None, weight: one() }
            }
        }
    };
}

clause! {
    /// Every pod of the Deployment is ready.
    Ready {}
}
clause! {
    /// Usage of the worst pod as a share of its limit.
    Utilisation {
        /// The share, 0 to 1.
        below: f64 = 0.5,
    }
}
clause! {
    /// 99th percentile of the latency.
    Latency {
        /// The bound.
        below: SimDuration = SimDuration::from_millis(200),
        /// Where it is measured.
        side: Side = Side::Server,
    }
}
clause! {
    /// Replicas that are available (ready for `minReadySeconds`).
    Replicas {
        /// At least this many.
        at_least: u32 = 1,
    }
}
clause! {
    /// Requests that succeed.
    Success {
        /// At least this share, 0 to 1.
        at_least: f64 = 0.99,
    }
}
clause! {
    /// Requests answered per second without a server error, over all clients.
    Throughput {
        /// At least this share of the fault-free throughput, 0 to 1.
        at_least: f64 = 0.95,
        /// The fault-free throughput in requests per second. Default: as measured in the same world from the end
        /// of the load's ramp until the first fault.
        fault_free_per_s: Option<f64> = None,
    }
}
clause! {
    /// Every limit is at most what the node can give.
    Limits {}
}

/// Where a latency is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// By the component itself, as its own metrics do: without connecting and without waiting to be accepted.
    Server,
    /// By whoever calls it.
    Caller,
}

/// How one clause stands for one component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClauseResult {
    /// Which clause.
    pub clause: ClauseName,
    /// Which component; none for what only clients see.
    pub component: Option<Component>,
    /// How it stands.
    pub state: ClauseState,
}

/// How a clause stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClauseState {
    /// It holds.
    Green {
        /// The measured value.
        value: f64,
    },
    /// It does not.
    Violated {
        /// The measured value.
        value: f64,
        /// The bound.
        bound: f64,
    },
    /// There is no limit to compare with.
    NotApplicable,
    /// Nothing was measured.
    NoData,
}

impl ClauseState {
    /// By how much it is violated, relative to the bound and at most 1; zero when it is not.
    pub fn excess(self) -> f64 {
        match self {
            Self::Violated { value, bound } if bound > 0.0 => ((value - bound).abs() / bound).min(1.0),
            Self::Violated { .. } => 1.0,
            Self::Green { .. } | Self::NotApplicable | Self::NoData => 0.0,
        }
    }

    /// Whether it is violated.
    pub const fn is_violated(self) -> bool {
        matches!(self, Self::Violated { .. })
    }

    /// Whether it keeps objectives from being green: it is violated, or nothing was measured.
    pub const fn is_red(self) -> bool {
        matches!(self, Self::Violated { .. } | Self::NoData)
    }
}

impl Slos {
    /// The paper's objectives for these components.
    pub fn of(components: Vec<Component>) -> Self {
        Self {
            components,
            without: Vec::new(),
            stable_for: default_stable_for(),
            ready: Ready::default(),
            cpu: Utilisation::default(),
            memory: Utilisation::default(),
            latency: Latency::default(),
            replicas: Replicas::default(),
            success: Success::default(),
            throughput: Throughput::default(),
            limits: Limits::default(),
        }
    }

    /// Whether a clause is asked for.
    pub fn asks(&self, clause: ClauseName) -> bool {
        !self.without.contains(&clause)
    }

    /// The components of a clause.
    pub fn components_of(&self, clause: ClauseName) -> &[Component] {
        let own = match clause {
            ClauseName::Ready => &self.ready.components,
            ClauseName::Cpu => &self.cpu.components,
            ClauseName::Memory => &self.memory.components,
            ClauseName::Latency => &self.latency.components,
            ClauseName::Replicas => &self.replicas.components,
            ClauseName::Success => &self.success.components,
            ClauseName::Throughput => &self.throughput.components,
            ClauseName::Limits => &self.limits.components,
        };
        own.as_deref().unwrap_or(&self.components)
    }

    /// What a second of a clause's violation weighs.
    pub fn weight_of(&self, clause: ClauseName) -> f64 {
        match clause {
            ClauseName::Ready => self.ready.weight,
            ClauseName::Cpu => self.cpu.weight,
            ClauseName::Memory => self.memory.weight,
            ClauseName::Latency => self.latency.weight,
            ClauseName::Replicas => self.replicas.weight,
            ClauseName::Success => self.success.weight,
            ClauseName::Throughput => self.throughput.weight,
            ClauseName::Limits => self.limits.weight,
        }
    }
}
