//! What an episode leaves behind: the events of its log, and the truth that the judge reads.
//!
//! The log is JSON lines. The first is a [`Header`]; every other one is an [`Entry`]: a monotonic
//! `seq`, the simulated time `t_ns`, and one of a closed set of kinds. Nothing in it depends on the
//! wall clock, so the same seed, scenario and answers give the same bytes. A change to any type in
//! this module, [`Truth`] included, raises [`SCHEMA_VERSION`], and a reader for the old one stays:
//!
//! - 1: the first;
//! - 2: the judge tells what another program answered, which pods have no limit, and whose limits are too large. A log of
//!   version 1 says nothing of that, and is scored as if there were none;
//! - 3: a hierarchy plays: messages, decisions of a manager, missteps, and the work of each round. Earlier logs have one
//!   agent, each of whose decisions was a step;
//! - 4: missteps of three more kinds ([`MisstepKind::Declined`], [`MisstepKind::Forbidden`], [`MisstepKind::TokensSpent`]),
//!   and an end by the budget of tokens. In earlier logs what a critic declined is a wait of no length, what lies in
//!   another namespace is unreadable, and a budget of tokens that is used up is a model that failed.

mod read;
mod truth;

use serde::{Deserialize, Serialize};

pub use read::{LogError, Recording, read};
pub use truth::{ComponentTruth, Truth};

use crate::environment::{Action, Assignment, Component, Conclusion, Declaration, Description, ManagerAction, Write};
use crate::time::SimTime;

/// Version of the log's format.
pub const SCHEMA_VERSION: u32 = 4;

/// First line of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema: u32,
    /// Name of the scenario.
    pub scenario: String,
    /// Digest of the scenario as resolved.
    pub scenario_digest: String,
    /// The episode's seed.
    pub seed: u64,
    /// The policy that played, such as `runbook`.
    pub policy: String,
}

/// Any other line of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts from 1 without gaps.
    pub seq: u64,
    /// When, in nanoseconds since the world was prepared.
    pub t_ns: SimTime,
    /// What.
    #[serde(flatten)]
    pub event: EpisodeEvent,
}

impl Entry {
    /// What the judge saw, where the entry says that.
    pub fn truth(&self) -> Option<&Truth> {
        match &self.event {
            EpisodeEvent::Truth(truth) => Some(truth),
            _ => None,
        }
    }
}

/// One thing that happened in an episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EpisodeEvent {
    /// The world did something.
    World(WorldEvent),
    /// What the judge saw of one interval.
    Truth(Box<Truth>),
    /// An agent was given its task, or woken again by its heartbeat.
    TaskStarted {
        /// The agent, named after its component.
        agent: String,
        /// Which evaluation, from 1.
        evaluation: u32,
        /// The task's text.
        text: String,
    },
    /// An agent decided on a step.
    Decision {
        /// The agent.
        agent: String,
        /// Number of the step in this episode, from 1.
        step: u32,
        /// What it does.
        action: Action,
        /// Time charged for thinking.
        think_ns: u64,
        /// Whether it was decided together with the step before: one step may hold several tool calls or run a script.
        #[serde(default, skip_serializing_if = "is_false")]
        continued: bool,
    },
    /// The group manager decided on a step.
    ManagerDecision {
        /// Number of the step in this episode, from 1.
        step: u32,
        /// What it does.
        action: ManagerAction,
        /// Time charged for thinking.
        think_ns: u64,
        /// Whether it was decided together with the step before.
        #[serde(default, skip_serializing_if = "is_false")]
        continued: bool,
    },
    /// A step came to nothing: it holds no action that could be carried out.
    Misstep {
        /// The agent, or `manager`.
        agent: String,
        /// Number of the step.
        step: u32,
        /// What went wrong.
        what: MisstepKind,
        /// What its maker was told.
        text: String,
        /// Time charged for thinking.
        think_ns: u64,
        /// Whether it was decided together with the step before.
        #[serde(default, skip_serializing_if = "is_false")]
        continued: bool,
    },
    /// Something happened to a message between agents.
    Message(MessageEvent),
    /// What the world answered to a step, as a digest and length of the text that the agent read.
    Answer {
        /// The agent.
        agent: String,
        /// Number of the step.
        step: u32,
        /// Whether the request was rejected.
        rejected: bool,
        /// The text that the agent read.
        text: String,
    },
    /// A model was called for a step. Policies without a model leave none.
    ModelCall {
        /// The agent.
        agent: String,
        /// Number of the step.
        step: u32,
        /// Tokens read.
        tokens_in: u64,
        /// Tokens written.
        tokens_out: u64,
        /// Price in millionths of a US dollar.
        cost_micro_usd: u64,
    },
    /// An agent handed work to others and waited for them (a manager's round).
    Delegated {
        /// The manager.
        agent: String,
        /// Number of the round, from 1.
        round: u32,
        /// Who got work.
        receivers: Vec<String>,
        /// The work; not told by logs before version 3.
        #[serde(default)]
        assignments: Vec<Assignment>,
    },
    /// What a component's objects looked like: recorded when the first evaluation begins and at the end.
    State {
        /// The component.
        component: Component,
        /// Its objects; none if the Deployment does not exist.
        description: Option<Box<Description>>,
    },
    /// An agent said what it believes.
    Declared {
        /// The agent.
        agent: String,
        /// What.
        declaration: Declaration,
    },
    /// An agent ended its task.
    Reported {
        /// The agent.
        agent: String,
        /// Its report.
        conclusion: Conclusion,
    },
    /// A branch of the world without one decision was played (credit), or with nothing done at all.
    Branch(Box<Branch>),
    /// A branch in which one decision was replaced by another was played (regret).
    Alternative(Box<Alternative>),
    /// The episode is over.
    Ended {
        /// Why.
        reason: EndReason,
    },
}

