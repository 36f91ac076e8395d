//! Images: whether a container's is there, and the pull if it is not. A node pulls one at a time
//! (`serializeImagePulls`).

use std::collections::VecDeque;

use crate::ids::{NodeIx, PodIx};
use crate::manifest::ImagePullPolicy;
use crate::time::{SimDuration, SimTime};

use super::super::recorder::Severity;
use super::super::registry::Missing;
use super::super::runtime::Host;
use super::super::{Cluster, Event};
use super::{BackOff, Waiting};

/// A node's pulls, oldest first; the first is in progress.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Puller {
    queue: VecDeque<Pull>,
    /// When that ends.
    due: SimTime,
}

#[derive(Clone, Debug)]
struct Pull {
    pod: PodIx,
    container: usize,
    image: String,
    /// The worker's step that waits for it.
    step: u32,
    /// When it was asked for.
    asked: SimTime,
    /// When it began.
    began: SimTime,
}

impl Cluster {
    /// Sees to the image of a container that is to be started. Returns whether that takes time.
    pub(super) fn begin_image(&mut self, ix: PodIx, index: usize, ended: Option<SimTime>, host: &mut dyn Host) -> bool {
        if self.is_backing_off(ix, index, ended, host) {
            self.give_up(ix, index);
            return false;
        }
        let pod = &self.pods[&ix];
        let Some(node) = pod.node() else { return false };
        let spec = &pod.template.containers[index];
        let (image, policy) = (spec.image.clone(), spec.image_pull_policy);
        let is_present = self.nodes[node.index()].images.contains(&image);
        if self.registry.find(&image) == Err(Missing::Malformed) {
            let message = Missing::Malformed.message(&image);
            self.record_pod(host, ix, Severity::Warning, "InspectFailed", message.clone());
            self.image_failed(ix, index, "InvalidImageName", message, host);
            return false;
        }
        if is_present && policy != ImagePullPolicy::Always {
            let message = format!("Container image \"{image}\" already present on machine");
            self.record_pod(host, ix, Severity::Normal, "Pulled", message);
            return false;
        }
        if policy == ImagePullPolicy::Never {
            let message = format!("Container image \"{image}\" is not present with pull policy of Never");
            self.record_pod(host, ix, Severity::Warning, "ErrImageNeverPull", message.clone());
            self.image_failed(ix, index, "ErrImageNeverPull", message, host);
            return false;
        }
        let back_off = &self.pods[&ix].kubelet.containers[index].pull_back_off;
        if back_off.as_ref().is_some_and(|(of, back_off)| *of == image && back_off.holds(host.now())) {
            let message = format!("Back-off pulling image \"{image}\"");
            self.record_pod(host, ix, Severity::Normal, "BackOff", message.clone());
            self.image_failed(ix, index, "ImagePullBackOff", message, host);
            return false;
        }
        self.pull(ix, index, node, image, host);
        true
    }

    fn pull(&mut self, ix: PodIx, container: usize, node: NodeIx, image: String, host: &mut dyn Host) {
        let (step, now) = (self.pods[&ix].kubelet.step, host.now());
        self.record_pod(host, ix, Severity::Normal, "Pulling", format!("Pulling image \"{image}\""));
        let queue = &mut self.nodes[node.index()].puller.queue;
        queue.push_back(Pull { pod: ix, container, image, step, asked: now, began: now });
        if queue.len() == 1 {
            self.begin_pull(node, host);
        }
    }

    fn begin_pull(&mut self, node: NodeIx, host: &mut dyn Host) {
        let machine = &mut self.nodes[node.index()];
        let Some(pull) = machine.puller.queue.front_mut() else {
            return;
        };
        pull.began = host.now();
        let takes = self.registry.pull_time(&pull.image, machine.images.contains(&pull.image));
        machine.puller.due = host.now() + takes;
        host.schedule(machine.puller.due, Event::Pulled(node));
    }

    /// A pull has ended.
    pub(in super::super) fn pulled(&mut self, node: NodeIx, host: &mut dyn Host) {
        let puller = &mut self.nodes[node.index()].puller;
        if puller.due != host.now() {
            // Its kubelet died meanwhile, and began anew.
            return;
        }
        let Some(pull) = puller.queue.pop_front() else {
            return;
        };
        self.begin_pull(node, host);
        let found = self.registry.find(&pull.image);
        if found.is_ok() {
            self.nodes[node.index()].images.insert(pull.image.clone());
        }
        // The pod may be gone, or about to go.
        let Some(pod) = self.pods.get_mut(&pull.pod).filter(|pod| pod.kubelet.step == pull.step) else {
            return;
        };
        let back_off = &mut pod.kubelet.containers[pull.container].pull_back_off;
        let image = &pull.image;
        match found {
            Ok(found) => {
                *back_off = None;
                let took = |since| milliseconds(host.now().since(since));
                let message = format!(
                    "Successfully pulled image \"{image}\" in {} ({} including waiting). Image size: {} bytes.",
                    took(pull.began),
                    took(pull.asked),
                    found.size.0
                );
                self.record_pod(host, pull.pod, Severity::Normal, "Pulled", message);
            }
            Err(missing) => {
                let before = back_off.take().filter(|(of, _)| of == image).map(|(_, back_off)| back_off);
                *back_off = Some((image.clone(), BackOff::next(before, host.now(), host.now())));
                let why = missing.message(image);
                let message = format!("Failed to pull image \"{image}\": {why}");
                self.record_pod(host, pull.pod, Severity::Warning, "Failed", message);
                self.image_failed(pull.pod, pull.container, "ErrImagePull", why, host);
            }
        }
        self.next_step(pull.pod, host);
    }

    /// Why the container cannot be started for its image.
    fn image_failed(&mut self, ix: PodIx, index: usize, reason: &'static str, message: String, host: &dyn Host) {
        self.start_failed(ix, index, Waiting { reason, message }, reason, host);
    }
}

/// As the kubelet prints it: cut to milliseconds.
fn milliseconds(duration: SimDuration) -> SimDuration {
    SimDuration::from_millis(duration.0 / SimDuration::MILLISECOND.0)
}
