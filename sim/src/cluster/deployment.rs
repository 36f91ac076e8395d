//! The Deployment controller (`pkg/controller/deployment`): turns a wanted template and size into
//! `ReplicaSet`s, one per revision, and moves their sizes.
//!
//! Terms. The *new* `ReplicaSet` is the one whose template is the Deployment's; all others are *old*.
//! One sync makes at most one kind of move; the change it makes brings the Deployment back into the
//! work queue.
//!
//! Invariants:
//! - A sync changes nothing itself. It decides on what it has read at its beginning, and asks for writes.
//! - The status that it writes counts what it has read, too: not what it has asked for since.
//! - Once its first write of the Deployment is made, what it has read of that is old: a second one is refused, and with that
//!   the sync ends. What the first one has changed brings the Deployment back.

mod revisions;
mod status;

pub(super) use revisions::change_between;

use std::cmp::Reverse;
use std::collections::VecDeque;

use crate::ids::{DeploymentIx, ReplicaSetIx};
use crate::manifest::Strategy;
use crate::time::SimTime;

use super::objects::{Deployment, DeploymentReport, DeploymentStatus, ReplicaSet, ReplicaSetStatus};
use super::recorder::{Severity, Source};
use super::runtime::Host;
use super::work::{Batches, Request, Size};
use super::{Cluster, Event, Work};

/// A write of something that has changed since it was read.
#[derive(Clone, Copy, Debug)]
struct Conflict;

/// A `ReplicaSet` as a sync has read it, with the size and the revision that the sync has asked for since.
#[derive(Clone, Copy, Debug)]
struct Member {
    set: ReplicaSetIx,
    size: Size,
    revision: u64,
    status: ReplicaSetStatus,
    has_pods: bool,
}

impl Member {
    fn of(ix: ReplicaSetIx, set: &ReplicaSet) -> Self {
        Self {
            set: ix,
            size: Size { replicas: set.replicas, desired: set.desired_replicas, max: set.max_replicas },
            revision: set.revision,
            status: set.status,
            has_pods: !set.pods.is_empty(),
        }
    }
}

/// One sync of a Deployment.
#[derive(Debug)]
struct DeploymentSync<'a> {
    now: SimTime,
    ix: DeploymentIx,
    deployment: &'a Deployment,
    /// Its `ReplicaSet`s, oldest first.
    sets: Vec<Member>,
    /// Which of them is of the wanted template.
    new: Option<usize>,
    /// What the next `ReplicaSet` to be created will be.
    next: ReplicaSetIx,
    /// What the `ReplicaSet`s say of their pods.
    counted: DeploymentStatus,
    /// Why one of them could not create pods: the new one if it could not (`getReplicaFailures`).
    failure: Option<String>,
    /// Whether pods of old ones have not ended for good.
    has_old_pods: bool,
    /// What is written of the Deployment, with what the sync has changed.
    report: DeploymentReport,
    /// Whether it can still be written.
    is_fresh: bool,
    requests: Batches,
    /// When it wants to look at the Deployment in any case.
    look_again: Option<SimTime>,
}

impl Cluster {
    /// `syncDeployment`: what it asks for.
    pub(super) fn sync_deployment(&mut self, ix: DeploymentIx, host: &mut dyn Host) -> Batches {
        let Some(deployment) = self.deployments.get(&ix) else {
            return Batches::new();
        };
        let mut sync = self.read_deployment(ix, deployment, host.now());
        // A sync that fails has asked for what it could.
        sync.decide().ok();
        let DeploymentSync { next, requests, look_again, .. } = sync;
        self.created.replica_sets = next.0;
        if let Some(at) = look_again {
            host.schedule(at, Event::Sync(Work::Deployment(ix)));
        }
        requests
    }

