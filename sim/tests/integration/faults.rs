//! Faults in the twin: what each does through its door, and that its end gives back what was before.

use proptest::prelude::*;
use sim::environment::{Description, Environment, LogQuery, Observation, PodView, Query, Stage, Write, ready};
use sim::fault::{Fault, FaultKind};
use sim::time::{SimDuration, SimTime};
use sim::world::Twin;

use crate::logs::names_a_fault;
use crate::world::bookshop_twin;

/// Kinds that the bookshop can have, each as its file says it.
const FAULTS: &[(FaultKind, &str)] = &[
    (FaultKind::PodFailure, CHAOS_POD_FAILURE),
    (FaultKind::PodKill, CHAOS_POD_KILL),
    (FaultKind::ContainerKill, CHAOS_CONTAINER_KILL),
    (FaultKind::CpuStress, CHAOS_CPU),
    (FaultKind::MemoryStress, CHAOS_MEMORY),
    (FaultKind::NetworkDelay, NETWORK_DELAY),
    (FaultKind::NetworkLoss, NETWORK_LOSS),
    (FaultKind::NetworkPartition, NETWORK_PARTITION),
    (FaultKind::NetworkBandwidth, NETWORK_BANDWIDTH),
    (FaultKind::HttpAbort, HTTP_ABORT),
    (FaultKind::HttpDelay, HTTP_DELAY),
    (FaultKind::SlowDisk, IO_LATENCY),
    (FaultKind::DiskFull, IO_FAULT),
    (FaultKind::FakeImage, "fake-image: {component: web, image: bookshop/exporter}"),
    (FaultKind::BadTag, "bad-tag: {component: web, image: 'bookshop/web:9'}"),
    (FaultKind::WrongProbe, "wrong-probe: {component: web, probe: readiness, path: /healthz}"),
    (FaultKind::TooSmallLimit, "too-small-limit: {component: books, memory: 200Mi}"),
    (FaultKind::BadEnvironment, "bad-environment: {component: books, name: STORE, value: databse}"),
    (FaultKind::CrashOnStart, "crash-on-start: {component: postgres, name: PGDATABASE, value: bocks}"),
    (FaultKind::WrongPort, "wrong-port: {component: books, port: 8000, target_port: 8001}"),
    (FaultKind::WrongSelector, "wrong-selector: {component: books, selector: {app: bocks}}"),
    (FaultKind::QuotaExceeded, "quota-exceeded: {component: web, name: team, hard: {pods: '3'}}"),
    (FaultKind::BlockedByPolicy, "blocked-by-policy: {component: books, labels: {app: books}, name: deny}"),
    (FaultKind::MemoryLeak, "memory-leak: {component: web, per_request: 128Ki, per_second: 64Ki}"),
    (FaultKind::SlowDatabase, "slow-database: {component: postgres, cost_factor: 50}"),
    (FaultKind::DatabaseAgeing, "database-ageing: {component: postgres, documents: 20000}"),
    (FaultKind::RetryStorm, "retry-storm: {component: books, to: store, timeout: 1ms, retries: 4}"),
    (FaultKind::RetryOverload, RETRY_OVERLOAD),
    (FaultKind::NodeLoss, "node-loss: {node: minikube}"),
    (FaultKind::NodePressure, "node-pressure: {node: minikube, disk: 1Gi}"),
    (FaultKind::NoisyNeighbour, "noisy-neighbour: {node: minikube, workers: 4, cpu: 500m}"),
    (FaultKind::RisingTraffic, "rising-traffic: {user_class: reader, target: web, shape: {level: light}}"),
    (FaultKind::TrafficBurst, "traffic-burst: {user_class: reader, target: web, shape: {level: light}}"),
];

const CHAOS_POD_FAILURE: &str =
    "PodChaos, spec: {action: pod-failure, mode: all, selector: {labelSelectors: {app: web}}}";
