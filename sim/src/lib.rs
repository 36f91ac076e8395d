//! The sockpit twin.
pub mod diagnostic;
pub mod units;
pub mod time;
