//! What makes a cluster usable, as daemons beside the control plane: names, images, metrics.

use std::process::Command;

use crate::component::Component;
use crate::directories::{Directories, create, render, write};
use crate::error::LabError;
use crate::layout::{CONTROL_PLANE, CONTROL_PLANE_NAMESPACE, DNS, PROMETHEUS, REGISTRY};
use crate::programs::Programs;
use crate::run::output_of_input;

/// Kinds that somebody asks Prometheus about; all others only cost memory.
const STATE_METRICS: &str =
    "--resources=deployments,replicasets,pods,services,endpoints,horizontalpodautoscalers,nodes";

/// What Prometheus' configuration finds its targets by.
const ROLES: [&str; 3] = ["endpoints", "pod", "node"];

/// Writes the configuration of the add-ons.
pub(crate) fn configure(directories: &Directories) -> Result<(), LabError> {
    let kubeconfig = directories.credential("admin.kubeconfig").display().to_string();
    let token = directories.credential("admin.token").display().to_string();
    let images = directories.state.join("registry").display().to_string();
    let targets = directories.state.join("targets").display().to_string();
    create(images.as_ref())?;
    create(targets.as_ref())?;
    let files = [
        ("Corefile", include_str!("../config/Corefile"), vec![("address", CONTROL_PLANE), ("kubeconfig", &kubeconfig)]),
        ("registry.yaml", include_str!("../config/registry.yaml"), vec![("folder", &images), ("registry", REGISTRY)]),
        (
            "prometheus.yaml",
            include_str!("../config/prometheus.yaml"),
            vec![("address", CONTROL_PLANE), ("targets", &targets), ("token", &token)],
        ),
    ];
    for (name, template, values) in files {
        write(&directories.config(name), render(template, &values))?;
    }
    Ok(())
}

/// The registry, which nodes need from their first pod on.
pub(crate) fn registry(directories: &Directories) -> Component {
    let config = directories.config("registry.yaml").display().to_string();
    Component::new("registry", CONTROL_PLANE_NAMESPACE, "/usr/bin/docker-registry", ["serve".to_owned(), config])
}

/// CoreDNS, metrics-server, kube-state-metrics, and Prometheus with its discovery.
pub(crate) fn components(directories: &Directories, programs: &Programs) -> Vec<Component> {
    let component = |name: &str, arguments: Vec<String>| {
        Component::new(name, CONTROL_PLANE_NAMESPACE, programs.path(name), arguments)
    };
    let kubeconfig = directories.credential("admin.kubeconfig").display().to_string();
    let metrics_server = vec![
        format!("--kubeconfig={kubeconfig}"),
        format!("--authentication-kubeconfig={kubeconfig}"),
        format!("--authorization-kubeconfig={kubeconfig}"),
        "--secure-port=4443".into(),
        format!("--cert-dir={}", directories.credential("metrics-server").display()),
        "--kubelet-insecure-tls".into(),
        "--kubelet-preferred-address-types=InternalIP".into(),
        "--metric-resolution=15s".into(),
    ];
    let state_metrics = vec![
        format!("--kubeconfig={kubeconfig}"),
        format!("--host={CONTROL_PLANE}"),
        "--port=8080".into(),
        "--telemetry-port=8082".into(),
        STATE_METRICS.into(),
    ];
    let prometheus = [
        format!("--config.file={}", directories.config("prometheus.yaml").display()),
        format!("--storage.tsdb.path={}", directories.state.join("prometheus").display()),
        format!("--web.listen-address={PROMETHEUS}"),
        "--log.level=warn".into(),
    ];
    let mut discovery =
        vec![format!("--kubeconfig={kubeconfig}"), format!("--folder={}", directories.state.join("targets").display())];
    discovery.extend(ROLES.map(str::to_owned));
    vec![
        component("discovery", discovery),
        component("coredns", vec!["-conf".into(), directories.config("Corefile").display().to_string()]),
        component("metrics-server", metrics_server),
        component("kube-state-metrics", state_metrics),
        Component::new("prometheus", CONTROL_PLANE_NAMESPACE, "/usr/bin/prometheus", prometheus),
    ]
}

/// Tells the cluster where its add-ons are, and that it is a lab.
pub(crate) fn announce(kubectl: &mut Command) -> Result<(), LabError> {
    let values = [("address", CONTROL_PLANE), ("dns", DNS), ("version", env!("CARGO_PKG_VERSION"))];
    let objects = render(include_str!("../config/add-ons.yaml"), &values);
    output_of_input(kubectl.args(["apply", "--filename=-"]), &objects)?;
    Ok(())
}
