//! The data plane: single mechanisms, each in a world of one or two services.

use sim::ids::ContainerIx;
use sim::time::SimDuration;
use sim::traffic::{Failure, NodeSpec, Notice, Phase, ProbeCall, ProbeResult};
use sim::units::{Bytes, Millicores};

use crate::small_world::{SmallWorld, at, users};

const MS: SimDuration = SimDuration::MILLISECOND;
const ONE_OVER_E: f64 = 1.0 / std::f64::consts::E;

/// One event loop that takes 1 ms for a request; a user that asks every 10 ms.
const ONE: &str = "
services:
  web:
    port: 80
    runtime: {model: event-loop}
    memory: {base: 10Mi}
    endpoints: [{request: GET /, program: [{cpu: {mean: 1ms}}]}]
user_classes:
  one: {wait: {constant: 9ms}, tasks: [{name: get, requests: [{request: GET /}]}]}
";

/// A front whose handler calls a back, which takes 10 ms. `{client}` is how it connects, `{back}`
/// the runtime of the back.
fn two(client: &str, back: &str) -> String {
    "
services:
  front:
    port: 80
    runtime: {model: event-loop}
    memory: {base: 10Mi}
    clients: {back: {CLIENT}}
    endpoints: [{request: GET /, program: [{call: {to: back, request: GET /}}]}]
  back:
    port: 80
    runtime: {BACK}
    memory: {base: 10Mi}
    endpoints: [{request: GET /, program: [{cpu: {mean: 10ms}}]}]
user_classes:
  one: {wait: {constant: 0s}, tasks: [{name: get, requests: [{request: GET /}]}]}
  slow: {wait: {constant: 10s}, tasks: [{name: get, requests: [{request: GET /}]}]}
"
    .replace("{CLIENT}", &format!("{{{client}}}"))
    .replace("{BACK}", &format!("{{{back}}}"))
}

fn world(profile: &str) -> SmallWorld {
    SmallWorld::new(profile, &[NodeSpec::default()], 1)
}

/// A front, a back and users of a class for ten seconds.
fn two_world(client: &str, back: &str, class: &str, count: u32) -> SmallWorld {
    let mut world = world(&two(client, back));
    world.start("front");
    world.start("back");
    world.load(&users(class, "front", count, 1e6 * f64::from(count.max(1))));
    world
}

fn counts(world: &SmallWorld) -> (u64, u64, u64, u64) {
    assert_eq!(world.traffic.check_conservation(), Ok(()));
    let request = &world.traffic.statistics().requests[0];
    (request.sent, request.ok, request.server_errors, request.unanswered)
}

#[test]
fn a_user_is_served_every_ten_milliseconds() {
    let mut world = world(ONE);
    world.start("web");
    world.load(&users("one", "web", 1, 1.0));
    world.run(at(9_999));
    assert_eq!(counts(&world), (1000, 1000, 0, 0));
    assert_eq!(world.traffic.statistics().requests[0].latency.mean(), Some(0.001));
    assert_eq!(world.stats(0).cpu.usage, MS * 1000);
}

#[test]
fn a_slow_node_takes_longer_and_a_spent_quota_waits() {
    let slow = NodeSpec { speed: 0.5, ..NodeSpec::default() };
    let mut world = SmallWorld::new(ONE, &[slow], 1);
    world.start("web");
    world.load(&users("one", "web", 1, 1.0));
    world.run(at(1_000));
    assert_eq!(world.traffic.statistics().requests[0].latency.mean(), Some(0.002));

    let mut world = self::world(ONE);
    let limited = sim::traffic::ProcessSpec { cpu_limit: Some(Millicores(50)), ..world.spec("web") };
    world.start_with(limited);
    world.load(&users("one", "web", 1, 1.0));
    world.run(at(100_000));
    // 5 ms in each period of 100: five requests, ten periods a second.
    let (_, ok, ..) = counts(&world);
    assert!((4_990..=5_005).contains(&ok), "{ok}");
    let cpu = world.stats(0).cpu;
    assert!(cpu.nr_throttled >= 995, "{cpu:?}");
}

