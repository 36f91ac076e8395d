//! One integration binary; one file per behaviour.
mod cpu;
mod engine;

mod promql_errors;
mod manifest;
mod small_world;
mod traffic;
