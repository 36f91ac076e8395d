//! `undo` on a cluster: what was decided without it is done, object by object.
//!
//! ```text
//!   folder ─▶ session ─▶ plan_undo ─▶ per object: undoing ─▶ dry run ─▶ for good ─▶ undone
//!                            ▲                                   │ conflict
//!                            └──────────── read again ◀──────────┘
//! ```
//!
//! Killed at any moment, it can be started again: what it was about to do with an object is written down before, and is
//! looked for first.

use std::collections::BTreeMap;
use std::path::Path;

use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions};
use serde_json::Value;

use super::audit::{Audit, AuditEntry};
use super::object::ObjectId;
use super::patch::patch;
use super::record::now;
use super::recovery::Recovery;
use super::session::{Session, change_of};
use super::undo::{Act, Change, Finding, Step, plan_object, plan_undo};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::write::{FIELD_MANAGER, PAUSES, past_conflicts};

/// How far an undo goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All is decided and tried as server dry runs; nothing changes.
    DryRun,
    /// All the way.
    ForGood,
}

/// What an undo did, or would do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Undone {
    /// What was done with each object, and what was found.
    pub steps: Vec<Step>,
    /// Objects that could not be put back, and why. To undo once more tries them again.
    pub failures: Vec<(ObjectId, String)>,
    /// Why it could not be written down what was done, if it could not. All was done all the same.
    pub unrecorded: Option<String>,
}

impl Cluster {
    /// Puts back what a session changed, as its folder says it.
    ///
    /// # Errors
    /// The folder cannot be read, is of another namespace, or another process works with it. What goes wrong with single
    /// objects is in the answer.
    pub async fn undo(&self, folder: &Path, extent: Extent) -> Result<Undone, Error> {
        let mut session = Session::read(folder)?;
        if !session.namespace.is_empty() && session.namespace != self.namespace {
            return Err(Error::Refused(format!(
                "{} is of namespace {}, and this is {}: connect to the cluster and namespace that the session had",
                folder.display(),
                session.namespace,
                self.namespace
            )));
        }
        let mut log = Log { audit: None, failure: None };
        if extent == Extent::ForGood {
            log.audit = Some(Audit::open(folder)?);
            // Nobody adds to it any more.
            session = Session::read(folder)?;
        }
        let mut undone = Undone::default();
        let mut current = BTreeMap::new();
        for object in session.objects() {
            let found = self.object(&object).await;
            match found {
                Ok(Some(found)) => {
                    current.insert(object, found);
                }
                Ok(None) => {}
                Err(error) => {
                    session.changes.retain(|change| change.object != object);
                    undone.failures.push((object, error.to_string()));
                }
            }
        }
        session.settle_unfinished(&current);
        for step in plan_undo(&session.changes, &current) {
            let stored = current.remove(&step.object);
            match self.take(step, stored, &session, extent, &mut log).await {
                (step, None) => undone.steps.push(step),
                (step, Some(error)) => undone.failures.push((step.object, error.to_string())),
            }
        }
        undone.unrecorded = log.failure;
        Ok(undone)
    }

    /// Takes one fault back, as its recovery says. What cannot be taken back is in the findings.
    ///
    /// # Errors
    /// The cluster failed, or somebody else keeps changing the object.
    pub async fn recover(&self, recovery: &Recovery) -> Result<Vec<Finding>, Error> {
        let change = change_of(recovery.clone(), 0, now(), &self.namespace);
        let changes = [&change];
        past_conflicts(|| self.recover_once(&change.object, &changes)).await
    }

    async fn recover_once(&self, object: &ObjectId, changes: &[&Change]) -> Result<Vec<Finding>, Error> {
        let stored = self.object(object).await?;
        let step = plan_object(object, changes, stored.as_ref());
        self.perform(&step, stored.as_ref(), Extent::ForGood).await?;
        Ok(step.findings)
    }

