//! `ConfigMap`s and Secrets that containers refer to.

use sim::environment::Rejected;
use sim::kubectl::Command;

use super::*;

/// A `ConfigMap`, a Secret, and a `ConfigMap` that pods of the application do not find.
const OBJECTS: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: sock-shop}
data: {color: blue}
---
apiVersion: v1
kind: Secret
metadata: {name: login, namespace: sock-shop}
stringData: {password: x}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: elsewhere, namespace: other}
";

const SETTINGS: &str = "envFrom: [{configMapRef: {name: settings}}]";

/// `kubectl create configmap`.
fn create(rig: &mut Rig, name: &str, keys: &[&str]) -> Result<String, Rejected> {
    let data = keys.iter().map(|key| ((*key).to_owned(), "blue".to_owned())).collect();
    let command = Command::CreateConfigMap { name: name.to_owned(), data };
    rig.cluster.run(rig.now, &command, &mut rig.queue, &mut rig.script)
}

/// What was told of the first pod, without times.
fn told(rig: &Rig) -> String {
    let lines = rig.timeline.lines().filter_map(|line| Some(line.trim_start().split_once(' ')?.1));
    lines.filter(|what| what.starts_with("pod1 ")).collect::<Vec<_>>().join("\n")
}

/// The trace `missing-config`: two tries within a second, since a relist notices the sandbox, and then one after each wait.
#[test]
fn a_container_waits_for_its_config_map() {
    let mut rig = Rig::new(&web(1, &[], &[SETTINGS]));
    rig.boot();
    rig.run(20.0);
    insta::assert_snapshot!(told(&rig), @r#"
    pod1 is 0/1 Pending
    pod1 Scheduled: Successfully assigned pod1 to node1
    pod1 is 0/1 ContainerCreating
    pod1 Pulled: Container image "web:1" already present on machine
    pod1 Failed: Error: configmap "settings" not found
    pod1 Pulled: Container image "web:1" already present on machine
    pod1 Failed: Error: configmap "settings" not found
    pod1 is 0/1 CreateContainerConfigError
    pod1 Pulled: Container image "web:1" already present on machine
    pod1 Failed: Error: configmap "settings" not found
    "#);
    let tries = rig.times("Failed");
    assert!(tries[1] - tries[0] <= 1.1 && (9.9..=16.1).contains(&(tries[2] - tries[1])), "{tries:?}");
    let description = rig.cluster.describe(rig.now, "web").unwrap();
    assert_eq!(description.containers[0][0].state, "Waiting (CreateContainerConfigError)");
    assert_eq!(description.deployment.env_from, ["settings  ConfigMap  Optional: false"]);
    let query = sim::environment::LogQuery { of: "web".into(), previous: false, tail: 10 };
    let why = rig.cluster.logs(&query).unwrap_err().0;
    assert!(why.ends_with("is waiting to start: CreateContainerConfigError"), "{why}");

    rig.timeline.clear();
    assert_eq!(create(&mut rig, "settings", &["color"]).unwrap(), "configmap/settings created");
    rig.run(20.0);
    insta::assert_snapshot!(told(&rig), @r#"
    pod1 Pulled: Container image "web:1" already present on machine
    pod1 Created: Created container: web
    pod1 Started: Started container web
    pod1 is 1/1 Running
    "#);
    assert_eq!(rig.cluster.list_pods(rig.now, None)[0].restarts, 0);
}

#[test]
fn a_config_map_is_created_once() {
    let mut rig = Rig::new(&(web(1, &[], &[]) + OBJECTS));
    rig.boot();
    assert_eq!(create(&mut rig, "elsewhere", &[]).unwrap(), "configmap/elsewhere created");
    for name in ["elsewhere", "settings"] {
        let why = create(&mut rig, name, &[]).unwrap_err().0;
        assert_eq!(why, format!("failed to create configmap: configmaps \"{name}\" already exists"));
    }
}

#[test]
fn what_is_missing_is_told_in_the_kubelets_words() {
    for (fields, why) in [
        ("envFrom: [{configMapRef: {name: gone}}]", "configmap \"gone\" not found"),
        ("envFrom: [{configMapRef: {name: elsewhere}}]", "configmap \"elsewhere\" not found"),
        ("envFrom: [{configMapRef: {name: login}}]", "configmap \"login\" not found"),
        ("envFrom: [{secretRef: {name: gone}}]", "secret \"gone\" not found"),
        ("env: [{name: A, valueFrom: {configMapKeyRef: {name: gone, key: color}}}]", "configmap \"gone\" not found"),
        (
            "env: [{name: A, valueFrom: {configMapKeyRef: {name: settings, key: size}}}]",
            "couldn't find key size in ConfigMap sock-shop/settings",
        ),
        (
            "env: [{name: A, valueFrom: {secretKeyRef: {name: login, key: user}}}]",
            "couldn't find key user in Secret sock-shop/login",
        ),
    ] {
        let mut rig = Rig::new(&(web(1, &[], &[fields]) + OBJECTS));
        rig.boot();
        rig.run(5.0);
        assert_eq!(rig.pods(), ["0/1 CreateContainerConfigError"], "{fields}");
        let events = rig.cluster.list_events(rig.now, Some("web"));
        let failed: Vec<_> = events.into_iter().filter(|event| event.reason == "Failed").collect();
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert_eq!((failed[0].count, &*failed[0].severity), (2, "Warning"), "{fields}");
        assert_eq!(failed[0].message, format!("Error: {why}"));
    }
}

#[test]
fn what_is_there_or_optional_holds_nothing_up() {
    for fields in [
        "envFrom: [{configMapRef: {name: settings}}, {prefix: LOGIN_, secretRef: {name: login}}]",
        "envFrom: [{configMapRef: {name: gone, optional: true}}, {secretRef: {name: gone, optional: true}}]",
        "env: [{name: A, valueFrom: {configMapKeyRef: {name: settings, key: color}}}]",
        "env: [{name: A, valueFrom: {configMapKeyRef: {name: gone, key: color, optional: true}}}]",
        "env: [{name: A, valueFrom: {secretKeyRef: {name: login, key: user, optional: true}}}]",
    ] {
        let mut rig = Rig::new(&(web(1, &[], &[fields]) + OBJECTS));
        rig.boot();
        rig.run(5.0);
        assert_eq!(rig.pods(), ["1/1 Running"], "{fields}");
        assert!(!rig.timeline.contains("Failed"), "{}", rig.timeline);
    }
}

#[test]
fn the_other_containers_of_the_pod_start() {
    let beside = "      - {name: job, image: 'job:1'}\n---";
    let mut rig = Rig::new(&web(1, &[], &[SETTINGS]).replacen("---", beside, 1));
    rig.boot();
    rig.run(5.0);
    assert_eq!(rig.pods(), ["1/2 CreateContainerConfigError"]);
    create(&mut rig, "settings", &[]).unwrap();
    rig.run(20.0);
    assert_eq!(rig.pods(), ["2/2 Running"]);
}
