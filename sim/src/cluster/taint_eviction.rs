//! The taint eviction controller (`pkg/controller/tainteviction/taint_eviction.go`): deletes the pods of a node with a taint
//! `NoExecute`, each when it has put up with it for as long as it tolerates it.

use crate::ids::{NodeIx, PodIx};
use crate::manifest::{TaintEffect, Toleration};
use crate::time::SimDuration;

use super::node::Taint;
use super::objects::Pod;
use super::recorder::{Severity, Source};
use super::runtime::Host;
use super::{Cluster, Event};

/// For how long a pod tolerates the loss of its node that says nothing about it
/// (`plugin/pkg/admission/defaulttolerationseconds`).
const DEFAULT_TOLERATION_SECONDS: u64 = 300;

impl Pod {
    /// Those that it was written with, and those that admission has added.
    pub(super) fn tolerations(&self) -> Vec<Toleration> {
        let mut tolerations = self.template.tolerations.clone();
        for key in [Taint::NOT_READY, Taint::UNREACHABLE] {
            let is_meant = |t: &Toleration| {
                t.key.as_ref().is_none_or(|own| own == key) && t.effect.is_none_or(|own| own == TaintEffect::NoExecute)
            };
            if !self.template.tolerations.iter().any(is_meant) {
                tolerations.push(Toleration {
                    key: Some(key.to_owned()),
                    value: None,
                    effect: Some(TaintEffect::NoExecute),
                    seconds: Some(DEFAULT_TOLERATION_SECONDS),
                });
            }
        }
        tolerations
    }

    /// For how long it stays on a node with these taints; none is for good.
    fn stays(&self, taints: &[Taint]) -> Option<SimDuration> {
        let tolerations = self.tolerations();
        let mut least = None;
        for taint in taints {
            let Some(used) = tolerations.iter().find(|t| t.covers(taint.key, taint.effect)) else {
                return Some(SimDuration::ZERO);
            };
            least = [least, used.seconds.map(SimDuration::from_secs)].into_iter().flatten().min();
        }
        least
    }
}

impl Cluster {
    /// `handleNodeUpdate`.
    pub(super) fn evict_for_taints(&mut self, node: NodeIx, host: &mut dyn Host) {
        for pod in self.pods_on(node) {
            self.consider_eviction(pod, host);
        }
    }

    /// `processPodOnNode`.
    pub(super) fn consider_eviction(&mut self, ix: PodIx, host: &mut dyn Host) {
        let now = host.now();
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        let Some(node) = pod.node() else { return };
        let taints = &self.nodes[node.index()].taints;
        let taints: Vec<_> = taints.iter().filter(|taint| taint.effect == TaintEffect::NoExecute).copied().collect();
        match (pod.eviction, pod.stays(&taints)) {
            // What is due stays due: another taint does not begin anew.
            (None, None) | (Some(_), Some(_)) => {}
            (None, Some(time)) => {
                pod.eviction = Some(now + time);
                host.schedule(now + time, Event::EvictTainted(ix));
            }
            (Some(_), None) => {
                pod.eviction = None;
                let message = format!("Cancelling deletion of Pod {}/{}", pod.namespace, pod.name);
                let about = pod.subject();
                self.record(host, Source::TaintEviction, &about, Severity::Normal, "TaintManagerEviction", message);
            }
        }
    }

    /// `addConditionAndDeletePod`.
    pub(super) fn evict_tainted(&mut self, ix: PodIx, host: &mut dyn Host) {
        let Some(pod) = self.pods.get_mut(&ix).filter(|pod| pod.eviction == Some(host.now())) else {
            return;
        };
        pod.eviction = None;
        pod.disruption = Some("DeletionByTaintManager");
        let message = format!("Marking for deletion Pod {}/{}", pod.namespace, pod.name);
        let about = pod.subject();
        self.record(host, Source::TaintEviction, &about, Severity::Normal, "TaintManagerEviction", message);
        self.delete_pod(ix, host);
    }
}
