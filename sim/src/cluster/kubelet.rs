//! The kubelets: one worker per pod brings the pod's containers to what its specification says.
//!
//! A *sync* is one pass of the worker: it shows the pod's status as it is at that moment, decides what
//! is to be done, and does it in steps that take time (sandbox, kill, pull, start). A sync is started
//! by a change of the object, by the *relist* that notices a change of a container within a second
//! (PLEG), by a probe that failed for good, or by the *resync* after a sync that failed. A worker that has
//! synced waits for the next relist before it syncs again, since it must not act on what it saw before
//! (`podCache.GetNewerThan`); news that comes meanwhile, or during a sync, makes one more sync after that.
//!
//! Invariants:
//! - The status that the API shows is written at the start of a sync; what a sync does is shown by the
//!   next one. That is why `CrashLoopBackOff` and `ImagePullBackOff` appear 10 to 15 s late.
//! - A container has at most one live process, and none before the pod's sandbox exists.
//! - Nothing is started in a pod whose deletion the kubelet knows of.

mod back_off;
mod containers;
mod environment;
mod images;
mod pressure;
mod probes;
mod process;
mod relist;
mod status;
mod termination;

use std::collections::VecDeque;

use crate::ids::PodIx;
use crate::manifest::PodTemplate;
use crate::time::{SimDuration, SimTime};

use super::objects::{Address, Pod};
use super::recorder::{Severity, Source};
use super::runtime::{Chore, Host};
use super::{Cluster, Event};

use back_off::BackOff;
pub(super) use images::Puller;
pub(super) use pressure::Pressure;
pub use pressure::SoftThreshold;
pub use probes::ProbeKind;
pub(super) use probes::ProbesInFlight;
use process::Process;
pub(super) use process::{Container, Exit};
pub(super) use relist::Relist;
use relist::{RELIST, next_tick};
pub(super) use status::{ContainerState, Waiting};

/// After a sync that failed; up to half as much again is added (`backOffPeriod`, `workerBackOffPeriodJitterFactor`).
const RESYNC: SimDuration = SimDuration::from_secs(10);

/// The worker of one pod, with all that it knows.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one pod")]
pub(super) struct PodWorker {
    /// In the order of the template.
    pub(super) containers: Vec<Container>,
    stage: Stage,
    /// The step in progress.
    current: Option<Step>,
    /// What the sync will do after it.
    steps: VecDeque<Step>,
    /// Number of the step in progress: an end that belongs to another one is old.
    step: u32,
    /// Whether something in this sync did not work.
    failed: bool,
    /// Whether something happened during the sync, or while it waits for a relist.
    has_news: bool,
    /// When the last sync ended.
    synced: Option<SimTime>,
    /// Since when it waits for a relist before it syncs.
    waits_since: Option<SimTime>,
    /// When the next relist that matters is.
    relist: Option<SimTime>,
    /// Whether that will notice a change.
    has_changed: bool,
    /// When it will look again after a failed sync.
    resync: SimTime,
    /// How many syncs there were.
    syncs: u64,
    /// Whether the kubelet has seen the pod since it started.
    is_admitted: bool,
    /// Whether the last that there is to be said of the pod has been: what never ran never will (`TerminatePod`).
    is_over: bool,
}

/// How far a pod has come. It never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has no sandbox yet.
    Bare,
    /// Containers can run.
    Up,
    /// Its deletion is known: containers end.
    Ending,
    /// The sandbox is gone, the object is not.
    Stopped,
}

/// A part of a sync that takes time, with the container's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Sandbox,
    Kill(usize, KillReason),
    /// Sees to the image, unless the container is in back-off since it ended at this time.
    Image(usize, Option<SimTime>),
    Create(usize),
    Start(usize),
}

/// Why a container is restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KillReason {
    Changed,
    Liveness,
    Startup,
}

impl PodWorker {
    /// For a pod of this template, of which no kubelet knows yet.
    pub(super) fn new(template: &PodTemplate) -> Self {
        Self {
            containers: template.containers.iter().map(|_| Container::default()).collect(),
            stage: Stage::Bare,
            current: None,
            steps: VecDeque::new(),
            step: 0,
            failed: false,
            has_news: false,
            synced: None,
            waits_since: None,
            relist: None,
            has_changed: false,
            resync: SimTime::NEVER,
            syncs: 0,
            is_admitted: false,
            is_over: false,
        }
    }

