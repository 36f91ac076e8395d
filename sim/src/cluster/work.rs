//! Work queues, and the requests of the controllers that take from them.
//!
//! A change of an object is told to the informers of those that watch it, and these put the object's key into a work
//! queue. The sync of a key reads the objects once, at its beginning. What the Deployment and the `ReplicaSet` controller
//! then write goes to the API server one request after the other, and is there for others when it is answered.
//!
//! ```text
//!  touch ──informer──▶ Sync: read and decide ──▶ request ──▶ Answered: it is written ──▶ the next request
//!                        ▲                                          │ after the last one
//!                        └────────── has changed meanwhile ─────────┘
//! ```
//!
//! Invariants:
//! - A key is not given out while its sync goes on; if its object changes meanwhile, it is given out when that is over
//!   (`client-go/util/workqueue`). That is why a controller sees one after the other what others write one after the other.
//! - Requests of one batch are made at once, and batches one after the other.
//! - Each of the two controllers has a client of its own, whose limit of requests holds for all its keys together, and for the
//!   events that it records. When much is going on it is this that holds the controllers up (in the trace `rollout-odd` their
//!   requests come 50 ms apart).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::ids::{DeploymentIx, PodIx, ReplicaSetIx};
use crate::time::{SimDuration, SimTime};

use super::objects::{DeploymentReport, ReplicaSet, ReplicaSetStatus};
use super::recorder::Source;
use super::runtime::Host;
use super::{Cluster, Event, REQUEST, WATCH_LATENCY, Work};

/// From a change of an object to the queues of the Deployment and the `ReplicaSet` controller. With the request that
/// follows it is the 8 ms from the readiness of a pod to the status of its `ReplicaSet` (median of 504 in the traces of
/// Kubernetes 1.34), which leaves no more than the traces' resolution.
const INFORMER_LATENCY: SimDuration = SimDuration::from_millis(1);

/// How many requests a controller may send at once (`--kube-api-burst`).
const CLIENT_BURST: u64 = 30;
/// Time per request after that (`--kube-api-qps` 20). It is what makes an absurd size grow slowly.
const CLIENT_INTERVAL: SimDuration = SimDuration::from_millis(50);

/// A request to the API server.
#[derive(Clone, Debug)]
pub(super) enum Request {
    CreateReplicaSet(ReplicaSetIx, Box<ReplicaSet>),
    /// Another revision for a template that was wanted before.
    WriteRevision(ReplicaSetIx, u64),
    Scale(ReplicaSetIx, Size),
    DeleteReplicaSet(ReplicaSetIx),
    WriteDeployment(DeploymentIx, DeploymentReport),
    /// A write of an object that has changed since it was read: it is refused (409, `Conflict`).
    Conflict,
    CreatePod(ReplicaSetIx),
    DeletePod(ReplicaSetIx, PodIx),
    WriteReplicaSet(ReplicaSetIx, ReplicaSetStatus),
}

/// How large a `ReplicaSet` is to be, and for which size of the Deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) replicas: u32,
    /// `deployment.kubernetes.io/desired-replicas`.
    pub(super) desired: u32,
    /// `deployment.kubernetes.io/max-replicas`.
    pub(super) max: u32,
}

/// What a sync asks for: requests that are made at once, batch after batch.
pub(super) type Batches = VecDeque<VecDeque<Request>>;

/// The queues of all controllers.
#[derive(Clone, Debug, Default)]
pub(super) struct WorkQueues {
    /// Objects of whose change the informers do not know yet.
    changed: BTreeSet<Work>,
    /// Syncs that go on.
    syncs: BTreeMap<Work, OpenSync>,
    /// Those of them whose objects have changed meanwhile.
    again: BTreeSet<Work>,
    deployment_client: ClientRate,
    replica_set_client: ClientRate,
}

/// A sync that waits for answers.
#[derive(Clone, Debug)]
struct OpenSync {
    /// What it asks for; the requests of the first batch have been made.
    batches: Batches,
    /// Why a pod was not created.
    refusal: Option<String>,
}

impl WorkQueues {
    /// An event is a request like others (`StartRecordingToSink`), but nobody waits for it.
    pub(super) fn count_event(&mut self, source: Source, now: SimTime) {
        let client = match source {
            Source::DeploymentController => &mut self.deployment_client,
            Source::ReplicaSetController => &mut self.replica_set_client,
            _ => return,
        };
        client.take(now);
    }
}

impl OpenSync {
    /// The request that is answered now.
    fn take(&mut self) -> Option<Request> {
        self.batches.front_mut()?.pop_front()
    }
}

/// A controller's budget of requests: a token bucket, kept as the time at which the next request would be due without any
/// burst (`client-go/util/flowcontrol`).
#[derive(Clone, Copy, Debug, Default)]
struct ClientRate {
    due: SimTime,
}

impl ClientRate {
    /// Takes one request from the budget; when it may be sent.
    fn take(&mut self, now: SimTime) -> SimTime {
        let due = self.due.max(now);
        self.due = due + CLIENT_INTERVAL;
        (due - CLIENT_INTERVAL * (CLIENT_BURST - 1)).max(now)
    }
}

