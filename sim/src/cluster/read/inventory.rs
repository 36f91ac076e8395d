//! What the world, the monitoring and the judge ask: objects by their indices, not by `kubectl`'s rows.

use crate::ids::{ContainerIx, KubeServiceIx, NodeIx, PodIx};
use crate::manifest::{Labels, ResourceRequirements, is_subset};
use crate::time::SimTime;
use crate::units::{Bytes, Millicores};

use super::super::Cluster;
use super::super::endpoints::target_port;
use super::super::objects::{Deployment, Pod};

/// A component as the judge sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ComponentState {
    /// `spec.replicas`; zero when the Deployment is gone.
    pub replicas: u32,
    /// Whether the Deployment exists.
    pub exists: bool,
    /// Its pods that are not terminating.
    pub pods: u32,
    /// Ready ones among them.
    pub ready: u32,
    /// Available ones among them.
    pub available: u32,
    /// What its bound pods request and may use, terminating ones included: they take room until they
    /// are gone. A container without a limit adds nothing to the limits.
    pub cpu_request: Millicores,
    /// See `cpu_request`.
    pub cpu_limit: Millicores,
    /// See `cpu_request`.
    pub memory_request: Bytes,
    /// See `cpu_request`.
    pub memory_limit: Bytes,
}

/// A live container with its place in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningContainer<'a> {
    /// Its process.
    pub process: ContainerIx,
    /// Its name.
    pub name: &'a str,
    /// Its pod.
    pub pod: PodIx,
    /// The pod's name.
    pub pod_name: &'a str,
    /// The pod's namespace.
    pub namespace: &'a str,
    /// The Deployment that the pod was made for.
    pub component: &'a str,
    /// The pod's address.
    pub address: String,
    /// Where it runs.
    pub node: NodeIx,
    /// The image it runs.
    pub image: &'a str,
    /// Requests and limits.
    pub resources: ResourceRequirements,
    /// Whether the pod was asked to end.
    pub is_terminating: bool,
}

impl Cluster {
    /// Whether every Deployment has as many available pods of its newest template as it wants, and no
    /// others.
    pub fn all_ready(&self) -> bool {
        self.deployments.values().all(|deployment| deployment.is_complete(deployment.status))
    }

    /// Names of the Deployments that exist, in the order of their creation.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.deployments.values().map(Deployment::name)
    }

    /// What the judge asks about a component.
    pub fn component_state(&self, now: SimTime, component: &str) -> ComponentState {
        let mut state = ComponentState::default();
        let deployment = self.find_deployment(component).map(|ix| &self.deployments[&ix].spec);
        state.exists = deployment.is_some();
        state.replicas = deployment.map_or(0, |d| d.replicas);
        let min_ready = deployment.map(|d| d.min_ready).unwrap_or_default();
        for pod in self.pods.values().filter(|pod| pod.component == component) {
            if pod.is_active() {
                state.pods += 1;
                state.ready += u32::from(pod.ready);
                state.available += u32::from(pod.is_available(now, min_ready));
            }
            if pod.bound.is_some() && !pod.is_over() {
                let requests = pod.requests();
                state.cpu_request += requests.cpu;
                state.memory_request += requests.memory;
                let limits = || pod.template.containers.iter().map(|c| c.resources.limits);
                state.cpu_limit += limits().filter_map(|l| l.cpu).sum();
                state.memory_limit += limits().filter_map(|l| l.memory).sum();
            }
        }
        state
    }

    /// All live containers, in the order of their start.
    pub fn running_containers(&self) -> impl Iterator<Item = RunningContainer<'_>> {
        self.containers.keys().filter_map(|process| self.running_container(*process))
    }

    /// A container, as long as it lives and its pod has an address.
    pub fn running_container(&self, process: ContainerIx) -> Option<RunningContainer<'_>> {
        let (ix, index) = *self.containers.get(&process)?;
        let pod = self.pods.get(&ix)?;
        let spec = &pod.template.containers[index];
        Some(RunningContainer {
            process,
            name: &spec.name,
            pod: ix,
            pod_name: &pod.name,
            namespace: &pod.namespace,
            component: &pod.component,
            address: pod.address?.to_string(),
            node: pod.node()?,
            image: &pod.kubelet.containers[index].image,
            resources: spec.resources,
            is_terminating: pod.deleted.is_some(),
        })
    }

    /// The pods behind a Service, ready or not, with the port to which its first port leads, as service discovery finds
    /// them.
    pub fn endpoints(&self, service: KubeServiceIx) -> impl Iterator<Item = (PodIx, u16)> + '_ {
        let services = self.services.iter().filter(move |s| s.index == Some(service));
        services.flat_map(move |service| {
            let first = service.spec.ports.first();
            service.endpoints.iter().filter_map(move |endpoint| {
                let port = target_port(&first?.target_port, self.pods.get(&endpoint.pod)?)?;
                Some((endpoint.pod, port))
            })
        })
    }

    /// The pods of a component that are not terminating, oldest first.
    pub fn pods_of<'a>(&'a self, component: &'a str) -> impl Iterator<Item = PodIx> + 'a {
        let is_own = move |pod: &Pod| pod.component == component && pod.is_active();
        self.pods.iter().filter(move |(_, pod)| is_own(pod)).map(|(ix, _)| *ix)
    }

    /// The pods with these labels in these namespaces (none is any) that are not terminating, as an
    /// experiment of Chaos Mesh selects them, oldest first.
    pub fn pods_with<'a>(&'a self, namespaces: &'a [String], labels: &'a Labels) -> impl Iterator<Item = PodIx> + 'a {
        let is_meant = |pod: &Pod| {
            pod.is_active()
                && (namespaces.is_empty() || namespaces.contains(&pod.namespace))
                && is_subset(labels, &pod.labels)
        };
        self.pods.iter().filter(move |(_, pod)| is_meant(pod)).map(|(ix, _)| *ix)
    }

    /// The live process of a pod's first container, if it has one.
    pub fn first_process(&self, pod: PodIx) -> Option<ContainerIx> {
        self.pods.get(&pod)?.kubelet.containers.first()?.running()
    }

    /// The name of a pod that exists.
    pub fn pod_name(&self, pod: PodIx) -> Option<&str> {
        self.pods.get(&pod).map(|pod| &*pod.name)
    }
}
