//! Quotas: pods that are not created, and what is said about it.

use super::*;

fn quota(hard: &str) -> String {
    format!(
        "apiVersion: v1
kind: ResourceQuota
metadata: {{name: team, namespace: sock-shop}}
spec:
  hard: {{{hard}}}
---
"
    )
}

const RESOURCES: &str = "resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: 200m, memory: 128Mi}}";

fn apply(manifest: String) -> Write {
    Write::Apply(sim::environment::AppliedObject { manifest })
}

/// Two pods that run, and a quota of three.
fn rig(hard: &str) -> Rig {
    let mut rig = Rig::with(&(web(2, &[], &[RESOURCES]) + &quota(hard)), &[node("a", 4000)], 1);
    rig.boot_ready();
    rig
}

#[test]
fn a_pod_beyond_the_quota_is_refused_until_there_is_room() {
    let mut rig = rig("pods: \"3\"");
    rig.do_write(&scale("web", 5));
    rig.run(5.0);
    let refused = "Error creating: pods \"rs1-";
    assert!(rig.timeline.contains(refused), "{}", rig.timeline);
    let why = "is forbidden: exceeded quota: team, requested: pods=1, used: pods=3, limited: pods=3";
    assert!(rig.timeline.contains(why), "{}", rig.timeline);
    assert_eq!(rig.pods().len(), 3);
    assert_eq!(rig.condition("web", "ReplicaFailure"), "True FailedCreate");
    rig.do_write(&apply(quota("pods: \"10\"")));
    // It is tried again after a time that has doubled since.
    rig.run(20.0);
    assert_eq!(rig.pods(), ["1/1 Running"; 5]);
    assert_eq!(rig.condition("web", "ReplicaFailure"), "");
}

#[test]
fn it_is_tried_again_ever_more_rarely() {
    let mut rig = rig("pods: \"2\"");
    rig.do_write(&scale("web", 3));
    rig.run(400.0);
    // After 5, 10, 20 ms and so on; of so many similar events not all are told.
    let times = rig.times("FailedCreate");
    assert!((12..=18).contains(&times.len()), "{times:?}");
    assert!(times.windows(2).all(|pair| pair[0] <= pair[1]));
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps[gaps.len() - 1] > 1.8 * gaps[gaps.len() - 2], "{gaps:?}");
}

#[test]
fn requests_and_limits_count_together_over_all_pods() {
    for (hard, why) in [
        ("requests.cpu: 250m", "requested: requests.cpu=100m, used: requests.cpu=200m, limited: requests.cpu=250m"),
        ("cpu: 250m, memory: 1Gi", "requested: cpu=100m, used: cpu=200m, limited: cpu=250m"),
        (
            "limits.memory: 300Mi",
            "requested: limits.memory=128Mi, used: limits.memory=256Mi, limited: limits.memory=300Mi",
        ),
        (
            "requests.memory: 150Mi, limits.cpu: 500m",
            "requested: limits.cpu=200m,requests.memory=64Mi, used: limits.cpu=400m,requests.memory=128Mi, limited: \
             limits.cpu=500m,requests.memory=150Mi",
        ),
    ] {
        let mut rig = rig(hard);
        rig.do_write(&scale("web", 3));
        rig.run(2.0);
        assert!(rig.timeline.contains(&format!("exceeded quota: team, {why}")), "{hard}: {}", rig.timeline);
        assert_eq!(rig.pods().len(), 2, "{hard}");
    }
}

#[test]
fn a_pod_must_say_what_the_quota_counts() {
    let manifests = web(1, &[], &["resources: {requests: {cpu: 100m}}"]);
    let mut rig = Rig::with(&manifests, &[node("a", 4000)], 1);
    rig.boot_ready();
    rig.do_write(&apply(quota("limits.cpu: 2, memory: 1Gi")));
    rig.run(1.0);
    rig.do_write(&scale("web", 2));
    rig.run(2.0);
    let why = "is forbidden: failed quota: team: must specify limits.cpu for: web; memory for: web";
    assert!(rig.timeline.contains(why), "{}", rig.timeline);
}

#[test]
fn a_rollout_stands_still_where_the_quota_leaves_no_room_for_a_surge() {
    let mut rig = rig("pods: \"2\"");
    rig.do_write(&set_image("web", "web:2"));
    rig.run(30.0);
    assert_eq!(rig.pods(), ["1/1 Running"; 2]);
    assert_eq!(rig.condition("web", "ReplicaFailure"), "True FailedCreate");
    let delete = Write::Delete { kind: sim::environment::DeletableKind::ResourceQuota, name: "team".to_owned() };
    assert_eq!(rig.write(&delete), Ok("resourcequota \"team\" deleted".to_owned()));
    rig.run(60.0);
    assert!(rig.cluster.all_ready(), "{}", rig.timeline);
}
