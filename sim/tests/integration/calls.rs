//! Programs with several parts: branches, breakers, brokers, chance, metrics; and what must hold
//! whatever happens.

use proptest::prelude::*;
use sim::ids::ContainerIx;
use sim::time::SimDuration;
use sim::traffic::{Direction, Netem, NetworkEffect, NetworkFault, NodeSpec, Phase, ProcessSpec};
use sim::units::Millicores;

use crate::small_world::{SmallWorld, at, load, users};

/// A shop that asks its stores, hands a message to a broker, and a worker that handles it.
const SHOP: &str = "
attributes: [total]
services:
  shop:
    port: 80
    runtime: {model: threads, max_threads: 8, backlog: 4}
    memory: {base: 10Mi}
    clients:
      store: {timeout: 300ms, retries: 1, retry_backoff: 50ms}
      broker: {connections: shared}
      flaky: {breaker: {trips: {consecutive-failures: 2}, open_for: 3s}}
    metrics: {histogram: seconds, buckets: [0.005, 0.05, 0.5], counts_errors: false}
    endpoints:
      - request: POST /orders
        status: 201
        program:
          - cpu: {mean: 1ms, variation: 0.5}
          - parallel:
              await_timeout: 200ms
              branches:
                - [{call: {to: store, request: find}}, {cpu: {mean: 1ms}}]
                - [{call: {to: store, request: find}}]
                - [{wait: {mean: 5ms, variation: 1}}]
          - respond: {status: 406, when: {above: {attribute: total, value: 100}}}
          - publish: {broker: broker, queue: shipping}
      - request: GET /slow
        program:
          - parallel:
              await_timeout: 50ms
              on_timeout: {respond: 504}
              branches: [[{wait: {mean: 20ms}}], [{wait: {mean: 60ms}}], [{cpu: {mean: 1ms}}, {wait: {mean: 200ms}}, {cpu: {mean: 1ms}}]]
      - request: GET /flaky
        program: [{call: {to: flaky, request: GET /, on_failure: {respond: 503}}}]
      - request: GET /crash
        program: [{call: {to: flaky, request: GET /, on_failure: crash, on_status: crash}}]
      - request: GET /lottery
        program: [{respond: {status: 418, when: {chance: 0.25}}}]
  store:
    port: 80
    runtime: {model: goroutines}
    memory: {base: 10Mi}
    endpoints:
      - request: find
        breaker: {trips: {failure-ratio: {ratio: 0.5, min_calls: 10, window: 10s}}, open_for: 2s}
        program: [{cpu: {mean: 2ms, variation: 1}}, {respond: {status: 500, when: {chance: 0.02}}}]
  flaky:
    port: 80
    runtime: {model: event-loop}
    memory: {base: 10Mi}
    endpoints: [{request: GET /, program: [{respond: {status: 500}}]}]
  broker:
    port: 80
    runtime: {model: goroutines}
    memory: {base: 10Mi}
    endpoints: [{request: publish, program: [{cpu: {mean: 100us}}]}, {request: ack, program: [{cpu: {mean: 50us}}]}]
  worker:
    port: 80
    runtime: {model: threads}
    memory: {base: 10Mi}
    consumes: [{broker: broker, queue: shipping, concurrency: 2, program: [{cpu: {mean: 3ms}}, {wait: {mean: 30ms}}]}]
user_classes:
  buyer:
    wait: {between: {min: 10ms, max: 100ms}}
    timeout: 2s
    tasks:
      - name: order
        weight: 3
        requests:
          - {request: POST /orders, set: {total: {one-of: [50, 90, 150]}}}
          - {request: GET /lottery}
      - {name: browse, requests: [{request: GET /nothing}]}
  slow: {wait: {constant: 1s}, tasks: [{name: slow, requests: [{request: GET /slow}]}]}
  flaky: {wait: {constant: 1s}, tasks: [{name: flaky, requests: [{request: GET /flaky}]}]}
  crash: {wait: {constant: 1s}, tasks: [{name: crash, requests: [{request: GET /crash}]}]}
";

fn shop(seed: u64) -> SmallWorld {
    let mut world = SmallWorld::new(SHOP, &[NodeSpec::default(); 2], seed);
    for service in ["shop", "store", "flaky", "broker", "worker"] {
        world.start(service);
    }
    world
}

const SHOP_POD: u32 = 0;
const BROKER: u32 = 3;
const WORKER: u32 = 4;