    /// What goes on ends undone: its kubelet died, or stands still.
    pub(super) fn halt(&mut self) {
        self.steps.clear();
        self.current = None;
        self.step += 1;
        self.failed = false;
        self.has_news = false;
        self.relist = None;
        self.synced = None;
        self.waits_since = None;
        self.has_changed = false;
        self.resync = SimTime::NEVER;
    }

    /// What a kubelet had in its memory is gone with it.
    pub(super) fn forget(&mut self) {
        self.is_admitted = false;
        for container in &mut self.containers {
            container.forget();
        }
    }

    /// The machine is gone, and with it processes, sandbox and address.
    pub(super) fn lose(&mut self, now: SimTime) {
        for container in &mut self.containers {
            container.lose(now);
        }
        if self.stage == Stage::Up {
            self.stage = Stage::Bare;
        }
    }

    /// Restarts of all containers.
    pub(super) fn restarts(&self) -> u32 {
        self.containers.iter().map(|c| c.restarts).sum()
    }

    /// Drops the rest of the sync, whose pod is to go.
    fn cancel(&mut self, now: SimTime) {
        self.steps.clear();
        self.current = None;
        self.step += 1;
        self.synced = Some(now);
    }

    /// Whether its sandbox is gone, and what never ran in it has not been given up yet.
    pub(super) fn is_to_be_given_up(&self) -> bool {
        self.stage == Stage::Stopped && !self.is_over && self.containers.iter().any(Container::has_never_run)
    }

    fn is_anything_running(&self) -> bool {
        self.containers.iter().any(|c| c.running().is_some())
    }
}

impl Cluster {
    fn begin_sync(&mut self, ix: PodIx, host: &mut dyn Host) {
        let is_new = self.pods.get(&ix).is_some_and(|pod| pod.started.is_none());
        let is_first = self.admit(ix, host);
        if is_new && !self.admits(ix, host) {
            return;
        }
        self.show_status(ix, host);
        if is_first {
            // Only now: what runs when a kubelet starts counts as ready until its probes say otherwise (`SyncPod`).
            self.add_probes(ix, host);
            if self.pods.get(&ix).is_some_and(|pod| pod.kubelet.is_anything_running()) {
                self.relist(ix, host);
            }
        }
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        let steps = plan(pod);
        let worker = &mut pod.kubelet;
        for container in &mut worker.containers {
            container.forget_older();
        }
        worker.syncs += 1;
        worker.failed = false;
        worker.resync = SimTime::NEVER;
        worker.steps = steps;
        self.next_step(ix, host);
    }

    /// Returns whether this is the kubelet's first look at the pod.
    fn admit(&mut self, ix: PodIx, host: &mut dyn Host) -> bool {
        let Some(pod) = self.pods.get_mut(&ix) else {
            return false;
        };
        pod.started.get_or_insert(host.now());
        !std::mem::replace(&mut pod.kubelet.is_admitted, true)
    }

    /// The kubelet sees to a pod again, which it did not for a while.
    pub(super) fn resume_pod(&mut self, ix: PodIx, host: &mut dyn Host) {
        let Some(pod) = self.pods.get(&ix) else {
            return;
        };
        match pod.kubelet.stage {
            Stage::Bare | Stage::Up => self.wake(ix, host),
            Stage::Ending => self.go_on_terminating(ix, host),
            Stage::Stopped => host.schedule(host.now() + RELIST, Event::TornDown(ix)),
        }
    }

    /// Goes on with the sync until a step takes time, or to its end.
    fn next_step(&mut self, ix: PodIx, host: &mut dyn Host) {
        loop {
            let Some(pod) = self.pods.get_mut(&ix) else {
                return;
            };
            let worker = &mut pod.kubelet;
            worker.step += 1;
            worker.current = worker.steps.pop_front();
            let step = worker.step;
            let takes_time = match worker.current {
                None => return self.end_sync(ix, host),
                Some(Step::Sandbox) => self.begin_sandbox(ix, step, host),
                Some(Step::Create(index)) => self.begin_create(ix, index, step, host),
                Some(Step::Start(_)) => do_chore(Chore::StartContainer, ix, step, host),
                Some(Step::Kill(index, reason)) => self.begin_kill(ix, index, reason, host),
                Some(Step::Image(index, ended)) => self.begin_image(ix, index, ended, host),
            };
            if takes_time {
                return;
            }
        }
    }

