//! What the world has to do for a fault, by the door through which it comes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::node::NodeEffect;
use super::program::ProgramChange;
use crate::environment::{Component, DeletableKind};
use crate::time::SimDuration;
use crate::traffic::{Direction, DiskFault, HttpAction, HttpTarget, NetworkEffect};
use crate::units::Bytes;
use crate::workload::Workload;

/// What the world has to do: an [`Injection`](super::Injection) with its severity applied.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A Chaos Mesh experiment on pods.
    Pods(Targets, PodEffect),
    /// Somebody changes an object.
    Object(ObjectChange),
    /// This load comes on top; its `start` is the fault's.
    Load(Workload),
    /// Something is wrong with the program that a Deployment's pods run.
    Program {
        /// The Deployment.
        component: Component,
        /// What.
        change: ProgramChange,
    },
    /// Something happens to a machine.
    Node {
        /// Its name.
        node: String,
        /// What.
        effect: NodeEffect,
    },
    /// All of these, at once.
    Together(Vec<Self>),
}

impl Effect {
    /// Whether more load comes of it.
    pub(crate) fn is_load(&self) -> bool {
        match self {
            Self::Load(_) => true,
            Self::Together(effects) => effects.iter().any(Self::is_load),
            _ => false,
        }
    }
}

/// What an experiment does to its pods.
#[derive(Clone, Debug, PartialEq)]
pub enum PodEffect {
    /// The image becomes `pause`.
    Fail,
    /// It is deleted.
    Kill {
        /// How long it has to end.
        grace: SimDuration,
    },
    /// The first container's process is killed.
    KillContainer,
    /// Busy loops in the first container.
    StressCpu {
        /// Threads.
        workers: u32,
        /// Share of one core that each uses, 0 to 1.
        load: f64,
    },
    /// Processes that occupy memory in the first container.
    StressMemory {
        /// Processes.
        workers: u32,
        /// What they occupy together.
        size: Bytes,
    },
    /// Rules for the packets of the pods.
    Network {
        /// The pods at the other end; none: everybody.
        target: Option<Targets>,
        /// Whose packets.
        direction: Direction,
        /// What happens to them.
        effect: NetworkEffect,
    },
    /// A proxy in front of the pods; its fields are those of [`HttpFault`](crate::traffic::HttpFault).
    Http {
        /// On the way there or back.
        target: HttpTarget,
        /// The port that the server listens on.
        port: u16,
        /// Which paths.
        path: Option<String>,
        /// Which method.
        method: Option<String>,
        /// Answers with which status.
        code: Option<u16>,
        /// What happens.
        action: HttpAction,
    },
    /// The disk of the first container.
    Disk(DiskFault),
}

/// A change as `kubectl patch` makes it.
#[derive(Clone, Debug, PartialEq)]
pub enum ObjectChange {
    /// Fields of a Deployment's main container: the one that is called as the Deployment, or else the first.
    Container {
        /// The Deployment.
        component: Component,
        /// The fields, as in a strategic merge patch.
        fields: Value,
    },
    /// Fields of a Service.
    Service {
        /// Its name.
        name: String,
        /// The fields of its `spec`, as in a strategic merge patch.
        fields: Value,
    },
    /// A whole object is applied, and deleted when the fault ends.
    Applied {
        /// Its kind.
        kind: DeletableKind,
        /// Its name.
        name: String,
        /// It.
        manifest: String,
    },
}

impl ObjectChange {
    /// The kind of object, as in a manifest, and its name.
    pub fn object(&self) -> (&'static str, &str) {
        match self {
            Self::Container { component, .. } => ("Deployment", component),
            Self::Service { name, .. } => ("Service", name),
            Self::Applied { kind, name, .. } => (kind.name(), name),
        }
    }

    /// The strategic merge patch, where the Deployment's main container has this name.
    pub fn patch(&self, main_container: &str) -> Value {
        match self {
            Self::Container { fields, .. } => {
                let mut container = json!({ "name": main_container });
                if let (Some(container), Some(fields)) = (container.as_object_mut(), fields.as_object()) {
                    container.extend(fields.clone());
                }
                json!({ "spec": { "template": { "spec": { "containers": [container] } } } })
            }
            Self::Service { fields, .. } => json!({ "spec": fields }),
            Self::Applied { .. } => Value::Null,
        }
    }
}

/// Which pods a Chaos Mesh experiment hits, of those that exist when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    /// Namespaces; empty means the app's.
    pub namespaces: Vec<String>,
    /// Labels that all have.
    pub labels: BTreeMap<String, String>,
    /// How many of them.
    pub choice: Choice,
}

/// How many of the selected pods are hit; which of them is chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// All.
    All,
    /// At most this many.
    Count(u32),
    /// This share, rounded down, in per cent.
    Percent(u32),
}

impl Choice {
    /// How many of `pods`.
    pub fn of(self, pods: u32) -> u32 {
        match self {
            Self::All => pods,
            Self::Count(n) => n.min(pods),
            // `getFixedPercent` of Chaos Mesh's pkg/selector/generic rounds down.
            Self::Percent(share) => (u64::from(pods) * u64::from(share.min(100)) / 100) as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_never_exceeds_the_pods_there_are() {
        for (choice, pods, hit) in [
            (Choice::All, 3, 3),
            (Choice::Count(2), 3, 2),
            (Choice::Count(5), 3, 3),
            (Choice::Percent(50), 3, 1),
            (Choice::Percent(200), 3, 3),
        ] {
            assert_eq!(choice.of(pods), hit, "{choice:?} of {pods}");
        }
    }

    #[test]
    fn a_change_of_a_container_is_a_patch_of_its_deployment() {
        let change = ObjectChange::Container { component: "carts".into(), fields: json!({ "image": "c:2" }) };
        let containers = json!([{ "name": "main", "image": "c:2" }]);
        let patch = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
        assert_eq!((change.object(), change.patch("main")), (("Deployment", "carts"), patch));
    }
}
