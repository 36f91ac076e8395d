//! The life of a process: start, listen, SIGTERM, SIGKILL, crash.
//!
//! ```text
//!   start ─▶ wait (disk) ─▶ cpu (under the quota) ─▶ dependencies answer? ─▶ listening ─▶ exited
//!                                                       └─ once a second ─┘      └ draining ┘
//! ```

use std::collections::VecDeque;

use super::backends::Route;
use super::breaker::Breaker;
use super::connection::Link;
use super::container::{Address, Container, Phase, ProcessSpec};
use super::disk::DiskFault;
use super::environment::{Configuration, EXITS_AFTER, Target};
use super::job::{Caller, Outcome, State};
use super::metrics::Histograms;
use super::network::KERNEL_GIVES_UP;
use super::runtime::Tag;
use super::wear::{Defect, Leaking};
use super::{Event, Failure, Host, JobEvent, Notice, ProcessEvent, Traffic};
use crate::chance::Key;
use crate::cpu::{GroupConfig, PERIOD, Phases, Quota, weight_of_request};
use crate::engine::Queue;
use crate::ids::{ContainerIx, ServiceIx};
use crate::log::Said;
use crate::profile::{CallError, Concurrency};
use crate::program::{NONE, Programs};
use crate::time::{SimDuration, SimTime};
use crate::units::{Bytes, Millicores};

/// How often a process tries services that it waits for.
const DEPENDENCY_RETRY: SimDuration = SimDuration::SECOND;

/// Exit code of a process that nobody had to force.
const EXIT_SUCCESS: u8 = 0;
/// Exit code after an exception that nobody caught.
const EXIT_CRASH: u8 = 1;
/// Exit code that a shell, and a container runtime, reports after SIGKILL: 128 + 9.
const EXIT_SIGKILL: u8 = 137;

impl Traffic {
    /// Starts a container. [`Notice::Listening`] follows when it serves.
    pub fn start<E: Host>(&mut self, now: SimTime, queue: &mut Queue<E>, spec: ProcessSpec) -> ContainerIx {
        self.launch(now, queue, spec, Configuration::default())
    }

    pub(super) fn launch<E: Host>(
        &mut self,
        now: SimTime,
        queue: &mut Queue<E>,
        spec: ProcessSpec,
        configuration: Configuration,
    ) -> ContainerIx {
        self.now = now;
        let ix = self.containers.len() as u32;
        let address = if let Some(previous) = spec.replaces {
            self.containers[previous.index()].address
        } else {
            self.addresses.push(Address::new(ix));
            self.addresses.len() as u32 - 1
        };
        self.addresses[address as usize].container = ix;
        let exits = configuration.exits;
        let container = Container { configuration, ..self.new_container(spec, address) };
        self.containers.push(container);
        if let Some(code) = exits {
            self.say(ix, Said::Complaint);
            queue.schedule(now + EXITS_AFTER, Event::Process(ProcessEvent::Fail(code), ContainerIx(ix)).into());
        } else if let Some(service) = spec.runs {
            let wait = self.programs.services[service.index()].runtime.start_up.wait;
            queue.schedule(now + wait, Event::Process(ProcessEvent::Begin, ContainerIx(ix)).into());
        }
        self.settle(queue);
        ContainerIx(ix)
    }

