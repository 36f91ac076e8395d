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
mod event;
mod handler;
mod http;
mod job;
mod log;
mod memory;
mod metrics;
mod network;
mod node;
mod notice;
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
pub use event::{Event, Host, JobEvent, ProcessEvent};
pub use http::{HttpAction, HttpFault, HttpFaultIx, HttpTarget};
pub use memory::MemoryStressIx;
pub use metrics::SeriesView;
pub use network::{Bandwidth, Direction, Netem, NetworkEffect, NetworkFault, NetworkFaultIx};
pub use node::NodeSpec;
pub use notice::{Failure, Notice, ProbeCall, ProbeResult};
pub use policy::PolicyMatrix;
pub use statistics::{Latency, RequestStatistics, ServiceStatistics, Statistics};
pub use stress::StressIx;
pub use users::WorkloadIx;
pub use wear::{Defect, Leak};

use crate::chance::Key;
use crate::engine::Queue;
use crate::ids::{KubeServiceIx, NodeIx};
use crate::program::Programs;
use crate::time::SimTime;
use crate::workload::users_key;
use container::{Address, Container};
use event::Work;
use job::{Forks, Jobs};
use node::Node;

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
        let races = root.with_str("ticks");
        let nodes = config.nodes.iter().zip(0..).map(|(&spec, ix)| Node::new(spec, races.with(ix), queue.add_timer()));
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
