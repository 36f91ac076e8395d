//! Objects by name, and what of an object is its user's.

use std::fmt;

use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::Resource;
use kube::api::{ApiResource, GroupVersionKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What of an object's metadata is kept: the rest is the API server's.
const KEPT_METADATA: [&str; 6] = ["name", "namespace", "labels", "annotations", "finalizers", "ownerReferences"];
/// Beginnings of the names of annotations that controllers and kubelets make.
const OF_CONTROLLERS: [&str; 7] = [
    "deployment.kubernetes.io/",
    "deprecated.deployment.rollback.to",
    "autoscaling.alpha.kubernetes.io/",
    "control-plane.alpha.kubernetes.io/",
    "endpoints.kubernetes.io/",
    "node.alpha.kubernetes.io/",
    "volumes.kubernetes.io/",
];

/// Which object of a cluster, of whatever kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectId {
    /// Such as `apps/v1`.
    pub api_version: String,
    /// Such as `Deployment`.
    pub kind: String,
    /// The kind in URLs, such as `deployments`.
    pub plural: String,
    /// None for what belongs to the cluster, such as a node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ObjectId {
    /// An object of a namespace.
    pub fn namespaced<K>(namespace: &str, name: &str) -> Self
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Self::of(ApiResource::erase::<K>(&()), Some(namespace), name)
    }

    /// An object that belongs to the cluster.
    pub fn of_cluster<K>(name: &str) -> Self
    where
        K: Resource<Scope = ClusterResourceScope, DynamicType = ()>,
    {
        Self::of(ApiResource::erase::<K>(&()), None, name)
    }

    /// An object of a kind that only the cluster knows.
    pub fn of(resource: ApiResource, namespace: Option<&str>, name: &str) -> Self {
        let ApiResource { api_version, kind, plural, .. } = resource;
        Self { api_version, kind, plural, namespace: namespace.map(str::to_owned), name: name.to_owned() }
    }

    /// Its kind as the client knows it.
    pub(crate) fn resource(&self) -> ApiResource {
        let (group, version) = self.api_version.split_once('/').unwrap_or(("", &self.api_version));
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, &self.kind), &self.plural)
    }
}

/// As `kubectl` names it, such as `deployment/carts`.
impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.to_lowercase(), self.name)
    }
}

/// An object as its users made it: without status, and without the metadata that the API server and controllers set.
pub(crate) fn cleaned(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        let mut kept = Map::new();
        for name in KEPT_METADATA {
            if let Some(value) = metadata.remove(name) {
                kept.insert(name.to_owned(), value);
            }
        }
        let only_of_controllers = kept.get_mut("annotations").and_then(Value::as_object_mut).is_some_and(|all| {
            all.retain(|name, _| !is_of_controllers(name));
            all.is_empty()
        });
        if only_of_controllers {
            kept.remove("annotations");
        }
        *metadata = kept;
    }
    object
}

/// Whether controllers or kubelets make an annotation.
fn is_of_controllers(name: &str) -> bool {
    OF_CONTROLLERS.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::Deployment;
    use k8s_openapi::api::core::v1::Node;
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_named_with_their_kinds() {
        let carts = ObjectId::namespaced::<Deployment>("sock-shop", "carts");
        assert_eq!(carts.to_string(), "deployment/carts");
        assert_eq!((carts.api_version.as_str(), carts.plural.as_str()), ("apps/v1", "deployments"));
        assert_eq!(carts.resource(), ApiResource::erase::<Deployment>(&()));
        let node = ObjectId::of_cluster::<Node>("node-1");
        assert_eq!((node.to_string().as_str(), node.namespace.as_deref()), ("node/node-1", None));
        assert_eq!(node.resource(), ApiResource::erase::<Node>(&()));
    }

    #[test]
    fn what_servers_and_controllers_set_is_left_out() {
        let object = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": "carts", "uid": "1", "resourceVersion": "7", "generation": 3, "managedFields": [],
                "labels": { "name": "carts" },
                "annotations": { "deployment.kubernetes.io/revision": "2", "mine": "x" },
            },
            "spec": { "replicas": 1 },
            "status": { "replicas": 1 },
        });
        let mut expected = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": "carts", "labels": { "name": "carts" }, "annotations": { "mine": "x" } },
            "spec": { "replicas": 1 },
        });
        assert_eq!(cleaned(&object), expected);
        let mut other = object;
        other["metadata"]["annotations"] = json!({ "deployment.kubernetes.io/revision": "2" });
        expected["metadata"].as_object_mut().unwrap().remove("annotations");
        assert_eq!(cleaned(&other), expected);
    }
}
