//! The port that every change goes through.
//!
//! ```text
//!   Live ──Write──▶ Guarded ──Write──▶ Cluster ──▶ API server
//!                      │
//!                      ▼
//!            audit log, snapshots
//! ```
//!
//! [`Cluster`] makes a change as it is asked for; what guards it is wrapped around it and is a port of the same kind, so
//! who asks does not know which one it has.

use std::future::Future;

use sim::environment::{Failure, Write};

use crate::cluster::Cluster;

/// Makes changes.
pub trait Changes: Sync {
    /// Makes one change. The answer is `kubectl`'s.
    ///
    /// # Errors
    /// Rejected: nothing has changed, and the asker could ask for something else. Unavailable: the change may or may not
    /// have been made.
    fn change(&self, write: &Write) -> impl Future<Output = Result<String, Failure>> + Send;
}

impl Changes for Cluster {
    fn change(&self, write: &Write) -> impl Future<Output = Result<String, Failure>> + Send {
        self.write(write)
    }
}
