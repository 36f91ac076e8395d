//! A cluster on scripted machines, and the timeline of what happens in it.

use std::fmt::Write as _;
use std::sync::Arc;

use sim::chance::Key;
use sim::cluster::{Backend, Cluster, Image, NodeSpec, Notice, ProbeOutcome, Program, Registry};
use sim::diagnostic::Source;
use sim::engine::Queue;
use sim::environment::{Rejected, Write};
use sim::episode::WorldEvent;
use sim::ids::{KubeServiceIx, NodeIx, ServiceIx};
use sim::kubectl::Command;
use sim::manifest;
use sim::time::{SimDuration, SimTime};
use sim::units::Bytes;

use super::script::{Behaviour, RigEvent, Script};
use super::{at, node};

/// A cluster on scripted machines.
#[derive(Clone, Debug)]
pub(super) struct Rig {
    pub(super) cluster: Cluster,
    pub(super) queue: Queue<RigEvent>,
    pub(super) script: Script,
    pub(super) now: SimTime,
    /// Names with what stands for them, in the order of their creation.
    names: Vec<(String, String)>,
    /// What the STATUS column last said, by pod.
    statuses: Vec<(String, String)>,
    pub(super) timeline: String,
}

/// The programs of the rig's registry, each in the image of its name: `web` (any tag but those that start
/// with 9), `job`.
pub(super) const WEB: usize = 0;
/// See [`WEB`].
pub(super) const JOB: usize = 1;

impl Rig {
    /// With one large node.
    pub(super) fn new(manifests: &str) -> Self {
        Self::with(manifests, &[node("node1", 4000)], 1)
    }

    pub(super) fn with(manifests: &str, nodes: &[NodeSpec], seed: u64) -> Self {
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
    pub(super) fn boot(&mut self) {
        self.now = at(100.0);
        self.cluster.bootstrap(self.now, &[], &mut self.queue, &mut self.script);
        self.look();
    }

    /// Boots and runs until all is available; what happened until then is not told.
    pub(super) fn boot_ready(&mut self) {
        self.boot();
        while !self.cluster.all_ready() || self.cluster.list_pods(self.now, None).is_empty() {
            self.run(1.0);
            assert!(self.now < at(400.0), "never ready: {}", self.timeline);
        }
        self.timeline.clear();
    }

    pub(super) fn run(&mut self, seconds: f64) {
        self.run_until(self.now + SimDuration::from_secs_f64(seconds));
    }

    pub(super) fn run_until(&mut self, until: SimTime) {
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
    pub(super) fn look(&mut self) {
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

    pub(super) fn tell(&mut self, what: &str) {
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

    pub(super) fn write(&mut self, write: &Write) -> Result<String, Rejected> {
        let answer = self.cluster.write(self.now, write, &mut self.queue, &mut self.script);
        self.look();
        answer
    }

    /// `kubectl rollout pause` or `resume`, which must work.
    pub(super) fn pause(&mut self, deployment: &str, paused: bool) {
        let command = Command::RolloutPause { deployment: deployment.to_owned(), paused };
        self.cluster.run(self.now, &command, &mut self.queue, &mut self.script).unwrap();
        self.look();
    }

    /// A node's machine is gone.
    pub(super) fn lose(&mut self, node: &str) {
        let node = self.cluster.node_named(node).unwrap();
        self.cluster.lose_node(self.now, node, &mut self.queue, &mut self.script);
        self.look();
    }

    /// A node's kubelet is gone.
    pub(super) fn silence(&mut self, node: &str) {
        let node = self.cluster.node_named(node).unwrap();
        self.cluster.silence_node(self.now, node, &mut self.queue, &mut self.script);
        self.look();
    }

    /// A node's container runtime is gone.
    pub(super) fn lose_runtime(&mut self, node: &str) {
        let node = self.cluster.node_named(node).unwrap();
        self.cluster.lose_runtime(self.now, node, &mut self.queue, &mut self.script);
        self.look();
    }

    /// A node comes back.
    pub(super) fn restore(&mut self, node: &str) {
        let node = self.cluster.node_named(node).unwrap();
        self.cluster.restore_node(self.now, node, &mut self.queue, &mut self.script);
        self.look();
    }

    /// A write that must work.
    pub(super) fn do_write(&mut self, write: &Write) {
        let answer = self.write(write).unwrap();
        self.tell(&format!("$ {answer}"));
    }

    /// The lines of the timeline that contain one of the words.
    pub(super) fn lines(&self, words: &[&str]) -> String {
        let lines = self.timeline.lines().filter(|line| words.iter().any(|word| line.contains(word)));
        lines.fold(String::new(), |text, line| text + line + "\n")
    }

    /// When lines that contain a word were written, in seconds since the boot.
    pub(super) fn times(&self, word: &str) -> Vec<f64> {
        let lines = self.timeline.lines().filter(|line| line.contains(word));
        lines.map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect()
    }

    /// READY and STATUS of all pods.
    pub(super) fn pods(&self) -> Vec<String> {
        let pods = self.cluster.list_pods(self.now, None);
        pods.iter().map(|pod| format!("{}/{} {}", pod.ready, pod.containers, pod.status)).collect()
    }

    /// Type, status and reason of a Deployment's condition.
    pub(super) fn condition(&self, component: &str, kind: &str) -> String {
        let description = self.cluster.describe(self.now, component).unwrap();
        let condition = description.deployment.conditions.into_iter().find(|(k, _, _)| k == kind);
        condition.map(|(_, status, reason)| format!("{status} {reason}")).unwrap_or_default()
    }

    /// How many live processes a Service leads to from the first node.
    pub(super) fn backends(&self, service: u32) -> usize {
        let backends = self.script.backends.get(&(NodeIx(0), KubeServiceIx(service)));
        let is_alive = |b: &&Backend| b.container.is_some_and(|c| self.script.processes[c.index()].is_alive);
        backends.map_or(0, |backends| backends.iter().filter(is_alive).count())
    }
}
