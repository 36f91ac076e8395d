//! Faults that are changes of objects, as somebody makes them by mistake with `kubectl`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::injection::Written;
use super::{Effect, ObjectChange};
use crate::environment::Component;
use crate::manifest::{Labels, ProbeAction};
use crate::profile::ImageProfile;
use crate::scenario::{AppWords, Checker, ComponentWords};
use crate::time::SimDuration;
use crate::units::{Bytes, Millicores};

/// Fields of a Deployment's main container change.
fn container(component: &str, fields: Value) -> Effect {
    Effect::Object(ObjectChange::Container { component: component.to_owned(), fields })
}

/// Fields of the Service that has a component's name change.
fn service(component: &str, fields: Value) -> Effect {
    Effect::Object(ObjectChange::Service { name: component.to_owned(), fields })
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

impl Written for ImageChange {
    fn effect(&self, _: SimDuration, _: f64) -> Effect {
        container(&self.component, json!({ "image": self.image }))
    }

    fn component(&self) -> Option<&str> {
        Some(&self.component)
    }
}

impl ImageChange {
    /// The image must start and serve nothing.
    pub(super) fn check_fake(&self, checker: &mut Checker<'_>, at: &str, words: &AppWords) {
        checker.component(&format!("{at}.component"), &self.component, words);
        let (message, help) = match Registry(&words.images).fate(&self.image) {
            Fate::Idle => return,
            Fate::Serves(service) => (
                format!("`{}` runs `{service}`: it is not a fake", self.image),
                "name an image of the profile that runs nothing, or inject another kind of fault",
            ),
            Fate::Missing => (
                format!("`{}` cannot be pulled, so that nothing would start", self.image),
                "name an image of the profile that runs nothing, or inject `bad-tag`",
            ),
        };
        checker.refuse(&format!("{at}.image"), message, help);
    }

    /// The image must not exist.
    pub(super) fn check_missing(&self, checker: &mut Checker<'_>, at: &str, words: &AppWords) {
        checker.component(&format!("{at}.component"), &self.component, words);
        if Registry(&words.images).fate(&self.image) != Fate::Missing {
            checker.refuse(
                &format!("{at}.image"),
                format!("`{}` can be pulled: it is no bad tag", self.image),
                "name a tag that the profile's registry does not list",
            );
        }
    }
}

/// Another path or port of a probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeChange {
    /// The Deployment.
    pub component: Component,
    /// Which probe of its main container.
    pub probe: ProbeName,
    /// What it gets.
    #[serde(default)]
    pub path: Option<String>,
    /// Where it asks.
    #[serde(default)]
    pub port: Option<u16>,
}

/// Which probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeName {
    /// Restarts the container when it fails.
    Liveness,
    /// Takes the pod out of its Services while it fails.
    Readiness,
}

impl Written for ProbeChange {
    fn effect(&self, _: SimDuration, _: f64) -> Effect {
        let mut get = Map::new();
        if let Some(path) = &self.path {
            get.insert("path".to_owned(), json!(path));
        }
        if let Some(port) = self.port {
            get.insert("port".to_owned(), json!(port));
        }
        let name = match self.probe {
            ProbeName::Liveness => "livenessProbe",
            ProbeName::Readiness => "readinessProbe",
        };
        container(&self.component, json!({ name: { "httpGet": get } }))
    }

    fn component(&self) -> Option<&str> {
        Some(&self.component)
    }
}

impl ProbeChange {
    /// It must be an HTTP probe, and must change.
    pub(super) fn check(&self, checker: &mut Checker<'_>, at: &str, words: &AppWords) {
        checker.component(&format!("{at}.component"), &self.component, words);
        let Some(container) = words.component_words(&self.component).and_then(|c| c.container.as_ref()) else { return };
        let probe = match self.probe {
            ProbeName::Liveness => &container.liveness_probe,
            ProbeName::Readiness => &container.readiness_probe,
        };
        match probe.as_ref().map(|probe| &probe.action) {
            Some(ProbeAction::HttpGet { path, port }) => {
                let is_same =
                    self.path.as_ref().is_none_or(|new| new == path) && self.port.is_none_or(|new| new == *port);
                if is_same {
                    checker.refuse(
                        at,
                        format!("the probe asks for {path} at {port} anyway"),
                        "write another `path` or `port`",
                    );
                }
            }
            _ => checker.refuse(
                &format!("{at}.probe"),
                format!("{} has no such HTTP probe", self.component),
                "choose a component whose manifest has one",
            ),
        }
    }
}

