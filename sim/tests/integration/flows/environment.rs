//! What wrong environment variables do.

use sim::program::Setting;
use sim::traffic::{Failure, NodeSpec, Notice, Phase, ProbeCall, ProbeResult};

use super::counts;
use crate::small_world::{SmallWorld, at, users};

const PROFILE: &str = "
services:
  web:
    port: 8080
    runtime: {model: event-loop, waits_for: [db]}
    memory: {base: 10Mi}
    environment:
      DB: {address-of: db}
      PORT: port
      MODE: {one-of: {values: [fast, safe], exits: 3}}
      BACKEND: {one-of: {values: [mongodb]}}
      SECRET: {required: 2}
      JAVA_OPTS: java-options
    endpoints: [{request: GET /, program: [{call: {to: db, request: find}}]}]
  db:
    port: 27017
    runtime: {model: threads}
    memory: {base: 10Mi}
    endpoints: [{request: find, program: [{cpu: {mean: 1ms}}]}]
  other:
    port: 27017
    runtime: {model: threads}
    memory: {base: 10Mi}
    endpoints: [{request: get, program: [{cpu: {mean: 1ms}}]}]
user_classes:
  one: {wait: {paced: 1s}, timeout: 500ms, tasks: [{name: get, requests: [{request: GET /}]}]}
";

/// A web with these variables, beside the one that it needs.
fn world(profile: &str, settings: &[Setting<'_>]) -> SmallWorld {
    let mut world = SmallWorld::new(profile, &[NodeSpec::default()], 1);
    world.start("db");
    world.start("other");
    let spec = world.spec("web");
    let mut all = vec![("SECRET", Some("x"))];
    all.extend_from_slice(settings);
    world.start_configured(spec, &all);
    world.load(&users("one", "web", 1, 1.0));
    world.run(at(3_900));
    world
}

/// When a web with these variables exits, and with which code.
fn check_exit(settings: &[Setting<'_>], expected: Option<u8>) {
    let world = world(PROFILE, settings);
    let exited: Vec<_> = world.notices.iter().filter(|(_, n)| matches!(n, Notice::Exited { .. })).collect();
    match expected {
        Some(code) => {
            let notice = Notice::Exited { container: sim::ids::ContainerIx(2), code };
            assert_eq!(exited, [&(at(100), notice)], "{settings:?}");
        }
        None => assert!(exited.is_empty() && world.stats(2).phase == Phase::Listening, "{settings:?}"),
    }
}

#[test]
fn a_process_exits_at_what_it_cannot_use() {
    check_exit(&[], None);
    check_exit(&[("SECRET", Some(""))], Some(2));
    check_exit(&[("SECRET", None)], None);
    check_exit(&[("MODE", Some("safe"))], None);
    check_exit(&[("MODE", Some("slow"))], Some(3));
    check_exit(&[("MODE", Some("slow")), ("MODE", Some("fast"))], None);
    check_exit(&[("PORT", Some("8080"))], None);
    check_exit(&[("PORT", Some("80"))], Some(1));
    check_exit(&[("JAVA_OPTS", Some("-Xmx128m"))], None);
    check_exit(&[("JAVA_OPTS", Some("-Xms1g -Xmx128m"))], Some(1));
    check_exit(&[("UNKNOWN", Some("whatever"))], None);
}

#[test]
fn a_variable_that_must_be_there_and_is_not() {
    let mut world = SmallWorld::new(PROFILE, &[NodeSpec::default()], 1);
    let spec = world.spec("web");
    world.start_configured(spec, &[]);
    world.run(at(200));
    assert_eq!(world.stats(0).phase, Phase::Exited);
}

#[test]
fn an_address_leads_where_it_says() {
    let asks_at_once = PROFILE.replace(", waits_for: [db]", "");
    for (address, expected) in [
        ("db", (4, 4, 0, 0)),
        ("db:27017", (4, 4, 0, 0)),
        ("mongodb://db:27017/data", (4, 4, 0, 0)),
        // No such name: each call fails at once.
        ("database:27017", (4, 0, 4, 0)),
        // Another service does not know the request.
        ("other:27017", (4, 0, 0, 0)),
        // A port that the Service does not have: SYNs go unanswered, and the users give up.
        ("db:27018", (4, 0, 0, 4)),
    ] {
        let world = world(&asks_at_once, &[("DB", Some(address))]);
        assert_eq!(counts(&world), expected, "{address}");
    }
}

#[test]
fn what_it_waits_for_never_comes() {
    for settings in [("DB", Some("database")), ("DB", Some("db:1")), ("BACKEND", Some("cassandra"))] {
        let world = world(PROFILE, &[settings]);
        assert_eq!((world.stats(2).phase, counts(&world).1), (Phase::Starting, 0), "{settings:?}");
    }
}

#[test]
fn nobody_looks_at_another_port() {
    for port in ["9090", "eighty"] {
        let mut world = world(PROFILE, &[("PORT", Some(port))]);
        assert_eq!((world.stats(2).phase, counts(&world).1), (Phase::Listening, 0), "{port}");
        let web = sim::ids::ContainerIx(2);
        let second = sim::time::SimDuration::SECOND;
        world.traffic.probe(world.now, &mut world.queue, 1, web, ProbeCall::Tcp, second);
        let later = world.now + second;
        world.run(later);
        let seen = world.notices.iter().any(|(_, notice)| {
            *notice == Notice::ProbeDone { token: 1, result: ProbeResult::Failed(Failure::Refused) }
        });
        assert!(seen, "{port}");
    }
}
