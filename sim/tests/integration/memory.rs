//! Memory: who is killed for it, what that breaks, and what Kubernetes and Prometheus show of it.

use sim::chance::Key;
use sim::environment::{ContainerView, Environment, Observation, Query, Stage, ready};
use sim::ids::ContainerIx;
use sim::promql::{self, Value};
use sim::time::{SimDuration, SimTime};
use sim::traffic::{NodeSpec, Notice, Phase, ProcessSpec};
use sim::units::Bytes;
use sim::world::Twin;

use crate::small_world::{SmallWorld, at, users};
use crate::world::bookshop_twin;

const SHOP: &str = "
services:
  web:
    port: 80
    runtime: {model: threads, start_up: {cpu: 100ms, threads: 2}}
    memory: {base: 10Mi}
    clients: {db: {connections: {pool: {max_open: 4}}, timeout: 50ms, retries: 1}}
    endpoints: [{request: GET /, program: [{cpu: {mean: 1ms, variation: 1}}, {call: {to: db, request: get}}]}]
  db:
    port: 81
    runtime: {model: event-loop}
    memory: {base: 10Mi}
    endpoints: [{request: get, program: [{cpu: {mean: 1ms, variation: 1}}, {wait: {mean: 3ms}}]}]
user_classes:
  eager: {wait: {exponential: 5ms}, timeout: 200ms, tasks: [{name: get, requests: [{request: GET /}]}]}
";

/// A world whose kernel kills whole containers, or one process after the other.
fn world(kills_group: bool, seed: u64) -> SmallWorld {
    SmallWorld::new(SHOP, &[NodeSpec { oom_kills_group: kills_group, ..NodeSpec::default() }], seed)
}

fn limited(world: &SmallWorld, service: &str, mebibytes: u64) -> ProcessSpec {
    ProcessSpec { memory_limit: Some(Bytes::from_mebibytes(mebibytes)), ..world.spec(service) }
}

#[test]
fn a_process_that_is_too_large_dies_on_its_way_up() {
    let mut world = world(true, 1);
    let web = world.start_with(limited(&world, "web", 4));
    world.run_with_kills(at(1_000));
    // 4 of 10 Mi after 40 of 100 ms, which two threads do in 20 ms.
    let expected =
        [(at(20), Notice::OverLimit { container: web }), (at(20), Notice::Exited { container: web, code: 137 })];
    assert_eq!(world.notices, expected);
    assert_eq!(world.stats(0).working_set, Bytes(0));
}

/// 10 Mi of its own and these processes of a fault, under a limit of 40 Mi.
fn check_victim(kills_group: bool, stress: &[(u32, u64)], survives: bool, left: u64, killed: u32) {
    let mut world = world(kills_group, 1);
    let web = world.start_with(limited(&world, "web", 40));
    world.run(at(1_000));
    for &(workers, mebibytes) in stress {
        world.traffic.stress_memory(world.now, web, workers, Bytes::from_mebibytes(mebibytes));
    }
    world.run_with_kills(at(2_000));
    let stats = world.stats(0);
    let seen = (stats.phase == Phase::Listening, stats.working_set, stats.oom_kills);
    assert_eq!(seen, (survives, Bytes::from_mebibytes(left), killed), "{kills_group} {stress:?}");
}

#[test]
fn the_kernel_kills_the_container_or_its_largest_process() {
    check_victim(true, &[(1, 30)], true, 40, 0);
    check_victim(true, &[(1, 31)], false, 0, 0);
    check_victim(false, &[(1, 31)], true, 10, 1);
    check_victim(false, &[(2, 60)], true, 40, 1);
    // Of many small ones the service itself is the largest.
    check_victim(false, &[(8, 32)], false, 0, 0);
    check_victim(false, &[(1, 12), (1, 30)], true, 22, 1);
}

#[test]
fn stress_that_ends_gives_its_memory_back_and_only_its_own() {
    let mut world = world(false, 1);
    let web = world.start_with(limited(&world, "web", 40));
    world.run(at(1_000));
    let first = world.traffic.stress_memory(world.now, web, 2, Bytes::from_mebibytes(8));
    let second = world.traffic.stress_memory(world.now, web, 1, Bytes::from_mebibytes(30));
    assert_eq!(world.stats(0).working_set, Bytes::from_mebibytes(18), "the second was killed at once");
    world.traffic.unstress_memory(world.now, second);
    assert_eq!(world.stats(0).working_set, Bytes::from_mebibytes(18));
    world.traffic.unstress_memory(world.now, first);
    assert_eq!((world.stats(0).working_set, world.stats(0).oom_kills), (Bytes::from_mebibytes(10), 1));
}

