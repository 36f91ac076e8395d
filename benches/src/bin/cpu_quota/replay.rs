//! The recorded arrivals and demands of a cell, played through the twin's CPU model.

use std::collections::VecDeque;

use sim::cpu::{GroupConfig, NodeCpu, PERIOD, Quota};
use sim::time::{SimDuration, SimTime};
use sim::units::Millicores;

use crate::cell::Recording;
use crate::server::Gap;

/// Phases to average over where the real one could not be seen.
const PHASES: u64 = 20;
/// Tag of the hogs, which never finish.
const HOG: u32 = u32::MAX;

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
    pub(crate) fn mean(&self) -> f64 {
        self.responses.iter().sum::<f64>() / self.responses.len() as f64
    }

    /// Nearest-rank quantile.
    pub(crate) fn quantile(&self, q: f64) -> f64 {
        let mut sorted = self.responses.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (q * sorted.len() as f64).ceil() as usize;
        sorted
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or(f64::NAN)
    }
}

/// What Linux did.
pub(crate) fn measured(recording: &Recording) -> Outcome {
    let end = recording.stream.seconds * 1_000_000_000;
    let served = recording
        .observation
        .served
        .iter()
        .filter(|request| request.finish <= end);
    Outcome {
        responses: served
            .map(|request| (request.finish - request.arrival) as f64 / 1e6)
            .collect(),
        nr_periods: recording.counters.nr_periods as f64,
        nr_throttled: recording.counters.nr_throttled as f64,
        throttled_s: recording.counters.throttled_ns as f64 / 1e9,
    }
}

/// The phase of the period timer on the monotonic clock: freezes end when it fires, so it is where
/// most of the long gaps end, modulo the period. `None` if there are too few of them.
pub(crate) fn phase(recording: &Recording) -> Option<SimDuration> {
    let window = 500_000;
    let ends = |gap: &Gap| (gap.to + recording.observation.epoch) % PERIOD.0;
    let mut ends: Vec<u64> = recording.observation.gaps.iter().map(ends).collect();
    ends.sort_unstable();
    let near = |&end: &u64| {
        ends.iter()
            .filter(|&&other| (other + PERIOD.0 - end) % PERIOD.0 < window)
            .count()
    };
    let best = ends.iter().copied().max_by_key(near)?;
    (near(&best) >= 5).then_some(SimDuration(best))
}

/// What the twin says: pooled over phases where the real one is unknown.
pub(crate) fn predicted(recording: &Recording) -> Outcome {
    let phases: Vec<SimDuration> = phase(recording).map_or_else(
        || {
            (0..PHASES)
                .map(|i| SimDuration(PERIOD.0 * i / PHASES))
                .collect()
        },
        |phase| vec![phase],
    );
    let mut all = Outcome::default();
    for &phase in &phases {
        let one = replay(recording, phase);
        all.responses.extend(one.responses);
        all.nr_periods += one.nr_periods / phases.len() as f64;
        all.nr_throttled += one.nr_throttled / phases.len() as f64;
        all.throttled_s += one.throttled_s / phases.len() as f64;
    }
    all
}

/// A FIFO queue in front of the workers. Simulated time is the monotonic clock modulo the period, so
/// that ticks and refills fall as they did.
fn replay(recording: &Recording, phase: SimDuration) -> Outcome {
    let cell = &recording.cell;
    let epoch = SimTime(recording.observation.epoch % PERIOD.0 + PERIOD.0);
    let end = epoch + SimDuration::from_secs(recording.stream.seconds);
    let mut cpu = NodeCpu::new(recording.cores);
    let quota = Some(Quota::from_limit(Millicores(cell.quota)));
    let group = cpu.add_group(
        SimTime::ZERO,
        GroupConfig {
            quota,
            weight: 1024,
            phase,
        },
    );
    for _ in 0..cell.hogs {
        cpu.start(epoch, group, SimDuration(u64::MAX), HOG);
    }
    let mut requests = recording.stream.arrivals();
    for (request, served) in requests.iter_mut().zip(&recording.observation.served) {
        request.demand = served.cpu;
    }
    let arrival = |index: usize| {
        requests
            .get(index)
            .map_or(SimTime::NEVER, |request| epoch + SimDuration(request.at))
    };
    let (mut queue, mut free, mut next) = (VecDeque::new(), cell.threads, 0);
    let (mut outcome, mut finished) = (Outcome::default(), Vec::new());
    loop {
        let now = cpu.next_event().min(arrival(next));
        if now > end {
            break;
        }
        cpu.advance(now, &mut finished);
        for index in finished.drain(..) {
            let response = now.since(arrival(index as usize));
            outcome.responses.push(response.as_millis_f64());
            free += 1;
        }
        while arrival(next) <= now {
            queue.push_back(next as u32);
            next += 1;
        }
        while free > 0
            && let Some(index) = queue.pop_front()
        {
            cpu.start(
                now,
                group,
                SimDuration(requests[index as usize].demand),
                index,
            );
            free -= 1;
        }
    }
    let stats = cpu.group_stats(end, group);
    outcome.nr_periods = stats.nr_periods as f64;
    outcome.nr_throttled = stats.nr_throttled as f64;
    outcome.throttled_s = stats.throttled.as_secs_f64();
    outcome
}
