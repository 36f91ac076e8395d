//! Deployments and their revisions, as agents see them: in the words of the twin (`sim::cluster::printer`), which are
//! those of `kubectl describe`.

use serde_json::Value;
use sim::environment::{DeploymentView, ReplicaSetView};

use super::json::{conditions, count, cpu, list, memory, name, owned, pairs, text, texts, written};
use crate::plan::{RESTARTED_AT, REVISION, main_container};

/// The annotation in which somebody may have said why a revision came.
const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";

pub(super) fn deployment_view(deployment: &Value) -> DeploymentView {
    let (spec, status) = (&deployment["spec"], &deployment["status"]);
    let component = name(deployment);
    let main = main_container(component, deployment);
    let resources = &main["resources"];
    let mut conditions = conditions(&status["conditions"]);
    conditions.sort();
    let port = |port: &Value| u16::try_from(count(&port["containerPort"])).ok();
    DeploymentView {
        name: component.to_owned(),
        replicas: count(&spec["replicas"]),
        updated: count(&status["updatedReplicas"]),
        ready: count(&status["readyReplicas"]),
        available: count(&status["availableReplicas"]),
        image: owned(&main["image"]),
        cpu_request: cpu(&resources["requests"]["cpu"]),
        cpu_limit: cpu(&resources["limits"]["cpu"]),
        memory_request: memory(&resources["requests"]["memory"]),
        memory_limit: memory(&resources["limits"]["memory"]),
        command: texts(&main["command"]),
        args: texts(&main["args"]),
        env: list(&main["env"]).iter().map(|variable| (owned(&variable["name"]), env_value(variable))).collect(),
        env_from: list(&main["envFrom"]).iter().map(env_from).collect(),
        labels: pairs(&spec["template"]["metadata"]["labels"]),
        ports: list(&main["ports"]).iter().filter_map(port).collect(),
        probes: probes(main),
        conditions,
        revision: revision(deployment),
        strategy: strategy(&spec["strategy"]),
    }
}

/// The number of the revision, of a Deployment or of a `ReplicaSet`.
fn revision(object: &Value) -> u64 {
    text(&object["metadata"]["annotations"][REVISION]).parse().unwrap_or(0)
}

/// The value of a variable, or where it comes from.
fn env_value(variable: &Value) -> String {
    let from = &variable["valueFrom"];
    let key_of = |what: &str, source: &Value| format!("key {} of {what} {}", text(&source["key"]), name_of(source));
    let source = match from.as_object().and_then(|from| from.iter().next()) {
        None => return owned(&variable["value"]),
        Some((kind, source)) => match kind.as_str() {
            "configMapKeyRef" => key_of("config map", source),
            "secretKeyRef" => key_of("secret", source),
            "fieldRef" => owned(&source["fieldPath"]),
            "resourceFieldRef" => owned(&source["resource"]),
            other => other.to_owned(),
        },
    };
    format!("<set to the {source}>")
}

/// A source of several variables.
fn env_from(from: &Value) -> String {
    let (kind, source) = match &from["configMapRef"] {
        Value::Null => ("Secret", &from["secretRef"]),
        source => ("ConfigMap", source),
    };
    let prefix = match text(&from["prefix"]) {
        "" => String::new(),
        prefix => format!(" with prefix '{prefix}'"),
    };
    let optional = source["optional"].as_bool().unwrap_or(false);
    format!("{}  {kind}{prefix}  Optional: {optional}", name_of(source))
}

fn name_of(source: &Value) -> &str {
    text(&source["name"])
}

fn probes(container: &Value) -> Vec<String> {
    let each = [("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")];
    let given = each.into_iter().filter(|(_, field)| container[*field].is_object());
    given.map(|(kind, field)| probe(kind, &container[field], container)).collect()
}

fn probe(kind: &str, probe: &Value, container: &Value) -> String {
    let (http, tcp, exec, grpc) = (&probe["httpGet"], &probe["tcpSocket"], &probe["exec"], &probe["grpc"]);
    let action = if http.is_object() {
        format!("http-get http://:{}{}", port_number(&http["port"], container), text(&http["path"]))
    } else if tcp.is_object() {
        format!("tcp-socket :{}", port_number(&tcp["port"], container))
    } else if exec.is_object() {
        format!("exec [{}]", texts(&exec["command"]).join(" "))
    } else {
        format!("grpc <pod>:{}", written(&grpc["port"]))
    };
    // Where the API server leaves a field out it is zero, but it fills in its defaults.
    let number = |field: &str| count(&probe[field]);
    format!(
        "{kind}: {action} delay={}s timeout={}s period={}s #success={} #failure={}",
        number("initialDelaySeconds"),
        number("timeoutSeconds"),
        number("periodSeconds"),
        number("successThreshold"),
        number("failureThreshold")
    )
}

