//! Containers and addresses: what they consist of, and what the rest of the world may ask.

use std::collections::VecDeque;

use super::Traffic;
use super::breaker::Breaker;
use super::broker::MessageQueue;
use super::connection::Link;
use super::disk::DiskFault;
use super::environment::Configuration;
use super::metrics::Histograms;
use super::network::RefusalAllowance;
use super::wear::Leaking;
use crate::chance::Key;
use crate::cpu::{CpuStats, GroupIx, Phases};
use crate::ids::{ContainerIx, NodeIx, ServiceIx};
use crate::program::NONE;
use crate::time::{SimDuration, SimTime};
use crate::units::{Bytes, Millicores};

/// What to start.
#[derive(Clone, Copy, Debug)]
pub struct ProcessSpec {
    /// Where.
    pub node: NodeIx,
    /// What the image does; none: it starts, serves nothing and stays up.
    pub runs: Option<ServiceIx>,
    /// `resources.limits.cpu`.
    pub cpu_limit: Option<Millicores>,
    /// `resources.requests.cpu`.
    pub cpu_request: Millicores,
    /// `resources.limits.memory`.
    pub memory_limit: Option<Bytes>,
    /// Its pod has no other container, and so the same CPU quota as it ([`Phases`]).
    pub is_alone: bool,
    /// The container before it in the same pod, whose address it takes over.
    pub replaces: Option<ContainerIx>,
}

/// Where a process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before its first `listen`: its port is closed.
    Starting,
    /// It accepts connections.
    Listening,
    /// It got a SIGTERM and goes on serving until it exits.
    Draining,
    /// It is over; nothing of it runs any more.
    Exited,
}

/// What `/metrics/cadvisor` and the cgroup tell about a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerStats {
    /// Of its process.
    pub phase: Phase,
    /// Its control group's `cpu.stat`. Counters end with the process.
    pub cpu: CpuStats,
    /// Its working set; zero when it is over.
    pub working_set: Bytes,
    /// Processes in it that the kernel killed for its memory, and that it outlived.
    pub oom_kills: u32,
    /// Requests that reached it and have no answer yet.
    pub in_flight: u32,
    /// Requests that it has answered.
    pub served: u64,
}

/// The address of a pod.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address {
    /// The latest container of the pod.
    pub(super) container: u32,
    /// No machine has it any more.
    pub(super) is_gone: bool,
    /// Its pod's, as network policies go.
    pub(super) group: u32,
    /// Of what its pod asks for.
    pub(super) refusals: RefusalAllowance,
}

impl Address {
    /// Of a new pod.
    pub(super) fn new(container: u32) -> Self {
        Self { container, is_gone: false, group: 0, refusals: RefusalAllowance::default() }
    }
}

/// One process, its control group and all that it holds.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one process, not a state")]
pub(super) struct Container {
    pub(super) service: Option<ServiceIx>,
    pub(super) node: NodeIx,
    /// In its node's CPU; dead once the process has exited.
    pub(super) group: GroupIx,
    /// When its CPU quota and that of its pod are filled up, if it has a limit.
    pub(super) quota_phases: Phases,
    pub(super) phase: Phase,
    pub(super) address: u32,
    pub(super) key: Key,
    pub(super) memory_limit: Option<Bytes>,
    /// Memory that other processes in its control group occupy.
    pub(super) stressed: Bytes,
    /// Whether the kernel is killing its process for its memory.
    pub(super) is_over_limit: bool,
    /// How many other processes the kernel has killed for their memory.
    pub(super) oom_kills: u32,