    fn read_deployment<'a>(&self, ix: DeploymentIx, deployment: &'a Deployment, now: SimTime) -> DeploymentSync<'a> {
        let family: Vec<_> = self.replica_sets.iter().filter(|(_, set)| set.deployment == ix).collect();
        // The oldest of equal ones, as `FindNewReplicaSet` sorts them.
        let new = family.iter().position(|(_, set)| *set.template == deployment.spec.template);
        let new_first = new.iter().copied().chain((0..family.len()).filter(|at| Some(*at) != new));
        let failures = new_first.filter_map(|at| {
            let set = family[at].1;
            set.failure.as_ref().filter(|_| set.status.fails)
        });
        let failure = failures.map(|failure| failure.message.clone()).next();
        let old = family.iter().enumerate().filter(|(at, _)| Some(*at) != new);
        let has_old_pods = old.map(|(_, (_, set))| *set).any(|set| self.has_unfinished(set));
        let sets: Vec<_> = family.iter().map(|(ix, set)| Member::of(**ix, set)).collect();
        DeploymentSync {
            now,
            ix,
            deployment,
            counted: status::count(deployment, &sets, new),
            sets,
            new,
            next: ReplicaSetIx(self.created.replica_sets),
            failure,
            has_old_pods,
            report: DeploymentReport {
                revision: deployment.revision,
                status: deployment.status,
                conditions: deployment.conditions.clone(),
            },
            is_fresh: true,
            requests: Batches::new(),
            look_again: None,
        }
    }

    /// Whether pods of a `ReplicaSet` are left that have not ended for good (`oldPodsRunning`). Those that are deleted count
    /// until they are gone: nothing lets the controller look before (`deletePod` does when the last one goes).
    fn has_unfinished(&self, set: &ReplicaSet) -> bool {
        set.pods.iter().map(|pod| &self.pods[pod]).any(|pod| pod.deleted.is_some() || !pod.is_over())
    }

    /// A `ReplicaSet` has another size. Says so.
    pub(super) fn write_size(&mut self, ix: ReplicaSetIx, size: Size, host: &mut dyn Host) {
        let Some(set) = self.replica_sets.get_mut(&ix) else {
            return;
        };
        (set.desired_replicas, set.max_replicas) = (size.desired, size.max);
        let (before, owner) = (std::mem::replace(&mut set.replicas, size.replicas), set.deployment);
        if before != size.replicas {
            set.generation += 1;
            let direction = if size.replicas > before { "up" } else { "down" };
            let message = format!("Scaled {direction} replica set {} from {before} to {}", set.name, size.replicas);
            self.record_scaling(owner, message, host);
        }
        self.touch(Work::ReplicaSet(ix), host);
        self.touch(Work::Deployment(owner), host);
    }

    fn record_scaling(&mut self, ix: DeploymentIx, message: String, host: &dyn Host) {
        if let Some(about) = self.deployments.get(&ix).map(Deployment::subject) {
            self.record(host, Source::DeploymentController, &about, Severity::Normal, "ScalingReplicaSet", message);
        }
    }

    /// What the controller says of a Deployment.
    pub(super) fn write_report(&mut self, ix: DeploymentIx, report: DeploymentReport, host: &mut dyn Host) {
        let Some(deployment) = self.deployments.get_mut(&ix) else {
            return;
        };
        (deployment.revision, deployment.status) = (report.revision, report.status);
        deployment.conditions = report.conditions;
        self.touch(Work::Deployment(ix), host);
    }
}

