//! Pods: start, probes, restarts, back-off, end.

use sim::cluster::Notice;
use sim::ids::{ContainerIx, KubeServiceIx, NodeIx};
use sim::time::SimDuration;

use super::*;

#[test]
fn a_pod_starts_and_becomes_ready() {
    let mut rig = Rig::new(&web(1, &[], &[READINESS]));
    rig.boot();
    rig.run(20.0);
    insta::assert_snapshot!(rig.timeline, @r#"
    0.0 deployment/web ScalingReplicaSet: Scaled up replica set rs1 from 0 to 1
    0.0 rs1 SuccessfulCreate: Created pod: pod1
    0.0 pod1 is 0/1 Pending
    0.0 pod1 Scheduled: Successfully assigned pod1 to node1
    0.0 pod1 is 0/1 ContainerCreating
    0.5 pod1 Pulled: Container image "web:1" already present on machine
    0.5 pod1 Created: Created container: web
    0.5 pod1 Started: Started container web
    1.4 pod1 is 0/1 Running
    2.4 pod1 is 1/1 Running
    "#);
}

#[test]
fn an_image_that_is_not_there_is_pulled_one_at_a_time() {
    let mut rig = Rig::new(&(web(1, &[], &[]) + &deployment("job", "job:1", 1, &[], &[])));
    rig.boot_ready();
    rig.do_write(&set_image("web", "web:2"));
    rig.do_write(&set_image("job", "job:2"));
    rig.run(10.0);
    insta::assert_snapshot!(rig.lines(&["ull", "$", "1/1 Running"]), @r#"
    2.0 $ deployment.apps/web image updated
    2.0 $ deployment.apps/job image updated
    2.0 pod3 Scheduled: Successfully assigned pod3 to node1
    2.0 pod4 Scheduled: Successfully assigned pod4 to node1
    2.5 pod3 Pulling: Pulling image "web:2"
    2.5 pod4 Pulling: Pulling image "job:2"
    3.8 pod3 Pulled: Successfully pulled image "web:2" in 1.348s (1.348s including waiting). Image size: 52428800 bytes.
    4.4 pod3 is 1/1 Running
    5.2 pod4 Pulled: Successfully pulled image "job:2" in 1.348s (2.697s including waiting). Image size: 52428800 bytes.
    5.4 pod4 is 1/1 Running
    "#);
}

/// Kubernetes 1.34 was seen to show these, in seconds after the pod's creation. A new try is visible
/// only when the sync after it shows what it found.
#[test]
fn image_pull_back_off_takes_as_long_as_measured() {
    let measured = [0.8, 23.8, 52.9, 98.7, 184.9];
    let seeds = 20;
    let mut mean = [0.0; 5];
    let mut first_back_off = 0.0;
    for seed in 0..seeds {
        let manifests = deployment("web", "web:9", 1, &[], &[]);
        let mut rig = Rig::with(&manifests, &[node("node1", 4000)], seed);
        rig.boot();
        rig.run(260.0);
        let tries = rig.times("is 0/1 ErrImagePull");
        for (sum, time) in mean.iter_mut().zip(tries) {
            *sum += time / seeds as f64;
        }
        first_back_off += rig.times("is 0/1 ImagePullBackOff")[0] / seeds as f64;
    }
    for (mean, measured) in mean.into_iter().zip(measured) {
        assert!((mean - measured).abs() < (0.2 * measured).max(1.0), "{mean} s, measured {measured} s");
    }
    assert!((first_back_off - 12.0).abs() < 2.4, "{first_back_off} s, measured 12 s");
}

#[test]
fn a_bad_tag_in_the_words_of_the_kubelet() {
    let mut rig = Rig::new(&deployment("web", "web:9", 1, &[], &[]));
    rig.boot();
    rig.run(30.0);
    insta::assert_snapshot!(rig.lines(&["ull", "rror"]), @r#"
     0.0 pod1 Scheduled: Successfully assigned pod1 to node1
     0.5 pod1 Pulling: Pulling image "web:9"
     0.8 pod1 Failed: Failed to pull image "web:9": rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/library/web:9": failed to resolve reference "docker.io/library/web:9": docker.io/library/web:9: not found
     0.8 pod1 Failed: Error: ErrImagePull
     1.4 pod1 BackOff: Back-off pulling image "web:9"
     1.4 pod1 Failed: Error: ImagePullBackOff
     1.4 pod1 is 0/1 ErrImagePull
    12.6 pod1 Pulling: Pulling image "web:9"
    12.6 pod1 is 0/1 ImagePullBackOff
    12.9 pod1 Failed: Failed to pull image "web:9": rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/library/web:9": failed to resolve reference "docker.io/library/web:9": docker.io/library/web:9: not found
    12.9 pod1 Failed: Error: ErrImagePull
    25.6 pod1 BackOff: Back-off pulling image "web:9"
    25.6 pod1 Failed: Error: ImagePullBackOff
    25.6 pod1 is 0/1 ErrImagePull
    "#);
    let logs = rig.cluster.logs(&sim::environment::LogQuery { of: "web".into(), previous: false, tail: 10 });
    assert!(logs.unwrap_err().0.ends_with("is waiting to start: trying and failing to pull image"));
}

/// Seen with Kubernetes 1.34: a container that exits after 1 s runs again so long after each exit.
#[test]
fn crash_loop_back_off_takes_as_long_as_measured() {
    let measured = [1.0, 14.0, 25.0, 42.0, 94.0, 171.0, 307.0];
    let seeds = 20;
    let mut mean = [0.0; 7];
    for seed in 0..seeds {
        let manifests = deployment("job", "job:1", 1, &[], &[]);
        let mut rig = Rig::with(&manifests, &[node("node1", 4000)], seed);
        rig.script.behaviours[JOB].crashes_after = Some(SimDuration::SECOND);
        rig.boot();
        rig.run(800.0);
        for (sum, pair) in mean.iter_mut().zip(rig.script.processes.windows(2)) {
            *sum += (pair[1].started.since(pair[0].started).as_secs_f64() - 1.0) / seeds as f64;
        }
    }
    for (mean, measured) in mean.into_iter().zip(measured) {
        assert!((mean - measured).abs() < (0.2 * measured).max(1.0), "{mean} s, measured {measured} s");
    }
}

#[test]
fn a_crash_loop_is_shown_late_and_keeps_the_last_log() {
    let mut rig = Rig::new(&deployment("job", "job:1", 1, &[], &[]));
    rig.script.behaviours[JOB].crashes_after = Some(SimDuration::SECOND);
    rig.boot();
    rig.run(50.0);
    insta::assert_snapshot!(rig.lines(&[" is ", "BackOff", "Started"]), @r"
     0.0 pod1 is 0/1 Pending
     0.0 pod1 is 0/1 ContainerCreating
     0.5 pod1 Started: Started container job
     1.4 pod1 is 1/1 Running
     2.4 pod1 is 0/1 Error
     2.5 pod1 Started: Started container job
     3.4 pod1 is 1/1 Running
     4.4 pod1 BackOff: Back-off restarting failed container job in pod pod1_sock-shop(87e2174a-e46a-4a80-866c-1651331631e1)
     4.4 pod1 is 0/1 Error
    18.6 pod1 is 0/1 CrashLoopBackOff
    18.6 pod1 Started: Started container job
    19.4 pod1 is 1/1 Running
    20.4 pod1 BackOff: Back-off restarting failed container job in pod pod1_sock-shop(87e2174a-e46a-4a80-866c-1651331631e1)
    20.4 pod1 is 0/1 Error
    34.6 pod1 BackOff: Back-off restarting failed container job in pod pod1_sock-shop(87e2174a-e46a-4a80-866c-1651331631e1)
    34.6 pod1 is 0/1 CrashLoopBackOff
    46.6 pod1 Started: Started container job
    47.4 pod1 is 1/1 Running
    48.4 pod1 BackOff: Back-off restarting failed container job in pod pod1_sock-shop(87e2174a-e46a-4a80-866c-1651331631e1)
    48.4 pod1 is 0/1 Error
    ");
    let containers = &rig.cluster.describe(rig.now, "job").unwrap().containers[0];
    assert_eq!(containers[0].last_state.as_deref(), Some("Terminated (Error, exit code 1)"));
    let query = sim::environment::LogQuery { of: "job".into(), previous: true, tail: 10 };
    let log = rig.cluster.logs(&query).unwrap();
    assert_eq!(log.image, "job:1");
    assert_eq!(log.entries.iter().map(|entry| entry.said).collect::<Vec<_>>(), [sim::log::Said::Starting]);
    assert_eq!(log.process, Some(ContainerIx(2)), "the last but one of four");
}

#[test]
fn a_container_that_ran_long_enough_restarts_at_once_again() {
    let mut rig = Rig::new(&deployment("job", "job:1", 1, &[], &[]));
    rig.script.behaviours[JOB].crashes_after = Some(SimDuration::from_secs(700));
    rig.boot();
    rig.run(3000.0);
    let starts = rig.times("Started");
    assert!(starts.len() >= 4);
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] < 702.0), "{starts:?}");
}

const LIVENESS: &str = "livenessProbe: {httpGet: {path: /health, port: 80}, initialDelaySeconds: 5, periodSeconds: 3, failureThreshold: 3}";

#[test]
fn a_failing_liveness_probe_restarts_the_container() {
    let mut rig = Rig::new(&web(1, &[], &[LIVENESS]));
    rig.boot_ready();
    rig.script.behaviours[WEB].status = 500;
    rig.run(40.0);
    insta::assert_snapshot!(rig.timeline, @r#"
     6.0 pod1 Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 500
     9.0 pod1 Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 500
    12.0 pod1 Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 500
    12.0 pod1 Killing: Container web failed liveness probe, will be restarted
    12.2 pod1 Pulled: Container image "web:1" already present on machine
    12.3 pod1 Created: Created container: web
    12.3 pod1 Started: Started container web
    18.0 pod1 Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 500
    21.0 pod1 Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 500
    24.0 pod1 Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 500
    24.0 pod1 Killing: Container web failed liveness probe, will be restarted
    24.2 pod1 Pulled: Container image "web:1" already present on machine
    24.3 pod1 Created: Created container: web
    24.3 pod1 Started: Started container web
    30.0 pod1 Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 500
    33.0 pod1 Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 500
    36.0 pod1 Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 500
    36.0 pod1 Killing: Container web failed liveness probe, will be restarted
    36.2 pod1 Pulled: Container image "web:1" already present on machine
    36.3 pod1 Created: Created container: web
    36.3 pod1 Started: Started container web
    "#);
}

#[test]
fn a_pod_that_never_answers_is_never_ready() {
    let mut rig = Rig::new(&web(1, &[], &[READINESS]));
    rig.script.behaviours[WEB].status = 503;
    rig.boot();
    rig.run(120.0);
    assert_eq!(rig.pods(), ["0/1 Running"]);
    assert_eq!(rig.condition("web", "Available"), "False MinimumReplicasUnavailable");
    assert_eq!(rig.backends(0), 0);
    let events = rig.cluster.list_events(rig.now, Some("web"));
    let unhealthy = events.iter().find(|event| event.reason == "Unhealthy").unwrap();
    assert_eq!(unhealthy.message, "Readiness probe failed: HTTP probe failed with statuscode: 503");
    // One in three seconds, cut by the recorder's limit for warnings.
    assert_eq!(unhealthy.count, 25);
    rig.script.behaviours[WEB].status = 200;
    rig.run(5.0);
    assert_eq!(rig.pods(), ["1/1 Running"]);
    assert_eq!(rig.backends(0), 1);
}

#[test]
fn a_pod_that_stops_answering_leaves_its_service() {
    let mut rig = Rig::new(&web(1, &[], &[READINESS]));
    rig.boot_ready();
    rig.run(5.0);
    assert_eq!(rig.backends(0), 1);
    rig.script.behaviours[WEB].status = 503;
    rig.run(12.0);
    assert_eq!((rig.pods(), rig.backends(0)), (vec!["0/1 Running".to_owned()], 0));
}

#[test]
fn a_startup_probe_holds_the_others_back() {
    let startup = "startupProbe: {httpGet: {path: /health, port: 80}, periodSeconds: 5, failureThreshold: 10}";
    let mut rig = Rig::new(&web(1, &[], &[LIVENESS, READINESS, startup]));
    rig.script.behaviours[WEB].listens_after = SimDuration::from_secs(30);
    rig.boot();
    rig.run(60.0);
    let restarts = rig.cluster.list_pods(rig.now, None)[0].restarts;
    assert_eq!((restarts, rig.pods()), (0, vec!["1/1 Running".to_owned()]));
    let ready = rig.times("is 1/1 Running")[0];
    assert!((30.0..37.0).contains(&ready), "{ready}");
    rig.script.behaviours[WEB].listens_after = SimDuration::from_secs(600);
    rig.do_write(&Write::Restart { component: "web".into() });
    rig.run(120.0);
    assert!(rig.timeline.contains("failed startup probe, will be restarted"));
    let pods = rig.cluster.list_pods(rig.now, None);
    // The old pod, which does not answer any more either, is restarted three times.
    assert_eq!(pods.iter().map(|pod| pod.restarts).collect::<std::collections::BTreeSet<_>>(), [2, 3].into());
}

#[test]
fn pod_failure_is_an_outage_that_only_a_new_pod_mends() {
    let mut rig = Rig::new(&web(1, &[], &[READINESS]));
    rig.boot_ready();
    rig.run(5.0);
    let pod = rig.cluster.pods_of("web").next().unwrap();
    assert!(rig.cluster.patch_pod_image(rig.now, pod, "pause:3.9", &mut rig.queue, &mut rig.script));
    rig.run(20.0);
    assert_eq!((rig.pods(), rig.backends(0)), (vec!["0/1 Running".to_owned()], 0));
    assert!(rig.write(&undo("web", None)).unwrap_err().0.starts_with("no rollout history"));
    let name = rig.cluster.pod_name(pod).unwrap().to_owned();
    rig.do_write(&Write::DeletePod { pod: name });
    rig.run(20.0);
    insta::assert_snapshot!(rig.timeline, @r#"
     8.0 pod1 Killing: Container web definition changed, will be restarted
     8.2 pod1 Pulling: Pulling image "pause:3.9"
     8.4 pod1 Unhealthy: Readiness probe failed: Get "http://10.244.0.2:80/health": dial tcp 10.244.0.2:80: connect: connection refused
     8.5 pod1 Pulled: Successfully pulled image "pause:3.9" in 306ms (306ms including waiting). Image size: 300000 bytes.
     8.5 pod1 Created: Created container: web
     8.6 pod1 Started: Started container web
     9.4 pod1 is 0/1 Running
    10.4 pod1 Unhealthy: Readiness probe failed: Get "http://10.244.0.2:80/health": dial tcp 10.244.0.2:80: connect: connection refused
    11.4 pod1 Unhealthy: Readiness probe failed: Get "http://10.244.0.2:80/health": dial tcp 10.244.0.2:80: connect: connection refused
    14.4 pod1 Unhealthy: Readiness probe failed: Get "http://10.244.0.2:80/health": dial tcp 10.244.0.2:80: connect: connection refused
    17.4 pod1 Unhealthy: Readiness probe failed: Get "http://10.244.0.2:80/health": dial tcp 10.244.0.2:80: connect: connection refused
    20.4 pod1 Unhealthy: Readiness probe failed: Get "http://10.244.0.2:80/health": dial tcp 10.244.0.2:80: connect: connection refused
    23.4 pod1 Unhealthy: Readiness probe failed: Get "http://10.244.0.2:80/health": dial tcp 10.244.0.2:80: connect: connection refused
    26.4 pod1 Unhealthy: Readiness probe failed: Get "http://10.244.0.2:80/health": dial tcp 10.244.0.2:80: connect: connection refused
    28.0 pod1 is 0/1 Terminating
    28.0 $ pod "pod1" deleted
    28.0 pod1 Killing: Stopping container web
    28.0 pod1 Unhealthy: Readiness probe failed: Get "http://10.244.0.2:80/health": dial tcp 10.244.0.2:80: connect: connection refused
    28.0 rs1 SuccessfulCreate: Created pod: pod2
    28.0 pod2 is 0/1 Pending
    28.0 pod2 Scheduled: Successfully assigned pod2 to node1
    28.0 pod2 is 0/1 ContainerCreating
    28.5 pod2 Pulled: Container image "web:1" already present on machine
    28.5 pod2 Created: Created container: web
    28.5 pod2 Started: Started container web
    29.4 pod2 is 0/1 Running
    29.4 pod1 is gone
    30.4 pod2 is 1/1 Running
    "#);
    assert_eq!((rig.pods(), rig.backends(0)), (vec!["1/1 Running".to_owned()], 1));
    assert!(!rig.cluster.restore_pod_image(rig.now, pod, &mut rig.queue, &mut rig.script));
}

#[test]
fn a_patched_pod_gets_its_image_back() {
    let mut rig = Rig::new(&web(1, &[], &[READINESS]));
    rig.boot_ready();
    let pod = rig.cluster.pods_of("web").next().unwrap();
    assert!(rig.cluster.patch_pod_image(rig.now, pod, "pause:3.9", &mut rig.queue, &mut rig.script));
    rig.run(20.0);
    assert!(rig.cluster.restore_pod_image(rig.now, pod, &mut rig.queue, &mut rig.script));
    rig.run(20.0);
    assert_eq!((rig.pods(), rig.backends(0)), (vec!["1/1 Running".to_owned()], 1));
    assert_eq!(rig.cluster.list_pods(rig.now, None)[0].restarts, 2);
}

#[test]
fn a_pod_that_heeds_sigterm_goes_fast_and_one_that_does_not_after_its_grace() {
    for (exits_in, measured) in [(Some(SimDuration::from_millis(200)), 1.5), (None, 30.5)] {
        let mut rig = Rig::new(&web(1, &[], &[]));
        rig.script.behaviours[WEB].exits_in = exits_in;
        rig.boot_ready();
        // Its worker has not just synced it, as those that were measured had not.
        rig.run(5.0);
        let pod = rig.cluster.list_pods(rig.now, None)[0].name.clone();
        let asked = rig.now.since(at(100.0)).as_secs_f64();
        rig.do_write(&Write::DeletePod { pod });
        rig.run(40.0);
        let took = rig.times("is gone")[0] - asked;
        assert!((took - measured).abs() < 1.0, "{took} s, measured {measured} s");
    }
}

#[test]
fn a_pod_serves_while_it_ends_if_no_other_is_ready() {
    let mut rig = Rig::new(&web(1, &[], &[READINESS]));
    rig.script.behaviours[WEB].exits_in = None;
    rig.boot_ready();
    rig.run(5.0);
    let pod = rig.cluster.list_pods(rig.now, None)[0].name.clone();
    rig.do_write(&Write::DeletePod { pod });
    rig.run(3.0);
    assert_eq!(rig.backends(0), 1, "the only one goes on in its grace period");
    rig.run(10.0);
    let backends = &rig.script.backends[&(NodeIx(0), KubeServiceIx(0))];
    assert_eq!((backends.len(), rig.backends(0)), (1, 1), "the new one has taken over");
    assert_eq!(backends[0].container, Some(ContainerIx(1)));
}

#[test]
fn memory_over_the_limit_kills_the_container() {
    let mut rig = Rig::new(&web(1, &[], &["resources: {limits: {memory: 100Mi}}"]));
    rig.boot_ready();
    let notice = Notice::OverLimit { container: ContainerIx(0) };
    rig.cluster.notice(rig.now, notice, &mut rig.queue, &mut rig.script);
    rig.look();
    rig.run(5.0);
    let containers = &rig.cluster.describe(rig.now, "web").unwrap().containers[0];
    assert_eq!(containers[0].last_state.as_deref(), Some("Terminated (OOMKilled, exit code 137)"));
    assert_eq!((containers[0].restarts, &*containers[0].state), (1, "Running"));
}

#[test]
fn pods_that_are_there_from_the_start_are_probed_at_different_times() {
    let mut rig = Rig::new(&web(8, &[], &[READINESS]));
    rig.cluster.bootstrap(SimTime::ZERO, &[], &mut rig.queue, &mut rig.script);
    rig.run_until(at(20.0));
    assert!(rig.cluster.all_ready());
    let lines = rig.script.first_probes();
    let phases: std::collections::BTreeSet<_> = lines.into_iter().map(|t| t.0 / 100_000_000 % 30).collect();
    assert!(phases.len() >= 6, "{phases:?}");
}
