//! Faults of machines, and of what else runs on them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Effect;
use super::injection::Written;
use crate::scenario::{AppWords, Checker};
use crate::time::SimDuration;
use crate::units::{Bytes, Millicores};

/// What happens to a machine.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeEffect {
    /// It is gone, with all that runs on it; connections to it hang.
    Loss,
    /// Something outside the pods occupies its memory and its disk.
    Pressure {
        /// Of its memory.
        memory: Bytes,
        /// Of its disk.
        disk: Bytes,
    },
    /// Somebody else's pod comes to it.
    Neighbour(Neighbour),
}

/// A machine fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeLoss {
    /// Its name.
    pub node: String,
}

impl Written for NodeLoss {
    fn effect(&self, _: SimDuration, _: f64) -> Effect {
        Effect::Node { node: self.node.clone(), effect: NodeEffect::Loss }
    }

    fn component(&self) -> Option<&str> {
        None
    }
}

impl NodeLoss {
    /// There must be such a node.
    pub(super) fn check(&self, checker: &mut Checker<'_>, at: &str, _: &AppWords) {
        is_node(checker, at, &self.node);
    }
}

/// Something outside the pods takes a machine's memory or disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodePressure {
    /// Its name.
    pub node: String,
    /// How much memory.
    #[serde(default)]
    pub memory: Bytes,
    /// How much disk.
    #[serde(default)]
    pub disk: Bytes,
}

impl Written for NodePressure {
    fn effect(&self, _: SimDuration, severity: f64) -> Effect {
        let effect = NodeEffect::Pressure { memory: self.memory.scaled(severity), disk: self.disk.scaled(severity) };
        Effect::Node { node: self.node.clone(), effect }
    }

    fn component(&self) -> Option<&str> {
        None
    }
}

impl NodePressure {
    /// It must take something of a node.
    pub(super) fn check(&self, checker: &mut Checker<'_>, at: &str, _: &AppWords) {
        is_node(checker, at, &self.node);
        if self.memory == Bytes(0) && self.disk == Bytes(0) {
            checker.refuse(at, "nothing is taken", "write `memory`, such as 4Gi, or `disk`");
        }
    }
}

/// Somebody else's pod, on a machine where the application's pods are: busy threads without a limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Neighbour {
    /// The machine.
    pub node: String,
    /// Busy threads.
    pub workers: u32,
    /// What it asks for, by which its share is measured where the machine is full.
    pub cpu: Millicores,
}

impl Neighbour {
    /// The namespace that such pods are in.
    pub const NAMESPACE: &'static str = "batch";
    /// The Deployment's name.
    pub const NAME: &'static str = "transcoder";

    /// Its Deployment, as somebody would apply it.
    pub fn manifest(&self) -> String {
        let Self { node, workers, cpu } = self;
        let (name, namespace) = (Self::NAME, Self::NAMESPACE);
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  selector: \
             {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n      \
             nodeSelector: {{kubernetes.io/hostname: {node}}}\n      containers:\n      - name: {name}\n        image: \
             polinux/stress:1.0.4\n        args: [--cpu, '{workers}']\n        resources: {{requests: {{cpu: {cpu}}}}}\n"
        )
    }
}

impl Written for Neighbour {
    /// The severity scales the threads, of which there is one at least.
    fn effect(&self, _: SimDuration, severity: f64) -> Effect {
        let workers = ((f64::from(self.workers) * severity).round() as u32).max(1);
        let effect = NodeEffect::Neighbour(Self { workers, ..self.clone() });
        Effect::Node { node: self.node.clone(), effect }
    }

    fn component(&self) -> Option<&str> {
        None
    }
}

impl Neighbour {
    /// It must have a place and something to do.
    pub(super) fn check(&self, checker: &mut Checker<'_>, at: &str, _: &AppWords) {
        is_node(checker, at, &self.node);
        checker.within(&format!("{at}.workers"), f64::from(self.workers), 1.0, 256.0);
    }
}

fn is_node(checker: &mut Checker<'_>, at: &str, name: &str) {
    let nodes = &checker.file().cluster.nodes;
    checker.known(&format!("{at}.node"), "node", name, nodes.iter().map(|node| node.name.as_str()));
}
