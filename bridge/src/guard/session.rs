//! What a session's folder says was changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;

use super::action::{WriteKind, described};
use super::audit::{self, AUDIT_SCHEMA, AuditEntry, AuditLine, ChangeId, Outcome, Settled, Snapshot};
use super::effect::Effect;
use super::object::{ObjectId, cleaned};
use super::recovery::{self, Cure, Recovery, RecoveryEntry, RecoveryLine};
use super::undo::{Change, Deed};
use crate::error::Error;

/// What a session's folder says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Session {
    /// The namespace that it acted in.
    pub namespace: String,
    /// What was changed, or may have been.
    pub changes: Vec<Change>,
    /// What an earlier undo was about to do and did not say that it did: an object's state, and what it settles.
    unfinished: BTreeMap<ObjectId, (Option<Value>, Vec<Settled>)>,
}

impl Session {
    /// Reads a folder.
    ///
    /// # Errors
    /// It holds no session, or one that cannot be read.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let lines = audit::read(folder)?;
        let recoveries = recovery::read(folder)?;
        if lines.is_empty() && recoveries.is_empty() {
            return Err(Error::Refused(format!(
                "{} holds no session: name the folder that a session on a cluster has written its audit log into",
                folder.display()
            )));
        }
        Self::of(lines, recoveries, |number| audit::snapshot(folder, number))
    }

    /// Puts together what the files say.
    fn of(
        lines: Vec<AuditLine>,
        recoveries: Vec<RecoveryLine>,
        snapshot: impl Fn(u64) -> Result<Snapshot, Error>,
    ) -> Result<Self, Error> {
        let mut session = Self::default();
        let mut settled = Vec::new();
        for AuditLine { at, entry, .. } in lines {
            match entry {
                AuditEntry::Opened { schema, namespace, .. } => session.opened(schema, namespace)?,
                AuditEntry::Intent { write, snapshot: number } => {
                    let Snapshot { object, before, expected, .. } = snapshot(number)?;
                    session.changes.push(Change {
                        id: ChangeId::Write(number),
                        at,
                        what: described(&write),
                        kind: Some(WriteKind::of(&write)),
                        object,
                        before,
                        deed: Deed::Effect(expected),
                        certain: false,
                        over: false,
                        settled: BTreeSet::new(),
                    });
                }
                AuditEntry::Outcome { snapshot, outcome } => session.came_of(ChangeId::Write(snapshot), outcome),
                AuditEntry::Undoing { object, state, settled } => {
                    session.unfinished.insert(object, (state, settled));
                }
                AuditEntry::Undone { object, settled: more } => {
                    session.unfinished.remove(&object);
                    settled.extend(more);
                }
                AuditEntry::Proposed { .. } | AuditEntry::Refused { .. } => {}
            }
        }
        session.add_recoveries(recoveries);
        session.settle(&settled);
        Ok(session)
    }

    fn opened(&mut self, schema: u32, namespace: String) -> Result<(), Error> {
        let malformed = |reason: String| Error::Malformed { what: "the audit log".to_owned(), reason };
        if schema > AUDIT_SCHEMA {
            let reason =
                format!("it has version {schema}, and this sockpit reads up to {AUDIT_SCHEMA}: take a newer one");
            return Err(malformed(reason));
        }
        if !self.namespace.is_empty() && self.namespace != namespace {
            return Err(malformed(format!("it is of two namespaces, {} and {namespace}", self.namespace)));
        }
        self.namespace = namespace;
        Ok(())
    }

    fn came_of(&mut self, id: ChangeId, outcome: Outcome) {
        match outcome {
            Outcome::Done { effect, .. } => {
                if let Some(change) = self.changes.iter_mut().find(|change| change.id == id) {
                    change.certain = true;
                    if let Some(effect) = effect {
                        change.deed = Deed::Effect(effect);
                    }
                }
            }
            Outcome::Rejected { .. } => self.changes.retain(|change| change.id != id),
            Outcome::Failed { .. } => {}
        }
    }

    fn add_recoveries(&mut self, lines: Vec<RecoveryLine>) {
        let is_done = |line: &RecoveryLine| match line.entry {
            RecoveryEntry::Done { id } => Some(id),
            RecoveryEntry::Planned { .. } => None,
        };
        let done: BTreeSet<u64> = lines.iter().filter_map(is_done).collect();
        for RecoveryLine { at, entry } in lines {
            let RecoveryEntry::Planned { id, recovery } = entry else { continue };
            let change = Change { over: done.contains(&id), ..change_of(recovery, id, at, &self.namespace) };
            // What a fault made or changed, and an agent then changed, must be known after the fault is over as well: else
            // undo would bring the fault back. What it started is started no more.
            if !(change.over && matches!(change.deed, Deed::Started { .. })) {
                self.changes.push(change);
            }
        }
    }

    fn settle(&mut self, settled: &[Settled]) {
        for Settled { change: id, field } in settled {
            if let Some(change) = self.changes.iter_mut().find(|change| change.id == *id) {
                change.settled.insert(*field);
            }
        }
    }

    /// The objects that may have to be put back.
    pub fn objects(&self) -> BTreeSet<ObjectId> {
        self.changes.iter().map(|change| change.object.clone()).collect()
    }

    /// The changes of an object, newest first.
    pub(crate) fn changes_of(&self, object: &ObjectId) -> Vec<&Change> {
        let mut changes: Vec<_> = self.changes.iter().filter(|change| change.object == *object).collect();
        changes.sort_by(|a, b| (&b.at, b.id).cmp(&(&a.at, a.id)));
        changes
    }

    /// Settles what an earlier undo did without saying so, as the objects show it.
    pub fn settle_unfinished(&mut self, current: &BTreeMap<ObjectId, Value>) {
        for (object, (state, settled)) in std::mem::take(&mut self.unfinished) {
            if current.get(&object).map(cleaned) == state {
                self.settle(&settled);
            }
        }
    }
}

/// What a fault did, by what takes it back.
pub(crate) fn change_of(recovery: Recovery, id: u64, at: String, namespace: &str) -> Change {
    let (object, before, deed) = match recovery.how {
        Cure::Restore { object, before, fields } => (object, Some(before), Deed::Effect(Effect::Changed { fields })),
        Cure::Delete { object } => (object, None, Deed::Imposed),
        Cure::Create { object, before } => (object, Some(before), Deed::Effect(Effect::Deleted)),
        Cure::Exec { pod, container, command } => {
            (ObjectId::namespaced::<Pod>(namespace, &pod), None, Deed::Started { container, ends: command })
        }
    };
    Change {
        id: ChangeId::Fault(id),
        at,
        what: recovery.what,
        kind: None,
        object,
        before,
        deed,
        certain: false,
        over: false,
        settled: BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests;
