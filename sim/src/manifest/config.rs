//! Configuration objects.

use std::collections::{BTreeMap, BTreeSet};

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
