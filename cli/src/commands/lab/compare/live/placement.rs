//! On which nodes the pods of a case lie before the load.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bridge::{Cluster, PodView};
use lab::Lab;
use sim::environment::{Component, Write};

use crate::commands::lab::PATIENCE;
use crate::output;

/// The nodes of each component's pods.
pub(super) type Placement = BTreeMap<Component, Vec<String>>;

/// Time between two looks at pods that move.
const LOOK: Duration = Duration::from_millis(500);

/// Where the pods lie.
pub(super) async fn of(cluster: &Cluster) -> Result<Placement> {
    let mut placement = Placement::new();
    for pod in cluster.pods().await? {
        if let (Some(component), Some(node)) = (pod.component, pod.node) {
            placement.entry(component).or_default().push(node);
        }
    }
    Ok(placement)
}

/// Moves the pods to where they are wanted: those that lie elsewhere are deleted while all other nodes are cordoned. Their
/// templates stay as they are, so that no revision comes of it and a pod that comes later may go anywhere.
pub(super) async fn arrange(cluster: &Cluster, lab: &Lab, wanted: &Placement) -> Result<()> {
    let nodes: BTreeSet<&String> = wanted.values().flatten().collect();
    for node in nodes {
        let moves = moves(&cluster.pods().await?, wanted, node);
        if moves.is_empty() {
            continue;
        }
        output::talk(&format!("moving {} pods to {node}", moves.len()));
        let others: Vec<_> = lab::nodes()?.into_iter().map(|layout| layout.name).filter(|name| name != node).collect();
        for other in &others {
            cluster.write(&Write::Cordon { node: other.clone() }).await?;
        }
        let moved = replace(cluster, lab, &moves, wanted, node).await;
        for other in others {
            cluster.write(&Write::Uncordon { node: other }).await?;
        }
        moved?;
    }
    Ok(())
}

/// Deletes pods, and waits until those that come for them are Ready on the node.
async fn replace(cluster: &Cluster, lab: &Lab, names: &[String], wanted: &Placement, node: &str) -> Result<()> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    lab.kubectl(&[&["--namespace", cluster.namespace(), "delete", "pods", "--wait"], &names[..]].concat())?;
    let start = Instant::now();
    loop {
        let pods = cluster.pods().await?;
        if moves(&pods, wanted, node).is_empty() && pods.iter().all(|pod| pod.ready) {
            return Ok(());
        }
        if start.elapsed() > PATIENCE {
            let unready: Vec<_> = pods.iter().filter(|pod| !pod.ready).map(|pod| pod.name.as_str()).collect();
            bail!("pods that move to {node} are not ready after {} s: {}", PATIENCE.as_secs(), unready.join(", "));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The pods that are to leave the nodes on which they are for this one.
fn moves(pods: &[PodView], wanted: &Placement, node: &str) -> Vec<String> {
    let mut moves = Vec::new();
    for (component, nodes) in wanted {
        let own = || pods.iter().filter(|pod| pod.component.as_ref() == Some(component) && !pod.deleting);
        let on = |node: &str| own().filter(|pod| pod.node.as_deref() == Some(node)).count();
        let wanted_on = |node: &str| nodes.iter().filter(|wanted| *wanted == node).count();
        let missing = wanted_on(node).saturating_sub(on(node));
        let is_too_many = |pod: &&PodView| pod.node.as_deref().is_none_or(|node| on(node) > wanted_on(node));
        moves.extend(own().filter(is_too_many).take(missing).map(|pod| pod.name.clone()));
    }
    moves
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(component: &str, number: u32, node: &str) -> PodView {
        PodView {
            name: format!("{component}-{number}"),
            uid: String::new(),
            component: Some(component.to_owned()),
            node: Some(node.to_owned()),
            ip: None,
            phase: "Running".to_owned(),
            ready: true,
            deleting: false,
            restarts: 0,
            waiting: None,
            last_termination: None,
            started_at: None,
            containers: Vec::new(),
            qos_class: String::new(),
        }
    }

    #[test]
    fn as_many_pods_move_as_are_missing_and_only_those_that_are_too_many() {
        let pods = [pod("carts", 1, "a"), pod("carts", 2, "a"), pod("carts", 3, "b"), pod("user", 1, "b")];
        let check = |wanted: &[(&str, &[&str])], node: &str, expected: &[&str]| {
            let nodes = |nodes: &[&str]| nodes.iter().map(|node| (*node).to_owned()).collect();
            let wanted = wanted.iter().map(|(component, on)| ((*component).to_owned(), nodes(on))).collect();
            assert_eq!(moves(&pods, &wanted, node), expected);
        };
        check(&[("carts", &["a", "a", "b"]), ("user", &["b"])], "a", &[]);
        check(&[("carts", &["a", "b", "b"])], "b", &["carts-1"]);
        check(&[("carts", &["a", "b", "b"])], "a", &[]);
        check(&[("carts", &["b", "b", "b"]), ("user", &["a"])], "a", &["user-1"]);
        check(&[("carts", &["b", "b", "b"]), ("user", &["a"])], "b", &["carts-1", "carts-2"]);
    }
}
