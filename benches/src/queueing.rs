//! Open queueing networks with exponential times (Jackson networks) as a model of the twin's engine.
//!
//! A *station* has `servers` equal servers and one first-come-first-served line. *Jobs* arrive from
//! outside in a Poisson stream, are served, and go on to another station or leave. One station alone
//! is M/M/c. An *event* is an arrival from outside or the end of a service; a job that goes on joins
//! the next line within the event that ended its service.
//!
//! Nothing here is special to a benchmark: the events go through [`sim::engine`], every random number
//! is keyed by (station, operation, job, hop), and the waiting time of every visit is recorded. What
//! the results must be is in [`theory`].

pub mod theory;

use std::collections::VecDeque;

use sim::chance::{Key, Weighted};
use sim::engine::{Model, Queue};
use sim::time::{SimDuration, SimTime};

/// A network to simulate or to solve.
#[derive(Clone, Debug)]
pub struct Network {
    /// Its stations; routing refers to them by index.
    pub stations: Vec<Station>,
}

/// One station of a [`Network`].
#[derive(Clone, Debug)]
pub struct Station {
    /// Jobs per second from outside.
    pub arrival_rate: f64,
    /// Number of servers.
    pub servers: u32,
    /// Mean time that one server takes for a job, in seconds.
    pub service_time: f64,
    /// Probability by station that a served job goes there next; with the rest of one it leaves.
    pub routing: Vec<f64>,
}

impl Network {
    /// One station of `servers` servers that take one second a job on average, each busy the share
    /// `load` of the time: M/M/c.
    pub fn single(servers: u32, load: f64) -> Self {
        let arrival_rate = load * f64::from(servers);
        let station = Station { arrival_rate, servers, service_time: 1.0, routing: vec![0.0] };
        Self { stations: vec![station] }
    }

    /// Twelve single servers. Jobs enter at the first three, go on to one of three stations and may
    /// come back; they visit four stations on average. All servers are busy the share `load` of the
    /// time.
    pub fn twelve(load: f64) -> Self {
        const N: usize = 12;
        let station = |i: usize| {
            let mut routing = vec![0.0; N];
            routing[(i + 1) % N] += 0.35;
            routing[(i + 4) % N] += 0.25;
            routing[(i + 7) % N] += 0.15;
            let arrival_rate = if i < 3 { 1.0 } else { 0.0 };
            Station { arrival_rate, servers: 1, service_time: 1.0, routing }
        };
        let mut network = Self { stations: (0..N).map(station).collect() };
        let rates = theory::arrival_rates(&network);
        for (station, rate) in network.stations.iter_mut().zip(rates) {
            station.service_time = load / rate;
        }
        network
    }
}

impl Network {
    /// The stations where jobs enter.
    pub fn entries(&self) -> impl Iterator<Item = (usize, &Station)> {
        self.stations.iter().enumerate().filter(|(_, station)| station.arrival_rate > 0.0)
    }
}

impl Station {
    /// Sums of `routing` so far, by station; empty if all jobs leave.
    pub fn onward(&self) -> Vec<f64> {
        let mut sum = 0.0;
        let sums = self.routing.iter().map(|p| {
            sum += p;
            sum
        });
        let sums: Vec<_> = sums.collect();
        if sum > 0.0 { sums } else { Vec::new() }
    }
}

/// What happens in a network.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// Job `job` comes from outside.
    Arrival {
        /// Where it enters.
        station: u16,
        /// Its number: the entry station plus a multiple of the number of stations.
        job: u32,
    },
    /// A service ends.
    Completion {
        /// Where.
        station: u16,
        /// Number of stations that the job has visited before.
        hop: u16,
        /// The job that was served.
        job: u32,
    },
}

/// Hears of every waiting time. What a run is made for decides what it keeps of them.
pub trait Record {
    /// A job's service began at `station` after it had stood in line for `waiting`.
    fn waited(&mut self, station: usize, waiting: SimDuration);
}

/// Enough for the mean and the variance of the waiting time.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    /// Number of visits.
    pub count: u64,
    /// Seconds waited.
    pub sum: f64,
    /// Their squares.
    pub squares: f64,
}

impl Record for Moments {
    #[inline]
    fn waited(&mut self, _station: usize, waiting: SimDuration) {
        let seconds = waiting.0 as f64 * 1e-9;
        self.count += 1;
        self.sum += seconds;
        self.squares += seconds * seconds;
    }
}

/// A network in the middle of a run.
#[derive(Clone, Debug)]
pub struct Running<R> {
    stations: Vec<StationState>,
    /// What was recorded so far.
    pub record: R,
}

