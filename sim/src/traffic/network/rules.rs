//! Network faults: what the rules in pods' network namespaces do to the packets that pass them.
//!
//! Chaos Mesh's `NetworkChaos` sets rules on the `eth0` of the pods that it chose when it started
//! (`controllers/chaosimpl/networkchaos/{trafficcontrol,partition}/impl.go`, `pkg/chaosdaemon/{tc,iptables}_server.go`):
//!
//! - *delay*, *loss* and *bandwidth* are queueing disciplines, `netem` and `tbf`, on what a pod **sends**. Those without a
//!   target come first, one after the other; then the packet is in the class of one rule with a target, here that of the
//!   fault that began last.
//! - *partition* is `iptables -j DROP` on what a pod sends **and** on what it gets, so it holds even where one of the two
//!   does not know the other's address (see below).
//!
//! A rule with a target names the addresses of *pods*. A client that calls a Kubernetes Service sends to the Service's
//! address, which kube-proxy replaces on the node, outside the pod, and its answers come back under that address. So
//! **in the pod of a client no rule with a target applies**; in the pod of the server it does. `direction: to` from the
//! client to the server therefore delays nothing, and `from` or `both` delays the answers. Upstream's users find the same
//! (chaos-mesh/chaos-mesh#1227, aptos-labs/aptos-core#13476).
//!
//! The rules belong to the pod: they survive a new container in it, and end with the pod. Pods that come later have none,
//! and are in no target.
//!
//! Not played: `correlation` (the state of one packet shapes the next, which keyed chance does not have), `reorder`, `rate`
//! of netem, and the 1000 packets that netem holds at most. Corrupting a packet is losing it, since its checksum fails;
//! a duplicate is dropped by TCP.

use crate::chance::Draw;
use crate::ids::ContainerIx;
use crate::time::{SimDuration, SimTime};
use crate::units::Bytes;

/// A network fault that was injected. Never given again to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkFaultIx(pub u32);

/// What Chaos Mesh's `NetworkChaos` says, with the pods that it chose.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkFault {
    /// `selector`: any container of each pod.
    pub sources: Vec<ContainerIx>,
    /// `target`: any container of each pod. Empty: everybody, pods and users and probes.
    pub targets: Vec<ContainerIx>,
    /// Whose packets. Without a target [`Direction::From`] and [`Direction::Both`] exist for a partition only.
    pub direction: Direction,
    /// What happens to them.
    pub effect: NetworkEffect,
}

/// Which packets between sources and targets a network fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Those from a source to a target.
    To,
    /// Those from a target to a source.
    From,
    /// Both.
    Both,
}

/// What a network fault does to packets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NetworkEffect {
    /// `tc … netem delay DELAY JITTER loss LOSS`.
    Netem(Netem),
    /// `tc … tbf rate RATE burst BUFFER limit LIMIT`.
    Bandwidth(Bandwidth),
    /// `iptables … -j DROP`.
    Partition,
}

/// The queueing discipline `netem` (`net/sched/sch_netem.c`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Netem {
    /// Added to each packet.
    pub delay: SimDuration,
    /// Uniform variation of the delay, to either side; what would be sent before it came is sent at once.
    pub jitter: SimDuration,
    /// Share of packets lost, 0 to 1.
    pub loss: f64,
}

/// The queueing discipline `tbf`, a token bucket (`net/sched/sch_tbf.c`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bandwidth {
    /// Bytes per second, headers included.
    pub rate: u64,
    /// What may wait for tokens; more is dropped.
    pub limit: Bytes,
    /// What may pass at once after a silence. A packet that is larger never passes.
    pub buffer: Bytes,
}

/// A packet's way: addresses, [`NONE`](crate::program::NONE) for what is no pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::traffic) struct Hop {
    pub(in crate::traffic) from: u32,
    pub(in crate::traffic) to: u32,
    /// It goes from the connection's server to its client, and so knows the client's own address.
    pub(in crate::traffic) is_answer: bool,
}

impl Hop {
    pub(in crate::traffic) fn back(self) -> Self {
        Self { from: self.to, to: self.from, is_answer: !self.is_answer }
    }
}

/// On which side of a pod's network a rule lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chain {
    Output,
    Input,
}

/// One rule in the network of one pod.
#[derive(Clone, Debug)]
struct Rule {
    fault: NetworkFaultIx,
    address: u32,
    chain: Chain,
    /// Addresses at the other end; empty: any.
    peers: Vec<u32>,
    effect: NetworkEffect,
    /// Of a token bucket: when it is full again if nothing more comes.
    full_at: SimTime,
}

impl Rule {
    /// Whether a packet is one that the rule names. Only a pod that is the server knows its peer's address.
    fn names(&self, peer: u32, is_server: bool) -> bool {
        self.peers.is_empty() || is_server && self.peers.contains(&peer)
    }
}