#[test]
fn each_runtime_runs_as_many_bursts_as_it_can() {
    // Four users on two cores; each request computes 10 ms. The front itself takes no time.
    for (back, threads_busy, expected_ms) in [
        ("model: event-loop", 1, 40),
        ("model: goroutines", 2, 20),
        ("model: threads, max_threads: 1", 1, 40),
        // All four at once, sharing two cores.
        ("model: threads", 2, 20),
    ] {
        let mut world = two_world("", back, "one", 4);
        world.run(at(9_999));
        let (_, ok, ..) = counts(&world);
        let expected = 4 * 10_000 / expected_ms;
        assert!(ok.abs_diff(expected) <= 4, "{back}: {ok}, expected {expected}");
        let usage = world.stats(1).cpu.usage.as_secs_f64();
        assert!((usage - f64::from(threads_busy) * 10.0).abs() < 0.1, "{back}: {usage}");
    }
}

#[test]
fn the_servers_own_metric_begins_with_its_handler() {
    for (back, handler_ms) in [("model: event-loop", 10.0), ("model: threads", 20.0)] {
        let mut world = two_world("", back, "one", 4);
        world.run(at(9_999));
        let back_stats = &world.traffic.statistics().services[0];
        let mean = back_stats.handler.mean().unwrap() * 1e3;
        assert!((mean - handler_ms).abs() < 0.05, "{back}: {mean}");
        let caller = back_stats.caller.mean().unwrap() * 1e3;
        assert!((caller - if handler_ms > 10.0 { 20.0 } else { 40.0 }).abs() < 0.2, "{back}: {caller}");
    }
}

/// A container that cannot be reached: how long one request takes to fail, and how.
fn check_unreachable(client: &str, node: NodeSpec, make: fn(&mut SmallWorld), expected: Option<u64>) {
    let mut world = SmallWorld::new(&two(client, "model: threads"), &[node], 1);
    world.start("front");
    make(&mut world);
    world.load(&users("slow", "front", 1, 1.0));
    world.run(at(1_000_000));
    let (_, ok, errors, unanswered) = counts(&world);
    assert_eq!((ok, unanswered), (0, 0), "{client}");
    let latency = &world.traffic.statistics().requests[0].latency;
    let first = latency.quantile(0.0).map(|s| (s * 1e3).round() as u64);
    match expected {
        Some(ms) => {
            assert!(errors > 5, "{client}: {errors}");
            assert!(first.is_some_and(|first| first.abs_diff(ms) <= ms / 1000), "{client}: {first:?}, expected {ms}");
        }
        None => assert_eq!(errors, 0, "{client}"),
    }
}

#[test]
fn a_connection_fails_as_the_kernel_says() {
    let new = NodeSpec::default();
    let old = NodeSpec { syn_linear_timeouts: 0, ..new };
    let arp = NodeSpec { unreachable_after: Some(SimDuration::from_secs(3)), ..new };
    let nobody: fn(&mut SmallWorld) = |_| {};
    let exited: fn(&mut SmallWorld) = |world| {
        let back = world.start("back");
        world.traffic.kill(world.now, &mut world.queue, back);
    };
    let gone: fn(&mut SmallWorld) = |world| {
        let back = world.start("back");
        world.traffic.kill(world.now, &mut world.queue, back);
        world.traffic.remove_address(world.now, back);
    };
    let refused = Some(0);
    check_unreachable("", new, nobody, refused);
    check_unreachable("", new, exited, refused);
    check_unreachable("", new, gone, Some(131_000));
    check_unreachable("", old, gone, Some(127_000));
    check_unreachable("", arp, gone, Some(3_000));
    check_unreachable("connect_timeout: 2s", arp, gone, Some(2_000));
    check_unreachable("connect_timeout: 5s", new, gone, Some(5_000));
    check_unreachable("timeout: 7s", new, gone, Some(7_000));
    check_unreachable("timeout: 7s, retries: 2, retry_backoff: 1s", new, gone, Some(24_000));
    check_unreachable("retries: 3, retry_backoff: 100ms", new, exited, Some(700));
    check_unreachable("connections: {pool: {}}", new, gone, Some(131_000));
    check_unreachable("connections: shared", new, exited, refused);
}

