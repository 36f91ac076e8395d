//! A scenario: an application, a cluster, load, faults, a task, objectives and a budget, as one file.
//!
//! ```text
//! text ──input──▶ Scenario ──check──▶ Located<Scenario>      (or every mistake at once)
//!   ▲ set            ▲ types here        ▲ against the application's words
//!   └─ `--set PATH=VALUE`
//! ```
//!
//! Terms:
//! - all times count from the *start of the world*: the moment at which the manifests are applied and
//!   the first pods begin to start;
//! - a *premise* is what the start state changes in the application, so that a target is missed at first;
//! - an *evaluation* is one time that the agent is given its task: once, at each heartbeat, or at an alert;
//! - the *hold time* passes after the last evaluation: objectives must stay green through it.
//!
//! The types say what the file says, no more. Nothing of a scenario but its task's text and goal, the
//! objectives and the words of the catalogue of fault kinds may reach an agent.

mod check;
mod cluster;
mod pricing;
mod script;
mod set;
mod start;
mod task;
mod words;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use check::Checker;
pub use cluster::{Cgroup, Cluster, Node, SynRetries};
pub use pricing::{Budget, Prices, Thinking, TokenRates};
pub use script::{ManagerStep, Script, ScriptStep};
pub use start::{Premise, PremiseStrategy, StartState};
pub use task::{AcceptedDelegation, Alert, Answer, Check, Heartbeat, Level, Quantity, Task, Trigger};
pub use words::{AppFailure, AppWords, ComponentWords};

use crate::diagnostic::{Diagnostics, Source};
use crate::environment::Goal;
use crate::fault::{Fault, RootCause};
use crate::input::{self, Located};
use crate::slo::Slos;
use crate::time::{SimDuration, SimTime};
use crate::workload::Workload;

/// A whole scenario file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Always `sockpit/v1alpha1`.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// Always `Scenario`.
    pub kind: String,
    /// Its id, such as `acv/low/pod-failure`: where it lies among the scenarios that ship.
    pub name: String,
    /// What happens in it, for readers; no agent sees it.
    #[serde(default)]
    pub description: String,
    /// The application.
    pub app: AppChoice,
    /// The machines. Default: one node of 6 cores and 16 GiB, as the paper's minikube.
    #[serde(default)]
    pub cluster: Cluster,
    /// How the world differs from the manifests at its start.
    #[serde(default)]
    pub start: StartState,
    /// The load; none leaves the application idle but for probes and scrapes.
    #[serde(default)]
    pub workloads: Vec<Workload>,
    /// What goes wrong, in any order.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// Root causes that a diagnosis may name; an empty list says that nothing is wrong when the agent is asked, whatever
    /// was before, and naming none is right. Default: each fault's component and kind, so that it must be written where a
    /// fault is in no component.
    #[serde(default)]
    pub root_causes: Option<Vec<RootCause>>,
    /// What the agent is asked.
    pub task: Task,
    /// The objectives.
    pub slos: Slos,
    /// How long objectives must hold after the last evaluation. Default 60 s.
    #[serde(default = "default_hold")]
    pub hold: SimDuration,
    /// Length of the intervals in which the judge looks at the world. Default 5 s.
    #[serde(default = "default_judging_interval")]
    pub judging_interval: SimDuration,
    /// What the agent may use up.
    #[serde(default)]
    pub budget: Budget,
    /// How long a step takes.
    #[serde(default)]
    pub thinking: Thinking,
    /// What things cost in the reward.
    #[serde(default)]
    pub prices: Prices,
    /// Why no list of actions can pass it, for a scenario of which that is known. Default: a witness can.
    #[serde(default)]
    pub unsolvable: Option<String>,
}

fn default_hold() -> SimDuration {
    SimDuration::from_secs(60)
}

fn default_judging_interval() -> SimDuration {
    SimDuration::from_secs(5)
}

