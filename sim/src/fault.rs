//! Faults: what they are, how a file says them, and what the judge takes for the right answer.
//!
//! A fault that Chaos Mesh has a kind for is written as the manifest that a live cluster takes, so
//! that the same text works on both. The others are written in sockpit's own words. What each is
//! *bound to* decides what survives what:
//!
//! | kind | how it is written | bound to | what it does | a new container | a deleted pod | a rollout | a scale-out |
//! | --- | --- | --- | --- | --- | --- | --- | --- |
//! | `pod-failure` | `PodChaos`, `action: pod-failure` | pod | its image becomes `pause`: runs, serves nothing | stays | mends | mends | adds good pods beside it |
//! | `cpu-stress` | `StressChaos`, `stressors.cpu` | container | busy loops in its cgroup | mends | mends | mends | stays in the old pod |
//! | `memory-stress` | `StressChaos`, `stressors.memory` | container | processes in its cgroup that occupy memory | mends | mends | mends | stays in the old pod |
//! | `fake-image` | `fake-image` | template | an image that starts and serves nothing | stays | stays | undo mends | stays |
//! | `bad-tag` | `bad-tag` | template | a tag that cannot be pulled; the old pod goes on serving | stays | stays | undo mends | stays |
//! | `rising-traffic` | `rising-traffic` | workload | more load | stays | stays | stays | shares it |
//!
//! A bad image is an outage only where nothing keeps the old pod until the new one is ready: with the
//! strategy `Recreate`, or without a readiness probe. A rolling update of one replica keeps it.
//!
//! Memory stress beyond the container's limit is a single blow: the kernel kills the container (or, on control groups of
//! version 1, perhaps only the stress), and the next one is free of it. Below the limit it stays, and shows.
//!
//! Chaos Mesh chooses its pods once, when the experiment starts: pods that come later are not hit.
//!
//! Nothing here applies a fault; the world does. Nothing here is shown to an agent.

mod chaos_mesh;

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use chaos_mesh::{
    ChaosKind, ChaosManifest, ChaosMetadata, ChaosMode, ChaosSelector, ChaosSpec, CpuStressor, MemoryStressor,
    Stressors,
};

use crate::environment::Component;
use crate::time::{SimDuration, SimTime};
use crate::units::Bytes;
use crate::workload::{Shape, Workload};

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
    /// number of users or the rate of `rising-traffic`. The other kinds are all or nothing.
    #[serde(default = "full")]
    pub severity: f64,
    /// What goes wrong.
    pub inject: Injection,
}

fn full() -> f64 {
    1.0
}

/// What goes wrong, as the file says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Injection {
    /// A Chaos Mesh manifest, as `kubectl apply` takes it.
    ChaosMesh(Box<ChaosManifest>),
    /// The Deployment gets an image that starts and serves nothing.
    FakeImage(ImageChange),
    /// The Deployment gets an image that cannot be pulled.
    BadTag(ImageChange),
    /// Another load comes on top.
    RisingTraffic(Workload),
}

/// Another image in a Deployment's template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageChange {
    /// The Deployment.
    pub component: Component,
    /// The image with its tag.
    pub image: String,
}

/// The kinds of fault, by the words in which a diagnosis names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// A running pod serves nothing any more.
    PodFailure,
    /// The Deployment's image starts and serves nothing.
    FakeImage,
    /// The Deployment's image cannot be pulled.
    BadTag,
    /// Something else in the container uses up its CPU.
    CpuStress,
    /// Something else in the container uses up its memory.
    MemoryStress,
    /// More load than before.
    RisingTraffic,
}

/// What a fault is attached to, and so what it survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binding {
    /// Ends with the container's process.
    Container,
    /// Ends with the pod.
    Pod,
    /// Ends when the template changes back.
    Template,
    /// Ends with the load.
    Workload,
}

/// What the world has to do: an [`Injection`] with its severity applied.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// The image of these running pods becomes `pause`.
    PodFailure(Targets),
    /// Busy loops in the first container of these pods.
    CpuStress {
        /// Which.
        targets: Targets,
        /// Threads.
        workers: u32,
        /// Share of one core that each uses, 0 to 1.
        load: f64,
    },
    /// Processes that occupy memory in the first container of these pods.
    MemoryStress {
        /// Which.
        targets: Targets,
        /// Processes.
        workers: u32,
        /// What they occupy together.
        size: Bytes,
    },
    /// The image of the Deployment's main container becomes this one.
    SetImage(ImageChange),
    /// This load comes on top; its `start` is the fault's.
    Traffic(Workload),
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

