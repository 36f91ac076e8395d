//! The `ReplicaSet` controller (`pkg/controller/replicaset`): creates and deletes pods until their
//! number is right.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ids::{NodeIx, PodIx, ReplicaSetIx};
use crate::manifest::{Labels, is_subset};
use crate::time::{SimDuration, SimTime};

use super::kubelet::PodWorker;
use super::names;
use super::objects::{Failure, Phase, Pod, ReplicaSet, ReplicaSetStatus};
use super::recorder::{Severity, Source};
use super::runtime::Host;
use super::work::{Batches, Request};
use super::{Cluster, Event, Work};

/// How many pods a sync creates or deletes at most (`BurstReplicas`).
const MOST_AT_ONCE: usize = 500;

/// Before a sync that failed is tried again; doubled each time, up to [`LAST_RETRY`].
const FIRST_RETRY: SimDuration = SimDuration::from_millis(5);
/// See [`FIRST_RETRY`].
const LAST_RETRY: SimDuration = SimDuration::from_secs(1000);
/// So often it can be doubled before that.
const MOST_DOUBLINGS: u32 = 18;

/// One, two, four pods and so on are created at a time (`slowStartBatch`).
fn creations(ix: ReplicaSetIx, count: usize) -> Batches {
    let mut batches = Batches::new();
    let (mut left, mut size) = (count, 1);
    while left > 0 {
        let batch = size.min(left);
        batches.push_back((0..batch).map(|_| Request::CreatePod(ix)).collect());
        left -= batch;
        size *= 2;
    }
    batches
}

impl Cluster {
    /// `syncReplicaSet`: what it asks for.
    pub(super) fn sync_replica_set(&self, ix: ReplicaSetIx, host: &dyn Host) -> Batches {
        let Some(set) = self.replica_sets.get(&ix) else {
            return Batches::new();
        };
        let mut active: Vec<_> = set.pods.iter().copied().filter(|pod| self.pods[pod].is_active()).collect();
        // What is written at the end counts the pods that the sync has begun with (`calculateStatus`).
        let status = self.count_pods(set, &active, host.now());
        let wanted = set.replicas as usize;
        let (missing, surplus) = (wanted.saturating_sub(active.len()), active.len().saturating_sub(wanted));
        let mut batches = creations(ix, missing.min(MOST_AT_ONCE));
        if surplus > 0 {
            self.sort_for_deletion(&mut active, host.now());
            active.truncate(surplus.min(MOST_AT_ONCE));
            batches.push_back(active.into_iter().map(|pod| Request::DeletePod(ix, pod)).collect());
        }
        batches.push_back([Request::WriteReplicaSet(ix, status)].into());
        batches
    }

    /// A sync that failed is tried again, after a time that doubles (`DefaultTypedControllerRateLimiter`).
    pub(super) fn note_refusal(&mut self, ix: ReplicaSetIx, refusal: Option<String>, host: &mut dyn Host) {
        let now = host.now();
        let Some(set) = self.replica_sets.get_mut(&ix) else {
            return;
        };
        let Some(message) = refusal else {
            set.failure = None;
            return;
        };
        let failure = set.failure.get_or_insert(Failure { message, count: 0, retry: SimTime::ZERO });
        let wait = FIRST_RETRY * (1 << failure.count.min(MOST_DOUBLINGS));
        failure.count += 1;
        let retry = now + wait.min(LAST_RETRY);
        // One that is to come anyway comes first.
        if failure.retry <= now || retry < failure.retry {
            failure.retry = retry;
            host.schedule(retry, Event::Sync(Work::ReplicaSet(ix)));
        }
    }

    fn count_pods(&self, set: &ReplicaSet, pods: &[PodIx], now: SimTime) -> ReplicaSetStatus {
        let min_ready = self.deployments.get(&set.deployment).map(|d| d.spec.min_ready).unwrap_or_default();
        let observed = set.generation;
        let mut status = ReplicaSetStatus { observed, ..ReplicaSetStatus::default() };
        for pod in pods.iter().map(|pod| &self.pods[pod]) {
            status.replicas += 1;
            status.ready += u32::from(pod.ready);
            status.available += u32::from(pod.is_available(now, min_ready));
        }
        status
    }

