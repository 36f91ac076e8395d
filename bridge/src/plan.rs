//! What a [`Write`] asks of the API server, worked out without it.
//!
//! Fields of a Deployment are changed by strategic merge patches, as `kubectl set` does it. Server-side apply would take
//! back, with each write, the fields of the write before, since an applier owns what it has sent last. Only whole
//! objects are applied. A template is rolled back by a JSON patch, since no other patch removes what it does not name.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value, json};
use sim::environment::{AppliedObject, AutoscalerSpec, Component, DeletableKind, Rejected, ResourceChange, Write};

use crate::pods::TEMPLATE_HASH;

/// The annotation that `kubectl rollout restart` sets on the template.
pub(crate) const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";
/// The annotation with the number of a `ReplicaSet`'s revision.
pub(crate) const REVISION: &str = "deployment.kubernetes.io/revision";
/// Annotations that describe an object itself, not its template, and stay in a rollback (`annotationsToSkip` in
/// `pkg/polymorphichelpers/rollback.go`).
const NOT_ROLLED_BACK: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
];

/// A kind of object that writes touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Deployment,
    Pod,
    Service,
    Autoscaler,
    ResourceQuota,
    DisruptionBudget,
    NetworkPolicy,
}

/// One request to the API server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Call {
    /// A merge patch of the scale subresource of a Deployment.
    Scale { name: String, patch: Value },
    /// A strategic merge patch of a Deployment.
    Merge { name: String, patch: Value },
    /// A JSON patch of a Deployment.
    Json { name: String, patch: Value },
    /// A server-side apply of a whole object.
    Apply { kind: Kind, name: String, object: Value },
    /// A new Deployment.
    Create { object: Value },
    /// A deletion, with its dependents in the background.
    Delete { kind: Kind, name: String },
    /// A merge patch of a node.
    Cordon { node: String, patch: Value },
}

/// A call, if one is needed, and what `kubectl` answers when it is done. An apply's answer is only the object's name:
/// what it did shows afterwards.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) call: Option<Call>,
    pub(crate) answer: String,
}

/// What the API server holds now, as far as a write depends on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Current {
    /// The component's Deployment.
    pub(crate) deployment: Value,
    /// The `ReplicaSet`s that it owns.
    pub(crate) replica_sets: Vec<Value>,
    /// All autoscalers.
    pub(crate) autoscalers: Vec<Value>,
    /// The node that is cordoned.
    pub(crate) node: Value,
}

/// What a plan is made for.
pub(crate) struct Context<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) manifests: &'a BTreeMap<Component, Value>,
    pub(crate) now: Timestamp,
}

/// Works out what a write asks.
pub(crate) fn plan(write: &Write, current: &Current, context: &Context<'_>) -> Result<Plan, Rejected> {
    match write {
        Write::Scale { component, replicas } => {
            let patch = json!({ "spec": { "replicas": replicas } });
            Ok(done(Call::Scale { name: component.clone(), patch }, format!("deployment.apps/{component} scaled")))
        }
        Write::SetResources(change) => set_resources(change, current),
        Write::SetImage { component, image } => {
            Ok(set(component, current, &json!({ "image": image }), "image updated"))
        }
        Write::SetEnv { component, name, value } => Ok(set_env(component, name, value.as_deref(), current)),
        Write::Restart { component } => restart(component, current, context.now),
        Write::Rollback { component, revision } => rollback(component, *revision, current),
        Write::ApplyAutoscaler(spec) => Ok(apply_autoscaler(spec, current)),
        Write::DeleteAutoscaler { component } => delete_autoscaler(component, current),
        Write::CreateDeployment { component } => create_deployment(component, context),
        Write::DeleteDeployment { component } => {
            let call = Call::Delete { kind: Kind::Deployment, name: component.clone() };
            Ok(done(call, format!("deployment.apps \"{component}\" deleted")))
        }
        Write::DeletePod { pod } => {
            Ok(done(Call::Delete { kind: Kind::Pod, name: pod.clone() }, format!("pod \"{pod}\" deleted")))
        }
        Write::Apply(object) => apply(object, context.namespace),
        Write::Delete { kind, name } => {
            let answer = format!("{} \"{name}\" deleted", kind.resource());
            let kind = match kind {
                DeletableKind::ResourceQuota => Kind::ResourceQuota,
                DeletableKind::PodDisruptionBudget => Kind::DisruptionBudget,
                DeletableKind::NetworkPolicy => Kind::NetworkPolicy,
            };
            Ok(done(Call::Delete { kind, name: name.clone() }, answer))
        }
        // A drain begins with it; the evictions follow.
        Write::Cordon { node } | Write::Drain { node } => Ok(cordon(node, true, current)),
        Write::Uncordon { node } => Ok(cordon(node, false, current)),
    }
}

