//! The CPU model of unlimited groups beside a slow one.
//!
//! [`Sharing`] moves them from event to event and works out every thread's speed anew by filling step
//! by step.

use proptest::prelude::*;
use sim::cpu::{GroupConfig, GroupIx, NodeCpu, Phases};
use sim::time::{SimDuration, SimTime};

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn unlimited_groups_agree_with_the_event_by_event_model(
        cores in 1u32..4,
        weights in prop::collection::vec(1u32..2000, 1..5),
        bursts in prop::collection::vec((0u64..5_000_000, 0usize..5, 1u64..8_000_000), 1..60),
    ) {
        check_sharing(cores, &weights, &bursts);
    }
}

/// Unlimited groups, event by event, in floating point.
struct Sharing {
    cores: f64,
    weights: Vec<f64>,
    /// Group, what is left, burst.
    threads: Vec<(usize, f64, u32)>,
}

impl Sharing {
    /// The speed of each thread: capacity is poured in by weight and whoever is full drops out.
    fn speeds(&self) -> Vec<f64> {
        let counts: Vec<f64> = (0..self.weights.len())
            .map(|group| self.threads.iter().filter(|thread| thread.0 == group).count() as f64)
            .collect();
        let mut got = vec![0.0; counts.len()];
        let mut left = self.cores.min(counts.iter().sum());
        while left > 1e-12 {
            let open: Vec<usize> = (0..got.len()).filter(|&g| got[g] < counts[g] - 1e-12).collect();
            let weight: f64 = open.iter().map(|&g| self.weights[g]).sum();
            let level = |&g: &usize| (counts[g] - got[g]) / self.weights[g];
            let pour = open.iter().map(level).fold(left / weight, f64::min);
            for g in open {
                got[g] += pour * self.weights[g];
                left -= pour * self.weights[g];
            }
        }
        self.threads.iter().map(|thread| got[thread.0] / counts[thread.0]).collect()
    }
}

fn check_sharing(cores: u32, weights: &[u32], bursts: &[(u64, usize, u64)]) {
    let mut fast = NodeCpu::new(cores);
    let config = |&weight: &u32| GroupConfig { quota: None, weight, phases: Phases::default() };
    let groups: Vec<GroupIx> = weights.iter().map(|weight| fast.add_group(SimTime::ZERO, config(weight))).collect();
    let weights = weights.iter().map(|&weight| f64::from(weight)).collect();
    let mut slow = Sharing { cores: f64::from(cores), weights, threads: Vec::new() };
    let (mut slow_now, mut now, mut finished) = (0.0, 0, Vec::new());
    let mut fast_finish = vec![0; bursts.len()];
    let mut slow_finish = vec![0.0; bursts.len()];
    let last = (u64::MAX / 2, 0, 0);
    for (tag, &(gap, group, work)) in bursts.iter().chain([&last]).enumerate() {
        now += gap;
        while fast.next_event().0 <= now {
            let time = fast.next_event();
            fast.advance(time, &mut finished);
            finished.drain(..).for_each(|tag: u32| fast_finish[tag as usize] = time.0);
        }
        while !slow.threads.is_empty() && slow_now < now as f64 {
            let speeds = slow.speeds();
            let finish = slow.threads.iter().zip(&speeds).map(|(thread, speed)| thread.1 / speed);
            let step = finish.fold(f64::INFINITY, f64::min).min(now as f64 - slow_now);
            slow_now += step;
            for (thread, speed) in slow.threads.iter_mut().zip(&speeds) {
                thread.1 -= step * speed;
            }
            slow.threads.retain(|&(_, left, tag)| {
                if left < 1e-3 {
                    slow_finish[tag as usize] = slow_now;
                }
                left >= 1e-3
            });
        }
        if tag < bursts.len() {
            slow_now = now as f64;
            let group = group % groups.len();
            fast.start(SimTime(now), groups[group], SimDuration(work), tag as u32);
            slow.threads.push((group, work as f64, tag as u32));
        }
    }
    // Each burst that ends may take up to a nanosecond from one that has the smallest share, and at that
    // speed a rate rounded by 2^-32 is off by less than a millionth.
    let inverse_of_smallest_share =
        slow.weights.iter().sum::<f64>() / slow.weights.iter().fold(f64::INFINITY, |a, &b| a.min(b));
    let tolerance = bursts.len() as f64 * inverse_of_smallest_share;
    for (tag, (fast, slow)) in fast_finish.iter().zip(&slow_finish).enumerate() {
        assert!((*fast as f64 - slow).abs() < tolerance + 1e-6 * slow, "burst {tag}: {fast} and {slow}");
    }
    let total: u64 = bursts.iter().map(|burst| burst.2).sum();
    assert_eq!(fast.busy(SimTime(now)), SimDuration(total), "work is conserved");
}
