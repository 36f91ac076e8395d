//! The control plane over scripted machines.
//!
//! A [`Rig`] holds a cluster whose containers do as a [`Behaviour`] per program says. What happens is
//! told as a timeline of Kubernetes Events and of changes of the STATUS column, with generated names
//! replaced by the order of their creation: `rs1`, `pod1`.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod autoscaler;
mod configuration;
mod disruption;
mod kubelet;
mod nodes;
mod pressure;
mod property;
mod quota;
mod rollout;
mod scheduler;
mod writes;

use std::fmt::Write as _;
use std::sync::Arc;

use sim::chance::Key;
use sim::cluster::{
    Backend, Cluster, ContainerRuntime, ContainerUsage, Event, Image, NodeSpec, Notice, ProbeOutcome, ProbeTarget,
    ProcessSpec, Program, Registry,
};
use sim::diagnostic::Source;
use sim::engine::Queue;
use sim::environment::{Rejected, Write};
use sim::episode::WorldEvent;
use sim::ids::{ContainerIx, KubeServiceIx, NodeIx, ServiceIx};
use sim::kubectl::Command;
use sim::manifest;
use sim::time::{SimDuration, SimTime};
use sim::units::{Bytes, Millicores};

/// What a container of a program does.
#[derive(Clone, Copy, Debug)]
struct Behaviour {
    /// After its start it listens, and answers probes with `status`.
    listens_after: SimDuration,
    status: u16,
    /// After SIGTERM it exits; without it never.
    exits_in: Option<SimDuration>,
    /// After its start it exits with 1.
    crashes_after: Option<SimDuration>,
    /// Cores that it keeps busy.
    cores: f64,
    memory: Bytes,
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
enum RigEvent {
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
struct Process {
    spec: ProcessSpec,
    started: SimTime,
    /// How much CPU it had used when its consumption last changed.
    used: (SimTime, f64),
    first_probe: Option<SimTime>,
    is_alive: bool,
}

/// Machines that do as they are told.
#[derive(Clone, Debug, Default)]
struct Script {
    /// By number of the program.
    behaviours: Vec<Behaviour>,
    processes: Vec<Process>,
    notices: Vec<Notice>,
    /// What each node's kube-proxy was last told.
    backends: std::collections::BTreeMap<(NodeIx, KubeServiceIx), Vec<Backend>>,
}

impl Script {
    fn behaviour(&self, container: ContainerIx) -> Behaviour {
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
    fn first_probes(&self) -> Vec<SimTime> {
        self.processes.iter().filter_map(|process| process.first_probe).collect()
    }

    /// Changes how busy the containers of a program are.
    fn set_cores(&mut self, now: SimTime, program: usize, cores: f64) {
        for index in 0..self.processes.len() {
            let used = self.cpu(ContainerIx(index as u32), now);
            self.processes[index].used = (now, used);
        }
        self.behaviours[program].cores = cores;
    }

    fn end(&mut self, container: ContainerIx, code: u8) {
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

/// A cluster on scripted machines.
#[derive(Clone, Debug)]
struct Rig {
    cluster: Cluster,
    queue: Queue<RigEvent>,
    script: Script,
    now: SimTime,
    /// Names with what stands for them, in the order of their creation.
    names: Vec<(String, String)>,
    /// What the STATUS column last said, by pod.
    statuses: Vec<(String, String)>,
    timeline: String,
}

/// The programs of the rig's registry, each in the image of its name: `web` (any tag but those that start
/// with 9), `job`.
const WEB: usize = 0;
/// See [`WEB`].
const JOB: usize = 1;

impl Rig {
    /// With one large node.
    fn new(manifests: &str) -> Self {
        Self::with(manifests, &[node("node1", 4000)], 1)
    }

    fn with(manifests: &str, nodes: &[NodeSpec], seed: u64) -> Self {
        let source = Source { path: "test.yaml".to_owned(), text: manifests.to_owned() };
        let (objects, _) = manifest::load(&[source], &[]).unwrap();
        let mut registry = Registry::default();
        let image = |name: &str, service: usize| {
            let program = Program { service: ServiceIx(service as u32), port: 80 };
            Image { programs: vec![(name.to_owned(), program)], size: Bytes::from_mebibytes(50) }
        };
        let tags: Vec<_> = (1..=8).map(|tag| tag.to_string()).collect();
        registry.add("web", &tags, image("web", WEB));
        registry.add("job", &tags, image("job", JOB));
        registry.add("pause", &[], Image { programs: Vec::new(), size: Bytes(300_000) });
        let cluster = Cluster::new(Key::root(seed), nodes, Arc::new(objects), Arc::new(registry));
        let script = Script { behaviours: vec![Behaviour::default(); 2], ..Script::default() };
        Self {
            cluster,
            queue: Queue::new(),
            script,
            now: SimTime::ZERO,
            names: Vec::new(),
            statuses: Vec::new(),
            timeline: String::new(),
        }
    }

    /// Applies the manifests a while after the kubelets' start, so that probes keep their phase.
    fn boot(&mut self) {
        self.now = at(100.0);
        self.cluster.bootstrap(self.now, &[], &mut self.queue, &mut self.script);
        self.look();
    }

    /// Boots and runs until all is available; what happened until then is not told.
    fn boot_ready(&mut self) {
        self.boot();
        while !self.cluster.all_ready() || self.cluster.list_pods(self.now, None).is_empty() {
            self.run(1.0);
            assert!(self.now < at(400.0), "never ready: {}", self.timeline);
        }
        self.timeline.clear();
    }

    fn run(&mut self, seconds: f64) {
        self.run_until(self.now + SimDuration::from_secs_f64(seconds));
    }

    fn run_until(&mut self, until: SimTime) {
        while let Some((now, event)) = self.queue.pop_until(until) {
            self.now = now;
            let (queue, script) = (&mut self.queue, &mut self.script);
            match event {
                RigEvent::Cluster(event) => self.cluster.handle(now, event, queue, script),
                RigEvent::Exit(container, code) => script.end(container, code),
                RigEvent::Answer(token, container) => {
                    let process = script.processes[container.index()];
                    let behaviour = script.behaviour(container);
                    if process.is_alive {
                        let listens = process.started + behaviour.listens_after <= now;
                        let outcome =
                            if listens { ProbeOutcome::Status(behaviour.status) } else { ProbeOutcome::Refused };
                        script.notices.push(Notice::ProbeDone { token, outcome });
                    }
                }
            }
            self.look();
        }
        self.now = until;
    }

    /// Passes notices on, and writes down what is new.
    fn look(&mut self) {
        while !self.script.notices.is_empty() {
            for notice in std::mem::take(&mut self.script.notices) {
                self.cluster.notice(self.now, notice, &mut self.queue, &mut self.script);
            }
        }
        for event in self.cluster.drain_journal() {
            let WorldEvent::Kubernetes { reason, object, message, .. } = event else {
                continue;
            };
            self.learn(&message);
            self.tell(&format!("{object} {reason}: {message}"));
        }
        let pods = self.cluster.list_pods(self.now, None);
        let statuses: Vec<_> = pods
            .iter()
            .map(|pod| (pod.name.clone(), format!("{}/{} {}", pod.ready, pod.containers, pod.status)))
            .collect();
        if statuses == self.statuses {
            return;
        }
        for (name, status) in &statuses {
            if !self.statuses.iter().any(|(n, s)| n == name && s == status) {
                self.tell(&format!("{name} is {status}"));
            }
        }
        let gone: Vec<_> = self
            .statuses
            .iter()
            .filter(|(name, _)| !statuses.iter().any(|(n, _)| n == name))
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            self.tell(&format!("{name} is gone"));
        }
        self.statuses = statuses;
    }

    /// Gives generated names short ones.
    fn learn(&mut self, message: &str) {
        let words: Vec<_> = message.split(' ').collect();
        let (name, kind) = match words.as_slice() {
            ["Created", "pod:", name] => (*name, "pod"),
            ["Scaled", "up", "replica", "set", name, ..] => (*name, "rs"),
            _ => return,
        };
        if !self.names.iter().any(|(n, _)| n == name) {
            let number = self.names.iter().filter(|(_, short)| short.starts_with(kind)).count() + 1;
            self.names.push((name.to_owned(), format!("{kind}{number}")));
        }
    }

    fn tell(&mut self, what: &str) {
        let mut line = what.to_owned();
        // Pods first: their names contain those of their ReplicaSets.
        for kind in ["pod", "rs"] {
            for (name, short) in self.names.iter().filter(|(_, short)| short.starts_with(kind)) {
                line = line.replace(name, short);
            }
        }
        let line = line.replace("replicaset/rs", "rs").replace("pod/pod", "pod").replace("sock-shop/", "");
        let seconds = self.now.since(at(100.0)).as_secs_f64();
        writeln!(self.timeline, "{seconds:6.1} {line}").unwrap();
    }

    fn write(&mut self, write: &Write) -> Result<String, Rejected> {
        let answer = self.cluster.write(self.now, write, &mut self.queue, &mut self.script);
        self.look();
        answer
    }

    /// `kubectl rollout pause` or `resume`, which must work.
    fn pause(&mut self, deployment: &str, paused: bool) {
        let command = Command::RolloutPause { deployment: deployment.to_owned(), paused };
        self.cluster.run(self.now, &command, &mut self.queue, &mut self.script).unwrap();
        self.look();
    }

    /// A node's machine is gone.
    fn lose(&mut self, node: &str) {
        let node = self.cluster.node_named(node).unwrap();
        self.cluster.lose_node(self.now, node, &mut self.queue, &mut self.script);
        self.look();
    }

    /// A node's kubelet is gone.
    fn silence(&mut self, node: &str) {
        let node = self.cluster.node_named(node).unwrap();
        self.cluster.silence_node(self.now, node, &mut self.queue, &mut self.script);
        self.look();
    }

    /// A node's container runtime is gone.
    fn lose_runtime(&mut self, node: &str) {
        let node = self.cluster.node_named(node).unwrap();
        self.cluster.lose_runtime(self.now, node, &mut self.queue, &mut self.script);
        self.look();
    }

    /// A node comes back.
    fn restore(&mut self, node: &str) {
        let node = self.cluster.node_named(node).unwrap();
        self.cluster.restore_node(self.now, node, &mut self.queue, &mut self.script);
        self.look();
    }

    /// A write that must work.
    fn do_write(&mut self, write: &Write) {
        let answer = self.write(write).unwrap();
        self.tell(&format!("$ {answer}"));
    }

    /// The lines of the timeline that contain one of the words.
    fn lines(&self, words: &[&str]) -> String {
        let lines = self.timeline.lines().filter(|line| words.iter().any(|word| line.contains(word)));
        lines.fold(String::new(), |text, line| text + line + "\n")
    }

    /// When lines that contain a word were written, in seconds since the boot.
    fn times(&self, word: &str) -> Vec<f64> {
        let lines = self.timeline.lines().filter(|line| line.contains(word));
        lines.map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect()
    }

    /// READY and STATUS of all pods.
    fn pods(&self) -> Vec<String> {
        let pods = self.cluster.list_pods(self.now, None);
        pods.iter().map(|pod| format!("{}/{} {}", pod.ready, pod.containers, pod.status)).collect()
    }

    /// Type, status and reason of a Deployment's condition.
    fn condition(&self, component: &str, kind: &str) -> String {
        let description = self.cluster.describe(self.now, component).unwrap();
        let condition = description.deployment.conditions.into_iter().find(|(k, _, _)| k == kind);
        condition.map(|(_, status, reason)| format!("{status} {reason}")).unwrap_or_default()
    }

    /// How many live processes a Service leads to from the first node.
    fn backends(&self, service: u32) -> usize {
        let backends = self.script.backends.get(&(NodeIx(0), KubeServiceIx(service)));
        let is_alive = |b: &&Backend| b.container.is_some_and(|c| self.script.processes[c.index()].is_alive);
        backends.map_or(0, |backends| backends.iter().filter(is_alive).count())
    }
}

fn at(seconds: f64) -> SimTime {
    SimTime::from_secs_f64(seconds)
}

fn node(name: &str, cpu: u64) -> NodeSpec {
    NodeSpec {
        name: name.to_owned(),
        labels: manifest::Labels::new(),
        allocatable_cpu: Millicores(cpu),
        allocatable_memory: Bytes::from_mebibytes(16_000),
    }
}

/// A Deployment `web` with its Service; `spec` and `container` are lines for the Deployment's specification and
/// its only container.
fn web(replicas: u32, spec: &[&str], container: &[&str]) -> String {
    deployment("web", "web:1", replicas, spec, container)
}

fn deployment(name: &str, image: &str, replicas: u32, spec: &[&str], container: &[&str]) -> String {
    let lines = |lines: &[&str], indent: usize| -> String {
        lines.iter().fold(String::new(), |text, line| text + &" ".repeat(indent) + line + "\n")
    };
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: sock-shop}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{name: {name}}}}}
{}  template:
    metadata: {{labels: {{name: {name}}}}}
    spec:
      containers:
      - name: {name}
        image: {image}
        ports: [{{containerPort: 80}}]
{}---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: sock-shop}}
spec:
  selector: {{name: {name}}}
  ports: [{{port: 80, targetPort: 80}}]
---
",
        lines(spec, 2),
        lines(container, 8),
    )
}

/// A readiness probe as the paper's copy of Sock Shop has it, with another delay.
const READINESS: &str =
    "readinessProbe: {httpGet: {path: /health, port: 80}, initialDelaySeconds: 2, periodSeconds: 3}";

fn set_image(component: &str, image: &str) -> Write {
    Write::SetImage { component: component.to_owned(), image: image.to_owned() }
}

fn scale(component: &str, replicas: u32) -> Write {
    Write::Scale { component: component.to_owned(), replicas }
}

fn undo(component: &str, revision: Option<u64>) -> Write {
    Write::Rollback { component: component.to_owned(), revision }
}
