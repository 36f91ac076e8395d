//! Faults: what they are, how a file says them, and what the judge takes for the right answer.
//!
//! A fault that Chaos Mesh has a kind for is written as the manifest that a live cluster takes, so
//! that the same text works on both. The others are written in sockpit's own words. What each is
//! *bound to* decides what survives what:
//!
//! | kind | how it is written | bound to | what it does | a new container | a deleted pod | a rollout | a scale-out |
//! | --- | --- | --- | --- | --- | --- | --- | --- |
//! | `pod-failure` | `PodChaos, action: pod-failure` | pod | The image of a running pod becomes `pause`: it runs and serves nothing. | stays | mends | mends | adds good pods beside it |
//! | `pod-kill` | `PodChaos, action: pod-kill` | nothing | A pod is deleted, without a grace period unless one is written. | is over | is over | is over | is over |
//! | `container-kill` | `PodChaos, action: container-kill` | nothing | The first container's process is killed; the kubelet starts another one. | is over | is over | is over | is over |
//! | `cpu-stress` | `StressChaos, stressors.cpu` | container | Busy loops in the container's control group use up its CPU. | mends | mends | mends | stays in the old pod |
//! | `memory-stress` | `StressChaos, stressors.memory` | container | Processes in the container's control group occupy its memory. | mends | mends | mends | stays in the old pod |
//! | `network-delay` | `NetworkChaos, action: delay` | pod | Packets that the pod sends are late. | stays | mends | mends | adds good pods beside it |
//! | `network-loss` | `NetworkChaos, action: loss` | pod | Packets that the pod sends are lost, and sent again by TCP. | stays | mends | mends | adds good pods beside it |
//! | `network-partition` | `NetworkChaos, action: partition` | pod | No packet passes between the pod and others. | stays | mends | mends | adds good pods beside it |
//! | `network-bandwidth` | `NetworkChaos, action: bandwidth` | pod | Few bytes per second leave the pod. | stays | mends | mends | adds good pods beside it |
//! | `http-abort` | `HTTPChaos, abort: true` | container | A proxy in the pod breaks connections off. | mends | mends | mends | stays in the old pod |
//! | `http-delay` | `HTTPChaos, delay` | container | A proxy in the pod holds requests or answers. | mends | mends | mends | stays in the old pod |
//! | `slow-disk` | `IOChaos, action: latency` | container | Reads and writes of the container's volume are slow. | mends | mends | mends | stays in the old pod |
//! | `disk-full` | `IOChaos, action: fault, errno: 28` | container | Writes to the container's volume find no space. | mends | mends | mends | stays in the old pod |
//! | `fake-image` | `fake-image` | template | The Deployment's image starts and serves nothing. | stays | stays | undo mends | stays |
//! | `bad-tag` | `bad-tag` | template | The Deployment's image cannot be pulled; in a rolling update the old pod goes on serving. | stays | stays | undo mends | stays |
//! | `wrong-probe` | `wrong-probe` | template | A probe asks for a path or a port that the process does not have. | stays | stays | undo mends | stays |
//! | `too-small-limit` | `too-small-limit` | template | CPU or memory is limited to less than the process needs. | stays | stays | undo mends | stays |
//! | `bad-environment` | `bad-environment` | template | A variable of the template has a value with which the program does not work. | stays | stays | undo mends | stays |
//! | `crash-on-start` | `crash-on-start` | template | A variable of the template has a value with which the program exits at once. | stays | stays | undo mends | stays |
//! | `wrong-port` | `wrong-port` | object | The Service leads to a port on which nobody listens. | stays | stays | stays | stays |
//! | `wrong-selector` | `wrong-selector` | object | The Service selects other pods, or none. | stays | stays | stays | stays |
//! | `quota-exceeded` | `quota-exceeded` | object | A quota of the namespace is used up: no pod takes the place of one that ends. | stays | stays | stays | stays |
//! | `blocked-by-policy` | `blocked-by-policy` | object | A network policy lets nobody connect to the pods. | stays | stays | stays | stays |
//! | `memory-leak` | `memory-leak` | program | The program loses memory until it is killed. | begins anew | begins anew | begins anew | shares it |
//! | `slow-database` | `slow-database` | program | Each query costs the database more CPU. | begins anew | begins anew | begins anew | shares it |
//! | `database-ageing` | `database-ageing` | data | The database's data has grown: each query without an index costs more. | mends | mends | mends | stays in the old pod |
//! | `retry-storm` | `retry-storm` | program | A client gives its calls up early and tries them again. | begins anew | begins anew | begins anew | shares it |
//! | `retry-overload` | `retry-overload` | program | Retries keep a service overloaded when the burst that overloaded it is over. | begins anew | begins anew | begins anew | shares it |
//! | `node-loss` | `node-loss` | node | A machine is gone, with all that runs on it. | stays | mends elsewhere | mends elsewhere | adds pods elsewhere |
//! | `node-pressure` | `node-pressure` | node | Something outside the pods takes a machine's memory or disk: the kubelet evicts pods. | stays | mends elsewhere | mends elsewhere | adds pods elsewhere |
//! | `noisy-neighbour` | `noisy-neighbour` | node | Somebody else's pod takes the CPU of a machine. | stays | mends elsewhere | mends elsewhere | adds pods elsewhere |
//! | `rising-traffic` | `rising-traffic` | workload | More and more load. | stays | stays | stays | shares it |
//! | `traffic-burst` | `traffic-burst` | workload | Much load at once, for a while. | stays | stays | stays | shares it |
//!
//! A bad image is an outage only where nothing keeps the old pod until the new one is ready: with the
//! strategy `Recreate`, or without a readiness probe. A rolling update of one replica keeps it.
//!
//! Memory stress beyond the container's limit is a single blow: the kernel kills the container (or, on control groups of
//! version 1, perhaps only the stress), and the next one is free of it. Below the limit it stays, and shows.
//!
//! Chaos Mesh chooses its pods once, when the experiment starts: pods that come later are not hit.
//!
//! ```text
//! Injection (what the file says) ──severity──▶ Effect (through which door) ──▶ world
//!     └─▶ FaultKind ──▶ Facts (one table)
//! ```
//!
//! A kind is added by a row in `kind`, its field of [`Injection`] or its place in a manifest of Chaos Mesh, and what it
//! means as an [`Effect`]. Nothing here applies a fault; the world does. Nothing here is shown to an agent.

