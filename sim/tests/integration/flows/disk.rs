//! `IOChaos` and full disks.

use sim::ids::ContainerIx;
use sim::profile::WhenFull;
use sim::traffic::{DiskFault, NodeSpec, Notice, Phase, ProcessSpec};

use super::{MS, check_close, counts, mean};
use crate::small_world::{SmallWorld, at, users};

/// A database that reads twice and writes once, one that keeps a journal, and what a full disk does to both.
fn database(when_full: &str) -> SmallWorld {
    let profile = "
services:
  web:
    port: 80
    runtime: {model: threads}
    memory: {base: 10Mi}
    endpoints:
      - {request: GET /, program: [{call: {to: db, request: find}}]}
      - {request: POST /, program: [{call: {to: db, request: save}}]}
      - {request: PUT /, program: [{call: {to: db, request: sync}}]}
  db:
    port: 81
    runtime: {model: threads}
    memory: {base: 10Mi}
    disk: {path: /data, when_full: FULL}
    endpoints:
      - {request: find, disk: {reads: 2}, program: [{cpu: {mean: 10ms}}]}
      - {request: save, disk: {journals: true}, program: [{cpu: {mean: 10ms}}]}
      - {request: sync, disk: {reads: 1, writes: 3}, program: [{cpu: {mean: 10ms}}]}
user_classes:
  find: {wait: {paced: 1s}, tasks: [{name: get, requests: [{request: GET /}]}]}
  save: {wait: {paced: 1s}, tasks: [{name: post, requests: [{request: POST /}]}]}
  sync: {wait: {paced: 1s}, tasks: [{name: put, requests: [{request: PUT /}]}]}
";
    let mut world = SmallWorld::new(&profile.replace("FULL", when_full), &[NodeSpec::default()], 1);
    world.start("web");
    assert_eq!(world.start("db"), DB);
    world
}

const DB: ContainerIx = ContainerIx(1);

#[test]
fn latency_is_waited_for_once_per_operation() {
    let slow = |reads, writes, delayed| DiskFault {
        read_latency: MS * reads,
        write_latency: MS * writes,
        delayed,
        ..DiskFault::default()
    };
    for (class, fault, expected) in [
        ("find", slow(100, 0, 1.0), 210.0),
        ("find", slow(0, 100, 1.0), 10.0),
        ("save", slow(100, 100, 1.0), 10.0),
        ("sync", slow(100, 10, 1.0), 140.0),
        ("sync", slow(100, 10, 0.0), 10.0),
    ] {
        let mut world = database("{respond: 500}");
        world.traffic.impair_disk(world.now, DB, fault);
        world.load(&users(class, "web", 1, 1.0));
        world.run(at(9_900));
        assert_eq!(counts(&world).1, 10, "{class}");
        check_close(mean(&world), expected, 0.001, class);
        world.traffic.impair_disk(world.now, DB, DiskFault::default());
        world.traffic.reset_statistics();
        world.run(at(19_900));
        check_close(mean(&world), 10.0, 0.001, "mended");
    }
    let mut world = database("{respond: 500}");
    world.traffic.impair_disk(world.now, DB, slow(100, 0, 0.3));
    world.load(&users("find", "web", 20, 1e3));
    world.run(at(100_000));
    let waits = mean(&world);
    assert!(waits > 60.0, "three tenths of two reads, and a queue: {waits}");
}

/// A full disk from 2.5 s to 6.5 s, and 10 s in all.
fn full(class: &str, when_full: &str) -> SmallWorld {
    let mut world = database(when_full);
    world.load(&users(class, "web", 1, 1.0));
    world.run(at(2_500));
    world.traffic.impair_disk(world.now, DB, DiskFault { full: 1.0, ..DiskFault::default() });
    world.run(at(6_500));
    world.traffic.impair_disk(world.now, DB, DiskFault::default());
    world.run(at(9_900));
    world
}

#[test]
fn a_full_disk_does_what_the_profile_says() {
    assert_eq!(counts(&full("find", "{respond: 507}")), (10, 10, 0, 0), "reading goes on");
    assert_eq!(counts(&full("save", "{respond: 507}")), (10, 6, 4, 0));
    assert_eq!(counts(&full("sync", "{respond: 507}")), (10, 6, 4, 0));
    // It tries again after a second and a half: 3.0, 4.5, 6.0, 7.5 s.
    let waiting = full("sync", "{wait: 1500ms}");
    assert_eq!(counts(&waiting), (7, 7, 0, 0), "0, 1, 2, 3 until 7.51, then 7.51, 8.51 and 9.51");
    assert_eq!(serde_json::to_value(WhenFull::Respond(507)).unwrap(), serde_json::json!({"respond": 507}));
}

#[test]
fn a_journal_that_finds_no_space_ends_the_process() {
    let world = full("save", "{exit: {code: 134, within: 100ms}}");
    let exited = world.notices.iter().find(|(_, notice)| matches!(notice, Notice::Exited { .. }));
    // The request at 3 s is answered; its journal is written by and by.
    assert_eq!(exited, Some(&(at(3_100), Notice::Exited { container: DB, code: 134 })));
    assert_eq!(counts(&world), (10, 4, 6, 0));
    assert_eq!(world.stats(DB.0).phase, Phase::Exited);
}

#[test]
fn the_next_container_has_its_own_mount() {
    let mut world = database("{exit: {code: 134, within: 100ms}}");
    world.load(&users("save", "web", 1, 1.0));
    world.traffic.impair_disk(world.now, DB, DiskFault { full: 1.0, ..DiskFault::default() });
    world.run(at(500));
    assert_eq!(world.stats(DB.0).phase, Phase::Exited);
    let spec = ProcessSpec { replaces: Some(DB), ..world.spec("db") };
    world.traffic.start(world.now, &mut world.queue, spec);
    world.run(at(9_900));
    assert_eq!(counts(&world), (10, 10, 0, 0));
    assert_eq!(world.stats(2).phase, Phase::Listening);
}
