//! The sockpit twin.
pub mod diagnostic;
pub mod time;
pub mod units;
