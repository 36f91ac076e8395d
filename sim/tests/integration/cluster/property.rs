//! Random writes at random times.

use std::collections::BTreeSet;

use proptest::prelude::*;
use sim::environment::{AutoscalerSpec, ResourceChange};

use super::*;

fn any_write() -> impl Strategy<Value = Write> {
    let component = || "web".to_owned();
    prop_oneof![
        4 => (0_u32..8).prop_map(|replicas| scale("web", replicas)),
        // Tag 9 does not exist.
        4 => (1_u32..10).prop_map(|tag| set_image("web", &format!("web:{tag}"))),
        2 => (1_u64..900).prop_map(move |m| Write::SetResources(ResourceChange {
            component: component(),
            cpu_request: Some(Millicores(m)),
            ..ResourceChange::default()
        })),
        2 => Just(Write::Restart { component: component() }),
        3 => proptest::option::of(1_u64..6).prop_map(|revision| undo("web", revision)),
        1 => (1_u32..4, 1_u32..8).prop_map(move |(min_replicas, max_replicas)| Write::ApplyAutoscaler(AutoscalerSpec {
            component: component(),
            min_replicas,
            max_replicas,
            cpu_percent: 50,
        })),
        1 => Just(Write::DeleteAutoscaler { component: component() }),
        1 => Just(Write::CreateDeployment { component: component() }),
        1 => Just(Write::DeleteDeployment { component: component() }),
        3 => (0_usize..8).prop_map(|n| Write::DeletePod { pod: n.to_string() }),
        1 => (0_u32..3).prop_map(move |n| Write::SetEnv {
            component: component(),
            name: "N".to_owned(),
            value: (n > 0).then(|| n.to_string()),
        }),
    ]
}

/// What must hold at every moment; `before` and `gone` are the names of the pods that there were a
/// moment ago, and of all that have gone.
fn check_invariants(rig: &Rig, before: &mut BTreeSet<String>, gone: &mut BTreeSet<String>) {
    let pods = rig.cluster.list_pods(rig.now, None);
    let names: BTreeSet<_> = pods.iter().map(|pod| pod.name.clone()).collect();
    assert_eq!(names.len(), pods.len(), "two pods of one name");
    gone.extend(before.difference(&names).cloned());
    assert!(names.is_disjoint(gone), "a pod came back");
    *before = names;
    let containers = rig.cluster.running_containers().count();
    let alive = rig.script.processes.iter().filter(|process| process.is_alive).count();
    assert_eq!(containers, alive, "a process without a pod, or a pod's process that is not there");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn random_writes_keep_the_invariants_and_converge(
        seed in 0_u64..1000,
        writes in proptest::collection::vec((any_write(), 0.0_f64..25.0), 1..14),
    ) {
        let resources = "resources: {requests: {cpu: 100m}, limits: {cpu: 500m}}";
        let mut rig = Rig::with(&web(3, &[], &[READINESS, resources]), &[node("a", 2000), node("b", 2000)], seed);
        rig.boot_ready();
        let (mut before, mut gone) = (BTreeSet::new(), BTreeSet::new());
        for (write, pause) in writes {
            let write = match write {
                Write::DeletePod { pod } => {
                    let pods = rig.cluster.list_pods(rig.now, None);
                    let Some(chosen) = pods.get(pod.parse::<usize>().unwrap() % pods.len().max(1)) else { continue };
                    Write::DeletePod { pod: chosen.name.clone() }
                }
                other => other,
            };
            let _answer = rig.write(&write);
            let until = rig.now + SimDuration::from_secs_f64(pause);
            while let Some(next) = rig.queue.next_time().filter(|next| *next <= until) {
                rig.run_until(next);
                check_invariants(&rig, &mut before, &mut gone);
            }
            rig.run_until(until);
        }
        // Mend what cannot converge by itself, and let it settle.
        let _maybe_gone = rig.write(&Write::DeleteAutoscaler { component: "web".into() });
        let _maybe_there = rig.write(&Write::CreateDeployment { component: "web".into() });
        rig.write(&set_image("web", "web:1")).unwrap();
        rig.write(&Write::SetResources(ResourceChange {
            component: "web".into(),
            cpu_request: Some(Millicores(100)),
            ..ResourceChange::default()
        })).unwrap();
        rig.run(400.0);
        let state = rig.cluster.component_state(rig.now, "web");
        prop_assert!(rig.cluster.all_ready(), "{:?}\n{}", state, rig.timeline);
        prop_assert_eq!((state.pods, state.available), (state.replicas, state.replicas));
        let pods = rig.cluster.list_pods(rig.now, None);
        prop_assert!(pods.iter().all(|pod| pod.status == "Running"));
        prop_assert_eq!(rig.backends(0), state.replicas as usize);
    }

    /// The controller alone never takes more, nor leaves less, than the strategy allows.
    #[test]
    fn rollouts_stay_within_their_bounds(
        seed in 0_u64..1000,
        replicas in 1_u32..7,
        surge in 0_u32..3,
        unavailable in 0_u32..3,
        steps in proptest::collection::vec((1_u32..10, 0.0_f64..20.0), 1..8),
    ) {
        let strategy =
            format!("strategy: {{rollingUpdate: {{maxSurge: {surge}, maxUnavailable: {unavailable}}}}}");
        prop_assume!(surge + unavailable > 0);
        let mut rig = Rig::with(&web(replicas, &[&strategy], &[READINESS]), &[node("a", 9000)], seed);
        rig.boot_ready();
        for (tag, pause) in steps {
            rig.write(&set_image("web", &format!("web:{tag}"))).unwrap();
            let until = rig.now + SimDuration::from_secs_f64(pause);
            while let Some(next) = rig.queue.next_time().filter(|next| *next <= until) {
                rig.run_until(next);
                let state = rig.cluster.component_state(rig.now, "web");
                prop_assert!(state.pods <= replicas + surge, "{} pods\n{}", state.pods, rig.timeline);
                prop_assert!(state.available + unavailable >= replicas, "{} available\n{}", state.available, rig.timeline);
            }
            rig.run_until(until);
        }
    }

    #[test]
    fn a_clone_goes_on_as_the_original(seed in 0_u64..1000, write in any_write(), pause in 0.0_f64..20.0) {
        let mut rig = Rig::with(&web(2, &[], &[READINESS]), &[node("a", 2000)], seed);
        rig.boot_ready();
        let _answer = rig.write(&write);
        rig.run(pause);
        let mut other = rig.clone();
        rig.run(60.0);
        other.run(60.0);
        prop_assert_eq!(rig.timeline, other.timeline);
    }
}
