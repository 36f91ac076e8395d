//! How what a session changed is put back: decided here without a cluster.
//!
//! ```text
//!   audit.jsonl, snapshots ─┐                         ┌─▶ create, delete or patch, once per object
//!   recoveries.jsonl ───────┴─▶ changes ─▶ plan_undo ─┤
//!   objects as they are ──────────────────────▲       └─▶ findings: restored, conflict, left
//! ```
//!
//! The changes of an object are taken back in thought, newest first, on a copy of it; what the copy is in the end is what
//! the object should be, and it is put there in one step. So five images in a row make one rollout and not five, and a
//! fault that an agent mended is not made again on the way.
//!
//! - A field gets back the value before a change if it holds the value after it. If it holds the value before, there is
//!   nothing to do: the change was not made, or was taken back. Any other value is somebody else's, and stays.
//! - A restart is not undone, since that would be another rollout. But where the template is put back anyway, its stamp
//!   goes too, and the pods are those of the old template to the letter.
//! - Pods that were deleted are not made again: their controllers have made others.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::action::WriteKind;
use super::audit::{ChangeId, Settled};
use super::effect::Effect;
use super::fields::{Field, get, put};
use super::object::{ObjectId, cleaned};
use crate::plan::RESTARTED_AT;

/// One change that may have to be taken back.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Whose, and which.
    pub id: ChangeId,
    /// When it was written down; later times sort behind earlier ones.
    pub at: String,
    /// In a few words.
    pub what: String,
    /// An agent's kind of change; none for a fault.
    pub kind: Option<WriteKind>,
    /// The object that it was made to.
    pub object: ObjectId,
    /// The object before, as users made it.
    pub before: Option<Value>,
    /// What it did.
    pub deed: Deed,
    /// Whether it is known to have been made.
    pub certain: bool,
    /// Whether it has been taken back before, as faults are: what is there now is none of its doing, but undo must not
    /// bring it back on the way.
    pub over: bool,
    /// Its fields with which an earlier undo was done.
    pub settled: BTreeSet<usize>,
}

/// What a change did, as far as it matters for taking it back.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// It changed its object.
    Effect(Effect),
    /// It made an object that goes, whatever has become of it.
    Imposed,
    /// It started something in a container of its pod, which a command ends.
    Started {
        /// The container.
        container: String,
        /// The command that ends it.
        ends: Vec<String>,
    },
}

/// What is to be done with one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Which.
    pub object: ObjectId,
    /// What is done, in this order.
    pub acts: Vec<Act>,
    /// What was found, for people.
    pub findings: Vec<Finding>,
    /// What is settled once it is done.
    pub settled: Vec<Settled>,
}

/// One request to the cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// The object is created.
    Create {
        /// All of it.
        object: Value,
    },
    /// The object is deleted.
    Delete,
    /// The object is changed from one state to another, both without what the API server and controllers set.
    Change {
        /// As it is.
        from: Value,
        /// As it should be.
        to: Value,
    },
    /// A command is run in a container of the pod.
    Run {
        /// The container.
        container: String,
        /// The program and its arguments.
        command: Vec<String>,
    },
}

/// What became of one part of a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Of which change.
    pub change: ChangeId,
    /// The change in a few words.
    pub what: String,
    /// What became of it.
    pub verdict: Verdict,
}

/// What becomes of one part of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is taken back.
    Restored(String),
    /// Somebody else has changed the same since, and it stays.
    Conflict(String),
    /// It is not taken back, for a reason.
    Left(String),
}

/// Works out what puts a session's changes back: a step for each object that something is to be done with or said about,
/// the one that was changed last first.
pub fn plan_undo(changes: &[Change], current: &BTreeMap<ObjectId, Value>) -> Vec<Step> {
    let mut by_object: BTreeMap<&ObjectId, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        by_object.entry(&change.object).or_default().push(change);
    }
    let mut objects: Vec<_> = by_object.into_iter().collect();
    for (_, changes) in &mut objects {
        changes.sort_by(|a, b| (&b.at, b.id).cmp(&(&a.at, a.id)));
    }
    objects.sort_by(|(_, a), (_, b)| newest(b).cmp(&newest(a)));
    let steps = objects.into_iter().map(|(object, changes)| plan_object(object, &changes, current.get(object)));
    steps.filter(|step| !(step.acts.is_empty() && step.findings.is_empty() && step.settled.is_empty())).collect()
}

