//! Whole episodes, played as users play them: shipped scenarios, every built-in policy, the judge.
//! One integration binary; one file per promise.

mod chat;
mod conservation;
mod conversations;
mod determinism;
mod endings;
mod executor;
mod hierarchy;
mod kubectl;
mod leaks;
mod losses;
mod message;
mod misbehaviour;
mod models;
mod passes;
mod play;
mod programs;
mod prompts;
mod puppet;
mod queue;
mod victories;
mod worlds;
