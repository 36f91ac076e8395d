//! Keeps how objects looked last, and what happened to them.

use std::collections::BTreeMap;

use crate::environment::Component;
use crate::time::SimDuration;

use super::state::Observed;
use super::{Change, DeploymentState, ObjectRef, PodState, ReplicaSetState, Transition};

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

    /// Forgets what happened so far, but not how objects look: the recording begins now.
    pub fn begin(&mut self) {
        self.journal.transitions.clear();
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
