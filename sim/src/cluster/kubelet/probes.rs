//! Probes: a worker per container and kind that tries on a ticker (`pkg/kubelet/prober/worker.go`).
//!
//! A worker begins to tick when the kubelet first sees the pod, not when the container starts; so the
//! first try is the first tick after the initial delay, counted from the container's start cut to whole
//! seconds. Only when the kubelet itself has just started does a worker first wait for a random part of
//! its period. A readiness worker is also triggered whenever the pod's status is written while the
//! container is not ready, and ticks from there.

use std::collections::BTreeMap;

use crate::ids::{ContainerIx, PodIx};
use crate::manifest::{Container as Spec, Probe, ProbeAction};
use crate::time::{SimDuration, SimTime};

use super::super::objects::Pod;
use super::super::recorder::Severity;
use super::super::runtime::{Host, ProbeOutcome, ProbeTarget};
use super::super::{Cluster, Event};
use super::{Container, ContainerState};

/// From a probe's answer to the status that shows it: the kubelet's own queues, and a request.
const STATUS_WRITE: SimDuration = SimDuration::from_millis(10);

/// What a probe decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeKind {
    /// Whether the container is restarted.
    Liveness,
    /// Whether the pod gets traffic.
    Readiness,
    /// Whether the other two begin.
    Startup,
}

impl ProbeKind {
    const ALL: [Self; 3] = [Self::Liveness, Self::Readiness, Self::Startup];

    fn name(self) -> &'static str {
        match self {
            Self::Liveness => "Liveness",
            Self::Readiness => "Readiness",
            Self::Startup => "Startup",
        }
    }

    fn of(self, container: &Spec) -> Option<&Probe> {
        match self {
            Self::Liveness => container.liveness_probe.as_ref(),
            Self::Readiness => container.readiness_probe.as_ref(),
            Self::Startup => container.startup_probe.as_ref(),
        }
    }

    /// What counts before the first result.
    fn initial(self) -> Option<bool> {
        match self {
            Self::Liveness => Some(true),
            Self::Readiness => Some(false),
            Self::Startup => None,
        }
    }
}

/// The worker of one probe of one container.
#[derive(Clone, Debug)]
pub(super) struct Worker {
    /// The next tick.
    due: SimTime,
    /// The process that the result is about.
    process: Option<ContainerIx>,
    /// What counts for that process.
    result: Option<bool>,
    /// The last outcome, and how many there were of it in a row.
    last: Option<bool>,
    run: u32,
    /// It failed for good: nothing more until there is another process.
    on_hold: bool,
    /// The probe on its way.
    in_flight: Option<u32>,
    /// Whether a tick came while a probe was on its way.
    missed: bool,
    /// Whether nothing but its ticker makes it try, until it has succeeded.
    keeps_phase: bool,
}

/// Probes on their way, by token.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct ProbesInFlight {
    tokens: u32,
    probes: BTreeMap<u32, (PodIx, usize, ProbeKind)>,
}

impl ProbesInFlight {
    fn add(&mut self, pod: PodIx, container: usize, kind: ProbeKind) -> u32 {
        self.tokens = self.tokens.wrapping_add(1);
        self.probes.insert(self.tokens, (pod, container, kind));
        self.tokens
    }

    /// The process that they were on their way to has ended.
    pub(super) fn forget(&mut self, workers: &mut [Option<Worker>; 3]) {
        for worker in workers.iter_mut().flatten() {
            if let Some(token) = worker.in_flight.take() {
                self.probes.remove(&token);
            }
            worker.missed = false;
        }
    }

    /// The pod is gone.
    pub(in super::super) fn forget_pod(&mut self, pod: PodIx) {
        self.probes.retain(|_, (of, _, _)| *of != pod);
    }
}

impl Container {
    fn result(&self, kind: ProbeKind, process: Option<ContainerIx>) -> Option<bool> {
        let worker = self.probes[kind as usize].as_ref()?;
        if worker.process == process { worker.result } else { kind.initial() }
    }

    /// Whether a probe has succeeded for a process, or there is none.
    pub(super) fn has_passed(&self, kind: ProbeKind, process: Option<ContainerIx>) -> bool {
        self.probes[kind as usize].is_none() || self.result(kind, process) == Some(true)
    }

