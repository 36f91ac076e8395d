//! What the loss of nodes and the company on them mean for requests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sim::diagnostic::Source;
use sim::environment::Environment;
use sim::environment::{Observation, Query, Stage, ready};
use sim::manifest;
use sim::time::{SimDuration, SimTime};
use sim::units::Bytes;
use sim::world::Twin;

use crate::world::bookshop_twin;

/// Two nodes and forty readers.
const SCENARIO: &str = "
apiVersion: sockpit/v1alpha1
kind: Scenario
name: test/nodes
app: {name: bookshop}
cluster:
  nodes:
  - {name: a, cores: 2, memory: 4Gi}
  - {name: b, cores: 2, memory: 4Gi}
workloads:
- {user_class: reader, target: web, shape: {level: light}, start: 15s}
task: {levels: [L3], agent: web, text: none, goal: maintain, start: 1h}
budget: {time: 2h}
slos: {components: [web]}
";

fn twin() -> Twin {
    let mut twin = bookshop_twin(SCENARIO, &[]);
    ready(twin.prepare()).unwrap();
    run(&mut twin, 120);
    assert!(twin.all_ready());
    twin
}

fn run(twin: &mut Twin, seconds: u64) {
    let until = twin.now() + SimDuration::from_secs(seconds);
    twin.run_until(until);
    twin.check_conservation().unwrap();
}

/// Where the pods are, oldest name first.
fn nodes_of(twin: &mut Twin, component: &str) -> Vec<Option<String>> {
    let query = Query::ListPods { component: Some(component.to_owned()) };
    let Ok(Observation::Pods(pods)) = ready(twin.observe(&query)) else { panic!("no pods") };
    pods.into_iter().filter(|pod| pod.status != "Terminating").map(|pod| pod.node).collect()
}

#[test]
fn requests_to_a_lost_node_hang_and_are_served_again_when_it_is_back() {
    let mut twin = twin();
    // Without it nothing can be answered.
    let home = nodes_of(&mut twin, "postgres")[0].clone().unwrap();
    let (before, _) = served(&mut twin, 30);
    assert!(before > 200, "{before}");
    twin.lose_node(&home).unwrap();
    run(&mut twin, 5);
    let (during, refused) = served(&mut twin, 30);
    assert_eq!(during, 0);
    assert!(refused < 60, "they hang, and do not fail at once: {refused}");
    twin.restore_node(&home).unwrap();
    run(&mut twin, 240);
    let (after, _) = served(&mut twin, 30);
    assert!(after * 10 > before * 9, "{after} of {before}");
}

/// How many requests of users are answered well in a time, and how many are not.
fn served(twin: &mut Twin, seconds: u64) -> (u64, u64) {
    twin.reset_statistics();
    run(twin, seconds);
    let requests = &twin.statistics().requests;
    let failed = |r: &sim::traffic::RequestStatistics| r.server_errors + r.unanswered;
    (requests.iter().map(|r| r.ok).sum(), requests.iter().map(failed).sum())
}

#[test]
fn a_silent_node_serves_on() {
    let mut twin = twin();
    let home = nodes_of(&mut twin, "web")[0].clone().unwrap();
    twin.silence_node(&home).unwrap();
    let (answered, failed) = served(&mut twin, 35);
    assert!(answered > 200 && failed == 0, "{answered} {failed}");
    assert!(twin.lose_node("nowhere").is_err());
}

#[test]
fn a_node_whose_memory_is_taken_evicts_its_pods() {
    let mut twin = twin();
    let home = nodes_of(&mut twin, "web")[0].clone().unwrap();
    twin.occupy_memory(&home, Bytes::from_mebibytes(4096)).unwrap();
    run(&mut twin, 90);
    let homes = nodes_of(&mut twin, "web");
    let elsewhere = if home == "a" { "b" } else { "a" };
    assert!(homes.contains(&Some(elsewhere.to_owned())), "{homes:?}");
}

/// A neighbour with two busy threads.
fn neighbour(name: &str, request: &str) -> manifest::Deployment {
    let text = format!(
        "apiVersion: v1
kind: Namespace
metadata: {{name: neighbours}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: neighbours}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      nodeSelector: {{kubernetes.io/hostname: b}}
      containers:
      - name: stress
        image: polinux/stress:1.0.4
        args: [--cpu, '2']
        resources: {{requests: {{cpu: {request}}}}}
"
    );
    let source = Source { path: "neighbour.yaml".into(), text };
    manifest::read_objects(&source).unwrap().0.deployments.remove(0)
}

#[test]
fn neighbours_share_a_full_node_by_their_requests() {
    let mut twin = twin();
    twin.apply_deployment(neighbour("left", "200m")).unwrap();
    twin.apply_deployment(neighbour("right", "600m")).unwrap();
    run(&mut twin, 60);
    let busy_before = twin.nodes_busy()[1];
    let start: SimTime = twin.now();
    run(&mut twin, 60);
    let busy = (twin.nodes_busy()[1] - busy_before).as_secs_f64() / twin.now().since(start).as_secs_f64();
    assert!(busy > 1.99, "both cores are busy: {busy}");
    let mut used = |component: &str| {
        let query = Query::ResourceUsage { component: Some(component.to_owned()) };
        let Ok(Observation::Usage(usage)) = ready(twin.observe(&query)) else { panic!("no usage") };
        usage[0].cpu.0 as f64
    };
    let (left, right) = (used("left"), used("right"));
    let share = right / left;
    assert!((2.5..3.5).contains(&share), "{left} {right}");
}