/// A port by its number; a name is looked up among the container's.
fn port_number(port: &Value, container: &Value) -> String {
    let named = list(&container["ports"]).iter().find(|declared| port.is_string() && declared["name"] == *port);
    named.map_or_else(|| written(port), |declared| written(&declared["containerPort"]))
}

fn strategy(strategy: &Value) -> String {
    if strategy["type"] == "Recreate" {
        return "Recreate".to_owned();
    }
    let rolling = &strategy["rollingUpdate"];
    format!("{} max unavailable, {} max surge", written(&rolling["maxUnavailable"]), written(&rolling["maxSurge"]))
}

/// The `ReplicaSet`s that a Deployment owns, oldest revision first.
pub(super) fn replica_set_views(deployment: &Value, sets: &[Value]) -> Vec<ReplicaSetView> {
    let uid = &deployment["metadata"]["uid"];
    let is_owned = |set: &&Value| list(&set["metadata"]["ownerReferences"]).iter().any(|owner| owner["uid"] == *uid);
    let mut sets: Vec<&Value> = sets.iter().filter(is_owned).collect();
    sets.sort_by_key(|set| revision(set));
    let mut before = None;
    let mut views = Vec::with_capacity(sets.len());
    for set in sets {
        views.push(replica_set_view(name(deployment), set, before));
        before = Some(&set["spec"]["template"]);
    }
    views
}

fn replica_set_view(component: &str, set: &Value, before: Option<&Value>) -> ReplicaSetView {
    let cause = text(&set["metadata"]["annotations"][CHANGE_CAUSE]);
    let template = &set["spec"]["template"];
    let change = match before {
        _ if !cause.is_empty() => cause.to_owned(),
        Some(before) => change_between(before, template),
        None => String::new(),
    };
    ReplicaSetView {
        name: name(set).to_owned(),
        revision: revision(set),
        image: owned(&main_container(component, set)["image"]),
        replicas: count(&set["spec"]["replicas"]),
        current: count(&set["status"]["replicas"]),
        ready: count(&set["status"]["readyReplicas"]),
        change,
    }
}

/// What a template changed, in words, where nobody wrote a cause.
fn change_between(before: &Value, after: &Value) -> String {
    let old = list(&before["spec"]["containers"]);
    let mut changes = Vec::new();
    for new in list(&after["spec"]["containers"]) {
        match old.iter().find(|container| container["name"] == new["name"]) {
            Some(old) => container_changes(old, new, &mut changes),
            None => changes.push(format!("container {} added", text(&new["name"]))),
        }
    }
    let restarted_at = |template: &Value| template["metadata"]["annotations"][RESTARTED_AT].clone();
    if changes.is_empty() && restarted_at(before) != restarted_at(after) {
        changes.push("restarted".to_owned());
    }
    if changes.is_empty() && before["spec"] != after["spec"] {
        changes.push("template changed".to_owned());
    }
    changes.join(", ")
}

