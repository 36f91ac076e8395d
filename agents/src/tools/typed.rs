//! The typed form: one flat function per action of an autonomic agent.

use std::collections::BTreeMap;

use sim::environment::{
    Action, AppliedObject, Assignment, AutoscalerSpec, Component, Conclusion, Declaration, DeletableKind, Goal,
    LogQuery, MetricQuery, Query, ResourceChange, Write,
};
use sim::time::SimDuration;

use super::Tool;
use crate::mechanism::Mechanism;

/// The tools of an agent that works in this way: only with peers can it ask one, only under a manager can it raise an
/// issue.
pub fn tools(mechanism: Mechanism) -> Vec<Tool> {
    all().into_iter().filter(|tool| exists(tool.name, mechanism)).collect()
}

/// Those of [`tools`] with these names.
pub(super) fn some(mechanism: Mechanism, names: &[&str]) -> Vec<Tool> {
    tools(mechanism).into_iter().filter(|tool| names.contains(&tool.name)).collect()
}

fn exists(tool: &str, mechanism: Mechanism) -> bool {
    match tool {
        "ask_peer" => mechanism == Mechanism::Peers,
        "raise_issue" => mechanism == Mechanism::Managed,
        _ => true,
    }
}

tools! {
    Action;

    ListPods = "list_pods": "List pods with status, readiness and restarts, as `kubectl get pods`." {
        /// Only this component's pods.
        component: Option<Component>
    } => |a| Action::Observe(Query::ListPods { component: a.component });

    Describe = "describe": "Describe a component: its Deployment, ReplicaSets, pods, Service, autoscaler and recent events, as `kubectl describe`." {
        /// The component.
        component: Component
    } => |a| Action::Observe(Query::Describe { component: a.component });

    Logs = "get_logs": "The last lines of a container's log, as `kubectl logs`." {
        /// A pod's name, or a component's.
        of: String,
        /// The container before the last restart.
        #[serde(default)]
        previous: bool,
        /// How many lines. Default 20.
        #[serde(default = "twenty")]
        tail: u32
    } => |a| Action::Observe(Query::Logs(LogQuery { of: a.of, previous: a.previous, tail: a.tail }));

    Events = "get_events": "Recent Kubernetes events, as `kubectl get events`." {
        /// Only events about this component's objects.
        component: Option<Component>
    } => |a| Action::Observe(Query::Events { component: a.component });

    ResourceUsage = "resource_usage": "CPU and memory of pods beside their requests and limits, as `kubectl top pods`." {
        /// Only this component's pods.
        component: Option<Component>
    } => |a| Action::Observe(Query::ResourceUsage { component: a.component });

    Nodes = "list_nodes": "Nodes with what they offer, what is requested and what is used." {
    } => |_a| Action::Observe(Query::Nodes);

    Metrics = "query_metrics": "A PromQL query to Prometheus, instant or over a range that ends now." {
        /// The expression.
        promql: String,
        /// For a range query: how far back, such as `5m`.
        range: Option<SimDuration>,
        /// Step of a range query. Default `15s`.
        step: Option<SimDuration>
    } => |a| Action::Observe(Query::Metrics(MetricQuery { promql: a.promql, range: a.range, step: a.step }));

    DependenciesOf = "dependencies": "Which components a component calls, and which call it." {
        /// The component.
        component: Component
    } => |a| Action::Observe(Query::Dependencies { component: a.component });

    Policies = "list_policies": "ResourceQuotas with what is used, PodDisruptionBudgets and NetworkPolicies of the namespace, as `kubectl get`." {
    } => |_a| Action::Observe(Query::Policies);

    RolloutHistory = "rollout_history": "Revisions of a component's Deployment with their images, as `kubectl rollout history`." {
        /// The component.
        component: Component
    } => |a| Action::Observe(Query::RolloutHistory { component: a.component });

    Scale = "scale": "Set the number of replicas, as `kubectl scale`." {
        /// The component.
        component: Component,
        /// How many.
        replicas: u32
    } => |a| Action::Write(Write::Scale { component: a.component, replicas: a.replicas });

    SetResources = "set_resources": "Change CPU and memory requests and limits; what is left out stays. Starts a rollout." {
        /// The component.
        component: Component,
        /// Such as `100m`.
        cpu_request: Option<sim::units::Millicores>,
        /// Such as `400m`.
        cpu_limit: Option<sim::units::Millicores>,
        /// Such as `100Mi`.
        memory_request: Option<sim::units::Bytes>,
        /// Such as `400Mi`.
        memory_limit: Option<sim::units::Bytes>
    } => |a| Action::Write(Write::SetResources(ResourceChange {
        component: a.component,
        cpu_request: a.cpu_request,
        cpu_limit: a.cpu_limit,
        memory_request: a.memory_request,
        memory_limit: a.memory_limit,
    }));

    SetImage = "set_image": "Change the image of a component. Starts a rollout." {
        /// The component.
        component: Component,
        /// Image with tag.
        image: String
    } => |a| Action::Write(Write::SetImage { component: a.component, image: a.image });

    SetEnv = "set_env": "Set or remove an environment variable of a component. Starts a rollout." {
        /// The component.
        component: Component,
        /// Name of the variable.
        name: String,
        /// Its value; left out, the variable is removed.
        value: Option<String>
    } => |a| Action::Write(Write::SetEnv { component: a.component, name: a.name, value: a.value });

    Restart = "restart": "Replace all pods by new ones, as `kubectl rollout restart`." {
        /// The component.
        component: Component
    } => |a| Action::Write(Write::Restart { component: a.component });

    Rollback = "rollback": "Go back to an earlier revision, as `kubectl rollout undo`." {
        /// The component.
        component: Component,
        /// The revision; left out, the one before.
        revision: Option<u64>
    } => |a| Action::Write(Write::Rollback { component: a.component, revision: a.revision });

    ApplyAutoscaler = "apply_autoscaler": "Create or change the component's HorizontalPodAutoscaler on CPU." {
        /// The component.
        component: Component,
        /// Fewest replicas.
        min_replicas: u32,
        /// Most replicas.
        max_replicas: u32,
        /// Target utilisation in per cent of the CPU request.
        cpu_percent: u32
    } => |a| Action::Write(Write::ApplyAutoscaler(AutoscalerSpec {
        component: a.component,
        min_replicas: a.min_replicas,
        max_replicas: a.max_replicas,
        cpu_percent: a.cpu_percent,
    }));

    DeleteAutoscaler = "delete_autoscaler": "Delete the component's HorizontalPodAutoscaler." {
        /// The component.
        component: Component
    } => |a| Action::Write(Write::DeleteAutoscaler { component: a.component });

    CreateDeployment = "create_deployment": "Create the component's Deployment from its manifest." {
        /// The component.
        component: Component
    } => |a| Action::Write(Write::CreateDeployment { component: a.component });

    DeleteDeployment = "delete_deployment": "Delete the component's Deployment and all its pods." {
        /// The component.
        component: Component
    } => |a| Action::Write(Write::DeleteDeployment { component: a.component });

    DeletePod = "delete_pod": "Delete one pod; its ReplicaSet makes a new one." {
        /// The pod's name.
        pod: String
    } => |a| Action::Write(Write::DeletePod { pod: a.pod });

    Apply = "apply": "Apply the manifest of one Service, HorizontalPodAutoscaler, ResourceQuota, PodDisruptionBudget or NetworkPolicy, as `kubectl apply`." {
        /// Its YAML.
        manifest: String
    } => |a| Action::Write(Write::Apply(AppliedObject { manifest: a.manifest }));

    Delete = "delete": "Delete a ResourceQuota, PodDisruptionBudget or NetworkPolicy, as `kubectl delete`." {
        /// Its kind.
        kind: DeletableKind,
        /// Its name.
        name: String
    } => |a| Action::Write(Write::Delete { kind: a.kind, name: a.name });

    Cordon = "cordon": "Let no more pods come to a node, as `kubectl cordon`; those that are there stay." {
        /// The node's name.
        node: String
    } => |a| Action::Write(Write::Cordon { node: a.node });

    Uncordon = "uncordon": "Let pods come to a node again, as `kubectl uncordon`." {
        /// The node's name.
        node: String
    } => |a| Action::Write(Write::Uncordon { node: a.node });

    Drain = "drain": "Cordon a node and evict its pods, as far as their disruption budgets allow, as one round of `kubectl drain`. The answer says which pods stay; drain again for them." {
        /// The node's name.
        node: String
    } => |a| Action::Write(Write::Drain { node: a.node });

    Wait = "wait": "Let time pass." {
        /// How long, such as `30s`.
        duration: SimDuration
    } => |a| Action::Wait(a.duration);

    Declare = "declare": "Say what you now believe: whether all objectives hold and, if not, which component is the cause and what kind of fault it is. Changes nothing." {
        /// Whether all objectives hold.
        healthy: bool,
        /// Where the cause is.
        component: Option<Component>,
        /// The kind of fault.
        kind: Option<String>
    } => |a| Action::Declare(Declaration { healthy: a.healthy, component: a.component, kind: a.kind });

    AskPeer = "ask_peer": "Ask the agent of another component to do something, and wait for its report." {
        /// The component whose agent is asked.
        component: Component,
        /// What it shall do, in words.
        text: String,
        /// The same, typed: `"maintain"` (the default: check all objectives, find the cause, mend it), `"check-health"`,
        /// `"restart"`, `{"scale": {"replicas": 3}}`, `{"reduce-latency": {"below": "200ms"}}`, ….
        #[serde(default = "maintain")]
        goal: Goal
    } => |a| Action::Ask(Assignment { component: a.component, text: a.text, goal: a.goal });

    RaiseIssue = "raise_issue": "Hand what you cannot solve up to the group manager, and wait for its conclusion." {
        /// What cannot be solved and why, in words.
        text: String
    } => |a| Action::Raise { text: a.text };

    Report = "report": "End the task with a report." {
        /// Whether all objectives hold now.
        healthy: bool,
        /// Which objectives were found violated.
        #[serde(default)]
        violated: Vec<String>,
        /// Where the cause was.
        root_cause_component: Option<Component>,
        /// Its kind.
        root_cause_kind: Option<String>,
        /// Values that the task asked for, in cores, seconds or bytes.
        #[serde(default)]
        values: BTreeMap<String, f64>,
        /// What was done.
        #[serde(default)]
        actions_taken: String,
        /// Whether it worked.
        mitigated: Option<bool>
    } => |a| Action::Report(Conclusion {
        healthy: a.healthy,
        violated: a.violated,
        root_cause_component: a.root_cause_component,
        root_cause_kind: a.root_cause_kind,
        values: a.values,
        actions_taken: a.actions_taken,
        mitigated: a.mitigated,
    });
}

