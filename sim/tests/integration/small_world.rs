//! A data plane without Kubernetes: containers and kube-proxy tables by hand.

use std::sync::Arc;

use sim::engine::Queue;
use sim::ids::{ContainerIx, KubeServiceIx, NodeIx};
use sim::log::Entry;
use sim::profile::Profile;
use sim::program::{Programs, Setting};
use sim::time::{SimDuration, SimTime};
use sim::traffic::{Backend, ContainerStats, Event, NodeSpec, Notice, ProcessSpec, Traffic, TrafficConfig};
use sim::units::Millicores;
use sim::workload::{Shape, Users, Workload};

/// A time in milliseconds.
pub(crate) fn at(ms: u64) -> SimTime {
    SimTime(ms * 1_000_000)
}

/// Users of a class on a target.
pub(crate) fn users(class: &str, target: &str, users: u32, spawn_rate: f64) -> Workload {
    load(class, target, Shape::Users(Users { users, spawn_rate }))
}

/// Any load that starts with the world.
pub(crate) fn load(class: &str, target: &str, shape: Shape) -> Workload {
    Workload { user_class: class.into(), target: target.into(), keep_alive: None, shape, start: SimDuration::ZERO }
}

/// Every service of the profile is a Kubernetes Service of the same number.
#[derive(Clone)]
pub(crate) struct SmallWorld {
    pub(crate) traffic: Traffic,
    pub(crate) queue: Queue<Event>,
    pub(crate) now: SimTime,
    pub(crate) nodes: u32,
    /// By service: the containers that kube-proxy knows.
    backends: Vec<Vec<ContainerIx>>,
    /// All notices so far, with their time, but for what processes wrote.
    pub(crate) notices: Vec<(SimTime, Notice)>,
    /// What processes wrote.
    pub(crate) written: Vec<(ContainerIx, Entry)>,
}

impl SmallWorld {
    pub(crate) fn new(profile: &str, nodes: &[NodeSpec], seed: u64) -> Self {
        let text = format!("apiVersion: sockpit/v1alpha1\nkind: Profile\nimages: []\n{profile}");
        Self::of(&serde_saphyr::from_str(&text).expect("the profile is valid"), nodes, seed)
    }

    pub(crate) fn of(profile: &Profile, nodes: &[NodeSpec], seed: u64) -> Self {
        let programs = Arc::new(Programs::compile(profile).expect("its names lead somewhere"));
        let count = programs.services.len();
        let config = TrafficConfig {
            nodes: nodes.to_vec(),
            kube_services: (0..count as u32).map(|ix| Some(KubeServiceIx(ix))).collect(),
            hosts: programs.services.iter().map(|service| vec![service.name.clone()]).collect(),
            load_node: NodeIx(0),
            seed,
        };
        let mut queue = Queue::new();
        let traffic = Traffic::new(programs, &config, &mut queue);
        Self {
            traffic,
            queue,
            now: SimTime::ZERO,
            nodes: nodes.len() as u32,
            backends: vec![Vec::new(); count],
            notices: Vec::new(),
            written: Vec::new(),
        }
    }

    /// What a container of a service on the first node is like, without limits.
    pub(crate) fn spec(&self, service: &str) -> ProcessSpec {
        ProcessSpec {
            node: NodeIx(0),
            runs: Some(self.traffic.programs().service(service).expect("the profile has the service")),
            cpu_limit: None,
            cpu_request: Millicores(100),
            memory_limit: None,
            is_alone: false,
            replaces: None,
        }
    }

    /// Starts a container that every kube-proxy knows at once.
    pub(crate) fn start(&mut self, service: &str) -> ContainerIx {
        self.start_with(self.spec(service))
    }

    pub(crate) fn start_with(&mut self, spec: ProcessSpec) -> ContainerIx {
        let container = self.traffic.start(self.now, &mut self.queue, spec);
        self.backends[spec.runs.expect("it runs a service").index()].push(container);
        self.publish();
        container
    }

    /// The same with environment variables.
    pub(crate) fn start_configured(&mut self, spec: ProcessSpec, settings: &[Setting<'_>]) -> ContainerIx {
        let container = self.traffic.start_with_environment(self.now, &mut self.queue, spec, settings);
        self.backends[spec.runs.expect("it runs a service").index()].push(container);
        self.publish();
        container
    }

    /// kube-proxy forgets a container.
    pub(crate) fn forget(&mut self, container: ContainerIx) {
        for backends in &mut self.backends {
            backends.retain(|&other| other != container);
        }
        self.publish();
    }

    fn publish(&mut self) {
        for (service, containers) in self.backends.iter().enumerate() {
            let backends: Vec<_> = containers.iter().map(|&c| Backend { container: Some(c) }).collect();
            for node in 0..self.nodes {
                self.traffic.set_backends(self.now, NodeIx(node), KubeServiceIx(service as u32), &backends);
            }
        }
    }

    pub(crate) fn load(&mut self, workload: &Workload) {
        self.traffic.add_workload(self.now, &mut self.queue, workload).expect("the load is valid");
    }

    /// Runs, and does what a world does about memory: it kills at once what the kernel kills.
    pub(crate) fn run_with_kills(&mut self, until: SimTime) {
        loop {
            for notice in std::mem::take(&mut self.traffic.notices) {
                if let Notice::OverLimit { container } = notice {
                    self.traffic.kill(self.now, &mut self.queue, container);
                }
                self.keep(self.now, notice);
            }
            if !self.traffic.notices.is_empty() {
                continue;
            }
            let Some((now, event)) = self.queue.pop_until(until) else { break };
            self.now = now;
            self.traffic.handle(now, event, &mut self.queue);
        }
        self.now = until;
    }

    pub(crate) fn run(&mut self, until: SimTime) {
        self.drain(self.now);
        while let Some((now, event)) = self.queue.pop_until(until) {
            self.traffic.handle(now, event, &mut self.queue);
            self.drain(now);
        }
        self.now = until;
    }

    fn drain(&mut self, now: SimTime) {
        for notice in std::mem::take(&mut self.traffic.notices) {
            self.keep(now, notice);
        }
    }

    fn keep(&mut self, now: SimTime, notice: Notice) {
        match notice {
            Notice::Wrote { container, entry } => self.written.push((container, entry)),
            notice => self.notices.push((now, notice)),
        }
    }

    /// The log of a container since it was started.
    pub(crate) fn log(&self, container: ContainerIx) -> Vec<String> {
        let own = self.written.iter().filter(|(writer, _)| *writer == container);
        own.flat_map(|(_, entry)| self.traffic.lines_of(container, "image", entry)).collect()
    }

    pub(crate) fn stats(&self, container: u32) -> ContainerStats {
        self.traffic.stats(self.now, ContainerIx(container))
    }
}
