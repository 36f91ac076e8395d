//! The sequences' workload as the twin's machines run it: what `lab/kubernetes/actor` does, in virtual time.
//!
//! Invariant: a process does nothing after its end, so that events which were on their way to it change nothing.

use std::collections::BTreeMap;

use sim::cluster::{
    Backend, Chore, ContainerRuntime, ContainerUsage, Event, Notice, ProbeOutcome, ProbeTarget, ProcessSpec,
};
use sim::engine::Queue;
use sim::ids::{ContainerIx, KubeServiceIx, NodeIx};
use sim::manifest;
use sim::time::{SimDuration, SimTime, parse_duration};
use sim::units::{Bytes, Millicores};

use super::Durations;

/// From the start of the process until it listens: the Go runtime.
const LISTENS_AFTER: SimDuration = SimDuration::from_millis(3);
/// There and back, for a probe.
const ANSWERS_AFTER: SimDuration = SimDuration::from_millis(1);
/// From SIGTERM to the end of `main`.
const ENDS_AFTER: SimDuration = SimDuration::from_millis(5);
/// `set exit` first answers.
const EXITS_AFTER: SimDuration = SimDuration::from_millis(100);
/// What it uses when it does nothing but answer probes: less than the millicore to which metrics-server rounds up.
const IDLE_CORES: f64 = 0.0003;
/// What the Go runtime takes.
const BASE_MEMORY: Bytes = Bytes::from_mebibytes(4);

/// What happens while a sequence is played.
#[derive(Clone, Copy, Debug)]
pub(super) enum Happening {
    Cluster(Event),
    Actor(ContainerIx, Act),
    Answer(ContainerIx, u32, ProbeKind),
}

/// What an actor does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Ready(bool),
    Dead(bool),
    Burn(bool),
    Allocate,
    Exit(u8),
}

/// Which path is asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum ProbeKind {
    Ready,
    Alive,
    Other,
}

impl From<Event> for Happening {
    fn from(event: Event) -> Self {
        Self::Cluster(event)
    }
}

/// The machines, with all actors that ever ran.
#[derive(Debug, Default)]
pub(super) struct Actors {
    ever: Vec<Actor>,
    pub(super) notices: Vec<Notice>,
    /// What the next chores of containerd take, as far as it is known.
    pub(super) durations: Durations,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one process")]
struct Actor {
    started: SimTime,
    is_alive: bool,
    ignores_term: bool,
    exit_code: u8,
    ready: bool,
    dead: bool,
    /// Cores that it uses while it burns, and at most.
    share: f64,
    limit: f64,
    burning: bool,
    /// CPU that it had used when that last changed.
    used: (SimTime, f64),
    allocation: Bytes,
    memory: Bytes,
    memory_limit: Option<Bytes>,
}

impl Actor {
    fn cpu(&self, now: SimTime) -> f64 {
        let cores = if self.burning { self.share.min(self.limit) } else { IDLE_CORES };
        self.used.1 + now.since(self.used.0).as_secs_f64() * cores
    }
}

impl Actors {
    /// Something happens to an actor.
    pub(super) fn act(&mut self, now: SimTime, container: ContainerIx, act: Act) {
        let Some(actor) = self.ever.get_mut(container.index()).filter(|actor| actor.is_alive) else {
            return;
        };
        match act {
            Act::Ready(ready) => actor.ready = ready,
            Act::Dead(dead) => actor.dead = dead,
            Act::Burn(burning) => {
                actor.used = (now, actor.cpu(now));
                actor.burning = burning;
            }
            Act::Allocate => {
                actor.memory = BASE_MEMORY + actor.allocation;
                if actor.memory_limit.is_some_and(|limit| actor.memory > limit) {
                    self.notices.push(Notice::OverLimit { container });
                }
            }
            Act::Exit(code) => {
                actor.is_alive = false;
                self.notices.push(Notice::Exited { container, code });
            }
        }
    }

    /// A probe arrives.
    pub(super) fn answer(&mut self, now: SimTime, container: ContainerIx, token: u32, kind: ProbeKind) {
        let actor = &self.ever[container.index()];
        if !actor.is_alive {
            return;
        }
        let fails = match kind {
            ProbeKind::Ready => !actor.ready,
            ProbeKind::Alive => actor.dead,
            ProbeKind::Other => false,
        };
        let outcome = match (now.since(actor.started) < LISTENS_AFTER, kind, fails) {
            (true, ..) => ProbeOutcome::Refused,
            (_, ProbeKind::Other, _) => ProbeOutcome::Status(404),
            (.., true) => ProbeOutcome::Status(503),
            (.., false) => ProbeOutcome::Status(200),
        };
        self.notices.push(Notice::ProbeDone { token, outcome });
    }

