//! The port behind which every decision maker sits: a chat model, a rule, a list of actions.
//!
//! A policy hears one [`Heard`] thing at a time (its task, then the answer to each of its steps)
//! and decides on one step. There is one port per [`Role`]: an autonomic agent acts on its
//! component, a group manager only delegates, and the types keep the two apart.

mod desk;
mod heuristics;
mod noop;
mod random;
mod runbook;
mod script;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};
use sim::app::App;
use sim::environment::{Action, Component, Goal, Observation};
use sim::fault::FaultKind;
use sim::scenario::Scenario;
use sim::slo::Slos;
use sim::time::{SimDuration, SimTime};

pub use heuristics::{autoscale_only, restart_whatever_looks_bad};
pub use noop::Noop;
pub use random::Random;
pub use runbook::runbook;
pub use script::script;

/// A role in the hierarchy: what its holder hears and what it can do.
pub trait Role {
    /// What it hears.
    type Heard;
    /// What it can do with one step.
    type Action;
}

/// The agent of one component: it observes and acts.
#[derive(Debug)]
pub enum AutonomicAgent {}

impl Role for AutonomicAgent {
    type Heard = Heard;
    type Action = Action;
}

/// The manager of the agents: its only effector is delegation.
#[derive(Debug)]
pub enum GroupManager {}

impl Role for GroupManager {
    type Heard = ManagerHeard;
    type Action = ManagerAction;
}

/// A decision maker in one role.
pub trait Policy<R: Role> {
    /// Its name in logs and tables.
    fn name(&self) -> &str;

    /// Decides on the next step, having heard `percept`.
    fn decide<'a>(&'a mut self, percept: &'a Percept<R::Heard>) -> Deciding<'a, R::Action>;
}

/// A decision in the making. The built-in policies are ready at once; a model answers later.
pub type Deciding<'a, A> = Pin<Box<dyn Future<Output = Decision<A>> + 'a>>;

/// What a policy knows when it decides.
#[derive(Clone, Debug, PartialEq)]
pub struct Percept<H> {
    /// The world's clock.
    pub now: SimTime,
    /// Steps that are left of the budget, this one included.
    pub steps_left: u32,
    /// What it heard last.
    pub heard: H,
}

/// One step, decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<A> {
    /// What to do.
    pub action: A,
    /// Tokens that the decision took, where a model made it.
    pub tokens: Option<Tokens>,
}

impl<A> Decision<A> {
    /// A decision that no model made.
    pub fn without_model(action: A) -> Self {
        Self { action, tokens: None }
    }
}

/// Tokens of one model call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Read.
    pub input: u64,
    /// Written.
    pub output: u64,
}

/// What an autonomic agent hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// A task to do, or to do again (heartbeat).
    Task(Box<TaskView>),
    /// The answer to its last step.
    Answer(Reply),
}

/// A task as its agent gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskView {
    /// The agent's own component.
    pub component: Component,
    /// The task in words.
    pub text: String,
    /// The same, typed.
    pub goal: Goal,
    /// The objectives that the world should meet.
    pub objectives: Slos,
    /// The words for kinds of cause in declarations and reports.
    pub kinds: Vec<String>,
    /// `PromQL` of the app's dashboards by name, with `$component` for the component, or for several as a regular
    /// expression; the label `name` of an answer says whose it is: `latency_p50` and `latency_p99`
    /// (seconds), `request_rate` (requests/s), `errors` (share answered with 5xx), `cpu` (cores), `throttled` (share of
    /// periods), `memory_growth` (bytes/s), `up` (1 if a target answers), and whatever the app has more.
    pub dashboards: BTreeMap<String, String>,
    /// Which evaluation this is, from 1.
    pub evaluation: u32,
}

impl TaskView {
    /// The task of a scenario as its agent gets it: nothing of the scenario but what an agent may know.
    pub fn of(scenario: &Scenario, app: &App) -> Self {
        let component = &scenario.task.agent;
        Self {
            component: component.clone(),
            text: scenario.task.text.clone(),
            goal: scenario.task.goal.clone(),
            objectives: scenario.slos.clone(),
            kinds: FaultKind::ALL.iter().map(|kind| kind.name().to_owned()).collect(),
            dashboards: app.profile.dashboards.clone(),
            evaluation: 0,
        }
    }

    /// The `PromQL` of one panel of the dashboards of a component, or of several as `a|b`.
    pub fn dashboard(&self, panel: &str, component: &str) -> Option<String> {
        Some(self.dashboards.get(panel)?.replace("$component", component))
    }
}

/// The answer to a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// What was seen.
    Seen(Observation),
    /// A change was made; the words of the API server.
    Done(String),
    /// Time has passed, a declaration was noted.
    Noted,
    /// The request was refused, and why.
    Rejected(String),
}

/// What a group manager hears.
#[derive(Clone, Debug, PartialEq)]
pub enum ManagerHeard {
    /// A task from the maintainer, or an issue that an agent could not solve.
    Task {
        /// Who sent it.
        from: String,
        /// In words.
        text: String,
        /// Typed.
        goal: Goal,
    },
    /// All answers of a round.
    Answers(Vec<(Component, String)>),
}

/// What a group manager can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ManagerAction {
    /// Give tasks to several agents at once and wait for all their answers.
    Delegate(Vec<Assignment>),
    /// Look at who calls whom.
    ReadGraph,
    /// End the task with a report.
    Conclude(sim::environment::Conclusion),
}

/// One delegated task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// Whose agent gets it.
    pub component: Component,
    /// In words.
    pub text: String,
    /// Typed.
    pub goal: Goal,
}

/// Declares a policy's budget of patience: how long it waits for a change to show in the metrics.
///
/// Prometheus scrapes every 15 s and the objectives look at a minute of samples.
pub(crate) const SETTLE: SimDuration = SimDuration::from_secs(75);