fn twenty() -> u32 {
    20
}

fn maintain() -> Goal {
    Goal::Maintain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_call_makes_its_action() {
        let scaled = parse("scale", &json!({"component": "catalogue", "replicas": 3})).unwrap();
        assert_eq!(scaled, Action::Write(Write::Scale { component: "catalogue".into(), replicas: 3 }));
        let waited = parse("wait", &json!({"duration": "30s"})).unwrap();
        assert_eq!(waited, Action::Wait(SimDuration::from_secs(30)));
    }

    #[test]
    fn a_bad_call_says_what_is_wrong() {
        let check = |name: &str, arguments: Value, part: &str| {
            let message = parse(name, &arguments).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        check("scael", json!({}), "did you mean `scale`?");
        check("scale", json!({"component": "catalogue"}), "missing field `replicas`");
        check("scale", json!({"component": "catalogue", "replicas": -1}), "invalid value");
        check("restart", json!({"component": "catalogue", "now": true}), "unknown field `now`");
        check("set_resources", json!({"component": "c", "cpu_limit": "1 core"}), "not a CPU quantity");
        check("wait", json!("30s"), "invalid type");
    }

    #[test]
    fn every_tool_describes_itself() {
        for tool in all() {
            assert!(tool.description.ends_with('.'), "{}", tool.name);
            assert_eq!(tool.parameters["type"], "object", "{}", tool.name);
        }
    }

    proptest! {
        #[test]
        fn no_call_panics(name in "[a-z_]{0,12}", text in ".{0,80}", pick in 0..100_usize) {
            let tools = all();
            let name = tools.get(pick).map_or(name.as_str(), |t| t.name);
            let arguments = serde_json::from_str(&text).unwrap_or(Value::String(text));
            if let Err(e) = parse(name, &arguments) {
                prop_assert!(!e.to_string().is_empty());
            }
        }
    }
}
