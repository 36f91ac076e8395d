//! Configuration objects, and what containers refer to in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::meta::ObjectMeta;

/// A `ConfigMap`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMap {
    /// Name, namespace, labels and annotations.
    pub meta: ObjectMeta,
    /// Its texts.
    pub data: BTreeMap<String, String>,
}

/// A Secret. Its values are dropped when it is read: nothing in the twin needs them, and what is not there cannot
/// leak into an observation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// Name, namespace, labels and annotations.
    pub meta: ObjectMeta,
    /// Such as `Opaque`.
    pub secret_type: String,
    /// The names of its values.
    pub keys: BTreeSet<String>,
}

/// The kinds of objects that hold configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ConfigKind {
    /// A [`ConfigMap`].
    ConfigMap,
    /// A [`Secret`].
    Secret,
}

/// What the environment of a container takes from a `ConfigMap` or a Secret in its namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigReference {
    /// What the object is.
    pub kind: ConfigKind,
    /// The object's name.
    pub name: String,
    /// The key whose value is taken; none is all of them.
    pub key: Option<String>,
    /// Whether the container starts without it.
    pub optional: bool,
}

/// A source of several variables at once (`envFrom`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvFrom {
    /// What stands before each key in the name of its variable; nothing as a rule.
    pub prefix: String,
    /// All keys of this object.
    pub source: ConfigReference,
}

impl ConfigKind {
    /// As the API names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

impl ConfigReference {
    /// The field of a manifest in which such a reference stands.
    pub(super) const fn field(&self) -> &'static str {
        match (self.kind, self.key.is_some()) {
            (ConfigKind::ConfigMap, true) => "configMapKeyRef",
            (ConfigKind::ConfigMap, false) => "configMapRef",
            (ConfigKind::Secret, true) => "secretKeyRef",
            (ConfigKind::Secret, false) => "secretRef",
        }
    }
}

/// In words such as `key url of config map carts`.
impl fmt::Display for ConfigReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.key {
            write!(f, "key {key} of ")?;
        }
        let kind = match self.kind {
            ConfigKind::ConfigMap => "config map",
            ConfigKind::Secret => "secret",
        };
        write!(f, "{kind} {}", self.name)
    }
}
