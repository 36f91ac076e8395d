//! The node lifecycle controller (`pkg/controller/nodelifecycle/node_lifecycle_controller.go`): notices nodes of which nothing
//! is heard, says so, and taints them.
//!
//! ```text
//!  every 5 s: Lease or status is older than 50 s ──▶ all conditions Unknown ──▶ pods not Ready, one after the other
//!                                 not Ready ──▶ queue, one in 10 s ──▶ taint NoExecute ──▶ taint eviction
//!  a node changes: conditions, cordon ──▶ taints NoSchedule
//! ```
//!
//! Invariants:
//! - It knows of a node what the API shows: how old its Lease is, and what its status says.
//! - A node is in the queue, or has been through it, from when it is seen not Ready until it is seen Ready.
//! - While no node at all is Ready nobody is evicted: then it is the controller that is cut off.

use std::collections::{BTreeSet, VecDeque};

use crate::ids::{NodeIx, PodIx};
use crate::manifest::TaintEffect;
use crate::time::{SimDuration, SimTime};

use super::node::{Node, NodeCondition, NodeConditions, Taint, Truth};
use super::recorder::{Severity, Source};
use super::runtime::Host;
use super::{Cluster, Event, REQUEST, Work};

/// Between two looks at all nodes (`--node-monitor-period`).
const MONITOR_PERIOD: SimDuration = SimDuration::from_secs(5);
/// What a look takes: the next one comes a period after its end.
const MONITOR_PASS: SimDuration = SimDuration::MILLISECOND;
/// For how long nothing may be heard of a node (`--node-monitor-grace-period`, 50 s since 1.32).
const MONITOR_GRACE: SimDuration = SimDuration::from_secs(50);
/// Between two looks at the queue of nodes to be tainted (`NodeEvictionPeriod`).
const TAINT_PERIOD: SimDuration = SimDuration::from_millis(100);
/// Time per node that is tainted (`--node-eviction-rate` 0.1 per second).
const TAINT_INTERVAL: SimDuration = SimDuration::from_secs(10);
/// The same in a large cluster of which much is lost (`--secondary-node-eviction-rate` 0.01 per second).
const SLOW_TAINT_INTERVAL: SimDuration = SimDuration::from_secs(100);
/// A cluster with more nodes than this is large (`--large-cluster-size-threshold`).
const LARGE_CLUSTER: usize = 50;
/// Much is lost from this share of the nodes on, in per cent (`--unhealthy-zone-threshold`), and from three on.
const UNHEALTHY_PERCENT: usize = 55;

/// What the controller knows of a node.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Health {
    /// When it last found that something was written (`probeTimestamp`).
    probed: SimTime,
    /// The newest Lease and status that it has seen.
    lease: SimTime,
    status: SimTime,
}

/// How much of the cluster is lost (`ZoneState`); all nodes are of one zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Disruption {
    #[default]
    Normal,
    Partial,
    Full,
}

/// The controller's memory.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeLifecycle {
    /// Nodes that are to be tainted, oldest first.
    queue: VecDeque<NodeIx>,
    /// Those, and those that have been.
    queued: BTreeSet<NodeIx>,
    /// When the next one may be.
    due: SimTime,
    /// When the queue is looked at.
    wake: Option<SimTime>,
    disruption: Disruption,
}

impl Health {
    /// Looks whether something new was written.
    fn look(&mut self, lease: SimTime, status: SimTime, now: SimTime) {
        if lease > self.lease || status > self.status {
            *self = Self { probed: now, lease, status };
        }
    }
}

impl Cluster {
    pub(super) fn start_node_lifecycle(&mut self, host: &mut dyn Host) {
        let wait = self.key.with_str("node-lifecycle").draw().below(MONITOR_PERIOD.0);
        host.schedule(host.now() + SimDuration(wait), Event::MonitorNodes);
        for node in &mut self.nodes {
            node.health.probed = host.now();
        }
    }

