//! The data plane: users, requests, connections and the processes that serve them.
//!
//! Terms. A *container* is one process in its own control group; a restart makes a new one, which
//! takes over the *address* of the pod. A *job* is one attempt at a request, from the moment its
//! caller begins to connect until the caller has an answer or no longer waits and the server is
//! done. A *handler* is the part of a job that runs in the container: a program of the profile.
//! A *branch* is a part of a handler that runs beside it. A *caller* is who waits for a job.
//!
//! ```text
//!  user ─┐            kube-proxy of the          accept queue,          bursts on the node's CPU,
//!  probe ┼─▶ connect ─▶ caller's node  ─▶ arrive ─▶ run queue ─▶ handler ─▶ calls: jobs again ─┐
//!  call ─┘     │ refused, SYN dropped, gone          │                     │                   │
//!    ▲         ▼                                     ▼ process dies        ▼ respond           │
//!    └──── failure (retry, breaker, reaction) ◀──────┴───────── answer ◀───┴───────────────────┘
//! ```
//!
//! Kubernetes objects are unknown here: `cluster` starts, stops and resizes containers and says
//! what each node's kube-proxy knows; what happens to processes comes back as [`Notice`]s, and so does what they write to
//! their logs: facts, which [`Traffic::lines_of`] puts into the words of the profile when somebody reads them.
//!
//! Invariants:
//! - Jobs are conserved: started = answered + failed + in flight ([`Traffic::check_conservation`]).
//! - Chance is keyed by user and request number and the path of calls below it, so that worlds
//!   with the same seed see the same users and demands wherever they agree.
//! - What takes no simulated time happens at once, in the order in which it came about: a list of
//!   pending work is emptied before the next event.
//! - Plain data in vectors: a clone continues exactly as the original would.
//!
//! Faults of the data plane are methods of [`Traffic`], each with one that takes it back:
//!
//! | what | method | module |
//! | --- | --- | --- |
//! | `NetworkChaos`: delay, loss, bandwidth, partition | [`Traffic::impair_network`] | `network::rules`, `network::transmission` |
//! | `NetworkPolicy` | [`Traffic::set_policies`] | `policy` |
//! | `HTTPChaos`: abort, delay | [`Traffic::impair_http`] | `http` |
//! | `IOChaos`: latency, disk full | [`Traffic::impair_disk`] | `disk` |
//! | `StressChaos` | [`Traffic::stress`], [`Traffic::stress_memory`] | `stress`, `memory` |
//! | leak, slow program, data that grows | [`Traffic::set_leak`], [`Traffic::set_defect`], [`Traffic::age`] | `wear` |
//! | retries and timeouts of a caller | [`Traffic::set_client_policy`] | `client_policy` |
//! | wrong environment | [`Traffic::start_with_environment`] | `environment` |

mod backends;
mod breaker;
mod broker;
mod calls;
mod client_policy;
mod connection;
mod container;
mod disk;
mod environment;
mod handler;
mod http;
mod job;
mod log;
mod memory;
mod metrics;
mod network;
mod policy;
mod process;
mod runtime;
mod statistics;
mod stress;
mod users;
mod wear;

use std::collections::VecDeque;
use std::sync::Arc;

pub use backends::Backend;
pub use breaker::{Admission, Breaker};
pub use client_policy::ClientPolicy;
pub use container::{ContainerStats, Phase, ProcessSpec};
pub use disk::DiskFault;
pub use http::{HttpAction, HttpFault, HttpFaultIx, HttpTarget};
pub use memory::MemoryStressIx;
pub use metrics::SeriesView;
pub use network::{Bandwidth, Direction, Netem, NetworkEffect, NetworkFault, NetworkFaultIx};
pub use policy::PolicyMatrix;
pub use statistics::{Latency, RequestStatistics, ServiceStatistics, Statistics};
pub use stress::StressIx;
pub use users::WorkloadIx;
pub use wear::{Defect, Leak};

use crate::chance::Key;
use crate::cpu::{Kernel, NodeCpu};
use crate::engine::{Queue, TimerIx};
use crate::ids::{ContainerIx, EndpointIx, KubeServiceIx, NodeIx};
use crate::log::Entry;
use crate::program::Programs;
use crate::time::{SimDuration, SimTime};
use crate::workload::users_key;
use container::{Address, Container};
use job::{Forks, JobRef, Jobs};

