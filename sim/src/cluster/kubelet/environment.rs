//! The environment of a container: the kubelet looks up what it takes from `ConfigMap`s and Secrets whenever it is about to
//! create the container, and does not create it while something is missing (`makeEnvironmentVariables` in
//! `pkg/kubelet/kubelet_pods.go`).

use std::borrow::Cow;

use crate::ids::PodIx;
use crate::manifest::{ConfigReference, Container, EnvFrom, EnvValue, EnvVar};

use super::super::Cluster;
use super::super::configuration::Configuration;
use super::super::runtime::{Chore, Host};
use super::{Waiting, do_chore};

/// `ErrCreateContainerConfig` in `pkg/kubelet/kuberuntime/kuberuntime_container.go`.
const CONFIG_ERROR: &str = "CreateContainerConfigError";

impl Cluster {
    /// Creates a container whose image is there, unless something is missing for its environment (`startContainer`).
    /// Returns whether that takes time.
    pub(super) fn begin_create(&mut self, ix: PodIx, index: usize, step: u32, host: &mut dyn Host) -> bool {
        let pod = &self.pods[&ix];
        let container = &pod.template.containers[index];
        let missing = |reference: &ConfigReference| self.configuration.missing(&pod.namespace, reference);
        let Some(why) = container.references().filter(|reference| !reference.optional).find_map(missing) else {
            return do_chore(Chore::CreateContainer, ix, step, host);
        };
        let waiting = Waiting { reason: CONFIG_ERROR, message: why.clone() };
        self.start_failed(ix, index, waiting, &why, host);
        false
    }
}

impl Configuration {
    /// What is missing for a reference, in the kubelet's words.
    fn missing(&self, namespace: &str, reference: &ConfigReference) -> Option<String> {
        let ConfigReference { kind, name, key, .. } = reference;
        let Some(keys) = self.keys(*kind, namespace, name) else {
            return Some(format!("{} \"{name}\" not found", kind.name().to_lowercase()));
        };
        let key = key.as_ref().filter(|key| !keys.contains(*key))?;
        Some(format!("couldn't find key {key} in {} {namespace}/{name}", kind.name()))
    }

    /// The container with all its variables under `env`. Of two of one name the last counts, so those of `envFrom` come
    /// first; one whose key is not there is none.
    pub(super) fn resolve<'c>(&self, namespace: &str, container: &'c Container) -> Cow<'c, Container> {
        if container.references().next().is_none() {
            return Cow::Borrowed(container);
        }
        let is_set = |variable: &&EnvVar| match &variable.value {
            EnvValue::Key(reference) => self.missing(namespace, reference).is_none(),
            EnvValue::Text(_) | EnvValue::From(_) => true,
        };
        let given = container.env_from.iter().flat_map(|from| self.variables(namespace, from));
        let env = given.chain(container.env.iter().filter(is_set).cloned()).collect();
        Cow::Owned(Container { env, ..container.clone() })
    }

    /// A variable for each key of an object.
    fn variables(&self, namespace: &str, from: &EnvFrom) -> Vec<EnvVar> {
        let EnvFrom { prefix, source } = from;
        let variable = |key: &String| {
            let reference = ConfigReference { key: Some(key.clone()), ..source.clone() };
            EnvVar { name: format!("{prefix}{key}"), value: EnvValue::Key(reference) }
        };
        self.keys(source.kind, namespace, &source.name).into_iter().flatten().map(variable).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Source;
    use crate::manifest::read_objects;

    const OBJECTS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {COLOR: blue, SIZE: large}
---
apiVersion: v1
kind: Secret
metadata: {name: login, namespace: shop}
stringData: {password: x}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {name: web}}
  template:
    metadata: {labels: {name: web}}
    spec:
      containers:
      - name: web
        image: web:1
        env:
        - {name: COLOR, value: red}
        - {name: PASSWORD, valueFrom: {secretKeyRef: {name: login, key: password}}}
        - {name: USER, valueFrom: {secretKeyRef: {name: login, key: user, optional: true}}}
        envFrom:
        - configMapRef: {name: settings}
        - {prefix: LOGIN_, secretRef: {name: login}}
        - configMapRef: {name: gone, optional: true}
      - name: plain
        image: web:1
        env: [{name: COLOR, value: red}]
";

    #[test]
    fn a_process_has_the_variables_that_there_are_its_own_last() {
        let source = Source { path: "test.yaml".into(), text: OBJECTS.into() };
        let (objects, _) = read_objects(&source).unwrap();
        let mut configuration = Configuration::default();
        configuration.add_all(&objects);
        let containers = &objects.deployments[0].template.containers;
        let resolved = configuration.resolve("shop", &containers[0]);
        let names: Vec<_> = resolved.env.iter().map(|variable| variable.name.as_str()).collect();
        assert_eq!(names, ["COLOR", "SIZE", "LOGIN_password", "COLOR", "PASSWORD"]);
        assert_eq!(resolved.env[3].value, EnvValue::Text("red".into()));
        assert!(matches!(configuration.resolve("shop", &containers[1]), Cow::Borrowed(_)));
    }
}