    fn new_container(&mut self, spec: ProcessSpec, address: u32) -> Container {
        let class = spec.runs.map_or(self.started.len() - 1, ServiceIx::index);
        let key = self.keys.containers.with(class as u64).with(u64::from(self.started[class]));
        self.started[class] += 1;
        let quota_phases = self.quota_phases(spec, key);
        let node = &mut self.nodes[spec.node.index()];
        let config = GroupConfig {
            quota: spec.cpu_limit.map(Quota::from_limit),
            weight: weight_of_request(spec.cpu_request),
            phases: quota_phases,
        };
        let group = node.cpu.add_group(self.now, config);
        let service = spec.runs.map(|service| &self.programs.services[service.index()]);
        let (first, last) = service.map_or((0, 0), |s| s.clients);
        let (first_endpoint, last_endpoint) = service.map_or((0, 0), |s| s.endpoints);
        let defect = spec.runs.map_or(Defect::default(), |service| self.defects[service.index()]);
        let threads = service.filter(|s| s.runtime.model == Concurrency::Threads);
        Container {
            service: spec.runs,
            node: spec.node,
            group,
            quota_phases,
            phase: Phase::Starting,
            address,
            key,
            memory_limit: spec.memory_limit,
            stressed: Bytes(0),
            is_over_limit: false,
            oom_kills: 0,
            starting_threads: 0,
            listening_since: SimTime::NEVER,
            coldness: 1.0,
            cold_until: SimTime::ZERO,
            last_ran: self.now,
            running: 0,
            max_running: service.map_or(0, |s| s.runners(node.spec.cores)),
            busy_threads: 0,
            max_threads: threads.map_or(NONE, |s| s.runtime.max_threads.unwrap_or(NONE)),
            run_queue: VecDeque::new(),
            accept_queue: VecDeque::new(),
            unaccepted: 0,
            background_pending: false,
            is_fresh: true,
            is_lost: false,
            in_flight: 0,
            served: 0,
            heap_left: 1.0,
            cost_factor: defect.cost_factor,
            leaking: Leaking::new(defect.leak),
            documents: None,
            disk: DiskFault::default(),
            has_disk_fault: false,
            has_panicked: false,
            configuration: Configuration::default(),
            links: vec![Link::default(); (last - first) as usize],
            breakers: vec![Breaker::default(); service.map_or(0, |s| s.breakers.len())],
            handled: vec![0; (last_endpoint - first_endpoint) as usize],
            histograms: Histograms::default(),
            queues: Vec::new(),
        }
    }

    /// A new container is a new control group; that of its pod outlives it.
    fn quota_phases(&self, spec: ProcessSpec, key: Key) -> Phases {
        let draw = |of: &str| SimDuration(key.with_str(of).draw().below(PERIOD.0));
        let before = spec.replaces.and_then(|previous| self.containers[previous.index()].quota_phases.pod);
        let pod = spec.is_alone.then(|| before.unwrap_or_else(|| draw("pod phase")));
        Phases { container: draw("phase"), pod }
    }

    pub(super) fn process_event<E: Host>(&mut self, queue: &mut Queue<E>, what: ProcessEvent, ix: ContainerIx) {
        if !self.containers[ix.index()].is_alive() {
            return;
        }
        match what {
            ProcessEvent::Begin => self.begin_start_up(queue, ix),
            ProcessEvent::TryDependencies => self.try_dependencies(queue, ix),
            ProcessEvent::Background => self.background(queue, ix),
            ProcessEvent::Exit => self.exit(queue, ix, EXIT_SUCCESS),
            ProcessEvent::Fail(code) => self.exit(queue, ix, code),
            ProcessEvent::Leak => self.leak_is_due(queue, ix.0),
        }
    }

    fn begin_start_up<E: Host>(&mut self, queue: &mut Queue<E>, ix: ContainerIx) {
        let fits = self.start_up_that_fits(ix);
        let container = &mut self.containers[ix.index()];
        let service = container.service.expect("only a container that runs a service starts up");
        let start_up = &self.programs.services[service.index()].runtime.start_up;
        let node = &mut self.nodes[container.node.index()];
        if start_up.cpu.0 == 0 {
            return self.try_dependencies(queue, ix);
        }
        let threads = start_up.threads.max(1);
        container.starting_threads = threads;
        let work = SimDuration(start_up.cpu.scaled(node.slowness * fits).0 / u64::from(threads));
        for _ in 0..threads {
            node.cpu.start(self.now, container.group, work.max(SimDuration(1)), Tag::StartUp(ix.0).encode());
        }
    }