/// All rules of a world, in the order in which they were set.
#[derive(Clone, Debug, Default)]
pub(in crate::traffic) struct Rules {
    rules: Vec<Rule>,
    faults: u32,
}

impl Rules {
    pub(in crate::traffic) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Sets the rules of a fault between these addresses.
    pub(in crate::traffic) fn add(
        &mut self,
        sources: &[u32],
        targets: &[u32],
        direction: Direction,
        effect: NetworkEffect,
    ) -> NetworkFaultIx {
        let fault = NetworkFaultIx(self.faults);
        self.faults += 1;
        let (to, from) = (direction != Direction::From, direction != Direction::To);
        let cuts = effect == NetworkEffect::Partition;
        for (ends, peers, sends, gets) in [(sources, targets, to, from && cuts), (targets, sources, from, to && cuts)] {
            for (chain, is_set) in [(Chain::Output, sends), (Chain::Input, gets)] {
                if is_set {
                    let rule = |&address: &u32| Rule {
                        fault,
                        address,
                        chain,
                        peers: peers.to_vec(),
                        effect,
                        full_at: SimTime::ZERO,
                    };
                    self.rules.extend(ends.iter().map(rule));
                }
            }
        }
        fault
    }

    pub(in crate::traffic) fn remove(&mut self, fault: NetworkFaultIx) {
        self.rules.retain(|rule| rule.fault != fault);
    }

    /// Whether a rule drops every packet that goes this way.
    pub(in crate::traffic) fn is_cut(&self, hop: Hop) -> bool {
        self.rules.iter().filter(|rule| rule.effect == NetworkEffect::Partition).any(|rule| match rule.chain {
            Chain::Output => rule.address == hop.from && rule.names(hop.to, hop.is_answer),
            Chain::Input => rule.address == hop.to && rule.names(hop.from, !hop.is_answer),
        })
    }

    /// The queueing disciplines that a packet passes, in their order, as indices.
    fn passed(&self, hop: Hop) -> impl Iterator<Item = usize> {
        let shapes = move |rule: &Rule| {
            rule.chain == Chain::Output
                && rule.address == hop.from
                && rule.effect != NetworkEffect::Partition
                && rule.names(hop.to, hop.is_answer)
        };
        let class = self.rules.iter().rposition(|rule| !rule.peers.is_empty() && shapes(rule));
        let rules = self.rules.iter().enumerate();
        rules.filter(move |(_, rule)| rule.peers.is_empty() && shapes(rule)).map(|(ix, _)| ix).chain(class)
    }

    fn netems(&self, hop: Hop) -> impl Iterator<Item = Netem> {
        self.passed(hop).filter_map(|ix| match self.rules[ix].effect {
            NetworkEffect::Netem(netem) => Some(netem),
            NetworkEffect::Bandwidth(_) | NetworkEffect::Partition => None,
        })
    }

    /// The probability that a packet is not lost, apart from [`Self::is_cut`] and full queues.
    pub(in crate::traffic) fn arrives(&self, hop: Hop) -> f64 {
        self.netems(hop).map(|netem| 1.0 - netem.loss).product()
    }

    /// What a packet is delayed by on average.
    pub(in crate::traffic) fn mean_delay(&self, hop: Hop) -> SimDuration {
        self.netems(hop).fold(SimDuration::ZERO, |sum, netem| sum + netem.delay)
    }

    /// What one packet is delayed by.
    pub(in crate::traffic) fn delay(&self, hop: Hop, draw: &mut Draw) -> SimDuration {
        self.netems(hop).fold(SimDuration::ZERO, |sum, netem| {
            // `tabledist` without a table: uniform.
            let swing = if netem.jitter.0 == 0 { 0.0 } else { netem.jitter.0 as f64 * draw.between(-1.0, 1.0) };
            sum + SimDuration((netem.delay.0 as f64 + swing).max(0.0) as u64)
        })
    }

    /// Hands packets of `bytes` together, none larger than `largest`, to the token buckets on their way. Returns how long
    /// they take to be through, or none if one of them drops them.
    pub(in crate::traffic) fn shape(
        &mut self,
        now: SimTime,
        hop: Hop,
        bytes: u64,
        largest: u64,
    ) -> Option<SimDuration> {
        let mut time = SimDuration::ZERO;
        let buckets: Vec<usize> = self.passed(hop).collect();
        for ix in buckets {
            let rule = &mut self.rules[ix];
            let NetworkEffect::Bandwidth(Bandwidth { rate, limit, buffer }) = rule.effect else {
                continue;
            };
            let takes = |bytes: u64| SimDuration((u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1))) as u64);
            let starts = rule.full_at.max(now + time);
            let full_at = starts + takes(bytes);
            let through = (full_at - takes(buffer.0)).max(now + time);
            if largest > buffer.0 || through.since(now + time) > takes(limit.0) {
                return None;
            }
            rule.full_at = full_at;
            time = through.since(now);
        }
        Some(time)
    }
}
