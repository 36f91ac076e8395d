//! The sockpit twin.
pub mod cpu;
pub mod diagnostic;
pub mod profile;
pub mod telemetry;
pub mod chance;
pub mod diagnostic;
pub mod engine;
pub mod time;
pub mod units;
pub mod time;
