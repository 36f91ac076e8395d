//! The twin plays a sequence and is recorded by the same recorder as a cluster.
//!
//! ```text
//! steps ──sim::kubectl──▶ Cluster ◀──▶ Actors          Cluster::api_objects ──▶ Recorder ──▶ lines of a trace
//! ```
//!
//! Invariants:
//! - What is recorded of an object is decided in `trace::fields` alone, for the twin as for a cluster.
//! - A step that the twin cannot take ends with an error in the trace; it is never left out.
//! - How long kubectl and containerd take is an input, since it says more about the machine than about Kubernetes: in a
//!   replay it is what was recorded.

mod actor;
mod kubectl;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sim::chance::Key;
use sim::cluster::{Cluster, Image, NodeSpec, Program, Registry, SoftThreshold};
use sim::diagnostic::{Diagnostics, Source};
use sim::engine::Queue;
use sim::ids::ServiceIx;
use sim::manifest;
use sim::time::{SimDuration, SimTime};
use sim::units::{Bytes, Millicores};

use crate::record::{CALM, TAGS, TAIL};
use crate::sequence::{Sequence, Step};
use crate::trace::{Line, Recorder, VERSION};

use actor::{Actors, Happening};

/// What each of the two nodes of the recorded lab offers: the machine that the traces come from has two processors.
const CORES: Millicores = Millicores(1000);
/// See [`CORES`].
const MEMORY: Bytes = Bytes::from_mebibytes(8 << 10);
/// The kubelets have run for a while before anybody deploys.
const BOOT: SimTime = SimTime(100 * SimDuration::SECOND.0);
/// How long the first objects may take to become available, and kubectl waits beyond what was recorded.
const PATIENCE: SimDuration = SimDuration::from_secs(180);
/// What kubectl takes where nothing was recorded.
const KUBECTL: SimDuration = SimDuration::from_millis(100);
/// The threshold of a pressed kubelet, as `node::press` writes it: any machine is below it.
const PRESSURE: SoftThreshold =
    SoftThreshold { available: Bytes::from_mebibytes(23 << 10), grace: SimDuration::from_secs(5) };
/// The lab's registry is a process on the same machine: the median of 55 recorded pulls of a tag that it does not have.
const RESOLVE: SimDuration = SimDuration::from_millis(8);
/// The namespace of a sequence in the twin.
const NAMESPACE: &str = "sequence";

/// How long programs took that the twin does not model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Durations {
    /// kubectl for each of its command lines.
    pub(crate) kubectl: VecDeque<SimDuration>,
    /// containerd for the sandbox of each pod that was scheduled.
    pub(crate) sandboxes: VecDeque<SimDuration>,
    /// containerd for each container that was created.
    pub(crate) creates: VecDeque<SimDuration>,
    /// containerd for each container that was started.
    pub(crate) starts: VecDeque<SimDuration>,
    /// containerd for the end of each pod that ended.
    pub(crate) ends: VecDeque<SimDuration>,
}

/// Plays a sequence in the twin. Beside the trace comes for how long it was recorded.
///
/// # Errors
/// The objects cannot be read.
pub(crate) fn play(
    name: &str,
    sequence: &Sequence,
    durations: &Durations,
    seed: u64,
) -> Result<(Vec<Line>, SimDuration), Diagnostics> {
    let mut play = Play::new(sequence, seed)?;
    let mut kubectl = durations.kubectl.iter().copied();
    let mut take = || kubectl.next().unwrap_or(KUBECTL);
    if sequence.cold {
        play.start(durations);
        play.note(|at| Line::Step { at, step: "apply the objects".into() });
        play.run_for(take());
        play.boot();
        play.note(|at| Line::Done { at, failed: None });
    } else {
        play.boot();
        let limit = play.now + PATIENCE;
        play.run_until(limit, |play| play.cluster.all_ready());
        play.run_for(SimDuration::from_secs_f64(CALM.as_secs_f64()));
        play.start(durations);
    }
    for step in &sequence.steps {
        play.take(step, &mut take);
    }
    play.run_for(SimDuration::from_secs_f64(TAIL.as_secs_f64()));
    let kubernetes = "twin".to_owned();
    let header = Line::Trace { version: VERSION, sequence: name.to_owned(), run: 1, kubernetes };
    let lines = [header].into_iter().chain(play.recorder.lines().iter().cloned()).collect();
    Ok((lines, play.now.since(play.started)))
}

