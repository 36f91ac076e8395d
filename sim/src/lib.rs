//! The sockpit twin.
pub mod cpu;
pub mod diagnostic;
pub mod profile;
pub mod telemetry;
pub mod units;
pub mod time;
