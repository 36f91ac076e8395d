//! The model of `benches::queueing`, as the theory tests and criterion run it.

use std::time::Instant;

use benches::queueing::{Moments, Network, Running};
use sim::engine::run_until;
use sim::time::SimTime;

use crate::Outcome;

pub(crate) fn run(network: &Network, seconds: f64, seed: u64) -> Outcome {
    let start = Instant::now();
    let (mut model, mut queue) = Running::start(network, seed, Moments::default());
    let events = run_until(&mut model, &mut queue, SimTime::from_secs_f64(seconds));
    let wall_seconds = start.elapsed().as_secs_f64();
    let Moments { count, sum, .. } = model.record;
    Outcome { events, wall_seconds, visits: count, mean_wait: sum / count as f64 }
}
