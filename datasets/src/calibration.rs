//! A profile fitted to a running system, from what a Prometheus server knows of it. No I/O: questions go out, answers come
//! in, so that a live system and the twin are asked in the same words.
//!
//! ```text
//! profile ─▶ questions (PromQL) ─▶ whoever asks ─▶ Measured: requests, latency, CPU, throttling, minute by minute
//!                                                     │
//! profile ─▶ costs: what each kind of request should take
//!                                                     ▼
//!                     least squares: how many times as much it takes ─▶ profile, with where each number comes from
//! ```
//!
//! What is fitted. The CPU of a service in a minute is what its requests take and what it spends by itself. For each service
//! one factor is found by which the bursts of its programs are multiplied, or one for each route where the minutes tell
//! routes apart. Requests of services that count none, such as databases, are those that the programs of their callers make.
//! Of the cold part of a burst ([`sim::profile::Burst::cold`]) a request pays the share `(1 - busy) / (1 + rate * cools_in)`,
//! which is exact for Poisson arrivals at one process that is busy for that share of time; bursts keep their proportion of
//! cold to warm.
//!
//! What is not fitted: what a process spends without requests, what a scrape costs, starts, memory, timeouts. A wait is
//! fitted where requests take much longer than their CPU, their calls and the network between them explain.

mod costs;
mod figures;
mod fit;
mod least_squares;
#[cfg(test)]
mod tests;
mod yaml;

pub use figures::{Figure, Measured, Point, Question, Routes, STEP, Window, questions};
pub use fit::{Calibration, Factor, LatencyFit, ServiceFit, calibrate};
