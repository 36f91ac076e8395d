//! Pods, `ReplicaSets` and Deployments of the API in the words of the project.

use std::net::IpAddr;
use std::time::SystemTime;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::ListParams;
use sim::environment::Component;
use sim::transition::{
    ContainerState, DeploymentState, Ended, PodState, ProcessState, ReplicaCounts, ReplicaSetState, Termination,
};

use crate::cluster::Cluster;
use crate::error::Error;

/// The label by which a `ReplicaSet` of a Deployment tells its pods from those of its siblings. Its own name ends in
/// the label's value.
pub(crate) const TEMPLATE_HASH: &str = "pod-template-hash";

/// A pod as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// Which no other pod ever has.
    pub uid: String,
    /// The Deployment that it was made for, if it was made for one.
    pub component: Option<Component>,
    /// Where it was bound to.
    pub node: Option<String>,
    /// Its address.
    pub ip: Option<IpAddr>,
    /// `Pending`, `Running`, `Succeeded` or `Failed`.
    pub phase: String,
    /// Whether it is Ready.
    pub ready: bool,
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// Restarts of all its containers.
    pub restarts: u32,
    /// Why the first container that waits does.
    pub waiting: Option<String>,
    /// How the last process of the first container that had one before ended, or the process of now if it has ended.
    pub last_termination: Option<Termination>,
    /// When its kubelet first saw it. The API knows whole seconds.
    pub started_at: Option<SystemTime>,
    /// Its containers' names and, once there was a process, the runtime's ids without `containerd://`.
    pub containers: Vec<(String, Option<String>)>,
    /// `Guaranteed`, `Burstable` or `BestEffort`.
    pub qos_class: String,
}

impl Cluster {
    /// All pods of the namespace, in the order of their names.
    pub async fn pods(&self) -> Result<Vec<PodView>, Error> {
        let pods: Api<core::Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let list = self.bounded("list pods", pods.list(&ListParams::default())).await?;
        let mut views: Vec<_> = list.items.iter().map(PodView::of).collect();
        views.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(views)
    }
}

impl PodView {
    fn of(pod: &core::Pod) -> Self {
        let state = pod_state(pod);
        let (spec, status) = (pod.spec.clone().unwrap_or_default(), pod.status.clone().unwrap_or_default());
        let waiting = state.containers.iter().find_map(|c| match &c.state {
            ProcessState::Waiting(reason) => Some(reason.clone()),
            ProcessState::Running(_) | ProcessState::Terminated(_) => None,
        });
        let last = state.containers.iter().find_map(|c| match &c.state {
            ProcessState::Terminated(end) => Some(end.how.clone()),
            ProcessState::Waiting(_) | ProcessState::Running(_) => c.last.as_ref().map(|end| end.how.clone()),
        });
        let statuses = status.container_statuses.unwrap_or_default();
        let id = |name: &str| {
            let id = statuses.iter().find(|s| s.name == name)?.container_id.as_deref()?;
            Some(id.split_once("://").map_or(id, |(_, id)| id).to_owned())
        };
        Self {
            name: pod.metadata.name.clone().unwrap_or_default(),
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            component: state.component,
            node: state.node,
            ip: status.pod_ip.and_then(|ip| ip.parse().ok()),
            phase: status.phase.unwrap_or_default(),
            ready: state.ready,
            deleting: state.deleting,
            restarts: state.containers.iter().map(|c| c.restarts).sum(),
            waiting,
            last_termination: last,
            started_at: status.start_time.map(|time| time.0.into()),
            containers: spec.containers.into_iter().map(|c| (c.name.clone(), id(&c.name))).collect(),
            qos_class: status.qos_class.unwrap_or_default(),
        }
    }
}

/// The Deployment that a `ReplicaSet` is a revision of, by the name of the set and the [`TEMPLATE_HASH`] of its pods. A
/// `ReplicaSet` of a Deployment is called as that, a dash and the hash.
pub(crate) fn component_of_set<'a>(set: &'a str, hash: &str) -> Option<&'a str> {
    set.strip_suffix(hash)?.strip_suffix('-')
}

/// The Deployment that a pod was made for, if it was made for one.
fn component_of_pod(meta: &ObjectMeta) -> Option<&str> {
    let hash = meta.labels.as_ref()?.get(TEMPLATE_HASH)?;
    let owner = meta.owner_references.iter().flatten().find(|owner| owner.kind == "ReplicaSet")?;
    component_of_set(&owner.name, hash)
}

/// How a pod looks.
pub(crate) fn pod_state(pod: &core::Pod) -> PodState {
    let status = pod.status.as_ref();
    let is_ready = |c: &core::PodCondition| c.type_ == "Ready" && c.status == "True";
    PodState {
        component: component_of_pod(&pod.metadata).map(str::to_owned),
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        ready: status.and_then(|s| s.conditions.as_ref()).is_some_and(|conditions| conditions.iter().any(is_ready)),
        deleting: pod.metadata.deletion_timestamp.is_some(),
        containers: status
            .and_then(|s| s.container_statuses.as_ref())
            .map_or_else(Vec::new, |containers| containers.iter().filter_map(container_state).collect()),
    }
}

