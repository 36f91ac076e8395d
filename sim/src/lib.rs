//! The sockpit twin.
pub mod chance;
pub mod cpu;
pub mod diagnostic;
pub mod engine;
pub mod profile;
pub mod telemetry;
pub mod time;
pub mod units;
