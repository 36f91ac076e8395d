//! What a process computes without being asked: timers, garbage collection, heartbeats.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sim::profile::Concurrency;
use tokio::time::{MissedTickBehavior, interval_at};

use crate::process::Process;

/// Starts it, if the service has any. What comes due while the last is not done is left out.
pub(crate) fn start(process: &Arc<Process>) {
    let Some(background) = process.service().runtime.background.clone() else { return };
    let process = process.clone();
    let every = Duration::from_nanos(background.every.0);
    let first = every.mul_f64(process.next_key().draw().uniform());
    if process.service().runtime.model == Concurrency::Threads {
        thread::spawn(move || {
            thread::sleep(first);
            loop {
                let began = std::time::Instant::now();
                process.costs.plain(background.cpu);
                thread::sleep(every.saturating_sub(began.elapsed()));
            }
        });
    } else {
        tokio::spawn(async move {
            let mut due = interval_at(tokio::time::Instant::now() + first, every);
            due.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                due.tick().await;
                process.costs.plain(background.cpu);
            }
        });
    }
}
