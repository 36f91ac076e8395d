//! What happens to machines, and who else comes to them.

use crate::diagnostic::Source;
use crate::engine::Queue;
use crate::environment::{Rejected, Write};
use crate::fault::{Neighbour, NodeEffect};
use crate::ids::NodeIx;
use crate::manifest;
use crate::time::SimTime;
use crate::units::Bytes;

use super::{Event, Parts};

/// How to undo it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Changed {
    Lost(NodeIx),
    Pressed(NodeIx),
    Neighbour,
}

/// Does it to a machine.
///
/// # Errors
/// There is no such machine, or the cluster refuses the neighbour.
pub(super) fn change(
    now: SimTime,
    node: &str,
    effect: &NodeEffect,
    parts: &mut Parts,
    queue: &mut Queue<Event>,
) -> Result<Changed, Rejected> {
    let Parts { traffic, cluster, .. } = parts;
    let ix = cluster.node_named(node).ok_or_else(|| Rejected(format!("nodes \"{node}\" not found")))?;
    match effect {
        NodeEffect::Loss => {
            cluster.lose_node(now, ix, queue, traffic);
            Ok(Changed::Lost(ix))
        }
        NodeEffect::Pressure { memory, disk } => {
            cluster.occupy_memory(ix, *memory);
            cluster.occupy_disk(ix, *disk);
            Ok(Changed::Pressed(ix))
        }
        NodeEffect::Neighbour(neighbour) => {
            let source = Source { path: "neighbour.yaml".into(), text: neighbour.manifest() };
            let read = manifest::read_objects(&source).map_err(|why| Rejected(why.to_string()))?;
            for deployment in read.0.deployments {
                cluster.apply_deployment(now, deployment, queue, traffic)?;
            }
            Ok(Changed::Neighbour)
        }
    }
}

/// Takes it back.
pub(super) fn restore(now: SimTime, changed: Changed, parts: &mut Parts, queue: &mut Queue<Event>) {
    let Parts { traffic, cluster, .. } = parts;
    match changed {
        Changed::Lost(node) => cluster.restore_node(now, node, queue, traffic),
        Changed::Pressed(node) => {
            cluster.occupy_memory(node, Bytes(0));
            cluster.occupy_disk(node, Bytes(0));
        }
        Changed::Neighbour => {
            let delete = Write::DeleteDeployment { component: Neighbour::NAME.to_owned() };
            // Who has deleted it before has done this.
            drop(cluster.write(now, &delete, queue, traffic));
        }
    }
}
