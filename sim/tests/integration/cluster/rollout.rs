//! Rollouts: timelines of sequences of writes.

use sim::time::SimDuration;

use super::*;

/// What is told of a rollout: sizes, creations, readiness, ends.
const ROLLOUT: [&str; 5] = ["Scaled", "$", " is 1/1 Running", "is gone", "is 0/1 Err"];

#[test]
fn one_replica_surges_by_one() {
    let mut rig = Rig::new(&web(1, &[], &[READINESS]));
    rig.boot_ready();
    rig.do_write(&set_image("web", "web:2"));
    rig.run(30.0);
    insta::assert_snapshot!(rig.lines(&ROLLOUT), @r"
    3.0 $ deployment.apps/web image updated
    3.0 deployment/web ScalingReplicaSet: Scaled up replica set rs2 from 0 to 1
    6.4 pod2 is 1/1 Running
    6.4 deployment/web ScalingReplicaSet: Scaled down replica set rs1 from 1 to 0
    7.4 pod1 is gone
    ");
    assert_eq!(rig.pods(), ["1/1 Running"]);
    assert_eq!(rig.condition("web", "Progressing"), "True NewReplicaSetAvailable");
}

#[test]
fn three_replicas_are_replaced_one_by_one() {
    let mut rig = Rig::new(&web(3, &[], &[READINESS]));
    rig.boot_ready();
    rig.do_write(&set_image("web", "web:2"));
    rig.run(60.0);
    insta::assert_snapshot!(rig.lines(&["Scaled", "$"]), @r"
     3.0 $ deployment.apps/web image updated
     3.0 deployment/web ScalingReplicaSet: Scaled up replica set rs2 from 0 to 1
     6.4 deployment/web ScalingReplicaSet: Scaled down replica set rs1 from 3 to 2
     6.5 deployment/web ScalingReplicaSet: Scaled up replica set rs2 from 1 to 2
     8.5 deployment/web ScalingReplicaSet: Scaled down replica set rs1 from 2 to 1
     8.5 deployment/web ScalingReplicaSet: Scaled up replica set rs2 from 2 to 3
    13.4 deployment/web ScalingReplicaSet: Scaled down replica set rs1 from 1 to 0
    ");
}

#[test]
fn four_replicas_may_have_one_more_and_one_less() {
    let mut rig = Rig::new(&web(4, &[], &[READINESS]));
    rig.boot_ready();
    rig.do_write(&set_image("web", "web:2"));
    rig.run(60.0);
    insta::assert_snapshot!(rig.lines(&["Scaled", "$"]), @r"
    3.0 $ deployment.apps/web image updated
    3.0 deployment/web ScalingReplicaSet: Scaled up replica set rs2 from 0 to 1
    3.0 deployment/web ScalingReplicaSet: Scaled down replica set rs1 from 4 to 3
    3.0 deployment/web ScalingReplicaSet: Scaled up replica set rs2 from 1 to 2
    6.4 deployment/web ScalingReplicaSet: Scaled down replica set rs1 from 3 to 2
    6.5 deployment/web ScalingReplicaSet: Scaled up replica set rs2 from 2 to 3
    8.5 deployment/web ScalingReplicaSet: Scaled down replica set rs1 from 2 to 1
    8.5 deployment/web ScalingReplicaSet: Scaled up replica set rs2 from 3 to 4
    8.5 deployment/web ScalingReplicaSet: Scaled down replica set rs1 from 1 to 0
    ");
}

/// What the Deployment's status says: replicas, updated, available and unavailable ones.
fn status(rig: &Rig) -> [u64; 4] {
    let deployment = rig.cluster.api_objects().into_iter().find(|object| object["kind"] == "Deployment").unwrap();
    ["replicas", "updatedReplicas", "availableReplicas", "unavailableReplicas"]
        .map(|field| deployment["status"][field].as_u64().unwrap())
}

/// What it says one after the other.
fn statuses(rig: &mut Rig, seconds: f64) -> Vec<[u64; 4]> {
    let until = rig.now + SimDuration::from_secs_f64(seconds);
    let mut seen = vec![status(rig)];
    while let Some(next) = rig.queue.next_time().filter(|next| *next <= until) {
        rig.run_until(next);
        let now = status(rig);
        if seen.last() != Some(&now) {
            seen.push(now);
        }
    }
    seen
}

/// As in the trace `rollout-unavailable-1` of Kubernetes 1.34: the old pod is counted out before the new one is counted in.
#[test]
fn the_status_follows_one_request_after_the_other() {
    let strategy = "strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}";
    let mut rig = Rig::new(&web(4, &[strategy], &[READINESS]));
    rig.boot_ready();
    rig.do_write(&set_image("web", "web:2"));
    let seen = statuses(&mut rig, 60.0);
    let expected = [
        [4, 4, 4, 0],
        [4, 0, 4, 0],
        [3, 0, 3, 1],
        [4, 1, 3, 1],
        [4, 1, 4, 0],
        [3, 1, 3, 1],
        [4, 2, 3, 1],
        [4, 2, 4, 0],
        [3, 2, 3, 1],
        [4, 3, 3, 1],
        [4, 3, 4, 0],
        [3, 3, 3, 1],
        [4, 4, 3, 1],
        [4, 4, 4, 0],
    ];
    assert_eq!(seen, expected);
}

/// As in `scale-down-midway`.
#[test]
fn the_first_new_pod_is_counted_before_the_second_is_there() {
    let mut rig = Rig::new(&web(4, &[], &[READINESS]));
    rig.boot_ready();
    rig.do_write(&set_image("web", "web:2"));
    let seen = statuses(&mut rig, 1.0);
    assert_eq!(seen, [[4, 4, 4, 0], [4, 0, 4, 0], [5, 1, 4, 1], [4, 1, 3, 2], [5, 2, 3, 2]]);
}

#[test]
fn recreate_waits_until_the_old_pods_are_gone() {
    let mut rig = Rig::new(&web(2, &["strategy: {type: Recreate}"], &[READINESS]));
    rig.boot_ready();
    rig.do_write(&set_image("web", "web:2"));
    rig.run(20.0);
    insta::assert_snapshot!(rig.lines(&ROLLOUT), @r"
     3.0 $ deployment.apps/web image updated
     3.0 deployment/web ScalingReplicaSet: Scaled down replica set rs1 from 2 to 0
     5.4 pod1 is gone
     5.4 pod2 is gone
     5.4 deployment/web ScalingReplicaSet: Scaled up replica set rs2 from 0 to 2
     9.4 pod3 is 1/1 Running
    10.4 pod4 is 1/1 Running
    ");
}

#[test]
fn a_bad_tag_leaves_the_old_pod_serving_and_undo_mends_it() {
    let mut rig = Rig::new(&web(1, &[], &[READINESS]));
    rig.boot_ready();
    rig.do_write(&set_image("web", "web:9"));
    rig.run(60.0);
    assert_eq!(rig.backends(0), 1);
    assert_eq!(rig.pods().iter().filter(|pod| *pod == "1/1 Running").count(), 1);
    rig.do_write(&undo("web", None));
    rig.run(30.0);
    insta::assert_snapshot!(rig.lines(&ROLLOUT), @r"
     3.0 $ deployment.apps/web image updated
     3.0 deployment/web ScalingReplicaSet: Scaled up replica set rs2 from 0 to 1
     4.4 pod2 is 0/1 ErrImagePull
    31.6 pod2 is 0/1 ErrImagePull
    57.6 pod2 is 0/1 ErrImagePull
    63.0 $ deployment.apps/web rolled back
    63.0 deployment/web ScalingReplicaSet: Scaled down replica set rs2 from 1 to 0
    63.7 pod2 is gone
    ");
    assert_eq!(rig.backends(0), 1);
    let history = rig.cluster.rollout_history("web").unwrap();
    let revisions: Vec<_> = history.iter().map(|set| (set.revision, &*set.image, &*set.change)).collect();
    assert_eq!(revisions, [(2, "web:9", ""), (3, "web:1", "image web:9 -> web:1")]);
}

#[test]
fn a_rollout_that_cannot_progress_says_so_after_its_deadline() {
    let mut rig = Rig::new(&web(1, &["progressDeadlineSeconds: 60"], &[READINESS]));
    rig.boot_ready();
    rig.do_write(&set_image("web", "web:9"));
    rig.run(59.0);
    assert_eq!(rig.condition("web", "Progressing"), "True ReplicaSetUpdated");
    rig.run(5.0);
    assert_eq!(rig.condition("web", "Progressing"), "False ProgressDeadlineExceeded");
    assert_eq!(rig.condition("web", "Available"), "True MinimumReplicasAvailable");
    rig.do_write(&set_image("web", "web:2"));
    rig.run(30.0);
    assert_eq!(rig.condition("web", "Progressing"), "True NewReplicaSetAvailable");
}

#[test]
fn restart_makes_a_new_revision_of_the_same_image() {
    let mut rig = Rig::new(&web(1, &[], &[READINESS]));
    rig.boot_ready();
    rig.do_write(&Write::Restart { component: "web".into() });
    let again = rig.write(&Write::Restart { component: "web".into() }).unwrap_err();
    assert!(again.0.contains("within the past second"), "{again}");
    rig.run(30.0);
    insta::assert_snapshot!(rig.lines(&ROLLOUT), @r"
    3.0 $ deployment.apps/web restarted
    3.0 deployment/web ScalingReplicaSet: Scaled up replica set rs2 from 0 to 1
    5.4 pod2 is 1/1 Running
    5.4 deployment/web ScalingReplicaSet: Scaled down replica set rs1 from 1 to 0
    6.4 pod1 is gone
    ");
    let history = rig.cluster.rollout_history("web").unwrap();
    assert_eq!(history.iter().map(|set| &*set.change).collect::<Vec<_>>(), ["", "restarted"]);
}

#[test]
fn a_rollout_is_not_over_before_its_change_is_observed() {
    let mut rig = Rig::new(&web(1, &[], &[READINESS]));
    rig.boot_ready();
    rig.do_write(&set_image("web", "web:2"));
    let progress = |rig: &Rig| {
        let progress = rig.cluster.rollout_progress("web").unwrap();
        (progress.is_over, progress.message)
    };
    assert_eq!(progress(&rig), (false, "Waiting for deployment spec update to be observed...".to_owned()));
    assert!(!rig.cluster.all_ready());
    rig.run(1.0);
    let message = "Waiting for deployment \"web\" rollout to finish: 1 old replicas are pending termination...";
    assert_eq!(progress(&rig), (false, message.to_owned()));
    rig.run(30.0);
    assert_eq!(progress(&rig), (true, "deployment \"web\" successfully rolled out".to_owned()));
    assert!(rig.cluster.all_ready());
}

#[test]
fn the_same_template_starts_no_rollout() {
    let mut rig = Rig::new(&web(1, &[], &[]));
    rig.boot_ready();
    rig.do_write(&set_image("web", "web:1"));
    rig.run(10.0);
    assert_eq!(rig.lines(&ROLLOUT).lines().count(), 1);
    let none = rig.write(&undo("web", None)).unwrap_err();
    assert_eq!(none.0, "no rollout history found for deployment \"web\"");
    let unknown = rig.write(&undo("web", Some(7))).unwrap_err();
    assert_eq!(unknown.0, "unable to find specified revision 7 in history");
    let same = rig.write(&undo("web", Some(1))).unwrap();
    assert_eq!(same, "deployment.apps/web skipped rollback (current template already matches revision 1)");
}

#[test]
fn a_change_of_size_during_a_rollout_is_spread_over_both() {
    let mut rig = Rig::new(&web(4, &[], &[READINESS]));
    rig.boot_ready();
    rig.do_write(&set_image("web", "web:9"));
    rig.run(20.0);
    rig.do_write(&scale("web", 8));
    rig.run(20.0);
    rig.do_write(&scale("web", 2));
    rig.run(20.0);
    rig.do_write(&undo("web", None));
    rig.run(30.0);
    insta::assert_snapshot!(rig.lines(&["Scaled", "$"]), @r"
     3.0 $ deployment.apps/web image updated
     3.0 deployment/web ScalingReplicaSet: Scaled up replica set rs2 from 0 to 1
     3.0 deployment/web ScalingReplicaSet: Scaled down replica set rs1 from 4 to 3
     3.0 deployment/web ScalingReplicaSet: Scaled up replica set rs2 from 1 to 2
    23.0 $ deployment.apps/web scaled
    23.0 deployment/web ScalingReplicaSet: Scaled up replica set rs1 from 3 to 6
    23.0 deployment/web ScalingReplicaSet: Scaled up replica set rs2 from 2 to 4
    43.0 $ deployment.apps/web scaled
    43.0 deployment/web ScalingReplicaSet: Scaled down replica set rs1 from 6 to 2
    43.0 deployment/web ScalingReplicaSet: Scaled down replica set rs2 from 4 to 1
    63.0 $ deployment.apps/web rolled back
    63.0 deployment/web ScalingReplicaSet: Scaled down replica set rs2 from 1 to 0
    ");
    assert_eq!(rig.pods(), ["1/1 Running"; 2]);
}

#[test]
fn a_paused_deployment_scales_but_does_not_roll_out() {
    let mut rig = Rig::new(&web(1, &[], &[READINESS]));
    rig.boot_ready();
    rig.pause("web", true);
    rig.do_write(&set_image("web", "web:2"));
    rig.do_write(&scale("web", 2));
    rig.run(20.0);
    assert_eq!(rig.condition("web", "Progressing"), "Unknown DeploymentPaused");
    rig.pause("web", false);
    rig.run(40.0);
    insta::assert_snapshot!(rig.lines(&["Scaled", "$"]), @r"
     3.0 $ deployment.apps/web image updated
     3.0 $ deployment.apps/web scaled
     3.0 deployment/web ScalingReplicaSet: Scaled up replica set rs1 from 1 to 2
    23.0 deployment/web ScalingReplicaSet: Scaled up replica set rs2 from 0 to 1
    26.4 deployment/web ScalingReplicaSet: Scaled down replica set rs1 from 2 to 1
    26.5 deployment/web ScalingReplicaSet: Scaled up replica set rs2 from 1 to 2
    28.5 deployment/web ScalingReplicaSet: Scaled down replica set rs1 from 1 to 0
    ");
    assert_eq!(rig.condition("web", "Progressing"), "True NewReplicaSetAvailable");
}

#[test]
fn min_ready_seconds_hold_the_rollout_back() {
    let mut rig = Rig::new(&web(2, &["minReadySeconds: 10"], &[]));
    rig.boot_ready();
    rig.do_write(&set_image("web", "web:2"));
    rig.run(60.0);
    // Ready since 14.4 s, which the API keeps as 14 s.
    insta::assert_snapshot!(rig.lines(&["Scaled", "$", "is 1/1 Running"]), @r"
    12.0 $ deployment.apps/web image updated
    12.0 deployment/web ScalingReplicaSet: Scaled up replica set rs2 from 0 to 1
    14.4 pod3 is 1/1 Running
    24.0 deployment/web ScalingReplicaSet: Scaled down replica set rs1 from 2 to 1
    24.0 deployment/web ScalingReplicaSet: Scaled up replica set rs2 from 1 to 2
    25.4 pod4 is 1/1 Running
    35.0 deployment/web ScalingReplicaSet: Scaled down replica set rs1 from 1 to 0
    ");
}

#[test]
fn old_revisions_beyond_the_limit_are_forgotten() {
    let mut rig = Rig::new(&web(1, &["revisionHistoryLimit: 2"], &[]));
    rig.boot_ready();
    for tag in 2..=6 {
        rig.do_write(&set_image("web", &format!("web:{tag}")));
        rig.run(20.0);
    }
    let history = rig.cluster.rollout_history("web").unwrap();
    assert_eq!(history.iter().map(|set| set.revision).collect::<Vec<_>>(), [4, 5, 6]);
}

#[test]
fn a_deleted_pod_is_replaced_and_a_deleted_deployment_takes_its_pods_along() {
    let mut rig = Rig::new(&web(2, &[], &[READINESS]));
    rig.boot_ready();
    let pod = rig.cluster.list_pods(rig.now, None)[0].name.clone();
    rig.do_write(&Write::DeletePod { pod });
    rig.run(20.0);
    assert_eq!(rig.backends(0), 2);
    rig.do_write(&Write::DeleteDeployment { component: "web".into() });
    rig.run(20.0);
    insta::assert_snapshot!(rig.timeline, @r#"
     3.0 pod2 is 1/1 Terminating
     3.0 $ pod "pod2" deleted
     3.0 rs1 SuccessfulCreate: Created pod: pod3
     3.0 pod3 is 0/1 Pending
     3.0 pod3 Scheduled: Successfully assigned pod3 to node1
     3.0 pod3 is 0/1 ContainerCreating
     3.5 pod3 Pulled: Container image "web:1" already present on machine
     3.5 pod3 Created: Created container: web
     3.5 pod3 Started: Started container web
     4.4 pod2 Killing: Stopping container web
     4.4 pod3 is 0/1 Running
     4.9 pod2 is 0/1 Terminating
     5.4 pod2 is gone
     5.4 pod3 is 1/1 Running
    23.0 pod3 is 1/1 Terminating
    23.0 pod1 is 1/1 Terminating
    23.0 $ deployment.apps "web" deleted
    23.0 pod1 Killing: Stopping container web
    23.0 pod3 Killing: Stopping container web
    23.4 pod1 Unhealthy: Readiness probe failed: Get "http://10.244.0.2:80/health": dial tcp 10.244.0.2:80: connect: connection refused
    23.4 pod3 Unhealthy: Readiness probe failed: Get "http://10.244.0.4:80/health": dial tcp 10.244.0.4:80: connect: connection refused
    23.5 pod1 is 0/1 Terminating
    23.5 pod3 is 0/1 Terminating
    24.4 pod1 is gone
    24.4 pod3 is gone
    "#);
    assert_eq!(rig.backends(0), 0);
    rig.do_write(&Write::CreateDeployment { component: "web".into() });
    rig.run(20.0);
    assert_eq!(rig.pods(), ["1/1 Running"; 2]);
    assert_eq!(rig.backends(0), 2);
}

#[test]
fn scaling_down_takes_the_pods_that_serve_least() {
    let mut rig = Rig::new(&web(2, &[], &[READINESS]));
    rig.boot_ready();
    rig.run(100.0);
    let old: Vec<_> = rig.cluster.list_pods(rig.now, None).into_iter().map(|pod| pod.name).collect();
    rig.do_write(&scale("web", 4));
    rig.run(3.0);
    rig.do_write(&scale("web", 2));
    rig.run(20.0);
    let left: Vec<_> = rig.cluster.list_pods(rig.now, None).into_iter().map(|pod| pod.name).collect();
    assert_eq!(left, old);
    rig.do_write(&scale("web", 0));
    rig.run(10.0);
    assert!(rig.pods().is_empty());
}
