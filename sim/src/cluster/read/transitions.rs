//! How the objects look, for whoever records what happens to them.

use std::collections::BTreeMap;

use crate::episode::WorldEvent;
use crate::time::{SimDuration, SimTime};
use crate::transition::{
    ContainerState, DeploymentState, Ended, ObjectRef, Observer, PodState, ProcessState, ReplicaCounts,
    ReplicaSetState, Termination,
};

use super::super::kubelet::{self, Exit};
use super::super::objects::Pod;
use super::super::{Cluster, printer};
use super::views::condition_texts;

impl Cluster {
    /// Shows an observer all objects and, of `journal`, all Kubernetes Events; its recording began at `began`.
    pub(crate) fn show_observer(
        &self,
        now: SimTime,
        began: SimTime,
        journal: Vec<WorldEvent>,
        observer: &mut Observer,
    ) {
        for event in journal {
            if let WorldEvent::Kubernetes { at, severity, reason, object, message } = event {
                let (kind, name) = object.split_once('/').unwrap_or(("", &object));
                let object = ObjectRef { kind: kind.to_owned(), name: name.to_owned() };
                observer.event(at.since(began), object, severity, reason, message);
            }
        }
        let at: SimDuration = now.since(began);
        observer.all_deployments(at, self.deployment_states());
        observer.all_replica_sets(at, self.replica_set_states());
        observer.all_pods(at, self.pods.values().map(|pod| (pod.name.clone(), self.pod_state(pod))).collect());
    }

    fn deployment_states(&self) -> BTreeMap<String, DeploymentState> {
        let each = self.deployments.values().map(|deployment| {
            let status = deployment.status;
            let counts = ReplicaCounts {
                wanted: deployment.spec.replicas,
                current: status.replicas,
                updated: status.updated,
                ready: status.ready,
                available: status.available,
            };
            let mut conditions = condition_texts(&deployment.conditions);
            conditions.sort();
            let component = deployment.name().to_owned();
            (component.clone(), DeploymentState { component, counts, conditions })
        });
        each.collect()
    }

    fn replica_set_states(&self) -> BTreeMap<String, ReplicaSetState> {
        let each = self.replica_sets.values().map(|set| {
            let pods = set.status;
            let counts = ReplicaCounts {
                wanted: set.replicas,
                current: pods.replicas,
                updated: pods.replicas,
                ready: pods.ready,
                available: pods.available,
            };
            (set.name.clone(), ReplicaSetState { component: Some(set.component.clone()), counts })
        });
        each.collect()
    }

    fn pod_state(&self, pod: &Pod) -> PodState {
        let containers = pod.template.containers.iter().zip(&pod.kubelet.containers);
        PodState {
            component: Some(pod.component.clone()),
            node: pod.node().map(|node| self.nodes[node.index()].spec.name.clone()),
            ready: pod.ready,
            deleting: pod.deleted.is_some(),
            containers: containers.filter_map(|(spec, container)| container_state(&spec.name, container)).collect(),
        }
    }
}

fn container_state(name: &str, container: &kubelet::Container) -> Option<ContainerState> {
    let shown = &container.shown;
    let state = match &shown.state {
        kubelet::ContainerState::Unknown => return None,
        kubelet::ContainerState::Waiting(waiting) => ProcessState::Waiting(waiting.reason.to_owned()),
        kubelet::ContainerState::Running { .. } => {
            ProcessState::Running(shown.process.map(|process| process.0.to_string()).unwrap_or_default())
        }
        kubelet::ContainerState::Terminated(exit) => ProcessState::Terminated(ended(exit)),
        kubelet::ContainerState::Lost => {
            let how = Termination { reason: printer::STATUS_UNKNOWN.to_owned(), exit_code: 137 };
            ProcessState::Terminated(Ended { process: String::new(), how })
        }
    };
    let last = shown.last.as_ref().map(ended);
    Some(ContainerState { name: name.to_owned(), state, last, restarts: shown.restarts })
}

fn ended(exit: &Exit) -> Ended {
    let how = Termination { reason: exit.reason().to_owned(), exit_code: i32::from(exit.code) };
    Ended { process: exit.container.0.to_string(), how }
}
