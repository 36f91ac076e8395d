//! The load generator: the twin's workload model over real HTTP.
//!
//! ```text
//!                  sim::workload: who does what when, from the seed
//!                                   │
//!  Plan ──▶ start ──▶ worker: one thread ──▶ users ──▶ client ──▶ the system under test
//!                       │  clock: due times            │ connections, cookies, timeouts
//!                       ▼                              ▼
//!                     Running ◀── Report ◀────────── recorder
//! ```
//!
//! Terms. A *load*, a *user*, a *task* and a *request* are those of [`sim::workload`]; every user's tasks, waits and
//! attributes are functions of the seed, and the same as those of the twin's users. The *service time* of a request
//! runs from the moment the user begins to send it (connecting included) to the last byte of its answer. The
//! *response time* runs from when it was *due*: for an arrival, its place in the schedule; for a paced user, the pace;
//! else the end of the wait; for the second and later requests of a task, the answer before. Where the generator
//! or a paced user is late, response times tell and service times do not: they are free of coordinated omission.
//! *Lateness* is by how much the generator's own timers were late.
//!
//! Absent on purpose: redirects are not followed, bodies are read and thrown away, requests have no body, and there is
//! no TLS. Attributes travel as headers ([`ATTRIBUTE_HEADER`]).
//!
//! Invariants:
//! - one thread does everything, so its CPU time is the generator's, and its report says when it was the bottleneck;
//! - a request is counted once, when it is over; what is still under way at the end is counted apart.

mod client;
mod clock;
mod cookies;
mod interval;
mod plan;
mod recorder;
mod report;
mod running;
mod worker;

pub use client::Failure;
pub use interval::Interval;
pub use plan::{BaseUrl, Plan, PlanError, Targets};
pub use report::{Generator, Latencies, Report, RequestReport, WindowReport};
pub use running::{Options, Running, Snapshot, start};

/// An attribute travels in a header with this prefix and its own name, verbatim; the value is a decimal number.
pub const ATTRIBUTE_HEADER: &str = "x-sockpit-";