/// `kubectl cordon` and `kubectl uncordon`.
fn cordon(node: &str, unschedulable: bool, current: &Current) -> Plan {
    let verb = if unschedulable { "cordoned" } else { "uncordoned" };
    if current.node["spec"]["unschedulable"].as_bool().unwrap_or(false) == unschedulable {
        return Plan { call: None, answer: format!("node/{node} already {verb}") };
    }
    let patch = json!({ "spec": { "unschedulable": unschedulable } });
    done(Call::Cordon { node: node.to_owned(), patch }, format!("node/{node} {verb}"))
}

fn done(call: Call, answer: String) -> Plan {
    Plan { call: Some(call), answer }
}

/// Changes fields of the component's main container.
fn set(component: &str, current: &Current, fields: &Value, what: &str) -> Plan {
    let mut container = json!({ "name": main_container(component, &current.deployment)["name"] });
    if let (Some(container), Some(fields)) = (container.as_object_mut(), fields.as_object()) {
        container.extend(fields.clone());
    }
    let patch = json!({ "spec": { "template": { "spec": { "containers": [container] } } } });
    done(Call::Merge { name: component.to_owned(), patch }, format!("deployment.apps/{component} {what}"))
}

/// The container that is called as the Deployment, or else the first.
pub(crate) fn main_container<'a>(component: &str, deployment: &'a Value) -> &'a Value {
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array().map_or(&[][..], Vec::as_slice);
    let named = containers.iter().find(|container| container["name"] == component);
    named.or(containers.first()).unwrap_or(&Value::Null)
}

/// Sets or removes a variable. The order is said too, since one variable may refer to those before it and a merge alone
/// puts new ones first; `kubectl set env` puts them last (`updateEnv` in `pkg/cmd/set/env/env_resolve.go`).
fn set_env(component: &str, name: &str, value: Option<&str>, current: &Current) -> Plan {
    let variable = match value {
        // A source that the variable had goes: it cannot have both.
        Some(value) => json!({ "name": name, "value": value, "valueFrom": null }),
        None => json!({ "name": name, "$patch": "delete" }),
    };
    let known = main_container(component, &current.deployment)["env"].as_array().map_or(&[][..], Vec::as_slice);
    let mut order: Vec<&str> = known.iter().filter_map(|variable| variable["name"].as_str()).collect();
    match value {
        Some(_) if order.contains(&name) => {}
        Some(_) => order.push(name),
        None => order.retain(|known| *known != name),
    }
    let order: Vec<_> = order.into_iter().map(|name| json!({ "name": name })).collect();
    let fields = json!({ "env": [variable], "$setElementOrder/env": order });
    set(component, current, &fields, "env updated")
}

