//! What is seen of a cluster, without a judgement.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, PostParams};

use super::{Counts, Facts, Running, Series, Wanted};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::guard::permissions::{Permission, Use, uses};
use crate::prometheus::Prometheus;

/// The API group of Chaos Mesh.
const CHAOS_MESH: &str = "chaos-mesh.org";

impl Cluster {
    /// Looks at all that `sockpit doctor` judges. What cannot be seen is in the facts.
    pub async fn examine(&self, wanted: &Wanted, prometheus: Option<&Prometheus>) -> Facts {
        let version = self.bounded("read the server's version", self.client.apiserver_version()).await;
        Facts {
            namespace: self.namespace.clone(),
            version: version.map(|info| info.git_version).map_err(|error| error.to_string()),
            access: self.access().await,
            pod_metrics: self.pods_with_metrics().await.map_err(|error| error.to_string()),
            chaos_mesh: self.has_group(CHAOS_MESH).await.map_err(|error| error.to_string()),
            deployments: self.running().await.map_err(|error| error.to_string()),
            prometheus: match prometheus {
                Some(server) => Some(series(server, wanted, &self.namespace).await),
                None => None,
            },
        }
    }

    /// Asks for each permission that anything takes, once.
    async fn access(&self) -> BTreeMap<(bool, Permission), Result<bool, String>> {
        let scoped = |each: Use| {
            let of_cluster = each.grant.is_of_cluster();
            each.needs.into_iter().map(move |permission| (of_cluster, permission))
        };
        let asked: BTreeSet<(bool, Permission)> = uses().into_iter().flat_map(scoped).collect();
        let mut access = BTreeMap::new();
        for (of_cluster, permission) in asked {
            let allowed = self.is_allowed(permission, of_cluster).await;
            access.insert((of_cluster, permission), allowed.map_err(|error| error.to_string()));
        }
        access
    }

    async fn is_allowed(&self, permission: Permission, of_cluster: bool) -> Result<bool, Error> {
        let (resource, subresource) = permission.resource_and_subresource();
        let attributes = ResourceAttributes {
            namespace: (!of_cluster).then(|| self.namespace.clone()),
            group: Some(permission.group.to_owned()),
            resource: Some(resource.to_owned()),
            subresource: subresource.map(str::to_owned),
            verb: Some(permission.verb.to_owned()),
            ..ResourceAttributes::default()
        };
        let spec = SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        };
        let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
        let reviews: Api<SelfSubjectAccessReview> = Api::all(self.client.clone());
        let answer = self.bounded("ask for a permission", reviews.create(&PostParams::default(), &review)).await?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }

    async fn pods_with_metrics(&self) -> Result<usize, Error> {
        let kind = GroupVersionKind::gvk("metrics.k8s.io", "v1beta1", "PodMetrics");
        let resource = ApiResource::from_gvk_with_plural(&kind, "pods");
        let metrics: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let list = self.bounded("read pods' metrics", metrics.list(&ListParams::default())).await?;
        Ok(list.items.len())
    }

    async fn has_group(&self, name: &str) -> Result<bool, Error> {
        let groups = self.bounded("list the API's groups", self.client.list_api_groups()).await?;
        Ok(groups.groups.iter().any(|group| group.name == name))
    }

    async fn running(&self) -> Result<BTreeMap<String, Running>, Error> {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &self.namespace);
        let list = self.bounded("list Deployments", deployments.list(&ListParams::default())).await?;
        Ok(list.items.into_iter().map(running).collect())
    }
}

/// A Deployment's name, and how it runs.
fn running(deployment: Deployment) -> (String, Running) {
    let name = deployment.metadata.name.unwrap_or_default();
    let spec = deployment.spec.unwrap_or_default();
    let count = |of: Option<i32>| of.and_then(|n| u32::try_from(n).ok());
    let containers = spec.template.spec.map(|pod| pod.containers).unwrap_or_default();
    let main = containers.iter().find(|container| container.name == name).or(containers.first());
    let image = main.and_then(|container| container.image.clone()).unwrap_or_default();
    let ready = count(deployment.status.and_then(|status| status.ready_replicas)).unwrap_or(0);
    (name, Running { image, wanted: count(spec.replicas).unwrap_or(1), ready })
}

/// How many of each kind of series a server has.
async fn series(server: &Prometheus, wanted: &Wanted, namespace: &str) -> Result<Counts, String> {
    server.instant("vector(1)", SystemTime::now()).await.map_err(|error| error.to_string())?;
    let mut counts = Counts::new();
    for series in Series::of(wanted) {
        let samples = server.instant(&series.query(namespace), SystemTime::now()).await;
        // Nothing counted is no series at all.
        let count = samples.map(|samples| samples.first().map_or(0, |sample| sample.value as u64));
        counts.insert(series, count.map_err(|error| error.to_string()));
    }
    Ok(counts)
}
