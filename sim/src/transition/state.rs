//! How an object looks at one moment, and what lies between two looks.

use crate::environment::Component;

use super::{Change, ReplicaCounts, Termination};

/// An object that is looked at again and again.
pub(super) trait Observed {
    /// As in [`super::ObjectRef`].
    const KIND: &'static str;

    fn component(&self) -> Option<&Component>;

    /// What happened since it looked like `before`; none if it was not there.
    fn changes_since(&self, before: Option<&Self>) -> Vec<Change>;
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodState {
    /// The Deployment that it was made for, if it was made for one.
    pub component: Option<Component>,
    /// Where it was bound to.
    pub node: Option<String>,
    /// Whether it is Ready.
    pub ready: bool,
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// The containers that its kubelet has said something about.
    pub containers: Vec<ContainerState>,
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerState {
    /// Its name.
    pub name: String,
    /// What its process does.
    pub state: ProcessState,
    /// How the process before ended.
    pub last: Option<Ended>,
    /// Processes before this one.
    pub restarts: u32,
}

/// `status.containerStatuses[].state`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// There is none, for this reason.
    Waiting(String),
    /// The process of this name runs.
    Running(String),
    /// It has ended.
    Terminated(Ended),
}

/// A process that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its name, which no other process of the container has.
    pub process: String,
    /// How.
    pub how: Termination,
}

/// A `ReplicaSet`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaSetState {
    /// The Deployment that it is a revision of.
    pub component: Option<Component>,
    /// Its pods.
    pub counts: ReplicaCounts,
}

/// A Deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeploymentState {
    /// Its name.
    pub component: Component,
    /// Its pods.
    pub counts: ReplicaCounts,
    /// Its conditions: type, status, reason; in the order of their types.
    pub conditions: Vec<(String, String, String)>,
}

impl Observed for PodState {
    const KIND: &'static str = "pod";

    fn component(&self) -> Option<&Component> {
        self.component.as_ref()
    }

    fn changes_since(&self, before: Option<&Self>) -> Vec<Change> {
        let mut changes = Vec::new();
        if before.is_none() {
            changes.push(Change::Created);
        }
        if let Some(node) = &self.node
            && before.is_none_or(|b| b.node.is_none())
        {
            changes.push(Change::Scheduled { node: node.clone() });
        }
        for container in &self.containers {
            let same = |c: &&ContainerState| c.name == container.name;
            container.changes_since(before.and_then(|b| b.containers.iter().find(same)), &mut changes);
        }
        match (before.is_some_and(|b| b.ready), self.ready) {
            (false, true) => changes.push(Change::Ready),
            (true, false) => changes.push(Change::NotReady),
            _ => {}
        }
        if self.deleting && !before.is_some_and(|b| b.deleting) {
            changes.push(Change::Deleting);
        }
        changes
    }
}

impl ContainerState {
    fn changes_since(&self, before: Option<&Self>, changes: &mut Vec<Change>) {
        let container = || self.name.clone();
        let is_known = |process: &str| before.is_some_and(|b| b.ends().any(|end| end.process == process));
        for end in self.ends().filter(|end| !is_known(&end.process)) {
            changes.push(Change::Terminated { container: container(), how: end.how.clone() });
        }
        if self.restarts > before.map_or(0, |b| b.restarts) {
            changes.push(Change::Restarted { container: container(), restarts: self.restarts });
        }
        match &self.state {
            state if before.is_some_and(|b| b.state == *state) => {}
            ProcessState::Waiting(reason) => {
                changes.push(Change::Waiting { container: container(), reason: reason.clone() });
            }
            ProcessState::Running(_) => changes.push(Change::Started { container: container() }),
            ProcessState::Terminated(_) => {}
        }
    }

    /// The processes whose ends it shows, oldest first.
    fn ends(&self) -> impl Iterator<Item = &Ended> {
        let newest = match &self.state {
            ProcessState::Terminated(end) => Some(end),
            ProcessState::Waiting(_) | ProcessState::Running(_) => None,
        };
        self.last.iter().chain(newest)
    }
}

impl Observed for ReplicaSetState {
    const KIND: &'static str = "replicaset";

    fn component(&self) -> Option<&Component> {
        self.component.as_ref()
    }

    fn changes_since(&self, before: Option<&Self>) -> Vec<Change> {
        counted(before.map(|b| b.counts), self.counts)
    }
}

impl Observed for DeploymentState {
    const KIND: &'static str = "deployment";

    fn component(&self) -> Option<&Component> {
        Some(&self.component)
    }

    fn changes_since(&self, before: Option<&Self>) -> Vec<Change> {
        let mut changes = counted(before.map(|b| b.counts), self.counts);
        let known = before.map_or(&[][..], |b| &b.conditions);
        let new = self.conditions.iter().filter(|condition| !known.contains(condition));
        changes.extend(new.cloned().map(|(kind, status, reason)| Change::Condition { kind, status, reason }));
        changes
    }
}

fn counted(before: Option<ReplicaCounts>, now: ReplicaCounts) -> Vec<Change> {
    match before {
        Some(before) if before == now => Vec::new(),
        Some(_) => vec![Change::Replicas(now)],
        None => vec![Change::Created, Change::Replicas(now)],
    }
}
