//! Starting, restarting and ending of containers.

use crate::engine::Queue;
use crate::ids::{ContainerIx, PodIx};
use crate::log::{Entry, Said};
use crate::manifest::PodTemplate;
use crate::time::{SimDuration, SimTime};

use super::super::recorder::Severity;
use super::super::registry;
use super::super::runtime::{ContainerRuntime, Host, Machines, ProcessSpec};
use super::super::{Cluster, Event};
use super::pressure::EVICTION_GRACE;
use super::{BackOff, Exit, KillReason, Process, Stage, Step, Waiting};

impl Cluster {
    /// Whether the container must not be started yet; otherwise the next back-off is counted
    /// (`doBackOff`). `ended` is when the process ended that the sync found.
    pub(super) fn is_backing_off(&mut self, ix: PodIx, index: usize, ended: Option<SimTime>, host: &dyn Host) -> bool {
        let Some(ended) = ended else { return false };
        let now = host.now();
        let Some(pod) = self.pods.get_mut(&ix) else {
            return false;
        };
        let container = &mut pod.kubelet.containers[index];
        let Some(back_off) = container.crash_back_off.filter(|b| b.holds_since(ended, now)) else {
            container.crash_back_off = Some(BackOff::next(container.crash_back_off, ended, now));
            return false;
        };
        let name = &pod.template.containers[index].name;
        let full = format!("{}_{}({})", pod.name, pod.namespace, pod.uid);
        let event = format!("Back-off restarting failed container {name} in pod {full}");
        container.waiting = Some(Waiting {
            reason: "CrashLoopBackOff",
            message: format!("back-off {} restarting failed container={name} pod={full}", go_duration(back_off.wait)),
        });
        self.record_pod(host, ix, Severity::Warning, "BackOff", event);
        true
    }

    /// The container cannot be started in this sync: what its status will say, and what its event says.
    pub(super) fn start_failed(&mut self, ix: PodIx, index: usize, waiting: Waiting, why: &str, host: &dyn Host) {
        if let Some(pod) = self.pods.get_mut(&ix) {
            pod.kubelet.containers[index].waiting = Some(waiting);
        }
        self.record_pod(host, ix, Severity::Warning, "Failed", format!("Error: {why}"));
        self.give_up(ix, index);
    }

    /// Leaves the rest of what this sync had to do for a container.
    pub(super) fn give_up(&mut self, ix: PodIx, index: usize) {
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        pod.kubelet.failed = true;
        pod.kubelet.steps.retain(|step| step.container() != Some(index));
    }

    /// A new process for the container.
    pub(super) fn start_container(&mut self, ix: PodIx, index: usize, host: &mut dyn Host) {
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        let Some(node) = pod.node() else { return };
        let spec = &pod.template.containers[index];
        let program = self.registry.find(&spec.image).ok().and_then(|image| image.program(&spec.name));
        let resources = spec.resources;
        let has_lost_address = std::mem::take(&mut pod.kubelet.containers[index].has_lost_address);
        // A limit of zero is none (`MilliCPUToQuota`).
        let process = ProcessSpec {
            node,
            runs: program.map(|program| program.service),
            cpu_limit: resources.limits.cpu.filter(|limit| limit.0 > 0),
            cpu_request: resources.requests.cpu.or(resources.limits.cpu).unwrap_or_default(),
            memory_limit: resources.limits.memory.filter(|limit| limit.0 > 0),
            is_alone: pod.template.containers.len() == 1,
            replaces: pod.kubelet.containers[index].newest_process().filter(|_| !has_lost_address),
            spins: registry::stress_workers(spec).unwrap_or(0),
        };
        let process = host.start(&process, &self.configuration.resolve(&pod.namespace, spec));
        let port = program.map(|program| program.port);
        let container = &mut pod.kubelet.containers[index];
        let running = Process::Running { container: process, since: host.now(), out_of_memory: false };
        if let Process::Exited(exit) = std::mem::replace(&mut container.process, running) {
            container.last_exit = Some(exit);
            container.restarts += 1;
            container.previous_log = Some(std::mem::take(&mut container.log));
        }
        container.image.clone_from(&spec.image);
        container.program = program;
        container.waiting = None;
        if program.is_some() {
            container.log.process = Some(process);
            container.log.image.clone_from(&spec.image);
            container.log.push(Entry { at: host.now(), said: Said::Starting });
        }
        let name = spec.name.clone();
        self.containers.insert(process, (ix, index));
        host.schedule(host.now(), Event::SampleUsage(process));
        self.join_network(ix, process, port, host);
        self.record_pod(host, ix, Severity::Normal, "Started", format!("Started container {name}"));
        self.processes_changed(ix, host);
        self.relist(ix, host);
    }

    /// Asks a container to end that will be restarted. Returns whether it has to be waited for.
    pub(super) fn begin_kill(&mut self, ix: PodIx, index: usize, reason: KillReason, host: &mut dyn Host) -> bool {
        let Some(process) = self.pods.get(&ix).and_then(|pod| pod.kubelet.containers[index].running()) else {
            return false;
        };
        let why = match reason {
            KillReason::Changed => "definition changed",
            KillReason::Liveness => "failed liveness probe",
            KillReason::Startup => "failed startup probe",
        };
        let message = format!("Container {} {why}, will be restarted", self.container_name(ix, index));
        self.record_pod(host, ix, Severity::Normal, "Killing", message);
        self.ask_to_end(ix, process, host);
        true
    }