fn container_state(status: &core::ContainerStatus) -> Option<ContainerState> {
    let state = status.state.as_ref()?;
    let last = status.last_state.as_ref().and_then(|last| last.terminated.as_ref());
    let state = match (&state.running, &state.terminated, &state.waiting) {
        (Some(_), _, _) => ProcessState::Running(status.container_id.clone().unwrap_or_default()),
        (_, Some(end), _) => ProcessState::Terminated(ended(end)),
        (_, _, Some(waiting)) => ProcessState::Waiting(waiting.reason.clone().unwrap_or_default()),
        (None, None, None) => return None,
    };
    Some(ContainerState {
        name: status.name.clone(),
        state,
        last: last.map(ended),
        restarts: u32::try_from(status.restart_count).unwrap_or(0),
    })
}

fn ended(end: &core::ContainerStateTerminated) -> Ended {
    Ended {
        process: end.container_id.clone().unwrap_or_default(),
        how: Termination { reason: end.reason.clone().unwrap_or_default(), exit_code: end.exit_code },
    }
}

/// A count of the API, which leaves zeros out.
fn count(of: Option<i32>) -> u32 {
    of.and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

/// How a `ReplicaSet` looks.
pub(crate) fn replica_set_state(set: &ReplicaSet) -> ReplicaSetState {
    let status = set.status.as_ref();
    let current = count(status.map(|s| s.replicas));
    let owner = set.metadata.owner_references.iter().flatten().find(|owner| owner.kind == "Deployment");
    ReplicaSetState {
        component: owner.map(|owner| owner.name.clone()),
        counts: ReplicaCounts {
            wanted: count(set.spec.as_ref().and_then(|spec| spec.replicas)),
            current,
            updated: current,
            ready: count(status.and_then(|s| s.ready_replicas)),
            available: count(status.and_then(|s| s.available_replicas)),
        },
    }
}

/// How a Deployment looks.
pub(crate) fn deployment_state(deployment: &Deployment) -> DeploymentState {
    let status = deployment.status.clone().unwrap_or_default();
    let each = status.conditions.into_iter().flatten();
    let mut conditions: Vec<_> = each.map(|c| (c.type_, c.status, c.reason.unwrap_or_default())).collect();
    conditions.sort();
    DeploymentState {
        component: deployment.metadata.name.clone().unwrap_or_default(),
        counts: ReplicaCounts {
            wanted: count(deployment.spec.as_ref().and_then(|spec| spec.replicas)),
            current: count(status.replicas),
            updated: count(status.updated_replicas),
            ready: count(status.ready_replicas),
            available: count(status.available_replicas),
        },
        conditions,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pod as an API server 1.34.4 showed it.
    fn recorded(json: &str) -> PodView {
        PodView::of(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_pod_that_runs() {
        let pod = recorded(include_str!("fixtures/running.json"));
        assert_eq!((pod.name.as_str(), pod.component.as_deref()), ("user-67c784b76b-vq826", Some("user")));
        assert_eq!(pod.uid, "5253debb-947c-4803-8027-6208642cf64c");
        assert_eq!((pod.node.as_deref(), pod.ip), (Some("node-2"), Some([10, 244, 2, 8].into())));
        assert_eq!((pod.phase.as_str(), pod.qos_class.as_str()), ("Running", "Burstable"));
        assert_eq!((pod.deleting, pod.restarts, &pod.waiting, &pod.last_termination), (false, 0, &None, &None));
        let id = "5275bc4150c761d750a5ca8b5a0e72cc8df39bffee7eab65044d3c4cc22cdaea";
        assert_eq!(pod.containers, [("user".to_owned(), Some(id.to_owned()))]);
        let started = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_795_536_454);
        assert_eq!(pod.started_at, Some(started));
    }

    #[test]
    fn a_pod_that_crashes() {
        let pod = recorded(include_str!("fixtures/crash.json"));
        assert_eq!((pod.ready, pod.restarts, pod.waiting.as_deref()), (false, 3, Some("CrashLoopBackOff")));
        assert_eq!(pod.last_termination, Some(Termination { reason: "Error".to_owned(), exit_code: 1 }));
    }

    #[test]
    fn a_pod_without_an_image() {
        let pod = recorded(include_str!("fixtures/missing.json"));
        assert_eq!((pod.phase.as_str(), pod.waiting.as_deref()), ("Pending", Some("ImagePullBackOff")));
        assert_eq!((pod.qos_class.as_str(), &pod.last_termination), ("BestEffort", &None));
        assert_eq!(pod.containers, [("pause".to_owned(), None)]);
    }

    #[test]
    fn a_pod_of_nobody_has_no_component() {
        let mut pod: core::Pod = serde_json::from_str(include_str!("fixtures/running.json")).unwrap();
        pod.metadata.owner_references = None;
        assert_eq!(PodView::of(&pod).component, None);
    }
}