const CHAOS_POD_KILL: &str = "PodChaos, spec: {action: pod-kill, mode: one, selector: {labelSelectors: {app: web}}}";
const CHAOS_CONTAINER_KILL: &str =
    "PodChaos, spec: {action: container-kill, mode: one, selector: {labelSelectors: {app: books}}}";
const NETWORK_DELAY: &str = "NetworkChaos, spec: {action: delay, delay: {latency: 50ms, jitter: 5ms}, mode: all, selector: {labelSelectors: {app: books}}}";
const NETWORK_LOSS: &str =
    "NetworkChaos, spec: {action: loss, loss: {loss: '30'}, mode: one, selector: {labelSelectors: {app: web}}}";
const NETWORK_PARTITION: &str = "NetworkChaos, spec: {action: partition, direction: both, mode: all, selector: {labelSelectors: {app: postgres}}, target: {mode: all, selector: {labelSelectors: {app: books}}}}";
const NETWORK_BANDWIDTH: &str = "NetworkChaos, spec: {action: bandwidth, bandwidth: {rate: 20kbps, limit: 100000, buffer: 10000}, mode: all, selector: {labelSelectors: {app: web}}}";
const HTTP_ABORT: &str = "HTTPChaos, spec: {target: Request, port: 8000, path: '/books/*', abort: true, mode: all, selector: {labelSelectors: {app: books}}}";
const HTTP_DELAY: &str =
    "HTTPChaos, spec: {target: Response, port: 8080, delay: 300ms, mode: one, selector: {labelSelectors: {app: web}}}";
const IO_LATENCY: &str = "IOChaos, spec: {action: latency, delay: 30ms, volumePath: /data, mode: all, selector: {labelSelectors: {app: postgres}}}";
const IO_FAULT: &str = "IOChaos, spec: {action: fault, errno: 28, percent: 50, volumePath: /data, mode: all, selector: {labelSelectors: {app: postgres}}}";
const RETRY_OVERLOAD: &str = "retry-overload: {client: {component: books, to: store, timeout: 20ms, retries: 3}, burst: {user_class: reader, target: web, shape: {stages: [{duration: 20s, users: 100, spawn_rate: 50}, {duration: 1s, users: 0, spawn_rate: 100}]}}}";
const CHAOS_CPU: &str =
    "StressChaos, spec: {mode: one, selector: {labelSelectors: {app: web}}, stressors: {cpu: {workers: 1}}}";
const CHAOS_MEMORY: &str = "StressChaos, spec: {mode: one, selector: {labelSelectors: {app: web}}, stressors: {memory: {workers: 1, size: 40MB}}}";

/// A bookshop with each of the faults, in their order; none begins by itself in time.
fn twin() -> Twin {
    let faults: String = FAULTS
        .iter()
        .map(|(_, text)| match text.split_once(", spec") {
            Some((kind, spec)) => format!(
                "- start: 10h\n  inject:\n    chaos-mesh: {{apiVersion: chaos-mesh.org/v1alpha1, kind: {kind}, metadata: \
                 {{name: x}}, spec{spec}}}\n"
            ),
            None => format!("- start: 10h\n  end: 11h\n  inject: {{{text}}}\n"),
        })
        .collect();
    let scenario = format!(
        "apiVersion: sockpit/v1alpha1\nkind: Scenario\nname: test/bookshop\napp: {{name: bookshop}}\nworkloads:\n\
         - {{user_class: reader, target: web, shape: {{level: light}}, start: 15s}}\nfaults:\n{faults}\
         task: {{levels: [L5], agent: web, text: none, goal: maintain, start: 1h}}\nbudget: {{time: 12h}}\n\
         slos: {{components: [web]}}\n"
    );
    let mut twin = bookshop_twin(&scenario, &[]);
    ready(twin.prepare()).unwrap_or_else(|failure| panic!("{failure}"));
    twin
}

fn run(twin: &mut Twin, seconds: u64) {
    twin.run_until(twin.now() + SimDuration::from_secs(seconds));
}

fn describe(twin: &mut Twin, component: &str) -> Description {
    match ready(twin.observe(&Query::Describe { component: component.into() })) {
        Ok(Observation::Description(found)) => *found,
        other => panic!("{component}: {other:?}"),
    }
}

