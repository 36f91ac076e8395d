//! Leaks, slow programs and data that grows.

use sim::traffic::{Defect, Leak, NodeSpec, Notice, ProcessSpec};
use sim::units::Bytes;

use super::{check_close, counts, mean};
use crate::small_world::{SmallWorld, at, users};

const STORE: &str = "
services:
  store:
    port: 80
    runtime: {model: threads}
    memory: {base: 10Mi}
    endpoints:
      - {request: GET /, growth: {scans: 100us}, program: [{cpu: {mean: 10ms}}]}
      - {request: POST /, growth: {adds: 3}, program: [{cpu: {mean: 10ms}}]}
user_classes:
  read: {wait: {paced: 1s}, tasks: [{name: get, requests: [{request: GET /}]}]}
  write: {wait: {paced: 1s}, tasks: [{name: post, requests: [{request: POST /}]}]}
";

fn store(class: &str) -> SmallWorld {
    let mut world = SmallWorld::new(STORE, &[NodeSpec::default()], 1);
    let limited = ProcessSpec { memory_limit: Some(Bytes::from_mebibytes(20)), ..world.spec("store") };
    world.start_with(limited);
    world.load(&users(class, "store", 1, 1.0));
    world.run(at(500));
    world
}

/// The kernel looks at the latest a millisecond after the first byte too many.
fn killed_at(world: &SmallWorld) -> Option<u64> {
    let over = world.notices.iter().find(|(_, notice)| matches!(notice, Notice::OverLimit { .. }));
    over.map(|(at, _)| at.0 / 1_000_000)
}

#[test]
fn a_leak_by_time_kills_when_its_time_has_come() {
    let mut world = store("read");
    let store = sim::ids::ContainerIx(0);
    // 10 Mi of room: ten seconds.
    world.traffic.set_leak(world.now, &mut world.queue, store, Leak { per_second: Bytes(1 << 20), ..Leak::default() });
    world.run(at(5_500));
    check_close(world.stats(0).working_set.mebibytes(), 15.0, 1e-6, "half of it");
    world.run(at(10_499));
    assert_eq!(killed_at(&world), None);
    world.run_with_kills(at(11_000));
    assert_eq!(killed_at(&world), Some(10_501));
}

#[test]
fn a_leak_that_ends_stays_as_it_is_and_another_goes_on_from_there() {
    let mut world = store("read");
    let store = sim::ids::ContainerIx(0);
    let leak = |per_request, per_second| Leak { per_request: Bytes(per_request), per_second: Bytes(per_second) };
    world.traffic.set_leak(world.now, &mut world.queue, store, leak(0, 1 << 20));
    world.run(at(4_500));
    world.traffic.set_leak(world.now, &mut world.queue, store, Leak::default());
    world.run(at(60_500));
    check_close(world.stats(0).working_set.mebibytes(), 14.0, 1e-6, "four seconds");
    world.traffic.set_leak(world.now, &mut world.queue, store, leak(1 << 20, 1 << 19));
    world.run_with_kills(at(70_000));
    // Each second a request and half a mebibyte of time: 6 Mi are spent between the fourth request and the fifth.
    assert_eq!(killed_at(&world), Some(64_501));
}

#[test]
fn a_defect_is_in_every_container_that_runs_the_program() {
    let mut world = store("read");
    let service = world.traffic.programs().service("store").unwrap();
    let leak = Leak { per_second: Bytes(5 << 20), ..Leak::default() };
    world.traffic.set_defect(world.now, &mut world.queue, service, Defect { cost_factor: 4.0, leak });
    world.traffic.reset_statistics();
    world.run_with_kills(at(2_900));
    assert_eq!(killed_at(&world), Some(2_501));
    check_close(mean(&world), 40.0, 0.001, "four times as much");
    // The next one has it from its first second on.
    let spec = ProcessSpec { replaces: Some(sim::ids::ContainerIx(0)), memory_limit: None, ..world.spec("store") };
    let next = world.traffic.start(world.now, &mut world.queue, spec);
    world.traffic.reset_statistics();
    world.run(at(3_899));
    check_close(world.stats(next.0).working_set.mebibytes(), 15.0, 0.01, "after a second");
    check_close(mean(&world), 40.0, 0.001, "it too");
    world.traffic.set_defect(world.now, &mut world.queue, service, Defect::default());
    world.traffic.reset_statistics();
    world.run(at(7_000 - 1));
    check_close(world.stats(next.0).working_set.mebibytes(), 15.0, 0.01, "what was lost stays lost");
    check_close(mean(&world), 10.0, 0.001, "taken back");
}

#[test]
fn requests_cost_more_the_more_documents_there_are() {
    let store = sim::ids::ContainerIx(0);
    let mut world = store_of_both();
    world.run(at(10_500));
    assert_eq!((world.traffic.documents(store), mean(&world).round()), (None, 10.0), "off");
    world.traffic.age(world.now, store, Some(1_000));
    world.traffic.reset_statistics();
    world.run(at(20_500));
    assert_eq!(world.traffic.documents(store), Some(1_000 + 3 * 10));
    // Of the two users' requests the one that reads pays 100 us for each of 1000, 1003 … 1027 documents.
    let read = world.traffic.statistics().requests.iter().find(|request| request.request == "GET /").unwrap();
    let (took, mean) = (read.latency.mean().unwrap() * 1e3, 10.0 + 0.1 * (1_000.0 + 3.0 * 4.5));
    check_close(took, mean, 0.2, "an old store");
    assert_eq!(counts(&world).2, 0);
    world.traffic.age(world.now, store, None);
    world.traffic.reset_statistics();
    world.run(at(30_500));
    check_close(self::mean(&world), 10.0, 0.001, "young again");
}

/// One user reads, another one writes half a second later.
fn store_of_both() -> SmallWorld {
    let mut world = SmallWorld::new(STORE, &[NodeSpec::default()], 1);
    world.start("store");
    world.load(&users("read", "store", 1, 1.0));
    let mut write = users("write", "store", 1, 1.0);
    write.start = sim::time::SimDuration::from_millis(250);
    world.load(&write);
    world
}
