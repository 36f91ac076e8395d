//! The sockpit twin.
pub mod chance;
pub mod cpu;
pub mod diagnostic;
pub mod engine;
pub mod environment;
pub mod episode;
pub mod ids;
pub mod input;
pub mod manifest;
pub mod profile;
pub mod program;
pub mod promql;
pub mod telemetry;
pub mod time;
pub mod units;
pub mod workload;
