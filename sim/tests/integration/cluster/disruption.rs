//! Cordons, drains, and the budgets that hold them.

use sim::kubectl::Command;

use super::*;

fn budget(bound: &str) -> String {
    format!(
        "apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: web, namespace: sock-shop}}
spec:
  {bound}
  selector: {{matchLabels: {{name: web}}}}
---
"
    )
}

fn rig(replicas: u32, bound: Option<&str>) -> Rig {
    let manifests = web(replicas, &[], &[READINESS]) + &bound.map(budget).unwrap_or_default();
    let mut rig = Rig::with(&manifests, &[node("a", 4000), node("b", 4000)], 1);
    rig.boot_ready();
    rig
}

fn drain(node: &str) -> Write {
    Write::Drain { node: node.to_owned() }
}

impl Rig {
    fn count_on(&self, node: &str) -> usize {
        let pods = self.cluster.list_pods(self.now, None);
        pods.iter().filter(|pod| pod.node.as_deref() == Some(node) && pod.status != "Terminating").count()
    }
}

#[test]
fn a_cordoned_node_keeps_its_pods_and_gets_no_more() {
    let mut rig = rig(2, None);
    assert_eq!(rig.count_on("b"), 1);
    rig.do_write(&Write::Cordon { node: "b".to_owned() });
    assert_eq!(rig.write(&Write::Cordon { node: "b".to_owned() }), Ok("node/b already cordoned".to_owned()));
    rig.do_write(&scale("web", 6));
    rig.run(10.0);
    assert_eq!((rig.count_on("a"), rig.count_on("b")), (5, 1));
    let nodes = rig.cluster.list_nodes();
    assert_eq!(nodes.iter().map(|node| node.unschedulable).collect::<Vec<_>>(), [false, true]);
    rig.do_write(&Write::Uncordon { node: "b".to_owned() });
    rig.do_write(&scale("web", 10));
    rig.run(10.0);
    assert_eq!(rig.count_on("b"), 5);
    let refused = rig.write(&Write::Cordon { node: "c".to_owned() }).unwrap_err();
    assert_eq!(refused.0, "nodes \"c\" not found");
}

#[test]
fn pods_wait_for_a_node_that_is_not_cordoned() {
    let mut rig = rig(2, None);
    for node in ["a", "b"] {
        rig.do_write(&Write::Cordon { node: node.to_owned() });
    }
    rig.do_write(&scale("web", 3));
    rig.run(5.0);
    assert!(rig.timeline.contains("0/2 nodes are available: 2 node(s) were unschedulable."), "{}", rig.timeline);
    rig.do_write(&Write::Uncordon { node: "b".to_owned() });
    rig.run(10.0);
    assert_eq!(rig.count_on("b"), 2);
}

#[test]
fn a_drain_without_a_budget_evicts_all_at_once() {
    let mut rig = rig(4, None);
    let answer = rig.write(&drain("b")).unwrap();
    let lines: Vec<_> = answer.lines().collect();
    assert_eq!((lines[0], lines.len(), lines[3]), ("node/b cordoned", 4, "node/b drained"), "{answer}");
    rig.run(20.0);
    assert_eq!((rig.count_on("a"), rig.cluster.has_pods("b")), (4, false));
    assert!(rig.cluster.all_ready());
}

#[test]
fn a_drain_as_a_command_is_left_to_who_can_wait() {
    let mut rig = rig(4, None);
    let command = Command::Drain { node: "b".to_owned(), timeout: None };
    let answer = rig.cluster.run(rig.now, &command, &mut rig.queue, &mut rig.script);
    assert!(answer.is_err() && rig.count_on("b") == 2, "{answer:?}");
}

#[test]
fn a_budget_lets_a_drain_evict_one_at_a_time() {
    for bound in ["maxUnavailable: 1", "minAvailable: 3", "maxUnavailable: 25%", "minAvailable: 75%"] {
        let mut rig = rig(4, Some(bound));
        let answer = rig.write(&drain("b")).unwrap();
        assert!(
            answer.contains("Cannot evict pod as it would violate the pod's disruption budget."),
            "{bound}: {answer}"
        );
        assert!(answer.ends_with("node/b is not drained: 1 of its pods stay, drain it again when others are ready"));
        assert_eq!(rig.count_on("b"), 1, "{bound}");
        // Nothing more is allowed until the first is replaced.
        let again = rig.write(&drain("b")).unwrap();
        assert!(again.starts_with("node/b already cordoned") && again.contains("Cannot evict"), "{bound}: {again}");
        rig.run(10.0);
        assert!(rig.write(&drain("b")).unwrap().ends_with("node/b drained"), "{bound}");
        rig.run(20.0);
        assert!(rig.cluster.all_ready() && !rig.cluster.has_pods("b"), "{bound}");
    }
}

#[test]
fn a_budget_that_allows_nothing_holds_for_good() {
    let mut rig = rig(2, Some("minAvailable: 100%"));
    for _ in 0..3 {
        let answer = rig.write(&drain("b")).unwrap();
        assert!(answer.contains("not drained"), "{answer}");
        rig.run(30.0);
    }
    assert_eq!(rig.count_on("b"), 1);
    let delete = Write::Delete { kind: sim::environment::DeletableKind::PodDisruptionBudget, name: "web".to_owned() };
    assert_eq!(rig.write(&delete), Ok("poddisruptionbudget.policy \"web\" deleted".to_owned()));
    assert!(rig.write(&drain("b")).unwrap().ends_with("node/b drained"));
}

#[test]
fn a_pod_that_is_not_ready_is_evicted_while_the_others_are_enough() {
    let mut rig = rig(3, Some("minAvailable: 2"));
    // One pod of another image never gets ready; what it replaces is the spare one.
    rig.script.behaviours[JOB].status = 500;
    rig.do_write(&set_image("web", "job:1"));
    rig.run(20.0);
    let node = rig.cluster.list_pods(rig.now, None).into_iter().find(|pod| pod.ready == 0).and_then(|pod| pod.node);
    let before = rig.cluster.component_state(rig.now, "web").ready;
    let answer = rig.write(&drain(&node.unwrap())).unwrap();
    assert!(answer.contains("evicted"), "{answer}");
    assert!(rig.cluster.component_state(rig.now, "web").ready >= 2, "of {before}: {answer}");
}
