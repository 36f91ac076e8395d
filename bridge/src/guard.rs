//! What stands between an agent and a live cluster: guards, the audit log, snapshots, and the way back.
//!
//! ```text
//!   Write ──▶ Guarded ──▶ Cluster ──▶ API server
//!                │                        ▲
//!                ▼                        │
//!   FOLDER: audit.jsonl, snapshots/ ──▶ undo ◀── recoveries.jsonl ◀── faults
//! ```
//!
//! Invariants:
//! - Nothing is changed before what takes it back is synced to disk. What cannot be written down is not changed.
//! - Nothing is changed by default: the mode has to be set to write, or to ask a person.
//! - Undo touches only what still holds the value that sockpit wrote, is decided without a cluster, and can be killed and
//!   started again.
//! - The permissions that all of this takes are listed once, in [`permissions`]; the manifests and `sockpit doctor` go by
//!   that list.

mod action;
mod audit;
mod effect;
mod fields;
mod guarded;
mod object;
mod patch;
pub mod permissions;
mod policy;
mod record;
mod recovery;
mod restore;
mod session;
mod undo;

pub use action::WriteKind;
pub use audit::{AUDIT_SCHEMA, AuditEntry, AuditLine, ChangeId, Outcome, Settled, Snapshot};
pub use effect::Effect;
pub use fields::{Field, difference};
pub use guarded::{ADVISORY, Ask, Guarded, Preview, Previews, Proposal};
pub use object::ObjectId;
pub use policy::{Guards, Mode};
pub use recovery::{Cure, Recoveries, Recovery, RecoveryEntry, RecoveryLine};
pub use restore::{Extent, Undone};
pub use session::Session;
pub use undo::{Act, Change, Deed, Finding, Step, Verdict, plan_undo};
