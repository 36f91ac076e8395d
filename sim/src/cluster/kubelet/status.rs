//! What a kubelet shows of its pods at the API.

use crate::ids::{ContainerIx, PodIx};
use crate::time::SimTime;

use super::super::objects::Phase;
use super::super::runtime::Host;
use super::super::{Cluster, Event, Work};
use super::{Container, Exit, PodWorker, ProbeKind, Process, Stage};

/// Why a container does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Waiting {
    /// Such as `CrashLoopBackOff`.
    pub(in super::super) reason: &'static str,
    /// For people.
    pub(in super::super) message: String,
}

/// `status.containerStatuses[]` of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Shown {
    pub(in super::super) state: ContainerState,
    /// How the process before ended.
    pub(in super::super) last: Option<Exit>,
    pub(in super::super) ready: bool,
    /// Whether it runs and its startup probe, if any, has succeeded.
    pub(in super::super) started: bool,
    pub(in super::super) restarts: u32,
    /// The process that the status is about.
    pub(in super::super) process: Option<ContainerIx>,
}

/// The state of a container as the API shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) enum ContainerState {
    /// No kubelet has said anything yet.
    #[default]
    Unknown,
    Waiting(Waiting),
    Running {
        since: SimTime,
    },
    Terminated(Exit),
    /// It never ran and never will (`ContainerStatusUnknown`).
    Lost,
}

impl Container {
    /// Its status now (`convertToAPIContainerStatuses`, `generateAPIPodStatus`). Readiness comes from the
    /// probes' results.
    fn status(&self) -> Shown {
        let creating = || Waiting { reason: "ContainerCreating", message: String::new() };
        let (state, last) = match (&self.process, &self.waiting) {
            (Process::Running { since, .. }, _) => (ContainerState::Running { since: *since }, self.last_exit),
            (Process::None, waiting) => {
                (ContainerState::Waiting(waiting.clone().unwrap_or_else(creating)), self.last_exit)
            }
            (Process::Exited(exit), Some(waiting)) => (ContainerState::Waiting(waiting.clone()), Some(*exit)),
            (Process::Exited(exit), None) => (ContainerState::Terminated(*exit), self.last_exit),
        };
        let is_running = matches!(state, ContainerState::Running { .. });
        let process = self.newest_process();
        let started = is_running && self.has_passed(ProbeKind::Startup, process);
        let ready = started && self.has_passed(ProbeKind::Readiness, process);
        Shown { state, last, ready, started, restarts: self.restarts, process }
    }

    /// Whether it waits without ever having run.
    fn is_pending(&self) -> bool {
        matches!(self.shown.state, ContainerState::Waiting(_) | ContainerState::Unknown) && self.shown.last.is_none()
    }
}

/// `getPhase`, for a pod whose containers are always restarted: it ends only when nothing runs in it any more. One of which
/// a container never ran is pending until it is given up.
fn phase(worker: &PodWorker) -> Phase {
    if worker.stage == Stage::Stopped && !worker.is_to_be_given_up() {
        let has_succeeded = |c: &Container| matches!(&c.process, Process::Exited(exit) if exit.code == 0);
        return if worker.containers.iter().all(has_succeeded) { Phase::Succeeded } else { Phase::Failed };
    }
    if worker.containers.iter().any(Container::is_pending) { Phase::Pending } else { Phase::Running }
}

impl Cluster {
    /// Writes the pod's status as it is now.
    pub(super) fn show_status(&mut self, ix: PodIx, host: &mut dyn Host) {
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        for container in &mut pod.kubelet.containers {
            container.shown = container.status();
            if pod.kubelet.stage == Stage::Stopped && container.has_never_run() {
                // Of a pod that the kubelet has refused nothing is said.
                if pod.failed.is_some() {
                    container.shown.state = ContainerState::Unknown;
                } else if pod.kubelet.is_over {
                    container.shown.state = ContainerState::Lost;
                }
            }
        }
        let phase = match pod.failed {
            // Not before its containers are over (`mergePodStatus`).
            Some(_) if pod.kubelet.stage == Stage::Stopped => Phase::Failed,
            _ => phase(&pod.kubelet),
        };
        let was_over = pod.is_over();
        let is_new = std::mem::replace(&mut pod.phase, phase) != phase;
        let has_ended = pod.is_over() && !was_over;
        let has_sandbox = matches!(pod.kubelet.stage, Stage::Up | Stage::Ending);
        // With the sandbox comes the address, whatever becomes of the containers.
        let is_new = std::mem::replace(&mut pod.has_sandbox, has_sandbox) != has_sandbox || is_new;
        let waits_for_readiness: Vec<_> = (0..pod.kubelet.containers.len())
            .filter(|index| {
                let shown = &pod.kubelet.containers[*index].shown;
                shown.started && !shown.ready
            })
            .collect();
        self.show_readiness(ix, host);
        if is_new {
            self.pod_changed(ix, host);
        }
        if has_ended {
            // The scheduler knows no pods that have (`newPodInformer`).
            self.resources_freed(host);
        }
        for index in waits_for_readiness {
            self.probe_readiness_now(ix, index, host);
        }
    }

    /// A result has changed: it is written, and the pod synced (`SetContainerReadiness`, `handleProbeSync`).
    pub(in super::super) fn probed(&mut self, ix: PodIx, host: &mut dyn Host) {
        self.show_readiness(ix, host);
        self.wake(ix, host);
    }

    /// Writes what the probes have found, and nothing else, as the kubelet's status manager does.
    pub(super) fn show_readiness(&mut self, ix: PodIx, host: &mut dyn Host) {
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        for container in &mut pod.kubelet.containers {
            let process = container.shown.process;
            let is_running = matches!(container.shown.state, ContainerState::Running { .. });
            container.shown.started = is_running && container.has_passed(ProbeKind::Startup, process);
            container.shown.ready = container.shown.started && container.has_passed(ProbeKind::Readiness, process);
        }
        let ready = pod.kubelet.containers.iter().all(|c| c.shown.ready);
        if ready == pod.ready {
            return;
        }
        pod.ready = ready;
        pod.ready_since = host.now().in_whole_seconds();
        let (owner, since) = (pod.owner, pod.ready_since);
        let deployment = self.replica_sets.get(&owner).and_then(|set| self.deployments.get(&set.deployment));
        if let Some(min_ready) = deployment.map(|d| d.spec.min_ready).filter(|min_ready| ready && min_ready.0 > 0) {
            // `FindMinNextPodAvailabilityCheck`. Later than now, since `minReadySeconds` is whole.
            host.schedule(since + min_ready, Event::Sync(Work::ReplicaSet(owner)));
        }
        self.pod_changed(ix, host);
    }
}