/// The name of the group manager in logs.
pub const MANAGER: &str = "manager";

/// For fields that are left out where they say nothing.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_false(value: &bool) -> bool {
    !value
}

/// One thing that happened to a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageEvent {
    /// Number of the message in this episode, from 1.
    pub message: u64,
    /// What it is.
    pub of: MessageKind,
    /// Who sent it: `maintainer`, `manager`, or a component's agent.
    pub from: String,
    /// Who gets it.
    pub to: String,
    /// The task or issue to which it belongs.
    pub correlation: u64,
    /// What happened.
    #[serde(flatten)]
    pub state: MessageState,
}

/// The three kinds of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// Somebody shall do something.
    Task,
    /// Somebody could not solve something.
    Issue,
    /// What came of a task or an issue.
    Response,
}

/// What can happen to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum MessageState {
    /// It was sent.
    Published {
        /// In words.
        text: String,
    },
    /// Its receiver got it.
    Delivered {
        /// For the how manieth time, from 1.
        attempt: u32,
    },
    /// Its receiver is done with it.
    Acknowledged,
    /// It is in the queue again.
    Redelivered {
        /// Why.
        reason: String,
    },
    /// It came again though its receiver was done with it, and was dropped.
    Duplicate,
    /// It was taken out of its queue for good, unhandled.
    DeadLettered {
        /// Why.
        reason: String,
    },
}

/// What went wrong with a step that was no action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MisstepKind {
    /// The answer was empty, or called no tool where one was needed.
    NoAction,
    /// Arguments or a command line that cannot be read.
    Unreadable,
    /// A tool that does not exist.
    UnknownTool,
    /// Arguments that do not fit the tool.
    BadArguments,
    /// Longer than what is read of an answer.
    TooLong,
    /// The same step as the steps before, without end.
    Repeated,
    /// A script that failed or reached a limit.
    Script,
    /// The model gave no answer in time, or its server failed.
    ModelFailed,
    /// A change, or work for others, that a critic declined; the text says which.
    Declined,
    /// A command about another namespace than the application's, which the API server forbids.
    Forbidden,
    /// The tokens that it may read and write are used up: its work ends with this step.
    TokensSpent,
}

/// Why an episode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// All evaluations were done and the hold time has passed.
    Completed,
    /// The budget of steps was used up.
    StepBudget,
    /// The budget of time was used up.
    TimeBudget,
    /// The budget of tokens was used up.
    TokenBudget,
}

/// A branch that was played beside the world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Branch {
    /// The step whose action is left out; none, and no task either, for the branch in which nothing was done.
    pub without_step: Option<u32>,
    /// The manager's task whose every change is left out: a delegation. Its number is that of its message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_task: Option<u64>,
    /// The future under which it was played, from 0.
    pub future: u32,
    /// Return of the world as played under that future.
    pub played: f64,
    /// Return of the branch.
    pub branch: f64,
    /// Later recorded actions that no longer applied.
    pub inapplicable: u32,
    /// Whether all objectives were green and held at its end.
    pub green_at_end: bool,
}

/// A branch in which one decision is replaced by another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alternative {
    /// The step whose action is replaced.
    pub step: u32,
    /// By what.
    pub instead: Write,
    /// The future under which it was played, from 0.
    pub future: u32,
    /// Return of the world as played under that future.
    pub played: f64,
    /// Return of the branch.
    pub branch: f64,
}

/// Something the world did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum WorldEvent {
    /// A Kubernetes Event was recorded.
    Kubernetes {
        /// When.
        at: SimTime,
        /// `Normal` or `Warning`.
        severity: String,
        /// Its reason.
        reason: String,
        /// About what.
        object: String,
        /// The message.
        message: String,
    },
    /// A fault began (judge only).
    FaultBegan {
        /// When.
        at: SimTime,
        /// Number of the fault in the scenario.
        index: u32,
    },
    /// A fault ended by its duration (judge only).
    FaultEnded {
        /// When.
        at: SimTime,
        /// Number of the fault in the scenario.
        index: u32,
    },
}

impl WorldEvent {
    /// When it happened.
    pub const fn at(&self) -> SimTime {
        match self {
            Self::Kubernetes { at, .. } | Self::FaultBegan { at, .. } | Self::FaultEnded { at, .. } => *at,
        }
    }
}
