//! Whole episodes, played as users play them: shipped scenarios, every built-in policy, the judge.
//! One integration binary; one file per promise.

mod conservation;
mod determinism;
mod endings;
mod executor;
mod hierarchy;
mod kubectl;
mod leaks;
mod models;
mod passes;
mod play;
mod programs;
mod message;
mod queue;
mod victories;
