//! What the shop's files say, as objects: defaults filled in, overlays applied.

use sim::diagnostic::Source;
use sim::manifest::{EnvValue, IntOrPercent, MetricTarget, ObjectSet, PortRef, ProbeAction, Strategy, load, merge};
use sim::time::SimDuration;
use sim::units::{Bytes, Millicores};

use super::source;

macro_rules! shop {
    ($($path:literal)*) => {
        [$(source($path, include_str!(concat!("../../../../datasets/apps/sock-shop/", $path)))),*]
    };
}

fn files() -> Vec<Source> {
    shop! {
        "manifests/sock-shop-ns.yaml" "manifests/front-end-dep.yaml" "manifests/front-end-svc.yaml"
        "manifests/carts-dep.yaml" "manifests/carts-svc.yaml" "manifests/carts-db-dep.yaml"
        "manifests/rabbitmq-dep.yaml" "manifests/rabbitmq-svc.yaml"
    }
    .into()
}

fn shop(overlay: &[Source]) -> (ObjectSet, Vec<String>) {
    let (set, warnings) = load(&files(), overlay).expect("the shop loads");
    (set, warnings.iter().map(ToString::to_string).collect())
}

#[test]
fn the_base_loads_without_warnings_and_with_kubernetes_defaults() {
    let (set, warnings) = shop(&[]);
    assert_eq!(warnings, Vec::<String>::new());
    let names: Vec<_> = set.deployments.iter().map(|d| d.meta.name.as_str()).collect();
    assert_eq!(names, ["carts", "carts-db", "front-end", "rabbitmq"]);
    let front_end = &set.deployments[2];
    let quarter = IntOrPercent::Percent(25);
    assert_eq!(front_end.strategy, Strategy::RollingUpdate { max_surge: quarter, max_unavailable: quarter });
    assert_eq!(front_end.progress_deadline, SimDuration::from_secs(600));
    assert_eq!(front_end.template.termination_grace, SimDuration::from_secs(30));
    let container = &front_end.template.containers[0];
    assert_eq!(container.env[0].value, EnvValue::Text("true".into()));
    assert_eq!(container.resources.requests.cpu, Some(Millicores(100)));
    assert_eq!(container.resources.limits.memory, Some(Bytes::from_mebibytes(1000)));
    let probe = container.liveness_probe.as_ref().expect("front-end is probed");
    assert_eq!(probe.action, ProbeAction::HttpGet { path: "/".into(), port: 8079 });
    assert_eq!(probe.initial_delay, SimDuration::from_secs(300));
    assert_eq!((probe.period, probe.timeout), (SimDuration::from_secs(3), SimDuration::SECOND));
    assert_eq!((probe.success_threshold, probe.failure_threshold), (1, 3));
    let rabbitmq = set.services.iter().find(|s| s.meta.name == "rabbitmq").expect("it has a Service");
    assert_eq!(rabbitmq.ports[1].target_port, PortRef::Name("exporter".into()));
}

#[test]
fn the_order_of_files_does_not_matter() {
    let mut reversed = files();
    reversed.reverse();
    assert_eq!(load(&reversed, &[]).expect("the shop loads").0, shop(&[]).0);
}

#[test]
fn an_overlay_changes_what_it_names_and_nothing_else() {
    let overlay = "\
kind: Deployment
metadata: {name: front-end}
spec:
  template:
    spec:
      nodeSelector: {beta.kubernetes.io/os: null, kubernetes.io/os: linux}
      containers:
      - name: front-end
        readinessProbe: {initialDelaySeconds: 10}
        env:
        - {name: SESSION_REDIS, $patch: delete}
        - {name: NODE_ENV, value: test}
";
    let mut expected = shop(&[]).0;
    let template = &mut expected.deployments[2].template;
    template.node_selector = [("kubernetes.io/os".to_owned(), "linux".to_owned())].into();
    let container = &mut template.containers[0];
    container.readiness_probe.as_mut().expect("front-end is probed").initial_delay = SimDuration::from_secs(10);
    container.env[0].name = "NODE_ENV".into();
    container.env[0].value = EnvValue::Text("test".into());
    let patched = shop(&[source("overlay.yaml", overlay)]).0;
    assert_eq!(patched.deployments, expected.deployments);
    assert_eq!(patched.services, expected.services);
}

#[test]
fn what_kubectl_is_given_is_what_the_twin_reads() {
    let overlay = [source("overlay.yaml", "kind: Deployment\nmetadata: {name: front-end}\nspec: {replicas: 3}\n")];
    let items = merge(&files(), &overlay).expect("the shop loads");
    assert_eq!(items[0]["kind"], "Namespace", "the others need it");
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let (again, _) = load(&[source("merged.json", &list)], &[]).expect("JSON is YAML");
    let twin = shop(&overlay).0;
    assert_eq!(again.deployments, twin.deployments);
    assert_eq!((again.services, again.namespaces), (twin.services, twin.namespaces));
}

#[test]
fn the_autoscaler_of_a_deployment_that_does_not_exist_loads_with_a_warning() {
    let (set, warnings) =
        shop(&shop! { "overlays/autoscaling/cart-hpa.yaml" "overlays/autoscaling/front-end-hpa.yaml" });
    assert_eq!(set.autoscalers[1].metrics, [MetricTarget::CpuUtilization(50)]);
    insta::assert_snapshot!(warnings.join("\n"), @r"
    warning: overlays/autoscaling/cart-hpa.yaml:11: spec.scaleTargetRef.name: there is no Deployment `cart` in namespace `sock-shop`: it can never scale (FailedGetScale)
      help: did you mean `carts`?
    warning: overlays/autoscaling/front-end-hpa.yaml:8: spec.scaleTargetRef.apiVersion: `apps/v1beta1` is gone from Kubernetes: only its group is looked at
      help: write `apps/v1`
    ");
}