    /// `/actor set WHAT` in a container.
    pub(super) fn set(
        &self,
        now: SimTime,
        queue: &mut Queue<Happening>,
        container: ContainerIx,
        what: &str,
    ) -> Result<(), String> {
        let (act, delay) = match what {
            "ready" | "unready" => (Act::Ready(what == "ready"), SimDuration::ZERO),
            "dead" | "alive" => (Act::Dead(what == "dead"), SimDuration::ZERO),
            "burn" | "idle" => (Act::Burn(what == "burn"), SimDuration::ZERO),
            "exit" => (Act::Exit(self.ever[container.index()].exit_code), EXITS_AFTER),
            _ => return Err(format!("the actor cannot be set to {what}")),
        };
        queue.schedule(now + delay, Happening::Actor(container, act));
        Ok(())
    }
}

/// `--name=value` or `--name`, by name.
fn flags(arguments: &[String]) -> BTreeMap<&str, &str> {
    arguments.iter().filter_map(|word| word.strip_prefix("--")).map(|w| w.split_once('=').unwrap_or((w, ""))).collect()
}

impl ContainerRuntime<Happening> for Actors {
    fn start(
        &mut self,
        now: SimTime,
        queue: &mut Queue<Happening>,
        spec: &ProcessSpec,
        container: &manifest::Container,
    ) -> ContainerIx {
        let index = ContainerIx(self.ever.len() as u32);
        let flags = flags(&container.args);
        let after = |name: &str| flags.get(name).and_then(|text| parse_duration(text).ok());
        let number = |name: &str| flags.get(name).and_then(|text| text.parse::<f64>().ok());
        let actor = Actor {
            started: now,
            is_alive: true,
            ignores_term: flags.contains_key("ignore-term"),
            exit_code: number("exit-code").unwrap_or(0.0) as u8,
            ready: after("ready-after").is_none(),
            dead: false,
            share: number("burn").unwrap_or(1.0),
            limit: spec.cpu_limit.map_or(f64::INFINITY, Millicores::cores),
            burning: flags.contains_key("burn"),
            used: (now, 0.0),
            allocation: Bytes::from_mebibytes(number("allocate").unwrap_or(0.0) as u64),
            memory: BASE_MEMORY,
            memory_limit: spec.memory_limit,
        };
        let mut later = |delay: Option<SimDuration>, act| {
            if let Some(delay) = delay {
                queue.schedule(now + delay, Happening::Actor(index, act));
            }
        };
        later(after("ready-after"), Act::Ready(true));
        later(after("dead-after"), Act::Dead(true));
        later(after("exit-after"), Act::Exit(actor.exit_code));
        let allocates = flags.contains_key("allocate");
        later(allocates.then(|| after("allocate-after").unwrap_or_default()), Act::Allocate);
        self.ever.push(actor);
        index
    }

    fn terminate(&mut self, now: SimTime, queue: &mut Queue<Happening>, container: ContainerIx) {
        if !self.ever[container.index()].ignores_term {
            queue.schedule(now + ENDS_AFTER, Happening::Actor(container, Act::Exit(0)));
        }
    }

    fn kill(&mut self, now: SimTime, _: &mut Queue<Happening>, container: ContainerIx) {
        self.act(now, container, Act::Exit(137));
    }

    fn lose(&mut self, now: SimTime, _: &mut Queue<Happening>, container: ContainerIx) {
        self.act(now, container, Act::Exit(137));
    }

    fn remove_address(&mut self, _: SimTime, _: &mut Queue<Happening>, _: ContainerIx) {}

    fn set_backends(&mut self, _: SimTime, _: &mut Queue<Happening>, _: NodeIx, _: KubeServiceIx, _: &[Backend]) {}

    fn probe(
        &mut self,
        now: SimTime,
        queue: &mut Queue<Happening>,
        token: u32,
        container: ContainerIx,
        target: ProbeTarget<'_>,
        _: SimDuration,
    ) {
        let kind = match target {
            ProbeTarget::Http { path: "/ready", .. } => ProbeKind::Ready,
            ProbeTarget::Http { path: "/alive", .. } => ProbeKind::Alive,
            _ => ProbeKind::Other,
        };
        queue.schedule(now + ANSWERS_AFTER, Happening::Answer(container, token, kind));
    }

    fn usage(&mut self, now: SimTime, container: ContainerIx) -> ContainerUsage {
        let actor = &self.ever[container.index()];
        ContainerUsage { cpu: SimDuration::from_secs_f64(actor.cpu(now)), working_set: actor.memory }
    }

    fn takes(&mut self, chore: Chore) -> SimDuration {
        let known = match chore {
            Chore::StartSandbox => &mut self.durations.sandboxes,
            Chore::CreateContainer => &mut self.durations.creates,
            Chore::StartContainer => &mut self.durations.starts,
            Chore::StopSandbox => &mut self.durations.ends,
        };
        known.pop_front().unwrap_or(chore.usual())
    }
}
