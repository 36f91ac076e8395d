//! The network between machines: how long a message takes, what faults do to it (`rules`, `transmission`), and how often
//! a kernel says that nobody can be reached.

mod rules;
mod transmission;

use super::Traffic;
use super::job::Caller;
use crate::engine::Queue;
use crate::ids::{ContainerIx, NodeIx};
use crate::program::NONE;
use crate::time::{SimDuration, SimTime};

pub(super) use rules::{Hop, Rules};
pub(super) use transmission::{KERNEL_GIVES_UP, Progress};

pub use rules::{Bandwidth, Direction, Netem, NetworkEffect, NetworkFault, NetworkFaultIx};

/// Whether messages take time at all; mostly they do not, and then nobody asks further.
#[derive(Clone, Debug, Default)]
pub(super) struct Network {
    /// Some node is some way off.
    pub(super) has_latency: bool,
    /// Some pod's network has rules.
    pub(super) is_impaired: bool,
    /// They.
    pub(super) rules: Rules,
}

/// How often a client is told that a Service has no endpoints.
///
/// kube-proxy's REJECT is an ICMP message, and a node's kernel sends each client one a second at most, six at once
/// after a silence (`net.ipv4.icmp_ratelimit`, `inet_peer_xrlim_allow`). Where none comes, the client's SYN is as
/// good as lost. Refusals by a closed port are no ICMP messages, and are not limited.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefusalAllowance {
    credit: SimDuration,
    at: SimTime,
}

impl RefusalAllowance {
    const INTERVAL: SimDuration = SimDuration::SECOND;
    const BURST: u64 = 6;

    /// Whether the client is told this time.
    pub(super) fn take(&mut self, now: SimTime) -> bool {
        let most = Self::INTERVAL * Self::BURST;
        self.credit = (self.credit + now.since(self.at)).min(most);
        self.at = now;
        let is_told = self.credit >= Self::INTERVAL;
        if is_told {
            self.credit = self.credit.saturating_sub(Self::INTERVAL);
        }
        is_told
    }
}

impl Default for RefusalAllowance {
    fn default() -> Self {
        Self { credit: Self::INTERVAL * Self::BURST, at: SimTime::ZERO }
    }
}

impl Traffic {
    /// The node that a job is sent from.
    pub(super) fn client_node(&self, caller: Caller) -> NodeIx {
        match caller {
            Caller::Job(parent) => self.containers[self.jobs[parent.ix].container as usize].node,
            _ => self.load_node,
        }
    }

    /// Whether a job's client hears that the Service it asks for has no endpoints.
    pub(super) fn hears_of_refusal(&mut self, ix: u32) -> bool {
        let now = self.now;
        match self.jobs[ix].client {
            NONE => self.user_refusals.take(now),
            address => self.addresses[address as usize].refusals.take(now),
        }
    }

    /// Whether the nodes of this world are apart.
    pub(super) fn look_at_network(&mut self) {
        let takes_time = |spec: &super::NodeSpec| spec.latency.max(spec.local_latency) > SimDuration::ZERO;
        self.network.has_latency = self.nodes.iter().any(|node| takes_time(&node.spec));
    }

    /// One way between a job's client and its server.
    #[inline]
    pub(super) fn travel_time(&self, ix: u32) -> SimDuration {
        if self.network.has_latency { self.latency(ix) } else { SimDuration::ZERO }
    }

    fn latency(&self, ix: u32) -> SimDuration {
        let job = &self.jobs[ix];
        let server = self.containers[job.container as usize].node;
        let client = match job.caller {
            Caller::Probe(_) => server,
            caller => self.client_node(caller),
        };
        let spec = &self.nodes[client.index()].spec;
        if client == server { spec.local_latency } else { spec.latency }
    }

    /// Lets Chaos Mesh's `NetworkChaos` begin between the pods of these containers, as far as they exist now: see
    /// [`NetworkFault`] and, for what it does to whom, the module `traffic::network::rules`.
    ///
    /// It holds for the pods, not for their containers, until [`Self::mend_network`]. What is on its way already arrives.
    pub fn impair_network(&mut self, now: SimTime, fault: &NetworkFault) -> NetworkFaultIx {
        self.now = now;
        let addresses = |containers: &[ContainerIx]| -> Vec<u32> {
            containers.iter().map(|ix| self.containers[ix.index()].address).collect()
        };
        let (sources, targets) = (addresses(&fault.sources), addresses(&fault.targets));
        let ix = self.network.rules.add(&sources, &targets, fault.direction, fault.effect);
        self.network.is_impaired = !self.network.rules.is_empty();
        ix
    }

    /// Ends it. What was lost comes again when its sender's kernel tries the next time, which can be as long after the end
    /// as the fault has lasted.
    pub fn mend_network<E: super::Host>(&mut self, now: SimTime, queue: &mut Queue<E>, fault: NetworkFaultIx) {
        self.now = now;
        self.network.rules.remove(fault);
        self.network.is_impaired = !self.network.rules.is_empty();
        self.deliver_everywhere();
        self.settle(queue);
    }

    /// Whether one pod's SYNs to another are dropped now, all of them.
    pub(super) fn cannot_connect(&self, client: u32, server: u32) -> bool {
        self.is_cut(client, server) || self.forbids(client, server)
    }

    /// Whether nothing gets from one pod to another, or nothing back.
    pub(super) fn is_cut(&self, client: u32, server: u32) -> bool {
        let there = Hop { from: client, to: server, is_answer: false };
        self.network.is_impaired && (self.network.rules.is_cut(there) || self.network.rules.is_cut(there.back()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_refusals_are_told_at_once_and_then_one_a_second() {
        let mut allowance = RefusalAllowance::default();
        let mut told = |ms: u64| allowance.take(SimTime::ZERO + SimDuration::from_millis(ms));
        // What a burst of connects was answered on Linux 6.18: at 0.00 to 0.15 s, 1.0 and 2.0 s.
        let at: Vec<u64> = (0..2_100).step_by(30).filter(|&ms| told(ms)).collect();
        assert_eq!(at, [0, 30, 60, 90, 120, 150, 1_020, 2_010]);
        // Three seconds of silence allow three more.
        let at: Vec<u64> = (5_100..5_500).step_by(30).filter(|&ms| told(ms)).collect();
        assert_eq!(at, [5_100, 5_130, 5_160]);
    }
}
