//! Nodes that are lost, fall silent, and come back.

use sim::ids::{KubeServiceIx, NodeIx};
use sim::kubectl::Command;

use super::*;

/// Four pods on two nodes, two on each.
fn four_pods(spec: &[&str]) -> Rig {
    let mut rig = Rig::with(&web(4, spec, &[READINESS]), &[node("a", 2000), node("b", 2000)], 1);
    rig.boot_ready();
    assert_eq!(rig.on("b").len(), 2);
    rig
}

/// The manifest of `web` whose pods go after `seconds`.
fn impatient(seconds: u32) -> String {
    let toleration = |what: &str| {
        format!("{{key: node.kubernetes.io/{what}, operator: Exists, effect: NoExecute, tolerationSeconds: {seconds}}}")
    };
    let tolerations = format!("tolerations: [{}, {}]", toleration("unreachable"), toleration("not-ready"));
    web(4, &[], &[READINESS]).replace("      containers:", &format!("      {tolerations}\n      containers:"))
}

impl Rig {
    /// Names of the pods on a node.
    fn on(&self, node: &str) -> Vec<String> {
        let pods = self.cluster.list_pods(self.now, None).into_iter();
        pods.filter(|pod| pod.node.as_deref() == Some(node)).map(|pod| pod.name).collect()
    }

    fn is_ready(&self, node: &str) -> bool {
        self.cluster.list_nodes().iter().any(|n| n.name == node && n.ready)
    }

    fn alive(&self) -> usize {
        self.script.processes.iter().filter(|process| process.is_alive).count()
    }

    fn seconds(&self) -> f64 {
        self.now.since(at(100.0)).as_secs_f64()
    }
}

#[test]
fn a_lost_node_is_given_up_after_its_grace_and_its_pods_leave_their_service() {
    let mut rig = four_pods(&[]);
    let lost = rig.seconds();
    rig.lose("b");
    assert_eq!((rig.alive(), rig.backends(0)), (2, 2), "the processes are gone at once");
    rig.run(30.0);
    assert!(rig.is_ready("b"), "and nobody knows");
    assert_eq!(rig.cluster.component_state(rig.now, "web").available, 4);
    rig.run(30.0);
    assert!(!rig.is_ready("b"));
    let noticed = rig.times("node/b NodeNotReady")[0] - lost;
    // The last Lease is up to 10.4 s old, and is looked at every 5 s.
    assert!((39.0..55.1).contains(&noticed), "{noticed}");
    assert_eq!(rig.times("Node is not ready").len(), 2);
    assert_eq!(rig.cluster.component_state(rig.now, "web").available, 2);
    assert_eq!(rig.condition("web", "Available"), "False MinimumReplicasUnavailable");
    let backends = rig.script.backends[&(NodeIx(0), KubeServiceIx(0))].len();
    assert_eq!(backends, 2, "the survivors' kube-proxy has heard");
    assert_eq!(rig.pods(), ["1/1 Running"; 4], "what a lost kubelet showed last is still shown");
}

#[test]
fn pods_of_a_lost_node_are_replaced_after_five_minutes_and_end_when_it_is_back() {
    let mut rig = four_pods(&[]);
    let lost = rig.on("b");
    rig.lose("b");
    rig.run(330.0);
    assert!(rig.times("TaintManagerEviction").is_empty());
    rig.run(40.0);
    let noticed = rig.times("node/b NodeNotReady")[0];
    let evicted = rig.times("Marking for deletion");
    assert_eq!(evicted.len(), 2);
    assert!(evicted.iter().all(|at| (300.0..300.4).contains(&(at - noticed))), "{noticed} {evicted:?}");
    assert!(rig.cluster.all_ready());
    assert_eq!((rig.on("a").len(), rig.on("b")), (4, lost), "they cannot end there");
    rig.restore("b");
    rig.run(10.0);
    assert!(rig.is_ready("b"));
    assert!(rig.on("b").is_empty(), "{}", rig.timeline);
    assert_eq!((rig.alive(), rig.backends(0)), (4, 4));
}

#[test]
fn a_node_that_comes_back_in_time_starts_its_pods_anew() {
    let mut rig = four_pods(&[]);
    let (before, addresses) = (rig.on("b"), rig.addresses("b"));
    rig.lose("b");
    rig.run(100.0);
    rig.restore("b");
    rig.run(20.0);
    assert_eq!(rig.on("b"), before);
    assert_ne!(rig.addresses("b"), addresses, "the sandboxes are new");
    assert!(rig.cluster.all_ready(), "{}", rig.timeline);
    assert_eq!((rig.alive(), rig.backends(0)), (4, 4));
    let restarts: Vec<_> = rig.cluster.list_pods(rig.now, None).iter().map(|pod| pod.restarts).collect();
    assert_eq!(restarts.iter().sum::<u32>(), 2, "{restarts:?}");
    assert_eq!(rig.times("SandboxChanged").len(), 2);
    assert_eq!(rig.times("Cancelling deletion").len(), 2);
}

impl Rig {
    fn addresses(&self, node: &str) -> Vec<Option<String>> {
        let pods = self.cluster.list_pods(self.now, None).into_iter();
        pods.filter(|pod| pod.node.as_deref() == Some(node)).map(|pod| pod.ip).collect()
    }
}

