//! How fast the engine is: its three stores, its random numbers, and whole queueing models.
//!
//! `cargo bench -p sockpit-benches --bench engine`; the figures to reach are 30 M events/s on M/M/1
//! and 16 M on the network, on one core.

use std::hint::black_box;

use benches::queueing::{Moments, Network, Running};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sim::chance::{Draw, Gamma, Key, LogNormal, Weighted};
use sim::engine::{Queue, run_until};
use sim::time::{SimDuration, SimTime};

fn models(c: &mut Criterion) {
    let mut group = c.benchmark_group("model");
    for (name, network, seconds) in [
        ("M/M/1", Network::single(1, 0.7), 200_000),
        ("M/M/4", Network::single(4, 0.7), 50_000),
        ("12 nodes", Network::twelve(0.7), 20_000),
    ] {
        let until = SimTime::ZERO + SimDuration::from_secs(seconds);
        let (mut model, mut queue) = Running::start(&network, 1, Moments::default());
        group.throughput(Throughput::Elements(run_until(&mut model, &mut queue, until)));
        group.bench_function(name, |b| {
            b.iter(|| {
                let (mut model, mut queue) = Running::start(&network, 1, Moments::default());
                run_until(&mut model, &mut queue, until);
                model.record
            });
        });
    }
    group.finish();
}

/// The twin's events have this size.
type Payload = [u64; 2];

/// The hold model: of `pending` events, the earliest is replaced by one an exponential time later.
fn one_shots(c: &mut Criterion) {
    let mut group = c.benchmark_group("one-shot: pop and schedule");
    group.throughput(Throughput::Elements(1));
    for pending in [4, 32, 256, 4_096] {
        let mut draw = Key::root(1).draw();
        let mut queue = Queue::<Payload>::new();
        for i in 0..pending {
            queue.schedule(SimTime((draw.exponential() * 1e9) as u64), [i, 0]);
        }
        group.bench_function(BenchmarkId::from_parameter(pending), |b| {
            b.iter(|| {
                if let Some((now, event)) = queue.pop_until(SimTime::NEVER) {
                    queue.schedule(now + SimDuration((draw.exponential() * 1e9) as u64), event);
                }
            });
        });
    }
    group.finish();
}

fn timers(c: &mut Criterion) {
    let mut group = c.benchmark_group("timer");
    group.throughput(Throughput::Elements(1));
    for slots in [4_u64, 32, 1_024] {
        let mut draw = Key::root(1).draw();
        let mut queue = Queue::<Payload>::new();
        let timers: Vec<_> = (0..slots).map(|_| queue.add_timer()).collect();
        for &timer in &timers {
            queue.set_timer(timer, SimTime(draw.bits() >> 20), [0, 0]);
        }
        group.bench_function(BenchmarkId::new("set anew", slots), |b| {
            b.iter(|| {
                let timer = timers[draw.below(slots) as usize];
                queue.set_timer(timer, SimTime(draw.bits() >> 20), [0, 0]);
            });
        });
        // As request timeouts are used: set for later than what is pending, and mostly cleared.
        let mut now = SimTime(1 << 44);
        group.bench_function(BenchmarkId::new("add, set, remove the oldest", slots), |b| {
            let mut live: std::collections::VecDeque<_> = (0..slots)
                .map(|_| {
                    now += SimDuration(1);
                    let timer = queue.add_timer();
                    queue.set_timer(timer, now, [0, 0]);
                    timer
                })
                .collect();
            b.iter(|| {
                now += SimDuration(1);
                let timer = queue.add_timer();
                queue.set_timer(timer, now, [0, 0]);
                live.push_back(timer);
                if let Some(oldest) = live.pop_front() {
                    queue.remove_timer(oldest);
                }
            });
            for timer in live {
                queue.remove_timer(timer);
            }
        });
    }
    group.finish();
}

fn delays(c: &mut Criterion) {
    let mut group = c.benchmark_group("delay: pop and schedule");
    group.throughput(Throughput::Elements(1));
    for delays in [1_u64, 8, 64] {
        let mut queue = Queue::<Payload>::new();
        for i in 0..delays {
            let delay = queue.add_delay(SimDuration(1_000 + 37 * i));
            for start in 0..16 {
                queue.schedule_after(delay, SimTime(start * 50 + i), [u64::from(delay.0), 0]);
            }
        }
        group.bench_function(BenchmarkId::from_parameter(delays), |b| {
            b.iter(|| {
                if let Some((now, event)) = queue.pop_until(SimTime::NEVER) {
                    queue.schedule_after(sim::engine::DelayIx(event[0] as u32), now, event);
                }
            });
        });
    }
    group.finish();
}

/// Each from a key of its own, as the twin draws.
fn chance(c: &mut Criterion) {
    let mut group = c.benchmark_group("chance");
    let purpose = Key::root(1).with(2);
    let log_normal = LogNormal::from_mean_cv(1.0, 0.5);
    let gamma = Gamma::from_shape_mean(3.0, 1.0);
    let weights = Weighted::new([0.35, 0.25, 0.15, 0.25]).expect("weights are positive");
    let mut sample = |name: &str, sampler: &dyn Fn(&mut Draw) -> f64| {
        let mut i = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                i += 1;
                sampler(&mut black_box(purpose).with(i).draw())
            });
        });
    };
    sample("uniform", &Draw::uniform);
    sample("below", &|draw| draw.below(100) as f64);
    sample("exponential", &Draw::exponential);
    sample("normal", &Draw::normal);
    sample("log-normal", &|draw| log_normal.sample(draw));
    sample("gamma", &|draw| gamma.sample(draw));
    sample("weighted of 4", &|draw| weights.choose(draw) as f64);
    group.finish();
}

criterion_group!(benchmarks, models, one_shots, timers, delays, chance);
criterion_main!(benchmarks);
