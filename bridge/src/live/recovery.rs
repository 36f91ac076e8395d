//! How what the stage did to a cluster is taken back, also by another process after a crash.
//!
//! ```text
//!   about to change ──▶ Recovery, kept on disk ──▶ changed ──▶ … ──▶ restore: what still stands is taken back,
//!                                                                     what somebody has changed since is reported
//! ```
//!
//! A recovery is kept before the change is made. If the change then never came, there is nothing to take back, which
//! [`restore`] sees by itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sim::environment::DeletableKind;

use super::json::{list, name, text};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::raw::{PatchKind, group};
use crate::write::Mode;

/// How one change is taken back. What is written to disk: fields are added, never renamed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "undo", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Recovery {
    /// Gives fields of an object the values from before, as long as they have those that were written.
    Fields {
        /// `Deployment` or `Service`.
        kind: String,
        /// The object's name.
        name: String,
        /// Its uid: another one of the same name is not what was changed.
        uid: String,
        /// What was changed.
        fields: Vec<FieldChange>,
    },
    /// Gives the containers of a pod their images back.
    PodImages {
        /// The pod.
        pod: String,
        /// Its uid.
        uid: String,
        /// The image that was written.
        image: String,
        /// The image of each container before.
        before: BTreeMap<String, String>,
    },
    /// Creates a Deployment again that was deleted.
    Create {
        /// It, as it was, without what the API server adds.
        object: Value,
    },
    /// Deletes an object that was applied.
    Delete {
        /// Its kind.
        kind: DeletableKind,
        /// Its name.
        name: String,
    },
    /// Ends what runs in a container beside its program; it ends by itself as well.
    Command {
        /// The pod.
        pod: String,
        /// Its uid.
        uid: String,
        /// The container.
        container: String,
        /// What ends it.
        stop: Vec<String>,
    },
    /// Deletes an experiment of Chaos Mesh, which then takes back what it did.
    Experiment {
        /// The plural of its kind, such as `podchaos`.
        plural: String,
        /// Its name.
        name: String,
    },
}

/// A field before and after a change; none is a field that is not there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldChange {
    /// Where it is in the object (RFC 6901).
    pub path: String,
    /// What it was.
    pub before: Option<Value>,
    /// What was written.
    pub after: Option<Value>,
}

/// What became of one recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restored {
    /// It was taken back.
    Done(String),
    /// There was nothing to take back (any more).
    Nothing(String),
    /// Somebody has changed it since, and it was left alone.
    Conflict(String),
}

impl Restored {
    /// In words.
    pub fn text(&self) -> &str {
        match self {
            Self::Done(text) | Self::Nothing(text) | Self::Conflict(text) => text,
        }
    }
}

/// The difference between an object before a patch and after it, as far as the patch goes: for each field that it names,
/// at the paths under which the API server holds them.
pub(super) fn changes(before: &Value, after: &Value, paths: &[String]) -> Vec<FieldChange> {
    let each = paths.iter().filter_map(|path| {
        let [before, after] = [before, after].map(|object| object.pointer(path).cloned());
        (before != after).then(|| FieldChange { path: path.clone(), before, after })
    });
    each.collect()
}

/// The path of a container's field in a Deployment.
pub(super) fn container_field(deployment: &Value, container: &str, field: &str) -> String {
    let containers = list(&deployment["spec"]["template"]["spec"]["containers"]);
    let index = containers.iter().position(|found| found["name"] == *container).unwrap_or(0);
    format!("/spec/template/spec/containers/{index}/{field}")
}

/// The JSON patch that takes changes back from an object as it is now, and the paths that somebody else has changed.
fn restoring(fields: &[FieldChange], now: &Value) -> (Vec<Value>, Vec<String>) {
    let (mut patch, mut conflicts) = (Vec::new(), Vec::new());
    for FieldChange { path, before, after } in fields {
        let current = now.pointer(path).cloned();
        if current == *before {
            continue;
        }
        if current != *after {
            conflicts.push(path.clone());
            continue;
        }
        patch.push(match before {
            // `add` replaces a member that is there.
            Some(before) => json!({ "op": "add", "path": path, "value": before }),
            None => json!({ "op": "remove", "path": path }),
        });
    }
    if !patch.is_empty() {
        // A conflict if the object has changed since it was read.
        let version = &now["metadata"]["resourceVersion"];
        patch.insert(0, json!({ "op": "replace", "path": "/metadata/resourceVersion", "value": version }));
    }
    (patch, conflicts)
}

