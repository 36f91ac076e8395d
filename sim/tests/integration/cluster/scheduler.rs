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
    assert_eq!(rig.times("pod2 FailedScheduling"), [0.0]);
    let message = "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are \
                   available: 1 No preemption victims found for incoming pod.";
    assert!(rig.timeline.contains(message), "{}", rig.timeline);
    // The room is free when the pod has ended, and its object goes later.
    let (ended, bound) = (rig.times("pod1 is gone")[0], rig.times("pod2 Scheduled")[0]);
    assert!(bound > 5.2 && bound + 0.5 < ended, "{}", rig.timeline);
    assert_eq!(rig.pods(), ["1/1 Running"]);
}

/// Three pods `job` that fit, and one `web` that does not, with these lines in its template.
fn crowd(container: &[&str], template: &str) -> Rig {
    let web = web(1, &[], container).replace("      containers:", &format!("{template}      containers:"));
    let mut rig = Rig::new(&(web + &deployment("job", "job:1", 3, &[], &[])));
    rig.boot();
    rig.run(5.0);
    assert_eq!(rig.times("FailedScheduling").len(), 1, "{}", rig.timeline);
    rig
}

#[test]
fn a_pod_for_which_room_lacks_is_tried_again_whenever_another_leaves() {
    let mut rig = crowd(&["resources: {requests: {cpu: 64000m}}"], "");
    rig.run(5.0);
    assert_eq!(rig.times("FailedScheduling").len(), 1, "nothing happens");
    for left in [2, 1, 0] {
        rig.do_write(&scale("job", left));
        // Less than the back-off.
        rig.run(0.8);
        assert_eq!(rig.times("FailedScheduling").len(), 4 - left as usize, "{}", rig.timeline);
    }
}

#[test]
fn a_pod_for_which_no_node_is_meant_is_not() {
    let mut rig = crowd(&[], "      nodeSelector: {disk: ssd}\n");
    rig.do_write(&scale("job", 0));
    rig.run(10.0);
    assert_eq!(rig.times("FailedScheduling").len(), 1, "{}", rig.timeline);
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
    // Thirty requests at once and twenty a second, of which the first events take 24.
    assert!((396..=411).contains(&pods), "{pods}");
}