    /// Takes a step; if somebody else was faster, the step that is right then. Returns the one that was taken, or the
    /// last that was tried and why it could not be.
    async fn take(
        &self,
        mut step: Step,
        mut stored: Option<Value>,
        session: &Session,
        extent: Extent,
        log: &mut Log,
    ) -> (Step, Option<Error>) {
        let changes = session.changes_of(&step.object);
        for pause in PAUSES.into_iter().map(Some).chain([None]) {
            log.undoing(&step);
            match self.perform(&step, stored.as_ref(), extent).await {
                Ok(()) => {
                    log.undone(&step);
                    return (step, None);
                }
                Err(error) => match (error, pause) {
                    (Error::Conflict(_), Some(pause)) => tokio::time::sleep(pause).await,
                    (error, _) => return (step, Some(error)),
                },
            }
            match self.object(&step.object).await {
                Ok(found) => stored = found,
                Err(error) => return (step, Some(error)),
            }
            step = plan_object(&step.object, &changes, stored.as_ref());
        }
        (step, None)
    }

    /// Does what a step says.
    async fn perform(&self, step: &Step, stored: Option<&Value>, extent: Extent) -> Result<(), Error> {
        for act in &step.acts {
            self.send_act(&step.object, act, stored, Extent::DryRun).await?;
            if extent == Extent::ForGood {
                self.send_act(&step.object, act, stored, Extent::ForGood).await?;
            }
        }
        Ok(())
    }

    async fn send_act(&self, id: &ObjectId, act: &Act, stored: Option<&Value>, extent: Extent) -> Result<(), Error> {
        let dry_run = extent == Extent::DryRun;
        let api: Api<DynamicObject> = self.api_of(id);
        let malformed = |error: serde_json::Error| Error::Malformed { what: id.to_string(), reason: error.to_string() };
        match act {
            Act::Create { object } => {
                let object: DynamicObject = serde_json::from_value(object.clone()).map_err(malformed)?;
                let params = PostParams { dry_run, field_manager: Some(FIELD_MANAGER.to_owned()) };
                self.bounded("create an object again", api.create(&params, &object)).await?;
            }
            Act::Delete => {
                let params =
                    DeleteParams { dry_run, preconditions: stored.map(preconditions), ..DeleteParams::background() };
                self.bounded("delete an object", api.delete(&id.name, &params)).await?;
            }
            Act::Change { from, to } => {
                let operations = patch(stored.unwrap_or(&Value::Null), from, to);
                let operations = Patch::Json::<()>(serde_json::from_value(operations).map_err(malformed)?);
                let manager = Some(FIELD_MANAGER.to_owned());
                let params = PatchParams { dry_run, field_manager: manager, ..PatchParams::default() };
                self.bounded("put an object back", api.patch(&id.name, &params, &operations)).await?;
            }
            // A command cannot be tried.
            Act::Run { .. } if dry_run => {}
            Act::Run { container, command } => {
                let command: Vec<&str> = command.iter().map(String::as_str).collect();
                let output = self.exec(&id.name, container, &command).await?;
                if output.exit_code != 0 {
                    let reason = format!("`{}` ended with {}: {}", command.join(" "), output.exit_code, output.stderr);
                    let (pod, container) = (id.name.clone(), container.clone());
                    return Err(Error::Exec { pod, container, reason });
                }
            }
        }
        Ok(())
    }
}

/// Only the object that was seen is deleted, as it was seen.
fn preconditions(stored: &Value) -> Preconditions {
    let text = |name: &str| stored["metadata"][name].as_str().map(str::to_owned);
    Preconditions { resource_version: text("resourceVersion"), uid: text("uid") }
}

/// Where undo writes down what it does. A disk that is full does not keep it from undoing.
struct Log {
    /// None in a dry run.
    audit: Option<Audit>,
    failure: Option<String>,
}

impl Log {
    fn undoing(&mut self, step: &Step) {
        let state = match step.acts.last() {
            Some(Act::Create { object: state } | Act::Change { to: state, .. }) => Some(state.clone()),
            Some(Act::Delete) => None,
            Some(Act::Run { .. }) | None => return,
        };
        let (object, settled) = (step.object.clone(), step.settled.clone());
        self.add(AuditEntry::Undoing { object, state, settled });
    }

    fn undone(&mut self, step: &Step) {
        if !step.settled.is_empty() || !step.acts.is_empty() {
            self.add(AuditEntry::Undone { object: step.object.clone(), settled: step.settled.clone() });
        }
    }

    fn add(&mut self, entry: AuditEntry) {
        let Some(audit) = &mut self.audit else { return };
        if let Err(error) = audit.add(entry) {
            self.failure = Some(error.to_string());
        }
    }
}
