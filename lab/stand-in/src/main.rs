//! The stand-in: one program that plays any service of a profile for real.
//!
//! ```text
//!  environment ─▶ config ─▶ identity: which service am I?
//!                              │
//!  profile ─▶ sim::program ─▶ process ─▶ start_up ─▶ server ─▶ handler: the twin's own instructions
//!                              │                       ▲         ├─ Cpu      ▶ cost ▶ burn
//!                              │      probes, users, ──┘         ├─ Call     ▶ client ▶ other stand-ins
//!                              ├─ memory   Prometheus            ├─ Fork     ▶ concurrency
//!                              ├─ metrics                        └─ publish  ▶ broker ◀ consumer
//!                              └─ background, SIGTERM (life)
//! ```
//!
//! Terms are those of `sim::profile` and `sim::program`: it interprets the same instruction array as the twin, so
//! that the two differ only where Linux, Kubernetes and the network differ from the twin's idea of them.
//!
//! Invariants:
//! - A burst is CPU time of the thread that runs it ([`burn`]), never a sleep: a freeze by a quota stays visible.
//! - What the process spends beside its bursts (its own HTTP, waking up) is part of the next burst, since the
//!   profile's costs are those of whole processes; both are counted and shown at `/.sockpit/metrics`.
//! - What a profile says and this program does not play is refused by name at start ([`features`]).

mod background;
mod broker;
mod burn;
mod calibrate;
mod client;
mod command;
mod concurrency;
mod config;
mod consumer;
mod cost;
mod features;
mod handler;
mod identity;
mod life;
mod memory;
mod metrics;
mod process;
mod round_trip;
mod server;
mod start_up;
mod stress;
mod wire;

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match command::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

/// A line for people. Nobody is helped if it cannot be written.
fn say(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}
