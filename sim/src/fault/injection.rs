//! What a fault's file says, and what it means.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ChaosManifest, Effect, FaultKind, ImageChange, load};
use crate::scenario::{AppWords, Checker};
use crate::time::SimDuration;
use crate::workload::Workload;

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

impl Injection {
    /// Its kind; none for a Chaos Mesh manifest that is not one of the kinds played here, which the loader refuses.
    pub fn kind(&self) -> Option<FaultKind> {
        Some(match self {
            Self::ChaosMesh(manifest) => return manifest.fault_kind(),
            Self::FakeImage(_) => FaultKind::FakeImage,
            Self::BadTag(_) => FaultKind::BadTag,
            Self::RisingTraffic(_) => FaultKind::RisingTraffic,
        })
    }

    /// What the world has to do at `start`; none where the kind is none.
    pub(super) fn effect(&self, start: SimDuration, severity: f64) -> Option<Effect> {
        Some(match self {
            Self::ChaosMesh(manifest) => return manifest.effect(severity),
            Self::FakeImage(change) | Self::BadTag(change) => Effect::Object(change.change()),
            Self::RisingTraffic(load) => Effect::Load(load::scaled(load, start, severity)),
        })
    }

    /// The component it is in, among those that have these pod labels.
    pub(super) fn component<'a>(
        &'a self,
        mut labelled: impl Iterator<Item = (&'a str, &'a BTreeMap<String, String>)>,
    ) -> Option<&'a str> {
        match self {
            Self::ChaosMesh(manifest) => {
                labelled.find(|(_, labels)| manifest.spec.selector.matches(labels)).map(|(name, _)| name)
            }
            Self::FakeImage(change) | Self::BadTag(change) => Some(&change.component),
            Self::RisingTraffic(load) => Some(&load.target),
        }
    }

    /// Whether it has a number that a severity can multiply.
    pub(crate) fn can_be_scaled(&self) -> bool {
        match self {
            Self::RisingTraffic(load) => load::can_be_scaled(load),
            _ => true,
        }
    }

    /// Refuses what makes no sense; `at` is the field `inject`.
    pub(crate) fn check(&self, checker: &mut Checker<'_>, at: &str, words: &AppWords) {
        match self {
            Self::ChaosMesh(manifest) => manifest.check(checker, &format!("{at}.chaos-mesh"), words),
            Self::FakeImage(change) => change.check_fake(checker, &format!("{at}.fake-image"), words),
            Self::BadTag(change) => change.check_missing(checker, &format!("{at}.bad-tag"), words),
            Self::RisingTraffic(load) => checker.workload(&format!("{at}.rising-traffic"), load, words),
        }
    }
}
