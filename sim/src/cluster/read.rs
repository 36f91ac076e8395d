//! What agents and the world can look at.

use std::collections::BTreeMap;

use crate::environment::{
    AutoscalerView, ContainerView, DeploymentView, Description, EventView, LogQuery, NodeView,
    PodView, Rejected, ReplicaSetView, ServiceView, Usage,
};
use crate::ids::{ContainerIx, DeploymentIx, KubeServiceIx, NodeIx, PodIx};
use crate::manifest::{
    Labels, MetricTarget, PortRef, ResourceRequirements, ServicePort, is_subset,
};
use crate::time::SimTime;
use crate::units::{Bytes, Millicores};

use super::autoscaler::Autoscaler;
use super::deployment::change_between;
use super::kubelet::ContainerState;
use super::objects::{Condition, Deployment, Pod, Service};
use super::{Cluster, printer};

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
        self.deployments.keys().all(|ix| self.is_complete(*ix))
    }

    /// Names of the Deployments that exist, in the order of their creation.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.deployments.values().map(Deployment::name)
    }

    /// What the judge asks about a component.
    pub fn component_state(&self, now: SimTime, component: &str) -> ComponentState {
        let mut state = ComponentState::default();
        let deployment = self
            .find_deployment(component)
            .map(|ix| &self.deployments[&ix].spec);
        state.exists = deployment.is_some();
        state.replicas = deployment.map_or(0, |d| d.replicas);
        let min_ready = deployment.map(|d| d.min_ready).unwrap_or_default();
        for pod in self.pods.values().filter(|pod| pod.component == component) {
            if pod.is_active() {
                state.pods += 1;
                state.ready += u32::from(pod.ready);
                state.available += u32::from(pod.is_available(now, min_ready));
            }
            if pod.bound.is_some() {
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
        self.containers.iter().filter_map(|(process, (ix, index))| {
            let pod = self.pods.get(ix)?;
            let spec = &pod.template.containers[*index];
            Some(RunningContainer {
                process: *process,
                name: &spec.name,
                pod: *ix,
                pod_name: &pod.name,
                namespace: &pod.namespace,
                component: &pod.component,
                address: pod.address?.to_string(),
                node: pod.node()?,
                image: &pod.kubelet.containers[*index].image,
                resources: spec.resources,
                is_terminating: pod.deleted.is_some(),
            })
        })
    }

    /// The pods behind a Service, ready or not, as service discovery finds them.
    pub fn endpoints(&self, service: KubeServiceIx) -> impl Iterator<Item = PodIx> + '_ {
        let services = self
            .services
            .iter()
            .filter(move |s| s.index == Some(service));
        services
            .flat_map(|s| &s.endpoints)
            .map(|endpoint| endpoint.pod)
    }

    /// The pods of a component that are not terminating, oldest first.
    pub fn pods_of<'a>(&'a self, component: &'a str) -> impl Iterator<Item = PodIx> + 'a {
        let is_own = move |pod: &Pod| pod.component == component && pod.is_active();
        self.pods
            .iter()
            .filter(move |(_, pod)| is_own(pod))
            .map(|(ix, _)| *ix)
    }

    /// The pods with these labels in these namespaces (none is any) that are not terminating, as an
    /// experiment of Chaos Mesh selects them, oldest first.
    pub fn pods_with<'a>(
        &'a self,
        namespaces: &'a [String],
        labels: &'a Labels,
    ) -> impl Iterator<Item = PodIx> + 'a {
        let is_meant = |pod: &Pod| {
            pod.is_active()
                && (namespaces.is_empty() || namespaces.contains(&pod.namespace))
                && is_subset(labels, &pod.labels)
        };
        self.pods
            .iter()
            .filter(move |(_, pod)| is_meant(pod))
            .map(|(ix, _)| *ix)
    }

    /// The live process of a pod's first container, if it has one.
    pub fn first_process(&self, pod: PodIx) -> Option<ContainerIx> {
        self.pods.get(&pod)?.kubelet.containers.first()?.running()
    }

    /// The name of a pod that exists.
    pub fn pod_name(&self, pod: PodIx) -> Option<&str> {
        self.pods.get(&pod).map(|pod| &*pod.name)
    }

    /// `kubectl get pods`, in the order of their names.
    pub fn list_pods(&self, now: SimTime, component: Option<&str>) -> Vec<PodView> {
        let is_asked = |pod: &&Pod| component.is_none_or(|component| pod.component == component);
        let mut pods: Vec<_> = self
            .pods
            .values()
            .filter(is_asked)
            .map(|pod| self.pod_view(pod, now))
            .collect();
        pods.sort_by(|a, b| a.name.cmp(&b.name));
        pods
    }

    /// `kubectl describe deployment`, with what belongs to it.
    ///
    /// # Errors
    /// There is no such Deployment.
    pub fn describe(&self, now: SimTime, component: &str) -> Result<Description, Rejected> {
        let ix = self.deployment(component)?;
        let deployment = &self.deployments[&ix];
        let mut pods: Vec<_> = self
            .pods
            .values()
            .filter(|pod| pod.component == component)
            .collect();
        pods.sort_by(|a, b| a.name.cmp(&b.name));
        let mut replica_sets = self.replica_set_views(ix, now);
        replica_sets.reverse();
        let labels = &deployment.spec.template.labels;
        let namespace = &deployment.spec.meta.namespace;
        let leads_here = |s: &&Service| {
            s.spec.meta.namespace == *namespace
                && !s.spec.selector.is_empty()
                && is_subset(&s.spec.selector, labels)
        };
        Ok(Description {
            deployment: deployment_view(deployment),
            replica_sets,
            containers: pods.iter().map(|pod| container_views(pod)).collect(),
            pods: pods.iter().map(|pod| self.pod_view(pod, now)).collect(),
            service: self.services.iter().find(leads_here).map(service_view),
            autoscaler: self
                .autoscalers
                .values()
                .find(|a| a.spec.target.name == component)
                .map(autoscaler_view),
            events: self.list_events(now, Some(component)),
        })
    }

    /// `kubectl get events`, oldest first.
    pub fn list_events(&self, now: SimTime, component: Option<&str>) -> Vec<EventView> {
        self.recorder.list(now, component)
    }

    /// `kubectl rollout history`, oldest first.
    ///
    /// # Errors
    /// There is no such Deployment.
    pub fn rollout_history(
        &self,
        now: SimTime,
        component: &str,
    ) -> Result<Vec<ReplicaSetView>, Rejected> {
        Ok(self.replica_set_views(self.deployment(component)?, now))
    }

    /// `kubectl logs`: the pod's name, and the lines.
    ///
    /// # Errors
    /// There is no such pod or Deployment, or the container has no log yet.
    pub fn logs(&self, query: &LogQuery) -> Result<(String, Vec<String>), Rejected> {
        let pod = match self.find_pod(&query.of) {
            Some(pod) => &self.pods[&pod],
            None => self.pod_for_logs(&query.of)?,
        };
        let index = pod
            .template
            .containers
            .iter()
            .position(|c| c.name == pod.component)
            .unwrap_or(0);
        let name = &pod.template.containers[index].name;
        let container = &pod.kubelet.containers[index];
        let lines = if query.previous {
            container.previous_log.as_ref().ok_or_else(|| {
                Rejected(format!(
                    "previous terminated container \"{name}\" in pod \"{}\" not found",
                    pod.name
                ))
            })?
        } else {
            match &container.shown.state {
                ContainerState::Waiting(waiting) if container.newest_process().is_none() => {
                    let why = match waiting.reason {
                        "ErrImagePull" | "ImagePullBackOff" => "trying and failing to pull image",
                        reason => reason,
                    };
                    let message = format!(
                        "container \"{name}\" in pod \"{}\" is waiting to start: {why}",
                        pod.name
                    );
                    return Err(Rejected(message));
                }
                _ => &container.log,
            }
        };
        let skip = lines.len().saturating_sub(query.tail as usize);
        Ok((pod.name.clone(), lines[skip..].to_vec()))
    }

    /// Of a Deployment, the pod whose log is shown: a ready one, a running one, or any.
    fn pod_for_logs(&self, component: &str) -> Result<&Pod, Rejected> {
        let pods = self.pods.values().filter(|pod| pod.component == component);
        let best = pods.max_by_key(|pod| {
            (
                pod.is_active(),
                pod.ready,
                pod.phase,
                std::cmp::Reverse(pod.created),
            )
        });
        best.ok_or_else(|| {
            let is_known = self.find_deployment(component).is_some();
            Rejected(if is_known {
                format!("no pods found for deployment.apps/{component}")
            } else {
                format!("pods \"{component}\" not found")
            })
        })
    }

    /// `kubectl top pods`, of those that metrics-server knows, in the order of their names.
    pub fn usage(&self, component: Option<&str>) -> Vec<Usage> {
        let pods = self
            .pods
            .iter()
            .filter(|(_, pod)| component.is_none_or(|c| pod.component == c));
        let mut usage: Vec<_> = pods
            .filter_map(|(ix, pod)| {
                let metrics = self.pod_metrics(*ix)?;
                let lists = || pod.template.containers.iter().map(|c| c.resources);
                Some(Usage {
                    pod: pod.name.clone(),
                    component: pod.component.clone(),
                    cpu: metrics.cpu,
                    memory: metrics.memory,
                    cpu_request: total(lists().map(|r| r.requests.cpu)),
                    cpu_limit: total(lists().map(|r| r.limits.cpu)),
                    memory_limit: total(lists().map(|r| r.limits.memory)),
                })
            })
            .collect();
        usage.sort_by(|a, b| a.pod.cmp(&b.pod));
        usage
    }

    /// `kubectl describe nodes` and `kubectl top nodes`, of what pods request and use.
    pub fn list_nodes(&self) -> Vec<NodeView> {
        let mut used: BTreeMap<NodeIx, (Millicores, Bytes)> = BTreeMap::new();
        for (ix, pod) in &self.pods {
            if let (Some(node), Some(metrics)) = (pod.node(), self.pod_metrics(*ix)) {
                let (cpu, memory) = used.entry(node).or_default();
                *cpu += metrics.cpu;
                *memory += metrics.memory;
            }
        }
        let view =
            |(index, (node, requested)): (usize, (&super::Node, super::objects::Requests))| {
                let used = used.get(&NodeIx(index as u32));
                NodeView {
                    name: node.spec.name.clone(),
                    ready: true,
                    allocatable_cpu: node.spec.allocatable_cpu,
                    allocatable_memory: node.spec.allocatable_memory,
                    requested_cpu: requested.cpu,
                    requested_memory: requested.memory,
                    cpu: used.map(|(cpu, _)| *cpu),
                    memory: used.map(|(_, memory)| *memory),
                }
            };
        self.nodes
            .iter()
            .zip(self.requested())
            .enumerate()
            .map(view)
            .collect()
    }

    /// The Deployment of this name.
    pub(super) fn deployment(&self, name: &str) -> Result<DeploymentIx, Rejected> {
        self.find_deployment(name)
            .ok_or_else(|| Rejected(format!("deployments.apps \"{name}\" not found")))
    }

    fn pod_view(&self, pod: &Pod, now: SimTime) -> PodView {
        PodView {
            name: pod.name.clone(),
            component: pod.component.clone(),
            status: printer::pod_status(pod).to_owned(),
            ready: pod
                .kubelet
                .containers
                .iter()
                .filter(|c| c.shown.ready)
                .count() as u32,
            containers: pod.template.containers.len() as u32,
            restarts: pod
                .kubelet
                .containers
                .iter()
                .map(|c| c.shown.restarts)
                .sum(),
            age: now.since(pod.created),
            node: pod
                .node()
                .map(|node| self.nodes[node.index()].spec.name.clone()),
            ip: pod.address.map(|address| address.to_string()),
        }
    }

    /// Oldest revision first.
    fn replica_set_views(&self, ix: DeploymentIx, now: SimTime) -> Vec<ReplicaSetView> {
        let main = self.deployments[&ix].main_container();
        let mut sets: Vec<_> = self
            .replica_sets
            .iter()
            .filter(|(_, set)| set.deployment == ix)
            .collect();
        sets.sort_by_key(|(_, set)| set.revision);
        let mut before = None;
        let mut views = Vec::new();
        for (set_ix, set) in sets {
            let counts = self.pod_counts(*set_ix, now);
            let main = set
                .template
                .containers
                .get(main)
                .or(set.template.containers.first());
            views.push(ReplicaSetView {
                name: set.name.clone(),
                revision: set.revision,
                image: main.map(|c| c.image.clone()).unwrap_or_default(),
                replicas: set.replicas,
                current: counts.current,
                ready: counts.ready,
                change: change_between(before, &set.template),
            });
            before = Some(&*set.template);
        }
        views
    }
}