    /// Whether a probe has failed for the live process.
    pub(super) fn has_failed(&self, kind: ProbeKind) -> bool {
        self.running().is_some() && self.result(kind, self.running()) == Some(false)
    }
}

impl Cluster {
    /// Workers for all probes of a pod.
    pub(super) fn add_probes(&mut self, ix: PodIx, host: &mut dyn Host) {
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        let now = host.now();
        let started = pod.node().map(|node| self.nodes[node.index()].kubelet_started).unwrap_or_default();
        for (index, (spec, container)) in pod.template.containers.iter().zip(&mut pod.kubelet.containers).enumerate() {
            for kind in ProbeKind::ALL {
                let Some(probe) = kind.of(spec) else { continue };
                // The kubelets start with the world. The pods that one finds when it starts were created at other
                // times, so each keeps a phase of its own.
                let is_found = now.since(started) < probe.period;
                let wait = if is_found {
                    let key = pod.key.with_str("probe").with(index as u64).with(kind as u64);
                    probe.period.scaled(key.draw().uniform())
                } else {
                    SimDuration::ZERO
                };
                let due = now + wait + probe.period;
                host.schedule(due, Event::Probe(ix, index as u8, kind));
                container.probes[kind as usize] = Some(Worker {
                    due,
                    process: None,
                    result: kind.initial(),
                    last: None,
                    run: 0,
                    on_hold: false,
                    in_flight: None,
                    missed: false,
                    keeps_phase: is_found,
                });
            }
        }
    }

    /// A worker's tick, unless its ticker was reset since.
    pub(in super::super) fn probe_due(&mut self, ix: PodIx, index: usize, kind: ProbeKind, host: &mut dyn Host) {
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        let Some(probe) = kind.of(&pod.template.containers[index]) else {
            return;
        };
        let Some(worker) = &mut pod.kubelet.containers[index].probes[kind as usize] else {
            return;
        };
        if worker.due != host.now() {
            return;
        }
        worker.due = host.now() + probe.period;
        host.schedule(worker.due, Event::Probe(ix, index as u8, kind));
        self.try_probe(ix, index, kind, host);
    }

    /// Tries readiness at once, and ticks from here.
    pub(super) fn probe_readiness_now(&mut self, ix: PodIx, index: usize, host: &mut dyn Host) {
        let kind = ProbeKind::Readiness;
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        let Some(probe) = kind.of(&pod.template.containers[index]) else {
            return;
        };
        let Some(worker) = &mut pod.kubelet.containers[index].probes[kind as usize] else {
            return;
        };
        if worker.keeps_phase {
            return;
        }
        worker.due = host.now() + probe.period;
        host.schedule(worker.due, Event::Probe(ix, index as u8, kind));
        self.try_probe(ix, index, kind, host);
    }

    /// `doProbe`.
    fn try_probe(&mut self, ix: PodIx, index: usize, kind: ProbeKind, host: &mut dyn Host) {
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        let is_deleted = pod.deleted.is_some();
        let Some(probe) = kind.of(&pod.template.containers[index]) else {
            return;
        };
        let container = &mut pod.kubelet.containers[index];
        let (shown, running) = (container.shown.clone(), container.running());
        let Some(worker) = &mut container.probes[kind as usize] else {
            return;
        };
        if worker.in_flight.is_some() {
            worker.missed = true;
            return;
        }
        let Some(process) = shown.process else { return };
        if worker.process != Some(process) {
            worker.process = Some(process);
            worker.result = kind.initial();
            worker.on_hold = false;
            if kind != ProbeKind::Liveness {
                // A first result is a change too (`Manager.Set`); of liveness only failure is (`syncLoopIteration`).
                host.schedule(host.now() + STATUS_WRITE, Event::Probed(ix));
            }
        }
        if worker.on_hold {
            return;
        }
        let ContainerState::Running { since } = shown.state else {
            if worker.result.replace(false) != Some(false) {
                host.schedule(host.now() + STATUS_WRITE, Event::Probed(ix));
            }
            return;
        };
        if is_deleted && kind != ProbeKind::Readiness {
            worker.result = Some(true);
            worker.due = SimTime::NEVER;
            return;
        }
        let is_too_early = host.now().since(since.in_whole_seconds()) < probe.initial_delay;
        // Startup first, and then the other two.
        if is_too_early || shown.started == (kind == ProbeKind::Startup) {
            return;
        }
        // It goes to the pod's address, whatever listens there: what the status shows may have ended, and another one may run.
        let Some(listener) = running else {
            self.probe_result(ix, index, kind, ProbeOutcome::Refused, host);
            return;
        };
        let token = self.probes.add(ix, index, kind);
        worker.in_flight = Some(token);
        host.probe(token, listener, target(&probe.action), probe.timeout);
    }

