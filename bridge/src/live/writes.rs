//! Changes whose outcome is known: one that got no answer is looked for before it is tried again.
//!
//! ```text
//!   read what is there ──▶ change ──answer──▶ done
//!                            │ no answer
//!                            ▼
//!                 read again, patiently ──made──▶ done, said so
//!                            └──not made──▶ change, a few times
//! ```

use serde_json::Value;
use sim::environment::{Applied, DeletableKind, Failure, ResourceChange, Unavailable, Write};
use sim::units::{Bytes, Millicores};

use super::json::{cpu, is_deleting, list, memory};
use super::link::Link;
use super::network::autoscaler_of;
use crate::changes::Changes;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::plan::{RESTARTED_AT, main_container};
use crate::raw::group;

/// How often a change is tried that was not made.
const ATTEMPTS: u32 = 3;

/// Makes a change.
///
/// # Errors
/// Rejected: nothing has changed. Unavailable: the cluster failed for so long that it cannot be told.
pub(super) async fn change<C: Changes>(link: &mut Link, changes: &C, write: &Write) -> Result<String, Failure> {
    let before = target(link, write).await.map_err(Error::into_failure)?;
    let mut last = Unavailable(String::new());
    for _ in 0..ATTEMPTS {
        match changes.change(write).await {
            Err(Failure::Unavailable(why)) => last = why,
            known => return known,
        }
        let now = target(link, write).await.map_err(|error| lost(&error, &last))?;
        if has_happened(write, before.as_ref(), now.as_ref()) {
            return Ok(format!("done (its answer was lost: {last})"));
        }
    }
    Err(Failure::Unavailable(last))
}

/// Whether a change was made cannot be told.
fn lost(error: &Error, why: &Unavailable) -> Failure {
    Failure::Unavailable(Unavailable(format!("{why}; nor can it be told whether the change was made: {error}")))
}

/// The object that a change is about, as it is now; none if there is none.
async fn target(link: &mut Link, write: &Write) -> Result<Option<Value>, Error> {
    let place = place(&link.cluster, write);
    let Some((path, component)) = place else { return Ok(None) };
    let component = component.as_deref();
    link.patiently(async |cluster: &Cluster| match component {
        None => cluster.get_opt("read an object", &path).await,
        // An autoscaler is found by what it scales.
        Some(component) => {
            let autoscalers = cluster.items("list autoscalers", &path).await?;
            Ok(autoscaler_of(component, &autoscalers).cloned())
        }
    })
    .await
}

/// The path of the object, or, for an autoscaler of a component, that of the list and the component.
fn place(cluster: &Cluster, write: &Write) -> Option<(String, Option<String>)> {
    let of = |group: &str, plural: &str, name: &str| Some((cluster.path_of(group, plural, name), None));
    match write {
        Write::ApplyAutoscaler(_) | Write::DeleteAutoscaler { .. } => {
            let component = write.component().map(str::to_owned);
            Some((cluster.path(group::AUTOSCALING, "horizontalpodautoscalers"), component))
        }
        Write::DeletePod { pod } => of(group::CORE, "pods", pod),
        Write::Cordon { node } | Write::Uncordon { node } | Write::Drain { node } => {
            Some((format!("{}/nodes/{}", group::CORE, crate::http::percent_encoded(node)), None))
        }
        Write::Apply(object) => match object.read().ok()? {
            Applied::Service(service) => of(group::CORE, "services", &service.meta.name),
            Applied::Autoscaler(scaler) => of(group::AUTOSCALING, "horizontalpodautoscalers", &scaler.meta.name),
            Applied::ResourceQuota(quota) => of(group::CORE, "resourcequotas", &quota.meta.name),
            Applied::DisruptionBudget(budget) => of(group::POLICY, "poddisruptionbudgets", &budget.meta.name),
            Applied::NetworkPolicy(policy) => of(group::NETWORKING, "networkpolicies", &policy.meta.name),
        },
        Write::Delete { kind, name } => match kind {
            DeletableKind::ResourceQuota => of(group::CORE, "resourcequotas", name),
            DeletableKind::PodDisruptionBudget => of(group::POLICY, "poddisruptionbudgets", name),
            DeletableKind::NetworkPolicy => of(group::NETWORKING, "networkpolicies", name),
        },
        Write::Scale { .. }
        | Write::SetResources(_)
        | Write::SetImage { .. }
        | Write::SetEnv { .. }
        | Write::Restart { .. }
        | Write::Rollback { .. }
        | Write::CreateDeployment { .. }
        | Write::DeleteDeployment { .. } => of(group::APPS, "deployments", write.component()?),
    }
}