/// Takes one change back.
///
/// # Errors
/// The cluster failed, and the change may still stand.
pub async fn restore(cluster: &Cluster, recovery: &Recovery) -> Result<Restored, Error> {
    match recovery {
        Recovery::Fields { kind, name, uid, fields } => restore_fields(cluster, kind, name, uid, fields).await,
        Recovery::PodImages { pod, uid, image, before } => restore_images(cluster, pod, uid, image, before).await,
        Recovery::Create { object } => {
            let path = cluster.path(group::APPS, "deployments");
            let deployment = name(object);
            let there = cluster.get_opt("read a Deployment", &format!("{path}/{deployment}")).await?;
            if there.is_some() {
                return Ok(Restored::Nothing(format!("deployment {deployment} is there again")));
            }
            cluster.create(&path, object, Mode::ForGood).await?;
            Ok(Restored::Done(format!("deployment {deployment} created again")))
        }
        Recovery::Delete { kind, name } => {
            let (group, plural) = match kind {
                DeletableKind::ResourceQuota => (group::CORE, "resourcequotas"),
                DeletableKind::PodDisruptionBudget => (group::POLICY, "poddisruptionbudgets"),
                DeletableKind::NetworkPolicy => (group::NETWORKING, "networkpolicies"),
            };
            let was_there = cluster.delete(&cluster.path_of(group, plural, name), None).await?;
            Ok(gone(was_there, &format!("{} {name}", kind.resource())))
        }
        Recovery::Command { pod, uid, container, stop } => {
            if !is_there(cluster, pod, uid).await? {
                return Ok(Restored::Nothing(format!("pod {pod} is gone, and what ran in it")));
            }
            let stop: Vec<&str> = stop.iter().map(String::as_str).collect();
            match cluster.exec(pod, container, &stop).await {
                Ok(_) => Ok(Restored::Done(format!("what ran in {container} of pod {pod} was told to end"))),
                // A container that is not running runs nothing.
                Err(Error::Exec { reason, .. }) => {
                    Ok(Restored::Nothing(format!("nothing can be told to {container} of pod {pod}: {reason}")))
                }
                Err(error) => Err(error),
            }
        }
        Recovery::Experiment { plural, name } => {
            let was_there = cluster.delete(&cluster.path_of(group::CHAOS_MESH, plural, name), None).await?;
            Ok(gone(was_there, &format!("{plural} {name}")))
        }
    }
}

fn gone(was_there: bool, what: &str) -> Restored {
    if was_there {
        Restored::Done(format!("{what} deleted"))
    } else {
        Restored::Nothing(format!("{what} is gone already"))
    }
}

async fn is_there(cluster: &Cluster, pod: &str, uid: &str) -> Result<bool, Error> {
    let found = cluster.get_opt("read a pod", &cluster.path_of(group::CORE, "pods", pod)).await?;
    Ok(found.is_some_and(|pod| pod["metadata"]["uid"] == *uid))
}

async fn restore_fields(
    cluster: &Cluster,
    kind: &str,
    name: &str,
    uid: &str,
    fields: &[FieldChange],
) -> Result<Restored, Error> {
    let path = match kind {
        "Service" => cluster.path_of(group::CORE, "services", name),
        _ => cluster.path_of(group::APPS, "deployments", name),
    };
    let what = format!("{} {name}", kind.to_lowercase());
    // Status updates come between the reading and the patch now and then.
    for _ in 0..5 {
        let now = cluster.get_opt("read an object", &path).await?;
        let Some(now) = now.filter(|now| now["metadata"]["uid"] == *uid) else {
            return Ok(Restored::Nothing(format!("{what} is gone")));
        };
        let (patch, conflicts) = restoring(fields, &now);
        if patch.is_empty() && conflicts.is_empty() {
            return Ok(Restored::Nothing(format!("{what} is as it was")));
        }
        if !patch.is_empty() {
            match cluster.patch(&path, PatchKind::Json, &Value::Array(patch), Mode::ForGood).await {
                Err(Error::Conflict(_)) => continue,
                done => drop(done?),
            }
        }
        return Ok(if conflicts.is_empty() {
            Restored::Done(format!("{what} restored"))
        } else {
            Restored::Conflict(format!("{what}: changed by somebody since, left as it is: {}", conflicts.join(", ")))
        });
    }
    Err(Error::Conflict(format!("{what} could not be restored")))
}