/// An answer to "where is the cause, and what is it": right if the component is the same and the
/// kind is one of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RootCause {
    /// The Deployment.
    pub component: Component,
    /// Accepted kinds.
    pub kinds: Vec<FaultKind>,
}

impl FaultKind {
    /// All of them, in order.
    pub const ALL: [Self; 6] =
        [Self::PodFailure, Self::FakeImage, Self::BadTag, Self::CpuStress, Self::MemoryStress, Self::RisingTraffic];

    /// The word in files, declarations and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PodFailure => "pod-failure",
            Self::FakeImage => "fake-image",
            Self::BadTag => "bad-tag",
            Self::CpuStress => "cpu-stress",
            Self::MemoryStress => "memory-stress",
            Self::RisingTraffic => "rising-traffic",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What it is attached to.
    pub const fn binding(self) -> Binding {
        match self {
            Self::PodFailure => Binding::Pod,
            Self::CpuStress | Self::MemoryStress => Binding::Container,
            Self::FakeImage | Self::BadTag => Binding::Template,
            Self::RisingTraffic => Binding::Workload,
        }
    }

    /// Whether it can be injected with less than full strength.
    pub const fn is_gradual(self) -> bool {
        matches!(self, Self::CpuStress | Self::MemoryStress | Self::RisingTraffic)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Fault {
    /// Its kind; none for a Chaos Mesh manifest that is not one of the kinds played here, which the
    /// loader refuses.
    pub fn kind(&self) -> Option<FaultKind> {
        match &self.inject {
            Injection::ChaosMesh(manifest) => manifest.fault_kind(),
            Injection::FakeImage(_) => Some(FaultKind::FakeImage),
            Injection::BadTag(_) => Some(FaultKind::BadTag),
            Injection::RisingTraffic(_) => Some(FaultKind::RisingTraffic),
        }
    }

    /// What the world has to do; none where [`Fault::kind`] is none.
    pub fn effect(&self) -> Option<Effect> {
        Some(match &self.inject {
            Injection::ChaosMesh(manifest) => manifest.effect(self.severity)?,
            Injection::FakeImage(change) | Injection::BadTag(change) => Effect::SetImage(change.clone()),
            Injection::RisingTraffic(workload) => Effect::Traffic(Workload {
                start: self.start,
                shape: scaled(&workload.shape, self.severity),
                ..workload.clone()
            }),
        })
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
        mut labelled: impl Iterator<Item = (&'a str, &'a BTreeMap<String, String>)>,
    ) -> Option<&'a str> {
        match &self.inject {
            Injection::ChaosMesh(manifest) => {
                labelled.find(|(_, labels)| manifest.spec.selector.matches(labels)).map(|(name, _)| name)
            }
            Injection::FakeImage(change) | Injection::BadTag(change) => Some(&change.component),
            Injection::RisingTraffic(workload) => Some(&workload.target),
        }
    }
}

/// The shape with its users or rates multiplied. Named levels and traces have no number to multiply and
/// stay as they are; the loader refuses a severity for them.
fn scaled(shape: &Shape, factor: f64) -> Shape {
    let users = |n: u32| (f64::from(n) * factor).round() as u32;
    let mut shape = shape.clone();
    match &mut shape {
        Shape::Users(load) => load.users = users(load.users),
        Shape::Stages(stages) => stages.iter_mut().for_each(|stage| stage.users = users(stage.users)),
        Shape::Arrivals(arrivals) => arrivals.stages.iter_mut().for_each(|stage| stage.rate *= factor),
        Shape::Level(_) | Shape::Trace(_) => {}
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Users;

    #[test]
    fn kinds_are_read_by_the_name_they_are_written_with() {
        for kind in FaultKind::ALL {
            assert_eq!(FaultKind::from_name(kind.name()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert_eq!(FaultKind::from_name("CPU"), None);
    }

    #[test]
    fn severity_scales_the_users_of_rising_traffic() {
        let fault = Fault {
            start: SimDuration::from_secs(60),
            end: None,
            severity: 0.3,
            inject: Injection::RisingTraffic(Workload {
                user_class: "browse".into(),
                target: "catalogue".into(),
                keep_alive: None,
                shape: Shape::Users(Users { users: 100, spawn_rate: 1.0 }),
                start: SimDuration::ZERO,
            }),
        };
        let Some(Effect::Traffic(load)) = fault.effect() else { panic!("{:?}", fault.effect()) };
        assert_eq!(load.start, SimDuration::from_secs(60));
        assert_eq!(load.shape, Shape::Users(Users { users: 30, spawn_rate: 1.0 }));
    }

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
}