#[test]
fn orders_are_declined_published_and_handled() {
    let mut world = shop(1);
    world.load(&users("buyer", "shop", 5, 100.0));
    world.run(at(100_000));
    world.traffic.check_conservation().unwrap();
    let requests = &world.traffic.statistics().requests;
    let orders = requests.iter().find(|r| r.request == "POST /orders").unwrap();
    let lottery = requests.iter().find(|r| r.request == "GET /lottery").unwrap();
    let nothing = requests.iter().find(|r| r.request == "GET /nothing").unwrap();
    let share = |part: u64, of: u64| part as f64 / of as f64;
    // Of the three totals one is too high; two finds fail with 2 % each and count as answers.
    assert!((share(orders.server_errors, orders.sent) - 0.0396).abs() < 0.01);
    assert!((share(orders.client_errors, orders.sent) - 0.96 / 3.0).abs() < 0.03);
    assert!((share(lottery.client_errors, lottery.sent) - 0.25).abs() < 0.03);
    assert!((share(nothing.sent, orders.sent) - 1.0 / 3.0).abs() < 0.03);
    assert!(nothing.sent - nothing.client_errors <= world.traffic.waiting_requests());
    let handled = world.stats(WORKER).served;
    assert!(orders.ok.abs_diff(handled) <= 3, "{} accepted, {handled} shipped", orders.ok);
}

#[test]
fn metrics_count_what_the_service_counts() {
    let mut world = shop(2);
    world.load(&users("buyer", "shop", 5, 100.0));
    world.run(at(20_000));
    let requests = &world.traffic.statistics().requests;
    let (mut seen, mut expected) = (Vec::new(), Vec::new());
    for series in world.traffic.series(ContainerIx(SHOP_POD)) {
        assert_eq!(series.bounds, [0.005, 0.05, 0.5]);
        assert!(series.count >= series.buckets.iter().sum());
        assert!(series.sum > 0.0 || series.name.route == "/lottery");
        seen.push((series.name.method.clone(), series.name.route.clone(), series.status, series.count));
    }
    for (request, status) in [("POST /orders", 201), ("GET /lottery", 200)] {
        let (method, route) = request.split_once(' ').unwrap();
        let count = requests.iter().find(|r| r.request == request).unwrap().ok;
        expected.push((method.to_owned(), route.to_owned(), status, count));
    }
    // Errors are not counted, and requests that no endpoint answers have no route.
    assert_eq!(seen, expected);
}

#[test]
fn branches_are_awaited_one_after_the_other() {
    let mut world = shop(1);
    world.load(&users("slow", "shop", 1, 1.0));
    world.run(at(500));
    let slow = &world.traffic.statistics().requests[0];
    // The second branch is 40 ms late when its turn comes; the third would be 140 ms late.
    assert_eq!((slow.server_errors, slow.latency.mean()), (1, Some(0.110)));
    // The late branch goes on, and computes.
    assert_eq!(world.stats(SHOP_POD).cpu.usage, SimDuration::from_millis(2));
    assert_eq!(world.stats(SHOP_POD).in_flight, 0);
    world.traffic.check_conservation().unwrap();
}

#[test]
fn a_clients_breaker_spares_the_server() {
    let mut world = shop(1);
    world.load(&users("flaky", "shop", 1, 1.0));
    world.run(at(100_500));
    // Requests come every second. 500s count: the third opens the breaker, which then lets one
    // through every third second.
    let sent = world.traffic.statistics().requests[0].sent;
    let called =
        world.traffic.statistics().services[world.traffic.programs().service("flaky").unwrap().index()].answered;
    assert_eq!(sent, 101);
    assert_eq!(called, 3 + (101 - 3) / 3);
}

#[test]
fn an_exception_that_nobody_catches_ends_the_process() {
    let mut world = shop(1);
    world.load(&users("crash", "shop", 1, 1.0));
    world.run(at(5_500));
    assert_eq!(world.stats(SHOP_POD).phase, Phase::Exited);
    let request = &world.traffic.statistics().requests[0];
    assert_eq!((request.sent, request.unanswered), (6, 6), "one reset, then refused");
    world.traffic.check_conservation().unwrap();
}

#[test]
fn messages_survive_their_consumer_and_die_with_their_broker() {
    let mut world = shop(1);
    world.load(&users("buyer", "shop", 5, 100.0));
    world.run(at(5_000));
    world.traffic.kill(world.now, &mut world.queue, ContainerIx(WORKER));
    world.run(at(10_000));
    let waiting = world.traffic.queued_messages(ContainerIx(BROKER));
    assert!(waiting > 50, "{waiting}");
    world.start("worker");
    world.run(at(30_000));
    assert!(world.traffic.queued_messages(ContainerIx(BROKER)) < 5);
    let accepted = world.traffic.statistics().requests.iter().find(|r| r.request == "POST /orders").unwrap().ok;
    let handled = world.stats(WORKER).served + world.stats(5).served;
    assert!(accepted.abs_diff(handled) <= 3, "{accepted} accepted, {handled} shipped");

    world.traffic.kill(world.now, &mut world.queue, ContainerIx(5));
    world.run(at(35_000));
    world.traffic.kill(world.now, &mut world.queue, ContainerIx(BROKER));
    world.forget(ContainerIx(BROKER));
    let broker = world.start("broker");
    world.start("worker");
    world.run(at(36_000));
    assert!(world.traffic.queued_messages(broker) < 5, "what waited died with the first broker");
    world.traffic.check_conservation().unwrap();
}

