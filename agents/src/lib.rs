//! Who operates a world: the hierarchy of agents, the tools they hold, and the loop that plays an
//! episode.
//!
//! ```text
//! Policy<GroupManager> ──delegates──▶ message queue ──▶ Policy<AutonomicAgent> ──Action──▶ Executor ──▶ Environment
//!    ▲                                  │      ▲              ▲                                            │
//!    └──── answers of the round ◀───────┘      └── report ────┴──────────────── Reply ◀───────────────────┘
//!
//! episode::play drives it, moves time on, and keeps the log
//! ```
//!
//! - [`policy`]: the port behind which models and rules sit, one per role, and the built-in rules;
//! - [`policy::Chat`]: a chat model as a policy, told what [`prompts`] say; [`strategy`]: who plays, and how, as a file;
//! - [`model`]: any OpenAI-compatible server behind one port, recordings of what it said, its price;
//! - [`tools`]: the closed set of actions as tools, in three forms, with schemas from the types;
//! - [`mechanism`]: how the agents of a group work together;
//! - [`executor`]: carries actions out, confined to the agent's own component;
//! - [`render`]: the only place where observations become text;
//! - [`message`], [`queue`]: what the agents send each other, and how it arrives;
//! - [`episode`]: the conductor: time, faults, evaluations, branches, the log.
//!
//! Invariants: this crate knows no cluster client and no file format of recordings; it reads no
//! clock but to time calls of models ([`model::clock`]); what it plays depends only on the scenario,
//! the seed and the policy's answers.

pub mod episode;
pub mod executor;
pub mod mechanism;
pub mod message;
pub mod model;
pub mod policy;
pub mod prompts;
pub mod queue;
pub mod render;
mod service;
pub mod strategy;
pub mod tools;
