//! The part of Chaos Mesh's API (`chaos-mesh.org/v1alpha1`) that sockpit plays.
//!
//! Field names and meanings are those of `api/v1alpha1/*_types.go` in chaos-mesh/chaos-mesh. Each kind has a file here:
//! its fields, what it means, its checks. The specs of all kinds share one type, as far as they are read; which of its
//! fields belong to which kind is checked when the scenario is loaded.

mod either;
mod http;
mod io;
mod network;
mod pod;
mod stress;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use either::{Delay, Target};
pub use network::{BandwidthLimit, PacketDelay, PacketDirection, PacketLoss, PacketTarget};
pub use stress::{CpuStressor, MemoryStressor, Stressors};

use super::{Choice, Effect, FaultKind, PodEffect, Targets};
use crate::scenario::{AppWords, Checker};
use crate::time::SimDuration;

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
    /// Pods fail, or are killed.
    PodChaos,
    /// Stress in a container's cgroup.
    StressChaos,
    /// Packets are late, lost or held back.
    NetworkChaos,
    /// Requests are late or broken off.
    HTTPChaos,
    /// Files are slow or full.
    IOChaos,
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
    /// What happens. `PodChaos`: `pod-failure`, `pod-kill` or `container-kill`; `NetworkChaos`: `delay`, `loss`, `bandwidth` or
    /// `partition`; `IOChaos`: `latency` or `fault`.
    #[serde(default)]
    pub action: Option<String>,
    /// `PodChaos`, `pod-kill`: how many seconds a pod has to end. Default: none.
    #[serde(default)]
    pub grace_period: Option<u64>,
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
    /// How long what is delayed waits.
    #[serde(default)]
    pub delay: Option<Delay>,
    /// `NetworkChaos`: which packets are lost.
    #[serde(default)]
    pub loss: Option<PacketLoss>,
    /// `NetworkChaos`: how many bytes pass.
    #[serde(default)]
    pub bandwidth: Option<BandwidthLimit>,
    /// `NetworkChaos`: whose packets. Default: those to the target.
    #[serde(default)]
    pub direction: Option<PacketDirection>,
    /// `NetworkChaos`: the pods at the other end; `HTTPChaos`: requests or answers.
    #[serde(default)]
    pub target: Option<Target>,
    /// `HTTPChaos`: the port that the pod listens on.
    #[serde(default)]
    pub port: Option<u16>,
    /// `HTTPChaos`: the path, where `*` stands for any text and `?` for one character. Default: any.
    #[serde(default)]
    pub path: Option<String>,
    /// `HTTPChaos`: the method. Default: any.
    #[serde(default)]
    pub method: Option<String>,
    /// `HTTPChaos`, `target: Response`: the status. Default: any.
    #[serde(default)]
    pub code: Option<u16>,
    /// `HTTPChaos`: whether the connection is closed.
    #[serde(default)]
    pub abort: Option<bool>,
    /// `IOChaos`, `fault`: the error; 28 is a full disk.
    #[serde(default)]
    pub errno: Option<u32>,
    /// `IOChaos`: where the volume is mounted.
    #[serde(default)]
    pub volume_path: Option<String>,
    /// `IOChaos`: which operations. Default: all.
    #[serde(default)]
    pub methods: Vec<String>,
    /// `IOChaos`: per cent of operations. Default: 100.
    #[serde(default)]
    pub percent: Option<u32>,
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

impl ChaosMode {
    /// How many pods it means with this value; none if the value is missing or no number.
    fn choice(self, value: Option<&str>) -> Option<Choice> {
        let number = || value?.parse().ok();
        match self {
            Self::One => Some(Choice::Count(1)),
            Self::All => Some(Choice::All),
            Self::Fixed => number().map(Choice::Count),
            Self::FixedPercent => number().map(Choice::Percent),
        }
    }
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

impl ChaosSelector {
    /// Whether a pod with these labels is selected. A selector without labels selects none here: it would
    /// hit the whole namespace, which no scenario of a single cause means.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        !self.label_selectors.is_empty()
            && self.label_selectors.iter().all(|(key, value)| labels.get(key) == Some(value))
    }

    fn check(&self, checker: &mut Checker<'_>, field: &str, words: &AppWords) {
        if self.label_selectors.is_empty() {
            return checker.refuse(
                field,
                "no labels are selected",
                "write `labelSelectors: {name: …}` of one component",
            );
        }
        if words.components.iter().any(|component| self.matches(&component.labels)) {
            return;
        }
        let wanted: Vec<String> = self.label_selectors.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let labels = words.components.iter().flat_map(|component| &component.labels);
        let there: Vec<String> = labels.map(|(k, v)| format!("{k}={v}")).collect();
        let near = wanted.iter().find_map(|label| crate::diagnostic::nearest(label, there.iter().map(String::as_str)));
        let help = match near {
            Some(label) => format!("did you mean `{label}`?"),
            None => format!("labels of pods: {}", there.join(", ")),
        };
        let message = format!("no Deployment's pods have the labels {}", wanted.join(", "));
        checker.refuse(&format!("{field}.labelSelectors"), message, help);
    }
}

impl ChaosManifest {
    /// The version of Chaos Mesh's API that is read.
    pub const API_VERSION: &'static str = "chaos-mesh.org/v1alpha1";

