//! A Deployment's status and conditions (`pkg/controller/deployment/progress.go`, `sync.go`).

use crate::ids::DeploymentIx;
use crate::time::{SimDuration, SimTime};

use super::super::objects::{Condition, DeploymentStatus, set_condition, status};
use super::super::runtime::Host;
use super::super::{Cluster, Event, Work};

/// A rollout that does not move is looked at so long after its deadline.
const STUCK_CHECK: SimDuration = SimDuration::SECOND;

impl Cluster {
    /// Sums up the statuses of the `ReplicaSet`s, of which `wanted` pods are wanted, and writes the condition
    /// `Available` (`calculateStatus`).
    pub(super) fn update_deployment_status(&mut self, ix: DeploymentIx, wanted: u32, host: &dyn Host) {
        let now = host.now();
        let mut status_now = self.sum_up(ix);
        status_now.unavailable = wanted.saturating_sub(status_now.available);
        let Some(deployment) = self.deployments.get_mut(&ix) else {
            return;
        };
        status_now.observed = deployment.generation;
        let is_news = std::mem::replace(&mut deployment.status, status_now) != status_now;
        let minimum = deployment.spec.replicas - deployment.fenceposts().1;
        let is_available = status_now.available >= minimum;
        let (reason, message) = if is_available {
            ("MinimumReplicasAvailable", "Deployment has minimum availability.")
        } else {
            ("MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        };
        let (status, message) = (status(is_available), message.to_owned());
        let condition = Condition { kind: "Available", status, reason, message, updated: now };
        set_condition(&mut deployment.conditions, condition);
        if is_news {
            self.request(Work::Deployment(ix), host);
        }
    }

    /// The same during a rollout, with the condition `Progressing` (`syncRolloutStatus`).
    pub(super) fn update_rollout_status(&mut self, ix: DeploymentIx, wanted: u32, host: &mut dyn Host) {
        let now = host.now();
        let before = self.deployments[&ix].status;
        self.update_deployment_status(ix, wanted, host);
        self.copy_failure(ix, now);
        let is_complete = self.is_complete(ix);
        let family = self.family(ix);
        let deployment = &self.deployments[&ix];
        let after = deployment.status;
        let current = deployment.conditions.iter().find(|c| c.kind == "Progressing");
        let was_complete = current.is_some_and(|c| c.reason == "NewReplicaSetAvailable");
        if after.replicas == after.updated && was_complete {
            return;
        }
        let who = match family.new {
            Some(new) => format!("ReplicaSet \"{}\"", self.replica_sets[&new].name),
            None => format!("Deployment \"{}\"", deployment.name()),
        };
        let old_pods = |s: DeploymentStatus| s.replicas.saturating_sub(s.updated);
        let moves = after.updated > before.updated
            || old_pods(after) < old_pods(before)
            || after.ready > before.ready
            || after.available > before.available;
        let deadline = deployment.spec.progress_deadline;
        let is_late = current
            .is_some_and(|c| c.reason == "ProgressDeadlineExceeded" || (!was_complete && c.updated + deadline < now));
        let (reason, does) = if is_complete {
            ("NewReplicaSetAvailable", "has successfully progressed.")
        } else if moves {
            ("ReplicaSetUpdated", "is progressing.")
        } else if is_late {
            ("ProgressDeadlineExceeded", "has timed out progressing.")
        } else {
            self.watch_progress(ix, host);
            return;
        };
        let status = status(reason != "ProgressDeadlineExceeded");
        let condition =
            Condition { kind: "Progressing", status, reason, message: format!("{who} {does}"), updated: now };
        if let Some(deployment) = self.deployments.get_mut(&ix) {
            set_condition(&mut deployment.conditions, condition);
        }
        self.watch_progress(ix, host);
    }

    /// The condition `ReplicaFailure` of the newest of its `ReplicaSet`s that has one (`getReplicaFailures`).
    fn copy_failure(&mut self, ix: DeploymentIx, now: SimTime) {
        const KIND: &str = "ReplicaFailure";
        let sets = self.family(ix);
        let failures = sets.all().filter_map(|set| {
            let set = &self.replica_sets[&set];
            set.failure.as_ref().filter(|_| set.status.fails)
        });
        let message = failures.map(|failure| failure.message.clone()).next();
        let Some(deployment) = self.deployments.get_mut(&ix) else {
            return;
        };
        match message {
            Some(message) => {
                let condition = Condition { kind: KIND, status: "True", reason: "FailedCreate", message, updated: now };
                set_condition(&mut deployment.conditions, condition);
            }
            None => deployment.conditions.retain(|condition| condition.kind != KIND),
        }
    }

    /// Comes back when the deadline has passed without progress (`requeueStuckDeployment`).
    fn watch_progress(&self, ix: DeploymentIx, host: &mut dyn Host) {
        let deployment = &self.deployments[&ix];
        let Some(condition) = deployment.conditions.iter().find(|c| c.kind == "Progressing") else {
            return;
        };
        if self.is_complete(ix) || matches!(condition.reason, "ProgressDeadlineExceeded" | "NewReplicaSetAvailable") {
            return;
        }
        let at = condition.updated + deployment.spec.progress_deadline + STUCK_CHECK;
        if at > host.now() {
            host.schedule(at, Event::Sync(Work::Deployment(ix)));
        }
    }

    /// Says when a rollout is paused or resumed (`checkPausedConditions`). Returns whether there was something to say.
    pub(super) fn note_pause(&mut self, ix: DeploymentIx, now: SimTime) -> bool {
        let Some(deployment) = self.deployments.get_mut(&ix) else {
            return false;
        };
        let current = deployment.conditions.iter().find(|c| c.kind == "Progressing").map(|c| c.reason);
        let (reason, message) = match (deployment.spec.paused, current) {
            (_, Some("ProgressDeadlineExceeded")) | (true, Some("DeploymentPaused")) => return false,
            (true, _) => ("DeploymentPaused", "Deployment is paused"),
            (false, Some("DeploymentPaused")) => ("DeploymentResumed", "Deployment is resumed"),
            (false, _) => return false,
        };
        let message = message.to_owned();
        let condition = Condition { kind: "Progressing", status: "Unknown", reason, message, updated: now };
        set_condition(&mut deployment.conditions, condition);
        true
    }

    pub(super) fn is_complete(&self, ix: DeploymentIx) -> bool {
        let deployment = &self.deployments[&ix];
        deployment.is_complete(deployment.status)
    }

    fn sum_up(&self, ix: DeploymentIx) -> DeploymentStatus {
        let family = self.family(ix);
        let mut status = DeploymentStatus::default();
        for set in family.all() {
            let own = self.replica_sets[&set].status;
            status.replicas += own.replicas;
            status.ready += own.ready;
            status.available += own.available;
            if family.new == Some(set) {
                status.updated = own.replicas;
            }
        }
        status
    }
}
