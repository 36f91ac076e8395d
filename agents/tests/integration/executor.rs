//! The agent's hands: whose components it may change, and whose fault it is when something fails.

use std::sync::Arc;

use agents::executor::Executor;
use agents::policy::Reply;
use sim::environment::{
    Action, AppliedObject, AutoscalerSpec, Environment, Observation, Query, ResourceChange, Stage, Write, ready,
};
use sim::time::{SimDuration, SimTime};
use sim::units::Millicores;
use sim::world::Twin;

use crate::play::shipped;

/// A quiet world in which all pods are there.
fn world() -> Twin {
    let loaded = shipped("acv/low/scale");
    let mut world = Twin::new(&loaded.app, &Arc::new(loaded.scenario.value), 1);
    ready(world.prepare()).expect("the twin is always there");
    world.run_until(SimTime::ZERO + SimDuration::from_secs(60));
    world
}

fn execute(world: &mut Twin, agent: &str, write: &Write) -> Reply {
    ready(Executor::new(agent).execute(world, &Action::Write(write.clone()))).expect("the twin is always there")
}

fn see(world: &mut Twin, query: &Query) -> Observation {
    ready(world.observe(query)).expect("it can be seen")
}

fn pod_of(world: &mut Twin, component: &str) -> String {
    match see(world, &Query::ListPods { component: Some(component.into()) }) {
        Observation::Pods(pods) => pods[0].name.clone(),
        other => panic!("{other:?}"),
    }
}

/// Every write there is, on a component.
fn writes(world: &mut Twin, of: &str) -> Vec<Write> {
    let component = || of.to_owned();
    let autoscaler = format!(
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: any}}\nspec:\n  \
         scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {of}}}\n  maxReplicas: 3\n  metrics:\n  \
         - {{type: Resource, resource: {{name: cpu, target: {{type: Utilization, averageUtilization: 50}}}}}}\n"
    );
    let service = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {of}}}\nspec:\n  selector: {{name: user}}\n  \
         ports: [{{port: 80}}]\n"
    );
    let apply = |manifest| Write::Apply(AppliedObject { manifest });
    vec![
        Write::Scale { component: component(), replicas: 2 },
        Write::SetResources(ResourceChange {
            component: component(),
            cpu_limit: Some(Millicores(900)),
            ..ResourceChange::default()
        }),
        Write::SetImage { component: component(), image: "weaveworksdemos/user:0.4.4".into() },
        Write::SetEnv { component: component(), name: "A".into(), value: Some("1".into()) },
        Write::Restart { component: component() },
        Write::Rollback { component: component(), revision: None },
        Write::ApplyAutoscaler(AutoscalerSpec {
            component: component(),
            min_replicas: 1,
            max_replicas: 2,
            cpu_percent: 50,
        }),
        Write::DeleteAutoscaler { component: component() },
        Write::CreateDeployment { component: component() },
        Write::DeleteDeployment { component: component() },
        Write::DeletePod { pod: pod_of(world, of) },
        apply(autoscaler),
        apply(service),
    ]
}

#[test]
fn an_agent_changes_nothing_but_its_own_component() {
    let mut world = world();
    let everything = |world: &mut Twin| {
        let queries = [
            Query::Describe { component: "carts".into() },
            Query::ListPods { component: None },
            Query::RolloutHistory { component: "carts".into() },
        ];
        queries.map(|query| see(world, &query))
    };
    let before = everything(&mut world);
    for write in writes(&mut world, "carts") {
        let reply = execute(&mut world, "catalogue", &write);
        let refused = Reply::Rejected("carts is not yours: you may only change catalogue".into());
        assert_eq!(reply, refused, "{write:?}");
    }
    assert_eq!(everything(&mut world), before);
}

/// Without pods nobody would be found behind the Service but by its name.
#[test]
fn a_service_without_pods_is_not_free_for_the_taking() {
    let mut world = world();
    execute(&mut world, "carts", &Write::Scale { component: "carts".into(), replicas: 0 });
    world.run_until(SimTime::ZERO + SimDuration::from_secs(120));
    let service = writes(&mut world, "user").into_iter().last().map(|write| match write {
        Write::Apply(object) => object.manifest.replace("name: user}\nspec", "name: carts}\nspec"),
        other => panic!("{other:?}"),
    });
    let write = Write::Apply(AppliedObject { manifest: service.unwrap() });
    let refused = Reply::Rejected("carts is not yours: you may only change catalogue".into());
    assert_eq!(execute(&mut world, "catalogue", &write), refused);
}

#[test]
fn an_agent_may_change_its_own_component_in_every_way() {
    for number in 0..writes(&mut world(), "catalogue").len() {
        let mut world = world();
        let write = writes(&mut world, "catalogue").swap_remove(number);
        let refused = match execute(&mut world, "catalogue", &write) {
            Reply::Done(_) => None,
            Reply::Rejected(why) => Some(why),
            other => panic!("{write:?}: {other:?}"),
        };
        let expected = match write {
            Write::Rollback { .. } => Some("no rollout history found for deployment \"catalogue\""),
            Write::DeleteAutoscaler { .. } => Some("horizontalpodautoscalers.autoscaling \"catalogue\" not found"),
            Write::CreateDeployment { .. } => Some("deployments.apps \"catalogue\" already exists"),
            _ => None,
        };
        assert_eq!(refused.as_deref(), expected, "{write:?}");
    }
}

#[test]
fn what_does_not_exist_is_refused_in_the_api_servers_words() {
    let mut world = world();
    let not_found = |reply: Reply, object: &str| {
        assert_eq!(reply, Reply::Rejected(format!("{object} not found")));
    };
    let nothing = || "gremlins".to_owned();
    let scaled = execute(&mut world, "gremlins", &Write::Scale { component: nothing(), replicas: 2 });
    not_found(scaled, "deployments.apps \"gremlins\"");
    not_found(execute(&mut world, "catalogue", &Write::DeletePod { pod: nothing() }), "pods \"gremlins\"");
    let look = Action::Observe(Query::Describe { component: nothing() });
    let seen = ready(Executor::new("catalogue").execute(&mut world, &look)).expect("the twin is always there");
    not_found(seen, "deployments.apps \"gremlins\"");
}

#[test]
fn waiting_and_talking_are_not_for_the_executor() {
    let mut world = world();
    let before = world.now();
    let wait = Action::Wait(SimDuration::from_secs(60));
    assert_eq!(ready(Executor::new("catalogue").execute(&mut world, &wait)), Ok(Reply::Noted));
    assert_eq!(world.now(), before);
}
