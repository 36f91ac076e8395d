//! The CPU model against queueing theory: in M/G/1 under processor sharing the mean sojourn time
//! depends on the mean demand only, E\[S\] / (1 − ρ) (Kleinrock, Queueing Systems II, section 4.4).

use sim::chance::{Draw, Key};
use sim::cpu::{GroupConfig, NodeCpu, Phases};
use sim::time::{SimDuration, SimTime};

const MEAN_NS: f64 = 1e6;

/// Half the work in rare bursts of 5.5 ms among many of 0.55: the coefficient of variation is 1.48.
fn two_point(draw: &mut Draw) -> f64 {
    if draw.uniform() < 1.0 / 11.0 { 5.5 } else { 0.55 }
}

fn exponential(draw: &mut Draw) -> f64 {
    draw.exponential()
}

/// Mean sojourn time over the mean demand of `count` bursts on one core.
fn mean_sojourn(seed: u64, load: f64, count: usize, demand: fn(&mut Draw) -> f64) -> f64 {
    let mut draw = Key::root(seed).with_str("processor sharing").draw();
    let mut cpu = NodeCpu::new(1);
    let config = GroupConfig { quota: None, weight: 1024, phases: Phases::default() };
    let group = cpu.add_group(SimTime::ZERO, config);
    let mut arrivals: Vec<SimTime> = Vec::with_capacity(count);
    let (mut arrival, mut finished, mut sum) = (0.0, Vec::new(), 0);
    for tag in 0..count {
        arrival += draw.exponential() * MEAN_NS / load;
        let now = SimTime(arrival as u64);
        while cpu.next_event() <= now {
            let time = cpu.next_event();
            cpu.advance(time, &mut finished);
            sum += finished.drain(..).map(|tag| time.since(arrivals[tag as usize]).0).sum::<u64>();
        }
        arrivals.push(now);
        cpu.start(now, group, SimDuration((demand(&mut draw) * MEAN_NS) as u64), tag as u32);
    }
    sum as f64 / count as f64 / MEAN_NS
}

fn check(load: f64, count: usize, demand: fn(&mut Draw) -> f64) {
    let means: Vec<f64> = (1..=10).map(|seed| mean_sojourn(seed, load, count, demand)).collect();
    let mean = means.iter().sum::<f64>() / 10.0;
    let variance = means.iter().map(|m| (m - mean) * (m - mean)).sum::<f64>() / 9.0;
    let error = (variance / 10.0).sqrt();
    let exact = 1.0 / (1.0 - load);
    let off = mean - exact;
    assert!(off.abs() < 0.01 * exact && off.abs() < 3.0 * error, "load {load}: {mean} ± {error}, exact {exact}");
}

#[test]
fn processor_sharing_is_insensitive_to_the_distribution_of_demands() {
    for demand in [exponential, two_point] {
        check(0.5, 200_000, demand);
        check(0.7, 400_000, demand);
        check(0.9, 1_500_000, demand);
    }
}
