//! What the environment of a container takes from `ConfigMap`s and Secrets.

use sim::manifest::{ConfigKind, ConfigReference, EnvFrom, EnvValue, load};

use super::source;

const OBJECTS: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {color: blue}
---
apiVersion: v1
kind: Secret
metadata: {name: login, namespace: shop}
stringData: {password: secret}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: carts, namespace: shop}
spec:
  selector: {matchLabels: {name: carts}}
  template:
    metadata: {labels: {name: carts}}
    spec:
      containers:
      - name: carts
        image: carts:1
        envFrom:
        - configMapRef: {name: settings}
        - prefix: LOGIN_
          secretRef: {name: login, optional: true}
        env:
        - name: COLOR
          valueFrom: {configMapKeyRef: {name: settings, key: color}}
        - name: PASSWORD
          valueFrom: {secretKeyRef: {name: login, key: password, optional: false}}
        - name: USER
          valueFrom: {secretKeyRef: {name: gone, key: user, optional: true}}
        - name: IP
          valueFrom: {fieldRef: {fieldPath: status.podIP}}
";

fn reference(kind: ConfigKind, name: &str, key: Option<&str>, optional: bool) -> ConfigReference {
    ConfigReference { kind, name: name.into(), key: key.map(Into::into), optional }
}

#[test]
fn references_are_kept_with_what_they_are_about() {
    let (set, warnings) = load(&[source("app.yaml", OBJECTS)], &[]).expect("it loads");
    assert_eq!(warnings, []);
    let container = &set.deployments[0].template.containers[0];
    let settings = reference(ConfigKind::ConfigMap, "settings", None, false);
    let login = reference(ConfigKind::Secret, "login", None, true);
    assert_eq!(
        container.env_from,
        [EnvFrom { prefix: String::new(), source: settings }, EnvFrom { prefix: "LOGIN_".into(), source: login }]
    );
    let values: Vec<_> = container.env.iter().map(|variable| variable.value.clone()).collect();
    let color = reference(ConfigKind::ConfigMap, "settings", Some("color"), false);
    assert_eq!(color.to_string(), "key color of config map settings");
    assert_eq!(
        values,
        [
            EnvValue::Key(color),
            EnvValue::Key(reference(ConfigKind::Secret, "login", Some("password"), false)),
            EnvValue::Key(reference(ConfigKind::Secret, "gone", Some("user"), true)),
            EnvValue::From("status.podIP".into()),
        ]
    );
    let names: Vec<_> = container.references().map(|reference| reference.name.as_str()).collect();
    assert_eq!(names, ["settings", "login", "settings", "login", "gone"], "in the kubelet's order");
}

#[test]
fn what_a_container_needs_and_no_file_has_is_warned_of() {
    let text =
        OBJECTS.replace("{name: settings, namespace", "{name: setting, namespace").replace("{password:", "{passwort:");
    let (_, warnings) = load(&[source("app.yaml", &text)], &[]).expect("it loads");
    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(warnings.join("\n"), @r"
    warning: app.yaml:27: spec.template.spec.containers[0].envFrom[0].configMapRef.name: no file has the ConfigMap `settings`: the container will not start (CreateContainerConfigError)
      help: add the ConfigMap, or write `optional: true` if its program can do without
    warning: app.yaml:32: spec.template.spec.containers[0].env[0].valueFrom.configMapKeyRef.name: no file has the ConfigMap `settings`: the container will not start (CreateContainerConfigError)
      help: add the ConfigMap, or write `optional: true` if its program can do without
    warning: app.yaml:34: spec.template.spec.containers[0].env[1].valueFrom.secretKeyRef.key: the Secret `login` has no key `password`: the container will not start (CreateContainerConfigError)
      help: did you mean `passwort`?
    ");
}