    /// Start-up threads still running.
    pub(super) starting_threads: u32,
    /// When it began to listen.
    pub(super) listening_since: SimTime,
    /// By how much more a burst costs because its runtime is not warm, as last reckoned, and until when that is
    /// good enough.
    pub(super) coldness: f64,
    pub(super) cold_until: SimTime,
    /// When its last burst ended.
    pub(super) last_ran: SimTime,
    /// Bursts on the CPU or at least holding a runner.
    pub(super) running: u32,
    /// How many there may be at once.
    pub(super) max_running: u32,
    /// Threads that handle requests, and how many there may be.
    pub(super) busy_threads: u32,
    pub(super) max_threads: u32,
    /// Jobs and background work (see `runtime`) that wait for a runner.
    pub(super) run_queue: VecDeque<u32>,
    /// Jobs that wait for a thread.
    pub(super) accept_queue: VecDeque<u32>,
    /// Jobs whose handler has not started.
    pub(super) unaccepted: u32,
    pub(super) background_pending: bool,
    /// Its machine is gone: nobody resets its connections.
    pub(super) is_lost: bool,
    /// It has not handled any request.
    pub(super) is_fresh: bool,

    pub(super) in_flight: u32,
    pub(super) served: u64,
    /// Part of the heap that is not in use yet, 1 to 0.
    pub(super) heap_left: f64,
    /// How many times as much a burst costs as the profile says.
    pub(super) cost_factor: f64,
    /// What a fault lets it leak.
    pub(super) leaking: Leaking,
    /// How many documents it has, in a world in which it ages.
    pub(super) documents: Option<u64>,
    /// What is wrong with its disk, if anything is.
    pub(super) disk: DiskFault,
    pub(super) has_disk_fault: bool,
    /// It is about to exit because of its disk, and has said so.
    pub(super) has_panicked: bool,
    /// What its environment made of it.
    pub(super) configuration: Configuration,

    /// By the local number of each client of its service.
    pub(super) links: Vec<Link>,
    /// By the `guard` of its service's endpoints.
    pub(super) breakers: Vec<Breaker>,
    /// By endpoint of its service: requests handled, as far as its `first` list cares.
    pub(super) handled: Vec<u16>,
    pub(super) histograms: Histograms,
    /// Message queues, if it is a broker.
    pub(super) queues: Vec<MessageQueue>,
}

impl Container {
    pub(super) fn is_serving(&self) -> bool {
        matches!(self.phase, Phase::Listening | Phase::Draining) && !self.configuration.is_elsewhere
    }

    pub(super) fn is_alive(&self) -> bool {
        self.phase != Phase::Exited
    }
}

impl Traffic {
    /// Number of containers so far; they are numbered without gaps.
    pub fn container_count(&self) -> usize {
        self.containers.len()
    }

    /// What a container runs.
    pub fn service_of(&self, container: ContainerIx) -> Option<ServiceIx> {
        self.containers[container.index()].service
    }

    /// What the kubelet sees of a container.
    pub fn stats(&self, now: SimTime, ix: ContainerIx) -> ContainerStats {
        let container = &self.containers[ix.index()];
        let cpu = if container.is_alive() {
            self.nodes[container.node.index()].cpu.group_stats(now, container.group)
        } else {
            CpuStats::default()
        };
        ContainerStats {
            phase: container.phase,
            cpu,
            working_set: self.working_set(now, ix.0),
            oom_kills: container.oom_kills,
            in_flight: container.in_flight,
            served: container.served,
        }
    }

    /// Core time that a node has spent working so far.
    pub fn node_busy(&self, now: SimTime, node: NodeIx) -> SimDuration {
        self.nodes[node.index()].cpu.busy(now)
    }

    /// The pod's address is gone from the network.
    pub fn remove_address(&mut self, now: SimTime, ix: ContainerIx) {
        self.now = now;
        let address = self.containers[ix.index()].address;
        self.addresses[address as usize].is_gone = true;
    }

    /// The container of an address, or [`NONE`] if no machine has it.
    #[inline]
    pub(super) fn container_at(&self, address: u32) -> u32 {
        let address = &self.addresses[address as usize];
        if address.is_gone { NONE } else { address.container }
    }
}