    pub(super) fn fault_kind(&self) -> Option<FaultKind> {
        match self.kind {
            ChaosKind::PodChaos => pod::kind(&self.spec),
            ChaosKind::StressChaos => stress::kind(&self.spec),
            ChaosKind::NetworkChaos => network::kind(&self.spec),
            ChaosKind::HTTPChaos => http::kind(&self.spec),
            ChaosKind::IOChaos => io::kind(&self.spec),
        }
    }

    pub(super) fn effect(&self, severity: f64) -> Option<Effect> {
        let effect = match self.kind {
            ChaosKind::PodChaos => pod::effect(&self.spec),
            ChaosKind::StressChaos => stress::effect(&self.spec, severity),
            ChaosKind::NetworkChaos => network::effect(&self.spec, severity),
            ChaosKind::HTTPChaos => http::effect(&self.spec, severity),
            ChaosKind::IOChaos => io::effect(&self.spec, severity),
        };
        let targets = Targets {
            namespaces: self.spec.selector.namespaces.clone(),
            labels: self.spec.selector.label_selectors.clone(),
            choice: self.spec.choice()?,
        };
        Some(Effect::Pods(targets, effect?))
    }

    /// Refuses what is not Chaos Mesh's, not played or aimed at nobody; `field` is the manifest.
    pub(super) fn check(&self, checker: &mut Checker<'_>, field: &str, words: &AppWords) {
        if self.api_version != Self::API_VERSION {
            checker.refuse(
                &format!("{field}.apiVersion"),
                format!("`{}` is not the API of Chaos Mesh that is played", self.api_version),
                format!("write `apiVersion: {}`", Self::API_VERSION),
            );
        }
        let spec = format!("{field}.spec");
        self.check_fields(checker, &spec);
        match self.kind {
            ChaosKind::PodChaos => pod::check(checker, &spec, &self.spec),
            ChaosKind::StressChaos => stress::check(checker, &spec, &self.spec),
            ChaosKind::NetworkChaos => network::check(checker, &spec, &self.spec, words),
            ChaosKind::HTTPChaos => http::check(checker, &spec, &self.spec),
            ChaosKind::IOChaos => io::check(checker, &spec, &self.spec, words),
        }
        if let Some(duration) = self.spec.duration {
            checker.length(&format!("{spec}.duration"), duration);
        }
        self.spec.check_mode(checker, &spec);
        self.spec.selector.check(checker, &format!("{spec}.selector"), words);
        if !self.spec.container_names.is_empty() {
            checker.refuse(
                &format!("{spec}.containerNames"),
                "choosing a container is not played",
                "leave it out: the first container of the pod is hit, as Chaos Mesh does then",
            );
        }
    }

    /// Refuses fields that belong to other kinds.
    fn check_fields(&self, checker: &mut Checker<'_>, spec: &str) {
        let own = self.kind.fields();
        let foreign: BTreeSet<&str> =
            ChaosKind::ALL.iter().flat_map(|kind| kind.fields()).copied().filter(|f| !own.contains(f)).collect();
        for name in foreign {
            let field = format!("{spec}.{name}");
            if checker.is_written(&field) {
                let owners = ChaosKind::ALL.iter().filter(|kind| kind.fields().contains(&name));
                let owners: Vec<String> = owners.map(|kind| format!("{kind:?}")).collect();
                let message = match name {
                    "action" => format!("an action belongs to {}", owners.join(", ")),
                    "stressors" => format!("stressors belong to {}", owners.join(", ")),
                    _ => format!("`{name}` belongs to {}", owners.join(", ")),
                };
                checker.refuse(&field, message, "remove it or change the kind");
            }
        }
    }
}

impl ChaosKind {
    const ALL: [Self; 5] = [Self::PodChaos, Self::StressChaos, Self::NetworkChaos, Self::HTTPChaos, Self::IOChaos];

    /// The fields of its spec that not every kind has.
    const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::PodChaos => pod::FIELDS,
            Self::StressChaos => stress::FIELDS,
            Self::NetworkChaos => network::FIELDS,
            Self::HTTPChaos => http::FIELDS,
            Self::IOChaos => io::FIELDS,
        }
    }
}

impl ChaosSpec {
    /// How many pods its mode and value mean; none if the value is missing or no number.
    pub fn choice(&self) -> Option<Choice> {
        self.mode.choice(self.value.as_deref())
    }

    fn check_mode(&self, checker: &mut Checker<'_>, spec: &str) {
        if self.choice().is_some() {
            return;
        }
        let message = match &self.value {
            Some(value) => format!("`{value}` is not a whole number"),
            None => "this mode needs a value".into(),
        };
        checker.refuse(&format!("{spec}.value"), message, "write how many pods, in quotes, such as `value: \"1\"`");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Source;
    use crate::fault::{Fault, Injection};

    /// The fault of a manifest, with severity 0.5.
    pub(super) fn fault(spec: &str, kind: &str) -> Fault {
        let text = format!(
            "start: 60s\nseverity: 0.5\ninject:\n  chaos-mesh:\n    apiVersion: chaos-mesh.org/v1alpha1\n    kind: {kind}\n    \
             metadata: {{name: x, namespace: chaos-mesh}}\n    spec: {spec}\n"
        );
        crate::input::parse(&Source { path: "f.yaml".into(), text }).unwrap().value
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
            let Injection::ChaosMesh(manifest) = fault.inject else { panic!("not Chaos Mesh") };
            assert_eq!(manifest.spec.choice(), choice, "{mode}");
        }
    }
}