    /// A step that only takes time has ended.
    pub(super) fn step_done(&mut self, ix: PodIx, step: u32, host: &mut dyn Host) {
        let Some(pod) = self.pods.get(&ix).filter(|pod| pod.kubelet.step == step) else {
            return;
        };
        match pod.kubelet.current {
            Some(Step::Sandbox) => self.sandbox_ready(ix, host),
            Some(Step::Create(index)) => {
                let message = format!("Created container: {}", self.container_name(ix, index));
                self.record_pod(host, ix, Severity::Normal, "Created", message);
            }
            Some(Step::Start(index)) => self.start_container(ix, index, host),
            _ => return,
        }
        self.next_step(ix, host);
    }

    /// A pod that had a sandbox has lost it with its machine.
    fn begin_sandbox(&mut self, ix: PodIx, step: u32, host: &mut dyn Host) -> bool {
        if self.pods[&ix].address.is_some() {
            let message = "Pod sandbox changed, it will be killed and re-created.".to_owned();
            self.record_pod(host, ix, Severity::Normal, "SandboxChanged", message);
        }
        do_chore(Chore::StartSandbox, ix, step, host)
    }

    fn sandbox_ready(&mut self, ix: PodIx, host: &mut dyn Host) {
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        let Some(node) = pod.node() else { return };
        pod.kubelet.stage = Stage::Up;
        let addresses = &mut self.nodes[node.index()].addresses;
        pod.address = Some(Address::new(node, *addresses));
        *addresses += 1;
        self.relist(ix, host);
    }

    fn end_sync(&mut self, ix: PodIx, host: &mut dyn Host) {
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        let Some(node) = pod.node() else { return };
        let worker = &mut pod.kubelet;
        if worker.failed {
            let jitter = pod.key.with_str("resync").with(worker.syncs).draw().uniform();
            let wait = RESYNC + RESYNC.scaled(jitter / 2.0);
            // The kubelet looks for due pods once a second.
            worker.resync = next_tick(self.nodes[node.index()].resync_phase(), host.now() + wait);
            host.schedule(worker.resync, Event::Resync(ix));
        }
        worker.synced = Some(host.now());
        if std::mem::take(&mut worker.has_news) {
            self.await_relist(ix, host);
        }
    }

    /// What a container is called in events.
    fn container_name(&self, ix: PodIx, index: usize) -> &str {
        &self.pods[&ix].template.containers[index].name
    }

    fn record_pod(&mut self, host: &dyn Host, ix: PodIx, severity: Severity, reason: &str, message: String) {
        let about = self.pods[&ix].subject();
        self.record(host, Source::Kubelet, &about, severity, reason, message);
    }
}

/// Lets the step end when the container runtime is done; that it takes time.
fn do_chore(chore: Chore, ix: PodIx, step: u32, host: &mut dyn Host) -> bool {
    let done = host.now() + host.takes(chore);
    host.schedule(done, Event::StepDone(ix, step));
    true
}

/// What there is to do in a pod (`computePodActions`).
fn plan(pod: &Pod) -> VecDeque<Step> {
    let (mut kills, mut starts) = (Vec::new(), Vec::new());
    for (index, container) in pod.kubelet.containers.iter().enumerate() {
        let ended = match &container.process {
            Process::None => None,
            Process::Exited(exit) => Some(exit.finished),
            Process::Running { .. } => {
                let Some(reason) = kill_reason(container, &pod.template.containers[index].image) else {
                    continue;
                };
                kills.push(Step::Kill(index, reason));
                container.last_exit.map(|exit| exit.finished)
            }
        };
        starts.extend([Step::Image(index, ended), Step::Create(index), Step::Start(index)]);
    }
    if pod.kubelet.stage == Stage::Bare {
        kills.push(Step::Sandbox);
    }
    kills.into_iter().chain(starts).collect()
}

fn kill_reason(container: &Container, image: &str) -> Option<KillReason> {
    if container.image != image {
        Some(KillReason::Changed)
    } else if container.has_failed(ProbeKind::Liveness) {
        Some(KillReason::Liveness)
    } else if container.has_failed(ProbeKind::Startup) {
        Some(KillReason::Startup)
    } else {
        None
    }
}

impl Step {
    /// The container it is about.
    fn container(self) -> Option<usize> {
        match self {
            Self::Sandbox => None,
            Self::Kill(index, _) | Self::Image(index, _) | Self::Create(index) | Self::Start(index) => Some(index),
        }
    }
}
