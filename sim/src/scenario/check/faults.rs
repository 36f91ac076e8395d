//! Faults: manifests that mean something here, targets that exist, times in order.

use super::{AppWords, Checker};
use crate::fault::{ChaosKind, ChaosManifest, ChaosMode, Fault, Injection, Stressors};
use crate::profile::ImageProfile;
use crate::workload::Shape;

impl Checker<'_> {
    pub(super) fn faults(&mut self, words: &AppWords) {
        for (i, fault) in self.file().faults.iter().enumerate() {
            let field = format!("faults[{i}]");
            self.fault_times(&field, fault);
            self.severity(&field, fault);
            let inject = format!("{field}.inject");
            match &fault.inject {
                Injection::ChaosMesh(manifest) => {
                    self.chaos(&format!("{inject}.chaos-mesh"), manifest, words);
                }
                Injection::FakeImage(change) => {
                    let at = format!("{inject}.fake-image");
                    self.component(&format!("{at}.component"), &change.component, words);
                    match Registry(&words.images).fate(&change.image) {
                        Fate::Idle => {}
                        Fate::Serves(service) => self.refuse(
                            &format!("{at}.image"),
                            format!("`{}` runs `{service}`: it is not a fake", change.image),
                            "name an image of the profile that runs nothing, or inject another kind of fault",
                        ),
                        Fate::Missing => self.refuse(
                            &format!("{at}.image"),
                            format!("`{}` cannot be pulled, so that nothing would start", change.image),
                            "name an image of the profile that runs nothing, or inject `bad-tag`",
                        ),
                    }
                }
                Injection::BadTag(change) => {
                    let at = format!("{inject}.bad-tag");
                    self.component(&format!("{at}.component"), &change.component, words);
                    if Registry(&words.images).fate(&change.image) != Fate::Missing {
                        self.refuse(
                            &format!("{at}.image"),
                            format!("`{}` can be pulled: it is no bad tag", change.image),
                            "name a tag that the profile's registry does not list",
                        );
                    }
                }
                Injection::RisingTraffic(load) => {
                    self.workload(&format!("{inject}.rising-traffic"), load, words);
                }
            }
        }
        for (i, cause) in self.file().root_causes.iter().flatten().enumerate() {
            self.component(&format!("root_causes[{i}].component"), &cause.component, words);
            if cause.kinds.is_empty() {
                self.refuse(&format!("root_causes[{i}].kinds"), "no kind would be right", "name at least one");
            }
        }
    }

    fn fault_times(&mut self, field: &str, fault: &Fault) {
        let budget = self.file().budget.time;
        if fault.start >= budget {
            self.refuse(
                &format!("{field}.start"),
                format!("{} is after the end of the budget at {budget}: nothing would happen", fault.start),
                "inject it earlier or raise `budget.time`",
            );
        }
        match (&fault.inject, fault.end) {
            (Injection::ChaosMesh(_), Some(_)) => self.refuse(
                &format!("{field}.end"),
                "a Chaos Mesh manifest says its end itself",
                "write `duration` in its `spec` instead",
            ),
            (_, Some(end)) if end <= fault.start => {
                self.refuse(
                    &format!("{field}.end"),
                    format!("{end} is not after the start at {}", fault.start),
                    "end it later",
                );
            }
            _ => {}
        }
    }

    fn severity(&mut self, field: &str, fault: &Fault) {
        let at = format!("{field}.severity");
        if !(fault.severity > 0.0 && fault.severity <= 1.0) {
            self.refuse(&at, format!("{} is out of range", fault.severity), "write a number above 0 and up to 1");
            return;
        }
        if fault.severity >= 1.0 {
            return;
        }
        if let Some(kind) = fault.kind()
            && !kind.is_gradual()
        {
            self.refuse(
                &at,
                format!("`{kind}` is all or nothing"),
                "leave the severity out, or inject cpu-stress, memory-stress or rising-traffic",
            );
        }
        if let Injection::RisingTraffic(load) = &fault.inject
            && matches!(load.shape, Shape::Level(_) | Shape::Trace(_))
        {
            self.refuse(&at, "this shape has no number to scale", "write the load as `users`, `stages` or `arrivals`");
        }
    }

    fn chaos(&mut self, field: &str, manifest: &ChaosManifest, words: &AppWords) {
        if manifest.api_version != ChaosManifest::API_VERSION {
            self.refuse(
                &format!("{field}.apiVersion"),
                format!("`{}` is not the API of Chaos Mesh that is played", manifest.api_version),
                format!("write `apiVersion: {}`", ChaosManifest::API_VERSION),
            );
        }
        let spec = format!("{field}.spec");
        self.kind_of_chaos(&spec, manifest);
        self.mode(&spec, manifest);
        let selector = &manifest.spec.selector;
        if selector.label_selectors.is_empty() {
            self.refuse(
                &format!("{spec}.selector"),
                "no labels are selected",
                "write `labelSelectors: {name: …}` of one component",
            );
        } else if !words.components.iter().any(|component| selector.matches(&component.labels)) {
            let wanted: Vec<String> = selector.label_selectors.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let there: Vec<String> = words
                .components
                .iter()
                .flat_map(|component| component.labels.iter().map(|(k, v)| format!("{k}={v}")))
                .collect();
            let near =
                wanted.iter().find_map(|label| crate::diagnostic::nearest(label, there.iter().map(String::as_str)));
            self.refuse(
                &format!("{spec}.selector.labelSelectors"),
                format!("no Deployment's pods have the labels {}", wanted.join(", ")),
                near.map_or_else(
                    || format!("labels of pods: {}", there.join(", ")),
                    |label| format!("did you mean `{label}`?"),
                ),
            );
        }
        if !manifest.spec.container_names.is_empty() {
            self.refuse(
                &format!("{spec}.containerNames"),
                "choosing a container is not played",
                "leave it out: the first container of the pod is hit, as Chaos Mesh does then",
            );
        }
    }

    /// Fields that belong to the manifest's kind.
    fn kind_of_chaos(&mut self, spec: &str, manifest: &ChaosManifest) {
        let body = &manifest.spec;
        match manifest.kind {
            ChaosKind::PodChaos => {
                match body.action.as_deref() {
                    Some("pod-failure") => {}
                    Some(other) => self.refuse(
                        &format!("{spec}.action"),
                        format!("the action `{other}` is not played"),
                        "write `action: pod-failure`",
                    ),
                    None => self.refuse(spec, "PodChaos needs an action", "write `action: pod-failure`"),
                }
                if body.stressors.is_some() {
                    self.refuse(
                        &format!("{spec}.stressors"),
                        "stressors belong to StressChaos",
                        "remove them or change the kind",
                    );
                }
            }
            ChaosKind::StressChaos => {
                if body.action.is_some() {
                    self.refuse(
                        &format!("{spec}.action"),
                        "an action belongs to PodChaos",
                        "remove it or change the kind",
                    );
                }
                self.stressors(spec, body.stressors.as_ref());
            }
        }
        if let Some(duration) = body.duration {
            self.length(&format!("{spec}.duration"), duration);
        }
    }

    fn stressors(&mut self, spec: &str, stressors: Option<&Stressors>) {
        let cpu = stressors.and_then(|stressors| stressors.cpu.as_ref());
        let memory = stressors.and_then(|stressors| stressors.memory.as_ref());
        match (cpu, memory) {
            (None, None) => self.refuse(
                spec,
                "StressChaos needs a stressor",
                "write `stressors: {cpu: {workers: 2, load: 50}}` or `stressors: {memory: {workers: 1, size: 256MB}}`",
            ),
            (Some(_), Some(_)) => {
                let field = format!("{spec}.stressors");
                self.refuse(&field, "two stressors would be two causes", "write a fault for each");
            }
            (Some(cpu), None) => {
                self.within(&format!("{spec}.stressors.cpu.workers"), f64::from(cpu.workers), 1.0, 256.0);
                self.within(&format!("{spec}.stressors.cpu.load"), f64::from(cpu.load), 1.0, 100.0);
            }
            (None, Some(memory)) => {
                self.within(&format!("{spec}.stressors.memory.workers"), f64::from(memory.workers), 1.0, 256.0);
                if memory.bytes().is_none_or(|size| size.0 == 0) {
                    self.refuse(
                        &format!("{spec}.stressors.memory.size"),
                        format!("`{}` is not a size that is played", memory.size),
                        "write a number with KB, MB or GB, such as 256MB; shares of the machine's memory are not played",
                    );
                }
            }
        }
    }

    fn mode(&mut self, spec: &str, manifest: &ChaosManifest) {
        let body = &manifest.spec;
        if matches!(body.mode, ChaosMode::Fixed | ChaosMode::FixedPercent) && body.choice().is_none() {
            let message = match &body.value {
                Some(value) => format!("`{value}` is not a whole number"),
                None => "this mode needs a value".into(),
            };
            self.refuse(&format!("{spec}.value"), message, "write how many pods, in quotes, such as `value: \"1\"`");
        }
    }
}

/// What the profile's registry holds.
struct Registry<'p>(&'p [ImageProfile]);

/// What becomes of a container with an image.
#[derive(Debug, PartialEq)]
enum Fate<'p> {
    /// It serves.
    Serves(&'p str),
    /// It starts and serves nothing.
    Idle,
    /// It cannot be pulled.
    Missing,
}

impl<'p> Registry<'p> {
    fn fate(&self, reference: &str) -> Fate<'p> {
        // A colon after the last slash splits the tag off; one before it belongs to the registry's port.
        let name_at = reference.rfind('/').map_or(0, |slash| slash + 1);
        let (image, tag) = match reference[name_at..].rfind(':') {
            Some(colon) => (&reference[..name_at + colon], &reference[name_at + colon + 1..]),
            None => (reference, "latest"),
        };
        let held = self
            .0
            .iter()
            .find(|held| held.image == image && (held.tags.is_empty() || held.tags.iter().any(|known| known == tag)));
        match held {
            None => Fate::Missing,
            Some(held) => held.runs.first().map_or(Fate::Idle, |service| Fate::Serves(service)),
        }
    }
}
