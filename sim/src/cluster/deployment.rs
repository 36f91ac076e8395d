//! The Deployment controller (`pkg/controller/deployment`): turns a wanted template and size into
//! `ReplicaSet`s, one per revision, and moves their sizes.
//!
//! Terms. The *new* `ReplicaSet` is the one whose template is the Deployment's; all others are *old*.
//! One sync makes at most one kind of move; the change it makes brings the Deployment back into the
//! work queue.

mod revisions;
mod status;

pub(super) use revisions::change_between;

use std::cmp::Reverse;

use crate::ids::{DeploymentIx, ReplicaSetIx};
use crate::manifest::Strategy;

use super::recorder::{Severity, Source};
use super::runtime::Host;
use super::{Cluster, Work};

/// A Deployment's `ReplicaSet`s.
#[derive(Clone, Debug)]
struct Family {
    /// The one of the wanted template.
    new: Option<ReplicaSetIx>,
    /// The others, oldest first.
    old: Vec<ReplicaSetIx>,
}

impl Family {
    fn all(&self) -> impl Iterator<Item = ReplicaSetIx> + '_ {
        self.new.iter().chain(&self.old).copied()
    }
}

impl Cluster {
    /// `syncDeployment`.
    pub(super) fn sync_deployment(&mut self, ix: DeploymentIx, host: &mut dyn Host) {
        if !self.deployments.contains_key(&ix) {
            return;
        }
        let is_noted = self.note_pause(ix, host.now());
        // The status at the end of a sync is computed from the `ReplicaSet`s as they were read at its beginning.
        let wanted_before = self.total_size(&self.family(ix));
        let revision_before = self.deployments[&ix].revision;
        let conditions_before = self.deployments[&ix].conditions.clone();
        // Whatever the sync is about, a `ReplicaSet` of the wanted template gets the newest revision first
        // (`getAllReplicaSetsAndSyncRevision`).
        let mut family = self.family(ix);
        if family.new.is_some() {
            self.ensure_new_replica_set(ix, &mut family, host);
        }
        let (is_paused, is_scaling) = (self.deployments[&ix].spec.paused, self.is_scaling(ix));
        if is_paused || is_scaling {
            self.scale_family(ix, host);
        } else {
            match self.deployments[&ix].spec.strategy {
                Strategy::Recreate => self.roll_out_recreate(ix, host),
                Strategy::RollingUpdate { .. } => self.roll_out_rolling(ix, host),
            }
        }
        if is_paused || (!is_scaling && self.is_complete(ix)) {
            self.clean_up_history(ix);
        }
        if is_noted || self.deployments[&ix].revision != revision_before {
            // The condition or the new revision was written with the status of before, and what is written now conflicts
            // with that (`checkPausedConditions` and `getNewReplicaSet` drop what `UpdateStatus` returns): the sync fails
            // and is tried again.
            if let Some(deployment) = self.deployments.get_mut(&ix).filter(|_| is_noted) {
                (deployment.conditions, deployment.revision) = (conditions_before, revision_before);
            }
            self.touch(Work::Deployment(ix), host);
        } else if is_paused || is_scaling {
            self.update_deployment_status(ix, wanted_before, host);
        } else {
            self.update_rollout_status(ix, wanted_before, host);
        }
    }

    fn available(&self, set: ReplicaSetIx) -> u32 {
        self.replica_sets[&set].status.available
    }

    fn family(&self, ix: DeploymentIx) -> Family {
        let template = &self.deployments[&ix].spec.template;
        let sets = || self.replica_sets.iter().filter(|(_, set)| set.deployment == ix);
        // The oldest of equal ones, as `FindNewReplicaSet` sorts them.
        let new = sets().find(|(_, set)| *set.template == *template).map(|(ix, _)| *ix);
        let old = sets().map(|(ix, _)| *ix).filter(|ix| Some(*ix) != new).collect();
        Family { new, old }
    }

    fn size(&self, set: ReplicaSetIx) -> u32 {
        self.replica_sets[&set].replicas
    }

    fn total_size(&self, family: &Family) -> u32 {
        family.all().map(|set| self.size(set)).sum()
    }

    /// Whether an active `ReplicaSet` was last scaled for another size of the Deployment
    /// (`isScalingEvent`).
    fn is_scaling(&self, ix: DeploymentIx) -> bool {
        let wanted = self.deployments[&ix].spec.replicas;
        self.family(ix)
            .all()
            .map(|set| &self.replica_sets[&set])
            .any(|set| set.replicas > 0 && set.desired_replicas != wanted)
    }

