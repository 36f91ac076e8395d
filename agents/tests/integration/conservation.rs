//! Whatever is done to a world, and whatever goes wrong in it: no request and no pod is lost.

use std::sync::Arc;

use datasets::scenarios::{self, Loaded};
use proptest::prelude::*;
use sim::diagnostic::Source;
use sim::environment::{AutoscalerSpec, Environment, Failure, Observation, Query, ResourceChange, Stage, Write, ready};
use sim::episode::Truth;
use sim::time::SimDuration;
use sim::units::{Bytes, Millicores};
use sim::world::Twin;

/// All kinds of fault at once, on components that call each other, under the load of whole shopping tours.
const SCENARIO: &str = "
apiVersion: sockpit/v1alpha1
kind: Scenario
name: test/chaos
app: {name: sock-shop, overlay: acv}
workloads:
- {user_class: shopper, target: front-end, shape: {users: {users: 30, spawn_rate: 30}}, start: 5s}
- {user_class: catalogue-list, target: catalogue, shape: {arrivals: {process: poisson, stages: [{duration: 10s, rate: 40}]}}}
faults:
- start: 1h
  inject: {fake-image: {component: catalogue-db, image: 'busybox:1.36'}}
- start: 1h
  inject: {bad-tag: {component: front-end, image: 'weaveworksdemos/front-end:9.9'}}
- start: 1h
  inject: {rising-traffic: {user_class: catalogue-list, target: catalogue, shape: {level: rising}}}
- start: 1h
  inject:
    chaos-mesh:
      apiVersion: chaos-mesh.org/v1alpha1
      kind: PodChaos
      metadata: {name: failure}
      spec: {action: pod-failure, mode: one, selector: {labelSelectors: {name: user}}}
- start: 1h
  inject:
    chaos-mesh:
      apiVersion: chaos-mesh.org/v1alpha1
      kind: StressChaos
      metadata: {name: stress}
      spec: {mode: all, selector: {labelSelectors: {name: catalogue}}, stressors: {cpu: {workers: 2, load: 100}}}
task: {levels: [L5], agent: catalogue, text: none, goal: maintain, start: 1h}
budget: {time: 2h}
slos: {components: [catalogue]}
";

const COMPONENTS: [&str; 6] = ["front-end", "catalogue", "catalogue-db", "user", "payment", "carts"];

/// One thing that is done.
#[derive(Clone, Debug)]
enum Deed {
    Write(Write),
    /// The first pod of a component is deleted.
    DeletePod(&'static str),
    Inject(usize),
    Recover(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    let component = || prop::sample::select(&COMPONENTS[..]);
    let write = (component(), 0..9u8, 0..4u32).prop_map(|(component, which, amount)| {
        let name = component;
        let component = component.to_owned();
        Deed::Write(match which {
            0 | 1 => Write::Scale { component, replicas: amount },
            2 => Write::SetResources(ResourceChange {
                component,
                cpu_limit: Some(Millicores(u64::from(amount) * 150 + 100)),
                memory_limit: Some(Bytes::from_mebibytes(u64::from(amount) * 200 + 200)),
                ..ResourceChange::default()
            }),
            3 => Write::SetEnv { component, name: "A".into(), value: Some(amount.to_string()) },
            4 => Write::Restart { component },
            5 => Write::Rollback { component, revision: None },
            6 => Write::DeleteDeployment { component },
            7 => Write::CreateDeployment { component },
            _ if amount == 0 => return Deed::DeletePod(name),
            _ => Write::ApplyAutoscaler(AutoscalerSpec {
                component,
                min_replicas: 1,
                max_replicas: amount + 1,
                cpu_percent: 30,
            }),
        })
    });
    prop_oneof![
        6 => write,
        1 => component().prop_map(Deed::DeletePod),
        2 => (0..5usize).prop_map(Deed::Inject),
        2 => (0..5usize).prop_map(Deed::Recover),
    ]
}

fn chaos() -> Loaded {
    let source = Source { path: "chaos".into(), text: SCENARIO.into() };
    scenarios::load_source(&source, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// Does it. What the API server refuses, or a fault whose component is gone, changes nothing.
fn act(world: &mut Twin, deed: &Deed) {
    let write = match deed {
        Deed::Write(write) => write.clone(),
        Deed::DeletePod(component) => match pods(world, Some(component)).first() {
            Some((pod, _)) => Write::DeletePod { pod: pod.clone() },
            None => return,
        },
        Deed::Inject(fault) => return drop(ready(world.inject(*fault))),
        Deed::Recover(fault) => return drop(ready(world.recover(*fault))),
    };
    match ready(world.act(&write)) {
        Ok(_) | Err(Failure::Rejected(_)) => {}
        Err(Failure::Unavailable(why)) => panic!("{write:?}: {why}"),
    }
}

/// Names and states of pods.
fn pods(world: &mut Twin, of: Option<&str>) -> Vec<(String, String)> {
    match ready(world.observe(&Query::ListPods { component: of.map(Into::into) })) {
        Ok(Observation::Pods(pods)) => pods.into_iter().map(|pod| (pod.name, pod.status)).collect(),
        other => panic!("{other:?}"),
    }
}

fn run(world: &mut Twin, seconds: u64) -> Truth {
    ready(world.advance(world.now() + SimDuration::from_secs(seconds))).expect("the twin is always there");
    world.check_conservation().expect("no request is lost");
    ready(world.truth()).expect("the twin is always there")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_request_and_no_pod_is_lost(
        seed in 0..1000u64,
        deeds in prop::collection::vec((0..15u64, deed()), 1..12),
    ) {
        let loaded = chaos();
        let mut world = Twin::new(&loaded.app, &Arc::new(loaded.scenario.value), seed);
        ready(world.prepare()).expect("the twin is always there");
        let mut truths = vec![run(&mut world, 20)];
        for (gap, deed) in &deeds {
            act(&mut world, deed);
            truths.push(run(&mut world, *gap));
        }
        // Grace periods end, rollouts come as far as they can.
        truths.push(run(&mut world, 120));

        let sum = |count: fn(&Truth) -> u64| truths.iter().map(count).sum::<u64>();
        let last = &truths[truths.len() - 1];
        let known = sum(|t| t.client_ok) + sum(|t| t.client_failed) + last.client_waiting;
        prop_assert_eq!(sum(|t| t.client_sent), known);

        for component in &last.components {
            let surge = component.replicas.div_ceil(4);
            let wanted = component.replicas..=component.replicas + surge;
            prop_assert!(wanted.contains(&component.pods), "{:?}", component);
            prop_assert!(component.exists || component.pods == 0, "{:?}", component);
            prop_assert!(component.available <= component.ready && component.ready <= component.pods, "{:?}", component);
            let listed = pods(&mut world, Some(&component.component));
            prop_assert_eq!(listed.len(), component.pods as usize, "{:?}", listed);
        }
        let mut names = pods(&mut world, None);
        let count = names.len();
        names.sort_unstable();
        names.dedup_by(|a, b| a.0 == b.0);
        prop_assert_eq!(names.len(), count, "two pods have one name");
    }
}
