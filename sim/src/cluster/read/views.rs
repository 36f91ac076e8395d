//! Objects as the views that agents get.

use crate::environment::{AutoscalerView, ContainerView, DeploymentView, PodView, ReplicaSetView, ServiceView};
use crate::ids::DeploymentIx;
use crate::manifest::{Labels, MetricTarget, PortRef, ServicePort};
use crate::time::SimTime;

use super::super::autoscaler::Autoscaler;
use super::super::deployment::change_between;
use super::super::objects::{Condition, Deployment, Pod, Service};
use super::super::{Cluster, printer};

impl Cluster {
    pub(super) fn pod_view(&self, pod: &Pod, now: SimTime) -> PodView {
        PodView {
            name: pod.name.clone(),
            component: pod.component.clone(),
            status: printer::pod_status(pod).to_owned(),
            ready: pod.kubelet.containers.iter().filter(|c| c.shown.ready).count() as u32,
            containers: pod.template.containers.len() as u32,
            restarts: pod.kubelet.containers.iter().map(|c| c.shown.restarts).sum(),
            age: now.since(pod.created),
            node: pod.node().map(|node| self.nodes[node.index()].spec.name.clone()),
            ip: pod.address.map(|address| address.to_string()),
        }
    }

    /// Oldest revision first.
    pub(super) fn replica_set_views(&self, ix: DeploymentIx) -> Vec<ReplicaSetView> {
        let main = self.deployments[&ix].spec.main_container();
        let mut sets: Vec<_> = self.replica_sets.values().filter(|set| set.deployment == ix).collect();
        sets.sort_by_key(|set| set.revision);
        let mut before = None;
        let mut views = Vec::new();
        for set in sets {
            let main = set.template.containers.get(main).or(set.template.containers.first());
            views.push(ReplicaSetView {
                name: set.name.clone(),
                revision: set.revision,
                image: main.map(|c| c.image.clone()).unwrap_or_default(),
                replicas: set.replicas,
                current: set.status.replicas,
                ready: set.status.ready,
                change: change_between(before, &set.template),
            });
            before = Some(&*set.template);
        }
        views
    }
}

pub(super) fn condition_texts(conditions: &[Condition]) -> Vec<(String, String, String)> {
    conditions.iter().map(|c| (c.kind.to_owned(), c.status.to_owned(), c.reason.to_owned())).collect()
}

pub(super) fn deployment_view(deployment: &Deployment) -> DeploymentView {
    let main = &deployment.spec.template.containers[deployment.spec.main_container()];
    let probes =
        [("Liveness", &main.liveness_probe), ("Readiness", &main.readiness_probe), ("Startup", &main.startup_probe)];
    let mut conditions = condition_texts(&deployment.conditions);
    conditions.sort();
    DeploymentView {
        name: deployment.name().to_owned(),
        replicas: deployment.spec.replicas,
        updated: deployment.status.updated,
        ready: deployment.status.ready,
        available: deployment.status.available,
        image: main.image.clone(),
        cpu_request: main.resources.requests.cpu,
        cpu_limit: main.resources.limits.cpu,
        memory_request: main.resources.requests.memory,
        memory_limit: main.resources.limits.memory,
        command: main.command.clone(),
        args: main.args.clone(),
        env: main.env.iter().map(|v| (v.name.clone(), printer::env_value(&v.value))).collect(),
        env_from: main.env_from.iter().map(printer::env_from).collect(),
        labels: pairs(&deployment.spec.template.labels),
        ports: main.ports.iter().map(|port| port.port).collect(),
        probes: probes.iter().filter_map(|(kind, probe)| Some(printer::probe(kind, probe.as_ref()?))).collect(),
        conditions,
        revision: deployment.revision,
        strategy: printer::strategy(&deployment.spec.strategy),
    }
}

pub(super) fn container_views(pod: &Pod) -> Vec<ContainerView> {
    let each = pod.template.containers.iter().zip(&pod.kubelet.containers);
    each.map(|(spec, container)| ContainerView {
        name: spec.name.clone(),
        image: spec.image.clone(),
        state: printer::container_state(&container.shown.state),
        last_state: container.shown.last.as_ref().map(printer::terminated),
        ready: container.shown.ready,
        restarts: container.shown.restarts,
    })
    .collect()
}

pub(super) fn autoscaler_view(autoscaler: &Autoscaler) -> AutoscalerView {
    let spec = &autoscaler.spec;
    let target = spec.metrics.iter().find_map(|metric| match metric {
        MetricTarget::CpuUtilization(percent) => Some(*percent),
        _ => None,
    });
    AutoscalerView {
        name: autoscaler.name().to_owned(),
        min_replicas: spec.min_replicas,
        max_replicas: spec.max_replicas,
        current_percent: autoscaler.current_percent,
        target_percent: target.unwrap_or(0),
        desired_replicas: autoscaler.desired,
        conditions: condition_texts(&autoscaler.conditions),
    }
}

pub(super) fn service_view(service: &Service) -> ServiceView {
    let port = |p: &ServicePort| match &p.target_port {
        PortRef::Number(number) => format!("{} -> {number}", p.port),
        PortRef::Name(name) => format!("{} -> {name}", p.port),
    };
    ServiceView {
        name: service.spec.meta.name.clone(),
        namespace: service.spec.meta.namespace.clone(),
        labels: pairs(&service.spec.meta.labels),
        annotations: pairs(&service.spec.meta.annotations),
        selector: pairs(&service.spec.selector),
        ports: service.spec.ports.iter().map(port).collect(),
        endpoints: service
            .endpoints
            .iter()
            .filter(|e| e.is_ready())
            .map(|endpoint| endpoint.address.to_string())
            .collect(),
    }
}

/// As `kubectl describe` prints labels.
fn pairs(labels: &Labels) -> Vec<String> {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect()
}
