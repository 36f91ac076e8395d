//! What stands between an agent and a live cluster.

mod fields;
mod object;
mod record;
mod recovery;

pub use fields::{Field, difference};
pub use object::ObjectId;
pub use recovery::{Cure, Recoveries, Recovery, RecoveryEntry, RecoveryLine};