#[test]
fn few_hear_that_a_service_has_no_endpoints_and_the_rest_wait_for_one() {
    // Twenty clients in one pod. The kernel tells six at once and then one a second, who asks again; a SYN that nobody
    // answers is sent again after 1, 2, 3, 4, 5 and 7 s, each time to whatever endpoint there is then.
    let mut world = world(&two("", "model: threads"));
    world.start("front");
    world.load(&users("one", "front", 20, 1e9));
    world.run(at(8_050));
    assert_eq!(counts(&world), (34, 0, 14, 0));
    world.start("back");
    world.run(at(30_000));
    let (sent, ok, errors, unanswered) = counts(&world);
    assert_eq!((errors, unanswered), (14, 0), "nobody fails once there is an endpoint");
    assert_eq!(sent, ok + errors + 20);
    assert!(ok > 1_500, "a hundred a second, of 19 s in which somebody asks: {ok}");
}

#[test]
fn latency_is_paid_by_each_message() {
    // SYN, SYN-ACK with the request behind it, and answer: of the user's request and of the call in it.
    let node = |local_latency| NodeSpec { local_latency, ..NodeSpec::default() };
    let mean = |local_latency| {
        let mut world = SmallWorld::new(&two("", "model: threads"), &[node(local_latency)], 1);
        world.start("front");
        world.start("back");
        world.load(&users("one", "front", 1, 1.0));
        world.run(at(9_999));
        world.traffic.statistics().requests[0].latency.mean().unwrap() * 1e6
    };
    let added = mean(SimDuration::from_micros(50)) - mean(SimDuration::ZERO);
    assert!((added - 400.0).abs() < 1.0, "two requests of four messages of 50 us each: {added}");
}

#[test]
fn a_full_accept_queue_drops_syns() {
    // One thread and room for one more: the third of three requests is lost and comes again.
    let mut world = two_world("", "model: threads, max_threads: 1, backlog: 1", "slow", 3);
    world.run(at(9_000));
    let latency = &world.traffic.statistics().requests[0].latency;
    let ms: Vec<_> = [0.0, 0.5, 1.0].iter().map(|&q| (latency.quantile(q).unwrap() * 1e3).round()).collect();
    assert_eq!(ms, [10.0, 20.0, 1010.0]);
}

#[test]
fn kept_connections_never_see_a_new_replica() {
    for (client, spreads) in [("", true), ("connections: {pool: {max_idle: 2}}", false), ("connections: shared", false)]
    {
        let mut world = two_world(client, "model: threads", "one", 2);
        world.run(at(1_000));
        world.start("back");
        world.run(at(2_000));
        let (old, new) = (world.stats(1).served, world.stats(2).served);
        assert_eq!(new > 0, spreads, "{client}: {old} {new}");
        if spreads {
            assert!(new.abs_diff(100) < 30, "half of what came since: {new}");
        }
    }
}

#[test]
fn a_pool_bounds_what_is_open() {
    let mut world = two_world("connections: {pool: {max_open: 1}}", "model: threads", "one", 4);
    world.run(at(9_999));
    let (_, ok, ..) = counts(&world);
    assert!((999..=1_000).contains(&ok), "one at a time on one core: {ok}");
    assert!((world.stats(1).cpu.usage.as_secs_f64() - 10.0).abs() < 0.1);
}

#[test]
fn a_killed_process_resets_what_it_has() {
    let mut world = two_world("connections: {pool: {}}", "model: threads", "one", 2);
    world.run(at(995));
    let back = ContainerIx(1);
    world.traffic.kill(world.now, &mut world.queue, back);
    let successor = sim::traffic::ProcessSpec { replaces: Some(back), ..world.spec("back") };
    // The same address: kube-proxy needs no update.
    let next = world.traffic.start(world.now, &mut world.queue, successor);
    world.run(at(1_995));
    let (_, ok, errors, _) = counts(&world);
    assert_eq!(errors, 4, "both requests were reset, and the next two refused before the successor listened");
    assert!(ok > 390, "{ok}");
    assert_eq!(world.stats(1).phase, Phase::Exited);
    assert_eq!(world.traffic.service_of(next), world.traffic.service_of(back));
    let seen: Vec<_> = world.notices.iter().map(|(_, notice)| *notice).collect();
    assert!(seen.contains(&Notice::Exited { container: back, code: 137 }), "{seen:?}");
    assert!(seen.contains(&Notice::Listening { container: next }), "{seen:?}");
}