    /// Follows a change of the Deployment's size without a rollout (`scale`).
    fn scale_family(&mut self, ix: DeploymentIx, host: &mut dyn Host) {
        let wanted = self.deployments[&ix].spec.replicas;
        let family = self.family(ix);
        if let Some(only) = self.active_or_latest(&family) {
            self.scale_replica_set(only, wanted, host);
        } else if self.is_saturated(&family, wanted) {
            for set in family.old {
                self.scale_replica_set(set, 0, host);
            }
        } else if matches!(self.deployments[&ix].spec.strategy, Strategy::RollingUpdate { .. }) {
            self.scale_proportionally(ix, &family, host);
        }
    }

    /// The only active `ReplicaSet`, or with none active the newest.
    fn active_or_latest(&self, family: &Family) -> Option<ReplicaSetIx> {
        let active: Vec<_> = family.all().filter(|set| self.size(*set) > 0).collect();
        match active.as_slice() {
            [] => family.new.or_else(|| family.old.last().copied()),
            [only] => Some(*only),
            _ => None,
        }
    }

    fn is_saturated(&self, family: &Family, wanted: u32) -> bool {
        family.new.is_some_and(|new| {
            let set = &self.replica_sets[&new];
            set.desired_replicas == wanted && set.replicas == wanted && self.available(new) == wanted
        })
    }

    /// In the middle of a rollout, spreads a change of size over the active `ReplicaSet`s in proportion
    /// to theirs, larger ones first.
    fn scale_proportionally(&mut self, ix: DeploymentIx, family: &Family, host: &mut dyn Host) {
        let deployment = &self.deployments[&ix];
        let wanted = deployment.spec.replicas;
        let allowed = if wanted > 0 { i64::from(deployment.max_replicas()) } else { 0 };
        let mut sets: Vec<_> = family.all().filter(|set| self.size(*set) > 0).collect();
        let to_add = allowed - sets.iter().map(|set| i64::from(self.size(*set))).sum::<i64>();
        // Ties: growth goes to the newer, shrinking to the older.
        sets.sort_by_key(|set| {
            let age = if to_add > 0 { u32::MAX - set.0 } else { set.0 };
            (Reverse(self.size(*set)), age)
        });
        let mut added = 0;
        let mut sizes: Vec<i64> = Vec::with_capacity(sets.len());
        for set in &sets {
            let size = i64::from(self.size(*set));
            let share = self.proportion(*set, allowed, to_add, added);
            sizes.push(size + share);
            added += share;
        }
        if let Some(first) = sizes.first_mut() {
            *first += to_add - added;
        }
        for (set, size) in sets.into_iter().zip(sizes) {
            self.scale_replica_set(set, size.max(0) as u32, host);
        }
    }

    /// What one `ReplicaSet` gets of `to_add` pods, of which `added` are given (`GetReplicaSetProportion`).
    fn proportion(&self, set: ReplicaSetIx, allowed: i64, to_add: i64, added: i64) -> i64 {
        let set = &self.replica_sets[&set];
        let (size, open) = (i64::from(set.replicas), to_add - added);
        if to_add == 0 || open == 0 {
            return 0;
        }
        // Rounded to the nearest, in integers.
        let before = i64::from(set.max_replicas).max(1);
        let share = (2 * size * allowed + before) / (2 * before) - size;
        if to_add > 0 { share.min(open) } else { share.max(open) }
    }

    /// `rolloutRolling`: first grow the new one, then shrink the old ones.
    fn roll_out_rolling(&mut self, ix: DeploymentIx, host: &mut dyn Host) {
        let mut family = self.family(ix);
        let new = self.ensure_new_replica_set(ix, &mut family, host);
        let wanted = self.deployments[&ix].spec.replicas;
        let size = self.wanted_new_size(ix, &family);
        if self.scale_replica_set(new, size, host) {
            return;
        }
        let unavailable = self.deployments[&ix].fenceposts().1;
        let min_available = wanted - unavailable;
        let new_unavailable = self.size(new).saturating_sub(self.available(new));
        let spare = self.total_size(&family).saturating_sub(min_available).saturating_sub(new_unavailable);
        self.clean_up_unhealthy(&family.old, spare, host);
        self.scale_down_old(&family, min_available, host);
    }

