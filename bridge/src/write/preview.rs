//! What a write would do, seen before it is made.

use std::future::Future;

use futures_util::TryFutureExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Node, Pod, ResourceQuota, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::DynamicObject;
use serde_json::Value;
use sim::environment::{Component, Failure, Rejected, Write};

use super::{Mode, past_conflicts, value};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::guard::{ObjectId, Preview, Previews};
use crate::plan::{Call, Context, Kind, Plan, plan};
use crate::pods::pod_state;

impl Previews for Cluster {
    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn preview(&self, write: &Write) -> impl Future<Output = Result<Preview, Failure>> + Send {
        past_conflicts(|| self.previewed(write)).map_err(Error::into_failure)
    }

    fn look(&self, object: &ObjectId) -> impl Future<Output = Result<Option<Value>, Failure>> + Send {
        self.object(object).map_err(Error::into_failure)
    }
}

impl Cluster {
    /// Objects like this one, with all their fields, those that this program does not know included.
    pub(crate) fn api_of(&self, object: &ObjectId) -> Api<DynamicObject> {
        match &object.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &object.resource()),
            None => Api::all_with(self.client.clone(), &object.resource()),
        }
    }

    /// Reads an object; none if it is not there.
    pub(crate) async fn object(&self, object: &ObjectId) -> Result<Option<Value>, Error> {
        let found = self.bounded("read an object", self.api_of(object).get_opt(&object.name)).await?;
        found.as_ref().map(value).transpose()
    }

    async fn previewed(&self, write: &Write) -> Result<Preview, Error> {
        let current = self.current(write).await?;
        let context = Context { namespace: &self.namespace, manifests: &self.manifests, now: Timestamp::now() };
        let Plan { call, answer } = plan(write, &current, &context).map_err(|Rejected(why)| Error::Refused(why))?;
        let object = target(write, call.as_ref(), &self.namespace);
        let before = self.object(&object).await?;
        let after = match &call {
            Some(call) => self.tried(call, before.as_ref()).await?,
            None => before.clone(),
        };
        let component = match (write, &before) {
            (Write::DeletePod { .. }, Some(pod)) => component_of(pod),
            _ => None,
        };
        Ok(Preview { object, before, after, component, answer })
    }

    /// The object after a dry run.
    async fn tried(&self, call: &Call, before: Option<&Value>) -> Result<Option<Value>, Error> {
        let tried = self.send(call, Mode::DryRun).await?;
        match call {
            // The answer is the scale alone.
            Call::Scale { patch, .. } => Ok(before.cloned().map(|mut scaled| {
                scaled["spec"]["replicas"] = patch["spec"]["replicas"].clone();
                scaled
            })),
            _ => tried.as_ref().map(value).transpose(),
        }
    }
}

/// The object that a write changes, by its call; or by the write itself if there is nothing to be done.
fn target(write: &Write, call: Option<&Call>, namespace: &str) -> ObjectId {
    let deployment = |name: &str| ObjectId::namespaced::<Deployment>(namespace, name);
    match (call, write) {
        (Some(Call::Scale { name, .. } | Call::Merge { name, .. } | Call::Json { name, .. }), _) => deployment(name),
        (Some(Call::Apply { kind, name, .. } | Call::Delete { kind, name }), _) => of_kind(*kind, namespace, name),
        (Some(Call::Create { object }), _) => deployment(object["metadata"]["name"].as_str().unwrap_or_default()),
        (Some(Call::Cordon { node, .. }), _)
        | (None, Write::Cordon { node } | Write::Uncordon { node } | Write::Drain { node }) => {
            ObjectId::of_cluster::<Node>(node)
        }
        (None, write) => deployment(write.component().unwrap_or_default()),
    }
}

fn of_kind(kind: Kind, namespace: &str, name: &str) -> ObjectId {
    match kind {
        Kind::Deployment => ObjectId::namespaced::<Deployment>(namespace, name),
        Kind::Pod => ObjectId::namespaced::<Pod>(namespace, name),
        Kind::Service => ObjectId::namespaced::<Service>(namespace, name),
        Kind::Autoscaler => ObjectId::namespaced::<HorizontalPodAutoscaler>(namespace, name),
        Kind::ResourceQuota => ObjectId::namespaced::<ResourceQuota>(namespace, name),
        Kind::DisruptionBudget => ObjectId::namespaced::<PodDisruptionBudget>(namespace, name),
        Kind::NetworkPolicy => ObjectId::namespaced::<NetworkPolicy>(namespace, name),
    }
}

/// The component of a pod, if it is of one.
fn component_of(pod: &Value) -> Option<Component> {
    serde_json::from_value::<Pod>(pod.clone()).ok().and_then(|pod| pod_state(&pod).component)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(write: &Write, call: Option<&Call>, expected: &str) {
        assert_eq!(target(write, call, "sock-shop").to_string(), expected);
    }

    #[test]
    fn each_call_has_its_object() {
        let carts = || "carts".to_owned();
        let scale = Write::Scale { component: carts(), replicas: 2 };
        check(&scale, Some(&Call::Scale { name: carts(), patch: Value::Null }), "deployment/carts");
        let delete = Write::DeleteAutoscaler { component: carts() };
        let call = Call::Delete { kind: Kind::Autoscaler, name: "carts-hpa".to_owned() };
        check(&delete, Some(&call), "horizontalpodautoscaler/carts-hpa");
        let create = Write::CreateDeployment { component: carts() };
        let object = json!({ "metadata": { "name": "carts" } });
        check(&create, Some(&Call::Create { object }), "deployment/carts");
        check(&Write::Uncordon { node: "node-1".to_owned() }, None, "node/node-1");
        check(&Write::Rollback { component: carts(), revision: None }, None, "deployment/carts");
    }

    #[test]
    fn a_pod_says_whose_it_is() {
        let pod: Value = serde_json::from_str(include_str!("../fixtures/running.json")).unwrap();
        assert_eq!(component_of(&pod).as_deref(), Some("user"));
        assert_eq!(component_of(&json!({ "metadata": { "name": "alone" } })), None);
    }
}
