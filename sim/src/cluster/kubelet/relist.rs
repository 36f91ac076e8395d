//! What wakes a pod's worker, and the relist that it waits for before it acts on anything.

use crate::ids::PodIx;
use crate::time::{SimDuration, SimTime};

use super::super::runtime::Host;
use super::super::{Cluster, Event, Node};

/// A relist looks at one changed pod after the other (`updateCache`: two requests to containerd).
const INSPECT: SimDuration = SimDuration::from_millis(8);
/// Between two looks at the containers' states (`genericPlegRelistPeriod`).
pub(super) const RELIST: SimDuration = SimDuration::SECOND;

/// The pods that a node's next relist looks at.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Relist {
    tick: SimTime,
    pods: u64,
}

impl Relist {
    /// One more pod for the relist at `tick`; returns the how many-th it is.
    fn join(&mut self, tick: SimTime) -> u64 {
        if self.tick != tick {
            *self = Self { tick, pods: 0 };
        }
        self.pods += 1;
        self.pods
    }
}

impl Cluster {
    /// Something about the pod has changed.
    pub(in super::super) fn wake(&mut self, ix: PodIx, host: &mut dyn Host) {
        self.rouse(ix, false, host);
    }

    /// A relist has looked at the pod: its containers have changed, or its worker waits for a look.
    pub(in super::super) fn relisted(&mut self, ix: PodIx, host: &mut dyn Host) {
        self.rouse(ix, true, host);
    }

    fn rouse(&mut self, ix: PodIx, is_relist: bool, host: &mut dyn Host) {
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        let Some((node, _)) = pod.bound else { return };
        let phase = self.nodes[node.index()].relist_phase();
        let worker = &mut pod.kubelet;
        if is_relist {
            worker.relist = worker.relist.filter(|relist| *relist > host.now());
            // The worker that waited goes on as soon as the relist has looked at the pod; the event comes after that.
            worker.has_news |= std::mem::take(&mut worker.has_changed) && worker.waits_since.is_some();
        } else if worker.waits_since.is_some() {
            worker.has_news = true;
            return;
        }
        let is_to_end = pod.deleted.is_some() || pod.failed.is_some();
        if worker.current.is_some() {
            if !is_to_end {
                worker.has_news = true;
                return;
            }
            worker.cancel(host.now());
        }
        let is_fresh = worker.synced.is_none_or(|synced| next_tick(phase, synced) <= host.now());
        if !is_relist && !is_fresh {
            return self.await_relist(ix, host);
        }
        let waited_since = worker.waits_since.take();
        if !is_to_end {
            self.begin_sync(ix, host);
        } else if waited_since.zip(pod.deleted).is_some_and(|(since, deleted)| since < deleted) {
            // What it waited to do is cancelled, and counts as a sync all the same.
            worker.cancel(host.now());
            self.await_relist(ix, host);
        } else {
            self.terminate_pod(ix, host);
        }
    }

    /// Lets the pod be synced after the next relist.
    pub(super) fn await_relist(&mut self, ix: PodIx, host: &mut dyn Host) {
        if let Some(pod) = self.pods.get_mut(&ix) {
            pod.kubelet.waits_since = Some(host.now());
            self.join_relist(ix, host);
        }
    }

    /// The wait after a failed sync is over, unless another sync came in between.
    pub(in super::super) fn resync(&mut self, ix: PodIx, host: &mut dyn Host) {
        if self.pods.get(&ix).is_some_and(|pod| pod.kubelet.resync == host.now()) {
            self.wake(ix, host);
        }
    }

    /// Lets the next relist notice a change of the pod's containers.
    pub(super) fn relist(&mut self, ix: PodIx, host: &mut dyn Host) {
        if let Some(pod) = self.pods.get_mut(&ix) {
            pod.kubelet.has_changed = true;
            self.join_relist(ix, host);
        }
    }

    /// Lets the next relist wake the pod's worker.
    fn join_relist(&mut self, ix: PodIx, host: &mut dyn Host) {
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        let Some(node) = pod.bound.map(|(node, _)| node) else {
            return;
        };
        let node = &mut self.nodes[node.index()];
        let tick = next_tick(node.relist_phase(), host.now());
        // One that comes anyway will see this change too.
        if pod.kubelet.relist.is_some_and(|relist| relist >= tick) {
            return;
        }
        let at = tick + INSPECT * node.relist.join(tick);
        pod.kubelet.relist = Some(at);
        host.schedule(at, Event::Relisted(ix));
    }
}

impl Node {
    pub(super) fn relist_phase(&self) -> SimDuration {
        SimDuration(self.key.with_str("relist").draw().below(RELIST.0))
    }

    /// Of the ticker at which it looks for pods that are due (`syncTicker`), once a second as well.
    pub(super) fn resync_phase(&self) -> SimDuration {
        SimDuration(self.key.with_str("resync").draw().below(RELIST.0))
    }
}

/// The first moment after `now` at which a clock of one tick per [`RELIST`] ticks.
pub(super) fn next_tick(phase: SimDuration, now: SimTime) -> SimTime {
    let ticks = now.since(SimTime(phase.0)).0 / RELIST.0;
    let tick = SimTime(phase.0) + RELIST * ticks;
    if tick > now { tick } else { tick + RELIST }
}