/// What can happen by itself in the data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The CPU of a node has something to report.
    Cpu(NodeIx),
    /// Something happens to a job.
    Job(JobEvent, JobRef),
    /// A branch has been waited for long enough.
    AwaitTimeout(JobRef),
    /// Something happens to a process.
    Process(ProcessEvent, ContainerIx),
    /// A consumer tries to reach its broker.
    Subscribe(u32),
    /// A user's wait is over.
    User(u32),
    /// The next user of a closed load starts or stops.
    Spawn(WorkloadIx),
    /// The next arrival of an open load.
    Arrival(WorkloadIx),
    /// A stress worker wakes up.
    Stress(StressIx),
}

/// What can happen to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobEvent {
    /// Its next SYN is due, or connecting has taken too long.
    Connect,
    /// The answer to its SYN is there.
    Connected,
    /// More of its message goes out, for the first time or again.
    Transmit,
    /// The proxy of an HTTP fault lets it go on.
    Released,
    /// It looks again whether its disk has space.
    Disk,
    /// The request reaches the server.
    Arrive,
    /// A wait or a back-off is over.
    Wake,
    /// The answer reaches the caller.
    Answer,
    /// The caller stops waiting.
    Timeout,
}

/// What can happen to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessEvent {
    /// Its start-up has waited for its disk.
    Begin,
    /// It tries whether the services that it needs are there.
    TryDependencies,
    /// It does something without being asked.
    Background,
    /// It exits after a SIGTERM.
    Exit,
    /// It exits with this code.
    Fail(u8),
    /// It may have leaked too much.
    Leak,
}

/// What the rest of the world must know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Notice {
    /// A probe has its result.
    ProbeDone {
        /// As given to [`Traffic::probe`].
        token: u32,
        /// What came of it.
        result: ProbeResult,
    },
    /// A process is over, whoever ended it.
    Exited {
        /// Which.
        container: ContainerIx,
        /// Its exit code: 137 after SIGKILL.
        code: u8,
    },
    /// A process accepts connections from now on.
    Listening {
        /// Which.
        container: ContainerIx,
    },
    /// A process writes to its log.
    Wrote {
        /// Which.
        container: ContainerIx,
        /// What.
        entry: Entry,
    },
    /// A container needs more memory than its limit, and the kernel kills its own process.
    OverLimit {
        /// Which.
        container: ContainerIx,
    },
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// It connected, which is all a TCP probe wants.
    Connected,
    /// An HTTP answer with this status.
    Status(u16),
    /// No answer.
    Failed(Failure),
}

impl ProbeResult {
    /// As the kubelet judges (`pkg/probe/http`): any status from 200 to 399.
    pub fn is_success(self) -> bool {
        match self {
            Self::Connected => true,
            Self::Status(status) => (200..400).contains(&status),
            Self::Failed(_) => false,
        }
    }
}

/// What a probe asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeCall {
    /// That the port accepts a connection.
    Tcp,
    /// An endpoint ([`Programs::endpoint_or_not_found`]).
    Http(EndpointIx),
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// ECONNREFUSED: nobody listens there, or the Service has no endpoints.
    Refused,
    /// ECONNRESET: the process died.
    Reset,
    /// The caller's patience, or the kernel's, ended.
    TimedOut,
    /// EHOSTUNREACH: no machine has the address.
    Unreachable,
    /// The name is not known to the cluster's DNS.
    UnknownHost,
    /// The caller's circuit breaker is open.
    BreakerOpen,
}

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

/// What a data plane consists of.
#[derive(Clone, Debug)]
pub struct TrafficConfig {
    /// By [`NodeIx`].
    pub nodes: Vec<NodeSpec>,
    /// By `ServiceIx`: the Kubernetes Service with its address; none where the manifests have none.
    pub kube_services: Vec<Option<KubeServiceIx>>,
    /// By `ServiceIx`: the names under which the DNS knows that Kubernetes Service.
    pub hosts: Vec<Vec<String>>,
    /// The node whose kube-proxy the users' connections go through.
    pub load_node: NodeIx,
    /// Of the run.
    pub seed: u64,
}