/// Kinds of objects that a sequence begins with and the twin does not know.
pub(crate) fn unknown_kinds(sequence: &Sequence) -> Result<BTreeSet<String>, Diagnostics> {
    let known = [
        "Namespace",
        "Deployment",
        "Service",
        "HorizontalPodAutoscaler",
        "ConfigMap",
        "Secret",
        "PodDisruptionBudget",
        "ResourceQuota",
    ];
    let kinds = sequence.objects()?;
    let kinds = kinds.iter().map(|object| text(object, "/kind").to_owned());
    Ok(kinds.filter(|kind| !known.contains(&kind.as_str())).collect())
}

struct Play {
    cluster: Cluster,
    actors: Actors,
    queue: Queue<Happening>,
    now: SimTime,
    /// When the recorder's clock started.
    started: SimTime,
    recorder: Recorder,
    /// How each object was last seen, by kind and name.
    seen: BTreeMap<(String, String), Value>,
    /// How often each event has been shown, by name.
    told: BTreeMap<String, u64>,
}

impl Play {
    fn new(sequence: &Sequence, seed: u64) -> Result<Self, Diagnostics> {
        let mut objects = sequence.objects()?;
        for object in &mut objects {
            object["metadata"]["namespace"] = json!(NAMESPACE);
        }
        objects.insert(0, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}));
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let (objects, _) = manifest::read_objects(&Source { path: "objects".into(), text: list.to_string() })?;
        let node = |name: &str| NodeSpec {
            name: name.to_owned(),
            labels: manifest::Labels::new(),
            allocatable_cpu: CORES,
            allocatable_memory: MEMORY,
        };
        let nodes = [node("node-1"), node("node-2")];
        let mut cluster = Cluster::new(Key::root(seed), &nodes, Arc::new(objects), Arc::new(registry()));
        for tag in TAGS {
            cluster.add_image(&format!("actor:{tag}"));
        }
        Ok(Self {
            cluster,
            actors: Actors::default(),
            queue: Queue::new(),
            now: BOOT,
            started: BOOT,
            recorder: Recorder::default(),
            seen: BTreeMap::new(),
            told: BTreeMap::new(),
        })
    }

    fn boot(&mut self) {
        self.cluster.bootstrap(self.now, &[], &mut self.queue, &mut self.actors);
        self.look();
    }

    fn start(&mut self, durations: &Durations) {
        self.actors.durations.clone_from(durations);
        self.started = self.now;
        self.recorder.start(Duration::from_nanos(self.now.0));
    }

    fn note(&mut self, line: impl FnOnce(u64) -> Line) {
        self.recorder.note(Duration::from_nanos(self.now.0), line);
    }

    fn run_for(&mut self, time: SimDuration) {
        self.run_until(self.now + time, |_| false);
    }

    /// Lets time pass until something holds; returns whether it does.
    fn run_until(&mut self, limit: SimTime, holds: impl Fn(&Self) -> bool) -> bool {
        while !holds(self) {
            let Some((now, happening)) = self.queue.pop_until(limit) else {
                self.now = limit;
                return false;
            };
            self.now = now;
            match happening {
                Happening::Cluster(event) => self.cluster.handle(now, event, &mut self.queue, &mut self.actors),
                Happening::Actor(container, act) => self.actors.act(now, container, act),
                Happening::Answer(container, token, kind) => self.actors.answer(now, container, token, kind),
            }
            self.look();
        }
        true
    }

    /// Passes notices on, and shows the recorder what has changed.
    fn look(&mut self) {
        while !self.actors.notices.is_empty() {
            for notice in std::mem::take(&mut self.actors.notices) {
                self.cluster.notice(self.now, notice, &mut self.queue, &mut self.actors);
            }
        }
        let now = Duration::from_nanos(self.now.0);
        let mut left = std::mem::take(&mut self.seen);
        for object in self.cluster.api_objects() {
            let key = (text(&object, "/kind").to_owned(), text(&object, "/metadata/name").to_owned());
            let before = left.remove(&key);
            if before.as_ref() != Some(&object) {
                self.recorder.observe(now, if before.is_some() { "MODIFIED" } else { "ADDED" }, &object);
            }
            self.seen.insert(key, object);
        }
        for object in left.values() {
            self.recorder.observe(now, "DELETED", object);
        }
        for mut event in self.cluster.api_events() {
            // What happens several times at one moment is told as often, as by a watch.
            let count = event.pointer("/count").and_then(Value::as_u64).unwrap_or(1);
            let told = self.told.entry(text(&event, "/metadata/name").to_owned()).or_default();
            for nth in std::mem::replace(told, count) + 1..=count {
                event["count"] = json!(nth);
                self.recorder.observe(now, "MODIFIED", &event);
            }
        }
    }

    fn take(&mut self, step: &Step, duration: &mut impl FnMut() -> SimDuration) {
        match step {
            Step::Wait(time) => self.run_for(*time),
            Step::Kubectl(line) => {
                let duration = duration();
                self.note(|at| Line::Step { at, step: step.to_string() });
                let failed = self.kubectl(line, duration).err();
                self.note(|at| Line::Done { at, failed });
            }
            Step::Stop(name) | Step::Start(name) => {
                self.note(|at| Line::Step { at, step: step.to_string() });
                let failed = self.switch(name, matches!(step, Step::Start(_))).err();
                self.look();
                self.run_for(duration());
                self.note(|at| Line::Done { at, failed });
            }
            Step::Press(name) | Step::Relieve(name) => {
                self.note(|at| Line::Step { at, step: step.to_string() });
                let failed = self.press(name, matches!(step, Step::Press(_)), duration()).err();
                self.note(|at| Line::Done { at, failed });
            }
        }
    }

    /// Stops or starts a component of a node, such as `node-2/kubelet`.
    fn switch(&mut self, component: &str, starts: bool) -> Result<(), String> {
        let (name, program) = component.split_once('/').unwrap_or((component, ""));
        let node = self.cluster.node_named(name).ok_or_else(|| format!("the twin has no node {name}"))?;
        let (cluster, now) = (&mut self.cluster, self.now);
        match (program, starts) {
            ("kubelet" | "containerd", true) => cluster.restore_node(now, node, &mut self.queue, &mut self.actors),
            ("kubelet", false) => cluster.silence_node(now, node, &mut self.queue, &mut self.actors),
            ("containerd", false) => cluster.lose_runtime(now, node, &mut self.queue, &mut self.actors),
            _ => return Err(format!("the twin has no {component}")),
        }
        Ok(())
    }

    /// Restarts the kubelet of a node with a threshold that it is always below, or with its own again, as
    /// [`Lab::press`](crate::Lab::press) does.
    fn press(&mut self, name: &str, is_pressed: bool, duration: SimDuration) -> Result<(), String> {
        let kubelet = format!("{name}/kubelet");
        self.switch(&kubelet, false)?;
        self.look();
        self.run_for(duration);
        if let Some(node) = self.cluster.node_named(name) {
            self.cluster.set_soft_threshold(node, is_pressed.then_some(PRESSURE));
        }
        self.switch(&kubelet, true)?;
        self.look();
        Ok(())
    }
}

fn registry() -> Registry {
    let mut registry = Registry::default().with_resolve_time(RESOLVE);
    let program = Program { service: ServiceIx(0), port: 8080 };
    let image = Image { programs: vec![("web".to_owned(), program)], size: Bytes::from_mebibytes(5) };
    registry.add("actor", &TAGS.map(str::to_owned), image);
    registry
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
