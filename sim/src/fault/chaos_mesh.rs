//! The part of Chaos Mesh's API (`chaos-mesh.org/v1alpha1`) that sockpit plays.
//!
//! Field names and meanings are those of `api/v1alpha1/{podchaos,stresschaos,selector}_types.go` in
//! chaos-mesh/chaos-mesh. The specs of all kinds share one type, as far as they are read here; which
//! of its fields belong to which kind is checked when the scenario is loaded.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Choice, Effect, FaultKind, Targets};
use crate::time::SimDuration;
use crate::units::Bytes;

/// An experiment, as `kubectl apply` takes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChaosManifest {
    /// Always `chaos-mesh.org/v1alpha1`.
    pub api_version: String,
    /// Its kind.
    pub kind: ChaosKind,
    /// Its name and namespace; never shown to an agent.
    pub metadata: ChaosMetadata,
    /// What it does.
    pub spec: ChaosSpec,
}

/// The kinds that are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ChaosKind {
    /// Pods fail.
    PodChaos,
    /// Stress in a container's cgroup.
    StressChaos,
}

/// Name and namespace of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChaosMetadata {
    /// The experiment's name.
    pub name: String,
    /// Where the experiment object is kept.
    #[serde(default)]
    pub namespace: Option<String>,
}

/// What an experiment does, and to which pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChaosSpec {
    /// `PodChaos`: what happens to the pods. `pod-failure` is played.
    #[serde(default)]
    pub action: Option<String>,
    /// How many of the selected pods.
    pub mode: ChaosMode,
    /// The number or percentage of the modes that need one, in quotes.
    #[serde(default)]
    pub value: Option<String>,
    /// Which pods.
    pub selector: ChaosSelector,
    /// How long; without it until the experiment is deleted.
    #[serde(default)]
    pub duration: Option<SimDuration>,
    /// `StressChaos`: what runs in the cgroup.
    #[serde(default)]
    pub stressors: Option<Stressors>,
    /// Which containers of a pod; the first one if not given.
    #[serde(default)]
    pub container_names: Vec<String>,
}

/// How many of the selected pods are hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChaosMode {
    /// One, by chance.
    One,
    /// Every one.
    All,
    /// The number in `value`.
    Fixed,
    /// The percentage in `value`.
    FixedPercent,
}

/// Which pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChaosSelector {
    /// In these namespaces.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// With all of these labels.
    #[serde(default)]
    pub label_selectors: BTreeMap<String, String>,
}

/// What runs in a container's cgroup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stressors {
    /// Busy loops.
    #[serde(default)]
    pub cpu: Option<CpuStressor>,
    /// Processes that occupy memory.
    #[serde(default)]
    pub memory: Option<MemoryStressor>,
}

/// `stress-ng --cpu WORKERS --cpu-load LOAD`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CpuStressor {
    /// Threads.
    pub workers: u32,
    /// Per cent of one core that each uses, 0 to 100.
    #[serde(default = "full_load")]
    pub load: u32,
}

/// `memStress --workers WORKERS --size SIZE`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryStressor {
    /// Processes.
    pub workers: u32,
    /// What they occupy together: a number with `KB`, `MB` or `GB`, each 1024 times the one before. A share (`25%`) is
    /// not played: it is one of the whole machine.
    pub size: String,
}

impl MemoryStressor {
    /// What the size means; none if it is not one.
    pub fn bytes(&self) -> Option<Bytes> {
        let size = self.size.to_ascii_uppercase();
        // chaos-mesh/memStress, main.go.
        let units = [("KB", 10), ("MB", 20), ("GB", 30)];
        let (number, shift) = units.iter().find_map(|(unit, shift)| Some((size.strip_suffix(unit)?, shift)))?;
        number.trim().parse::<u32>().ok().map(|number| Bytes(u64::from(number) << shift))
    }
}

fn full_load() -> u32 {
    100
}

impl ChaosSelector {
    /// Whether a pod with these labels is selected. A selector without labels selects none here: it would
    /// hit the whole namespace, which no scenario of a single cause means.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        !self.label_selectors.is_empty()
            && self.label_selectors.iter().all(|(key, value)| labels.get(key) == Some(value))
    }
}

impl ChaosManifest {
    /// The version of Chaos Mesh's API that is read.
    pub const API_VERSION: &'static str = "chaos-mesh.org/v1alpha1";

    pub(super) fn fault_kind(&self) -> Option<FaultKind> {
        match self.kind {
            ChaosKind::PodChaos if self.spec.action.as_deref() == Some("pod-failure") => Some(FaultKind::PodFailure),
            ChaosKind::StressChaos if self.cpu().is_some() => Some(FaultKind::CpuStress),
            ChaosKind::StressChaos if self.memory().is_some() => Some(FaultKind::MemoryStress),
            ChaosKind::PodChaos | ChaosKind::StressChaos => None,
        }
    }