impl Cluster {
    /// Lets the controllers know that an object has changed.
    pub(super) fn touch(&mut self, work: Work, host: &mut dyn Host) {
        if self.work.changed.insert(work) {
            let latency = match work {
                Work::Deployment(_) | Work::ReplicaSet(_) => INFORMER_LATENCY,
                Work::Endpoints(_) | Work::Node(_) | Work::Scheduler => WATCH_LATENCY,
            };
            host.schedule(host.now() + latency, Event::Sync(work));
        }
    }

    /// A controller looks at an object, unless it is still busy with it.
    pub(super) fn sync(&mut self, work: Work, host: &mut dyn Host) {
        self.work.changed.remove(&work);
        if self.work.syncs.contains_key(&work) {
            self.work.again.insert(work);
            return;
        }
        let batches = match work {
            Work::Deployment(deployment) => self.sync_deployment(deployment, host),
            Work::ReplicaSet(replica_set) => self.sync_replica_set(replica_set, host),
            Work::Endpoints(service) => return self.sync_endpoints(service as usize, host),
            Work::Node(node) => return self.sync_node(node, host),
            Work::Scheduler => return self.schedule_pods(host),
        };
        self.work.syncs.insert(work, OpenSync { batches, refusal: None });
        self.make_requests(work, host);
    }

    /// A request of a sync is answered, and with the last one of its batch the next batch is due.
    pub(super) fn answered(&mut self, work: Work, host: &mut dyn Host) {
        let Some(request) = self.work.syncs.get_mut(&work).and_then(OpenSync::take) else {
            return;
        };
        let refusal = self.fulfil(request, host);
        let Some(sync) = self.work.syncs.get_mut(&work) else {
            return;
        };
        sync.refusal = refusal.or(sync.refusal.take());
        if sync.batches.front().is_some_and(VecDeque::is_empty) {
            if sync.refusal.is_some() {
                // No more is created after a batch in which that failed (`slowStartBatch`).
                sync.batches.retain(|batch| !matches!(batch.front(), Some(Request::CreatePod(_))));
            }
            self.make_requests(work, host);
        }
    }

    /// Makes the requests of the next batch, or ends the sync.
    fn make_requests(&mut self, work: Work, host: &mut dyn Host) {
        let Some(sync) = self.work.syncs.get_mut(&work) else {
            return;
        };
        while let Some(batch) = sync.batches.front_mut() {
            if let Some(Request::WriteReplicaSet(set, status)) = batch.front_mut() {
                status.fails = sync.refusal.is_some();
                // It is written only if it is news (`updateReplicaSetStatus`).
                let written = self.replica_sets.get(&*set).map(|set| set.status);
                if written.is_none_or(|written| written == *status) {
                    batch.clear();
                }
            }
            if batch.is_empty() {
                sync.batches.pop_front();
                continue;
            }
            for _ in 0..batch.len() {
                let client = match work {
                    Work::Deployment(_) => &mut self.work.deployment_client,
                    _ => &mut self.work.replica_set_client,
                };
                host.schedule(client.take(host.now()) + REQUEST, Event::Answered(work));
            }
            return;
        }
        self.close_sync(work, host);
    }

    fn close_sync(&mut self, work: Work, host: &mut dyn Host) {
        let sync = self.work.syncs.remove(&work);
        if let (Work::ReplicaSet(set), Some(sync)) = (work, sync) {
            self.note_refusal(set, sync.refusal, host);
        }
        if self.work.again.remove(&work) {
            self.sync(work, host);
        }
    }

    /// What a request does. Returns why a pod was not created.
    fn fulfil(&mut self, request: Request, host: &mut dyn Host) -> Option<String> {
        match request {
            Request::CreateReplicaSet(set, object) => self.add_replica_set(set, *object, host),
            Request::WriteRevision(set, revision) => self.write_revision(set, revision, host),
            Request::Scale(set, size) => self.write_size(set, size, host),
            Request::DeleteReplicaSet(set) => self.delete_replica_set(set, host),
            Request::WriteDeployment(deployment, report) => self.write_report(deployment, report, host),
            Request::Conflict => {}
            Request::CreatePod(set) => return self.create_pod(set, host).err(),
            Request::DeletePod(set, pod) => self.delete_surplus(set, pod, host),
            Request::WriteReplicaSet(set, status) => self.write_replica_set_status(set, status, host),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_may_burst_and_then_keeps_its_rate() {
        let mut rate = ClientRate::default();
        let start = SimTime::from_secs_f64(100.0);
        let sent: Vec<_> = (0..32).map(|_| rate.take(start).since(start).as_millis()).collect();
        assert!(sent[..30].iter().all(|wait| *wait == 0), "{sent:?}");
        assert_eq!(sent[30..], [50, 100]);
        let later = start + CLIENT_INTERVAL * 3;
        assert_eq!([rate.take(later), rate.take(later)], [later, later + CLIENT_INTERVAL]);
    }
}