/// Any event type that carries ours.
pub trait Host: Copy + From<Event> {}
impl<E: Copy + From<Event>> Host for E {}

#[derive(Clone, Debug)]
struct Node {
    spec: NodeSpec,
    cpu: NodeCpu,
    /// What a burst of the profile takes here, as a factor.
    slowness: f64,
    timer: TimerIx,
    /// For when the timer is set.
    armed: SimTime,
}

/// Where chance comes from, apart from keys that are already in jobs.
#[derive(Clone, Copy, Debug)]
struct Keys {
    users: Key,
    containers: Key,
}

impl Keys {
    fn new(root: Key) -> Self {
        Self { users: users_key(root), containers: root.with_str("containers") }
    }
}

/// Something that is due at this very moment.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// A handler goes on with its current instruction.
    Step(JobRef),
    /// The burst of a handler is done.
    BurstDone(JobRef),
    /// A handler got a thread or a runner.
    Run(JobRef),
    /// A process does its background work on a runner.
    RunBackground(ContainerIx),
    /// A job has a connection: the request goes out.
    Send(JobRef),
    /// A job must open a connection.
    Connect(JobRef),
    /// A queue may have a message for a consumer: broker, queue.
    Deliver(ContainerIx, u32),
}

/// The data plane of a world.
#[derive(Clone, Debug)]
pub struct Traffic {
    programs: Arc<Programs>,
    kube_services: Arc<[Option<KubeServiceIx>]>,
    hosts: Arc<[Vec<String>]>,
    load_node: NodeIx,
    keys: Keys,
    now: SimTime,
    nodes: Vec<Node>,
    proxies: backends::Proxies,
    containers: Vec<Container>,
    addresses: Vec<Address>,
    network: network::Network,
    http: http::HttpFaults,
    policies: policy::Policies,
    /// By service: what is wrong with its program.
    defects: Vec<Defect>,
    /// Of what the users ask for, who are one client.
    user_refusals: network::RefusalAllowance,
    /// By service: how many containers were started, which numbers them for chance.
    started: Vec<u32>,
    jobs: Jobs,
    forks: Forks,
    subscriptions: Vec<broker::Subscription>,
    stress: Vec<stress::Stress>,
    memory_stress: Vec<memory::MemoryStress>,
    users: users::Users,
    work: VecDeque<Work>,
    /// Scratch for what a CPU reports.
    finished: Vec<u32>,
    statistics: Statistics,
    /// For the world to drain after every event.
    pub notices: Vec<Notice>,
}

impl Traffic {
    /// A cluster without containers and users.
    pub fn new<E: Host>(programs: Arc<Programs>, config: &TrafficConfig, queue: &mut Queue<E>) -> Self {
        let root = Key::root(config.seed);
        let nodes = config.nodes.iter().enumerate().map(|(ix, &spec)| Node {
            spec,
            cpu: NodeCpu::with_kernel(
                spec.cores,
                Kernel { races: root.with_str("ticks").with(ix as u64), ..Kernel::default_for(spec.cores) },
            ),
            slowness: 1.0 / spec.speed,
            timer: queue.add_timer(),
            armed: SimTime::NEVER,
        });
        let services = programs.services.len();
        let mut traffic = Self {
            kube_services: config.kube_services.clone().into(),
            hosts: config.hosts.clone().into(),
            load_node: config.load_node,
            keys: Keys::new(root),
            now: SimTime::ZERO,
            nodes: nodes.collect(),
            proxies: backends::Proxies::new(config.nodes.len(), &config.kube_services),
            containers: Vec::new(),
            addresses: Vec::new(),
            network: network::Network::default(),
            http: http::HttpFaults::default(),
            policies: policy::Policies::default(),
            defects: vec![Defect::default(); services],
            user_refusals: network::RefusalAllowance::default(),
            started: vec![0; services + 1],
            jobs: Jobs::default(),
            forks: Forks::default(),
            subscriptions: Vec::new(),
            stress: Vec::new(),
            memory_stress: Vec::new(),
            users: users::Users::default(),
            work: VecDeque::new(),
            finished: Vec::new(),
            statistics: Statistics::new(services),
            notices: Vec::new(),
            programs,
        };
        traffic.look_at_network();
        traffic
    }

