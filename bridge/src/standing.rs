//! How the Deployments of a namespace stand as a whole: what is looked at before something is played on them again.

use std::collections::BTreeMap;

use serde_json::Value;
use sim::environment::Component;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::pods::PodView;
use crate::raw::group;

/// How Deployments stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// `spec.replicas` of each Deployment.
    pub replicas: BTreeMap<Component, u32>,
    /// What is not over yet, in words: rollouts, and pods on their way out. Nothing where all is settled.
    pub unsettled: Vec<String>,
}

impl Cluster {
    /// How the Deployments of the namespace stand.
    ///
    /// # Errors
    /// The cluster does not answer, or does not let them be read.
    pub async fn standing(&self) -> Result<Standing, Error> {
        let deployments = self.items("list Deployments", &self.path(group::APPS, "deployments")).await?;
        Ok(standing(&deployments, &self.pods().await?))
    }
}

fn standing(deployments: &[Value], pods: &[PodView]) -> Standing {
    let name = |deployment: &Value| deployment["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let replicas =
        deployments.iter().map(|deployment| (name(deployment), u32::try_from(wanted(deployment)).unwrap_or(0)));
    let rollouts = deployments.iter().filter(|deployment| !is_complete(deployment)).map(|deployment| {
        let available = deployment["status"]["availableReplicas"].as_u64().unwrap_or(0);
        format!("{}, of which {available} of {} pods are available", name(deployment), wanted(deployment))
    });
    let going = pods.iter().filter(|pod| pod.deleting).map(|pod| format!("pod {}, which is on its way out", pod.name));
    Standing { replicas: replicas.collect(), unsettled: rollouts.chain(going).collect() }
}

fn wanted(deployment: &Value) -> u64 {
    deployment["spec"]["replicas"].as_u64().unwrap_or(1)
}

/// Whether a Deployment has as many available pods of its newest template as it wants, and no others.
pub(crate) fn is_complete(deployment: &Value) -> bool {
    let status = &deployment["status"];
    let is_seen = status["observedGeneration"].as_i64() >= deployment["metadata"]["generation"].as_i64();
    // The API leaves zeros out.
    let count = |field: &str| status[field].as_u64().unwrap_or(0);
    let counts = ["replicas", "updatedReplicas", "availableReplicas"].map(count);
    is_seen && counts.iter().all(|count| *count == wanted(deployment))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(name: &str, observed: i64, updated: i32) -> Value {
        let status = json!({
            "observedGeneration": observed, "replicas": 2, "updatedReplicas": updated, "availableReplicas": 2,
        });
        json!({ "metadata": { "name": name, "generation": 3 }, "spec": { "replicas": 2 }, "status": status })
    }

    #[test]
    fn what_is_not_over_is_named() {
        let settled = standing(&[deployment("carts", 3, 2)], &[]);
        assert_eq!(settled, Standing { replicas: BTreeMap::from([("carts".to_owned(), 2)]), unsettled: Vec::new() });
        let found = standing(&[deployment("carts", 2, 2), deployment("user", 3, 1)], &[]);
        let expected = ["carts, of which 2 of 2 pods are available", "user, of which 2 of 2 pods are available"];
        assert_eq!(found.unsettled, expected, "one is not seen yet, of the other a pod is of the old template");
    }
}
