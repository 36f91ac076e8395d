//! What takes a fault back, written down before the fault is made, so that `sockpit undo` can do it after a crash.
//!
//! ```text
//!   FOLDER/recoveries.jsonl    planned 1: patch … ── the fault is made ── done 1
//! ```

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::{Field, difference};
use super::object::{ObjectId, cleaned};
use super::record::{Lines, now, read_lines};
use crate::error::Error;

/// Where recoveries are kept in a session's folder.
pub(crate) const RECOVERIES: &str = "recoveries.jsonl";

/// How one fault is taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// The fault in a few words, for people.
    pub what: String,
    /// What is to be done.
    pub how: Cure,
}

/// What is to be done about a fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Cure {
    /// Fields of an object get back the values that they had, if they still hold those that the fault gave them. If the
    /// object is gone, so is the fault.
    Restore {
        /// Which object.
        object: ObjectId,
        /// All of it as it was, without what the API server and controllers set.
        before: Value,
        /// What the fault changes of it.
        fields: Vec<Field>,
    },
    /// An object that the fault made is deleted, if it is there.
    Delete {
        /// Which object.
        object: ObjectId,
    },
    /// An object that the fault deleted is created again, if it is not there.
    Create {
        /// Which object.
        object: ObjectId,
        /// All of it as it was, without what the API server and controllers set.
        before: Value,
    },
    /// A command is run in a container, such as one that ends what the fault had started. If the pod is gone, so is the
    /// fault.
    Exec {
        /// The pod.
        pod: String,
        /// Its container.
        container: String,
        /// The program and its arguments; no shell.
        command: Vec<String>,
    },
}

impl Recovery {
    /// The recovery of a fault that changes an object from one state to another, as the API server shows them. The state
    /// after it may be that of a dry run.
    pub fn of_change(what: impl Into<String>, object: ObjectId, before: &Value, after: &Value) -> Self {
        let (before, after) = (cleaned(before), cleaned(after));
        let fields = difference(&before, &after);
        Self { what: what.into(), how: Cure::Restore { object, before, fields } }
    }

    /// The recovery of a fault that deletes an object.
    pub fn of_deletion(what: impl Into<String>, object: ObjectId, before: &Value) -> Self {
        Self { what: what.into(), how: Cure::Create { object, before: cleaned(before) } }
    }
}

/// A line of `recoveries.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryLine {
    /// When it was written (RFC 3339).
    pub at: String,
    /// What it says.
    pub entry: RecoveryEntry,
}

/// What a line of `recoveries.jsonl` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RecoveryEntry {
    /// A fault is about to be made.
    Planned {
        /// Its number, from 1.
        id: u64,
        /// How it is taken back.
        recovery: Recovery,
    },
    /// It has been taken back.
    Done {
        /// Its number.
        id: u64,
    },
}

/// The list of recoveries of a session.
#[derive(Debug)]
pub struct Recoveries {
    lines: Lines,
    next: u64,
}

impl Recoveries {
    /// Opens the list in a session's folder, which is made if it is not there.
    ///
    /// # Errors
    /// It cannot be written, or another process works with it.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(RECOVERIES);
        let lines = Lines::open(&path)?;
        let highest = read(folder)?.iter().map(RecoveryLine::id).max().unwrap_or(0);
        Ok(Self { lines, next: highest + 1 })
    }

    /// Writes down how a fault will be taken back, before it is made. Returns its number once the disk has it.
    ///
    /// # Errors
    /// It cannot be written: the fault must not be made.
    pub fn plan(&mut self, recovery: Recovery) -> Result<u64, Error> {
        let id = self.next;
        self.lines.append(&RecoveryLine { at: now(), entry: RecoveryEntry::Planned { id, recovery } })?;
        self.next += 1;
        Ok(id)
    }

    /// Writes down that a fault has been taken back.
    ///
    /// # Errors
    /// It cannot be written: `sockpit undo` will look at the fault again, which does no harm.
    pub fn done(&mut self, id: u64) -> Result<(), Error> {
        self.lines.append(&RecoveryLine { at: now(), entry: RecoveryEntry::Done { id } })
    }
}

impl RecoveryLine {
    fn id(&self) -> u64 {
        match self.entry {
            RecoveryEntry::Planned { id, .. } | RecoveryEntry::Done { id } => id,
        }
    }
}

/// The lines of a session's folder; none if it has no recoveries.
pub(crate) fn read(folder: &Path) -> Result<Vec<RecoveryLine>, Error> {
    read_lines(&folder.join(RECOVERIES))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::Deployment;
    use serde_json::json;

    use super::*;

    #[test]
    fn recoveries_are_numbered_across_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let object = ObjectId::namespaced::<Deployment>("sock-shop", "carts");
        let recovery = Recovery::of_change(
            "fake-image on carts",
            object.clone(),
            &json!({ "spec": { "image": "c:1" }, "status": { "x": 1 } }),
            &json!({ "spec": { "image": "fake" }, "status": { "x": 2 } }),
        );
        let field = Field {
            path: vec!["spec".to_owned(), "image".to_owned()],
            before: Some(json!("c:1")),
            after: Some(json!("fake")),
        };
        let before = json!({ "spec": { "image": "c:1" } });
        assert_eq!(recovery.how, Cure::Restore { object, before, fields: vec![field] });
        let mut list = Recoveries::open(folder.path()).unwrap();
        assert_eq!(list.plan(recovery.clone()).unwrap(), 1);
        list.done(1).unwrap();
        drop(list);
        let mut list = Recoveries::open(folder.path()).unwrap();
        assert_eq!(list.plan(recovery.clone()).unwrap(), 2);
        let entries: Vec<_> = read(folder.path()).unwrap().into_iter().map(|line| line.entry).collect();
        let planned = |id| RecoveryEntry::Planned { id, recovery: recovery.clone() };
        assert_eq!(entries, [planned(1), RecoveryEntry::Done { id: 1 }, planned(2)]);
    }
}
