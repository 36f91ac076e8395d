//! What happens to the objects of a cluster, in the same words for the twin and for a live one, so that the two can be
//! laid side by side.
//!
//! Whoever watches a cluster tells an [`Observer`] how its objects look ([`PodState`], [`ReplicaSetState`],
//! [`DeploymentState`]) each time that they may have changed. The observer knows how they looked before, and keeps what
//! that makes a [`Transition`]. So what is called "restarted" or "not ready" is decided here, once for both worlds.

mod observer;
mod state;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::environment::Component;
use crate::time::SimDuration;

pub use observer::Observer;
pub use state::{ContainerState, DeploymentState, Ended, PodState, ProcessState, ReplicaSetState};

/// Something that happened to an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// When, since the recording began.
    pub at: SimDuration,
    /// To what.
    pub object: ObjectRef,
    /// The component it belongs to, if it is known to belong to one.
    pub component: Option<Component>,
    /// What.
    pub what: Change,
}

/// An object: `pod/catalogue-7d4b9c-x2x4z`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Its kind in lower case, such as `pod` or `horizontalpodautoscaler`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// One thing that can happen to an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// It is there.
    Created,
    /// A pod was bound to a node.
    Scheduled {
        /// Which.
        node: String,
    },
    /// A container waits, or waits for another reason.
    Waiting {
        /// Which container.
        container: String,
        /// Such as `ContainerCreating` or `CrashLoopBackOff`.
        reason: String,
    },
    /// A container's process runs.
    Started {
        /// Which container.
        container: String,
    },
    /// A container's process ended.
    Terminated {
        /// Which container.
        container: String,
        /// How.
        how: Termination,
    },
    /// A container's count of restarts went up.
    Restarted {
        /// Which container.
        container: String,
        /// To this.
        restarts: u32,
    },
    /// A pod is Ready.
    Ready,
    /// A pod that was Ready is not any more.
    NotReady,
    /// Deletion was asked for; the object stays until it has ended gracefully.
    Deleting,
    /// It is gone.
    Deleted,
    /// The numbers of a `ReplicaSet` or a Deployment changed.
    Replicas(ReplicaCounts),
    /// A condition of a Deployment came up or changed.
    Condition {
        /// Its type, such as `Progressing`.
        kind: String,
        /// `True`, `False` or `Unknown`.
        status: String,
        /// Such as `ProgressDeadlineExceeded`.
        reason: String,
    },
    /// A Kubernetes Event was recorded about it, or recorded once more.
    Event {
        /// `Normal` or `Warning`.
        severity: String,
        /// Its reason.
        reason: String,
        /// For people.
        message: String,
    },
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Termination {
    /// Such as `Completed`, `Error` or `OOMKilled`.
    pub reason: String,
    /// Above 128: ended by the signal of that number less 128.
    pub exit_code: i32,
}

/// Numbers of pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaCounts {
    /// `spec.replicas`.
    pub wanted: u32,
    /// Those that exist and are not terminating.
    pub current: u32,
    /// Those of the newest template; of a `ReplicaSet` all.
    pub updated: u32,
    /// Ready ones.
    pub ready: u32,
    /// Those that have been ready for long enough.
    pub available: u32,
}
