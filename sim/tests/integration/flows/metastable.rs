//! An overload that stays after what caused it is gone, by nothing but timeouts and retries (Bronson et al., `HotOS` 2021;
//! Huang et al., OSDI 2022).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sim::time::SimDuration;
use sim::traffic::{ClientPolicy, NodeSpec};
use sim::workload::{ArrivalProcess, Arrivals, RateStage, Shape};

use super::MS;
use crate::small_world::{SmallWorld, at, load};

/// The back can do 200 requests a second.
const PROFILE: &str = "
services:
  front:
    port: 80
    runtime: {model: goroutines}
    memory: {base: 10Mi}
    clients: {back: {timeout: 200ms}}
    endpoints: [{request: GET /, program: [{call: {to: back, request: GET /}}]}]
  back:
    port: 81
    runtime: {model: goroutines}
    memory: {base: 10Mi}
    endpoints: [{request: GET /, program: [{cpu: {mean: 10ms, distribution: exponential}}]}]
user_classes:
  one: {wait: {constant: 0s}, tasks: [{name: get, requests: [{request: GET /}]}]}
";

/// Requests come at 70 % of what the back can do; for ten seconds, at three times as much.
fn world(retries: u8) -> SmallWorld {
    let mut world = SmallWorld::new(PROFILE, &[NodeSpec::default()], 7);
    world.start("front");
    world.start("back");
    let rate = |rate, seconds| RateStage { rate, duration: SimDuration::from_secs(seconds), ramp: false };
    let stages = vec![rate(140.0, 60), rate(420.0, 10), rate(140.0, 10_000)];
    world.load(&load("one", "front", Shape::Arrivals(Arrivals { process: ArrivalProcess::Poisson, stages })));
    set_retries(&mut world, retries);
    world
}

fn set_retries(world: &mut SmallWorld, retries: u8) {
    let [front, back] = ["front", "back"].map(|name| world.traffic.programs().service(name).unwrap());
    let policy = world.traffic.client_policy(front, back).unwrap();
    assert_eq!(policy.timeout, Some(MS * 200));
    let before = world.traffic.set_client_policy(front, back, ClientPolicy { retries, ..policy });
    assert_eq!(before, Some(policy));
    assert_eq!(world.traffic.client_policy(front, back).map(|policy| policy.retries), Some(retries));
    assert_eq!(world.traffic.set_client_policy(back, front, policy), None, "it makes no such calls");
}

/// Share of good answers and load on the back, as a part of what it can do, until a time.
fn until(world: &mut SmallWorld, seconds: u64) -> (f64, f64) {
    let began = world.now;
    let usage = world.stats(1).cpu.usage;
    world.traffic.reset_statistics();
    world.run(at(seconds * 1_000));
    assert_eq!(world.traffic.check_conservation(), Ok(()));
    let request = &world.traffic.statistics().requests[0];
    let length = world.now.since(began).as_secs_f64() * 2.0;
    let load = (world.stats(1).cpu.usage.as_secs_f64() - usage.as_secs_f64()) / length;
    (request.ok as f64 / (request.ok + request.server_errors + request.unanswered).max(1) as f64, load)
}

#[test]
fn a_burst_leaves_an_overload_behind_where_callers_retry() {
    for (retries, recovers) in [(0, true), (3, false)] {
        let mut world = world(retries);
        let (good, load) = until(&mut world, 60);
        assert!(good > 0.98 && (load - 0.7).abs() < 0.08, "before, {retries} retries: {good} {load}");
        let (good, load) = until(&mut world, 70);
        assert!(good < 0.7 && load > 0.95, "the burst, {retries} retries: {good} {load}");
        until(&mut world, 150);
        // More than a minute after the burst, for five minutes.
        let (good, load) = until(&mut world, 450);
        if recovers {
            assert!(good > 0.98 && load < 0.8, "after, {retries} retries: {good} {load}");
        } else {
            assert!(good < 0.2 && load > 0.99, "after, {retries} retries: {good} {load}");
        }
    }
}

#[test]
fn the_overload_ends_when_the_retries_do() {
    let mut world = world(3);
    let (good, _) = until(&mut world, 300);
    assert!(good < 0.5, "{good}");
    set_retries(&mut world, 0);
    // What has piled up by then is worked off at 30 % of 200 requests a second.
    until(&mut world, 3_000);
    let (good, load) = until(&mut world, 3_300);
    assert!(good > 0.98 && load < 0.8, "{good} {load}");
}

#[test]
fn a_policy_holds_for_the_world_that_has_it() {
    let mut world = world(0);
    world.run(at(1_000));
    let fork = world.clone();
    set_retries(&mut world, 5);
    let [front, back] = ["front", "back"].map(|name| world.traffic.programs().service(name).unwrap());
    let retries = |world: &SmallWorld| world.traffic.client_policy(front, back).unwrap().retries;
    assert_eq!((retries(&world), retries(&fork)), (5, 0));
}