/// A limit, with a request that does not exceed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitChange {
    /// The Deployment.
    pub component: Component,
    /// The limit of CPU, and its request.
    #[serde(default)]
    pub cpu: Option<Millicores>,
    /// The limit of memory, and its request.
    #[serde(default)]
    pub memory: Option<Bytes>,
}

impl Written for LimitChange {
    fn effect(&self, _: SimDuration, _: f64) -> Effect {
        let mut amounts = Map::new();
        amounts.extend(self.cpu.map(|cpu| ("cpu".to_owned(), json!(cpu.to_string()))));
        amounts.extend(self.memory.map(|memory| ("memory".to_owned(), json!(memory.to_string()))));
        container(&self.component, json!({ "resources": { "limits": amounts, "requests": amounts } }))
    }

    fn component(&self) -> Option<&str> {
        Some(&self.component)
    }
}

impl LimitChange {
    /// It must limit something, to less than before.
    pub(super) fn check(&self, checker: &mut Checker<'_>, at: &str, words: &AppWords) {
        checker.component(&format!("{at}.component"), &self.component, words);
        if self.cpu.is_none() && self.memory.is_none() {
            checker.refuse(at, "nothing is limited", "write `cpu`, such as 20m, or `memory`, such as 64Mi");
        }
        let Some(container) = words.component_words(&self.component).and_then(|c| c.container.as_ref()) else { return };
        let limits = container.resources.limits;
        let is_less = |new: Option<u64>, old: Option<u64>| new.zip(old).is_none_or(|(new, old)| new < old);
        for (name, lower) in [
            ("cpu", is_less(self.cpu.map(|q| q.0), limits.cpu.map(|q| q.0))),
            ("memory", is_less(self.memory.map(|q| q.0), limits.memory.map(|q| q.0))),
        ] {
            if !lower {
                let message = "it is no less than the limit in the manifest";
                checker.refuse(&format!("{at}.{name}"), message, "write a smaller one");
            }
        }
    }
}

/// Another port behind a Service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PortChange {
    /// The Service, and the Deployment that it leads to.
    pub component: Component,
    /// The port that clients connect to.
    pub port: u16,
    /// Where it leads to in each pod.
    pub target_port: u16,
}

impl Written for PortChange {
    fn effect(&self, _: SimDuration, _: f64) -> Effect {
        service(&self.component, json!({ "ports": [{ "port": self.port, "targetPort": self.target_port }] }))
    }

    fn component(&self) -> Option<&str> {
        Some(&self.component)
    }
}

impl PortChange {
    /// The Service must have the port, and nobody may listen there.
    pub(super) fn check(&self, checker: &mut Checker<'_>, at: &str, words: &AppWords) {
        component_and_service(checker, at, &self.component, words);
        let Some(component) = words.component_words(&self.component) else { return };
        if component.listens_on() == Some(self.target_port) {
            let message = format!("{} listens on {}", self.component, self.target_port);
            checker.refuse(&format!("{at}.target_port"), message, "name a port on which nobody listens");
        }
    }
}

/// Other labels that a Service selects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SelectorChange {
    /// The Service, and the Deployment that it leads to.
    pub component: Component,
    /// Labels that replace those of the same name.
    pub selector: Labels,
}

impl Written for SelectorChange {
    fn effect(&self, _: SimDuration, _: f64) -> Effect {
        service(&self.component, json!({ "selector": self.selector }))
    }

    fn component(&self) -> Option<&str> {
        Some(&self.component)
    }
}

impl SelectorChange {
    /// The component's pods must not be selected any more.
    pub(super) fn check(&self, checker: &mut Checker<'_>, at: &str, words: &AppWords) {
        component_and_service(checker, at, &self.component, words);
        let Some(ComponentWords { labels, .. }) = words.component_words(&self.component) else { return };
        if self.selector.iter().all(|(key, value)| labels.get(key) == Some(value)) {
            checker.refuse(
                &format!("{at}.selector"),
                format!("it selects the pods of {}", self.component),
                "write a label that they do not have",
            );
        }
    }
}

fn component_and_service(checker: &mut Checker<'_>, at: &str, name: &str, words: &AppWords) {
    let field = format!("{at}.component");
    checker.component(&field, name, words);
    if words.component_words(name).is_some() && !words.services.iter().any(|service| service == name) {
        checker.refuse(&field, format!("there is no Service `{name}`"), "name a component with a Service of its name");
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
