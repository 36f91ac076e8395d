//! Sock Shop's profile against the measurements that it was made from: what requests cost at 15
//! requests/s, what the nine-request loop costs, how costs fall with the rate, what idleness costs.
//!
//! All services run on one node without limits, since nothing was throttled when they were measured.

use std::collections::BTreeMap;

use sim::diagnostic::Source;
use sim::profile::{Burst, Profile, Step, UserClass, UserRequest, UserTask, UserWait};
use sim::time::SimDuration;
use sim::traffic::{NodeSpec, Notice, ProcessSpec};
use sim::units::Millicores;
use sim::workload::{ArrivalProcess, Arrivals, RateStage, Shape};

use crate::small_world::{SmallWorld, at, load, users};

/// The machine of the measurements.
const MACHINE: NodeSpec = NodeSpec {
    cores: 2,
    speed: 1.0,
    syn_linear_timeouts: 4,
    unreachable_after: None,
    latency: SimDuration::ZERO,
    local_latency: SimDuration::ZERO,
    oom_kills_group: true,
};
/// By when everything listens, the JVMs too.
const STARTED_MS: u64 = 60_000;
/// How long is measured.
const WINDOW_MS: u64 = 120_000;

fn shipped() -> Profile {
    let text = include_str!("../../../datasets/apps/sock-shop/profile.yaml").to_owned();
    let (profile, warnings) = Profile::load(&Source { path: "profile.yaml".into(), text }).expect("it is right");
    assert_eq!(warnings, [], "the shipped profile is clean");
    profile.value
}

/// After the JVMs have run for 12 minutes.
fn profile() -> Profile {
    let mut profile = shipped();
    for service in profile.services.values_mut() {
        service.runtime.warm_up = None;
        service.runtime.start_up.first_request = SimDuration::ZERO;
        service.endpoints.iter_mut().for_each(|endpoint| endpoint.first.clear());
    }
    profile
}

/// What a load cost.
struct Costs {
    /// Requests or loops in the window.
    rounds: f64,
    /// By service, in milliseconds of CPU, without what the process spends by itself.
    cpu_ms: BTreeMap<String, f64>,
    /// By service: requests answered.
    answered: BTreeMap<String, f64>,
}

impl Costs {
    fn per_round(&self, service: &str) -> f64 {
        self.cpu_ms[service] / self.rounds
    }
}

/// Lets so many users of a class go at a target, and measures once all is warm. A round is a task.
fn measure(profile: &Profile, target: &str, class: UserClass, number: u32) -> Costs {
    let mut profile = profile.clone();
    let requests = class.tasks[0].requests.len() as f64;
    profile.user_classes.insert("measured".into(), class);
    let mut world = SmallWorld::of(&profile, &[MACHINE], 1);
    let containers: Vec<_> = profile.services.keys().map(|name| (name.clone(), world.start(name).0)).collect();
    world.run(at(STARTED_MS));
    world.load(&users("measured", target, number, 1.0));
    let begin = STARTED_MS + 1_000 * u64::from(number) + 10_000;
    world.run(at(begin));
    world.traffic.reset_statistics();
    let cpu_ms = |world: &SmallWorld| -> Vec<f64> {
        containers.iter().map(|(_, c)| world.stats(*c).cpu.usage.as_millis_f64()).collect()
    };
    let before = cpu_ms(&world);
    world.run(at(begin + WINDOW_MS));
    let after = cpu_ms(&world);
    let statistics = world.traffic.statistics();
    let sent: u64 = statistics.requests.iter().map(|r| r.sent).sum();
    let costs = containers.iter().enumerate().map(|(i, (name, _))| {
        let background = profile.services[name].runtime.background.as_ref();
        let own = background.map_or(0.0, |b| WINDOW_MS as f64 * b.cpu.0 as f64 / b.every.0 as f64);
        (name.clone(), after[i] - before[i] - own)
    });
    let answered =
        containers.iter().enumerate().map(|(i, (name, _))| (name.clone(), statistics.services[i].answered as f64));
    Costs { rounds: sent as f64 / requests, cpu_ms: costs.collect(), answered: answered.collect() }
}

/// A class of these requests, whose users wait about so long.
fn class(requests: &[&str], wait_ms: u64) -> UserClass {
    let requests = requests.iter().map(|r| UserRequest { request: (*r).into(), to: None, set: BTreeMap::new() });
    let around = |percent| SimDuration::from_millis(wait_ms * percent / 100);
    UserClass {
        description: String::new(),
        wait: UserWait::Between { min: around(70), max: around(130) },
        keep_alive: false,
        timeout: None,
        attributes: BTreeMap::new(),
        tasks: vec![UserTask { name: "task".into(), weight: 1.0, requests: requests.collect() }],
    }
}