/// Which application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppChoice {
    /// The name of one that ships, such as `sock-shop`, or a folder, told by a `/` in it.
    pub name: String,
    /// The overlay on its manifests.
    #[serde(default)]
    pub overlay: Option<String>,
}

impl Scenario {
    /// The only version of the format.
    pub const API_VERSION: &'static str = "sockpit/v1alpha1";

    /// Reads a scenario and checks it against its application, whose words `app` looks up.
    ///
    /// `settings` are changes by path, such as `("fault.severity", "0.3")`, made before anything is read.
    ///
    /// # Errors
    /// Every mistake at once: first those of form and type, or else those of meaning.
    pub fn load(
        source: &Source,
        settings: &[(&str, &str)],
        app: impl FnOnce(&AppChoice) -> Result<AppWords, AppFailure>,
    ) -> Result<Located<Self>, Diagnostics> {
        let mut document = input::document(source)?;
        set::apply(&mut document, settings)?;
        let scenario: Located<Self> = document.read()?;
        match check::mistakes(&scenario, app) {
            mistakes if mistakes.is_empty() => Ok(scenario),
            mistakes => Err(Diagnostics(mistakes)),
        }
    }

    /// Which root causes are right: those the file names, or each fault's own.
    ///
    /// `component_of` says in which component a fault is ([`Fault::component`]).
    pub fn accepted_root_causes(&self, component_of: impl Fn(&Fault) -> Option<String>) -> Vec<RootCause> {
        self.root_causes.clone().unwrap_or_else(|| {
            self.faults
                .iter()
                .filter_map(|fault| Some(RootCause { component: component_of(fault)?, kinds: vec![fault.kind()?] }))
                .collect()
        })
    }

    /// Whether nothing is wrong when the agent is asked, so that there is nothing to do but to say so: its task only looks
    /// or maintains, and no root cause is accepted.
    pub fn is_decoy(&self) -> bool {
        let only_looks = matches!(self.task.goal, Goal::Maintain | Goal::CheckHealth | Goal::CheckPerformance);
        only_looks && self.root_causes.as_ref().map_or(self.faults.is_empty(), Vec::is_empty)
    }

    /// When the first fault is injected.
    pub fn first_fault_at(&self) -> Option<SimTime> {
        self.faults.iter().map(Fault::injected_at).min()
    }

    /// When the last thing that the scenario itself starts has started: pods, loads and their ramps are
    /// then as they are meant to be. `ramp` says how long a load takes to reach its first full strength.
    pub fn warm_at(&self, ramp: impl Fn(&Workload) -> SimDuration) -> SimTime {
        self.workloads.iter().map(|load| SimTime::ZERO + load.start + ramp(load)).max().unwrap_or(SimTime::ZERO)
    }

    /// When an episode ends whose last evaluation ended at `last`: the hold time later, at the end of a whole interval of
    /// the judge.
    pub fn end_after(&self, last: SimTime) -> SimTime {
        let interval = self.judging_interval.0.max(1);
        SimTime((last + self.hold).0.div_ceil(interval) * interval)
    }

    /// When an episode ends that uses up its time. Every episode is charged up to here, and a time that never came is
    /// censored here, however early its agent was done.
    pub fn horizon(&self) -> SimTime {
        self.end_after(SimTime::ZERO + self.budget.time)
    }

    /// The PromQL expressions by which reported values are judged, in order and without repetition. The
    /// world evaluates them at the end of each judging interval
    /// ([`Truth::measured`](crate::episode::Truth::measured)).
    pub fn measured_expressions(&self) -> Vec<String> {
        let mut expressions = Vec::new();
        for quantity in self.task.answers().into_iter().flat_map(|answer| answer.truth) {
            if let Quantity::Promql(expression) = quantity
                && !expressions.contains(&expression)
            {
                expressions.push(expression);
            }
        }
        expressions
    }
}

/// The JSON schema of a scenario file, for editors.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Scenario).to_value()
}
