//! The twin: an application on Kubernetes as a discrete-event simulation, and the words that all of
//! sockpit shares.
//!
//! ```text
//!  manifests ─▶ manifest ┐                       ┌─ traffic     requests, connections, CPU, users
//!  profile   ─▶ profile  ├─▶ app ─▶ world (Twin) ┤  cluster     Kubernetes: controllers, kubelets, HPA
//!  scenario  ─▶ scenario ┘            │          └─ monitoring  Prometheus: scrapes, PromQL
//!                                     │
//!                environment: Environment · Stage · Fork     episode: the log ─▶ score, slo
//! ```
//!
//! Where to begin: [`world`] owns the parts and dispatches events; [`traffic`] is the data plane and
//! [`cpu`] the processors below it; [`cluster`] is the control plane; [`telemetry`] and [`promql`] are
//! what agents see of both, [`alert`] what calls them; [`environment`] is how they see and touch it. [`engine`] owns time and
//! order, [`chance`] owns chance. [`input`] turns files into types with every mistake at once.
//!
//! Invariants, enforced by this crate's `clippy.toml` where that is possible:
//!
//! - nothing here reads a clock, a file, a socket or an environment variable: text is handed in;
//! - time is an integer, in nanoseconds; equal times fire in the order in which they were scheduled;
//! - no iteration over hash maps;
//! - chance is keyed, never drawn in sequence: a draw is a function of the seed and of what it is for;
//! - transcendental functions are `libm`'s, so that a digest is the same on every processor;
//! - a world is [`Clone`], and a clone goes on exactly as the original would.

pub mod alert;
pub mod app;
pub mod chance;
pub mod cluster;
pub mod cpu;
pub mod diagnostic;
pub mod engine;
pub mod environment;
pub mod episode;
pub mod fault;
pub mod graph;
pub mod ids;
pub mod input;
pub mod kubectl;
pub mod log;
pub mod manifest;
pub mod profile;
pub mod program;
pub mod promql;
pub mod scenario;
pub mod score;
pub mod slo;
pub mod telemetry;
pub mod time;
pub mod traffic;
pub mod transition;
pub mod units;
pub mod workload;
pub mod world;