#[test]
fn idle_connections_to_a_dead_process_fail_once() {
    let mut world = two_world("connections: {pool: {}}", "model: threads", "slow", 3);
    world.run(at(5_000));
    world.traffic.kill(world.now, &mut world.queue, ContainerIx(1));
    world.forget(ContainerIx(1));
    world.start("back");
    world.run(at(15_000));
    // Three idle connections, one reset: then the client has noticed.
    assert_eq!(counts(&world), (6, 5, 1, 0));
}

#[test]
fn a_lost_machine_leaves_callers_waiting() {
    let mut world = two_world("timeout: 5s", "model: threads", "one", 2);
    world.run(at(995));
    world.traffic.lose(world.now, &mut world.queue, ContainerIx(1));
    world.run(at(5_980));
    let (.., errors, _) = counts(&world);
    assert_eq!(errors, 0);
    world.run(at(6_000));
    let (.., errors, _) = counts(&world);
    assert_eq!(errors, 2, "their own patience ended");
}

#[test]
fn a_process_that_heeds_sigterm_goes_on_until_it_exits() {
    let mut world = two_world("", "model: threads, exits_in: 2s", "one", 1);
    world.run(at(1_000));
    world.traffic.terminate(world.now, &mut world.queue, ContainerIx(1));
    world.run(at(2_999));
    let (_, ok, errors, _) = counts(&world);
    assert!(ok > 295 && errors == 0, "{ok} {errors}");
    world.run(at(3_000));
    assert_eq!(world.stats(1).phase, Phase::Exited);
}

#[test]
fn start_up_waits_computes_and_needs_its_dependencies() {
    let profile = ONE.replace(
        "runtime: {model: event-loop}",
        "runtime: {model: event-loop, start_up: {wait: 500ms, cpu: 2s, threads: 2, first_request: 99ms}, waits_for: [web]}",
    );
    let mut world = world(&profile);
    let limited = sim::traffic::ProcessSpec { cpu_limit: Some(Millicores(1000)), ..world.spec("web") };
    world.start_with(limited);
    world.run(at(1_000));
    assert!(world.stats(0).working_set < Bytes::from_mebibytes(6), "half of the CPU time, half of the memory");
    world.load(&users("one", "web", 1, 1.0));
    world.run(at(5_000));
    // It waits for itself, which never listens.
    assert_eq!(world.stats(0).phase, Phase::Starting);
    assert_eq!(world.stats(0).cpu.usage, SimDuration::from_secs(2));

    // Two cores do it in a second; two threads under a quota of one core spend it in half the time.
    for (cpu_limit, listens) in [(None, 1_500..=1_500), (Some(Millicores(1000)), 2_400..=2_500)] {
        let mut world = self::world(&profile.replace(", waits_for: [web]", ""));
        world.start_with(sim::traffic::ProcessSpec { cpu_limit, ..limited });
        world.run(at(3_000));
        let listening = world.notices.iter().find(|(_, n)| matches!(n, Notice::Listening { .. })).unwrap().0;
        assert!(listens.contains(&(listening.0 / 1_000_000)), "{listening}");
        world.load(&users("one", "web", 1, 1.0));
        world.run(at(4_000));
        let latency = &world.traffic.statistics().requests[0].latency;
        assert_eq!(latency.quantile(1.0).map(|s| (s * 1e3).round()), Some(100.0), "the first request is slow");
    }
}

#[test]
fn cold_and_young_processes_are_slower() {
    let cold = ONE.replace("{mean: 1ms}", "{mean: 1ms, cold: 2ms}").replace("constant: 9ms", "constant: 60ms");
    let mut world = world(&cold);
    world.start("web");
    world.load(&users("one", "web", 1, 1.0));
    world.run(at(60_000));
    let mean = world.traffic.statistics().requests[0].latency.mean().unwrap() * 1e3;
    let expected = 1.0 + 2.0 * (1.0 - ONE_OVER_E);
    assert!((mean - expected).abs() < 0.01, "{mean}, expected {expected}");

    let young = ONE.replace("model: event-loop", "model: event-loop, warm_up: {extra: 1, time_constant: 10s}");
    let mut world = self::world(&young);
    world.start("web");
    world.load(&users("one", "web", 1, 1.0));
    world.run(at(100));
    let mean = world.traffic.statistics().requests[0].latency.mean().unwrap() * 1e3;
    assert!((mean - 2.0).abs() < 0.02, "{mean}");
    world.run(at(100_000));
    world.traffic.reset_statistics();
    world.run(at(101_000));
    let mean = world.traffic.statistics().requests[0].latency.mean().unwrap() * 1e3;
    assert!((mean - 1.0).abs() < 0.001, "{mean}");
}