mod chaos_mesh;
mod effect;
mod injection;
mod kind;
mod load;
mod node;
mod object;
mod policy;
mod program;
mod variable;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use chaos_mesh::{
    BandwidthLimit, ChaosKind, ChaosManifest, ChaosMetadata, ChaosMode, ChaosSelector, ChaosSpec, CpuStressor, Delay,
    MemoryStressor, PacketDelay, PacketDirection, PacketLoss, PacketTarget, Stressors, Target,
};
pub use effect::{Choice, Effect, ObjectChange, PodEffect, Targets};
pub use injection::Injection;
pub use kind::{Binding, Facts, FaultKind, RootCause, Survival};
pub use node::{Neighbour, NodeEffect, NodeLoss, NodePressure};
pub use object::{ImageChange, LimitChange, PortChange, ProbeChange, ProbeName, SelectorChange};
pub use policy::{PolicyChange, QuotaChange};
pub use program::{DatabaseAgeing, EagerClient, MemoryLeak, ProgramChange, RetryOverload, SlowDatabase};
pub use variable::VariableChange;

use crate::time::{SimDuration, SimTime};

/// One fault of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When it is injected, from the start of the world.
    pub start: SimDuration,
    /// When it ends by itself, from the start of the world. A Chaos Mesh manifest says it with its
    /// `spec.duration` instead. Default: never.
    #[serde(default)]
    pub end: Option<SimDuration>,
    /// Strength, above 0 and up to 1 as written: scales the load of `cpu-stress`, the size of `memory-stress` and the
    /// number of users or the rate of `rising-traffic` and `traffic-burst`. The other kinds are all or nothing.
    #[serde(default = "full")]
    pub severity: f64,
    /// What goes wrong.
    pub inject: Injection,
}

fn full() -> f64 {
    1.0
}

impl Fault {
    /// Its kind; none for a Chaos Mesh manifest that is not one of the kinds played here, which the
    /// loader refuses.
    pub fn kind(&self) -> Option<FaultKind> {
        self.inject.kind()
    }

    /// What the world has to do; none where [`Fault::kind`] is none.
    pub fn effect(&self) -> Option<Effect> {
        self.inject.effect(self.start, self.severity)
    }

    /// When it is injected.
    pub fn injected_at(&self) -> SimTime {
        SimTime::ZERO + self.start
    }

    /// When it ends by itself, if it does.
    pub fn ends_at(&self) -> Option<SimTime> {
        let end = match &self.inject {
            Injection::ChaosMesh(manifest) => manifest.spec.duration.map(|length| self.start + length),
            _ => self.end,
        };
        end.map(|end| SimTime::ZERO + end)
    }

    /// The component it is in, among those that have these pod labels.
    pub fn component<'a>(
        &'a self,
        labelled: impl Iterator<Item = (&'a str, &'a BTreeMap<String, String>)>,
    ) -> Option<&'a str> {
        self.inject.component(labelled)
    }
}