fn container_changes(old: &Value, new: &Value, changes: &mut Vec<String>) {
    if old["image"] != new["image"] {
        changes.push(format!("image {} -> {}", text(&old["image"]), text(&new["image"])));
    }
    for resource in ["cpu", "memory"] {
        for (section, kind) in [("requests", "request"), ("limits", "limit")] {
            let quantity = |container: &Value| match &container["resources"][section][resource] {
                Value::Null => "none".to_owned(),
                quantity => written(quantity),
            };
            if quantity(old) != quantity(new) {
                changes.push(format!("{resource} {kind} {} -> {}", quantity(old), quantity(new)));
            }
        }
    }
    let variables = |container: &Value| -> Vec<(String, String)> {
        list(&container["env"]).iter().map(|variable| (owned(&variable["name"]), env_value(variable))).collect()
    };
    let (old, new) = (variables(old), variables(new));
    for variable in new.iter().filter(|variable| !old.contains(variable)) {
        changes.push(format!("env {}={}", variable.0, variable.1));
    }
    for variable in old.iter().filter(|old| new.iter().all(|new| new.0 != old.0)) {
        changes.push(format!("env {} removed", variable.0));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sim::units::{Bytes, Millicores};

    use super::*;

    fn carts() -> Value {
        json!({
            "metadata": { "name": "carts", "uid": "u1", "annotations": { REVISION: "3" } },
            "spec": {
                "replicas": 2,
                "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": 1 } },
                "template": {
                    "metadata": { "labels": { "name": "carts", "tier": "back" } },
                    "spec": { "containers": [
                        { "name": "proxy", "image": "p:1" },
                        {
                            "name": "carts", "image": "weaveworksdemos/carts:0.4.8", "args": ["-x"],
                            "env": [
                                { "name": "JAVA_OPTS", "value": "-Xmx128m" },
                                { "name": "EMPTY" },
                                { "name": "URL", "valueFrom": { "configMapKeyRef": { "name": "urls", "key": "carts" } } },
                                { "name": "IP", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } },
                            ],
                            "envFrom": [
                                { "configMapRef": { "name": "urls" } },
                                { "prefix": "DB_", "secretRef": { "name": "db", "optional": true } },
                            ],
                            "ports": [{ "name": "web", "containerPort": 80 }],
                            "resources": {
                                "requests": { "cpu": "100m", "memory": "200Mi" }, "limits": { "cpu": "0.3", "memory": "500Mi" },
                            },
                            "livenessProbe": {
                                "httpGet": { "path": "/health", "port": "web", "scheme": "HTTP" },
                                "initialDelaySeconds": 10, "timeoutSeconds": 1, "periodSeconds": 3,
                                "successThreshold": 1, "failureThreshold": 3,
                            },
                            "readinessProbe": {
                                "tcpSocket": { "port": 80 }, "timeoutSeconds": 1, "periodSeconds": 10,
                                "successThreshold": 1, "failureThreshold": 3,
                            },
                        },
                    ] },
                },
            },
            "status": {
                "replicas": 2, "updatedReplicas": 2, "readyReplicas": 1, "availableReplicas": 1,
                "conditions": [
                    { "type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable" },
                    { "type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable" },
                ],
            },
        })
    }

    #[test]
    fn a_deployment_reads_as_the_twin_shows_it() {
        let view = deployment_view(&carts());
        assert_eq!(
            (view.name.as_str(), view.replicas, view.updated, view.ready, view.available),
            ("carts", 2, 2, 1, 1)
        );
        assert_eq!(view.image, "weaveworksdemos/carts:0.4.8", "the main container is called as the Deployment");
        assert_eq!((view.cpu_request, view.cpu_limit), (Some(Millicores(100)), Some(Millicores(300))));
        assert_eq!(view.memory_limit, Some(Bytes::from_mebibytes(500)));
        let env: Vec<(&str, &str)> = view.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            env,
            [
                ("JAVA_OPTS", "-Xmx128m"),
                ("EMPTY", ""),
                ("URL", "<set to the key carts of config map urls>"),
                ("IP", "<set to the status.podIP>")
            ]
        );
        assert_eq!(view.env_from, ["urls  ConfigMap  Optional: false", "db  Secret with prefix 'DB_'  Optional: true"]);
        assert_eq!((view.labels, view.ports), (vec!["name=carts".to_owned(), "tier=back".to_owned()], vec![80]));
        assert_eq!(
            view.probes,
            [
                "Liveness: http-get http://:80/health delay=10s timeout=1s period=3s #success=1 #failure=3",
                "Readiness: tcp-socket :80 delay=0s timeout=1s period=10s #success=1 #failure=3"
            ]
        );
        assert_eq!((view.revision, view.strategy.as_str()), (3, "1 max unavailable, 25% max surge"));
        assert_eq!(view.conditions[0].0, "Available", "in the order of their types");
    }

    #[test]
    fn a_history_says_what_each_revision_changed() {
        let set = |revision: &str, owner: &str, cause: Option<&str>, edit: fn(&mut Value)| {
            let mut template = carts()["spec"]["template"].clone();
            edit(&mut template);
            let mut annotations = json!({ REVISION: revision });
            if let Some(cause) = cause {
                annotations[CHANGE_CAUSE] = json!(cause);
            }
            json!({
                "metadata": {
                    "name": format!("carts-{revision}"), "annotations": annotations,
                    "ownerReferences": [{ "kind": "Deployment", "uid": owner }],
                },
                "spec": { "replicas": 1, "template": template },
                "status": { "replicas": 1, "readyReplicas": 1 },
            })
        };
        let sets = [
            set("10", "u1", None, |template| {
                template["spec"]["containers"][1]["image"] = json!("c:9");
                template["spec"]["containers"][1]["env"] = json!([{ "name": "A", "value": "1" }]);
                template["spec"]["containers"][1]["resources"]["limits"]["cpu"] = json!("500m");
            }),
            set("2", "u1", None, |_| {}),
            set("11", "u1", Some("told"), |_| {}),
            set("1", "somebody else", None, |_| {}),
        ];
        let views = replica_set_views(&carts(), &sets);
        let told: Vec<(u64, &str)> = views.iter().map(|view| (view.revision, view.change.as_str())).collect();
        assert_eq!(
            told,
            [
                (2, ""),
                (
                    10,
                    "image weaveworksdemos/carts:0.4.8 -> c:9, cpu limit 0.3 -> 500m, env A=1, env JAVA_OPTS removed, \
                     env EMPTY removed, env URL removed, env IP removed"
                ),
                (11, "told")
            ]
        );
        assert_eq!((views[1].image.as_str(), views[1].current), ("c:9", 1));
    }
}
