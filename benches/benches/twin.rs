//! The twin's speed: simulated seconds per wall second under load, a scored episode, a fork.
//!
//! The factor over real time is `60 s / time` of the `minute of …` benches, which each simulate one
//! minute of load with telemetry on.

use std::hint::black_box;
use std::time::Duration;

use benches::twin::{self, Load};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use sim::environment::Fork;

fn under_load(c: &mut Criterion) {
    let mut group = c.benchmark_group("minute");
    group.measurement_time(Duration::from_secs(8));
    for load in [Load::MODERATE_FRONT_END, Load::FIFTY_SHOPPERS] {
        let warm = twin::warm(load);
        let before = warm.statistics().users.count();
        let mut once = warm.fork();
        twin::run_for(&mut once, 60);
        let requests = once.statistics().users.count() - before;
        group.bench_function(format!("of {} ({requests} requests)", load.name), |b| {
            b.iter_batched(|| warm.fork(), |mut world| twin::run_for(&mut world, 60), BatchSize::SmallInput);
        });
    }
    group.finish();
}

fn episode(c: &mut Criterion) {
    let loaded = twin::scenario("acv/low/pod-failure");
    c.bench_function("scored episode of 10 minutes, runbook", |b| {
        b.iter(|| black_box(twin::play(&loaded, 1)));
    });
}

fn fork(c: &mut Criterion) {
    let mut warm = twin::warm(Load::FIFTY_SHOPPERS);
    twin::run_for(&mut warm, 1800);
    c.bench_function("fork after half an hour", |b| b.iter(|| black_box(warm.fork())));
}

criterion_group!(benches, under_load, episode, fork);
criterion_main!(benches);