#[track_caller]
fn close(what: &str, found: f64, measured: f64, tolerance: f64) {
    let off = found / measured - 1.0;
    assert!(off.abs() <= tolerance, "{what}: {found:.3} instead of {measured}, {:+.1} %", off * 100.0);
}

#[test]
fn requests_cost_what_they_cost_alone() {
    let profile = profile();
    let check = |target: &str, request: &str, measured: &[(&str, f64)]| {
        let costs = measure(&profile, target, class(&[request], 255), 4);
        let rate = costs.rounds / WINDOW_MS as f64 * 1e3;
        assert!((15.0..16.5).contains(&rate), "{rate} requests/s");
        for (service, ms) in measured {
            close(&format!("{target} {request}: {service}"), costs.per_round(service), *ms, 0.1);
        }
    };
    check("front-end", "GET /", &[("front-end", 1.19)]);
    check("front-end", "GET /category.html", &[("front-end", 1.10)]);
    check("front-end", "GET /detail.html?id=1", &[("front-end", 1.37)]);
    check("front-end", "GET /basket.html", &[("front-end", 1.24)]);
    check(
        "front-end",
        "GET /catalogue",
        &[("front-end", 3.62), ("catalogue", 0.77), ("catalogue-db", 0.55), ("session-db", 0.07)],
    );
    check("catalogue", "GET /catalogue", &[("catalogue", 0.69), ("catalogue-db", 0.50)]);
    check("catalogue", "GET /catalogue/7", &[("catalogue", 0.78), ("catalogue-db", 0.53)]);
    check("catalogue", "GET /catalogue/size", &[("catalogue", 0.67), ("catalogue-db", 0.43)]);
    check("catalogue", "GET /tags", &[("catalogue", 0.55), ("catalogue-db", 0.22)]);
    check("catalogue", "GET /health", &[("catalogue", 0.47), ("catalogue-db", 0.10)]);
    check("catalogue", "GET /page", &[("catalogue", 0.2)]);
}

#[test]
fn the_loop_costs_what_it_costs() {
    let profile = profile();
    let costs = measure(&profile, "front-end", profile.user_classes["shopper"].clone(), 10);
    let per_accepted = |name: &str| costs.cpu_ms[name] / costs.answered["shipping"];
    for (service, ms) in [
        ("front-end", 26.6),
        ("carts", 8.1),
        ("orders", 8.2),
        ("user", 5.0),
        ("catalogue", 1.8),
        ("payment", 0.54),
        ("session-db", 0.67),
        ("catalogue-db", 1.3),
        ("user-db", 1.6),
        ("carts-db", 1.9),
        ("orders-db", 0.35),
    ] {
        close(&format!("loop: {service}"), costs.per_round(service), ms, 0.2);
    }
    for (service, ms) in [("shipping", 3.7), ("queue-master", 1.7), ("rabbitmq", 1.0)] {
        close(&format!("accepted order: {service}"), per_accepted(service), ms, 0.2);
    }
    for (service, calls) in [
        ("front-end", 9.0),
        ("catalogue", 2.0),
        ("user", 7.0),
        ("carts", 4.0),
        ("orders", 1.0),
        ("payment", 1.0),
        ("shipping", 8.0 / 9.0),
    ] {
        close(&format!("loop: calls of {service}"), costs.answered[service] / costs.rounds, calls, 0.03);
    }
}

#[test]
fn costs_fall_as_the_rate_rises() {
    let pages = ["GET /catalogue", "GET /", "GET /category.html", "GET /detail.html"];
    let mut profile = profile();
    // The paper's users: four requests, then a second of waiting.
    let check = |profile: &Profile, what: &str, users: u32, rate: f64, measured: f64| {
        let costs = measure(profile, "front-end", class(&pages, 1_000), users);
        close(&format!("{what}: requests/s"), costs.rounds * 4e3 / WINDOW_MS as f64, rate, 0.1);
        close(&format!("{what}: ms per request"), costs.per_round("front-end") / 4.0, measured, 0.1);
    };
    check(&profile, "new connections", 40, 154.0, 1.23);
    // With keep-alive to the backends, GET /catalogue costs 2.19 ms instead of 3.62.
    let front_end = profile.services.get_mut("front-end").unwrap();
    let list = front_end.endpoints.iter_mut().find(|e| e.request == "GET /catalogue").unwrap();
    for step in &mut list.program {
        if let Step::Cpu(Burst { mean, cold, .. }) = step {
            (*mean, *cold) = (mean.scaled(2.19 / 3.62), cold.scaled(2.19 / 3.62));
        }
    }
    check(&profile, "keep-alive", 80, 300.0, 0.85);
}

