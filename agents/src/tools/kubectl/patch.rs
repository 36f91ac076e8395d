//! `kubectl patch`, as far as a patch is one of the actions: replicas, image, resources and environment of a Deployment,
//! the restart that `kubectl rollout restart` makes of an annotation, and whether pods come to a node.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sim::environment::{Action, ResourceChange, Write};

use super::Kubectl;
use super::arguments::{Arguments, Form, bad, value};
use super::changes::main_container;
use super::namespace::Subject;
use super::objects::{Kind, object};
use super::refusal::Refusal;

const PATCH: Form = Form {
    subject: Subject::Named,
    usage: "kubectl patch deployment NAME -p '{\"spec\": {\"replicas\": 3}}'",
    flags: &[
        value("patch").short('p'),
        value("type"),
        value("patch-file").refused("there are no files; write the patch with -p"),
        value("subresource").refused("a status is not for you to write; leave it out"),
    ],
};

/// What can be patched.
const CAN: &str = "what can be patched is spec.replicas, and in the main container (named) its image, resources and env; \
                   else use `scale`, `set`, `rollout`, `autoscale` or `apply -f -`";

pub(super) fn patch(kubectl: &Kubectl, words: &[String]) -> Result<Action, Refusal> {
    let arguments = kubectl.read(words, &PATCH)?;
    let (kind, name, rest) = object(&arguments)?;
    arguments.nothing_more(rest)?;
    let text = arguments.value("patch").ok_or_else(|| arguments.missing("-p"))?;
    let patch = serde_json::from_str::<Value>(text).map_err(|why| bad("patch", text, format!("not JSON: {why}")))?;
    let is_merge = is_merge(&arguments)?;
    match kind {
        Kind::Deployment => deployment(&name, &patch, is_merge),
        Kind::Node => node(name, &patch),
        _ => Err(Refusal::Kind {
            kind: kind.plural().to_owned(),
            instead: "only a Deployment can be patched, or a node; use `autoscale` for an hpa, `apply -f -` for the rest",
        }),
    }
}

/// Whether the patch is a JSON merge patch, which replaces lists as a whole.
fn is_merge(arguments: &Arguments) -> Result<bool, Refusal> {
    match arguments.value("type") {
        None | Some("strategic") => Ok(false),
        Some("merge") => Ok(true),
        Some(other) => Err(bad("type", other, "a strategic merge patch can be read; leave --type out")),
    }
}

fn node(node: String, patch: &Value) -> Result<Action, Refusal> {
    let patch = fields(patch, "the patch", &["spec"])?;
    let spec = fields(patch.get("spec").unwrap_or(&Value::Null), "spec", &["unschedulable"])?;
    match spec.get("unschedulable") {
        Some(Value::Bool(true)) => Ok(Action::Write(Write::Cordon { node })),
        Some(Value::Bool(false) | Value::Null) => Ok(Action::Write(Write::Uncordon { node })),
        _ => Err(wrong("spec.unschedulable is true or false; use `cordon` and `uncordon`")),
    }
}

fn deployment(component: &str, patch: &Value, is_merge: bool) -> Result<Action, Refusal> {
    let patch = fields(patch, "the patch", &["apiVersion", "kind", "spec"])?;
    let spec = fields(patch.get("spec").unwrap_or(&Value::Null), "spec", &["replicas", "template"])?;
    let mut writes = Vec::new();
    if let Some(replicas) = spec.get("replicas") {
        let replicas = typed(replicas, "spec.replicas")?;
        writes.push(Write::Scale { component: component.to_owned(), replicas });
    }
    if let Some(template) = spec.get("template") {
        let template = fields(template, "spec.template", &["metadata", "spec"])?;
        if let Some(metadata) = template.get("metadata") {
            writes.push(restart(component, metadata)?);
        }
        if let Some(pod) = template.get("spec") {
            if is_merge {
                return Err(wrong("a patch of type merge would replace all containers; leave --type out"));
            }
            containers(component, pod, &mut writes)?;
        }
    }
    let count = writes.len();
    match (writes.pop(), count) {
        (Some(only), 1) => Ok(Action::Write(only)),
        (None, _) => Err(wrong(format!("it changes nothing; {CAN}"))),
        _ => Err(wrong(format!("it makes {count} changes; make one change per command"))),
    }
}