    /// A probe has come back.
    pub(in super::super) fn probe_done(&mut self, token: u32, outcome: ProbeOutcome, host: &mut dyn Host) {
        let Some((ix, index, kind)) = self.probes.probes.remove(&token) else {
            return;
        };
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        let Some(worker) = &mut pod.kubelet.containers[index].probes[kind as usize] else {
            return;
        };
        worker.in_flight = None;
        let missed = std::mem::take(&mut worker.missed);
        self.probe_result(ix, index, kind, outcome, host);
        if missed {
            self.try_probe(ix, index, kind, host);
        }
    }

    fn probe_result(&mut self, ix: PodIx, index: usize, kind: ProbeKind, outcome: ProbeOutcome, host: &mut dyn Host) {
        let pod = &self.pods[&ix];
        let Some(probe) = kind.of(&pod.template.containers[index]).cloned() else {
            return;
        };
        let success = matches!(outcome, ProbeOutcome::Status(200..=399) | ProbeOutcome::Connected);
        if !success {
            let why = failure(pod, &probe.action, outcome);
            let message = format!("{} probe failed: {why}", kind.name());
            self.record_pod(host, ix, Severity::Warning, "Unhealthy", message);
        }
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        let Some(worker) = &mut pod.kubelet.containers[index].probes[kind as usize] else {
            return;
        };
        worker.run = if worker.last == Some(success) { worker.run + 1 } else { 1 };
        worker.last = Some(success);
        worker.keeps_phase &= !success;
        let threshold = if success { probe.success_threshold } else { probe.failure_threshold };
        if worker.run < threshold {
            return;
        }
        let before = worker.result.replace(success);
        let is_fatal = !success && kind != ProbeKind::Readiness;
        if is_fatal {
            worker.on_hold = true;
            worker.run = 0;
        }
        if before == Some(success) {
            return;
        }
        host.schedule(host.now() + STATUS_WRITE, Event::Probed(ix));
        if kind == ProbeKind::Startup && success {
            self.probe_readiness_now(ix, index, host);
        }
    }
}

fn target(action: &ProbeAction) -> ProbeTarget<'_> {
    match action {
        ProbeAction::HttpGet { path, port } => ProbeTarget::Http { path, port: *port },
        ProbeAction::TcpSocket { port } | ProbeAction::Grpc { port } => ProbeTarget::Tcp { port: *port },
        ProbeAction::Exec { .. } => ProbeTarget::Exec,
    }
}

/// Why a probe failed, in the words of the kubelet and Go's HTTP client.
fn failure(pod: &Pod, action: &ProbeAction, outcome: ProbeOutcome) -> String {
    let ip = pod.address.map(|a| a.to_string()).unwrap_or_default();
    let (what, port) = match action {
        ProbeAction::HttpGet { path, port } => (format!("Get \"http://{ip}:{port}{path}\": "), *port),
        ProbeAction::TcpSocket { port } | ProbeAction::Grpc { port } => (String::new(), *port),
        ProbeAction::Exec { .. } => return "command failed".to_owned(),
    };
    match (outcome, what.is_empty()) {
        (ProbeOutcome::Status(status), _) => format!("HTTP probe failed with statuscode: {status}"),
        (ProbeOutcome::TimedOut, false) => {
            format!("{what}context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
        }
        (ProbeOutcome::TimedOut, true) => format!("dial tcp {ip}:{port}: i/o timeout"),
        (ProbeOutcome::Reset, false) => format!("{what}EOF"),
        (ProbeOutcome::Refused | ProbeOutcome::Reset | ProbeOutcome::Connected, _) => {
            format!("{what}dial tcp {ip}:{port}: connect: connection refused")
        }
    }
}
