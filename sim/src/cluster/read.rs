//! What agents and the world can look at.

mod api;
mod inventory;
mod policies;
mod transitions;
mod views;

use std::collections::{BTreeMap, VecDeque};

use crate::environment::{Description, EventView, LogQuery, NodeView, PodView, Rejected, ReplicaSetView, Usage};
use crate::ids::{ContainerIx, DeploymentIx, NodeIx, PodIx};
use crate::log::Entry;
use crate::manifest::is_subset;
use crate::time::SimTime;
use crate::units::{Bytes, Millicores};

use super::Cluster;
use super::kubelet::ContainerState;
use super::node::{Node, NodeCondition, Truth};
use super::objects::{Pod, Requests, Service};

pub use inventory::{ComponentState, RunningContainer};
use views::{autoscaler_view, container_views, deployment_view, service_view};

/// What the kubelet keeps of what a container's process wrote.
#[derive(Clone, Copy, Debug)]
pub struct ContainerLog<'a> {
    /// The pod's name.
    pub pod: &'a str,
    /// The process; none if it runs no program.
    pub process: Option<ContainerIx>,
    /// The image that it runs.
    pub image: &'a str,
    /// Oldest first.
    pub entries: &'a VecDeque<Entry>,
}

impl Cluster {
    /// `kubectl get pods`, in the order of their names.
    pub fn list_pods(&self, now: SimTime, component: Option<&str>) -> Vec<PodView> {
        let is_asked = |pod: &&Pod| component.is_none_or(|component| pod.component == component);
        let mut pods: Vec<_> = self.pods.values().filter(is_asked).map(|pod| self.pod_view(pod, now)).collect();
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
        let mut pods: Vec<_> = self.pods.values().filter(|pod| pod.component == component).collect();
        pods.sort_by(|a, b| a.name.cmp(&b.name));
        let mut replica_sets = self.replica_set_views(ix);
        replica_sets.reverse();
        let labels = &deployment.spec.template.labels;
        let namespace = &deployment.spec.meta.namespace;
        let leads_here = |s: &&Service| {
            s.spec.meta.namespace == *namespace && !s.spec.selector.is_empty() && is_subset(&s.spec.selector, labels)
        };
        // One of its name that leads elsewhere, or nowhere, is what one looks at next.
        let by_name =
            || self.services.iter().find(|s| s.spec.meta.namespace == *namespace && s.spec.meta.name == component);
        Ok(Description {
            deployment: deployment_view(deployment),
            replica_sets,
            containers: pods.iter().map(|pod| container_views(pod)).collect(),
            pods: pods.iter().map(|pod| self.pod_view(pod, now)).collect(),
            service: self.services.iter().find(leads_here).or_else(by_name).map(service_view),
            autoscaler: self.autoscalers.values().find(|a| a.spec.target.name == component).map(autoscaler_view),
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
    pub fn rollout_history(&self, component: &str) -> Result<Vec<ReplicaSetView>, Rejected> {
        Ok(self.replica_set_views(self.deployment(component)?))
    }

    /// `kubectl logs`: whose log it is and what is in it, for its process to be put into words. All of it: how many lines
    /// that is shows only then.
    ///
    /// # Errors
    /// There is no such pod or Deployment, or the container has no log yet.
    pub fn logs(&self, query: &LogQuery) -> Result<ContainerLog<'_>, Rejected> {
        let pod = match self.find_pod(&query.of) {
            Some(pod) => &self.pods[&pod],
            None => self.pod_for_logs(&query.of)?,
        };
        let index = pod.template.containers.iter().position(|c| c.name == pod.component).unwrap_or(0);
        let name = &pod.template.containers[index].name;
        let container = &pod.kubelet.containers[index];
        let log = if query.previous {
            container.previous_log.as_ref().ok_or_else(|| {
                Rejected(format!("previous terminated container \"{name}\" in pod \"{}\" not found", pod.name))
            })?
        } else {
            match &container.shown.state {
                ContainerState::Waiting(waiting) if container.newest_process().is_none() => {
                    let why = match waiting.reason {
                        "ErrImagePull" | "ImagePullBackOff" => "trying and failing to pull image",
                        reason => reason,
                    };
                    let message = format!("container \"{name}\" in pod \"{}\" is waiting to start: {why}", pod.name);
                    return Err(Rejected(message));
                }
                _ => &container.log,
            }
        };
        Ok(ContainerLog { pod: &pod.name, process: log.process, image: &log.image, entries: &log.entries })
    }

    /// Of a Deployment, the pod whose log is shown: a ready one, a running one, or any.
    fn pod_for_logs(&self, component: &str) -> Result<&Pod, Rejected> {
        let pods = self.pods.values().filter(|pod| pod.component == component);
        let best = pods.max_by_key(|pod| (pod.is_active(), pod.ready, pod.phase, std::cmp::Reverse(pod.created)));
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
        let pods = self.pods.iter().filter(|(_, pod)| component.is_none_or(|c| pod.component == c));
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
        let view = |(index, (node, requested)): (usize, (&Node, Requests))| {
            let used = used.get(&NodeIx(index as u32));
            NodeView {
                name: node.spec.name.clone(),
                ready: node.conditions.is_ready(),
                unschedulable: node.unschedulable,
                pressure: pressure_of(node),
                allocatable_cpu: node.spec.allocatable_cpu,
                allocatable_memory: node.spec.allocatable_memory,
                requested_cpu: requested.cpu,
                requested_memory: requested.memory,
                cpu: used.map(|(cpu, _)| *cpu),
                memory: used.map(|(_, memory)| *memory),
            }
        };
        self.nodes.iter().zip(self.requested()).enumerate().map(view).collect()
    }

    /// The Deployment of this name.
    pub(super) fn deployment(&self, name: &str) -> Result<DeploymentIx, Rejected> {
        self.find_deployment(name).ok_or_else(|| Rejected(format!("deployments.apps \"{name}\" not found")))
    }

    /// The pod of this name.
    pub(super) fn named_pod(&self, name: &str) -> Result<PodIx, Rejected> {
        self.find_pod(name).ok_or_else(|| Rejected(format!("pods \"{name}\" not found")))
    }
}

/// The conditions of a node that hold and should not.
fn pressure_of(node: &Node) -> Vec<String> {
    let holds = |kind: &&NodeCondition| **kind != NodeCondition::Ready && node.conditions.get(**kind) == Truth::True;
    NodeCondition::ALL.iter().filter(holds).map(|kind| kind.name().to_owned()).collect()
}

/// The sum of quantities; none if no container has one.
fn total<T: std::iter::Sum>(each: impl Iterator<Item = Option<T>>) -> Option<T> {
    let mut some = each.flatten().peekable();
    some.peek().is_some().then(|| some.sum())
}
