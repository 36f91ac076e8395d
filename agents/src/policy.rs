//! The port behind which every decision maker sits: a chat model, a rule, a list of actions.
//!
//! A policy hears one [`Heard`] thing at a time (its task, then the answer to each of its steps)
//! and decides on one step. There is one port per [`Role`]: an autonomic agent acts on its
//! component, a group manager only delegates, and the types keep the two apart.

pub mod chat;
mod desk;
pub mod group;
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
use sim::environment::{Action, Component, Conclusion, Dependencies, Goal, ManagerAction, Observation};
use sim::episode::MisstepKind;
use sim::fault::FaultKind;
use sim::scenario::Scenario;
use sim::slo::Slos;
use sim::time::{SimDuration, SimTime};

use crate::model::Usage;
pub use chat::Chat;
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

    /// Whether the next decision is already part of the last step ([`Cost::Continued`]), and needs none of its own.
    fn continues(&self) -> bool {
        false
    }
}

impl<R: Role, P: Policy<R> + ?Sized> Policy<R> for Box<P> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn decide<'a>(&'a mut self, percept: &'a Percept<R::Heard>) -> Deciding<'a, R::Action> {
        (**self).decide(percept)
    }

    fn continues(&self) -> bool {
        (**self).continues()
    }
}

impl<R: Role, P: Policy<R> + ?Sized> Policy<R> for &mut P {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn decide<'a>(&'a mut self, percept: &'a Percept<R::Heard>) -> Deciding<'a, R::Action> {
        (**self).decide(percept)
    }

    fn continues(&self) -> bool {
        (**self).continues()
    }
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

/// What came of being asked for a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<A> {
    /// What is done.
    pub decided: Decided<A>,
    /// What it took to decide.
    pub cost: Cost,
}

/// What is done with a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Decided<A> {
    /// An action.
    Act(A),
    /// Nothing that could be done. It costs the step, and the policy hears the text as what its step was refused for.
    Misstep(Misstep),
    /// Nothing, now or later: the episode is void. The text says why.
    Lost(String),
}

/// A step that was no action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misstep {
    /// What went wrong.
    pub kind: MisstepKind,
    /// What its maker is told, so that the next step can be better.
    pub text: String,
}

/// What a decision took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// A step that no model made.
    Rule,
    /// A step that is one call of a model.
    Model(Usage),
    /// No step: it was decided together with the step before (a parallel tool call, the next line of a script).
    Continued,
}

impl<A> Decision<A> {
    /// A decision that no model made.
    pub fn without_model(action: A) -> Self {
        Self { decided: Decided::Act(action), cost: Cost::Rule }
    }
}

/// Tokens of one model call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The namespace that the application is in.
    pub namespace: String,
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
        let deployments = &app.objects.deployments;
        let own = deployments.iter().find(|deployment| deployment.meta.name == *component);
        let namespace = own.or_else(|| deployments.first()).map(|deployment| deployment.meta.namespace.clone());
        Self {
            component: component.clone(),
            // Where Kubernetes puts what names none.
            namespace: namespace.unwrap_or_else(|| "default".to_owned()),
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
    /// What came of a question to a peer, or of an issue that the manager took.
    Answered(Box<GroupAnswer>),
    /// The request was refused, and why.
    Rejected(String),
}

/// What a group manager hears.
#[derive(Clone, Debug, PartialEq)]
pub enum ManagerHeard {
    /// A task from the maintainer, or to do again (heartbeat).
    Task(Box<GroupTaskView>),
    /// An issue that an agent could not solve. It comes like a task, when no other is going on.
    Issue {
        /// Whose agent raised it.
        from: Component,
        /// In words.
        text: String,
        /// The group, with the goal to maintain it.
        group: Box<GroupTaskView>,
    },
    /// All answers of a round, in the order in which the work was given out.
    Answers(Vec<GroupAnswer>),
    /// Who calls whom.
    Graph(Vec<Dependencies>),
    /// Time has passed, a declaration was noted.
    Noted,
    /// The request was refused, and why.
    Rejected(String),
}

/// A group's task as its manager gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupTaskView {
    /// The components whose agents it may give work to, in the order of the scenario.
    pub components: Vec<Component>,
    /// Those whose figures the goal is about.
    pub about: Vec<Component>,
    /// The task in words.
    pub text: String,
    /// The same, typed.
    pub goal: Goal,
    /// The objectives that the world should meet.
    pub objectives: Slos,
    /// The words for kinds of cause in declarations and reports.
    pub kinds: Vec<String>,
    /// Which evaluation this is, from 1.
    pub evaluation: u32,
}

impl GroupTaskView {
    /// The task of a scenario as its manager gets it; without a group in it, `others` are the agents that there are.
    pub fn of(scenario: &Scenario, others: &[Component]) -> Self {
        let task = &scenario.task;
        let mut components = task.members().to_vec();
        if task.group.is_empty() {
            components.extend(others.iter().filter(|other| **other != task.agent).cloned());
        }
        // Where the checks name components, the goal is about these.
        let checked: Vec<Component> = task.checked();
        Self {
            about: if checked.is_empty() { task.members().to_vec() } else { checked },
            components,
            text: task.text.clone(),
            goal: task.goal.clone(),
            objectives: scenario.slos.clone(),
            kinds: FaultKind::ALL.iter().map(|kind| kind.name().to_owned()).collect(),
            evaluation: 0,
        }
    }
}

/// The answer of one agent to another.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupAnswer {
    /// Whose agent it is, or `manager`.
    pub component: Component,
    /// The goal that it had.
    pub goal: Goal,
    /// Its report, or why there is none.
    pub outcome: Result<Conclusion, String>,
}

/// Declares a policy's budget of patience: how long it waits for a change to show in the metrics.
///
/// Prometheus scrapes every 15 s and the objectives look at a minute of samples.
pub(crate) const SETTLE: SimDuration = SimDuration::from_secs(75);
