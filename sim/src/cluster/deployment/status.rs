//! A Deployment's status and conditions (`pkg/controller/deployment/progress.go`, `sync.go`).

use crate::time::SimDuration;

use super::super::objects::{Condition, Deployment, DeploymentStatus, set_condition, status};
use super::{Conflict, DeploymentSync, Member};

/// A rollout that does not move is looked at so long after its deadline.
const STUCK_CHECK: SimDuration = SimDuration::SECOND;

/// Sums up the statuses of the `ReplicaSet`s (`calculateStatus`).
pub(super) fn count(deployment: &Deployment, sets: &[Member], new: Option<usize>) -> DeploymentStatus {
    let mut counted = DeploymentStatus { observed: deployment.generation, ..DeploymentStatus::default() };
    let mut wanted = 0;
    for (at, Member { size, status, .. }) in sets.iter().enumerate() {
        wanted += size.replicas;
        counted.replicas += status.replicas;
        counted.ready += status.ready;
        counted.available += status.available;
        if new == Some(at) {
            counted.updated = status.replicas;
        }
    }
    counted.unavailable = wanted.saturating_sub(counted.available);
    counted
}

/// Writes a condition, unless there is one that says the same (`SetDeploymentCondition`).
fn set_if_new(conditions: &mut Vec<Condition>, condition: Condition) {
    let says = |c: &Condition| (c.kind, c.status, c.reason);
    if conditions.iter().all(|old| says(old) != says(&condition)) {
        set_condition(conditions, condition);
    }
}

impl DeploymentSync<'_> {
    /// Its condition `Progressing`.
    pub(super) fn progressing(&self) -> Option<&Condition> {
        self.report.conditions.iter().find(|condition| condition.kind == "Progressing")
    }

    pub(super) fn set_progressing(&mut self, status: &'static str, reason: &'static str, message: String) {
        let condition = Condition { kind: "Progressing", status, reason, message, updated: self.now };
        set_condition(&mut self.report.conditions, condition);
    }

    /// Says when a rollout is paused or resumed (`checkPausedConditions`).
    pub(super) fn note_pause(&mut self) -> Result<(), Conflict> {
        let current = self.progressing().map(|condition| condition.reason);
        let (reason, message) = match (self.deployment.spec.paused, current) {
            (_, Some("ProgressDeadlineExceeded")) | (true, Some("DeploymentPaused")) => return Ok(()),
            (true, _) => ("DeploymentPaused", "Deployment is paused"),
            (false, Some("DeploymentPaused")) => ("DeploymentResumed", "Deployment is resumed"),
            (false, _) => return Ok(()),
        };
        self.set_progressing("Unknown", reason, message.to_owned());
        self.write()
    }

    /// Writes what was counted, with the condition `Available`, if it is news (`syncDeploymentStatus`).
    pub(super) fn write_status(&mut self) -> Result<(), Conflict> {
        let conditions = self.counted_conditions();
        if self.is_news(&conditions) { self.write_counted(conditions) } else { Ok(()) }
    }

    /// The same during a rollout, with the condition `Progressing` (`syncRolloutStatus`).
    pub(super) fn write_rollout_status(&mut self) -> Result<(), Conflict> {
        let mut conditions = self.counted_conditions();
        self.estimate_progress(&mut conditions);
        self.copy_failure(&mut conditions);
        if self.is_news(&conditions) {
            return self.write_counted(conditions);
        }
        self.watch_progress();
        Ok(())
    }

    fn is_news(&self, conditions: &[Condition]) -> bool {
        self.report.status != self.counted || self.report.conditions != conditions
    }

    fn write_counted(&mut self, conditions: Vec<Condition>) -> Result<(), Conflict> {
        (self.report.status, self.report.conditions) = (self.counted, conditions);
        self.write()
    }

    fn counted_conditions(&self) -> Vec<Condition> {
        let mut conditions = self.report.conditions.clone();
        let minimum = self.deployment.spec.replicas - self.deployment.fenceposts().1;
        let is_available = self.counted.available >= minimum;
        let (reason, message) = if is_available {
            ("MinimumReplicasAvailable", "Deployment has minimum availability.")
        } else {
            ("MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        };
        let (status, message) = (status(is_available), message.to_owned());
        set_if_new(&mut conditions, Condition { kind: "Available", status, reason, message, updated: self.now });
        conditions
    }

    fn estimate_progress(&self, conditions: &mut Vec<Condition>) {
        let (before, after) = (self.report.status, self.counted);
        let current = self.progressing();
        let was_complete = current.is_some_and(|c| c.reason == "NewReplicaSetAvailable");
        if after.replicas == after.updated && was_complete {
            return;
        }
        let old_pods = |s: DeploymentStatus| s.replicas.saturating_sub(s.updated);
        let moves = after.updated > before.updated
            || old_pods(after) < old_pods(before)
            || after.ready > before.ready
            || after.available > before.available;
        let deadline = self.deployment.spec.progress_deadline;
        let is_late = current.is_some_and(|c| {
            c.reason == "ProgressDeadlineExceeded" || (!was_complete && c.updated + deadline < self.now)
        });
        let (reason, does) = if self.deployment.is_complete(after) {
            ("NewReplicaSetAvailable", "has successfully progressed.")
        } else if moves {
            ("ReplicaSetUpdated", "is progressing.")
        } else if is_late {
            ("ProgressDeadlineExceeded", "has timed out progressing.")
        } else {
            return;
        };
        let who = match self.new {
            Some(_) => format!("ReplicaSet \"{}\"", self.new_name()),
            None => format!("Deployment \"{}\"", self.deployment.name()),
        };
        let (status, message) = (status(reason != "ProgressDeadlineExceeded"), format!("{who} {does}"));
        let condition = Condition { kind: "Progressing", status, reason, message, updated: self.now };
        if reason == "ReplicaSetUpdated" {
            // The deadline counts from the last move.
            set_condition(conditions, condition);
        } else {
            set_if_new(conditions, condition);
        }
    }

    /// The condition `ReplicaFailure` of a `ReplicaSet`.
    fn copy_failure(&self, conditions: &mut Vec<Condition>) {
        const KIND: &str = "ReplicaFailure";
        match self.failure.clone() {
            Some(message) => {
                let (status, reason) = ("True", "FailedCreate");
                set_if_new(conditions, Condition { kind: KIND, status, reason, message, updated: self.now });
            }
            None => conditions.retain(|condition| condition.kind != KIND),
        }
    }

    /// Comes back when the deadline has passed without progress (`requeueStuckDeployment`).
    fn watch_progress(&mut self) {
        let Some(condition) = self.progressing() else {
            return;
        };
        let is_over = matches!(condition.reason, "ProgressDeadlineExceeded" | "NewReplicaSetAvailable");
        let at = condition.updated + self.deployment.spec.progress_deadline + STUCK_CHECK;
        if !is_over && !self.deployment.is_complete(self.counted) && at > self.now {
            self.look_again = Some(at);
        }
    }
}
