//! The recorded arrivals and demands of a cell, played through the twin's CPU model.

use std::collections::VecDeque;

use sim::chance::Key;
use sim::cpu::{GroupConfig, Kernel, NodeCpu, PERIOD, Phases, Quota};
use sim::time::{SimDuration, SimTime};
use sim::units::Millicores;

use crate::cell::Recording;
use crate::server::Observation;

/// How often a recording is replayed. Who of several processors ticks first cannot be seen, and which
/// threads share a processor hangs on it for seconds.
const REPLAYS: u64 = 20;
/// Tag of the hogs, which never finish.
const HOG: u32 = u32::MAX;
/// Tag of the moment that each worker runs before it first sleeps.
const BEGIN: u32 = u32::MAX - 1;

/// What came out of a cell, in Linux or in the twin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Response times in milliseconds of the requests that finished in time.
    pub(crate) responses: Vec<f64>,
    pub(crate) nr_periods: f64,
    pub(crate) nr_throttled: f64,
    pub(crate) throttled_s: f64,
}

impl Outcome {
    /// All outcomes as one.
    pub(crate) fn pooled(outcomes: &[Self]) -> Self {
        Self {
            responses: outcomes.iter().flat_map(|one| &one.responses).copied().collect(),
            nr_periods: outcomes.iter().map(|one| one.nr_periods).sum(),
            nr_throttled: outcomes.iter().map(|one| one.nr_throttled).sum(),
            throttled_s: outcomes.iter().map(|one| one.throttled_s).sum(),
        }
    }

    pub(crate) fn mean(&self) -> f64 {
        self.responses.iter().sum::<f64>() / self.responses.len() as f64
    }

    /// Nearest-rank quantile.
    pub(crate) fn quantile(&self, q: f64) -> f64 {
        let mut sorted = self.responses.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (q * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }
}

/// What Linux did.
pub(crate) fn measured(recording: &Recording) -> Outcome {
    let end = recording.stream.seconds * 1_000_000_000;
    let served = recording.observation.served.iter().filter(|request| request.finish <= end);
    Outcome {
        responses: served.map(|request| (request.finish - request.arrival) as f64 / 1e6).collect(),
        nr_periods: recording.counters.nr_periods as f64,
        nr_throttled: recording.counters.nr_throttled as f64,
        throttled_s: recording.counters.throttled_ns as f64 / 1e9,
    }
}

/// Where in every `span` most of the `times` fall: the beginning of the half millisecond with most of
/// them, and how many those are.
fn mode(times: impl Iterator<Item = u64>, span: u64) -> Option<(SimDuration, usize)> {
    let times: Vec<u64> = times.map(|time| time % span).collect();
    let near = |time: u64| {
        let within = |&&other: &&u64| (other + span - time) % span < 500_000;
        times.iter().filter(within).count()
    };
    let best = times.iter().copied().max_by_key(|&time| near(time))?;
    Some((SimDuration(best), near(best)))
}

/// The phase of the period timer on the monotonic clock: freezes end when it fires, so it is where
/// most of the long gaps end, modulo the period. `None` if there are too few of them.
pub(crate) fn phase(recording: &Recording) -> Option<SimDuration> {
    let Observation { epoch, gaps, .. } = &recording.observation;
    let (phase, freezes) = mode(gaps.iter().map(|gap| gap.to + epoch), PERIOD.0)?;
    (freezes >= 5).then_some(phase)
}

/// The phase of the timer tick on the monotonic clock: threads lose the processor at ticks.
fn tick_phase(recording: &Recording) -> SimDuration {
    let Observation { epoch, gaps, .. } = &recording.observation;
    let tick = Kernel::default_for(recording.cores).tick.0;
    mode(gaps.iter().map(|gap| gap.from + epoch), tick).map_or(SimDuration::ZERO, |(phase, _)| phase)
}

/// What the twin says, pooled over what could not be seen: how the races at the ticks ended and, mostly
/// where nothing froze, the phase of the period.
pub(crate) fn predicted(recording: &Recording) -> Vec<Outcome> {
    let seen = phase(recording);
    let play = |i: u64| replay(recording, seen.unwrap_or(SimDuration(PERIOD.0 * i / REPLAYS)), i);
    (0..REPLAYS).map(play).collect()
}

/// A FIFO queue in front of the workers. Simulated time is the monotonic clock modulo the period and
/// counted from a tick, so that ticks and refills fall as they did.
fn replay(recording: &Recording, phase: SimDuration, races: u64) -> Outcome {
    let cell = &recording.cell;
    let first_tick = PERIOD - tick_phase(recording);
    let epoch = SimTime(recording.observation.epoch % PERIOD.0) + first_tick;
    let phase = phase + first_tick;
    let end = epoch + SimDuration::from_secs(recording.stream.seconds);
    let kernel = Kernel { races: Key::root(races), ..Kernel::default_for(recording.cores) };
    let mut cpu = NodeCpu::with_kernel(recording.cores, kernel);
    let quota = Some(Quota::from_limit(Millicores(cell.quota)));
    let phases = Phases { container: phase, pod: None };
    let group = cpu.add_group(SimTime::ZERO, GroupConfig { quota, weight: 1024, phases });
    for _ in 0..cell.hogs {
        cpu.start(epoch, group, SimDuration(u64::MAX), HOG);
    }
    for _ in 0..cell.threads {
        cpu.start(epoch, group, SimDuration(1), BEGIN);
    }
    let mut requests = recording.stream.arrivals();
    for (request, served) in requests.iter_mut().zip(&recording.observation.served) {
        request.demand = served.cpu;
    }
    let arrival = |index: usize| requests.get(index).map_or(SimTime::NEVER, |request| epoch + SimDuration(request.at));
    let (mut queue, mut free, mut next) = (VecDeque::new(), 0, 0);
    let (mut outcome, mut finished) = (Outcome::default(), Vec::new());
    loop {
        let now = cpu.next_event().min(arrival(next));
        if now > end {
            break;
        }
        cpu.advance(now, &mut finished);
        for index in finished.drain(..) {
            free += 1;
            if index != BEGIN {
                let response = now.since(arrival(index as usize));
                outcome.responses.push(response.as_millis_f64());
            }
        }
        while arrival(next) <= now {
            queue.push_back(next as u32);
            next += 1;
        }
        while free > 0
            && let Some(index) = queue.pop_front()
        {
            cpu.start(now, group, SimDuration(requests[index as usize].demand), index);
            free -= 1;
        }
    }
    let stats = cpu.group_stats(end, group);
    outcome.nr_periods = stats.nr_periods as f64;
    outcome.nr_throttled = stats.nr_throttled as f64;
    outcome.throttled_s = stats.throttled.as_secs_f64();
    outcome
}
