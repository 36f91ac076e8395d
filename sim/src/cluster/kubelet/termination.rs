//! The end of a pod: containers are asked to end and then killed, the sandbox goes, the object goes.

use crate::ids::PodIx;
use crate::time::{SimDuration, SimTime};

use super::super::recorder::Severity;
use super::super::runtime::{Chore, Host};
use super::super::{Cluster, Event, REQUEST};
use super::{Container, Stage, next_tick};

/// The loops that find a volume that nobody needs any more, and unmount it (`desiredStateOfWorldPopulatorLoopSleepPeriod`,
/// `reconcilerLoopSleepPeriod`): each sleeps so long between two turns.
const VOLUME_LOOP: SimDuration = SimDuration::from_millis(100);
/// How often a worker looks whether the volumes of its pod are unmounted (`podAttachAndMountRetryInterval`). Every pod has
/// one, with the token of its service account.
const UNMOUNT_POLL: SimDuration = SimDuration::from_millis(300);

impl Cluster {
    /// The kubelet has heard that the pod is to go, or has so decided.
    pub(super) fn terminate_pod(&mut self, ix: PodIx, host: &mut dyn Host) {
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        let worker = &mut pod.kubelet;
        match worker.stage {
            Stage::Bare | Stage::Up => {}
            Stage::Ending => return,
            Stage::Stopped => {
                // It had failed before, and now its object goes.
                if pod.failed.is_some() && pod.deleted.is_some() {
                    host.schedule(host.now() + REQUEST * 2, Event::TornDown(ix));
                }
                return;
            }
        }
        worker.stage = Stage::Ending;
        worker.cancel(host.now());
        worker.resync = SimTime::NEVER;
        for container in &mut worker.containers {
            // What could not be started is forgotten, and with it the reason (`reasonCache`).
            container.waiting = None;
        }
        self.show_status(ix, host);
        self.go_on_terminating(ix, host);
    }

    /// Asks what runs in a pod that is to go to end.
    pub(super) fn go_on_terminating(&mut self, ix: PodIx, host: &mut dyn Host) {
        let processes: Vec<_> = self.pods[&ix]
            .kubelet
            .containers
            .iter()
            .enumerate()
            .filter_map(|(index, container)| Some((index, container.running()?)))
            .collect();
        for &(index, process) in &processes {
            let message = format!("Stopping container {}", self.container_name(ix, index));
            self.record_pod(host, ix, Severity::Normal, "Killing", message);
            self.ask_to_end(ix, process, host);
        }
        if processes.is_empty() {
            self.container_ended(ix, host);
        }
    }

    /// The object of a pod goes at once: the kubelet, which hears of it later, ends what ran.
    pub(in super::super) fn abandon_pod(&mut self, ix: PodIx, host: &mut dyn Host) {
        let processes: Vec<_> =
            self.pods[&ix].kubelet.containers.iter().enumerate().filter_map(|(i, c)| Some((i, c.running()?))).collect();
        if let Some(node) = self.pods[&ix].node().filter(|_| !self.is_tended(ix)) {
            for (_, process) in processes {
                self.orphan(node, process);
            }
            return self.remove_pod(ix, host);
        }
        for (index, process) in processes {
            let message = format!("Stopping container {}", self.container_name(ix, index));
            self.record_pod(host, ix, Severity::Normal, "Killing", message);
            self.containers.remove(&process);
            host.kill(process);
        }
        for process in self.pods[&ix].kubelet.containers.iter().filter_map(Container::newest_process) {
            host.remove_address(process);
        }
        self.probes.forget_pod(ix);
        self.remove_pod(ix, host);
    }

    /// If that was the last container, the sandbox goes.
    pub(super) fn container_ended(&mut self, ix: PodIx, host: &mut dyn Host) {
        if self.pods.get(&ix).is_some_and(|pod| !pod.kubelet.is_anything_running()) {
            let stopped = host.now() + host.takes(Chore::StopSandbox);
            host.schedule(stopped, Event::TornDown(ix));
        }
    }

    /// The sandbox is gone, or after that the relist that notices.
    pub(in super::super) fn torn_down(&mut self, ix: PodIx, host: &mut dyn Host) {
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        let Some(node) = pod.node() else { return };
        if pod.kubelet.stage == Stage::Ending {
            pod.kubelet.stage = Stage::Stopped;
            pod.kubelet.is_over = pod.deleted.is_none();
            for process in pod.kubelet.containers.iter().filter_map(Container::newest_process) {
                host.remove_address(process);
            }
            let loops = pod.key.with_str("unmount");
            self.show_status(ix, host);
            let Some(pod) = self.pods.get(&ix) else { return };
            // If it was not deleted its object stays, as that of a pod that has failed.
            if pod.deleted.is_some() {
                let turns = [0, 1].map(|turn| VOLUME_LOOP.scaled(loops.with(turn).draw().uniform()));
                let unmounted = host.now() + turns[0] + turns[1];
                let relist = next_tick(self.nodes[node.index()].relist_phase(), host.now());
                let seen = if unmounted <= relist { relist } else { relist + UNMOUNT_POLL };
                // The status of a pod that has ended is written, and then it is deleted.
                host.schedule(seen + REQUEST, Event::TornDown(ix));
            }
        } else if pod.deleted.is_none() {
            // It stays until somebody deletes it.
        } else if !pod.kubelet.is_over {
            pod.kubelet.is_over = true;
            self.show_status(ix, host);
            host.schedule(host.now() + REQUEST, Event::TornDown(ix));
        } else if pod.grace > SimDuration::ZERO {
            // The kubelet deletes the object once more, without grace.
            pod.grace = SimDuration::ZERO;
            host.schedule(host.now() + SimDuration::MILLISECOND, Event::TornDown(ix));
        } else {
            self.probes.forget_pod(ix);
            self.remove_pod(ix, host);
        }
    }
}
