//! Keeps how objects looked last, and what happened to them.

use std::collections::BTreeMap;

use crate::environment::Component;
use crate::time::SimDuration;

use super::state::Observed;
use super::{Change, DeploymentState, ObjectRef, PodState, ReplicaCounts, ReplicaSetState, Transition};

/// Makes transitions of looks at a cluster. Looks come in the order of time.
#[derive(Clone, Debug, Default)]
pub struct Observer {
    pods: BTreeMap<String, PodState>,
    replica_sets: BTreeMap<String, ReplicaSetState>,
    deployments: BTreeMap<String, DeploymentState>,
    journal: Journal,
}

/// What happened so far.
#[derive(Clone, Debug, Default)]
struct Journal {
    transitions: Vec<Transition>,
    /// Of every object that was ever seen.
    components: BTreeMap<ObjectRef, Component>,
}

impl Observer {
    /// How a pod looks now; none if it is gone.
    pub fn pod(&mut self, at: SimDuration, name: &str, now: Option<PodState>) {
        self.journal.look(&mut self.pods, at, name, now);
    }

    /// How a `ReplicaSet` looks now; none if it is gone.
    pub fn replica_set(&mut self, at: SimDuration, name: &str, now: Option<ReplicaSetState>) {
        self.journal.look(&mut self.replica_sets, at, name, now);
    }

    /// How a Deployment looks now; none if it is gone.
    pub fn deployment(&mut self, at: SimDuration, name: &str, now: Option<DeploymentState>) {
        self.journal.look(&mut self.deployments, at, name, now);
    }

    /// All pods that there are now.
    pub fn all_pods(&mut self, at: SimDuration, now: BTreeMap<String, PodState>) {
        self.journal.look_at_all(&mut self.pods, at, now);
    }

    /// All `ReplicaSet`s that there are now.
    pub fn all_replica_sets(&mut self, at: SimDuration, now: BTreeMap<String, ReplicaSetState>) {
        self.journal.look_at_all(&mut self.replica_sets, at, now);
    }

    /// All Deployments that there are now.
    pub fn all_deployments(&mut self, at: SimDuration, now: BTreeMap<String, DeploymentState>) {
        self.journal.look_at_all(&mut self.deployments, at, now);
    }

    /// A Kubernetes Event was recorded.
    pub fn event(&mut self, at: SimDuration, object: ObjectRef, severity: String, reason: String, message: String) {
        let what = Change::Event { severity, reason, message };
        self.journal.transitions.push(Transition { at, object, component: None, what });
    }

    /// The pods of each Deployment, as it was looked at last.
    pub fn replicas(&self) -> BTreeMap<Component, ReplicaCounts> {
        self.deployments.iter().map(|(name, state)| (name.clone(), state.counts)).collect()
    }

    /// Forgets what happened so far, but not how objects look: the recording begins now.
    pub fn begin(&mut self) {
        self.journal.transitions.clear();
    }

    /// What happened since the last call, in order. A component that was not known when its object was first heard of is
    /// not filled in, as [`Self::finish`] does it.
    pub fn drain(&mut self) -> Vec<Transition> {
        std::mem::take(&mut self.journal.transitions)
    }

    /// Everything that happened, in order.
    pub fn finish(self) -> Vec<Transition> {
        let Journal { mut transitions, components } = self.journal;
        // An event may have come before the first look at its object, so all is known only now.
        for transition in &mut transitions {
            if transition.component.is_none() {
                transition.component = components.get(&transition.object).cloned();
            }
        }
        transitions
    }
}

impl Journal {
    fn look<T: Observed>(&mut self, known: &mut BTreeMap<String, T>, at: SimDuration, name: &str, now: Option<T>) {
        let object = ObjectRef { kind: T::KIND.to_owned(), name: name.to_owned() };
        let Some(now) = now else {
            if let Some(gone) = known.remove(name) {
                self.push(at, &object, gone.component(), Change::Deleted);
            }
            return;
        };
        if let Some(component) = now.component() {
            self.components.insert(object.clone(), component.clone());
        }
        for change in now.changes_since(known.get(name)) {
            self.push(at, &object, now.component(), change);
        }
        known.insert(name.to_owned(), now);
    }

