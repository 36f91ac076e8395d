//! Network policies: who may open a connection to whom.
//!
//! Pods are in *groups*, of which a matrix says what passes; which pods are in which group, and what `NetworkPolicy` objects
//! make of it, is the control plane's business. Group 0 is everybody who is no pod, the users for one.
//!
//! What a plug-in does that enforces policies with connection tracking (Calico and others): a SYN that is not allowed is
//! dropped, so connecting hangs and is tried again as the kernel does; connections that are open go on. The kubelet, and
//! with it the probes, always gets through from a pod's own node.

use super::Traffic;
use super::job::Caller;
use crate::ids::ContainerIx;
use crate::program::NONE;
use crate::time::SimTime;

/// What groups of pods may open connections to what others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyMatrix {
    groups: u32,
    /// By client and server.
    allowed: Vec<bool>,
}

impl PolicyMatrix {
    /// Of so many groups, with what is allowed from a client's to a server's.
    pub fn new(groups: u32, allows: impl Fn(u32, u32) -> bool) -> Self {
        let pairs = (0..groups).flat_map(|client| (0..groups).map(move |server| (client, server)));
        Self { groups, allowed: pairs.map(|(client, server)| allows(client, server)).collect() }
    }

    /// Groups that it does not know are free.
    fn allows(&self, client: u32, server: u32) -> bool {
        let is_known = client < self.groups && server < self.groups;
        !is_known || self.allowed[(client * self.groups + server) as usize]
    }
}

/// The policies of a world.
#[derive(Clone, Debug, Default)]
pub(super) struct Policies {
    matrix: PolicyMatrix,
    /// Something is not allowed.
    pub(super) is_active: bool,
}

impl Traffic {
    /// Puts the pod of a container into a group.
    pub fn set_policy_group(&mut self, now: SimTime, container: ContainerIx, group: u32) {
        self.now = now;
        let address = self.containers[container.index()].address;
        self.addresses[address as usize].group = group;
    }

    /// What is allowed from now on.
    pub fn set_policies(&mut self, now: SimTime, matrix: PolicyMatrix) {
        self.now = now;
        self.policies = Policies { is_active: matrix.allowed.contains(&false), matrix };
    }

    /// Whether a policy drops the SYNs of a job to a container.
    pub(super) fn is_forbidden(&self, ix: u32, server: u32) -> bool {
        let job = &self.jobs[ix];
        let is_kubelet = matches!(job.caller, Caller::Probe(_));
        !is_kubelet && self.forbids(job.client, self.containers[server as usize].address)
    }

    /// Whether a policy keeps one pod from opening connections to another.
    pub(super) fn forbids(&self, client: u32, server: u32) -> bool {
        let group = |address: u32| if address == NONE { 0 } else { self.addresses[address as usize].group };
        self.policies.is_active && !self.policies.matrix.allows(group(client), group(server))
    }
}