    /// `monitorNodeHealth`. That a node is queued for its taint in the same pass in which it is given up is as Kubernetes
    /// 1.34 was seen to do it (trace `node-lost`).
    pub(super) fn monitor_nodes(&mut self, host: &mut dyn Host) {
        let now = host.now();
        for ix in (0..self.nodes.len() as u32).map(NodeIx) {
            let node = &mut self.nodes[ix.index()];
            let observed = node.conditions;
            node.health.look(node.lease_renewed, node.status_written, now);
            if now > node.health.probed + MONITOR_GRACE {
                node.conditions = NodeConditions::UNKNOWN;
            }
            let current = node.conditions;
            if current != observed {
                self.touch(Work::Node(ix), host);
            }
            self.mark_for_taint(ix, host);
            if observed.is_ready() && !current.is_ready() {
                self.give_up_node(ix, host);
            }
        }
        self.handle_disruption(host);
        host.schedule(now + MONITOR_PERIOD + MONITOR_PASS, Event::MonitorNodes);
    }

    /// A node is not heard of: its pods count as not ready (`MarkPodsNotReady`).
    fn give_up_node(&mut self, ix: NodeIx, host: &mut dyn Host) {
        let node = &self.nodes[ix.index()];
        let message = format!("Node {} status is now: NodeNotReady", node.spec.name);
        let about = node.subject();
        self.record(host, Source::NodeController, &about, Severity::Normal, "NodeNotReady", message);
        // One after the other, each with a request for its status and one for its event.
        let mut at = host.now();
        for pod in self.pods_on(ix) {
            at += REQUEST * 2;
            host.schedule(at, Event::MarkNotReady(pod));
        }
    }

    pub(super) fn mark_not_ready(&mut self, ix: PodIx, host: &mut dyn Host) {
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        let is_lost = pod.node().is_some_and(|node| !self.nodes[node.index()].conditions.is_ready());
        if !is_lost || !pod.ready {
            return;
        }
        pod.ready = false;
        pod.ready_since = host.now().in_whole_seconds();
        let about = pod.subject();
        let message = "Node is not ready".to_owned();
        self.record(host, Source::NodeController, &about, Severity::Warning, "NodeNotReady", message);
        self.pod_changed(ix, host);
    }

    /// `processTaintBaseEviction`: the taints `NoExecute`, of which a node has one at most.
    fn mark_for_taint(&mut self, ix: NodeIx, host: &mut dyn Host) {
        let node = &self.nodes[ix.index()];
        let Some(key) = lost_key(node.conditions) else {
            return self.mark_reachable(ix, host);
        };
        if node.taints.iter().any(|taint| taint.effect == TaintEffect::NoExecute) {
            self.taint_no_execute(ix, key, host);
        } else if self.node_lifecycle.queued.insert(ix) {
            self.node_lifecycle.queue.push_back(ix);
            self.wake_tainter(host.now(), host);
        }
    }

    fn taint_no_execute(&mut self, ix: NodeIx, key: &'static str, host: &mut dyn Host) {
        let taints = &mut self.nodes[ix.index()].taints;
        let before = taints.clone();
        taints.retain(|taint| taint.effect != TaintEffect::NoExecute);
        taints.insert(Taint::no_execute(key));
        if *taints != before {
            self.touch(Work::Node(ix), host);
        }
    }

    /// `markNodeAsReachable`.
    fn mark_reachable(&mut self, ix: NodeIx, host: &mut dyn Host) {
        if self.node_lifecycle.queued.remove(&ix) {
            self.node_lifecycle.queue.retain(|queued| *queued != ix);
        }
        let taints = &mut self.nodes[ix.index()].taints;
        let before = taints.len();
        taints.retain(|taint| taint.effect != TaintEffect::NoExecute);
        if taints.len() != before {
            self.touch(Work::Node(ix), host);
            self.node_opened(host);
        }
    }

    /// Looks at the queue at its first tick that is not before `at`.
    fn wake_tainter(&mut self, at: SimTime, host: &mut dyn Host) {
        if at == SimTime::NEVER {
            return;
        }
        let phase = self.key.with_str("tainter").draw().below(TAINT_PERIOD.0);
        let ticks = at.since(SimTime(phase)).0.div_ceil(TAINT_PERIOD.0);
        let wake = (SimTime(phase) + TAINT_PERIOD * ticks).max(host.now());
        self.node_lifecycle.wake = Some(wake);
        host.schedule(wake, Event::TaintNodes);
    }

