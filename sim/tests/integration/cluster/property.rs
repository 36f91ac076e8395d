//! Random writes at random times.

use std::collections::BTreeSet;

use proptest::prelude::*;
use sim::environment::{AutoscalerSpec, ResourceChange};
use sim::time::SimDuration;

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

/// Something that happens to one of the nodes.
#[derive(Clone, Copy, Debug)]
enum Blow {
    Lose,
    Silence,
    LoseRuntime,
    Restore,
    Cordon,
    Uncordon,
    Drain,
    /// So many MiB of its memory are taken by others.
    Occupy(u64),
}

#[derive(Clone, Debug)]
enum Act {
    Write(Write),
    Node(Blow, usize),
}

fn any_act() -> impl Strategy<Value = Act> {
    let blow = prop_oneof![
        3 => Just(Blow::Lose),
        2 => Just(Blow::Silence),
        1 => Just(Blow::LoseRuntime),
        4 => Just(Blow::Restore),
        1 => Just(Blow::Cordon),
        1 => Just(Blow::Uncordon),
        2 => Just(Blow::Drain),
        1 => prop_oneof![Just(0_u64), 15_800_u64..16_000].prop_map(Blow::Occupy),
    ];
    prop_oneof![
        1 => any_write().prop_map(Act::Write),
        2 => (blow, 0_usize..3).prop_map(|(blow, node)| Act::Node(blow, node)),
    ]
}

impl Rig {
    fn strike(&mut self, blow: Blow, node: &str) {
        match blow {
            Blow::Lose => self.lose(node),
            Blow::Silence => self.silence(node),
            Blow::LoseRuntime => self.lose_runtime(node),
            Blow::Restore => self.restore(node),
            Blow::Cordon => drop(self.write(&Write::Cordon { node: node.into() })),
            Blow::Uncordon => drop(self.write(&Write::Uncordon { node: node.into() })),
            Blow::Drain => drop(self.write(&Write::Drain { node: node.into() })),
            Blow::Occupy(mebibytes) => {
                let node = self.cluster.node_named(node).unwrap();
                self.cluster.occupy_memory(node, Bytes::from_mebibytes(mebibytes));
            }
        }
    }

    /// A write of a pod by number is about the pod of that number; none if there are no pods.
    fn aimed(&self, write: Write) -> Option<Write> {
        let Write::DeletePod { pod } = write else { return Some(write) };
        let pods = self.cluster.list_pods(self.now, None);
        let chosen = pods.get(pod.parse::<usize>().unwrap() % pods.len().max(1))?;
        Some(Write::DeletePod { pod: chosen.name.clone() })
    }
}

/// Every container that a pod counts as running lives, and no process lives twice. Processes whose pods were deleted by
/// force may outlive them on a node without a kubelet, and nowhere else.
fn check_processes(rig: &Rig) {
    let running: Vec<_> = rig.cluster.running_containers().map(|c| (c.pod, c.process)).collect();
    for (pod, process) in &running {
        assert!(rig.script.processes[process.index()].is_alive, "{pod:?} runs a dead process");
    }
    let processes: BTreeSet<_> = running.iter().map(|(_, process)| *process).collect();
    assert_eq!(processes.len(), running.len(), "a process of two pods");
}

/// What must hold at every moment; `before` and `gone` are the names of the pods that there were a
/// moment ago, and of all that have gone.
fn check_invariants(rig: &Rig, before: &mut BTreeSet<String>, gone: &mut BTreeSet<String>) {
    check_names(rig, before, gone);
    let containers = rig.cluster.running_containers().count();
    let alive = rig.script.processes.iter().filter(|process| process.is_alive).count();
    assert_eq!(containers, alive, "a process without a pod, or a pod's process that is not there");
}

/// No name is given twice.
fn check_names(rig: &Rig, before: &mut BTreeSet<String>, gone: &mut BTreeSet<String>) {
    let pods = rig.cluster.list_pods(rig.now, None);
    let names: BTreeSet<_> = pods.iter().map(|pod| pod.name.clone()).collect();
    assert_eq!(names.len(), pods.len(), "two pods of one name");
    gone.extend(before.difference(&names).cloned());
    assert!(names.is_disjoint(gone), "a pod came back");
    *before = names;
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
            let Some(write) = rig.aimed(write) else { continue };
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

    /// Nodes are lost, fall silent, are drained and come back at random times, while somebody writes: no pod is lost or
    /// doubled, and in the end there are as many as are wanted.
    #[test]
    fn no_pod_is_lost_or_doubled_when_nodes_are(
        seed in 0_u64..1000,
        acts in proptest::collection::vec((any_act(), 0.0_f64..90.0), 1..14),
    ) {
        let resources = "resources: {requests: {cpu: 100m, memory: 30Mi}, limits: {cpu: 500m}}";
        let names = ["a", "b", "c"];
        let mut rig = Rig::with(&web(4, &[], &[READINESS, resources]), &names.map(|name| node(name, 2000)), seed);
        rig.boot_ready();
        let (mut before, mut gone) = (BTreeSet::new(), BTreeSet::new());
        for (act, pause) in acts {
            match act {
                Act::Write(write) => {
                    let Some(write) = rig.aimed(write) else { continue };
                    let _answer = rig.write(&write);
                }
                Act::Node(blow, node) => rig.strike(blow, names[node]),
            }
            let until = rig.now + SimDuration::from_secs_f64(pause);
            while let Some(next) = rig.queue.next_time().filter(|next| *next <= until) {
                rig.run_until(next);
                check_names(&rig, &mut before, &mut gone);
                check_processes(&rig);
            }
            rig.run_until(until);
        }
        for name in names {
            for blow in [Blow::Restore, Blow::Uncordon, Blow::Occupy(0)] {
                rig.strike(blow, name);
            }
        }
        let _maybe_gone = rig.write(&Write::DeleteAutoscaler { component: "web".into() });
        let _maybe_there = rig.write(&Write::CreateDeployment { component: "web".into() });
        rig.write(&set_image("web", "web:1")).unwrap();
        rig.write(&Write::SetResources(ResourceChange {
            component: "web".into(),
            cpu_request: Some(Millicores(100)),
            ..ResourceChange::default()
        })).unwrap();
        // Pressure lasts five minutes after it was seen, and what does not fit is tried again after five.
        rig.run(1000.0);
        let state = rig.cluster.component_state(rig.now, "web");
        prop_assert!(rig.cluster.all_ready(), "{:?}\n{}", state, rig.timeline);
        prop_assert_eq!((state.pods, state.available), (state.replicas, state.replicas));
        let alive = rig.script.processes.iter().filter(|process| process.is_alive).count();
        prop_assert_eq!((alive, rig.backends(0)), (state.replicas as usize, state.replicas as usize));
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
