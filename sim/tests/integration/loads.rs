//! Users and arrivals: how many, when, and what of it hangs on the seed alone.

use sim::time::SimDuration;
use sim::traffic::NodeSpec;
use sim::workload::{ArrivalProcess, Arrivals, RateStage, Shape, Stage};

use crate::small_world::{SmallWorld, at, load, users};

const WEB: &str = "
services:
  web:
    port: 80
    runtime: {model: threads}
    memory: {base: 10Mi}
    endpoints: [{request: GET /, program: [{cpu: {mean: 1ms}}]}, {request: GET /varied, program: [{cpu: {mean: 1ms, variation: 1}}]}]
client: {overhead: 2ms}
user_classes:
  constant: {wait: {constant: 7ms}, tasks: [{name: get, requests: [{request: GET /}]}]}
  paced: {wait: {paced: 7ms}, tasks: [{name: get, requests: [{request: GET /}]}]}
  random: {wait: {between: {min: 0s, max: 14ms}}, tasks: [{name: get, requests: [{request: GET /}]}]}
  pair: {wait: {constant: 7ms}, tasks: [{name: get, requests: [{request: GET /}, {request: GET /varied}]}]}
levels: {busy: {users: 3, spawn_rate: 1, users_by_target: {web: 2}}}
";

fn world(seed: u64) -> SmallWorld {
    let mut world = SmallWorld::new(WEB, &[NodeSpec::default()], seed);
    world.start("web");
    world
}

fn sent(world: &SmallWorld) -> u64 {
    world.traffic.statistics().requests.iter().map(|request| request.sent).sum()
}

/// Requests of one user in ten seconds.
fn check_rate(class: &str, expected: std::ops::RangeInclusive<u64>) {
    let mut world = world(1);
    world.load(&users(class, "web", 1, 1.0));
    world.run(at(9_999));
    let sent = sent(&world);
    assert!(expected.contains(&sent), "{class}: {sent}");
}

#[test]
fn waits_are_counted_as_locust_does() {
    // The client measures 3 ms: 1 of the server, 2 of its own.
    check_rate("constant", 1_000..=1_000);
    check_rate("paced", 1_428..=1_429);
    check_rate("random", 970..=1_030);
}

#[test]
fn users_start_and_stop_one_by_one() {
    let stage = |seconds, users| Stage { duration: SimDuration::from_secs(seconds), users, spawn_rate: 2.0 };
    let mut world = world(1);
    world.load(&load("constant", "web", Shape::Stages(vec![stage(5, 4), stage(3, 4), stage(5, 1)])));
    let counts: Vec<_> = (0..14)
        .map(|second| {
            world.run(at(second * 1_000 + 100));
            world.traffic.active_users()
        })
        .collect();
    assert_eq!(counts, [1, 3, 4, 4, 4, 4, 4, 4, 3, 1, 1, 1, 1, 1]);
    let before = sent(&world);
    world.run(at(14_100));
    assert_eq!(sent(&world) - before, 100, "the others are gone");

    let mut world = self::world(1);
    world.load(&load("constant", "web", Shape::Level("busy".into())));
    world.run(at(5_000));
    assert_eq!(world.traffic.active_users(), 2, "the level has another number for this target");
}

#[test]
fn an_arrival_is_a_user_for_one_task() {
    let mut world = world(1);
    let times = [5, 5, 100, 999].map(SimDuration::from_millis).to_vec();
    world.load(&load("pair", "web", Shape::Trace(times)));
    world.run(at(99));
    assert_eq!(sent(&world), 4);
    world.run(at(5_000));
    assert_eq!(sent(&world), 8);

    let stages = vec![RateStage { duration: SimDuration::from_secs(10), rate: 20.0, ramp: true }];
    let arrivals = Arrivals { process: ArrivalProcess::Constant, stages };
    let mut world = self::world(1);
    world.load(&load("constant", "web", Shape::Arrivals(arrivals)));
    world.run(at(15_000));
    assert_eq!(sent(&world), 200);
}

#[test]
fn a_kept_connection_outlives_new_replicas_but_not_its_server() {
    let mut world = world(1);
    let mut kept = users("constant", "web", 1, 1.0);
    kept.keep_alive = Some(true);
    world.load(&kept);
    world.run(at(999));
    world.start("web");
    world.run(at(1_999));
    assert_eq!((world.stats(0).served, world.stats(1).served), (200, 0));
    world.traffic.kill(world.now, &mut world.queue, sim::ids::ContainerIx(0));
    world.forget(sim::ids::ContainerIx(0));
    world.run(at(2_999));
    assert_eq!((world.stats(1).served, world.traffic.statistics().requests[0].unanswered), (100, 0));
}

/// Two worlds with the same seed and different machines: the same arrivals with the same demands.
#[test]
fn demands_hang_on_the_seed_and_not_on_the_world() {
    let played = |seed, replicas, cores| {
        let stages = vec![RateStage { duration: SimDuration::SECOND, rate: 300.0, ramp: false }];
        let arrivals = Arrivals { process: ArrivalProcess::Poisson, stages };
        let mut world = SmallWorld::new(WEB, &[NodeSpec { cores, ..NodeSpec::default() }], seed);
        for _ in 0..replicas {
            world.start("web");
        }
        world.load(&load("pair", "web", Shape::Arrivals(arrivals)));
        world.run(at(20_000));
        // Arrivals end; what is under way finishes.
        world.traffic.stop_workload(world.now, sim::traffic::WorkloadIx(0));
        world.run(at(30_000));
        let used: u64 = (0..replicas).map(|ix| world.stats(ix).cpu.usage.0).sum();
        (sent(&world), used)
    };
    let one = played(1, 1, 4);
    let (requests, cpu) = played(1, 3, 8);
    assert_eq!(one.0, requests);
    assert!(one.1.abs_diff(cpu) < requests, "nanoseconds lost in rounding: {} and {cpu}", one.1);
    assert_ne!(one, played(2, 1, 4));
}