#[test]
fn idle_services_cost_what_they_cost_idle() {
    let mut profile = profile();
    profile.user_classes.insert("probe".into(), class(&["GET /health"], 0));
    profile.user_classes.insert("probe-page".into(), class(&["GET /"], 0));
    let mut world = SmallWorld::of(&profile, &[MACHINE], 1);
    let containers: BTreeMap<_, _> = profile.services.keys().map(|name| (name.as_str(), world.start(name).0)).collect();
    // Liveness and readiness, each every 3 s.
    let stages = vec![RateStage { duration: SimDuration::SECOND, rate: 2.0 / 3.0, ramp: false }];
    let shape = Shape::Arrivals(Arrivals { process: ArrivalProcess::Constant, stages });
    for (class, target) in
        [("probe-page", "front-end"), ("probe", "catalogue"), ("probe", "user"), ("probe", "payment")]
    {
        world.load(&load(class, target, shape.clone()));
    }
    world.run(at(STARTED_MS));
    let before: BTreeMap<_, _> = containers.iter().map(|(name, c)| (*name, world.stats(*c).cpu.usage)).collect();
    world.run(at(STARTED_MS + WINDOW_MS));
    for (service, millicores, mebibytes) in [
        ("front-end", 1.3, 24.0),
        ("catalogue", 0.4, 6.0),
        ("user", 0.6, 7.0),
        ("payment", 0.4, 5.0),
        ("carts", 1.7, 288.0),
        ("orders", 1.8, 290.0),
        ("shipping", 1.4, 270.0),
        ("queue-master", 1.6, 211.0),
        ("rabbitmq", 5.5, 112.0),
        ("session-db", 1.4, 4.0),
        ("catalogue-db", 0.1, 81.0),
        ("user-db", 1.25, 244.0),
    ] {
        let stats = world.stats(containers[service]);
        let cpu = (stats.cpu.usage - before[service]).as_millis_f64() / WINDOW_MS as f64 * 1e3;
        close(&format!("idle: {service}, m"), cpu, millicores, 0.2);
        close(&format!("idle: {service}, MiB"), stats.working_set.mebibytes(), mebibytes, 0.2);
    }
}

#[test]
fn java_services_start_in_their_time_and_answer_their_first_request_slowly() {
    let mut profile = shipped();
    profile.user_classes.insert("first".into(), class(&["GET /health"], 1_000_000));
    let mut world = SmallWorld::of(&profile, &[MACHINE], 1);
    let start = |world: &mut SmallWorld, service: &str, limit: u64| {
        let spec = ProcessSpec { cpu_limit: Some(Millicores(limit)), ..world.spec(service) };
        world.start_with(spec)
    };
    for database in ["carts-db", "orders-db", "rabbitmq"] {
        world.start(database);
    }
    world.run(at(20_000));
    let limits = [("orders", 500), ("queue-master", 300), ("carts", 300), ("shipping", 300)];
    let containers = limits.map(|(service, limit)| start(&mut world, service, limit));
    world.run(at(100_000));
    // Seen from the creation of the pods, 1.2 s before their processes start.
    for (container, (service, from, to)) in containers.into_iter().zip([
        ("orders", 34.0, 38.0),
        ("queue-master", 34.0, 38.0),
        ("carts", 53.0, 58.0),
        ("shipping", 53.0, 58.0),
    ]) {
        let listens = world.notices.iter().find(|(_, notice)| *notice == Notice::Listening { container }).unwrap().0;
        let took = listens.as_secs_f64() - 20.0 + 1.2;
        assert!((from..to).contains(&took), "{service} listens {took} s after its creation");
    }
    for (service, seconds) in [("orders", 2.1), ("carts", 4.4), ("shipping", 4.0)] {
        world.traffic.reset_statistics();
        world.load(&users("first", service, 1, 1.0));
        world.run(at((world.now.as_secs_f64() * 1e3) as u64 + 10_000));
        let ix = profile.services.keys().position(|name| name == service).unwrap();
        let handler = &world.traffic.statistics().services[ix].handler;
        assert_eq!(handler.count(), 1);
        close(&format!("first request: {service}, s"), handler.mean().unwrap(), seconds, 0.1);
    }
}
