//! Changes under guard: checked, tried, written down, and only then made.
//!
//! ```text
//!   Write ──▶ guards ──▶ dry run ──▶ mode ──▶ snapshot, intent ──▶ API server ──▶ outcome ──▶ answer
//!               │           │         ├─ advisory: proposal
//!               ▼           ▼         └─ approve: a person is asked
//!            Rejected    Rejected
//! ```
//!
//! One change at a time: the next one waits, so that each snapshot is of what the change before has left.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use sim::environment::{Component, Failure, Rejected, Unavailable, Write};
use tokio::sync::Mutex;

use super::action::WriteKind;
use super::audit::{AUDIT_SCHEMA, Audit, AuditEntry, Outcome, Snapshot, read};
use super::effect::Effect;
use super::object::{ObjectId, cleaned};
use super::policy::{Budget, Guards, Mode};
use crate::changes::Changes;
use crate::error::Error;

/// What a change is answered that was only advised.
pub const ADVISORY: &str = "accepted, not applied (advisory)";

/// What a change would do, as a server dry run shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// The object that it changes.
    pub object: ObjectId,
    /// All of it as it is; none if it is not there.
    pub before: Option<Value>,
    /// All of it as it would be; none if it would not be there.
    pub after: Option<Value>,
    /// For a pod, the component that it belongs to.
    pub component: Option<Component>,
    /// What the change would be answered.
    pub answer: String,
}

/// Changes that can be tried, on objects that can be looked at.
pub trait Previews: Changes {
    /// The namespace that changes happen in.
    fn namespace(&self) -> &str;

    /// Tries a change, and changes nothing.
    ///
    /// # Errors
    /// As the change itself.
    fn preview(&self, write: &Write) -> impl Future<Output = Result<Preview, Failure>> + Send;

    /// Reads an object; none if it is not there.
    ///
    /// # Errors
    /// Unavailable: the cluster failed. Rejected: it may not be read.
    fn look(&self, object: &ObjectId) -> impl Future<Output = Result<Option<Value>, Failure>> + Send;
}

/// A change that a person is asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The change.
    pub write: Write,
    /// The object that it changes.
    pub object: ObjectId,
    /// What it does to it.
    pub effect: Effect,
}

/// Asks a person about a change; may take as long as the person does.
pub type Ask = Arc<dyn Fn(&Proposal) -> bool + Send + Sync>;

/// Changes under guard.
pub struct Guarded<C> {
    inner: C,
    guards: Guards,
    ask: Option<Ask>,
    session: Mutex<Session>,
}

struct Session {
    audit: Audit,
    budget: Budget,
    began: Instant,
}

impl<C: Previews> Guarded<C> {
    /// Begins a session, or goes on with one, in a folder that holds its audit log and snapshots.
    ///
    /// # Errors
    /// The folder cannot be written, or another process works with it.
    pub fn open(inner: C, guards: Guards, folder: &Path) -> Result<Self, Error> {
        let mut audit = Audit::open(folder)?;
        let earlier = read(folder)?;
        let is_change = |entry: &AuditEntry| matches!(entry, AuditEntry::Intent { .. } | AuditEntry::Proposed { .. });
        let made = earlier.iter().filter(|line| is_change(&line.entry)).count();
        let budget = Budget::after(u32::try_from(made).unwrap_or(u32::MAX));
        let namespace = inner.namespace().to_owned();
        audit.add(AuditEntry::Opened { schema: AUDIT_SCHEMA, namespace, guards: guards.clone() })?;
        let session = Mutex::new(Session { audit, budget, began: Instant::now() });
        Ok(Self { inner, guards, ask: None, session })
    }

    /// The same with a person who is asked where the mode is [`Mode::Approve`]. Without one, every change is declined
    /// then.
    #[must_use]
    pub fn with_person(mut self, ask: Ask) -> Self {
        self.ask = Some(ask);
        self
    }

    /// What is guarded.
    pub fn inner(&self) -> &C {
        &self.inner
    }

    /// What it is guarded by.
    pub fn guards(&self) -> &Guards {
        &self.guards
    }

