//! The network between machines: how long a message takes, which are lost, and how often a kernel says that nobody can
//! be reached.

use super::Traffic;
use super::container::NetworkImpairment;
use super::job::Caller;
use crate::ids::NodeIx;
use crate::time::{SimDuration, SimTime};

/// First retransmission of data: the shortest timeout of the kernel (`TCP_RTO_MIN`); doubles.
const RETRANSMISSION: SimDuration = SimDuration::from_millis(200);
/// After what time the kernel gives up data that nobody acknowledges (`tcp_retries2`).
pub(super) const KERNEL_GIVES_UP: SimDuration = SimDuration::from_millis(924_600);

/// A message of a request, on its way from one end to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leg {
    Syn,
    SynAck,
    Request,
    Answer,
}

impl Leg {
    /// For its chance.
    const fn name(self) -> &'static str {
        match self {
            Self::Syn => "syn",
            Self::SynAck => "syn-ack",
            Self::Request => "request",
            Self::Answer => "answer",
        }
    }
}

/// Whether messages take time at all; mostly they do not, and then nobody asks further.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Network {
    /// Some node is some way off.
    pub(super) has_latency: bool,
    /// A fault delays messages, or loses them.
    pub(super) is_impaired: bool,
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

    /// The address of the pod that a job is sent from, if it is one.
    fn client_address(&self, caller: Caller) -> Option<u32> {
        match caller {
            Caller::Job(parent) => Some(self.containers[self.jobs[parent.ix].container as usize].address),
            _ => None,
        }
    }

    /// Whether a client hears that the Service it asks for has no endpoints.
    pub(super) fn hears_of_refusal(&mut self, caller: Caller) -> bool {
        let now = self.now;
        match self.client_address(caller) {
            Some(address) => self.addresses[address as usize].refusals.take(now),
            None => self.user_refusals.take(now),
        }
    }

    /// What the network is like with the faults that there are now.
    pub(super) fn look_at_network(&mut self) {
        let takes_time = |spec: &super::NodeSpec| spec.latency.max(spec.local_latency) > SimDuration::ZERO;
        self.network = Network {
            has_latency: self.nodes.iter().any(|node| takes_time(&node.spec)),
            is_impaired: self.addresses.iter().any(|address| address.impairment != NetworkImpairment::default()),
        };
    }

    /// Whether this SYN, or the answer to it, is lost on the way.
    pub(super) fn is_lost(&self, ix: u32, server: u32) -> bool {
        if !self.network.is_impaired {
            return false;
        }
        let key = self.jobs[ix].key.with_str(Leg::Syn.name()).with(u64::from(self.jobs[ix].syns));
        let arrives = self.arrival_probability(ix, server);
        arrives < 1.0 && !key.draw().bernoulli(arrives)
    }

    /// The probability that a message between a job's client and `server` gets past the impairments of both ends.
    fn arrival_probability(&self, ix: u32, server: u32) -> f64 {
        let ends = [Some(self.containers[server as usize].address), self.client_address(self.jobs[ix].caller)];
        ends.iter().flatten().map(|&address| 1.0 - self.addresses[address as usize].impairment.loss).product()
    }

    /// How long a message of a job takes, with what the networks of both ends do to it.
    /// [`KERNEL_GIVES_UP`] if it never arrives.
    #[inline]
    pub(super) fn travel_time(&self, ix: u32, leg: Leg) -> SimDuration {
        let latency = if self.network.has_latency { self.latency(ix) } else { SimDuration::ZERO };
        if self.network.is_impaired { self.impaired_travel_time(ix, leg, latency) } else { latency }
    }

    /// One way between a job's client and its server.
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

    fn impaired_travel_time(&self, ix: u32, leg: Leg, latency: SimDuration) -> SimDuration {
        let job = &self.jobs[ix];
        let mut draw = job.key.with_str(leg.name()).draw();
        let mut time = latency;
        // netem delays what a pod sends; the message passes one of the two.
        let sender = match leg {
            Leg::SynAck | Leg::Answer => Some(self.containers[job.container as usize].address),
            Leg::Syn | Leg::Request => self.client_address(job.caller),
        };
        if let Some(sender) = sender {
            let impairment = self.addresses[sender as usize].impairment;
            let swing = impairment.jitter.0 as f64 * draw.between(-1.0, 1.0);
            time += SimDuration((impairment.delay.0 as f64 + swing).max(0.0) as u64);
        }
        if matches!(leg, Leg::Request | Leg::Answer) {
            let arrives = self.arrival_probability(ix, job.container);
            let mut timeout = RETRANSMISSION;
            while arrives < 1.0 && time < KERNEL_GIVES_UP && !draw.bernoulli(arrives) {
                time += timeout;
                timeout = timeout * 2;
            }
        }
        time.min(KERNEL_GIVES_UP)
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