/// What an outside force does to the shop.
#[derive(Clone, Debug)]
enum Blow {
    Kill(u32),
    Terminate(u32),
    Lose(u32),
    Start(usize),
    Impair(u32, f64),
    Stress(u32),
    Resize(u32, u64),
    Forget(u32),
}

fn blows() -> impl Strategy<Value = Vec<(u64, Blow)>> {
    let blow = prop_oneof![
        4 => (0..5_u32).prop_map(Blow::Kill),
        1 => (0..5_u32).prop_map(Blow::Terminate),
        2 => (0..5_u32).prop_map(Blow::Lose),
        6 => (0..5_usize).prop_map(Blow::Start),
        2 => (0..5_u32, prop::sample::select(vec![0.0, 0.1, 1.0])).prop_map(|(c, loss)| Blow::Impair(c, loss)),
        1 => (0..5_u32).prop_map(Blow::Stress),
        2 => (0..5_u32, 10..500_u64).prop_map(|(c, m)| Blow::Resize(c, m)),
        2 => (0..5_u32).prop_map(Blow::Forget),
    ];
    prop::collection::vec((1..2_000_u64, blow), 1..15)
}

fn strike(world: &mut SmallWorld, blow: &Blow) {
    let (now, containers) = (world.now, world.traffic.container_count() as u32);
    // The latest containers are the ones that matter.
    let pick = |n: u32| ContainerIx(containers - 1 - n);
    let queue = &mut world.queue;
    match *blow {
        Blow::Kill(n) => world.traffic.kill(now, queue, pick(n)),
        Blow::Terminate(n) => world.traffic.terminate(now, queue, pick(n)),
        Blow::Lose(n) => world.traffic.lose(now, queue, pick(n)),
        Blow::Start(service) => {
            let spec = world.spec(["shop", "store", "flaky", "broker", "worker"][service]);
            world.start_with(ProcessSpec { cpu_limit: Some(Millicores(300)), node: sim::ids::NodeIx(1), ..spec });
        }
        Blow::Impair(n, loss) => {
            let delay = SimDuration::from_millis(20);
            let effect = NetworkEffect::Netem(Netem { delay, jitter: delay, loss });
            let fault = NetworkFault { sources: vec![pick(n)], targets: vec![], direction: Direction::To, effect };
            world.traffic.impair_network(now, &fault);
        }
        Blow::Stress(n) => drop(world.traffic.stress(now, queue, pick(n), 3, 0.5)),
        Blow::Resize(n, millicores) => {
            world.traffic.resize(now, queue, pick(n), Some(Millicores(millicores)), Millicores(100), None);
        }
        Blow::Forget(n) => world.forget(pick(n)),
    }
}

fn summary(world: &SmallWorld) -> String {
    let statistics = world.traffic.statistics();
    let requests: Vec<_> =
        statistics.requests.iter().map(|r| (r.sent, r.ok, r.server_errors, r.unanswered, r.latency.mean())).collect();
    let containers: Vec<_> = (0..world.traffic.container_count() as u32).map(|ix| world.stats(ix)).collect();
    format!("{requests:?} {containers:?} {:?}", world.notices)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever happens when, no request is lost or ends twice, and a clone goes on as the original.
    #[test]
    fn requests_are_conserved_and_clones_agree(seed in 0..1000_u64, blows in blows()) {
        let mut world = shop(seed);
        world.load(&users("buyer", "shop", 20, 100.0));
        world.load(&load("slow", "shop", sim::workload::Shape::Stages(vec![
            sim::workload::Stage { duration: SimDuration::from_secs(3), users: 9, spawn_rate: 5.0 },
            sim::workload::Stage { duration: SimDuration::from_secs(3), users: 1, spawn_rate: 5.0 },
        ])));
        let mut fork = None;
        for (n, (after, blow)) in blows.iter().enumerate() {
            let next = world.now + SimDuration::from_millis(*after);
            world.run(next);
            strike(&mut world, blow);
            prop_assert_eq!(world.traffic.check_conservation(), Ok(()));
            if n == blows.len() / 2 {
                fork = Some(world.clone());
            }
        }
        let mut fork = fork.expect("there is at least one blow");
        for (after, blow) in &blows[blows.len() / 2 + 1..] {
            let next = fork.now + SimDuration::from_millis(*after);
            fork.run(next);
            strike(&mut fork, blow);
        }
        let end = world.now + SimDuration::from_secs(3);
        world.run(end);
        fork.run(end);
        prop_assert_eq!(world.traffic.check_conservation(), Ok(()));
        prop_assert_eq!(summary(&world), summary(&fork));
    }
}