impl DeploymentSync<'_> {
    fn decide(&mut self) -> Result<(), Conflict> {
        let deployment = self.deployment;
        self.note_pause()?;
        // Whatever the sync is about, a `ReplicaSet` of the wanted template gets the newest revision first
        // (`getAllReplicaSetsAndSyncRevision`).
        self.sync_revision()?;
        if deployment.spec.paused || self.is_scaling() {
            self.scale_family();
            if deployment.spec.paused {
                self.clean_up_history();
            }
            return self.write_status();
        }
        match deployment.spec.strategy {
            Strategy::Recreate => self.roll_out_recreate()?,
            Strategy::RollingUpdate { .. } => self.roll_out_rolling()?,
        }
        if deployment.is_complete(deployment.status) {
            self.clean_up_history();
        }
        self.write_rollout_status()
    }

    fn request(&mut self, request: Request) {
        self.requests.push_back(VecDeque::from([request]));
    }

    /// Asks for a write of the Deployment itself.
    fn write(&mut self) -> Result<(), Conflict> {
        if !std::mem::take(&mut self.is_fresh) {
            self.request(Request::Conflict);
            return Err(Conflict);
        }
        self.request(Request::WriteDeployment(self.ix, self.report.clone()));
        Ok(())
    }

    /// The positions of the old ones.
    fn old(&self) -> Vec<usize> {
        (0..self.sets.len()).filter(|at| Some(*at) != self.new).collect()
    }

    fn size(&self, at: usize) -> u32 {
        self.sets[at].size.replicas
    }

    fn available(&self, at: usize) -> u32 {
        self.sets[at].status.available
    }

    fn total_size(&self) -> u32 {
        self.sets.iter().map(|member| member.size.replicas).sum()
    }

    /// Whether an active `ReplicaSet` was last scaled for another size of the Deployment
    /// (`isScalingEvent`).
    fn is_scaling(&self) -> bool {
        let wanted = self.deployment.spec.replicas;
        self.sets.iter().any(|Member { size, .. }| size.replicas > 0 && size.desired != wanted)
    }

    /// Follows a change of the Deployment's size without a rollout (`scale`).
    fn scale_family(&mut self) {
        let deployment = self.deployment;
        if let Some(only) = self.active_or_latest() {
            self.resize(only, deployment.spec.replicas);
        } else if self.is_saturated() {
            for at in self.old() {
                self.scale(at, 0);
            }
        } else if matches!(deployment.spec.strategy, Strategy::RollingUpdate { .. }) {
            self.scale_proportionally();
        }
    }

    /// The only active `ReplicaSet`, or with none active the newest.
    fn active_or_latest(&self) -> Option<usize> {
        let active: Vec<_> = (0..self.sets.len()).filter(|at| self.size(*at) > 0).collect();
        match active.as_slice() {
            [] => self.new.or_else(|| self.sets.len().checked_sub(1)),
            [only] => Some(*only),
            _ => None,
        }
    }

    fn is_saturated(&self) -> bool {
        let wanted = self.deployment.spec.replicas;
        self.new.is_some_and(|new| {
            let Member { size, status, .. } = self.sets[new];
            [size.desired, size.replicas, status.available] == [wanted; 3]
        })
    }

    /// In the middle of a rollout, spreads a change of size over the active `ReplicaSet`s in proportion
    /// to theirs, larger ones first.
    fn scale_proportionally(&mut self) {
        let deployment = self.deployment;
        let allowed = if deployment.spec.replicas > 0 { i64::from(deployment.max_replicas()) } else { 0 };
        let mut active: Vec<_> = (0..self.sets.len()).filter(|at| self.size(*at) > 0).collect();
        let to_add = allowed - active.iter().map(|at| i64::from(self.size(*at))).sum::<i64>();
        // Ties: growth goes to the newer, shrinking to the older.
        active.sort_by_key(|at| {
            let age = if to_add > 0 { self.sets.len() - at } else { *at };
            (Reverse(self.size(*at)), age)
        });
        let mut added = 0;
        let mut sizes: Vec<i64> = Vec::with_capacity(active.len());
        for at in &active {
            let share = self.sets[*at].share(allowed, to_add, added);
            sizes.push(i64::from(self.size(*at)) + share);
            added += share;
        }
        if let Some(first) = sizes.first_mut() {
            *first += to_add - added;
        }
        for (at, size) in active.into_iter().zip(sizes) {
            self.resize(at, size.max(0) as u32);
        }
    }

    /// `rolloutRolling`: first grow the new one, then shrink the old ones.
    fn roll_out_rolling(&mut self) -> Result<(), Conflict> {
        let new = self.ensure_new_replica_set()?;
        if self.scale(new, self.wanted_new_size()) {
            return Ok(());
        }
        let deployment = self.deployment;
        let min_available = deployment.spec.replicas - deployment.fenceposts().1;
        self.clean_up_unhealthy(self.spare(new, min_available));
        self.scale_down_old(new, min_available);
        Ok(())
    }

    /// The size to which the new `ReplicaSet` may grow now (`NewRSNewReplicas`).
    fn wanted_new_size(&self) -> u32 {
        let deployment = self.deployment;
        let wanted = deployment.spec.replicas;
        let size = self.new.map_or(0, |new| self.size(new));
        if deployment.spec.strategy == Strategy::Recreate || size > wanted {
            return wanted;
        }
        let room = deployment.max_replicas().saturating_sub(self.total_size());
        size + room.min(wanted - size)
    }

    /// How many pods may go while those that are to come are not there yet.
    fn spare(&self, new: usize, min_available: u32) -> u32 {
        let unavailable = self.size(new).saturating_sub(self.available(new));
        self.total_size().saturating_sub(min_available).saturating_sub(unavailable)
    }

    /// Takes pods that are not available from the old ones first: they serve nobody
    /// (`cleanupUnhealthyReplicas`).
    fn clean_up_unhealthy(&mut self, spare: u32) {
        let mut left = spare;
        for at in self.old() {
            let size = self.size(at);
            let unhealthy = size.saturating_sub(self.available(at)).min(left);
            left -= unhealthy;
            self.scale(at, size - unhealthy);
        }
    }

    /// Shrinks the old ones as far as availability allows (`scaleDownOldReplicaSetsForRollingUpdate`).
    fn scale_down_old(&mut self, new: usize, min_available: u32) {
        let available: u32 = self.sets.iter().map(|member| member.status.available).sum();
        let mut left = available.saturating_sub(min_available).min(self.spare(new, min_available));
        for at in self.old() {
            let size = self.size(at);
            let down = size.min(left);
            left -= down;
            self.scale(at, size - down);
        }
    }

    /// `rolloutRecreate`: the new one grows when all old pods are gone, terminating ones included.
    fn roll_out_recreate(&mut self) -> Result<(), Conflict> {
        let mut scaled = false;
        for at in self.old() {
            scaled |= self.scale(at, 0);
        }
        if scaled || self.has_old_pods {
            return Ok(());
        }
        let new = self.ensure_new_replica_set()?;
        self.scale(new, self.deployment.spec.replicas);
        Ok(())
    }

    /// Asks for another size of a `ReplicaSet`. Returns whether it is one (`scaleReplicaSetAndRecordEvent`).
    fn scale(&mut self, at: usize, replicas: u32) -> bool {
        let is_other = self.size(at) != replicas;
        if is_other {
            self.resize(at, replicas);
        }
        is_other
    }

    /// Asks for a size of a `ReplicaSet`, if only for another size of the Deployment (`scaleReplicaSet`).
    fn resize(&mut self, at: usize, replicas: u32) {
        let deployment = self.deployment;
        let size = Size { replicas, desired: deployment.spec.replicas, max: deployment.max_replicas() };
        let member = &mut self.sets[at];
        if std::mem::replace(&mut member.size, size) != size {
            let set = member.set;
            self.request(Request::Scale(set, size));
        }
    }
}

impl Member {
    /// What it gets of `to_add` pods, of which `added` are given (`GetReplicaSetProportion`).
    fn share(&self, allowed: i64, to_add: i64, added: i64) -> i64 {
        let (size, open) = (i64::from(self.size.replicas), to_add - added);
        if to_add == 0 || open == 0 {
            return 0;
        }
        // Rounded to the nearest, in integers.
        let before = i64::from(self.size.max).max(1);
        let share = (2 * size * allowed + before) / (2 * before) - size;
        if to_add > 0 { share.min(open) } else { share.max(open) }
    }
}