    pub(super) fn effect(&self, severity: f64) -> Option<Effect> {
        let targets = Targets {
            namespaces: self.spec.selector.namespaces.clone(),
            labels: self.spec.selector.label_selectors.clone(),
            choice: self.spec.choice()?,
        };
        match self.fault_kind()? {
            FaultKind::PodFailure => Some(Effect::PodFailure(targets)),
            FaultKind::CpuStress => self.cpu().map(|cpu| Effect::CpuStress {
                targets,
                workers: cpu.workers,
                load: f64::from(cpu.load) / 100.0 * severity,
            }),
            FaultKind::MemoryStress => {
                let stressor = self.memory()?;
                let size = Bytes((stressor.bytes()?.0 as f64 * severity) as u64);
                Some(Effect::MemoryStress { targets, workers: stressor.workers, size })
            }
            FaultKind::FakeImage | FaultKind::BadTag | FaultKind::RisingTraffic => None,
        }
    }

    fn memory(&self) -> Option<&MemoryStressor> {
        self.spec.stressors.as_ref()?.memory.as_ref()
    }

    fn cpu(&self) -> Option<&CpuStressor> {
        self.spec.stressors.as_ref()?.cpu.as_ref()
    }
}

impl ChaosSpec {
    /// How many pods its mode and value mean; none if the value is missing or no number.
    pub fn choice(&self) -> Option<Choice> {
        let value = || self.value.as_deref()?.parse().ok();
        match self.mode {
            ChaosMode::One => Some(Choice::Count(1)),
            ChaosMode::All => Some(Choice::All),
            ChaosMode::Fixed => value().map(Choice::Count),
            ChaosMode::FixedPercent => value().map(Choice::Percent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Source;
    use crate::fault::Fault;
    use crate::time::SimTime;

    fn fault(spec: &str, kind: &str) -> Fault {
        let text = format!(
            "start: 60s\nseverity: 0.5\ninject:\n  chaos-mesh:\n    apiVersion: chaos-mesh.org/v1alpha1\n    kind: {kind}\n    \
             metadata: {{name: x, namespace: chaos-mesh}}\n    spec: {spec}\n"
        );
        crate::input::parse(&Source { path: "f.yaml".into(), text }).unwrap().value
    }

    #[test]
    fn stress_is_read_as_chaos_mesh_writes_it() {
        let stress = fault(
            "{mode: one, selector: {namespaces: [sock-shop], labelSelectors: {name: catalogue}}, duration: 600s, \
             stressors: {cpu: {workers: 2, load: 50}}}",
            "StressChaos",
        );
        assert_eq!(stress.kind(), Some(FaultKind::CpuStress));
        assert_eq!(stress.ends_at(), Some(SimTime(660_000_000_000)));
        let targets = Targets {
            namespaces: vec!["sock-shop".into()],
            labels: BTreeMap::from([("name".into(), "catalogue".into())]),
            choice: Choice::Count(1),
        };
        assert_eq!(stress.effect(), Some(Effect::CpuStress { targets, workers: 2, load: 0.25 }));
    }

    #[test]
    fn memory_stress_scales_with_severity_and_counts_as_memstress_does() {
        let spec =
            "{mode: all, selector: {labelSelectors: {name: carts}}, stressors: {memory: {workers: 4, size: 512MB}}}";
        let stress = fault(spec, "StressChaos");
        assert_eq!(stress.kind(), Some(FaultKind::MemoryStress));
        let Some(Effect::MemoryStress { workers, size, .. }) = stress.effect() else { panic!("{stress:?}") };
        assert_eq!((workers, size), (4, Bytes::from_mebibytes(256)));
        let sizes =
            [("3KB", Some(3 << 10)), ("2gb", Some(2 << 30)), ("25%", None), ("MB", None), ("1MiB", None), ("9", None)];
        for (text, bytes) in sizes {
            let size = MemoryStressor { workers: 1, size: text.into() };
            assert_eq!(size.bytes(), bytes.map(Bytes), "{text}");
        }
    }

    #[test]
    fn only_pod_failure_is_played_of_pod_chaos() {
        let selector = "selector: {labelSelectors: {name: catalogue}}";
        for (action, kind) in [("pod-failure", Some(FaultKind::PodFailure)), ("container-kill", None)] {
            let fault = fault(&format!("{{action: {action}, mode: all, {selector}}}"), "PodChaos");
            assert_eq!(fault.kind(), kind, "{action}");
            assert_eq!(fault.effect().is_some(), kind.is_some(), "{action}");
            assert_eq!(fault.ends_at(), None);
        }
    }

    #[test]
    fn modes_with_a_value_need_a_number() {
        for (mode, choice) in [
            ("mode: fixed, value: \"2\"", Some(Choice::Count(2))),
            ("mode: fixed-percent, value: \"50\"", Some(Choice::Percent(50))),
            ("mode: fixed, value: some", None),
            ("mode: fixed", None),
        ] {
            let fault = fault(&format!("{{action: pod-failure, {mode}, selector: {{}}}}"), "PodChaos");
            let crate::fault::Injection::ChaosMesh(manifest) = fault.inject else { panic!("not Chaos Mesh") };
            assert_eq!(manifest.spec.choice(), choice, "{mode}");
        }
    }
}