    /// What the controller says of a `ReplicaSet`.
    pub(super) fn write_replica_set_status(&mut self, ix: ReplicaSetIx, status: ReplicaSetStatus, host: &mut dyn Host) {
        if let Some(set) = self.replica_sets.get_mut(&ix) {
            set.status = status;
            let owner = set.deployment;
            self.touch(Work::Deployment(owner), host);
        }
    }

    /// Creates a pod, unless admission refuses it.
    pub(super) fn create_pod(&mut self, ix: ReplicaSetIx, host: &mut dyn Host) -> Result<(), String> {
        let Some(set) = self.replica_sets.get_mut(&ix) else {
            return Ok(());
        };
        let (name, ordinal) = loop {
            let ordinal = set.pods_created;
            set.pods_created += 1;
            let suffix = names::random_suffix(self.names.with_str(&set.name).with(ordinal));
            let name = format!("{}-{suffix}", set.name);
            // A ReplicaSet of the same name, deleted since, may have had the same ordinals.
            if self.names_given.insert(name.clone()) {
                break (name, ordinal);
            }
        };
        let namespace = self.deployments[&set.deployment].spec.meta.namespace.clone();
        let (about, template) = (set.subject(), Arc::clone(&set.template));
        if let Some(why) = self.quota_refusal(&namespace, &template, host.now()) {
            let refusal = format!("pods \"{name}\" is forbidden: {why}");
            let message = format!("Error creating: {refusal}");
            self.record(host, Source::ReplicaSetController, &about, Severity::Warning, "FailedCreate", message);
            return Err(refusal);
        }
        let Some(set) = self.replica_sets.get_mut(&ix) else {
            return Ok(());
        };
        let mut labels = set.template.labels.clone();
        labels.insert("pod-template-hash".to_owned(), set.hash.clone());
        let pod = Pod {
            namespace,
            component: set.component.clone(),
            owner: ix,
            template: Arc::clone(&set.template),
            labels,
            patched_images: None,
            uid: names::uid(self.names.with_str("uid").with_str(&set.name).with(ordinal)),
            key: self.key.with_str("pod").with_str(&set.name).with(ordinal),
            created: host.now(),
            deleted: None,
            grace: set.template.termination_grace,
            bound: None,
            address: None,
            started: None,
            phase: Phase::Pending,
            has_sandbox: false,
            ready: false,
            ready_since: host.now().in_whole_seconds(),
            unschedulable: None,
            eviction: None,
            disruption: None,
            failed: None,
            kubelet: PodWorker::new(&set.template),
            name,
        };
        let index = PodIx(self.created.pods);
        self.created.pods += 1;
        set.pods.insert(index);
        let message = format!("Created pod: {}", pod.name);
        self.pods.insert(index, pod);
        self.record(host, Source::ReplicaSetController, &about, Severity::Normal, "SuccessfulCreate", message);
        self.touch(Work::ReplicaSet(ix), host);
        self.enqueue_for_scheduling(index, host);
        Ok(())
    }

    /// Deletes a pod of a `ReplicaSet` that has too many.
    pub(super) fn delete_surplus(&mut self, ix: ReplicaSetIx, pod: PodIx, host: &mut dyn Host) {
        let (Some(set), Some(Pod { name, deleted: None, .. })) = (self.replica_sets.get(&ix), self.pods.get(&pod))
        else {
            return;
        };
        let (about, message) = (set.subject(), format!("Deleted pod: {name}"));
        self.record(host, Source::ReplicaSetController, &about, Severity::Normal, "SuccessfulDelete", message);
        self.delete_pod(pod, host);
    }

