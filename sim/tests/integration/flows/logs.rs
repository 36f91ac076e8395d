//! What processes write when something goes wrong, and that they write nothing before it does.

use sim::ids::ContainerIx;
use sim::program::Setting;
use sim::traffic::{ClientPolicy, Defect, DiskFault, NodeSpec};

use super::{BACK, FRONT, MS};
use crate::small_world::{SmallWorld, at, users};

/// A front and a back with formats of their own, in which CLIENT says how they connect and PROGRAM what the front does.
const PROFILE: &str = "
logs:
  test:
    errors:
      refused: 'ECONNREFUSED {ip}:{port}'
      reset: ECONNRESET
      timed-out: 'ETIMEDOUT after {waited}'
      connect-timed-out: 'no connection after {waited-ms} ms'
      unknown-host: 'ENOTFOUND {host}'
      breaker-open: open
    lines:
      call-failed: '{millis} {service}: {method} {path} at {host}:{port}: {error}'
      retry: '{attempt}/{attempts} {error}'
      error-answer: '{request} {status}'
      late: '{host} late after {waited}'
      breaker-refused: 'refused {request}'
      crash-without-answer: \"thrown\\n  at {host}\"
      crash-at-answer: 'thrown at {status}'
      waiting: 'waiting for {host}: {error}'
      consumer-failed: '{queue} at {host}: {error}'
  store:
    lines:
      slow-query: '{request} {took-ms}'
      slow-scan: '{request} {took-ms} {documents}'
      disk-full: '{directory} is full'
      invalid-value: '{value} is not {allowed}'
      missing-variable: no {variable}
      invalid-maximum-heap: 'bad {option}'
      port-denied: 'EACCES {port}'
    slow_after: 20ms
  quiet:
    errors: {refused: nobody there}
    lines: {call-failed: 'at last: {error}', retry: 'again: {error}'}
    retries_quietly_after: [refused]
services:
  front:
    port: 80
    logs: test
    runtime: {model: event-loop}
    memory: {base: 10Mi}
    environment: {BACK: {address-of: back}}
    clients: {back: {CLIENT}}
    endpoints: [{request: GET /, program: [PROGRAM]}]
  back:
    port: 81
    logs: store
    runtime: {model: threads}
    memory: {base: 10Mi}
    disk: {path: /data, when_full: {exit: {code: 134, within: 100ms}}}
    environment:
      MODE: {one-of: {values: [fast, safe], exits: 3}}
      BACKEND: {one-of: {values: [mongodb]}}
      SECRET: {required: 2}
      PASSWORD: {required: 2}
      JAVA_OPTS: java-options
      PORT: port
    complaints: {PASSWORD: 'error: {variable}, please'}
    endpoints:
      - {request: 'GET /{id}', disk: {journals: true}, growth: {scans: 1us}, program: [{cpu: {mean: 10ms}}]}
      - {request: GET /broken/now, program: [{respond: {status: 502}}]}
user_classes:
  one: {wait: {paced: 1s}, timeout: 10m, tasks: [{name: get, requests: [{request: GET /}]}]}
";

