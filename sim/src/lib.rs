//! The sockpit twin.
pub mod cpu;
pub mod diagnostic;
pub mod profile;
pub mod units;
pub mod time;