    /// SIGTERM, and SIGKILL after the grace period.
    pub(super) fn ask_to_end(&self, ix: PodIx, process: ContainerIx, host: &mut dyn Host) {
        let pod = &self.pods[&ix];
        let grace = match (&pod.failed, pod.deleted) {
            (Some(_), _) => EVICTION_GRACE,
            (None, Some(_)) => pod.grace,
            (None, None) => pod.template.termination_grace,
        };
        host.schedule(host.now() + grace, Event::GraceOver(process));
        host.terminate(process);
    }

    /// A process that was asked to end had time enough.
    pub(in super::super) fn grace_over(&mut self, process: ContainerIx, host: &mut dyn Host) {
        if self.containers.contains_key(&process) {
            host.kill(process);
        }
    }

    /// A process has ended.
    pub(in super::super) fn exited(&mut self, process: ContainerIx, code: u8, host: &mut dyn Host) {
        let Some((ix, index)) = self.containers.remove(&process) else {
            return;
        };
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        let container = &mut pod.kubelet.containers[index];
        let out_of_memory = matches!(container.process, Process::Running { out_of_memory: true, .. });
        let exit = Exit { container: process, code, out_of_memory, is_unknown: false, finished: host.now() };
        container.process = Process::Exited(exit);
        self.probes.forget(&mut container.probes);
        self.metrics.forget_container(ix, index);
        if !self.is_tended(ix) {
            return;
        }
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        let is_waited_for = matches!(pod.kubelet.current, Some(Step::Kill(i, _)) if i == index);
        if pod.kubelet.stage == Stage::Ending {
            self.container_ended(ix, host);
        } else {
            self.relist(ix, host);
            if is_waited_for {
                self.next_step(ix, host);
            }
        }
    }

    /// The kernel kills a process for its memory.
    pub(in super::super) fn over_limit(&mut self, process: ContainerIx, host: &mut dyn Host) {
        let Some(&(ix, index)) = self.containers.get(&process) else {
            return;
        };
        if let Some(pod) = self.pods.get_mut(&ix)
            && let Process::Running { out_of_memory, .. } = &mut pod.kubelet.containers[index].process
        {
            *out_of_memory = true;
        }
        host.kill(process);
    }

    /// A process accepts connections.
    pub(in super::super) fn listening(&mut self, process: ContainerIx, host: &mut dyn Host) {
        self.log(process, Entry { at: host.now(), said: Said::Listening });
    }

    /// A process writes to its log.
    pub(in super::super) fn log(&mut self, process: ContainerIx, entry: Entry) {
        let Some(&(ix, index)) = self.containers.get(&process) else {
            return;
        };
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        pod.kubelet.containers[index].log.push(entry);
    }

    /// Replaces the images of a running pod's containers, as Chaos Mesh's `pod-failure` does with
    /// pause: the kubelet restarts them in place, and no Deployment knows of it. Returns whether the
    /// pod exists.
    pub fn patch_pod_image<E, R>(
        &mut self,
        now: SimTime,
        pod: PodIx,
        image: &str,
        queue: &mut Queue<E>,
        runtime: &mut R,
    ) -> bool
    where
        E: Copy + From<Event>,
        R: ContainerRuntime<E>,
    {
        self.patch_images(pod, Some(image), &mut Machines { now, queue, runtime })
    }

    /// Gives the containers of a pod back the images they had before [`Self::patch_pod_image`]. Returns
    /// whether the pod still exists and was patched.
    pub fn restore_pod_image<E, R>(&mut self, now: SimTime, pod: PodIx, queue: &mut Queue<E>, runtime: &mut R) -> bool
    where
        E: Copy + From<Event>,
        R: ContainerRuntime<E>,
    {
        self.patch_images(pod, None, &mut Machines { now, queue, runtime })
    }

    /// Replaces the images of a pod's containers, or gives them back.
    fn patch_images(&mut self, ix: PodIx, image: Option<&str>, host: &mut dyn Host) -> bool {
        let Some(pod) = self.pods.get_mut(&ix) else {
            return false;
        };
        let mut template = PodTemplate::clone(&pod.template);
        if let Some(image) = image {
            if pod.patched_images.is_none() {
                pod.patched_images = Some(template.containers.iter().map(|c| c.image.clone()).collect());
            }
            for container in &mut template.containers {
                image.clone_into(&mut container.image);
            }
        } else {
            let Some(images) = pod.patched_images.take() else {
                return false;
            };
            for (container, image) in template.containers.iter_mut().zip(images) {
                container.image = image;
            }
        }
        pod.template = template.into();
        host.schedule(host.now() + super::super::WATCH_LATENCY, Event::Wake(ix));
        true
    }
}

/// As Go prints a duration of whole seconds: `10s`, `1m20s`, `5m0s`.
fn go_duration(duration: SimDuration) -> String {
    let seconds = duration.0 / 1_000_000_000;
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{}s", seconds / 60, seconds % 60) }
}