#[test]
fn pods_of_a_silent_node_go_on() {
    let mut rig = four_pods(&[]);
    let before = rig.on("b");
    rig.silence("b");
    rig.run(100.0);
    assert!(!rig.is_ready("b"));
    assert_eq!((rig.alive(), rig.cluster.component_state(rig.now, "web").available), (4, 2));
    rig.restore("b");
    rig.run(10.0);
    assert_eq!((rig.on("b"), rig.alive(), rig.backends(0)), (before, 4, 4));
    assert!(rig.cluster.all_ready());
    assert!(rig.cluster.list_pods(rig.now, None).iter().all(|pod| pod.restarts == 0));
}

#[test]
fn a_short_silence_is_not_noticed() {
    let mut rig = four_pods(&[]);
    rig.silence("b");
    rig.run(30.0);
    rig.restore("b");
    rig.run(60.0);
    assert!(rig.times("NodeNotReady").is_empty());
    assert!(rig.cluster.all_ready());
}

#[test]
fn what_happens_on_a_silent_node_is_seen_when_it_is_back() {
    let mut rig = four_pods(&[]);
    rig.silence("b");
    let victim = rig.cluster.running_containers().find(|c| c.node == NodeIx(1)).map(|c| c.process).unwrap();
    rig.script.end(victim, 1);
    rig.look();
    rig.run(30.0);
    assert_eq!((rig.alive(), rig.pods()), (3, vec!["1/1 Running".to_owned(); 4]));
    rig.restore("b");
    rig.run(10.0);
    assert_eq!(rig.alive(), 4);
    assert_eq!(rig.cluster.list_pods(rig.now, None).iter().map(|pod| pod.restarts).sum::<u32>(), 1);
}

#[test]
fn a_pod_that_is_deleted_by_force_runs_on_until_its_kubelet_is_back() {
    let mut rig = four_pods(&[]);
    let pod = rig.on("b")[0].clone();
    rig.silence("b");
    let command = Command::DeletePods { pods: Some(vec![pod]), grace_seconds: Some(0), wait: false };
    rig.cluster.run(rig.now, &command, &mut rig.queue, &mut rig.script).unwrap();
    rig.run(20.0);
    assert_eq!((rig.pods().len(), rig.alive()), (4, 4), "the new one cannot start there, or one runs twice elsewhere");
    rig.restore("b");
    rig.run(20.0);
    assert_eq!((rig.pods(), rig.alive()), (vec!["1/1 Running".to_owned(); 4], 4));
}

#[test]
fn tolerations_say_how_long_pods_stay() {
    let mut rig = Rig::with(&impatient(10), &[node("a", 2000), node("b", 2000)], 1);
    rig.boot_ready();
    rig.lose("b");
    rig.run(75.0);
    let (noticed, evicted) = (rig.times("node/b NodeNotReady")[0], rig.times("Marking for deletion"));
    assert_eq!(evicted.len(), 2);
    assert!(evicted.iter().all(|at| (10.0..10.4).contains(&(at - noticed))), "{noticed} {evicted:?}");
    assert!(rig.cluster.all_ready());
}

#[test]
fn nobody_is_evicted_while_all_nodes_are_lost() {
    let mut rig = Rig::with(&impatient(10), &[node("a", 2000), node("b", 2000)], 1);
    rig.boot_ready();
    rig.silence("a");
    rig.silence("b");
    rig.run(200.0);
    assert!(!rig.is_ready("a") && !rig.is_ready("b"));
    assert!(rig.times("Marking for deletion").is_empty(), "{}", rig.timeline);
    rig.restore("a");
    // The other one is lost now, and not the controller cut off.
    rig.run(30.0);
    assert_eq!(rig.times("Marking for deletion").len(), 2);
}

#[test]
fn nodes_are_given_up_together_and_tainted_one_in_ten_seconds() {
    let nodes = ["a", "b", "c", "d"].map(|name| node(name, 2000));
    let mut rig = Rig::with(&impatient(0).replace("replicas: 4", "replicas: 8"), &nodes, 1);
    rig.boot_ready();
    rig.lose("a");
    rig.lose("b");
    rig.run(100.0);
    let evicted = rig.times("Marking for deletion");
    assert_eq!(evicted.len(), 4);
    let between = evicted[2] - evicted[1];
    assert!((10.0..10.3).contains(&between), "{evicted:?}");
}

#[test]
fn a_node_without_its_container_runtime_says_so() {
    let mut rig = four_pods(&[]);
    let lost = rig.seconds();
    rig.lose_runtime("b");
    rig.run(60.0);
    assert!(!rig.is_ready("b"));
    let noticed = rig.times("node/b NodeNotReady")[0] - lost;
    assert!((25.0..40.5).contains(&noticed), "{noticed}");
    // The kubelet itself says it, so that its pods count as they did.
    assert!(rig.times("Node is not ready").is_empty());
    assert_eq!((rig.alive(), rig.cluster.component_state(rig.now, "web").available), (4, 4));
    let pod = rig.on("b")[0].clone();
    rig.do_write(&Write::DeletePod { pod });
    rig.run(20.0);
    assert_eq!(rig.alive(), 5, "nothing can be ended there");
    rig.restore("b");
    rig.run(30.0);
    assert!(rig.is_ready("b"));
    assert_eq!((rig.alive(), rig.cluster.all_ready()), (4, true));
}

#[test]
fn new_pods_avoid_a_lost_node_and_say_why_they_wait() {
    let mut rig = four_pods(&[]);
    rig.lose("b");
    rig.run(60.0);
    rig.do_write(&Write::SetResources(sim::environment::ResourceChange {
        component: "web".to_owned(),
        cpu_request: Some(Millicores(1900)),
        ..Default::default()
    }));
    rig.run(3.0);
    let message = "1 Insufficient cpu, 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }.";
    assert!(rig.timeline.contains(message), "{}", rig.timeline);
}
