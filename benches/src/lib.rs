//! What the benchmarks and the comparison with other simulators share.
//!
//! [`queueing`] is the workload of both: open queueing networks, run by the twin's own engine.
pub mod queueing;