fn set_resources(change: &ResourceChange, current: &Current) -> Result<Plan, Rejected> {
    change.check()?;
    let quantities = |cpu: Option<String>, memory: Option<String>| {
        let each = [("cpu", cpu), ("memory", memory)];
        each.into_iter().filter_map(|(name, q)| Some((name.to_owned(), Value::String(q?)))).collect::<Map<_, _>>()
    };
    let requests = quantities(change.cpu_request.map(|q| q.to_string()), change.memory_request.map(|q| q.to_string()));
    let limits = quantities(change.cpu_limit.map(|q| q.to_string()), change.memory_limit.map(|q| q.to_string()));
    let each = [("requests", requests), ("limits", limits)];
    let given = each.into_iter().filter(|(_, quantities)| !quantities.is_empty());
    let resources: Map<_, _> = given.map(|(name, q)| (name.to_owned(), Value::Object(q))).collect();
    Ok(set(&change.component, current, &json!({ "resources": resources }), "resource requirements updated"))
}

fn restart(component: &str, current: &Current, now: Timestamp) -> Result<Plan, Rejected> {
    let spec = &current.deployment["spec"];
    if spec["paused"] == true {
        return Err(Rejected("can't restart paused deployment (run rollout resume first)".to_owned()));
    }
    // Whole seconds, as kubectl writes it.
    let stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    if spec["template"]["metadata"]["annotations"][RESTARTED_AT] == stamp {
        return Err(Rejected(format!(
            "failed to create patch for {component}: if restart has already been triggered within the past second, \
             please wait before attempting to trigger another"
        )));
    }
    let patch = json!({ "spec": { "template": { "metadata": { "annotations": { RESTARTED_AT: stamp } } } } });
    let call = Call::Merge { name: component.to_owned(), patch };
    Ok(done(call, format!("deployment.apps/{component} restarted")))
}

/// `kubectl rollout undo` (`pkg/polymorphichelpers/rollback.go`).
fn rollback(component: &str, revision: Option<u64>, current: &Current) -> Result<Plan, Rejected> {
    let deployment = &current.deployment;
    let revision = revision.filter(|revision| *revision > 0);
    let set = set_of_revision(component, revision, &current.replica_sets)?;
    if deployment["spec"]["paused"] == true {
        let message = "you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try \
                       again";
        return Err(Rejected(message.to_owned()));
    }
    let mut template = set["spec"]["template"].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove(TEMPLATE_HASH);
    }
    if template == deployment["spec"]["template"] {
        let revision = revision.unwrap_or(0);
        let answer = format!(
            "deployment.apps/{component} skipped rollback (current template already matches revision {revision})"
        );
        return Ok(Plan { call: None, answer });
    }
    let own = annotations(deployment).filter(|(name, _)| NOT_ROLLED_BACK.contains(&name.as_str()));
    let old = annotations(set).filter(|(name, _)| !NOT_ROLLED_BACK.contains(&name.as_str()));
    let annotations: Map<_, _> = own.chain(old).map(|(name, value)| (name.clone(), value.clone())).collect();
    let patch = json!([
        // The API server refuses the patch if the Deployment has changed since it was read.
        { "op": "replace", "path": "/metadata/resourceVersion", "value": deployment["metadata"]["resourceVersion"] },
        { "op": "add", "path": "/metadata/annotations", "value": annotations },
        { "op": "replace", "path": "/spec/template", "value": template },
    ]);
    let call = Call::Json { name: component.to_owned(), patch };
    Ok(done(call, format!("deployment.apps/{component} rolled back")))
}

/// The `ReplicaSet` of a revision, or of the one before the newest.
fn set_of_revision<'a>(component: &str, revision: Option<u64>, sets: &'a [Value]) -> Result<&'a Value, Rejected> {
    let number = |set: &Value| set["metadata"]["annotations"][REVISION].as_str().and_then(|n| n.parse::<u64>().ok());
    let mut sets: Vec<_> = sets.iter().filter_map(|set| Some((number(set)?, set))).collect();
    sets.sort_by_key(|(number, _)| *number);
    match revision {
        Some(wanted) => sets
            .iter()
            .find(|(number, _)| *number == wanted)
            .map(|(_, set)| *set)
            .ok_or_else(|| Rejected(format!("unable to find specified revision {wanted} in history"))),
        None => sets
            .iter()
            .rev()
            .nth(1)
            .map(|(_, set)| *set)
            .ok_or_else(|| Rejected(format!("no rollout history found for deployment \"{component}\""))),
    }
}