/// When an object was changed last.
fn newest<'a>(changes: &[&'a Change]) -> Option<(&'a str, ChangeId)> {
    changes.first().map(|change| (change.at.as_str(), change.id))
}

/// Works out what puts one object back, whose changes come newest first.
pub(crate) fn plan_object(object: &ObjectId, changes: &[&Change], current: Option<&Value>) -> Step {
    let is = current.map(cleaned);
    let mut undoing = Undoing { is_there: is.is_some(), state: is.clone(), ..Undoing::default() };
    undoing.take_back_all(changes);
    if let (Some(is), Some(state)) = (&is, &undoing.state)
        && differ_by_restarts(is, state)
    {
        undoing.leave_restarts(is);
    }
    let Undoing { state, mut acts, mut findings, settled, .. } = undoing;
    match (is, state) {
        (None, Some(object)) => acts.push(Act::Create { object }),
        (Some(_), None) => acts.push(Act::Delete),
        (Some(from), Some(to)) if from != to => acts.push(Act::Change { from, to }),
        _ => {}
    }
    if acts.is_empty() {
        // What would go back and forth is as it was.
        findings.retain(|finding| !matches!(finding.verdict, Verdict::Restored(_)));
    }
    Step { object: object.clone(), acts, findings, settled }
}

/// Whether the templates of two states are the same but for what restarts have stamped on them.
fn differ_by_restarts(one: &Value, other: &Value) -> bool {
    let template = |object: &Value| object.get("spec").and_then(|spec| spec.get("template")).cloned();
    let (one, other) = (template(one), template(other));
    one != other && one.map(unstamped) == other.map(unstamped)
}

/// A template without the stamp of a restart, and without what is empty then.
fn unstamped(mut template: Value) -> Value {
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(RESTARTED_AT);
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
        if metadata.is_empty()
            && let Some(template) = template.as_object_mut()
        {
            template.remove("metadata");
        }
    }
    template
}

/// An object whose changes are taken back in thought.
#[derive(Default)]
struct Undoing {
    /// Whether the object is there.
    is_there: bool,
    /// What it is in thought.
    state: Option<Value>,
    acts: Vec<Act>,
    findings: Vec<Finding>,
    /// Those of the findings that are about the stamps of restarts, by their places.
    restarts: Vec<usize>,
    settled: Vec<Settled>,
}

impl Undoing {
    fn take_back_all(&mut self, newest_first: &[&Change]) {
        for change in newest_first {
            self.take_back(change);
        }
    }

    fn take_back(&mut self, change: &Change) {
        if change.kind == Some(WriteKind::Drain) && !change.settled.contains(&0) {
            let said = "pods that it evicted are not brought back: their controllers have made others".to_owned();
            self.find(change, Verdict::Left(said));
        }
        match &change.deed {
            Deed::Effect(Effect::Changed { fields }) => {
                for (index, field) in fields.iter().enumerate() {
                    if !change.settled.contains(&index) {
                        self.put_back(change, index, field);
                    }
                }
            }
            _ if change.settled.contains(&0) => {}
            Deed::Effect(Effect::Nothing) => self.settle(change, 0),
            Deed::Effect(Effect::Created { object }) => self.delete_created(change, object),
            Deed::Effect(Effect::Deleted) => self.create_deleted(change),
            Deed::Imposed => {
                if !(change.over && self.is_there) && self.state.take().is_some() {
                    self.find(change, Verdict::Restored("deleted".to_owned()));
                }
                self.settle(change, 0);
            }
            Deed::Started { container, ends } => {
                // A command that was started ends with its pod.
                if self.state.is_some() {
                    self.acts.push(Act::Run { container: container.clone(), command: ends.clone() });
                    self.find(change, Verdict::Restored(format!("`{}` is run in {container}", ends.join(" "))));
                }
                self.settle(change, 0);
            }
        }
    }

