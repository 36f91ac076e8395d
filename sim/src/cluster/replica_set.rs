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
use super::objects::{Failure, Growth, Phase, Pod, ReplicaSet, ReplicaSetStatus};
use super::recorder::{Severity, Source};
use super::runtime::Host;
use super::{Cluster, Event, Work};

/// How many requests the controller manager may send at once (`--kube-api-burst`).
const CLIENT_BURST: u64 = 30;
/// Time per request after that (`--kube-api-qps` 20). It is what makes an absurd size grow slowly.
const CLIENT_INTERVAL: SimDuration = SimDuration::from_millis(50);

/// Before a sync that failed is tried again; doubled each time, up to [`LAST_RETRY`].
const FIRST_RETRY: SimDuration = SimDuration::from_millis(5);
/// See [`FIRST_RETRY`].
const LAST_RETRY: SimDuration = SimDuration::from_secs(1000);
/// So often it can be doubled before that.
const MOST_DOUBLINGS: u32 = 18;

/// The controller manager's budget of requests: a token bucket, kept as the time at which the request
/// after the last one would be due without any burst.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClientRate {
    due: SimTime,
}

impl ClientRate {
    /// Takes one request from the budget, or says when there will be one.
    fn take(&mut self, now: SimTime) -> Result<(), SimTime> {
        let burst = CLIENT_INTERVAL * (CLIENT_BURST - 1);
        let due = self.due.max(now);
        if due > now + burst {
            return Err(due - burst);
        }
        self.due = due + CLIENT_INTERVAL;
        Ok(())
    }
}

impl Cluster {
    /// `manageReplicas`.
    pub(super) fn sync_replica_set(&mut self, ix: ReplicaSetIx, host: &mut dyn Host) {
        let Some(set) = self.replica_sets.get(&ix) else {
            return;
        };
        let mut active: Vec<_> = set.pods.iter().copied().filter(|pod| self.pods[pod].is_active()).collect();
        let (wanted, growth) = (set.replicas as usize, set.growth);
        // What is written at the end counts the pods that the sync has begun with (`calculateStatus`).
        let begun = || self.count_pods(set, &active, host.now());
        let Growth { batch, status } = growth.unwrap_or_else(|| Growth { batch: 1, status: begun() });
        let missing = wanted.saturating_sub(active.len());
        let mut refusal = None;
        if missing > 0 {
            refusal = self.create_pods(ix, missing.min(batch), host);
        } else if active.len() > wanted {
            self.sort_for_deletion(&mut active, host.now());
            self.delete_surplus(ix, &active[..active.len() - wanted], host);
        }
        let growth = (missing > batch && refusal.is_none()).then_some(Growth { batch: batch * 2, status });
        if let Some(set) = self.replica_sets.get_mut(&ix) {
            set.growth = growth;
        }
        if growth.is_none() {
            let fails = refusal.is_some();
            self.note_refusal(ix, refusal, host);
            self.write_status(ix, ReplicaSetStatus { fails, ..status }, host);
        }
    }

    /// A sync that failed is tried again, after a time that doubles (`DefaultTypedControllerRateLimiter`).
    fn note_refusal(&mut self, ix: ReplicaSetIx, refusal: Option<String>, host: &mut dyn Host) {
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

    /// Lets the Deployment controller know, if there is something new (`updateReplicaSetStatus`).
    fn write_status(&mut self, ix: ReplicaSetIx, status: ReplicaSetStatus, host: &mut dyn Host) {
        let Some(set) = self.replica_sets.get_mut(&ix) else {
            return;
        };
        if std::mem::replace(&mut set.status, status) != status {
            let deployment = set.deployment;
            self.request(Work::ReplicaSet(ix), host);
            self.touch(Work::Deployment(deployment), host);
        }
    }

    /// Creates a batch of pods, all at the same time. Returns why the last of them was refused, if one was.
    fn create_pods(&mut self, ix: ReplicaSetIx, count: usize, host: &mut dyn Host) -> Option<String> {
        self.request(Work::ReplicaSet(ix), host);
        let mut refusal = None;
        for _ in 0..count {
            if let Err(at) = self.creation_rate.take(host.now()) {
                host.schedule(at, Event::Sync(Work::ReplicaSet(ix)));
                return refusal;
            }
            refusal = self.create_pod(ix, host).err().or(refusal);
        }
        refusal
    }

    /// Creates a pod, unless admission refuses it.
    fn create_pod(&mut self, ix: ReplicaSetIx, host: &mut dyn Host) -> Result<(), String> {
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

    fn delete_surplus(&mut self, ix: ReplicaSetIx, surplus: &[PodIx], host: &mut dyn Host) {
        self.request(Work::ReplicaSet(ix), host);
        for &pod in surplus {
            if let Err(at) = self.creation_rate.take(host.now()) {
                host.schedule(at, Event::Sync(Work::ReplicaSet(ix)));
                return;
            }
            let message = format!("Deleted pod: {}", self.pods[&pod].name);
            let about = self.replica_sets[&ix].subject();
            self.record(host, Source::ReplicaSetController, &about, Severity::Normal, "SuccessfulDelete", message);
            self.delete_pod(pod, host);
        }
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
        if pod.bound.is_some() {
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
    use super::*;

    #[test]
    fn the_client_may_burst_and_then_keeps_its_rate() {
        let mut rate = ClientRate::default();
        let start = SimTime::from_secs_f64(100.0);
        let taken = (0..40).take_while(|_| rate.take(start).is_ok()).count();
        assert_eq!(taken, 30);
        let next = rate.take(start).unwrap_err();
        assert_eq!(next, start + CLIENT_INTERVAL);
        assert_eq!(rate.take(next), Ok(()));
        assert!(rate.take(next).is_err());
    }
}