    /// The size to which the new `ReplicaSet` may grow now (`NewRSNewReplicas`).
    fn wanted_new_size(&self, ix: DeploymentIx, family: &Family) -> u32 {
        let deployment = &self.deployments[&ix];
        let wanted = deployment.spec.replicas;
        let size = family.new.map_or(0, |new| self.size(new));
        if deployment.spec.strategy == Strategy::Recreate || size > wanted {
            return wanted;
        }
        let room = (wanted + deployment.fenceposts().0).saturating_sub(self.total_size(family));
        size + room.min(wanted - size)
    }

    /// Takes pods that are not available from the old ones first: they serve nobody
    /// (`cleanupUnhealthyReplicas`).
    fn clean_up_unhealthy(&mut self, old: &[ReplicaSetIx], spare: u32, host: &mut dyn Host) {
        let mut left = spare;
        for &set in old {
            let size = self.size(set);
            let unhealthy = size.saturating_sub(self.available(set)).min(left);
            if unhealthy > 0 {
                left -= unhealthy;
                self.scale_replica_set(set, size - unhealthy, host);
            }
        }
    }

    /// Shrinks the old ones as far as availability allows (`scaleDownOldReplicaSetsForRollingUpdate`).
    fn scale_down_old(&mut self, family: &Family, min_available: u32, host: &mut dyn Host) {
        let available: u32 = family.all().map(|set| self.available(set)).sum();
        let new_unavailable = family.new.map_or(0, |new| self.size(new).saturating_sub(self.available(new)));
        let spare = self.total_size(family).saturating_sub(min_available).saturating_sub(new_unavailable);
        let mut left = available.saturating_sub(min_available).min(spare);
        for &set in &family.old {
            let size = self.size(set);
            let down = size.min(left);
            if down > 0 {
                left -= down;
                self.scale_replica_set(set, size - down, host);
            }
        }
    }

    /// `rolloutRecreate`: the new one grows when all old pods are gone, terminating ones included.
    fn roll_out_recreate(&mut self, ix: DeploymentIx, host: &mut dyn Host) {
        let mut family = self.family(ix);
        let mut scaled = false;
        for &set in &family.old {
            scaled |= self.scale_replica_set(set, 0, host);
        }
        if scaled || family.old.iter().any(|set| self.has_unfinished(*set)) {
            return;
        }
        let new = self.ensure_new_replica_set(ix, &mut family, host);
        self.scale_replica_set(new, self.deployments[&ix].spec.replicas, host);
    }

    /// Whether pods of a `ReplicaSet` are left that have not ended for good (`oldPodsRunning`). Those that are deleted count
    /// until they are gone: nothing lets the controller look before (`deletePod` does when the last one goes).
    fn has_unfinished(&self, set: ReplicaSetIx) -> bool {
        let mut pods = self.replica_sets[&set].pods.iter().map(|pod| &self.pods[pod]);
        pods.any(|pod| pod.deleted.is_some() || !pod.is_over())
    }

    /// Sets the size of a `ReplicaSet` and says so. Returns whether it changed.
    fn scale_replica_set(&mut self, ix: ReplicaSetIx, size: u32, host: &mut dyn Host) -> bool {
        let Some(set) = self.replica_sets.get_mut(&ix) else {
            return false;
        };
        let deployment = &self.deployments[&set.deployment];
        let owner = set.deployment;
        let annotated = std::mem::replace(&mut set.desired_replicas, deployment.spec.replicas);
        set.max_replicas = deployment.max_replicas();
        let before = std::mem::replace(&mut set.replicas, size);
        if before == size {
            if annotated != deployment.spec.replicas {
                self.touch(Work::Deployment(owner), host);
            }
            return false;
        }
        set.generation += 1;
        self.request(Work::Deployment(owner), host);
        let Some(set) = self.replica_sets.get(&ix) else {
            return false;
        };
        let deployment = &self.deployments[&owner];
        let direction = if size > before { "up" } else { "down" };
        let message = format!("Scaled {direction} replica set {} from {before} to {size}", set.name);
        let about = deployment.subject();
        self.record(host, Source::DeploymentController, &about, Severity::Normal, "ScalingReplicaSet", message);
        self.touch(Work::ReplicaSet(ix), host);
        self.touch(Work::Deployment(owner), host);
        true
    }
}