/// Whether a change that got no answer was made, by the object before and now. What shows nothing (an apply of what was
/// there, an eviction) counts as not made: to make it twice is to make it once.
fn has_happened(write: &Write, before: Option<&Value>, now: Option<&Value>) -> bool {
    let (old, new) = (before.unwrap_or(&Value::Null), now.unwrap_or(&Value::Null));
    let is_another = old["metadata"]["uid"] != new["metadata"]["uid"];
    let template = |object: &Value| object["spec"]["template"].clone();
    let restarted_at = |object: &Value| template(object)["metadata"]["annotations"][RESTARTED_AT].clone();
    match write {
        Write::Scale { replicas, .. } => new["spec"]["replicas"] == *replicas,
        Write::SetImage { component, image } => main_container(component, new)["image"] == image.as_str(),
        Write::SetEnv { component, name, value } => {
            let variables = list(&main_container(component, new)["env"]);
            let variable = variables.iter().find(|variable| variable["name"] == name.as_str());
            match (value, variable) {
                (Some(value), Some(variable)) => variable["value"].as_str().unwrap_or_default() == value,
                (None, None) => now.is_some(),
                _ => false,
            }
        }
        Write::SetResources(change) => now.is_some() && has_resources(change, new),
        Write::Restart { .. } => now.is_some() && restarted_at(old) != restarted_at(new),
        Write::Rollback { .. } => now.is_some() && template(old) != template(new),
        Write::ApplyAutoscaler(_) | Write::Apply(_) => now.is_some() && (is_another || old["spec"] != new["spec"]),
        Write::CreateDeployment { .. } => before.is_none() && now.is_some(),
        Write::DeleteAutoscaler { .. }
        | Write::DeleteDeployment { .. }
        | Write::DeletePod { .. }
        | Write::Delete { .. } => before.is_some() && (is_another || is_deleting(new)),
        Write::Cordon { .. } => new["spec"]["unschedulable"] == true,
        Write::Uncordon { .. } => now.is_some() && new["spec"]["unschedulable"] != true,
        Write::Drain { .. } => false,
    }
}

fn has_resources(change: &ResourceChange, deployment: &Value) -> bool {
    let resources = &main_container(&change.component, deployment)["resources"];
    let has_cpu = |wanted: Option<Millicores>, list: &str| {
        wanted.is_none_or(|wanted| cpu(&resources[list]["cpu"]) == Some(wanted))
    };
    let has_memory = |wanted: Option<Bytes>, list: &str| {
        wanted.is_none_or(|wanted| memory(&resources[list]["memory"]) == Some(wanted))
    };
    has_cpu(change.cpu_request, "requests")
        && has_cpu(change.cpu_limit, "limits")
        && has_memory(change.memory_request, "requests")
        && has_memory(change.memory_limit, "limits")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn carts() -> Value {
        json!({
            "metadata": { "name": "carts", "uid": "u1" },
            "spec": { "replicas": 1, "template": { "spec": { "containers": [{
                "name": "carts", "image": "c:1", "env": [{ "name": "A", "value": "1" }],
                "resources": { "limits": { "cpu": "300m" } },
            }] } } },
        })
    }

    /// Not made as long as the object is as before, and made with this edit.
    fn check(write: &Write, edit: fn(&mut Value)) {
        let before = carts();
        assert!(!has_happened(write, Some(&before), Some(&before)), "{write:?}");
        let mut now = before.clone();
        edit(&mut now);
        assert!(has_happened(write, Some(&before), Some(&now)), "{write:?}");
        assert!(!has_happened(write, None, None), "{write:?}: there is nothing");
    }

    #[test]
    fn whether_a_change_was_made_shows_in_its_object() {
        let component = || "carts".to_owned();
        check(&Write::Scale { component: component(), replicas: 3 }, |now| now["spec"]["replicas"] = json!(3));
        check(&Write::SetImage { component: component(), image: "c:2".into() }, |now| {
            now["spec"]["template"]["spec"]["containers"][0]["image"] = json!("c:2");
        });
        let set = |name: &str, value: Option<&str>| Write::SetEnv {
            component: component(),
            name: name.to_owned(),
            value: value.map(str::to_owned),
        };
        check(&set("A", Some("2")), |now| {
            now["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = json!("2");
        });
        check(&set("A", None), |now| now["spec"]["template"]["spec"]["containers"][0]["env"] = json!([]));
        let limit =
            ResourceChange { component: component(), cpu_limit: Some(Millicores(500)), ..ResourceChange::default() };
        check(&Write::SetResources(limit), |now| {
            now["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"] = json!("500m");
        });
        check(&Write::Restart { component: component() }, |now| {
            now["spec"]["template"]["metadata"] = json!({ "annotations": { RESTARTED_AT: "2026-12-01T01:00:00Z" } });
        });
        check(&Write::Rollback { component: component(), revision: None }, |now| {
            now["spec"]["template"]["spec"]["containers"][0]["image"] = json!("c:0");
        });
        check(&Write::DeleteDeployment { component: component() }, |now| *now = Value::Null);
        check(&Write::DeletePod { pod: component() }, |now| {
            now["metadata"]["deletionTimestamp"] = json!("2026-12-01T01:00:00Z");
        });
        check(&Write::Cordon { node: component() }, |now| now["spec"]["unschedulable"] = json!(true));
    }

    #[test]
    fn what_comes_and_goes_is_told_by_its_being_there() {
        let (create, object) = (Write::CreateDeployment { component: "carts".into() }, carts());
        assert!(has_happened(&create, None, Some(&object)) && !has_happened(&create, None, None));
        let delete = Write::DeleteDeployment { component: "carts".into() };
        assert!(has_happened(&delete, Some(&object), None) && !has_happened(&delete, Some(&object), Some(&object)));
        let drain = Write::Drain { node: "node-1".into() };
        assert!(!has_happened(&drain, Some(&object), Some(&object)), "evictions are asked for again");
    }
}
