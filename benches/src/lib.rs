//! What the benchmarks and the comparison with other simulators share.
//!
//! [`queueing`] is the workload of both: open queueing networks, run by the twin's own engine. [`twin`]
//! holds the worlds in which the twin as a whole is timed.
pub mod queueing;
pub mod twin;
