//! The three ports of a world: [`Environment`] for agents, [`Stage`] for the runner, [`Fork`] for
//! the judge.
//!
//! The twin implements all three, a live cluster the first two. They sit in this crate because the
//! twin is their executable specification.
//!
//! Two kinds of error are never mixed. [`Rejected`]: the agent asked for something invalid; it gets
//! the message back and plays on. [`Unavailable`]: the world failed; the episode is void and never
//! scored.

mod action;
mod applied;
pub mod conformance;
mod goal;
mod observation;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

pub use action::{
    Action, AppliedObject, Assignment, AutoscalerSpec, Component, Conclusion, Declaration, DeletableKind, LogQuery,
    ManagerAction, MetricQuery, Query, ResourceChange, Write,
};
pub use applied::Applied;
pub use goal::Goal;
pub use observation::{
    AutoscalerView, ContainerView, Dependencies, DeploymentView, Description, EventView, NodeView, Observation,
    PodView, PolicyView, ReplicaSetView, ServiceView, Usage,
};

use crate::time::{SimDuration, SimTime};

/// The agent asked for something that cannot be done; it gets this message, as the API server words it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{0}")]
pub struct Rejected(pub String);

/// The world itself failed: a lost connection, a dead API server. The episode is void.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// What comes back from a request to the world.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The agent's mistake.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The world's failure.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The answer of a world whose futures are always ready, as the twin's are: no runtime is needed.
///
/// # Panics
/// The future is not ready.
pub fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the twin's futures are always ready"),
    }
}

/// What agents see and act on.
///
/// All methods are async for the sake of a live cluster; the twin's futures are always ready.
pub trait Environment {
    /// The world's clock.
    fn now(&self) -> SimTime;

    /// Looks, and changes nothing.
    fn observe(&mut self, query: &Query) -> impl Future<Output = Result<Observation, Failure>>;

    /// Changes something. The text says what the API server answered, such as
    /// `deployment.apps/catalogue scaled`.
    fn act(&mut self, write: &Write) -> impl Future<Output = Result<String, Failure>>;

    /// Lets time pass until `until` (which is not before `now`).
    fn advance(&mut self, until: SimTime) -> impl Future<Output = Result<(), Unavailable>>;
}

/// What the runner uses to set a world up, and what only the judge reads.
pub trait Stage {
    /// Everything that happened since the last call, in order, for the episode's log.
    fn drain_journal(&mut self) -> Vec<crate::episode::WorldEvent>;

    /// Prepares the world as the scenario says: objects applied, pods ready, load running.
    fn prepare(&mut self) -> impl Future<Output = Result<(), Unavailable>>;

    /// Injects the scenario's fault number `index` now.
    fn inject(&mut self, index: usize) -> impl Future<Output = Result<(), Unavailable>>;

    /// Ends the scenario's fault number `index` now, as its duration says.
    fn recover(&mut self, index: usize) -> impl Future<Output = Result<(), Unavailable>>;

    /// What the judge sees of the interval since the last call: exact figures that no agent gets.
    fn truth(&mut self) -> impl Future<Output = Result<crate::episode::Truth, Unavailable>>;
}

/// A world that can be split in two: only the twin has this. Credit, regret and the `oracle` use it.
pub trait Fork: Sized {
    /// A copy that goes on exactly as the original would.
    #[must_use]
    fn fork(&self) -> Self;

    /// The same, except that all chance from now on is drawn under another key.
    #[must_use]
    fn fork_with_future(&self, future: u64) -> Self;
}

/// How long an observation window is, where one is not given.
pub const DEFAULT_WINDOW: SimDuration = SimDuration::from_secs(60);