    /// `doNoExecuteTaintingPass`.
    pub(super) fn taint_nodes(&mut self, host: &mut dyn Host) {
        let now = host.now();
        if self.node_lifecycle.wake != Some(now) {
            return;
        }
        self.node_lifecycle.wake = None;
        while let Some(ix) = self.node_lifecycle.queue.front().copied() {
            let due = self.node_lifecycle.due;
            if now < due {
                return self.wake_tainter(due, host);
            }
            self.node_lifecycle.queue.pop_front();
            self.node_lifecycle.due = now + self.taint_interval();
            if let Some(key) = lost_key(self.nodes[ix.index()].conditions) {
                self.taint_no_execute(ix, key, host);
            }
        }
    }

    fn taint_interval(&self) -> SimDuration {
        match self.node_lifecycle.disruption {
            Disruption::Partial => SLOW_TAINT_INTERVAL,
            Disruption::Normal | Disruption::Full => TAINT_INTERVAL,
        }
    }

    /// `handleDisruption`: when much is lost evictions slow down, and when all is lost they stop.
    fn handle_disruption(&mut self, host: &mut dyn Host) {
        let total = self.nodes.len();
        let lost = self.nodes.iter().filter(|node| !node.conditions.is_ready()).count();
        let after = if lost > 0 && lost == total {
            Disruption::Full
        } else if lost > 2 && lost * 100 >= UNHEALTHY_PERCENT * total {
            Disruption::Partial
        } else {
            Disruption::Normal
        };
        let before = std::mem::replace(&mut self.node_lifecycle.disruption, after);
        if before == after {
            return;
        }
        if before == Disruption::Full {
            for node in &mut self.nodes {
                node.health.probed = host.now();
            }
        }
        if after == Disruption::Full {
            for ix in 0..total as u32 {
                self.mark_reachable(NodeIx(ix), host);
            }
        }
        let stops = after == Disruption::Full || (after == Disruption::Partial && total <= LARGE_CLUSTER);
        self.node_lifecycle.due = if stops { SimTime::NEVER } else { host.now() };
        if !self.node_lifecycle.queue.is_empty() {
            self.wake_tainter(self.node_lifecycle.due, host);
        }
    }

    /// The controllers that watch a node see that it has changed.
    pub(super) fn sync_node(&mut self, ix: NodeIx, host: &mut dyn Host) {
        self.taint_for_conditions(ix, host);
        self.evict_for_taints(ix, host);
    }

    /// `doNoScheduleTaintingPass`.
    fn taint_for_conditions(&mut self, ix: NodeIx, host: &mut dyn Host) {
        let node = &mut self.nodes[ix.index()];
        let wanted: BTreeSet<_> = no_schedule_taints(node).collect();
        let others = node.taints.iter().filter(|taint| taint.effect != TaintEffect::NoSchedule);
        let after: BTreeSet<_> = others.copied().chain(wanted).collect();
        if after == node.taints {
            return;
        }
        let opens = !node.taints.is_subset(&after);
        node.taints = after;
        self.touch(Work::Node(ix), host);
        if opens {
            self.node_opened(host);
        }
    }
}

/// The key of the taint that a node has for not being Ready.
fn lost_key(conditions: NodeConditions) -> Option<&'static str> {
    match conditions.get(NodeCondition::Ready) {
        Truth::True => None,
        Truth::False => Some(Taint::NOT_READY),
        Truth::Unknown => Some(Taint::UNREACHABLE),
    }
}

/// Those that follow from what a node's status and specification say (`nodeConditionToTaintKeyStatusMap`).
fn no_schedule_taints(node: &Node) -> impl Iterator<Item = Taint> {
    let conditions = node.conditions;
    let pressed = [
        (NodeCondition::MemoryPressure, Taint::MEMORY_PRESSURE),
        (NodeCondition::DiskPressure, Taint::DISK_PRESSURE),
        (NodeCondition::PidPressure, Taint::PID_PRESSURE),
    ];
    let pressed = pressed.into_iter().filter(move |(kind, _)| conditions.get(*kind) == Truth::True);
    let cordoned = node.unschedulable.then_some(Taint::UNSCHEDULABLE);
    pressed.map(|(_, key)| key).chain(lost_key(conditions)).chain(cordoned).map(Taint::no_schedule)
}
