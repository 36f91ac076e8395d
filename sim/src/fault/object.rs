//! Faults that are changes of objects, as somebody makes them by mistake with `kubectl`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ObjectChange;
use crate::environment::Component;
use crate::profile::ImageProfile;
use crate::scenario::{AppWords, Checker};

/// Another image in a Deployment's template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageChange {
    /// The Deployment.
    pub component: Component,
    /// The image with its tag.
    pub image: String,
}

impl ImageChange {
    pub(super) fn change(&self) -> ObjectChange {
        ObjectChange::Container { component: self.component.clone(), fields: json!({ "image": self.image }) }
    }

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