    async fn guarded(&self, write: &Write) -> Result<String, Failure> {
        let mut session = self.session.lock().await;
        let session = &mut *session;
        let now = session.began.elapsed();
        let allowed = self.guards.check(write, self.inner.namespace());
        let allowed = allowed.and_then(|()| session.budget.check(&self.guards, now));
        session.refusing(write, allowed)?;
        let preview = self.tried(session, write).await?;
        if let Write::DeletePod { pod } = write {
            session.refusing(write, self.guards.check_pod(pod, preview.component.as_deref()))?;
        }
        match self.guards.mode {
            Mode::Advisory => {
                session.note(AuditEntry::Proposed { write: write.clone(), answer: preview.answer })?;
                session.budget.spend(now);
                Ok(ADVISORY.to_owned())
            }
            Mode::Write => {
                session.budget.spend(now);
                self.make(session, write, &preview).await
            }
            Mode::Approve => {
                let approved = self.approved(write, &preview).await;
                session.refusing(write, approved)?;
                // The object may have changed while the person thought.
                let preview = self.tried(session, write).await?;
                session.budget.spend(session.began.elapsed());
                self.make(session, write, &preview).await
            }
        }
    }

    /// Tries a change; that the API server refuses it is written down.
    async fn tried(&self, session: &mut Session, write: &Write) -> Result<Preview, Failure> {
        match self.inner.preview(write).await {
            Err(Failure::Rejected(Rejected(why))) => {
                session.note(AuditEntry::Refused { write: write.clone(), why: why.clone() })?;
                Err(Failure::Rejected(Rejected(why)))
            }
            tried => tried,
        }
    }

    /// Asks the person.
    async fn approved(&self, write: &Write, preview: &Preview) -> Result<(), Rejected> {
        let Some(ask) = self.ask.clone() else {
            return Err(Rejected("declined: each change needs a person's consent, and nobody is there".to_owned()));
        };
        let effect = Effect::between(preview.before.as_ref(), preview.after.as_ref());
        let proposal = Proposal { write: write.clone(), object: preview.object.clone(), effect };
        // A person takes their time, during which the rest goes on.
        let answer = tokio::task::spawn_blocking(move || ask(&proposal)).await;
        match answer {
            Ok(true) => Ok(()),
            Ok(false) => Err(Rejected("declined by the person who watches".to_owned())),
            Err(_) => Err(Rejected("declined: the person could not be asked".to_owned())),
        }
    }

    /// Makes a change, once what undoes it is on disk.
    async fn make(&self, session: &mut Session, write: &Write, preview: &Preview) -> Result<String, Failure> {
        let number = session.audit.next();
        let expected = Effect::between(preview.before.as_ref(), preview.after.as_ref());
        let kept = Snapshot {
            schema: AUDIT_SCHEMA,
            write: write.clone(),
            object: preview.object.clone(),
            before: preview.before.as_ref().map(cleaned),
            expected: expected.clone(),
        };
        session.audit.keep(&kept).map_err(Error::into_failure)?;
        session.note(AuditEntry::Intent { write: write.clone(), snapshot: number })?;
        let made = self.inner.change(write).await;
        let outcome = match &made {
            Ok(answer) => {
                // If it cannot be read, undo goes by what was expected.
                let after = self.inner.look(&preview.object).await.ok();
                let effect = after.map(|after| expected.seen(after.as_ref()));
                Outcome::Done { answer: answer.clone(), effect }
            }
            // A drain is refused in its second part at the earliest, when the node is cordoned.
            Err(Failure::Rejected(Rejected(why))) if WriteKind::of(write) != WriteKind::Drain => {
                Outcome::Rejected { why: why.clone() }
            }
            Err(failure) => Outcome::Failed { why: failure.to_string() },
        };
        session.note(AuditEntry::Outcome { snapshot: number, outcome }).map_err(|failure| {
            Failure::Unavailable(Unavailable(format!(
                "the change was asked for, and what came of it could not be written down: {failure}"
            )))
        })?;
        made
    }
}

impl<C: Previews> Changes for Guarded<C> {
    fn change(&self, write: &Write) -> impl Future<Output = Result<String, Failure>> + Send {
        self.guarded(write)
    }
}

impl Session {
    /// Writes a line; whoever cannot write must not change anything.
    fn note(&mut self, entry: AuditEntry) -> Result<(), Failure> {
        self.audit.add(entry).map_err(Error::into_failure)
    }

    /// Passes on whether a change may be made; a refusal is written down first.
    fn refusing(&mut self, write: &Write, allowed: Result<(), Rejected>) -> Result<(), Failure> {
        let Err(Rejected(why)) = allowed else { return Ok(()) };
        self.note(AuditEntry::Refused { write: write.clone(), why: why.clone() })?;
        Err(Failure::Rejected(Rejected(why)))
    }
}

impl<C> std::fmt::Debug for Guarded<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guarded").field("guards", &self.guards).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