#[test]
fn probes_travel_to_the_pod() {
    let mut world = two_world("", "model: event-loop", "slow", 0);
    let back = ContainerIx(1);
    let programs = world.traffic.programs().clone();
    let service = programs.service("back").unwrap();
    let http = |request| ProbeCall::Http(programs.endpoint_or_not_found(service, request));
    let second = SimDuration::SECOND;
    let ask = |world: &mut SmallWorld, call, timeout| {
        world.traffic.probe(world.now, &mut world.queue, 7, back, call, timeout);
        let later = world.now + second * 2;
        world.run(later);
        let (when, notice) = world.notices.pop().unwrap();
        let Notice::ProbeDone { token: 7, result } = notice else { panic!("{notice:?}") };
        (result, when.since(later - second * 2))
    };
    world.run(at(10));
    assert_eq!(ask(&mut world, http("GET /"), second), (ProbeResult::Status(200), MS * 10));
    assert_eq!(ask(&mut world, http("GET /nothing"), second).0, ProbeResult::Status(404));
    assert_eq!(ask(&mut world, ProbeCall::Tcp, second).0, ProbeResult::Connected);
    assert_eq!(ask(&mut world, http("GET /"), MS * 5), (ProbeResult::Failed(Failure::TimedOut), MS * 5));
    world.traffic.kill(world.now, &mut world.queue, back);
    let now = world.now;
    world.run(now);
    assert_eq!(ask(&mut world, http("GET /"), second).0, ProbeResult::Failed(Failure::Refused));
    assert_eq!(world.traffic.statistics().services[0].calls_failed, 0, "probes do not count");
}

#[test]
fn busy_loops_take_the_quota() {
    let mut world = world(ONE);
    let limited = sim::traffic::ProcessSpec { cpu_limit: Some(Millicores(200)), ..world.spec("web") };
    let web = world.start_with(limited);
    let workers = world.traffic.stress(world.now, &mut world.queue, web, 2, 1.0);
    world.run(at(10_000));
    assert_eq!(world.stats(0).cpu.usage.as_secs_f64().round() as u64, 2);
    world.traffic.unstress(world.now, &mut world.queue, workers);
    world.run(at(20_000));
    assert_eq!(world.stats(0).cpu.usage.as_secs_f64().round() as u64, 2);
    let free = world.start("web");
    world.traffic.stress(world.now, &mut world.queue, free, 1, 0.3);
    world.run(at(30_000));
    assert!((world.stats(1).cpu.usage.as_secs_f64() - 3.0).abs() < 0.05);
    world.traffic.kill(world.now, &mut world.queue, free);
    world.run(at(31_000));
    assert_eq!(world.stats(1).phase, Phase::Exited);
}

#[test]
fn memory_grows_with_heap_requests_and_leaks_until_the_limit() {
    let profile = ONE.replace(
        "memory: {base: 10Mi}",
        "memory: {base: 10Mi, heap: 10Mi, heap_requests: 100, per_request: 1Mi, leak_per_request: 1024}",
    );
    let mut world = world(&profile);
    let limited = sim::traffic::ProcessSpec { memory_limit: Some(Bytes::from_mebibytes(30)), ..world.spec("web") };
    let web = world.start_with(limited);
    world.load(&users("one", "web", 1, 1.0));
    world.run(at(995));
    let mebibytes = world.stats(0).working_set.mebibytes();
    let expected = 10.0 + 10.0 * (1.0 - ONE_OVER_E) + 100.0 / 1024.0;
    assert!((mebibytes - expected).abs() < 0.001, "{mebibytes}, expected {expected}");
    world.run(at(92_160));
    assert!(world.notices.iter().all(|(_, n)| !matches!(n, Notice::OverLimit { .. })));
    // 20 Mi, 1 Mi for the request in progress and 1 Ki for each before: 9216 of them.
    world.run(at(95_000));
    let over = world.notices.iter().find(|(_, n)| *n == Notice::OverLimit { container: web }).unwrap().0;
    assert_eq!(over, at(92_170), "{over}");
}