/// The annotation by which `kubectl rollout restart` restarts.
fn restart(component: &str, metadata: &Value) -> Result<Write, Refusal> {
    let metadata = fields(metadata, "spec.template.metadata", &["annotations"])?;
    let annotations = metadata.get("annotations").unwrap_or(&Value::Null);
    let known = ["kubectl.kubernetes.io/restartedAt"];
    if fields(annotations, "spec.template.metadata.annotations", &known)?.is_empty() {
        return Err(wrong("it changes nothing; use `rollout restart`"));
    }
    Ok(Write::Restart { component: component.to_owned() })
}

fn containers(component: &str, pod: &Value, writes: &mut Vec<Write>) -> Result<(), Refusal> {
    let pod = fields(pod, "spec.template.spec", &["containers"])?;
    let list = pod.get("containers").and_then(Value::as_array);
    let [container] = list.map(Vec::as_slice).unwrap_or_default() else {
        return Err(wrong("spec.template.spec.containers must hold the main container, and no other"));
    };
    let path = "spec.template.spec.containers[0]";
    let container = fields(container, path, &["name", "image", "resources", "env"])?;
    let name = container.get("name").and_then(Value::as_str);
    main_container(name.ok_or_else(|| wrong(format!("{path}.name is missing")))?, component)?;
    if let Some(image) = container.get("image") {
        let image = typed(image, "the image")?;
        writes.push(Write::SetImage { component: component.to_owned(), image });
    }
    if let Some(resources) = container.get("resources") {
        writes.push(Write::SetResources(resource_change(component, resources)?));
    }
    for variable in container.get("env").and_then(Value::as_array).into_iter().flatten() {
        writes.push(environment(component, variable)?);
    }
    Ok(())
}

fn resource_change(component: &str, resources: &Value) -> Result<ResourceChange, Refusal> {
    let resources = fields(resources, "resources", &["limits", "requests"])?;
    let mut change = ResourceChange { component: component.to_owned(), ..ResourceChange::default() };
    if let Some(limits) = resources.get("limits") {
        let limits = fields(limits, "limits", &["cpu", "memory"])?;
        change.cpu_limit = limits.get("cpu").map(|cpu| typed(cpu, "limits.cpu")).transpose()?;
        change.memory_limit = limits.get("memory").map(|memory| typed(memory, "limits.memory")).transpose()?;
    }
    if let Some(requests) = resources.get("requests") {
        let requests = fields(requests, "requests", &["cpu", "memory"])?;
        change.cpu_request = requests.get("cpu").map(|cpu| typed(cpu, "requests.cpu")).transpose()?;
        change.memory_request = requests.get("memory").map(|memory| typed(memory, "requests.memory")).transpose()?;
    }
    change.check().map_err(|why| wrong(why.0))?;
    Ok(change)
}

fn environment(component: &str, variable: &Value) -> Result<Write, Refusal> {
    let variable = fields(variable, "env[0]", &["name", "value", "$patch"])?;
    let text = |key: &str| variable.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
    let name = text("name").ok_or_else(|| wrong("env[0].name is missing"))?;
    let value = match (text("value"), text("$patch").as_deref()) {
        (value @ Some(_), None) => value,
        (_, Some("delete")) => None,
        _ => return Err(wrong("env[0] needs a value in quotes, or \"$patch\": \"delete\"")),
    };
    Ok(Write::SetEnv { component: component.to_owned(), name, value })
}

/// An object that has no other keys than these.
fn fields<'v>(value: &'v Value, path: &str, known: &[&str]) -> Result<&'v Map<String, Value>, Refusal> {
    let object = value.as_object().ok_or_else(|| wrong(format!("{path} must be an object; {CAN}")))?;
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(object),
        Some(key) => Err(wrong(format!("`{key}` in {path} is not to be patched here; {CAN}"))),
    }
}

fn typed<T: DeserializeOwned>(value: &Value, path: &str) -> Result<T, Refusal> {
    serde_json::from_value(value.clone()).map_err(|why| wrong(format!("{path}: {why}")))
}

fn wrong(problem: impl Into<String>) -> Refusal {
    Refusal::Patch { problem: problem.into() }
}
