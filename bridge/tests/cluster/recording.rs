//! What the recorder sees of a rollout and of a deleted pod.

use sim::environment::Write;
use sim::transition::{Change, Transition};

use crate::harness::{in_the_lab, until};

/// What happened to one object, events left out.
fn story(transitions: &[Transition], kind: &str, name: &str) -> Vec<Change> {
    let of_it = transitions.iter().filter(|t| t.object.kind == kind && t.object.name == name);
    of_it.map(|t| t.what.clone()).filter(|what| !matches!(what, Change::Event { .. })).collect()
}

#[test]
#[ignore = "needs the lab"]
fn a_rollout_and_a_deleted_pod_are_recorded() {
    in_the_lab("recording", async |lab| {
        lab.deploy("one", 1).await;
        let [before] = <[_; 1]>::try_from(lab.until_ready("one", 1).await).unwrap();
        let recorder = lab.bridge.record().await.unwrap();
        lab.write(&Write::Restart { component: "one".to_owned() }, "deployment.apps/one restarted").await;
        until("the new pod is Ready", async || {
            let pods = lab.pods_of("one").await;
            pods.len() == 1 && pods[0].uid != before.uid && pods[0].ready
        })
        .await;
        let [second] = <[_; 1]>::try_from(lab.pods_of("one").await).unwrap();
        let delete = Write::DeletePod { pod: second.name.clone() };
        lab.write(&delete, &format!("pod \"{}\" deleted", second.name)).await;
        until("the third pod is Ready", async || {
            let pods = lab.pods_of("one").await;
            pods.len() == 1 && pods[0].uid != second.uid && pods[0].ready
        })
        .await;
        let elapsed = recorder.elapsed();
        let recording = recorder.finish().await;
        let transitions = &recording.transitions;
        assert!(recording.interruptions.is_empty(), "{:?}", recording.interruptions);
        let known: Vec<_> = recording.before.iter().map(|(name, c)| (name.as_str(), c.wanted, c.ready)).collect();
        assert_eq!(known, [("one", 1, 1)]);
        assert!(transitions.is_sorted_by_key(|t| t.at) && transitions.iter().all(|t| t.at <= elapsed));
        assert!(transitions.iter().all(|t| t.component.as_deref() == Some("one")), "{transitions:#?}");

        let started = |container: &str| Change::Started { container: container.to_owned() };
        let mut life = story(transitions, "pod", &second.name);
        // A kubelet whose containers start at once writes only how they are by then, and that they waited is never seen;
        // one that has to pull the image may have to try twice.
        life.retain(|what| !matches!(what, Change::Waiting { .. }));
        let begin = [
            Change::Created,
            Change::Scheduled { node: second.node.clone().unwrap() },
            started("beside"),
            started("one"),
            Change::Ready,
            Change::Deleting,
        ];
        assert_eq!(life[..begin.len()], begin, "{life:#?}");
        assert_eq!(life.last(), Some(&Change::Deleted), "{life:#?}");
        assert_eq!(story(transitions, "pod", &before.name).first(), Some(&Change::Deleting));
        let reasons: Vec<_> = transitions
            .iter()
            .filter_map(|t| match &t.what {
                Change::Event { reason, .. } => Some((t.object.kind.as_str(), reason.as_str())),
                _ => None,
            })
            .collect();
        for seen in [("deployment", "ScalingReplicaSet"), ("replicaset", "SuccessfulCreate"), ("pod", "Started")] {
            assert!(reasons.contains(&seen), "{seen:?} {reasons:?}");
        }
        let ready_again = story(transitions, "deployment", "one").iter().rev().any(|what| {
            matches!(what, Change::Replicas(counts) if counts.ready == 1 && counts.updated == 1 && counts.current == 1)
        });
        assert!(ready_again, "{transitions:#?}");
    });
}