#[test]
fn a_leak_counts_from_when_it_began() {
    let mut world = world(true, 1);
    let db = world.start("db");
    world.start("web");
    world.load(&users("eager", "web", 4, 4.0));
    world.run(at(5_000));
    let before = world.stats(db.0).served;
    let leak = sim::traffic::Leak { per_request: Bytes(1024), ..sim::traffic::Leak::default() };
    world.traffic.set_leak(world.now, &mut world.queue, db, leak);
    assert_eq!(world.stats(db.0).working_set, Bytes::from_mebibytes(10), "nothing has leaked yet");
    world.run(at(6_000));
    world.traffic.set_leak(world.now, &mut world.queue, db, sim::traffic::Leak::default());
    let leaked = Bytes(1024 * (world.stats(db.0).served - before));
    world.run(at(7_000));
    assert_eq!(world.stats(db.0).working_set, Bytes::from_mebibytes(10) + leaked);
}

/// Containers are killed for their memory at random times while requests are in all their stages, and start again.
#[test]
fn requests_are_conserved_through_kills_at_random_times() {
    let mut resets = 0;
    for seed in 0..40 {
        let mut world = world(true, seed);
        let mut containers =
            [world.start_with(limited(&world, "web", 40)), world.start_with(limited(&world, "db", 40))];
        world.load(&users("eager", "web", 20, 1_000.0));
        world.run_with_kills(at(500));
        for kill in 0..10 {
            let draw = |what: &str, below| Key::root(seed).with_str(what).with(kill).draw().below(below);
            let victim = draw("victim", 2) as usize;
            world.run_with_kills(world.now + SimDuration::from_micros(draw("time", 30_000)));
            world.traffic.stress_memory(world.now, containers[victim], 1, Bytes::from_mebibytes(64));
            world.run_with_kills(world.now);
            assert_eq!(world.stats(containers[victim].0).phase, Phase::Exited);
            assert_eq!(world.traffic.check_conservation(), Ok(()), "seed {seed}, kill {kill}");
            let spec = limited(&world, ["web", "db"][victim], 40);
            let spec = ProcessSpec { replaces: Some(containers[victim]), ..spec };
            containers[victim] = world.traffic.start(world.now, &mut world.queue, spec);
        }
        world.run_with_kills(world.now + SimDuration::from_millis(500));
        world.traffic.stop_workload(world.now, sim::traffic::WorkloadIx(0));
        world.run_with_kills(world.now + SimDuration::SECOND);
        let requests = &world.traffic.statistics().requests[0];
        assert_eq!(requests.sent, requests.ok + requests.server_errors + requests.unanswered, "seed {seed}");
        assert_eq!((world.traffic.waiting_requests(), world.traffic.check_conservation()), (0, Ok(())));
        assert!(requests.ok > 0);
        resets += requests.unanswered;
    }
    assert!(resets > 40, "kills break requests: {resets}");
}

const SCENARIO: &str = "
apiVersion: sockpit/v1alpha1
kind: Scenario
name: test/memory
app: {name: bookshop}
cluster: {cgroup: v2}
workloads:
- {user_class: reader, target: web, shape: {users: {users: 20, spawn_rate: 20}}, start: 30s}
faults:
- start: 60s
  inject:
    chaos-mesh:
      apiVersion: chaos-mesh.org/v1alpha1
      kind: StressChaos
      metadata: {name: memory}
      spec: {mode: one, selector: {labelSelectors: {app: web}}, stressors: {memory: {workers: 1, size: 512MB}}}
task: {levels: [L5], agent: web, text: none, goal: maintain, start: 1h}
budget: {time: 2h}
slos: {components: [web]}
";

/// A bookshop with some changes of its scenario and its files, prepared.
fn twin(changes: &[(&str, &str)], files: &[(&str, &str, &str)]) -> Twin {
    let text = changes.iter().fold(SCENARIO.to_owned(), |text, (from, to)| text.replace(from, to));
    let mut twin = bookshop_twin(&text, files);
    ready(twin.prepare()).expect("the twin is always there");
    twin
}

fn run(twin: &mut Twin, seconds: u64) {
    let until = SimTime::ZERO + SimDuration::from_secs(seconds);
    while twin.now() < until {
        twin.run_until(twin.now() + SimDuration::SECOND);
        assert_eq!(twin.check_conservation(), Ok(()));
    }
}

/// The first container of each pod of a component.
fn containers(twin: &mut Twin, component: &str) -> Vec<ContainerView> {
    match ready(twin.observe(&Query::Describe { component: component.into() })) {
        Ok(Observation::Description(seen)) => seen.containers.into_iter().map(|mut pod| pod.remove(0)).collect(),
        other => panic!("{other:?}"),
    }
}