fn pods(twin: &mut Twin) -> Vec<PodView> {
    match ready(twin.observe(&Query::ListPods { component: None })) {
        Ok(Observation::Pods(pods)) => pods,
        other => panic!("{other:?}"),
    }
}

/// What the manifests say of a component and its Service: all but what controllers write.
fn written(twin: &mut Twin, component: &str) -> impl PartialEq + std::fmt::Debug + use<> {
    let found = describe(twin, component);
    let d = found.deployment;
    let container = (d.image, d.command, d.args, d.env, d.probes);
    let resources = (d.cpu_request, d.cpu_limit, d.memory_request, d.memory_limit);
    (d.replicas, container, resources, found.service.map(|service| (service.selector, service.ports)))
}

/// Requests that succeeded and failed in the next so many seconds.
fn outcome(twin: &mut Twin, seconds: u64) -> (u64, u64) {
    ready(twin.truth()).unwrap_or_else(|failure| panic!("{failure}"));
    run(twin, seconds);
    let truth = ready(twin.truth()).unwrap_or_else(|failure| panic!("{failure}"));
    (truth.client_ok, truth.client_failed)
}

#[test]
fn every_kind_of_this_list_is_what_it_says() {
    let faults = FAULTS.iter().map(|(kind, _)| *kind);
    let loaded: Vec<_> = twin().scenario().faults.iter().map(Fault::kind).collect();
    assert_eq!(loaded, faults.map(Some).collect::<Vec<_>>());
}

#[test]
fn the_end_of_a_fault_gives_back_what_was_before() {
    for (index, (kind, _)) in FAULTS.iter().enumerate() {
        let mut twin = twin();
        run(&mut twin, 120);
        let before = ["web", "books"].map(|component| written(&mut twin, component));
        ready(twin.inject(index)).unwrap_or_else(|failure| panic!("{kind}: {failure}"));
        run(&mut twin, 90);
        ready(twin.recover(index)).unwrap_or_else(|failure| panic!("{kind}: {failure}"));
        // Long enough for the longest back-off that has built up.
        run(&mut twin, 400);
        assert_eq!(["web", "books"].map(|component| written(&mut twin, component)), before, "{kind}");
        let (ok, failed) = outcome(&mut twin, 60);
        assert!(ok > 300 && failed == 0, "{kind}: {ok} answered, {failed} failed");
        assert!(pods(&mut twin).iter().all(|pod| pod.ready == pod.containers), "{kind}: {:?}", pods(&mut twin));
    }
}

/// Whatever is read of logs, of the newest containers or of those before, is what the programs would write.
#[test]
fn no_log_names_a_fault() {
    for (index, (kind, _)) in FAULTS.iter().enumerate() {
        let mut twin = twin();
        run(&mut twin, 60);
        ready(twin.inject(index)).unwrap_or_else(|failure| panic!("{kind}: {failure}"));
        run(&mut twin, 60);
        for (pod, previous) in pods(&mut twin).into_iter().flat_map(|pod| [(pod.name.clone(), false), (pod.name, true)])
        {
            let query = Query::Logs(LogQuery { of: pod, previous, tail: 1000 });
            let Ok(Observation::Logs { lines, .. }) = ready(twin.observe(&query)) else { continue };
            assert!(!lines.iter().any(|line| names_a_fault(line)), "{kind}: {lines:?}");
        }
    }
}