fn annotations(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object["metadata"]["annotations"].as_object().into_iter().flatten()
}

/// Whether an autoscaler is that of a component.
fn scales(autoscaler: &Value, component: &str) -> bool {
    let target = &autoscaler["spec"]["scaleTargetRef"];
    target["kind"] == "Deployment" && target["name"] == component
}

fn apply_autoscaler(spec: &AutoscalerSpec, current: &Current) -> Plan {
    let component = &spec.component;
    let existing = current.autoscalers.iter().find(|autoscaler| scales(autoscaler, component));
    let name = existing.and_then(|a| a["metadata"]["name"].as_str()).unwrap_or(component).to_owned();
    let object = json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": name },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": component },
            "minReplicas": spec.min_replicas,
            "maxReplicas": spec.max_replicas,
            "metrics": [{
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": { "type": "Utilization", "averageUtilization": spec.cpu_percent },
                },
            }],
        },
    });
    let answer = format!("horizontalpodautoscaler.autoscaling/{name}");
    done(Call::Apply { kind: Kind::Autoscaler, name, object }, answer)
}

fn delete_autoscaler(component: &str, current: &Current) -> Result<Plan, Rejected> {
    let is_meant = |a: &&Value| scales(a, component) || a["metadata"]["name"] == component;
    let found = current.autoscalers.iter().find(is_meant);
    let Some(name) = found.and_then(|a| a["metadata"]["name"].as_str()) else {
        return Err(Rejected(format!("horizontalpodautoscalers.autoscaling \"{component}\" not found")));
    };
    let call = Call::Delete { kind: Kind::Autoscaler, name: name.to_owned() };
    Ok(done(call, format!("horizontalpodautoscaler.autoscaling \"{name}\" deleted")))
}

fn create_deployment(component: &str, context: &Context<'_>) -> Result<Plan, Rejected> {
    let manifest = context.manifests.get(component);
    let manifest = manifest.ok_or_else(|| Rejected(format!("the path \"{component}.yaml\" does not exist")))?;
    let object = placed(manifest.clone(), context.namespace)?;
    Ok(done(Call::Create { object }, format!("deployment.apps/{component} created")))
}

fn apply(object: &AppliedObject, namespace: &str) -> Result<Plan, Rejected> {
    use sim::environment::Applied;
    let (kind, name, answer) = match object.read()? {
        Applied::Service(service) => (Kind::Service, service.meta.name, "service"),
        Applied::Autoscaler(autoscaler) => {
            (Kind::Autoscaler, autoscaler.meta.name, "horizontalpodautoscaler.autoscaling")
        }
        Applied::ResourceQuota(quota) => (Kind::ResourceQuota, quota.meta.name, "resourcequota"),
        Applied::DisruptionBudget(budget) => (Kind::DisruptionBudget, budget.meta.name, "poddisruptionbudget.policy"),
        Applied::NetworkPolicy(policy) => (Kind::NetworkPolicy, policy.meta.name, "networkpolicy.networking.k8s.io"),
    };
    let manifest: Value = serde_saphyr::from_str(&object.manifest)
        .map_err(|error| Rejected(format!("error validating data: {error}")))?;
    let object = placed(manifest, namespace)?;
    let answer = format!("{answer}/{name}");
    Ok(done(Call::Apply { kind, name, object }, answer))
}

/// An object in the namespace of the context, to which objects without a namespace go.
fn placed(mut object: Value, namespace: &str) -> Result<Value, Rejected> {
    let written = object["metadata"]["namespace"].as_str().filter(|written| *written != "default");
    if let Some(written) = written.filter(|written| *written != namespace) {
        return Err(Rejected(format!(
            "the namespace from the provided object \"{written}\" does not match the namespace \"{namespace}\". You \
             must pass '--namespace={written}' to perform this operation."
        )));
    }
    object["metadata"]["namespace"] = Value::String(namespace.to_owned());
    Ok(object)
}

#[cfg(test)]
mod tests;
