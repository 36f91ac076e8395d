//! Where pods go, and when they cannot go anywhere.

use super::*;

const REQUESTS: &str = "resources: {requests: {cpu: 600m, memory: 100Mi}}";

#[test]
fn a_pod_that_does_not_fit_waits_until_something_is_freed() {
    let manifests = web(1, &[], &[REQUESTS]) + &deployment("job", "job:1", 1, &[], &[REQUESTS]);
    let mut rig = Rig::with(&manifests, &[node("node1", 1000)], 1);
    rig.boot();
    rig.run(5.0);
    rig.do_write(&scale("job", 0));
    rig.run(10.0);
    insta::assert_snapshot!(rig.lines(&["Schedul", "$", "gone", "Running"]), @r"
    0.0 pod1 Scheduled: Successfully assigned pod1 to node1
    0.0 pod2 FailedScheduling: 0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.
    1.4 pod1 is 1/1 Running
    5.0 $ deployment.apps/job scaled
    6.4 pod1 is gone
    6.4 pod2 Scheduled: Successfully assigned pod2 to node1
    7.4 pod2 is 1/1 Running
    ");
}

#[test]
fn a_node_selector_that_no_node_matches_is_said() {
    let manifests = web(1, &[], &[]).replace("      containers:", "      nodeSelector: {disk: ssd}\n      containers:");
    let mut rig = Rig::with(&manifests, &[node("node1", 1000), node("node2", 100)], 1);
    rig.boot();
    rig.run(5.0);
    insta::assert_snapshot!(rig.timeline, @"
    0.0 deployment/web ScalingReplicaSet: Scaled up replica set rs1 from 0 to 1
    0.0 rs1 SuccessfulCreate: Created pod: pod1
    0.0 pod1 is 0/1 Pending
    0.0 pod1 FailedScheduling: 0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.
    ");
}

#[test]
fn replicas_are_spread_over_nodes_of_the_same_size() {
    for seed in 0..5 {
        let mut rig = Rig::with(&web(4, &[], &[REQUESTS]), &[node("node1", 4000), node("node2", 4000)], seed);
        rig.boot();
        rig.run(5.0);
        let nodes: Vec<_> = rig.cluster.list_pods(rig.now, None).into_iter().filter_map(|pod| pod.node).collect();
        assert_eq!(nodes.iter().filter(|node| *node == "node1").count(), 2, "{nodes:?}");
        let requested: Vec<_> = rig.cluster.list_nodes().iter().map(|node| node.requested_cpu.0).collect();
        assert_eq!(requested, [1200, 1200]);
    }
}

#[test]
fn a_new_revision_does_not_keep_away_from_the_old_one() {
    let mut rig = Rig::with(&web(1, &[], &[REQUESTS]), &[node("node1", 8000), node("node2", 2000)], 3);
    rig.boot_ready();
    rig.do_write(&set_image("web", "web:2"));
    rig.run(60.0);
    let pods = rig.cluster.list_pods(rig.now, None);
    let nodes: Vec<_> = pods.iter().filter_map(|pod| pod.node.as_deref()).collect();
    // With two replicas of one revision the second would go to the smaller node.
    assert_eq!(nodes, ["node1"]);
    rig.do_write(&scale("web", 2));
    rig.run(60.0);
    let pods = rig.cluster.list_pods(rig.now, None);
    assert_eq!(pods.iter().filter(|pod| pod.node.as_deref() == Some("node2")).count(), 1);
}

#[test]
fn the_least_loaded_node_is_preferred() {
    let mut rig = Rig::with(&web(1, &[], &[REQUESTS]), &[node("node1", 1000), node("node2", 8000)], 3);
    rig.boot();
    rig.run(5.0);
    assert_eq!(rig.cluster.list_pods(rig.now, None)[0].node.as_deref(), Some("node2"));
}

#[test]
fn a_node_takes_110_pods() {
    let mut rig = Rig::new(&web(120, &[], &[]));
    rig.boot();
    rig.run(60.0);
    assert_eq!(rig.pods().iter().filter(|pod| *pod == "1/1 Running").count(), 110);
    let message = "0/1 nodes are available: 1 Too many pods.";
    assert!(rig.timeline.contains(message));
}

#[test]
fn an_absurd_size_grows_no_faster_than_the_controllers_client() {
    let mut rig = Rig::new(&web(1, &[], &[]));
    rig.boot_ready();
    rig.do_write(&scale("web", 1_000_000));
    rig.run(20.0);
    let pods = rig.cluster.list_pods(rig.now, None).len();
    assert!((420..=435).contains(&pods), "{pods}");
}
