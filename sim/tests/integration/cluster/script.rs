//! Scripted machines: containers do as a [`Behaviour`] per program says.

use std::collections::BTreeMap;

use sim::cluster::{Backend, ContainerRuntime, ContainerUsage, Event, Notice, ProbeTarget, ProcessSpec};
use sim::engine::Queue;
use sim::ids::{ContainerIx, KubeServiceIx, NodeIx};
use sim::manifest;
use sim::time::{SimDuration, SimTime};
use sim::units::Bytes;

/// What a container of a program does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Behaviour {
    /// After its start it listens, and answers probes with `status`.
    pub(super) listens_after: SimDuration,
    pub(super) status: u16,
    /// After SIGTERM it exits; without it never.
    pub(super) exits_in: Option<SimDuration>,
    /// After its start it exits with 1.
    pub(super) crashes_after: Option<SimDuration>,
    /// Cores that it keeps busy.
    pub(super) cores: f64,
    pub(super) memory: Bytes,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            listens_after: SimDuration::from_millis(500),
            status: 200,
            exits_in: Some(SimDuration::from_millis(200)),
            crashes_after: None,
            cores: 0.01,
            memory: Bytes::from_mebibytes(20),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum RigEvent {
    Cluster(Event),
    Exit(ContainerIx, u8),
    Answer(u32, ContainerIx),
}

impl From<Event> for RigEvent {
    fn from(event: Event) -> Self {
        Self::Cluster(event)
    }
}

/// A process on a scripted machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    spec: ProcessSpec,
    pub(super) started: SimTime,
    /// How much CPU it had used when its consumption last changed.
    used: (SimTime, f64),
    first_probe: Option<SimTime>,
    pub(super) is_alive: bool,
}

/// Machines that do as they are told.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    /// By number of the program.
    pub(super) behaviours: Vec<Behaviour>,
    pub(super) processes: Vec<Process>,
    pub(super) notices: Vec<Notice>,
    /// What each node's kube-proxy was last told.
    pub(super) backends: BTreeMap<(NodeIx, KubeServiceIx), Vec<Backend>>,
}

impl Script {
    pub(super) fn behaviour(&self, container: ContainerIx) -> Behaviour {
        let runs = self.processes[container.index()].spec.runs;
        // Without a program a container stays up, serves nothing, and heeds SIGTERM.
        let nothing = Behaviour { listens_after: SimDuration::from_secs(1_000_000_000), ..Behaviour::default() };
        runs.map_or(nothing, |service| self.behaviours[service.index()])
    }

    fn cpu(&self, container: ContainerIx, now: SimTime) -> f64 {
        let process = &self.processes[container.index()];
        let cores = self.behaviour(container).cores;
        let cores = process.spec.cpu_limit.map_or(cores, |limit| cores.min(limit.cores()));
        process.used.1 + now.since(process.used.0).as_secs_f64() * cores
    }

    /// When each process was first probed.
    pub(super) fn first_probes(&self) -> Vec<SimTime> {
        self.processes.iter().filter_map(|process| process.first_probe).collect()
    }

    /// Changes how busy the containers of a program are.
    pub(super) fn set_cores(&mut self, now: SimTime, program: usize, cores: f64) {
        for index in 0..self.processes.len() {
            let used = self.cpu(ContainerIx(index as u32), now);
            self.processes[index].used = (now, used);
        }
        self.behaviours[program].cores = cores;
    }

    pub(super) fn end(&mut self, container: ContainerIx, code: u8) {
        let process = &mut self.processes[container.index()];
        if std::mem::take(&mut process.is_alive) {
            self.notices.push(Notice::Exited { container, code });
        }
    }
}

impl ContainerRuntime<RigEvent> for Script {
    fn start(
        &mut self,
        now: SimTime,
        queue: &mut Queue<RigEvent>,
        spec: &ProcessSpec,
        _: &manifest::Container,
    ) -> ContainerIx {
        let container = ContainerIx(self.processes.len() as u32);
        let process = Process { spec: *spec, started: now, used: (now, 0.0), first_probe: None, is_alive: true };
        self.processes.push(process);
        if let Some(after) = self.behaviour(container).crashes_after {
            queue.schedule(now + after, RigEvent::Exit(container, 1));
        }
        container
    }

    fn terminate(&mut self, now: SimTime, queue: &mut Queue<RigEvent>, container: ContainerIx) {
        if let Some(after) = self.behaviour(container).exits_in {
            queue.schedule(now + after, RigEvent::Exit(container, 143));
        }
    }

    fn kill(&mut self, _: SimTime, _: &mut Queue<RigEvent>, container: ContainerIx) {
        self.end(container, 137);
    }

    fn lose(&mut self, _: SimTime, _: &mut Queue<RigEvent>, container: ContainerIx) {
        self.end(container, 137);
    }

    fn remove_address(&mut self, _: SimTime, _: &mut Queue<RigEvent>, container: ContainerIx) {
        assert!(!self.processes[container.index()].is_alive, "an address outlives its processes");
    }

    fn set_backends(
        &mut self,
        _: SimTime,
        _: &mut Queue<RigEvent>,
        node: NodeIx,
        service: KubeServiceIx,
        backends: &[Backend],
    ) {
        self.backends.insert((node, service), backends.to_vec());
    }

    fn probe(
        &mut self,
        now: SimTime,
        queue: &mut Queue<RigEvent>,
        token: u32,
        container: ContainerIx,
        _: ProbeTarget<'_>,
        _: SimDuration,
    ) {
        let process = &mut self.processes[container.index()];
        assert!(process.is_alive, "a dead process is not probed");
        process.first_probe.get_or_insert(now);
        queue.schedule(now + SimDuration::MILLISECOND, RigEvent::Answer(token, container));
    }

    fn usage(&mut self, now: SimTime, container: ContainerIx) -> ContainerUsage {
        let cpu = SimDuration::from_secs_f64(self.cpu(container, now));
        ContainerUsage { cpu, working_set: self.behaviour(container).memory }
    }
}