    /// The compiled profile.
    pub fn programs(&self) -> &Arc<Programs> {
        &self.programs
    }

    /// Draws all chance that does not hang on a request in progress under another key from now on.
    pub fn rekey(&mut self, future: u64) {
        self.keys = Keys { users: self.keys.users.with(future), containers: self.keys.containers.with(future) };
    }

    /// Lets an event happen.
    #[inline]
    pub fn handle<E: Host>(&mut self, now: SimTime, event: Event, queue: &mut Queue<E>) {
        self.now = now;
        match event {
            Event::Cpu(node) => self.cpu_reports(queue, node),
            Event::Job(what, job) => {
                if self.jobs.get(job).is_some() {
                    self.job_event(queue, what, job.ix);
                }
            }
            Event::AwaitTimeout(job) => {
                if self.jobs.get(job).is_some() {
                    self.await_timed_out(queue, job.ix);
                }
            }
            Event::Process(what, container) => self.process_event(queue, what, container),
            Event::Subscribe(subscription) => self.subscribe(queue, subscription),
            Event::User(user) => self.user_continues(queue, user),
            Event::Spawn(workload) => self.spawn_tick(queue, workload),
            Event::Arrival(workload) => self.arrival(queue, workload),
            Event::Stress(stress) => self.stress_wakes(stress),
        }
        self.settle(queue);
    }

    fn job_event<E: Host>(&mut self, queue: &mut Queue<E>, what: JobEvent, ix: u32) {
        match what {
            // What a handler waited for is over, and so is the handler: its node is lost.
            JobEvent::Wake | JobEvent::Disk if self.jobs[ix].state == job::State::Lost => {}
            JobEvent::Connect => self.connect_again(queue, ix),
            JobEvent::Connected => self.connected(queue, ix),
            JobEvent::Transmit => self.transmit(queue, ix),
            JobEvent::Released => self.released(queue, ix),
            JobEvent::Disk => self.try_disk_again(queue, ix),
            JobEvent::Arrive => self.arrive(queue, ix),
            JobEvent::Wake => self.step(queue, ix),
            JobEvent::Answer => self.answer(queue, ix),
            JobEvent::Timeout => self.client_failed(queue, ix, Failure::TimedOut),
        }
    }

    /// Does what is due at this moment and tells the queue when the CPUs want to be heard next.
    #[inline]
    fn settle<E: Host>(&mut self, queue: &mut Queue<E>) {
        while let Some(work) = self.work.pop_front() {
            self.work(queue, work);
        }
        for (ix, node) in self.nodes.iter_mut().enumerate() {
            // What a sleeping thread leaves behind is cleared up later, and then something may turn
            // out to have been due a little earlier.
            let due = node.cpu.next_event().max(self.now);
            if due != node.armed {
                node.armed = due;
                queue.set_timer(node.timer, due, Event::Cpu(NodeIx(ix as u32)).into());
            }
        }
    }

    #[inline]
    fn work<E: Host>(&mut self, queue: &mut Queue<E>, work: Work) {
        match work {
            Work::Step(job) if self.jobs.get(job).is_some() => self.step(queue, job.ix),
            Work::BurstDone(job) if self.jobs.get(job).is_some() => self.burst_done(queue, job.ix),
            Work::Run(job) if self.jobs.get(job).is_some() => self.run(queue, job.ix),
            Work::Send(job) if self.jobs.get(job).is_some() => self.send(queue, job.ix),
            Work::Connect(job) if self.jobs.get(job).is_some() => self.connect(queue, job.ix),
            Work::Step(_) | Work::BurstDone(_) | Work::Run(_) | Work::Send(_) | Work::Connect(_) => {}
            Work::RunBackground(container) => self.run_background(container),
            Work::Deliver(broker, message_queue) => self.deliver(queue, broker, message_queue),
        }
    }

    /// Checks that no job was lost or ended twice.
    ///
    /// # Errors
    /// The counts that do not agree.
    pub fn check_conservation(&self) -> Result<(), String> {
        self.jobs.check_conservation()?;
        self.users.check_conservation()
    }

    /// What was measured exactly, for reports and for the judge.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Starts a new window of [`Self::statistics`].
    pub fn reset_statistics(&mut self) {
        self.statistics.reset();
    }
}