    /// Puts one field back.
    fn put_back(&mut self, change: &Change, index: usize, field: &Field) {
        let Some(state) = &mut self.state else { return self.without_object(change, index, field) };
        let now = get(state, &field.path);
        if now == field.before.as_ref() {
            return self.settle(change, index);
        }
        if now != field.after.as_ref() {
            if change.over {
                return self.settle(change, index);
            }
            let (wrote, found) = (shown(field.after.as_ref()), shown(now));
            let said = format!("{field} was set to {wrote} and is now {found}: somebody else changed it, and it stays");
            return self.find(change, Verdict::Conflict(said));
        }
        if change.kind == Some(WriteKind::Restart) || field.path.last().is_some_and(|step| step == RESTARTED_AT) {
            self.restarts.push(self.findings.len());
        }
        let model = change.before.as_ref().unwrap_or(&Value::Null);
        if put(state, &field.path, field.before.as_ref(), model) {
            let said = format!("{field}: {} -> {}", shown(field.after.as_ref()), shown(field.before.as_ref()));
            self.find(change, Verdict::Restored(said));
            self.settle(change, index);
        } else {
            let said = format!("{field} has nothing around it any more: somebody else took it away");
            self.find(change, Verdict::Conflict(said));
        }
    }

    /// Keeps the template with its stamps: nothing but a restart would be taken back by a rollout.
    fn leave_restarts(&mut self, is: &Value) {
        if let Some(state) = &mut self.state {
            state["spec"]["template"] = is["spec"]["template"].clone();
        }
        for index in std::mem::take(&mut self.restarts) {
            if let Some(finding) = self.findings.get_mut(index) {
                finding.verdict = Verdict::Left("a restart is not undone: that would be another rollout".to_owned());
            }
        }
    }

    /// A field of an object that is gone.
    fn without_object(&mut self, change: &Change, index: usize, field: &Field) {
        if change.over || change.object.kind == "Pod" {
            // What was changed in a pod went with it.
            return self.settle(change, index);
        }
        self.find(change, Verdict::Conflict(format!("{field}: the object is gone, and not by sockpit")));
    }

    fn delete_created(&mut self, change: &Change, created: &Value) {
        match &self.state {
            None => {}
            Some(now) if is_same(change, now, created) => {
                self.state = None;
                self.find(change, Verdict::Restored("deleted, since it was created".to_owned()));
            }
            Some(_) => {
                let said = "it was created, and somebody else changed it since: it stays".to_owned();
                return self.find(change, Verdict::Conflict(said));
            }
        }
        self.settle(change, 0);
    }

    fn create_deleted(&mut self, change: &Change) {
        if change.object.kind == "Pod" {
            let said = "a deleted pod is not made again: its controller has made another".to_owned();
            self.find(change, Verdict::Left(said));
            return self.settle(change, 0);
        }
        match &self.state {
            None => {
                self.state.clone_from(&change.before);
                self.find(change, Verdict::Restored("created again, since it was deleted".to_owned()));
            }
            Some(now) if change.over || Some(now) == change.before.as_ref() => {}
            Some(_) => {
                let said = "it was deleted, and somebody else created another since: it stays".to_owned();
                return self.find(change, Verdict::Conflict(said));
            }
        }
        self.settle(change, 0);
    }

    fn find(&mut self, change: &Change, verdict: Verdict) {
        self.findings.push(Finding { change: change.id, what: change.what.clone(), verdict });
    }

    fn settle(&mut self, change: &Change, field: usize) {
        self.settled.push(Settled { change: change.id, field });
    }
}

/// Whether an object is still as it was created. Of one whose creation nobody saw the end of, what the API server
/// allocates is not known.
fn is_same(change: &Change, now: &Value, created: &Value) -> bool {
    now == created
        || (!change.certain
            && change.object.kind == "Service"
            && without_allocations(now.clone()) == without_allocations(created.clone()))
}

/// A Service without its addresses and node ports.
fn without_allocations(mut service: Value) -> Value {
    if let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) {
        for name in ["clusterIP", "clusterIPs", "healthCheckNodePort"] {
            spec.remove(name);
        }
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(port) = port.as_object_mut() {
                port.remove("nodePort");
            }
        }
    }
    service
}

/// A value for people, cut where it is long.
fn shown(value: Option<&Value>) -> String {
    const MOST: usize = 80;
    let Some(value) = value else { return "nothing".to_owned() };
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests;