    /// One of its start-up threads is done.
    pub(super) fn start_up_burst_done<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let container = &mut self.containers[ix as usize];
        container.starting_threads -= 1;
        if container.starting_threads > 0 {
            return;
        }
        if self.start_up_that_fits(ContainerIx(ix)) < 1.0 {
            self.kill_for_memory(ix);
        } else {
            self.try_dependencies(queue, ContainerIx(ix));
        }
    }

    /// Listens if everything that the process waits for would accept a connection.
    fn try_dependencies<E: Host>(&mut self, queue: &mut Queue<E>, ix: ContainerIx) {
        let programs = self.programs.clone();
        let container = &self.containers[ix.index()];
        let Some(service) = container.service else {
            return;
        };
        let said = if container.configuration.never_listens {
            Some(Said::Complaint)
        } else {
            let waits_for = &programs.services[service.index()].runtime.waits_for;
            waits_for.iter().filter_map(|name| programs.service(name)).find_map(|to| {
                let route = self.look_for(ix, to, "reach");
                route.err().map(|error| Said::Waiting { to, error })
            })
        };
        if let Some(said) = said {
            self.say(ix.0, said);
            let retry = Event::Process(ProcessEvent::TryDependencies, ix);
            queue.schedule(self.now + DEPENDENCY_RETRY, retry.into());
        } else {
            self.listen(queue, ix, &programs);
        }
    }

    /// The container that would accept a connection to `target` now, or why none would.
    pub(super) fn look_for(&self, from: ContainerIx, target: ServiceIx, why: &str) -> Result<u32, CallError> {
        let container = &self.containers[from.index()];
        let key = container.key.with_str(why).with(self.now.0);
        let route = match container.target(target) {
            Target::Service(target) => self.route(container.node, target, key),
            Target::Nowhere => Route::UnknownHost,
            Target::WrongPort => Route::Unanswered,
        };
        let address = match route {
            Route::Address(address) => address,
            Route::UnknownHost => return Err(CallError::UnknownHost),
            Route::NoEndpoints | Route::Refused => return Err(CallError::Refused),
            Route::Unanswered => return Err(CallError::ConnectTimedOut),
        };
        let at = self.container_at(address);
        if at == NONE || self.cannot_connect(container.address, address) {
            return Err(CallError::ConnectTimedOut);
        }
        if self.containers[at as usize].is_serving() { Ok(at) } else { Err(CallError::Refused) }
    }

    fn listen<E: Host>(&mut self, queue: &mut Queue<E>, ix: ContainerIx, programs: &Programs) {
        let container = &mut self.containers[ix.index()];
        if container.phase != Phase::Starting {
            return;
        }
        container.phase = Phase::Listening;
        container.listening_since = self.now;
        container.last_ran = self.now;
        let service = container.service.expect("only a container that runs a service listens");
        let runtime = &programs.services[service.index()].runtime;
        if let Some(background) = &runtime.background {
            let first = container.key.with_str("background").draw().below(background.every.0.max(1));
            queue.schedule(self.now + SimDuration(first), Event::Process(ProcessEvent::Background, ix).into());
        }
        self.notices.push(Notice::Listening { container: ix });
        self.check_memory(ix.0);
        self.watch_leak(queue, ix.0);
        self.add_subscriptions(queue, ix, service);
    }

    /// SIGTERM: the process goes on serving until it exits, if it heeds the signal at all.
    pub fn terminate<E: Host>(&mut self, now: SimTime, queue: &mut Queue<E>, ix: ContainerIx) {
        self.now = now;
        let container = &mut self.containers[ix.index()];
        if container.phase == Phase::Listening {
            container.phase = Phase::Draining;
        }
        let heeds = container.service.and_then(|s| self.programs.services[s.index()].runtime.exits_in);
        if let Some(time) = heeds
            && container.is_alive()
        {
            queue.schedule(now + time, Event::Process(ProcessEvent::Exit, ix).into());
        }
    }

    /// SIGKILL: everything in the process fails at once; its kernel resets its connections.
    pub fn kill<E: Host>(&mut self, now: SimTime, queue: &mut Queue<E>, ix: ContainerIx) {
        self.now = now;
        self.exit(queue, ix, EXIT_SIGKILL);
        self.settle(queue);
    }

    /// The machine is gone, and nobody is left to reset connections: callers hear nothing more.
    pub fn lose<E: Host>(&mut self, now: SimTime, queue: &mut Queue<E>, ix: ContainerIx) {
        self.now = now;
        self.containers[ix.index()].is_lost = true;
        self.remove_address(now, ix);
        self.exit(queue, ix, EXIT_SIGKILL);
        self.settle(queue);
    }

    /// An exception that nobody catches.
    pub(super) fn crash<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        self.exit(queue, ContainerIx(ix), EXIT_CRASH);
    }

    /// In-place resize: new limits for the control group.
    pub fn resize<E: Host>(
        &mut self,
        now: SimTime,
        queue: &mut Queue<E>,
        ix: ContainerIx,
        cpu_limit: Option<Millicores>,
        cpu_request: Millicores,
        memory_limit: Option<Bytes>,
    ) {
        self.now = now;
        let container = &mut self.containers[ix.index()];
        container.memory_limit = memory_limit;
        if container.is_alive() {
            let cpu = &mut self.nodes[container.node.index()].cpu;
            cpu.set_quota(now, container.group, cpu_limit.map(Quota::from_limit), container.quota_phases);
            cpu.set_weight(now, container.group, weight_of_request(cpu_request));
            self.check_memory(ix.0);
            self.watch_leak(queue, ix.0);
        }
        self.settle(queue);
    }

    /// Jobs whose handlers are in a container, or wait to be.
    fn jobs_at(&self, ix: u32) -> Vec<u32> {
        let at_server = |job: &u32| {
            let job = &self.jobs[*job];
            job.container == ix && matches!(job.state, State::Queued | State::Ready | State::Running | State::Blocked)
        };
        self.jobs.live().filter(at_server).collect()
    }

    /// The process is over.
    fn exit<E: Host>(&mut self, queue: &mut Queue<E>, ix: ContainerIx, code: u8) {
        let container = &mut self.containers[ix.index()];
        if !container.is_alive() {
            return;
        }
        container.phase = Phase::Exited;
        container.in_flight = 0;
        container.unaccepted = 0;
        container.run_queue = VecDeque::new();
        container.accept_queue = VecDeque::new();
        self.nodes[container.node.index()].cpu.remove_group(self.now, container.group);
        self.stress_ends_with(ix);
        self.memory_stress_ends_with(ix);
        self.abandon_calls_of(queue, ix.0);
        self.leave_brokers(queue, ix.0);
        for job in self.jobs_at(ix.0) {
            if self.end_without_caller(queue, job) {
                continue;
            }
            if self.containers[ix.index()].is_lost {
                self.jobs[job].state = State::Lost;
                let gives_up = Event::Job(JobEvent::Timeout, self.jobs.reference(job));
                queue.schedule(self.now + KERNEL_GIVES_UP, gives_up.into());
            } else {
                self.client_failed(queue, job, Failure::Reset);
            }
        }
        let container = &mut self.containers[ix.index()];
        container.links = Vec::new();
        container.queues = Vec::new();
        self.notices.push(Notice::Exited { container: ix, code });
    }

    /// Ends the handler of a dead process; the whole job, if no caller outside waits for it.
    fn end_without_caller<E: Host>(&mut self, queue: &mut Queue<E>, job: u32) -> bool {
        self.drop_fork(queue, job);
        match self.jobs[job].caller {
            Caller::Branch(fork, _) => {
                self.forks[fork].running -= 1;
                self.forks.end_if_unused(fork);
            }
            Caller::Message(..) | Caller::Nobody => {}
            Caller::User(_) | Caller::Job(_) | Caller::Probe(_) | Caller::Ack(..) => return false,
        }
        self.jobs.end(job, Outcome::Failed);
        true
    }

    /// The calls that the handlers of a dead container have made: nobody waits for them any longer.
    fn abandon_calls_of<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let is_call = |job: &u32| match self.jobs[*job].caller {
            Caller::Job(parent) => self.jobs.get(parent).is_some_and(|parent| parent.container == ix),
            _ => false,
        };
        let calls: Vec<u32> = self.jobs.live().filter(is_call).collect();
        for job in calls {
            self.stop_timer(queue, job);
            match self.jobs[job].state {
                State::PoolWait
                | State::Connecting
                | State::Travelling
                | State::Held
                | State::Lost
                | State::Answering => {
                    self.jobs.end(job, Outcome::Failed);
                }
                _ => self.jobs[job].caller = Caller::Nobody,
            }
        }
    }
}
