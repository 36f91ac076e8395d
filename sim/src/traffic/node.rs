//! The machines that containers run on.

use crate::chance::Key;
use crate::cpu::{Kernel, NodeCpu};
use crate::engine::TimerIx;
use crate::time::{SimDuration, SimTime};

/// What a node is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NodeSpec {
    /// Processors.
    pub cores: u32,
    /// Relative to the machine of the profile: bursts take `1 / speed` times as long.
    pub speed: f64,
    /// `tcp_syn_linear_timeouts`: how many SYNs are repeated before the gaps double (4 since
    /// Linux 6.5, none before).
    pub syn_linear_timeouts: u8,
    /// After what time a connect to an address that no machine has fails with EHOSTUNREACH (3 s
    /// where the neighbour would be on the same network); none: SYNs go unanswered.
    pub unreachable_after: Option<SimDuration>,
    /// One way, to any other node, from `write` in one process until the other runs.
    pub latency: SimDuration,
    /// The same, within the node.
    pub local_latency: SimDuration,
    /// `memory.oom.group`: a container over its memory limit loses all of its processes at once. The kubelet sets it
    /// for every container on control groups of version 2 since 1.28 (`singleProcessOOMKill`); version 1 does not have it.
    pub oom_kills_group: bool,
}

impl Default for NodeSpec {
    fn default() -> Self {
        Self {
            cores: 2,
            speed: 1.0,
            syn_linear_timeouts: 4,
            unreachable_after: None,
            latency: SimDuration::ZERO,
            local_latency: SimDuration::ZERO,
            oom_kills_group: true,
        }
    }
}

/// A node, with the processors on which its containers run.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) spec: NodeSpec,
    pub(super) cpu: NodeCpu,
    /// What a burst of the profile takes here, as a factor.
    pub(super) slowness: f64,
    pub(super) timer: TimerIx,
    /// For when the timer is set.
    pub(super) armed: SimTime,
}

impl Node {
    /// An idle one. `races` decides what its kernel leaves to chance; `timer` is its CPU's.
    pub(super) fn new(spec: NodeSpec, races: Key, timer: TimerIx) -> Self {
        let kernel = Kernel { races, ..Kernel::default_for(spec.cores) };
        Self {
            spec,
            cpu: NodeCpu::with_kernel(spec.cores, kernel),
            slowness: 1.0 / spec.speed,
            timer,
            armed: SimTime::NEVER,
        }
    }
}
