//! Nodes, and what is left of them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, NodeCondition, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use sim::environment::NodeView;
use sim::units::{Bytes, Millicores, parse_bytes, parse_millicores};

use crate::cluster::Cluster;
use crate::error::Error;

/// Pods that take no room on their node any more are left out.
const LIVE_PODS: &str = "status.phase!=Succeeded,status.phase!=Failed";

type Resources = BTreeMap<String, Quantity>;

impl Cluster {
    /// All nodes, in the order of their names. Their measured use is unknown as long as metrics-server has none.
    pub async fn nodes(&self) -> Result<Vec<NodeView>, Error> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let pods: Api<Pod> = Api::all(self.client.clone());
        let nodes = self.bounded("list nodes", nodes.list(&ListParams::default())).await?;
        let pods = self.bounded("list all pods", pods.list(&ListParams::default().fields(LIVE_PODS))).await?;
        let usage = self.node_usage().await?;
        let mut views =
            nodes.items.iter().map(|node| view(node, &pods.items, &usage)).collect::<Result<Vec<_>, _>>()?;
        views.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(views)
    }

    /// What metrics-server says that nodes use; nothing if it is not there.
    async fn node_usage(&self) -> Result<BTreeMap<String, Resources>, Error> {
        let kind = GroupVersionKind::gvk("metrics.k8s.io", "v1beta1", "NodeMetrics");
        let resource = ApiResource::from_gvk_with_plural(&kind, "nodes");
        let metrics: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let list = match self.bounded("read nodes' metrics", metrics.list(&ListParams::default())).await {
            Ok(list) => list.items,
            // Its API is not registered, may not be read, or has nobody behind it.
            Err(Error::Refused(_) | Error::Server(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        let usage = list.into_iter().filter_map(|mut object| {
            let usage = serde_json::from_value(object.data["usage"].take()).ok()?;
            Some((object.metadata.name?, usage))
        });
        Ok(usage.collect())
    }
}

fn view(node: &Node, pods: &[Pod], usage: &BTreeMap<String, Resources>) -> Result<NodeView, Error> {
    let name = node.metadata.name.clone().unwrap_or_default();
    let status = node.status.clone().unwrap_or_default();
    let allocatable = status.allocatable.unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let here = |pod: &&Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref()) == Some(&name);
    let (mut requested_cpu, mut requested_memory) = (Millicores(0), Bytes(0));
    for pod in pods.iter().filter(here) {
        for container in pod.spec.iter().flat_map(|spec| &spec.containers) {
            let requests = container.resources.as_ref().and_then(|r| r.requests.clone()).unwrap_or_default();
            requested_cpu += cpu(&requests)?.unwrap_or_default();
            requested_memory += memory(&requests)?.unwrap_or_default();
        }
    }
    let used = usage.get(&name);
    Ok(NodeView {
        ready: conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True"),
        unschedulable: node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false),
        pressure: pressure(&conditions),
        allocatable_cpu: cpu(&allocatable)?.unwrap_or_default(),
        allocatable_memory: memory(&allocatable)?.unwrap_or_default(),
        requested_cpu,
        requested_memory,
        cpu: used.map(cpu).transpose()?.flatten(),
        memory: used.map(memory).transpose()?.flatten(),
        name,
    })
}

/// The conditions that hold and should not.
fn pressure(conditions: &[NodeCondition]) -> Vec<String> {
    conditions.iter().filter(|c| c.type_ != "Ready" && c.status == "True").map(|c| c.type_.clone()).collect()
}

fn cpu(of: &Resources) -> Result<Option<Millicores>, Error> {
    quantity(of, "cpu", parse_millicores)
}

fn memory(of: &Resources) -> Result<Option<Bytes>, Error> {
    quantity(of, "memory", parse_bytes)
}

fn quantity<T>(of: &Resources, name: &str, parse: fn(&str) -> Result<T, String>) -> Result<Option<T>, Error> {
    let malformed = |reason| Error::Malformed { what: format!("a quantity of {name}"), reason };
    of.get(name).map(|quantity| parse(&quantity.0).map_err(malformed)).transpose()
}