/// What somebody else has written meanwhile stays.
#[test]
fn the_end_of_a_fault_takes_back_no_more_than_its_own() {
    let index = FAULTS.iter().position(|(kind, _)| *kind == FaultKind::TooSmallLimit).unwrap();
    let mut twin = twin();
    run(&mut twin, 60);
    ready(twin.inject(index)).unwrap();
    let env = Write::SetEnv { component: "books".into(), name: "A".into(), value: Some("1".into()) };
    ready(twin.act(&env)).unwrap();
    run(&mut twin, 30);
    ready(twin.recover(index)).unwrap();
    let found = describe(&mut twin, "books").deployment;
    assert_eq!(found.env, [("A".to_owned(), "1".to_owned())]);
    assert_eq!(found.memory_limit, Some(sim::units::Bytes::from_mebibytes(400)));

    let bad_tag = FAULTS.iter().position(|(kind, _)| *kind == FaultKind::BadTag).unwrap();
    ready(twin.inject(bad_tag)).unwrap();
    let image = Write::SetImage { component: "web".into(), image: "bookshop/web:1.1".into() };
    ready(twin.act(&image)).unwrap();
    ready(twin.recover(bad_tag)).unwrap();
    assert_eq!(describe(&mut twin, "web").deployment.image, "bookshop/web:1.1");
}

/// Of two faults on one field the later one began with what the earlier had written: that must not come back with its end.
#[test]
fn faults_on_the_same_field_may_overlap() {
    let number = |kind: FaultKind| FAULTS.iter().position(|(other, _)| *other == kind).unwrap();
    let (bad_tag, fake_image) = (number(FaultKind::BadTag), number(FaultKind::FakeImage));
    let mut twin = twin();
    run(&mut twin, 40);
    let image = |twin: &mut Twin| describe(twin, "web").deployment.image;
    let right = image(&mut twin);
    for index in [bad_tag, fake_image] {
        ready(twin.inject(index)).unwrap();
        run(&mut twin, 20);
    }
    let fake = image(&mut twin);
    ready(twin.recover(bad_tag)).unwrap();
    assert_eq!(image(&mut twin), fake, "the other one goes on");
    ready(twin.recover(fake_image)).unwrap();
    assert_eq!(image(&mut twin), right);
}

/// What is gone has nothing to be taken back, and the world goes on.
#[test]
fn a_fault_ends_though_its_object_is_gone() {
    for (index, (kind, _)) in FAULTS.iter().enumerate() {
        let mut twin = twin();
        run(&mut twin, 40);
        ready(twin.inject(index)).unwrap_or_else(|failure| panic!("{kind}: {failure}"));
        run(&mut twin, 20);
        for component in ["web", "books"] {
            ready(twin.act(&Write::DeleteDeployment { component: component.into() })).unwrap();
        }
        run(&mut twin, 20);
        ready(twin.recover(index)).unwrap_or_else(|failure| panic!("{kind}: {failure}"));
        run(&mut twin, 40);
        assert_eq!(twin.check_conservation(), Ok(()), "{kind}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Two faults at random times, which may overlap: no request is lost, and in the end there are as many pods as are
    /// wanted.
    #[test]
    fn nothing_is_lost_or_doubled_whatever_happens_when(
        first in 0..FAULTS.len(),
        second in 0..FAULTS.len(),
        times in prop::array::uniform4(1..120_000_u64),
    ) {
        let mut twin = twin();
        let at = |ms: u64| SimTime::ZERO + SimDuration::from_millis(ms);
        let [a, b, c, d] = times;
        let mut agenda = vec![(a, first, true), (a + b, first, false), (c, second, true), (c + d, second, false)];
        if first == second {
            agenda.truncate(2);
        }
        agenda.sort_unstable();
        for (ms, index, begins) in agenda {
            twin.run_until(at(ms));
            prop_assert_eq!(twin.check_conservation(), Ok(()));
            let done = if begins { ready(twin.inject(index)) } else { ready(twin.recover(index)) };
            prop_assert!(done.is_ok(), "{:?}", done);
        }
        run(&mut twin, 600);
        prop_assert_eq!(twin.check_conservation(), Ok(()));
        let found: Vec<_> = pods(&mut twin).into_iter().map(|pod| (pod.component, pod.ready, pod.status)).collect();
        let running = |component: &str| (component.to_owned(), 1, "Running".to_owned());
        let mut expected = vec![running("books"), running("postgres"), running("web"), running("web")];
        expected.sort();
        let mut found = found;
        found.sort();
        prop_assert_eq!(found, expected);
    }
}
