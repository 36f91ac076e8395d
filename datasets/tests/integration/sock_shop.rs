//! Sock Shop's manifests beside the facts that they were written from (microservices-demo
//! `deploy/kubernetes/manifests` and arXiv 2407.14402's copy of it).

use std::fs;
use std::path::Path;

use sim::diagnostic::Source;
use sim::manifest::{Deployment, ObjectSet, Probe, ResourceList, load};
use sim::time::SimDuration;

/// The YAML files of a folder of the app, in the order of their names.
fn files(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("apps/sock-shop");
    let entries = fs::read_dir(root.join(folder)).expect("the folder exists");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let read = |name: &String| {
        let path = format!("{folder}/{name}");
        Source { text: fs::read_to_string(root.join(&path)).expect("UTF-8"), path }
    };
    names.iter().map(read).collect()
}

fn shop(overlay: Option<&str>) -> (ObjectSet, Vec<String>) {
    let overlay = overlay.map(|name| files(&format!("overlays/{name}"))).unwrap_or_default();
    let (set, warnings) = load(&files("manifests"), &overlay).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    (set, warnings.iter().map(ToString::to_string).collect())
}

/// `image cpu-request/limit memory-request/limit liveness-delay/readiness-delay`, `-` for none.
fn facts(deployment: &Deployment) -> String {
    let container = &deployment.template.containers[0];
    let show = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let amounts = |of: fn(&ResourceList) -> Option<String>| {
        format!("{}/{}", show(of(&container.resources.requests)), show(of(&container.resources.limits)))
    };
    let delay = |probe: &Option<Probe>| show(probe.as_ref().map(|p| p.initial_delay.to_string()));
    let image = container.image.trim_start_matches("weaveworksdemos/");
    let cpu = amounts(|list| list.cpu.map(|c| c.to_string()));
    let memory = amounts(|list| list.memory.map(|m| m.to_string()));
    format!("{image} {cpu} {memory} {}/{}", delay(&container.liveness_probe), delay(&container.readiness_probe))
}

#[test]
fn all_deployments_are_as_upstream() {
    let (set, warnings) = shop(None);
    assert_eq!(warnings, Vec::<String>::new());
    let found: Vec<_> = set.deployments.iter().map(|d| format!("{}: {}", d.meta.name, facts(d))).collect();
    assert_eq!(
        found,
        [
            "carts: carts:0.4.8 100m/300m 200Mi/500Mi -/-",
            "carts-db: mongo -/- -/- -/-",
            "catalogue: catalogue:0.3.5 100m/200m 100Mi/200Mi 5m/3m",
            "catalogue-db: catalogue-db:0.3.0 -/- -/- -/-",
            "front-end: front-end:0.3.12 100m/300m 300Mi/1000Mi 5m/30s",
            "orders: orders:0.4.7 100m/500m 300Mi/500Mi -/-",
            "orders-db: mongo -/- -/- -/-",
            "payment: payment:0.4.3 99m/200m 100Mi/200Mi 5m/3m",
            "queue-master: queue-master:0.3.1 100m/300m 300Mi/500Mi -/-",
            "rabbitmq: rabbitmq:3.6.8-management -/- -/- -/-",
            "session-db: redis:alpine -/- -/- -/-",
            "shipping: shipping:0.4.8 100m/300m 300Mi/500Mi -/-",
            "user: user:0.4.7 100m/300m 100Mi/200Mi 5m/3m",
            "user-db: user-db:0.3.0 -/- -/- -/-",
        ]
    );
    for deployment in &set.deployments {
        assert_eq!(deployment.replicas, 1);
        let probe = deployment.template.containers[0].readiness_probe.as_ref();
        assert!(probe.is_none_or(|p| p.period == SimDuration::from_secs(3) && p.failure_threshold == 3));
    }
}

#[test]
fn every_service_has_the_name_and_port_that_its_callers_use() {
    let (set, _) = shop(None);
    let found: Vec<_> = set.services.iter().map(|s| format!("{}:{}", s.meta.name, s.ports[0].port)).collect();
    assert_eq!(
        found,
        [
            "carts:80",
            "carts-db:27017",
            "catalogue:80",
            "catalogue-db:3306",
            "front-end:80",
            "orders:80",
            "orders-db:27017",
            "payment:80",
            "queue-master:80",
            "rabbitmq:5672",
            "session-db:6379",
            "shipping:80",
            "user:80",
            "user-db:27017",
        ]
    );
    assert!(set.services.iter().all(|s| s.selector["name"] == s.meta.name));
}

#[test]
fn the_papers_overlay_changes_probes_databases_and_node_labels_only() {
    let (base, _) = shop(None);
    let (paper, warnings) = shop(Some("acv"));
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(paper.services, base.services);
    for (paper, base) in paper.deployments.iter().zip(&base.deployments) {
        let expected = match base.meta.name.as_str() {
            "carts-db" | "orders-db" => facts(base).replace("mongo", "mongo:5.0.11"),
            _ => facts(base).replace("5m/3m", "10s/10s").replace("5m/30s", "10s/10s"),
        };
        assert_eq!(facts(paper), expected);
        let node_selector: Vec<_> = paper.template.node_selector.keys().collect();
        assert_eq!(node_selector, ["kubernetes.io/os"]);
    }
}

#[test]
fn upstreams_autoscalers_load_and_the_one_for_cart_has_no_target() {
    let (set, warnings) = shop(Some("autoscaling"));
    assert_eq!(set.autoscalers.len(), 8);
    let lost: Vec<_> = warnings.iter().filter(|w| w.contains("FailedGetScale")).collect();
    assert_eq!(lost.len(), 1);
    assert!(lost[0].contains("there is no Deployment `cart`"), "{}", lost[0]);
}