const CALL: &str = "{call: {to: back, request: 'GET /{id}', on_failure: {respond: 503}}}";
const SET: [Setting<'static>; 2] = [("SECRET", Some("x")), ("PASSWORD", Some("x"))];

/// One user who asks once a second, from 0 s on.
fn world(client: &str, program: &str, front: &[Setting<'_>]) -> SmallWorld {
    let profile = PROFILE.replace("{CLIENT}", &format!("{{{client}}}")).replace("PROGRAM", program);
    let mut world = SmallWorld::new(&profile, &[NodeSpec::default()], 1);
    let spec = world.spec("front");
    world.start_configured(spec, front);
    let spec = world.spec("back");
    world.start_configured(spec, &SET);
    world.load(&users("one", "front", 1, 1.0));
    world
}

/// What the front has written after `happens` at 2.5 s, until 4.5 s; before, it has written nothing.
fn check(client: &str, program: &str, happens: impl FnOnce(&mut SmallWorld), expected: &[&str]) {
    let mut world = world(client, program, &[]);
    world.run(at(2_500));
    assert_eq!(world.written, [], "{client}: nothing is wrong yet");
    happens(&mut world);
    world.run(at(4_500));
    assert_eq!(world.log(FRONT), expected, "{client}");
}

fn kill_back(world: &mut SmallWorld) {
    world.traffic.kill(world.now, &mut world.queue, BACK);
}

/// In the middle of a request.
fn kill_back_at_work(world: &mut SmallWorld) {
    world.run(at(3_005));
    kill_back(world);
}

fn slow_down(world: &mut SmallWorld) {
    world.traffic.set_cost_factor(world.now, BACK, 3.0);
}

#[test]
fn a_call_that_fails_is_written_down_by_who_made_it() {
    let refused = "000 front: GET /{id} at back:81: ECONNREFUSED 10.96.0.11:81";
    check("", CALL, kill_back, &[refused; 2]);
    check("", CALL, kill_back_at_work, &["005 front: GET /{id} at back:81: ECONNRESET", refused]);
    let late = "025 front: GET /{id} at back:81: ETIMEDOUT after 25ms";
    check("timeout: 25ms", CALL, slow_down, &[late; 2]);
}

/// Only the calls of the front fail: the database writes nothing about who gave up on it.
#[test]
fn who_retries_says_so_each_time() {
    let eager = |world: &mut SmallWorld| {
        let service = |name| world.traffic.programs().service(name).unwrap();
        let (front, back) = (service("front"), service("back"));
        let before = world.traffic.client_policy(front, back).unwrap();
        let policy = ClientPolicy { timeout: Some(MS * 3), retries: 2, ..before };
        world.traffic.set_client_policy(front, back, policy);
    };
    let request = ["1/3 ETIMEDOUT after 3ms", "2/3 ETIMEDOUT after 3ms"];
    let last = "009 front: GET /{id} at back:81: ETIMEDOUT after 3ms";
    check("", CALL, eager, &[request[0], request[1], last, request[0], request[1], last]);
}

#[test]
fn a_driver_that_looks_for_its_server_is_silent_until_it_gives_up() {
    let client = "retries: 3, retry_backoff: 1ms, logs: quiet";
    check(client, CALL, kill_back, &["at last: nobody there"; 2]);
}

#[test]
fn an_open_breaker_is_named() {
    let client = "breaker: {trips: {consecutive-failures: 0}, open_for: 30s}";
    let expected =
        ["000 front: GET /{id} at back:81: ECONNREFUSED 10.96.0.11:81", "000 front: GET /{id} at back:81: open"];
    check(client, CALL, kill_back, &expected);
}

/// The line names the address that the process uses, right or wrong.
#[test]
fn an_address_of_the_environment_is_written_as_it_is_there() {
    for (address, expected) in [
        ("bak:81", "000 front: GET /{id} at bak:81: ENOTFOUND bak"),
        ("http://bak/x", "000 front: GET /{id} at bak:81: ENOTFOUND bak"),
        ("back:9", "500 front: GET /{id} at back:9: no connection after 500 ms"),
    ] {
        let mut world = world("connect_timeout: 500ms", CALL, &[("BACK", Some(address))]);
        world.run(at(900));
        assert_eq!(world.log(FRONT), [expected], "{address}");
        assert_eq!(world.log(BACK), [""; 0], "nobody has asked it");
    }
}

#[test]
fn an_answer_that_is_an_error_is_one_unless_nobody_cares() {
    for (program, expected) in [
        ("{call: {to: back, request: GET /broken/now, on_status: pass}}", &["GET /broken/now 502"][..]),
        ("{call: {to: back, request: GET /broken/now, on_status: continue}}", &[]),
        ("{call: {to: back, request: GET /broken/now, on_status: crash}}", &["GET /broken/now 502", "thrown at 502"]),
    ] {
        let mut world = world("", program, &[]);
        world.run(at(500));
        assert_eq!(world.log(FRONT), expected, "{program}");
    }
}

#[test]
fn an_exception_that_nobody_catches_is_the_last_that_is_written() {
    let program = "{call: {to: back, request: 'GET /{id}', on_failure: crash}}";
    let refused = "000 front: GET /{id} at back:81: ECONNREFUSED 10.96.0.11:81";
    check("", program, kill_back, &[refused, "thrown", "  at back"]);
}

#[test]
fn who_waits_for_a_branch_says_when_it_is_late() {
    let program = format!(
        "{{parallel: {{branches: [[{{cpu: {{mean: 1ms}}}}], [{{cpu: {{mean: 1ms}}}}, {CALL}]], await_timeout: 20ms, \
         on_timeout: {{respond: 500}}}}}}"
    );
    check("", &program, slow_down, &["back late after 20ms"; 2]);
}

#[test]
fn a_guarded_endpoint_says_that_it_refuses() {
    let guarded = "request: GET /, breaker: {trips: {consecutive-failures: 0}, open_for: 30s},";
    let profile = PROFILE.replace("{CLIENT}", "{}").replace("PROGRAM", CALL).replace("request: GET /,", guarded);
    // Only the first endpoint, which is the front's.
    let mut world = SmallWorld::new(&profile, &[NodeSpec::default()], 1);
    world.start("front");
    world.load(&users("one", "front", 1, 1.0));
    world.run(at(1_500));
    let refused = "000 front: GET /{id} at back:81: ECONNREFUSED 10.96.0.11:81";
    assert_eq!(world.log(FRONT), [refused, "refused GET /"]);
}

/// What the back has written after so many milliseconds with these variables.
fn complaints(settings: &[Setting<'_>], ms: u64) -> Vec<String> {
    let profile = PROFILE.replace("{CLIENT}", "{}").replace("PROGRAM", CALL);
    let mut world = SmallWorld::new(&profile, &[NodeSpec::default()], 1);
    let spec = world.spec("back");
    let container = world.start_configured(spec, settings);
    world.run(at(ms));
    world.log(container)
}

#[test]
fn a_process_says_which_variable_it_cannot_use() {
    let with = |name, value| [SET[0], SET[1], (name, Some(value))];
    for (settings, expected) in [
        (&SET[..], &[][..]),
        (&SET[..1], &["error: PASSWORD, please"]),
        (&SET[1..], &["no SECRET"]),
        (&with("MODE", "slow"), &["slow is not fast, safe"]),
        (&with("JAVA_OPTS", "-Xms1m -Xmx128mb"), &["bad -Xmx128mb"]),
        (&with("PORT", "80"), &["EACCES 80"]),
        // It tries again and again.
        (&with("BACKEND", "cassandra"), &["cassandra is not mongodb"; 3]),
    ] {
        assert_eq!(complaints(settings, 2_500), expected, "{settings:?}");
    }
}

#[test]
fn a_slow_query_is_written_down_with_what_it_looked_at() {
    let mut world = world("", CALL, &[]);
    world.run(at(2_500));
    world.traffic.set_cost_factor(world.now, BACK, 2.5);
    world.run(at(3_500));
    assert_eq!(world.log(BACK), ["GET /{id} 25"]);
    world.traffic.set_cost_factor(world.now, BACK, Defect::default().cost_factor);
    world.traffic.age(world.now, BACK, Some(30_000));
    world.run(at(4_500));
    assert_eq!(world.log(BACK), ["GET /{id} 25", "GET /{id} 40 30000"]);
    assert_eq!(world.log(FRONT), [""; 0]);
}

#[test]
fn a_database_without_space_says_so_once_before_it_exits() {
    let full = |world: &mut SmallWorld| {
        world.traffic.impair_disk(world.now, BACK, DiskFault { full: 1.0, ..DiskFault::default() });
        world.load(&users("one", "front", 1, 1.0));
    };
    let mut world = world("", CALL, &[]);
    world.run(at(2_500));
    full(&mut world);
    world.run(at(2_900));
    assert_eq!(world.log(BACK), ["/data is full"]);
}

#[test]
fn who_needs_another_to_start_says_that_it_waits() {
    let profile = PROFILE
        .replace("{CLIENT}", "{}")
        .replace("PROGRAM", CALL)
        .replace("{model: event-loop}", "{model: event-loop, waits_for: [back]}");
    let mut world = SmallWorld::new(&profile, &[NodeSpec::default()], 1);
    world.start("front");
    world.run(at(1_500));
    assert_eq!(world.log(FRONT), ["waiting for back: ECONNREFUSED 10.96.0.11:81"; 2]);
}

#[test]
fn a_consumer_says_that_its_broker_is_away() {
    let profile = PROFILE.replace("{CLIENT}", "{}").replace(
        "    endpoints: [{request: GET /, program: [PROGRAM]}]",
        "    consumes: [{broker: back, queue: mail, program: [{cpu: {mean: 1ms}}]}]",
    );
    let mut world = SmallWorld::new(&profile, &[NodeSpec::default()], 1);
    world.start("front");
    world.run(at(6_000));
    assert_eq!(world.log(FRONT), ["mail at back: ECONNREFUSED 10.96.0.11:81"; 2], "every five seconds");
}

#[test]
fn without_a_format_the_words_are_plain() {
    let profile = PROFILE.replace("{CLIENT}", "{}").replace("PROGRAM", CALL).replace("    logs: test\n", "");
    let mut world = SmallWorld::new(&profile, &[NodeSpec::default()], 1);
    world.start("front");
    world.load(&users("one", "front", 1, 1.0));
    world.run(at(500));
    assert_eq!(world.log(ContainerIx(0)), ["error: GET /{id} at back:81: connection refused"]);
}