/// Values of an expression now, in the order of its series.
fn values(twin: &Twin, expression: &str) -> Vec<f64> {
    match promql::query(twin.store(), expression, twin.now().as_millis()) {
        Ok(Value::Vector { elements, .. }) => elements.iter().map(|element| element.value).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn stress_beyond_the_limit_kills_the_container_which_comes_back_without_it() {
    let mut twin = twin(&[], &[]);
    run(&mut twin, 60);
    assert!(twin.all_ready());
    ready(twin.inject(0)).unwrap();
    assert_eq!(twin.check_conservation(), Ok(()));
    run(&mut twin, 75);
    let mut seen = containers(&mut twin, "web");
    seen.sort_by_key(|container| container.restarts);
    let [spared, hit] = &seen[..] else { panic!("two pods: {seen:?}") };
    assert_eq!((spared.restarts, &spared.last_state), (0, &None));
    assert_eq!((hit.restarts, hit.state.as_str()), (1, "Running"));
    assert_eq!(hit.last_state.as_deref(), Some("Terminated (OOMKilled, exit code 137)"));
    run(&mut twin, 120);
    assert!(twin.all_ready());
    let most = values(&twin, "max(container_memory_working_set_bytes{container=\"web\"})");
    assert!(most[0] < 30e6, "{most:?}");
    ready(twin.recover(0)).unwrap();
}

/// On control groups of version 1 only the stress dies, and cAdvisor counts it.
#[test]
fn the_largest_process_dies_alone_on_old_control_groups() {
    let mut twin = twin(&[("cgroup: v2", "cgroup: v1")], &[]);
    run(&mut twin, 60);
    ready(twin.inject(0)).unwrap();
    run(&mut twin, 120);
    assert!(containers(&mut twin, "web").iter().all(|container| container.restarts == 0));
    assert_eq!(values(&twin, "sum(container_oom_events_total{container=\"web\"})"), [1.0]);
}

#[test]
fn stress_below_the_limit_shows_and_goes() {
    let mut twin = twin(&[("size: 512MB", "size: 64MB"), ("stressors", "duration: 60s, stressors")], &[]);
    let working_set = "max(container_memory_working_set_bytes{container=\"web\"}) / 1024 / 1024";
    run(&mut twin, 60);
    ready(twin.inject(0)).unwrap();
    run(&mut twin, 110);
    let stressed = values(&twin, working_set)[0];
    ready(twin.recover(0)).unwrap();
    run(&mut twin, 160);
    let after = values(&twin, working_set)[0];
    assert!((84.0..85.0).contains(&stressed) && (20.0..21.0).contains(&after), "{stressed} {after}");
    assert!(containers(&mut twin, "web").iter().all(|container| container.restarts == 0));
}

/// 250 Mi and 10 Mi per request under a limit of 400 Mi: fifteen requests, and it starts anew, each time later.
#[test]
fn a_leak_leads_to_crash_loop_back_off() {
    let leak = [("profile.yaml", "memory: {base: 250Mi}", "memory: {base: 250Mi, leak_per_request: 10Mi}")];
    let mut twin = twin(&[], &leak);
    let (mut restarts, mut waited) = (Vec::new(), false);
    for second in 30..=300 {
        run(&mut twin, second);
        let books = containers(&mut twin, "books").remove(0);
        if restarts.last().is_none_or(|(last, _)| *last < books.restarts) {
            restarts.push((books.restarts, second));
        }
        waited |= books.state == "Waiting (CrashLoopBackOff)";
        if books.restarts > 0 {
            assert_eq!(books.last_state.as_deref(), Some("Terminated (OOMKilled, exit code 137)"));
        }
    }
    assert!(waited && restarts.len() >= 4, "{restarts:?}");
    let gaps: Vec<_> = restarts.windows(2).skip(1).map(|pair| pair[1].1 - pair[0].1).collect();
    // Back-offs of 10, 20 and 40 s, and the few seconds that it lives.
    for (gap, back_off) in gaps.iter().zip([10, 20, 40]) {
        assert!((back_off..back_off + 12).contains(gap), "{restarts:?}");
    }
    let events = ready(twin.observe(&Query::Events { component: Some("books".into()) })).unwrap();
    let Observation::Events(events) = events else { panic!("{events:?}") };
    assert!(events.iter().any(|event| event.reason == "BackOff"), "{events:?}");
}

/// What is killed is the container's, and the address stays the pod's.
#[test]
fn a_killed_container_refuses_until_the_next_one_listens() {
    let mut world = world(true, 1);
    let web = world.start_with(limited(&world, "web", 40));
    world.start("db");
    world.load(&users("eager", "web", 1, 1.0));
    world.run_with_kills(at(1_000));
    let before = world.traffic.statistics().requests[0].unanswered;
    world.traffic.stress_memory(world.now, web, 1, Bytes::from_mebibytes(64));
    world.run_with_kills(at(1_500));
    assert!(world.traffic.statistics().requests[0].unanswered > before + 10);
    let spec = ProcessSpec { replaces: Some(ContainerIx(0)), ..limited(&world, "web", 40) };
    world.traffic.start(world.now, &mut world.queue, spec);
    world.run_with_kills(at(1_600));
    let unanswered = world.traffic.statistics().requests[0].unanswered;
    world.run_with_kills(at(3_000));
    assert_eq!(world.traffic.statistics().requests[0].unanswered, unanswered);
}
