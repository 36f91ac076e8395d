//! `ConfigMap`s and Secrets, as far as containers ask for them: which there are, and which keys they have.

use std::collections::BTreeSet;

use crate::environment::Rejected;
use crate::manifest::{ConfigKind, ConfigMap, ObjectSet, Secret};

use super::Cluster;

/// Those of a cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Configuration {
    objects: Vec<ConfigObject>,
}

/// A `ConfigMap` or a Secret, without its values.
#[derive(Clone, Debug)]
struct ConfigObject {
    kind: ConfigKind,
    namespace: String,
    name: String,
    keys: BTreeSet<String>,
}

impl Configuration {
    /// Takes in those of the manifests.
    pub(super) fn add_all(&mut self, manifests: &ObjectSet) {
        for ConfigMap { meta, data } in &manifests.config_maps {
            self.add(ConfigKind::ConfigMap, &meta.namespace, &meta.name, data.keys().cloned().collect());
        }
        for Secret { meta, keys, .. } in &manifests.secrets {
            self.add(ConfigKind::Secret, &meta.namespace, &meta.name, keys.clone());
        }
    }

    fn add(&mut self, kind: ConfigKind, namespace: &str, name: &str, keys: BTreeSet<String>) {
        self.objects.push(ConfigObject { kind, namespace: namespace.to_owned(), name: name.to_owned(), keys });
    }

    /// The keys of an object; none if there is no such object.
    pub(super) fn keys(&self, kind: ConfigKind, namespace: &str, name: &str) -> Option<&BTreeSet<String>> {
        let is_meant =
            |object: &&ConfigObject| object.kind == kind && object.namespace == namespace && object.name == name;
        self.objects.iter().find(is_meant).map(|object| &object.keys)
    }
}

impl Cluster {
    /// `kubectl create configmap` (`kubectl/pkg/cmd/create/create_configmap.go`), with these keys.
    pub(super) fn create_config_map(&mut self, name: &str, keys: BTreeSet<String>) -> Result<String, Rejected> {
        let namespace = self.namespace_of("default".to_owned());
        if self.configuration.keys(ConfigKind::ConfigMap, &namespace, name).is_some() {
            return Err(Rejected(format!("failed to create configmap: configmaps \"{name}\" already exists")));
        }
        self.configuration.add(ConfigKind::ConfigMap, &namespace, name, keys);
        Ok(format!("configmap/{name} created"))
    }
}
