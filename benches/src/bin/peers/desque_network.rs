//! The network in desque (<https://docs.rs/desque>): events are boxed values with an `execute`
//! method, ordered by a `BinaryHeap`. Integer nanoseconds, and Pcg64 as in desque's own examples.

use std::collections::VecDeque;
use std::time::Instant;

use anyhow::{Result, anyhow};
use benches::queueing::{Moments, Network, Record};
use desque::SimState;
use desque::serial::{OkEvent, Simulation};
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Exp1};
use rand_pcg::Pcg64;
use sim::time::SimDuration;

use crate::Outcome;

type Nanoseconds = u64;

struct State {
    stations: Vec<Station>,
    rng: Pcg64,
    end: Nanoseconds,
    events: u64,
    record: Moments,
}

struct Station {
    idle: u32,
    line: VecDeque<Nanoseconds>,
    interarrival_time: f64,
    service_time: f64,
    /// Sums of the probabilities to go on to each station; empty if all jobs leave.
    routing: Vec<f64>,
}

impl SimState<Nanoseconds> for State {
    fn is_complete(&self, now: &Nanoseconds) -> bool {
        *now >= self.end
    }
}

impl State {
    fn exponential(&mut self, mean: f64) -> Nanoseconds {
        let unit: f64 = Exp1.sample(&mut self.rng);
        (unit * mean) as Nanoseconds
    }
}

#[derive(Debug)]
struct Arrival {
    station: usize,
}

#[derive(Debug)]
struct Completion {
    station: usize,
}

type Sim = Simulation<State, Nanoseconds>;

impl OkEvent<State, Nanoseconds> for Arrival {
    fn execute(&mut self, sim: &mut Sim) {
        sim.state_mut().events += 1;
        schedule_arrival(sim, self.station);
        join(sim, self.station);
    }
}

impl OkEvent<State, Nanoseconds> for Completion {
    fn execute(&mut self, sim: &mut Sim) {
        let now = *sim.current_time();
        let state = sim.state_mut();
        state.events += 1;
        if let Some(since) = state.stations[self.station].line.pop_front() {
            state.record.waited(self.station, SimDuration(now - since));
            schedule_completion(sim, self.station);
        } else {
            state.stations[self.station].idle += 1;
        }
        let state = sim.state_mut();
        let routing = &state.stations[self.station].routing;
        if !routing.is_empty() {
            let at: f64 = state.rng.random();
            let next = routing.partition_point(|&sum| sum <= at);
            if next < routing.len() {
                join(sim, next);
            }
        }
    }
}

fn join(sim: &mut Sim, station: usize) {
    let now = *sim.current_time();
    let state = sim.state_mut();
    if state.stations[station].idle == 0 {
        state.stations[station].line.push_back(now);
        return;
    }
    state.stations[station].idle -= 1;
    state.record.waited(station, SimDuration::ZERO);
    schedule_completion(sim, station);
}

fn schedule_arrival(sim: &mut Sim, station: usize) {
    let state = sim.state_mut();
    let delay = state.exponential(state.stations[station].interarrival_time);
    sim.schedule_with_delay(Arrival { station }, delay).expect("delays are not negative");
}

fn schedule_completion(sim: &mut Sim, station: usize) {
    let state = sim.state_mut();
    let delay = state.exponential(state.stations[station].service_time);
    sim.schedule_with_delay(Completion { station }, delay).expect("delays are not negative");
}

pub(crate) fn run(network: &Network, seconds: f64, seed: u64) -> Result<Outcome> {
    let stations = network.stations.iter().map(|station| Station {
        idle: station.servers,
        line: VecDeque::new(),
        interarrival_time: 1e9 / station.arrival_rate,
        service_time: 1e9 * station.service_time,
        routing: station.onward(),
    });
    let state = State {
        stations: stations.collect(),
        rng: Pcg64::seed_from_u64(seed),
        end: (seconds * 1e9) as Nanoseconds,
        events: 0,
        record: Moments::default(),
    };
    let start = Instant::now();
    let mut sim = Sim::new(state, 0);
    for (station, _) in network.entries() {
        schedule_arrival(&mut sim, station);
    }
    sim.run().map_err(|error| anyhow!("{error:?}"))?;
    let wall_seconds = start.elapsed().as_secs_f64();
    let State { events, record, .. } = sim.state();
    let Moments { count, sum, .. } = *record;
    Ok(Outcome { events: *events, wall_seconds, visits: count, mean_wait: sum / count as f64 })
}