    /// Those to be deleted first come first (`controller_utils.go`, `ActivePodsWithRanks.Less`): not
    /// bound, pending, not ready, with more siblings on the node, ready for less time (in powers of
    /// two, ties at random), with more restarts, younger.
    fn sort_for_deletion(&self, pods: &mut [PodIx], now: SimTime) {
        let Some(component) = pods.first().map(|pod| &self.pods[pod].component) else {
            return;
        };
        let mut siblings: BTreeMap<NodeIx, u32> = BTreeMap::new();
        let active = self.pods.values().filter(|p| p.is_active() && p.component == *component);
        for node in active.filter_map(Pod::node) {
            *siblings.entry(node).or_default() += 1;
        }
        pods.sort_by_cached_key(|ix| {
            let pod = &self.pods[ix];
            let siblings = pod.node().and_then(|node| siblings.get(&node));
            (
                pod.bound.is_some(),
                pod.phase,
                pod.ready,
                Reverse(siblings),
                if pod.ready { now.since(pod.ready_since).0.checked_ilog2() } else { None },
                if pod.ready { pod.uid.clone() } else { String::new() },
                Reverse(pod.kubelet.restarts()),
                now.since(pod.created).0.checked_ilog2(),
                Reverse(*ix),
            )
        });
    }

    /// Asks for a pod's deletion within its own grace period.
    pub(super) fn delete_pod(&mut self, ix: PodIx, host: &mut dyn Host) {
        self.delete_pod_within(ix, None, host);
    }

    /// Asks for a pod's deletion. One that no kubelet has goes at once, and so does one with no grace period; of
    /// others the kubelet hears.
    pub(super) fn delete_pod_within(&mut self, ix: PodIx, grace: Option<SimDuration>, host: &mut dyn Host) {
        let now = host.now();
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        if pod.deleted.is_some() {
            return;
        }
        pod.deleted = Some(now);
        pod.grace = grace.unwrap_or(pod.grace);
        if pod.bound.is_none() {
            self.remove_pod(ix, host);
        } else if pod.grace == SimDuration::ZERO {
            self.abandon_pod(ix, host);
        } else {
            host.schedule(now + super::WATCH_LATENCY, Event::Wake(ix));
            self.pod_changed(ix, host);
        }
    }

    /// Gives a pod other labels. A `ReplicaSet` whose selector no longer fits lets it go (`ClaimPods`).
    pub(super) fn relabel(&mut self, ix: PodIx, labels: Labels, host: &mut dyn Host) {
        self.pod_changed(ix, host);
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        pod.labels = labels;
        let owner = pod.owner;
        let selects = |set: &ReplicaSet| is_subset(&set.template.labels, &pod.labels);
        if let Some(set) = self.replica_sets.get_mut(&owner)
            && !selects(set)
        {
            set.pods.remove(&ix);
        }
        self.pod_changed(ix, host);
    }

    /// The pod's object is gone.
    pub(super) fn remove_pod(&mut self, ix: PodIx, host: &mut dyn Host) {
        self.pod_changed(ix, host);
        let Some(pod) = self.pods.remove(&ix) else {
            return;
        };
        if let Some(set) = self.replica_sets.get_mut(&pod.owner) {
            set.pods.remove(&ix);
            let deployment = set.deployment;
            // A rollout of the strategy Recreate waits for it (`deletePod` of the Deployment controller).
            self.touch(Work::Deployment(deployment), host);
        }
        self.scheduling.forget(ix);
        self.metrics.forget(ix);
        if pod.bound.is_some() && !pod.is_over() {
            self.resources_freed(host);
        }
    }

    /// Lets the controllers know that watch the pod: of its owner, and of Services that select it.
    pub(super) fn pod_changed(&mut self, ix: PodIx, host: &mut dyn Host) {
        let Some(pod) = self.pods.get(&ix) else {
            return;
        };
        let owner = pod.owner;
        let services: Vec<_> = (0..self.services.len()).filter(|s| self.services[*s].selects(pod)).collect();
        if self.replica_sets.contains_key(&owner) {
            self.touch(Work::ReplicaSet(owner), host);
        }
        for service in services {
            self.touch(Work::Endpoints(service as u32), host);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    #[test]
    fn creations_start_slowly() {
        let sizes = |count| creations(ReplicaSetIx(0), count).iter().map(VecDeque::len).collect::<Vec<_>>();
        assert_eq!(sizes(0), Vec::<usize>::new());
        assert_eq!(sizes(4), [1, 2, 1]);
        assert_eq!(sizes(10), [1, 2, 4, 3]);
    }
}
