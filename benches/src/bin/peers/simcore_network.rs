//! The network in simcore (<https://docs.rs/simcore>): one component for the whole network, so that
//! a job moves on without an event of its own. Its own generator (Pcg64) and time (`f64` seconds).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use benches::queueing::{Moments, Network, Record};
use rand_distr_for_simcore::Exp1;
use serde::Serialize;
use sim::time::SimDuration;
use simcore::{Event, EventHandler, Simulation, SimulationContext, cast};

use crate::Outcome;

struct Component {
    context: SimulationContext,
    stations: Vec<Station>,
    events: u64,
    record: Moments,
}

struct Station {
    idle: u32,
    line: VecDeque<f64>,
    interarrival_time: f64,
    service_time: f64,
    /// Sums of the probabilities to go on to each station; empty if all jobs leave.
    routing: Vec<f64>,
}

#[derive(Clone, Serialize)]
struct Arrival {
    station: usize,
}

#[derive(Clone, Serialize)]
struct Completion {
    station: usize,
}

impl EventHandler for Component {
    fn on(&mut self, event: Event) {
        self.events += 1;
        cast!(match event.data {
            Arrival { station } => {
                self.schedule_arrival(station);
                self.join(station);
            }
            Completion { station } => {
                self.complete(station);
            }
        });
    }
}

impl Component {
    fn exponential(&self, mean: f64) -> f64 {
        let unit: f64 = self.context.sample_from_distribution(&Exp1);
        unit * mean
    }

    fn schedule_arrival(&self, station: usize) {
        let delay = self.exponential(self.stations[station].interarrival_time);
        self.context.emit_self(Arrival { station }, delay);
    }

    fn schedule_completion(&self, station: usize) {
        let delay = self.exponential(self.stations[station].service_time);
        self.context.emit_self(Completion { station }, delay);
    }

    fn join(&mut self, station: usize) {
        if self.stations[station].idle == 0 {
            self.stations[station].line.push_back(self.context.time());
            return;
        }
        self.stations[station].idle -= 1;
        self.record.waited(station, SimDuration::ZERO);
        self.schedule_completion(station);
    }

    fn complete(&mut self, station: usize) {
        if let Some(since) = self.stations[station].line.pop_front() {
            let waiting = SimDuration::from_secs_f64(self.context.time() - since);
            self.record.waited(station, waiting);
            self.schedule_completion(station);
        } else {
            self.stations[station].idle += 1;
        }
        let routing = &self.stations[station].routing;
        if !routing.is_empty() {
            let at = self.context.rand();
            let next = routing.partition_point(|&sum| sum <= at);
            if next < routing.len() {
                self.join(next);
            }
        }
    }
}

pub(crate) fn run(network: &Network, seconds: f64, seed: u64) -> Outcome {
    let stations = network.stations.iter().map(|station| Station {
        idle: station.servers,
        line: VecDeque::new(),
        interarrival_time: 1.0 / station.arrival_rate,
        service_time: station.service_time,
        routing: station.onward(),
    });
    let start = Instant::now();
    let mut sim = Simulation::new(seed);
    let component = Rc::new(RefCell::new(Component {
        context: sim.create_context("network"),
        stations: stations.collect(),
        events: 0,
        record: Moments::default(),
    }));
    sim.add_handler("network", component.clone());
    for (station, _) in network.entries() {
        component.borrow().schedule_arrival(station);
    }
    sim.step_until_time(seconds);
    let wall_seconds = start.elapsed().as_secs_f64();
    let component = component.borrow();
    let Moments { count, sum, .. } = component.record;
    Outcome { events: component.events, wall_seconds, visits: count, mean_wait: sum / count as f64 }
}
