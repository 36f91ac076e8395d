//! The audit log of a session, and the snapshots that it refers to.
//!
//! ```text
//!   FOLDER/audit.jsonl              opened │ intent 1 │ outcome 1 │ proposed 2 │ refused 3 │ … │ undone
//!   FOLDER/snapshots/1.json         the object before change 1, and what the change is expected to do to it
//! ```
//!
//! An intent is on disk, with its snapshot, before the change is asked of the API server. An intent without an outcome is
//! a change of which nobody knows whether it was made: `undo` looks.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sim::environment::Write;

use super::effect::Effect;
use super::object::ObjectId;
use super::policy::Guards;
use super::record::{Lines, now, read_lines, read_whole, write_whole};
use crate::error::Error;

/// The version of the files of a session's folder.
pub const AUDIT_SCHEMA: u32 = 1;
/// The log's name in a session's folder.
const AUDIT: &str = "audit.jsonl";
/// The folder of the snapshots in a session's folder.
const SNAPSHOTS: &str = "snapshots";

/// A line of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditLine {
    /// Its number, from 1.
    pub seq: u64,
    /// When it was written (RFC 3339).
    pub at: String,
    /// What it says.
    pub entry: AuditEntry,
}

/// What a line of the audit log says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AuditEntry {
    /// A session begins, or goes on.
    Opened {
        /// [`AUDIT_SCHEMA`].
        schema: u32,
        /// The namespace that it acts in.
        namespace: String,
        /// What it may change.
        guards: Guards,
    },
    /// A change was advised; nothing was changed.
    Proposed {
        /// What.
        write: Write,
        /// What the API server would have answered.
        answer: String,
    },
    /// A change was refused before it was asked of the API server for good.
    Refused {
        /// What.
        write: Write,
        /// Why, as the asker was told.
        why: String,
    },
    /// A change is about to be made.
    Intent {
        /// What.
        write: Write,
        /// The number of its snapshot, and of the change.
        snapshot: u64,
    },
    /// What came of a change.
    Outcome {
        /// Its number.
        snapshot: u64,
        /// What.
        outcome: Outcome,
    },
    /// `undo` is about to put an object into a state.
    Undoing {
        /// Which object.
        object: ObjectId,
        /// The state; none if it is to be deleted.
        state: Option<Value>,
        /// What is settled by it.
        settled: Vec<Settled>,
    },
    /// `undo` is done with an object; conflicts are not settled.
    Undone {
        /// Which object.
        object: ObjectId,
        /// What is settled.
        settled: Vec<Settled>,
    },
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// It was made.
    Done {
        /// What was answered.
        answer: String,
        /// What it did, with the values after it as they were read back; none if they could not be read.
        effect: Option<Effect>,
    },
    /// Nothing has changed.
    Rejected {
        /// Why.
        why: String,
    },
    /// The cluster failed: it may or may not have been made, in whole or in part.
    Failed {
        /// How.
        why: String,
    },
}

/// Whose change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeId {
    /// A fault's, by the number of its recovery.
    Fault(u64),
    /// An agent's, by the number of its snapshot.
    Write(u64),
}

/// One part of a change with which undo is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    /// Of which change.
    pub change: ChangeId,
    /// Which of its fields; 0 for an object that was created or deleted.
    pub field: usize,
}

/// What is kept of an object before it is changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// [`AUDIT_SCHEMA`].
    pub schema: u32,
    /// The change.
    pub write: Write,
    /// The object that it changes.
    pub object: ObjectId,
    /// The object as users made it; none if it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What the change does to it, as a dry run showed it.
    pub expected: Effect,
}

/// The audit log of a session, which this process alone writes.
#[derive(Debug)]
pub(crate) struct Audit {
    lines: Lines,
    folder: PathBuf,
    next: u64,
}

impl Audit {
    /// Opens the log in a folder, which is made if it is not there.
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        let lines = Lines::open(&folder.join(AUDIT))?;
        let last = read(folder)?.last().map_or(0, |line| line.seq);
        let snapshots = folder.join(SNAPSHOTS);
        fs::create_dir_all(&snapshots)
            .map_err(|error| Error::Record { path: snapshots.clone(), reason: error.to_string() })?;
        Ok(Self { lines, folder: folder.to_owned(), next: last + 1 })
    }

    /// The number that the next line gets, and with it a snapshot.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Adds a line, and returns once the disk has it.
    pub(crate) fn add(&mut self, entry: AuditEntry) -> Result<(), Error> {
        self.lines.append(&AuditLine { seq: self.next, at: now(), entry })?;
        self.next += 1;
        Ok(())
    }

    /// Keeps a snapshot under the number of the next line.
    pub(crate) fn keep(&self, snapshot: &Snapshot) -> Result<(), Error> {
        write_whole(&snapshot_path(&self.folder, self.next), snapshot)
    }
}

/// The lines of a folder's log; none if there is no log.
pub(crate) fn read(folder: &Path) -> Result<Vec<AuditLine>, Error> {
    read_lines(&folder.join(AUDIT))
}

/// The snapshot of a change.
pub(crate) fn snapshot(folder: &Path, number: u64) -> Result<Snapshot, Error> {
    read_whole(&snapshot_path(folder, number))
}

fn snapshot_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(SNAPSHOTS).join(format!("{number}.json"))
}