async fn restore_images(
    cluster: &Cluster,
    pod: &str,
    uid: &str,
    image: &str,
    before: &BTreeMap<String, String>,
) -> Result<Restored, Error> {
    let path = cluster.path_of(group::CORE, "pods", pod);
    let found = cluster.get_opt("read a pod", &path).await?;
    let Some(found) = found.filter(|found| found["metadata"]["uid"] == *uid) else {
        return Ok(Restored::Nothing(format!("pod {pod} is gone")));
    };
    let patch = images_back(&found, image, before);
    if patch.is_empty() {
        return Ok(Restored::Nothing(format!("pod {pod} has other images")));
    }
    let patch = json!({ "spec": { "containers": patch } });
    cluster.patch(&path, PatchKind::Strategic, &patch, Mode::ForGood).await?;
    Ok(Restored::Done(format!("pod {pod} has its images back")))
}

/// The containers that still have the image that was written, with those from before.
fn images_back(pod: &Value, image: &str, before: &BTreeMap<String, String>) -> Vec<Value> {
    let has_it = list(&pod["spec"]["containers"]).iter().filter(|container| container["image"] == *image);
    let back = has_it.filter_map(|container| {
        let before = before.get(text(&container["name"]))?;
        Some(json!({ "name": container["name"], "image": before }))
    });
    back.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(image: &str, cpu: Option<&str>) -> Value {
        let mut container = json!({ "name": "carts", "image": image });
        if let Some(cpu) = cpu {
            container["resources"] = json!({ "limits": { "cpu": cpu } });
        }
        json!({
            "metadata": { "name": "carts", "uid": "u", "resourceVersion": "7" },
            "spec": { "template": { "spec": { "containers": [{ "name": "proxy" }, container] } } },
        })
    }

    fn changed() -> Vec<FieldChange> {
        let before = deployment("c:1", None);
        let fields = ["image", "resources", "env"];
        let paths: Vec<String> = fields.iter().map(|field| container_field(&before, "carts", field)).collect();
        changes(&before, &deployment("c:2", Some("20m")), &paths)
    }

    #[test]
    fn only_what_changed_is_remembered() {
        let changes = changed();
        let paths: Vec<&str> = changes.iter().map(|change| change.path.as_str()).collect();
        assert_eq!(paths, ["/spec/template/spec/containers/1/image", "/spec/template/spec/containers/1/resources"]);
        assert_eq!((&changes[0].before, &changes[1].before), (&Some(json!("c:1")), &None));
    }

    #[test]
    fn what_stands_is_taken_back_and_what_somebody_changed_is_left() {
        let (patch, conflicts) = restoring(&changed(), &deployment("c:2", Some("20m")));
        assert_eq!(
            patch,
            [
                json!({ "op": "replace", "path": "/metadata/resourceVersion", "value": "7" }),
                json!({ "op": "add", "path": "/spec/template/spec/containers/1/image", "value": "c:1" }),
                json!({ "op": "remove", "path": "/spec/template/spec/containers/1/resources" })
            ]
        );
        assert!(conflicts.is_empty());
        let (patch, conflicts) = restoring(&changed(), &deployment("c:3", Some("20m")));
        assert_eq!((patch.len(), conflicts), (2, vec!["/spec/template/spec/containers/1/image".to_owned()]));
        let never_came = restoring(&changed(), &deployment("c:1", None));
        assert_eq!(never_came, (vec![], vec![]), "the process died between keeping and changing");
    }

    #[test]
    fn recoveries_survive_the_disk() {
        let all = vec![
            Recovery::Fields { kind: "Deployment".into(), name: "carts".into(), uid: "u".into(), fields: changed() },
            Recovery::PodImages {
                pod: "carts-1".into(),
                uid: "p".into(),
                image: "pause".into(),
                before: BTreeMap::from([("carts".to_owned(), "c:1".to_owned())]),
            },
            Recovery::Create { object: deployment("c:1", None) },
            Recovery::Delete { kind: DeletableKind::ResourceQuota, name: "q".into() },
            Recovery::Command {
                pod: "carts-1".into(),
                uid: "p".into(),
                container: "carts".into(),
                stop: vec!["/stand-in".into(), "burn".into(), "--stop".into()],
            },
            Recovery::Experiment { plural: "podchaos".into(), name: "x".into() },
        ];
        let text = serde_json::to_string(&all).unwrap();
        assert!(text.starts_with(r#"[{"undo":"fields","kind":"Deployment","name":"carts","uid":"u","#), "{text}");
        assert_eq!(serde_json::from_str::<Vec<Recovery>>(&text).unwrap(), all);
    }

    #[test]
    fn images_go_back_only_where_the_written_one_stands() {
        let pod = json!({ "spec": { "containers": [
            { "name": "carts", "image": "pause" }, { "name": "proxy", "image": "p:2" },
        ] } });
        let before = BTreeMap::from([("carts", "c:1"), ("proxy", "p:1")].map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert_eq!(images_back(&pod, "pause", &before), [json!({ "name": "carts", "image": "c:1" })]);
    }
}