#[derive(Clone, Debug)]
struct StationState {
    idle: u32,
    line: VecDeque<Visit>,
    /// Means in nanoseconds.
    interarrival_time: f64,
    service_time: f64,
    /// By station, and last to leave; `None` if all leave.
    routing: Option<Weighted>,
    arrival_key: Key,
    service_key: Key,
    routing_key: Key,
}

/// A job that stands in line.
#[derive(Clone, Copy, Debug)]
struct Visit {
    since: SimTime,
    job: u32,
    hop: u16,
}

impl<R: Record> Running<R> {
    /// The network, empty, with the first arrivals scheduled.
    pub fn start(network: &Network, seed: u64, record: R) -> (Self, Queue<Event>) {
        let key = Key::root(seed).with_str("queueing network");
        let stations = network.stations.iter().zip(0..).map(|(s, i)| StationState::new(s, key.with(i)));
        let running = Self { stations: stations.collect(), record };
        let mut queue = Queue::new();
        for (i, station) in running.stations.iter().enumerate() {
            if station.interarrival_time.is_finite() {
                queue.schedule(
                    SimTime::ZERO + station.until_arrival(i as u32),
                    Event::Arrival { station: i as u16, job: i as u32 },
                );
            }
        }
        (running, queue)
    }

    /// A job joins the line of `station`, or is served at once.
    #[inline]
    fn join(&mut self, now: SimTime, station: u16, job: u32, hop: u16, queue: &mut Queue<Event>) {
        let state = &mut self.stations[usize::from(station)];
        if state.idle == 0 {
            state.line.push_back(Visit { since: now, job, hop });
            return;
        }
        state.idle -= 1;
        queue.schedule(now + state.service(job, hop), Event::Completion { station, hop, job });
        self.record.waited(usize::from(station), SimDuration::ZERO);
    }

    /// A server of `station` becomes free.
    #[inline]
    fn release(&mut self, now: SimTime, station: u16, queue: &mut Queue<Event>) {
        let state = &mut self.stations[usize::from(station)];
        let Some(Visit { since, job, hop }) = state.line.pop_front() else {
            state.idle += 1;
            return;
        };
        queue.schedule(now + state.service(job, hop), Event::Completion { station, hop, job });
        self.record.waited(usize::from(station), now.since(since));
    }
}

impl StationState {
    fn new(station: &Station, key: Key) -> Self {
        let onward = station.routing.iter().sum::<f64>();
        let routing = station.routing.iter().copied().chain([(1.0 - onward).max(0.0)]);
        Self {
            idle: station.servers,
            line: VecDeque::new(),
            interarrival_time: 1e9 / station.arrival_rate,
            service_time: 1e9 * station.service_time,
            routing: (onward > 0.0).then(|| Weighted::new(routing)).flatten(),
            arrival_key: key.with_str("arrival"),
            service_key: key.with_str("service"),
            routing_key: key.with_str("routing"),
        }
    }

    #[inline]
    fn until_arrival(&self, job: u32) -> SimDuration {
        let unit = self.arrival_key.with(u64::from(job)).draw().exponential();
        SimDuration((unit * self.interarrival_time) as u64)
    }

    #[inline]
    fn service(&self, job: u32, hop: u16) -> SimDuration {
        let unit = self.service_key.with(visit_id(job, hop)).draw().exponential();
        SimDuration((unit * self.service_time) as u64)
    }

    /// Where a served job goes, unless it leaves.
    #[inline]
    fn next_station(&self, job: u32, hop: u16) -> Option<u16> {
        let routing = self.routing.as_ref()?;
        let next = routing.choose(&mut self.routing_key.with(visit_id(job, hop)).draw());
        (next + 1 < routing.len()).then_some(next as u16)
    }
}

/// One number for a job's visit.
#[inline]
fn visit_id(job: u32, hop: u16) -> u64 {
    u64::from(hop) << 32 | u64::from(job)
}

impl<R: Record> Model for Running<R> {
    type Event = Event;

    #[inline]
    fn handle(&mut self, now: SimTime, event: Event, queue: &mut Queue<Event>) {
        match event {
            Event::Arrival { station, job } => {
                let next = job + self.stations.len() as u32;
                let at = now + self.stations[usize::from(station)].until_arrival(next);
                queue.schedule(at, Event::Arrival { station, job: next });
                self.join(now, station, job, 0, queue);
            }
            Event::Completion { station, hop, job } => {
                self.release(now, station, queue);
                if let Some(next) = self.stations[usize::from(station)].next_station(job, hop) {
                    self.join(now, next, job, hop + 1, queue);
                }
            }
        }
    }
}