/// The sum of quantities; none if no container has one.
fn total<T: std::iter::Sum>(each: impl Iterator<Item = Option<T>>) -> Option<T> {
    let mut some = each.flatten().peekable();
    some.peek().is_some().then(|| some.sum())
}

fn condition_texts(conditions: &[Condition]) -> Vec<(String, String, String)> {
    conditions
        .iter()
        .map(|c| (c.kind.to_owned(), c.status.to_owned(), c.reason.to_owned()))
        .collect()
}

fn deployment_view(deployment: &Deployment) -> DeploymentView {
    let main = &deployment.spec.template.containers[deployment.main_container()];
    let probes = [
        ("Liveness", &main.liveness_probe),
        ("Readiness", &main.readiness_probe),
        ("Startup", &main.startup_probe),
    ];
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
        env: main
            .env
            .iter()
            .map(|v| (v.name.clone(), printer::env_value(&v.value)))
            .collect(),
        probes: probes
            .iter()
            .filter_map(|(kind, probe)| Some(printer::probe(kind, probe.as_ref()?)))
            .collect(),
        conditions,
        revision: deployment.revision,
        strategy: printer::strategy(&deployment.spec.strategy),
    }
}

fn container_views(pod: &Pod) -> Vec<ContainerView> {
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

fn autoscaler_view(autoscaler: &Autoscaler) -> AutoscalerView {
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

fn service_view(service: &Service) -> ServiceView {
    let port = |p: &ServicePort| match &p.target_port {
        PortRef::Number(number) => format!("{} -> {number}", p.port),
        PortRef::Name(name) => format!("{} -> {name}", p.port),
    };
    ServiceView {
        name: service.spec.meta.name.clone(),
        selector: service
            .spec
            .selector
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect(),
        ports: service.spec.ports.iter().map(port).collect(),
        endpoints: service
            .endpoints
            .iter()
            .filter(|e| e.is_ready())
            .map(|endpoint| endpoint.address.to_string())
            .collect(),
    }
}