    fn look_at_all<T: Observed>(&mut self, known: &mut BTreeMap<String, T>, at: SimDuration, now: BTreeMap<String, T>) {
        let gone: Vec<_> = known.keys().filter(|name| !now.contains_key(*name)).cloned().collect();
        for name in gone {
            self.look(known, at, &name, None);
        }
        for (name, state) in now {
            self.look(known, at, &name, Some(state));
        }
    }

    fn push(&mut self, at: SimDuration, object: &ObjectRef, component: Option<&Component>, what: Change) {
        self.transitions.push(Transition { at, object: object.clone(), component: component.cloned(), what });
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ContainerState, Ended, ProcessState, Termination};
    use super::*;

    fn ended(process: &str) -> Ended {
        Ended { process: process.to_owned(), how: Termination { reason: "Error".to_owned(), exit_code: 1 } }
    }

    /// A pod whose one container looks like this.
    fn pod(state: ProcessState, last: Option<Ended>, restarts: u32) -> PodState {
        let container = ContainerState { name: "main".to_owned(), state, last, restarts };
        PodState { component: Some("carts".to_owned()), containers: vec![container], ..PodState::default() }
    }

    /// What is said of a pod that looks like this, one look after the other.
    fn check(looks: &[PodState], said: &[&[&str]]) {
        let mut observer = Observer::default();
        let mut known = 0;
        for (second, (look, said)) in looks.iter().zip(said).enumerate() {
            observer.pod(SimDuration::from_secs(second as u64), "carts-1", Some(look.clone()));
            let new = observer.clone().finish().split_off(known);
            known += new.len();
            let texts: Vec<_> = new.iter().map(|t| text(&t.what)).collect();
            assert_eq!(texts, *said, "look {second}");
            assert!(new.iter().all(|t| t.component.as_deref() == Some("carts")));
        }
    }

    fn text(change: &Change) -> String {
        match change {
            Change::Waiting { reason, .. } => format!("waiting {reason}"),
            Change::Terminated { how, .. } => format!("terminated {} {}", how.reason, how.exit_code),
            Change::Restarted { restarts, .. } => format!("restarted {restarts}"),
            Change::Started { .. } => "started".to_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn each_end_of_a_process_is_said_once() {
        let waiting = |reason: &str| ProcessState::Waiting(reason.to_owned());
        let running = |process: &str| ProcessState::Running(process.to_owned());
        check(
            &[
                pod(waiting("ContainerCreating"), None, 0),
                pod(running("a"), None, 0),
                pod(ProcessState::Terminated(ended("a")), None, 0),
                pod(running("b"), Some(ended("a")), 1),
                pod(waiting("CrashLoopBackOff"), Some(ended("b")), 1),
                pod(running("c"), Some(ended("b")), 2),
                // Two steps in one look.
                pod(running("d"), Some(ended("c")), 3),
            ],
            &[
                &["Created", "waiting ContainerCreating"],
                &["started"],
                &["terminated Error 1"],
                &["restarted 1", "started"],
                &["terminated Error 1", "waiting CrashLoopBackOff"],
                &["restarted 2", "started"],
                &["terminated Error 1", "restarted 3", "started"],
            ],
        );
    }

    #[test]
    fn an_event_gets_the_component_of_its_object_even_if_it_came_first() {
        let mut observer = Observer::default();
        let object = ObjectRef { kind: "pod".to_owned(), name: "carts-1".to_owned() };
        let [severity, reason, message] = ["Normal", "Scheduled", ""].map(str::to_owned);
        observer.event(SimDuration::ZERO, object, severity, reason, message);
        observer.all_pods(
            SimDuration::ZERO,
            [("carts-1".to_owned(), pod(ProcessState::Running("a".into()), None, 0))].into(),
        );
        observer.all_pods(SimDuration::SECOND, BTreeMap::new());
        let said = observer.finish();
        assert!(said.iter().all(|t| t.component.as_deref() == Some("carts")), "{said:?}");
        assert_eq!(said.last().map(|t| (t.at, &t.what)), Some((SimDuration::SECOND, &Change::Deleted)));
    }
}
