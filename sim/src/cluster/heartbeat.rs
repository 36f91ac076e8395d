//! What a kubelet lets the control plane know of its node: a Lease that it renews, and the node's status with its
//! conditions (`pkg/kubelet/kubelet.go`, `pkg/kubelet/kubelet_node_status.go`).
//!
//! A kubelet looks at its node every ten seconds and writes the status if something has changed, or if it has not written for
//! five minutes. That it lives at all is said by the Lease.

use crate::ids::NodeIx;
use crate::time::SimDuration;

use super::node::{NodeCondition, NodeConditions, Truth};
use super::recorder::{Severity, Source};
use super::runtime::Host;
use super::{Cluster, Event, Work};

/// Between two renewals: a quarter (`nodeLeaseRenewIntervalFraction`) of `nodeLeaseDurationSeconds`.
const LEASE_INTERVAL: SimDuration = SimDuration::from_secs(10);
/// Between two looks at the node (`nodeStatusUpdateFrequency`).
const STATUS_INTERVAL: SimDuration = SimDuration::from_secs(10);
/// What is added to either at most, as a share.
const JITTER: f64 = 0.04;
/// After which time a status is written that is the same (`nodeStatusReportFrequency`).
const REPORT_INTERVAL: SimDuration = SimDuration::from_secs(300);

impl Cluster {
    /// Kubelets begin to report, and the node lifecycle controller begins to look, each at its own phase.
    pub(super) fn start_heartbeats(&mut self, host: &mut dyn Host) {
        let now = host.now();
        for (index, node) in self.nodes.iter_mut().enumerate() {
            let phase = |name: &str, of: SimDuration| SimDuration(node.key.with_str(name).draw().below(of.0));
            let (lease, status) = (phase("lease", LEASE_INTERVAL), phase("status", STATUS_INTERVAL));
            // They have run for a while.
            (node.lease_renewed, node.status_written) = (now, now);
            host.schedule(now + lease, Event::RenewLease(NodeIx(index as u32)));
            host.schedule(now + status, Event::ReportNode(NodeIx(index as u32)));
        }
        self.start_node_lifecycle(host);
    }

    /// A kubelet renews its node's Lease.
    pub(super) fn renew_lease(&mut self, node: NodeIx, host: &mut dyn Host) {
        if self.kubelet_runs(node) {
            self.nodes[node.index()].lease_renewed = host.now();
        }
        let next = self.jittered(node, "lease", LEASE_INTERVAL, host);
        host.schedule(host.now() + next, Event::RenewLease(node));
    }

    /// A kubelet looks at its node.
    pub(super) fn report_node(&mut self, node: NodeIx, host: &mut dyn Host) {
        if self.kubelet_runs(node) {
            self.write_node_status(node, host);
        }
        let next = self.jittered(node, "status", STATUS_INTERVAL, host);
        host.schedule(host.now() + next, Event::ReportNode(node));
    }

    fn jittered(&self, node: NodeIx, name: &str, interval: SimDuration, host: &dyn Host) -> SimDuration {
        let draw = self.nodes[node.index()].key.with_str(name).with(host.now().0).draw().uniform();
        interval + interval.scaled(draw * JITTER)
    }

    /// `syncNodeStatus`.
    pub(super) fn write_node_status(&mut self, ix: NodeIx, host: &mut dyn Host) {
        let now = host.now();
        self.tell_cordon(ix, host);
        let found = self.observed_conditions(ix, host);
        let node = &mut self.nodes[ix.index()];
        let before = std::mem::replace(&mut node.conditions, found);
        if found == before {
            if now.since(node.status_written) >= REPORT_INTERVAL {
                node.status_written = now;
            }
            return;
        }
        node.status_written = now;
        for condition in NodeCondition::ALL {
            if before.get(condition) != found.get(condition) {
                self.tell_condition(ix, condition, host);
            }
        }
        self.touch(Work::Node(ix), host);
    }

    /// A kubelet that looks at its node tells if it has been cordoned or uncordoned since (`recordNodeSchedulableEvent`).
    fn tell_cordon(&mut self, ix: NodeIx, host: &mut dyn Host) {
        let node = &mut self.nodes[ix.index()];
        let is_cordoned = node.unschedulable;
        if std::mem::replace(&mut node.told_unschedulable, is_cordoned) != is_cordoned {
            let reason = if is_cordoned { "NodeNotSchedulable" } else { "NodeSchedulable" };
            let message = format!("Node {} status is now: {reason}", node.spec.name);
            let about = node.subject();
            self.record(host, Source::Kubelet, &about, Severity::Normal, reason, message);
        }
    }

    /// A kubelet tells of a condition of its node (`recordNodeStatusEvent`).
    pub(super) fn tell_condition(&mut self, ix: NodeIx, condition: NodeCondition, host: &mut dyn Host) {
        let node = &self.nodes[ix.index()];
        let reason = condition.event(node.conditions.get(condition) == Truth::True);
        let message = format!("Node {} status is now: {reason}", node.spec.name);
        let about = node.subject();
        self.record(host, Source::Kubelet, &about, Severity::Normal, reason, message);
    }

    /// What a kubelet finds.
    fn observed_conditions(&self, ix: NodeIx, host: &dyn Host) -> NodeConditions {
        let mut found = NodeConditions::WELL;
        let node = &self.nodes[ix.index()];
        node.pressure.report(host.now(), &mut found);
        let is_ready = node.is_runtime_up(host.now());
        found.set(NodeCondition::Ready, Truth::of(is_ready));
        found
    }
}
