//! What can happen to the nodes of a world, and who else may be on them.

use crate::cluster::Cluster;
use crate::engine::Queue;
use crate::environment::Rejected;
use crate::ids::NodeIx;
use crate::manifest::Deployment;
use crate::time::SimTime;
use crate::traffic::Traffic;
use crate::units::Bytes;

use super::{Event, Twin};

/// What is done to a node.
type Act = fn(&mut Cluster, SimTime, NodeIx, &mut Queue<Event>, &mut Traffic);

impl Twin {
    /// Loses the machine of a node: all that runs there is gone, and connections to it hang.
    ///
    /// # Errors
    /// There is no such node.
    pub fn lose_node(&mut self, node: &str) -> Result<(), Rejected> {
        self.on_node(node, Cluster::lose_node)
    }

    /// Ends the kubelet of a node; its pods go on serving.
    ///
    /// # Errors
    /// There is no such node.
    pub fn silence_node(&mut self, node: &str) -> Result<(), Rejected> {
        self.on_node(node, Cluster::silence_node)
    }

    /// Ends the container runtime of a node; its containers go on.
    ///
    /// # Errors
    /// There is no such node.
    pub fn lose_runtime(&mut self, node: &str) -> Result<(), Rejected> {
        self.on_node(node, Cluster::lose_runtime)
    }

    /// Brings a node back: what was away starts again.
    ///
    /// # Errors
    /// There is no such node.
    pub fn restore_node(&mut self, node: &str) -> Result<(), Rejected> {
        self.on_node(node, Cluster::restore_node)
    }

    /// Lets something outside the pods occupy so much of a node's memory from now on.
    ///
    /// # Errors
    /// There is no such node.
    pub fn occupy_memory(&mut self, node: &str, bytes: Bytes) -> Result<(), Rejected> {
        let node = self.node(node)?;
        self.parts.cluster.occupy_memory(node, bytes);
        Ok(())
    }

    /// Lets something outside the pods occupy so much of a node's disk from now on.
    ///
    /// # Errors
    /// There is no such node.
    pub fn occupy_disk(&mut self, node: &str, bytes: Bytes) -> Result<(), Rejected> {
        let node = self.node(node)?;
        self.parts.cluster.occupy_disk(node, bytes);
        Ok(())
    }

    /// Applies a Deployment beside those of the application, such as a neighbour that burns CPU.
    ///
    /// # Errors
    /// See [`Cluster::apply_deployment`].
    pub fn apply_deployment(&mut self, deployment: Deployment) -> Result<(), Rejected> {
        let parts = &mut self.parts;
        parts.cluster.apply_deployment(self.now, deployment, &mut self.queue, &mut parts.traffic)?;
        parts.deliver_notices(self.now, &mut self.queue);
        Ok(())
    }

    fn on_node(&mut self, node: &str, act: Act) -> Result<(), Rejected> {
        let node = self.node(node)?;
        let parts = &mut self.parts;
        act(&mut parts.cluster, self.now, node, &mut self.queue, &mut parts.traffic);
        parts.deliver_notices(self.now, &mut self.queue);
        Ok(())
    }

    fn node(&self, name: &str) -> Result<NodeIx, Rejected> {
        let found = self.parts.cluster.node_named(name);
        found.ok_or_else(|| Rejected(format!("nodes \"{name}\" not found")))
    }
}
