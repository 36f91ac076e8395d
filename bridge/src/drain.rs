//! The evictions of a drain: one request per pod, as `kubectl drain --ignore-daemonsets --delete-emptydir-data` makes them.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{EvictParams, ListParams};

use crate::cluster::Cluster;
use crate::error::Error;

/// A disruption budget holds the pod: too many requests.
const HELD: u16 = 429;
/// There is no such pod.
const GONE: u16 = 404;
/// The annotation of a pod that a kubelet runs from a file.
const MIRROR: &str = "kubernetes.io/config.mirror";

impl Cluster {
    /// Asks for the eviction of each pod of a node, in whatever namespace, once. Says what came of it.
    pub(crate) async fn evict_pods_of(&self, node: &str) -> Result<String, Error> {
        let pods: Api<Pod> = Api::all(self.client.clone());
        let here = ListParams::default().fields(&format!("spec.nodeName={node}"));
        let pods = self.bounded("list the pods of a node", pods.list(&here)).await?;
        let (mut lines, mut held) = (Vec::new(), 0);
        for pod in pods.items.iter().filter(|pod| is_drained(pod)) {
            let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
            let evicted = async {
                match api.evict(name, &EvictParams::default()).await {
                    Err(kube::Error::Api(status)) if status.code == HELD => Ok(Err(status.message)),
                    // It has gone by itself.
                    Err(kube::Error::Api(status)) if status.code == GONE => Ok(Ok(())),
                    done => done.map(|_| Ok(())),
                }
            };
            match self.bounded("evict a pod", evicted).await? {
                Ok(()) => lines.push(format!("pod/{name} evicted")),
                Err(why) => {
                    held += 1;
                    lines.push(format!("error when evicting pods/\"{name}\" -n \"{namespace}\": {why}"));
                }
            }
        }
        lines.push(match held {
            0 => format!("node/{node} drained"),
            held => {
                format!("node/{node} is not drained: {held} of its pods stay, drain it again when others are ready")
            }
        });
        Ok(lines.join("\n"))
    }
}

/// Whether a drain ends the pod: not one that is ending, of a `DaemonSet`, or from a file of its kubelet.
fn is_drained(pod: &Pod) -> bool {
    let is_of_daemon_set = pod.metadata.owner_references.iter().flatten().any(|owner| owner.kind == "DaemonSet");
    let is_mirror = pod.metadata.annotations.iter().flatten().any(|(name, _)| name == MIRROR);
    pod.metadata.deletion_timestamp.is_none() && !is_of_daemon_set && !is_mirror
}
