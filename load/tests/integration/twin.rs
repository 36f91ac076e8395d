//! The same seed gives the same requests here and in the twin.

use std::collections::BTreeMap;
use std::sync::Arc;

use sim::chance::Key;
use sim::engine::Queue;
use sim::ids::{KubeServiceIx, NodeIx};
use sim::program::Programs;
use sim::time::{SimDuration, SimTime};
use sim::traffic::{Backend, Event, NodeSpec, ProcessSpec, Statistics, Traffic, TrafficConfig};
use sim::units::Millicores;
use sim::workload::{Behaviour, Progress, Shape, Workload, load_key, user_key, users_key};

use crate::server::Server;
use crate::{programs, run_for, start, wait_until, workload};

const SHOP: &str = "
attributes: [order_total]
services:
  web:
    port: 80
    runtime: {model: threads}
    memory: {base: 10Mi}
    endpoints:
      - {request: GET /a, program: []}
      - {request: GET /b, program: []}
      - request: POST /order
        program: [{respond: {status: 406, when: {above: {attribute: order_total, value: 50}}}}]
user_classes:
  shopper:
    wait: {between: {min: 0s, max: 4ms}}
    tasks:
      - {name: a, weight: 3, requests: [{request: GET /a}]}
      - {name: b, weight: 0.5, requests: [{request: GET /b}, {request: GET /a}]}
      - {name: c, weight: 2, requests: [{request: POST /order, set: {order_total: {one-of: [12.98, 104.98, 7.5]}}}]}
";

/// Of each kind: how many were sent and how many got 4xx.
type Counts = BTreeMap<String, (u64, u64)>;

/// Plays a load in the twin.
fn twin(programs: &Arc<Programs>, load: &Workload, seed: u64, until: SimTime) -> Statistics {
    let config = TrafficConfig {
        hosts: Vec::new(),
        nodes: vec![NodeSpec { cores: 64, ..NodeSpec::default() }],
        kube_services: vec![Some(KubeServiceIx(0))],
        load_node: NodeIx(0),
        seed,
    };
    let mut queue: Queue<Event> = Queue::new();
    let mut traffic = Traffic::new(programs.clone(), &config, &mut queue);
    let web = ProcessSpec {
        node: NodeIx(0),
        runs: programs.service("web"),
        cpu_limit: None,
        cpu_request: Millicores(100),
        memory_limit: None,
        is_alone: false,
        replaces: None,
    };
    let web = traffic.start(SimTime::ZERO, &mut queue, web);
    traffic.set_backends(SimTime::ZERO, NodeIx(0), KubeServiceIx(0), &[Backend { container: Some(web) }]);
    traffic.add_workload(SimTime::ZERO, &mut queue, load).unwrap();
    while let Some((now, event)) = queue.pop_until(until) {
        traffic.handle(now, event, &mut queue);
    }
    traffic.statistics().clone()
}

/// Arrivals do one task each, so what they do in all does not hang on how fast the server is.
#[test]
fn arrivals_ask_for_the_same_as_the_twins() {
    let programs = Arc::new(programs(SHOP));
    for seed in 1..=3 {
        let times = (0..200).map(|n| SimDuration::from_micros(n * 500)).collect();
        let load = Workload {
            user_class: "shopper".into(),
            target: "web".into(),
            keep_alive: None,
            shape: Shape::Trace(times),
            start: SimDuration::ZERO,
        };
        let twin = twin(&programs, &load, seed, SimTime(10_000_000_000));
        let expected: Counts =
            twin.requests.iter().map(|kind| (kind.request.clone(), (kind.sent, kind.client_errors))).collect();
        let total: u64 = expected.values().map(|(sent, _)| sent).sum();

        let server = Server::start();
        let report = run_for(start(&programs, &[load], &server, seed), total);
        let played: Counts = report
            .requests
            .iter()
            .map(|kind| (kind.request.clone(), (kind.count, kind.statuses.get(&406).copied().unwrap_or_default())))
            .collect();
        assert_eq!(played, expected, "seed {seed}");
        assert_eq!((report.users_started, report.total.failures.len()), (200, 0));
    }
}

/// What a user of the twin would ask for, in order: the request, and what it carries.
fn requests(programs: &Programs, load: &Workload, seed: u64, number: u64) -> impl Iterator<Item = (String, f32)> {
    let behaviour = Behaviour::new(programs, load, |_, request| Ok(request.request.clone())).unwrap();
    let key = user_key(load_key(users_key(Key::root(seed)), 0), number);
    let mut progress = Progress::new(&behaviour, SimTime::ZERO);
    std::iter::repeat_with(move || {
        progress.next_request(&behaviour, key, SimTime::ZERO);
        let request = (progress.current(&behaviour).clone(), progress.attributes()[0]);
        progress.finish(&behaviour);
        request
    })
}

/// Each user, known by its cookie, does what the twin's user of some number does.
#[test]
fn every_user_goes_the_way_of_one_of_the_twins() {
    let programs = programs(SHOP);
    let load =
        workload("{user_class: shopper, target: web, keep_alive: true, shape: {users: {users: 8, spawn_rate: 2000}}}");
    let server = Server::start();
    run_for(start(&programs, std::slice::from_ref(&load), &server, 5), 600);
    // A user has its cookie from its second request on, and keeps its connection.
    let mut ways: BTreeMap<usize, Vec<(String, f32)>> = BTreeMap::new();
    for seen in server.seen() {
        let total = seen.header("x-sockpit-order_total").unwrap().parse().unwrap();
        ways.entry(seen.connection).or_default().push((seen.request().to_owned(), total));
    }
    assert_eq!(ways.len(), 8);
    let mut numbers: Vec<u64> = (0..8).collect();
    for way in ways.values() {
        assert!(way.len() > 20, "too short to tell: {}", way.len());
        let same = |number: &u64| requests(&programs, &load, 5, *number).zip(way).all(|(theirs, ours)| theirs == *ours);
        let found = numbers.iter().position(same).expect("some user of the twin does the same");
        numbers.remove(found);
    }
}

#[test]
fn users_start_and_stop_as_the_stages_say() {
    let stages = "{stages: [{duration: 20ms, users: 6, spawn_rate: 1000}, {duration: 1s, users: 2, spawn_rate: 1000}]}";
    let load = workload(&format!("{{user_class: shopper, target: web, shape: {stages}}}"));
    let server = Server::start();
    let running = start(&programs(SHOP), &[load], &server, 1);
    // It never has more than six, however late its timers are: the staircase is asked for due times.
    wait_until(&running, |running| running.snapshot().finished > 50 && running.snapshot().users == 2);
    running.stop();
    let report = running.wait().unwrap();
    assert_eq!((report.users, report.users_started), (2, 6));
}

/// A slow server does not slow arrivals down, and what they wait for each other shows from when they were due.
#[test]
fn open_loads_do_not_wait_for_answers() {
    let programs = programs(
        "
services: {web: {port: 80, runtime: {model: threads}, memory: {base: 10Mi}}}
user_classes: {waits: {wait: {constant: 1ms}, tasks: [{name: t, requests: [{request: GET /silence}]}]}}
",
    );
    let arrivals = "{arrivals: {process: poisson, stages: [{duration: 1s, rate: 2000}]}}";
    let load = workload(&format!("{{user_class: waits, target: web, shape: {arrivals}}}"));
    let server = Server::start();
    let running = start(&programs, &[load], &server, 1);
    wait_until(&running, |_| server.seen().len() >= 100);
    running.stop();
    assert!(running.wait().unwrap().unfinished >= 100);
}
