//! How long messages take on the lab, measured between containers that do nothing else: the twin's network is as slow.
//!
//! What both ends compute meanwhile does not count: a service's demand contains what its system calls for messages take,
//! and the twin spends that where the service does.

use anyhow::{Context, Result, bail};
use bridge::{Cluster, PodView};
use serde::{Deserialize, Serialize};
use sim::scenario;
use sim::time::SimDuration;

/// Where the stand-in's `echo` listens; nothing of an application does.
const PORT: &str = "7007";
/// Longer than both measurements take.
const ECHO_SECONDS: &str = "20";

/// One way, from one process' `write` until the other runs, without the CPU time of either.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::commands::lab::compare) struct Network {
    /// Between two pods of one node.
    pub(in crate::commands::lab::compare) within_node: SimDuration,
    /// Between pods of two nodes.
    pub(in crate::commands::lab::compare) between_nodes: SimDuration,
}

impl Network {
    /// A cluster with this network.
    pub(in crate::commands::lab::compare) fn of(self, cluster: scenario::Cluster) -> scenario::Cluster {
        scenario::Cluster { local_latency: self.within_node, network_latency: self.between_nodes, ..cluster }
    }

    /// Measures with the first pods of the application that are in the right places.
    pub(super) async fn measure(cluster: &Cluster) -> Result<Self> {
        let pods: Vec<PodView> = cluster.pods().await?.into_iter().filter(|pod| pod.ready).collect();
        let from = pods.first().context("no pod is ready")?;
        let is_near = |pod: &&PodView| pod.name != from.name && pod.node == from.node;
        let near = pods.iter().find(is_near).context("no two pods share a node")?;
        let far = pods.iter().find(|pod| pod.node != from.node).context("all pods are on one node")?;
        Ok(Self { within_node: one_way(cluster, from, near).await?, between_nodes: one_way(cluster, from, far).await? })
    }
}

/// A quarter of the time in which a connection is opened, a request sent and its answer received, four messages, less the
/// CPU time of both ends.
async fn one_way(cluster: &Cluster, from: &PodView, to: &PodView) -> Result<SimDuration> {
    let address = to.ip.with_context(|| format!("{} has no address", to.name))?;
    let echo = ["/stand-in", "echo", "--port", PORT, "--seconds", ECHO_SECONDS];
    let echo = cluster.start(&to.name, container(to)?, &echo).await?;
    let asked = format!("{address}:{PORT}");
    let told = cluster.exec(&from.name, container(from)?, &["/stand-in", "round-trips", &asked]).await?;
    drop(echo);
    if told.exit_code != 0 {
        bail!("messages from {} to {} cannot be timed: {}", from.name, to.name, told.stderr.trim());
    }
    let times: Vec<u64> = told.stdout.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [connect, exchange, own_cpu, echo_cpu] = times[..] else { bail!("`round-trips` said {:?}", told.stdout) };
    Ok(SimDuration((connect + exchange).saturating_sub(own_cpu + echo_cpu) / 4))
}

/// A pod's first container.
fn container(pod: &PodView) -> Result<&str> {
    let (name, _) = pod.containers.first().with_context(|| format!("{} has no containers", pod.name))?;
    Ok(name)
}
