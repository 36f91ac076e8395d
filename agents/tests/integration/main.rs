//! Whole episodes, played as users play them: shipped scenarios, every built-in policy, the judge.
//! One integration binary; one file per promise.

mod conservation;
mod determinism;
mod endings;
mod executor;
mod hierarchy;
mod leaks;
mod message;
mod passes;
mod play;
mod queue;
mod victories;
