//! Evictions that somebody asks for, and the budgets that hold them back: the eviction subresource of pods
//! (`pkg/registry/core/pod/storage/eviction.go`), the disruption controller (`pkg/controller/disruption/disruption.go`) and
//! `kubectl drain`.
//!
//! The status of a budget is reckoned when somebody asks for it: its controller writes the same some milliseconds after each
//! change of a pod.

use crate::engine::Queue;
use crate::environment::Rejected;
use crate::ids::{DeploymentIx, PodIx};
use crate::manifest::{DisruptionBound, IntOrPercent, PodDisruptionBudget};
use crate::time::SimTime;

use super::objects::{Phase, Pod};
use super::runtime::{ContainerRuntime, Host, Machines};
use super::{Cluster, Event};

/// What the API server answers while a budget holds a pod.
const HELD: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

/// `status` of a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BudgetStatus {
    /// `currentHealthy`.
    pub(super) healthy: u32,
    /// `desiredHealthy`.
    pub(super) desired: u32,
    /// `expectedPods`.
    pub(super) expected: u32,
    /// `disruptionsAllowed`.
    pub(super) allowed: u32,
}

fn is_about(budget: &PodDisruptionBudget, pod: &Pod) -> bool {
    let selects = budget.selector.as_ref().is_some_and(|selector| selector.matches(&pod.labels));
    selects && budget.meta.namespace == pod.namespace
}

impl Cluster {
    /// `trySync` of the disruption controller.
    pub(super) fn budget_status(&self, budget: &PodDisruptionBudget) -> BudgetStatus {
        let pods: Vec<_> = self.pods.values().filter(|pod| is_about(budget, pod)).collect();
        let mut owners: Vec<DeploymentIx> =
            pods.iter().filter_map(|pod| Some(self.replica_sets.get(&pod.owner)?.deployment)).collect();
        owners.sort_unstable();
        owners.dedup();
        let scale: u32 = owners.iter().filter_map(|owner| self.deployments.get(owner)).map(|d| d.spec.replicas).sum();
        let (expected, desired) = match budget.bound {
            DisruptionBound::MinAvailable(least @ IntOrPercent::Int(_)) => (pods.len() as u32, least.of_rounded_up(0)),
            DisruptionBound::MinAvailable(least) => (scale, least.of_rounded_up(scale)),
            DisruptionBound::MaxUnavailable(most) => (scale, scale.saturating_sub(most.of_rounded_up(scale))),
        };
        let healthy = pods.iter().filter(|pod| pod.is_active() && pod.ready).count() as u32;
        let allowed = if expected == 0 { 0 } else { healthy.saturating_sub(desired) };
        BudgetStatus { healthy, desired, expected, allowed }
    }

    /// Evicts a pod as the API server does when it is asked to (`EvictionREST.Create`).
    fn evict(&mut self, ix: PodIx, host: &mut dyn Host) -> Result<(), Rejected> {
        let pod = &self.pods[&ix];
        let is_free = pod.deleted.is_some() || pod.phase != Phase::Running;
        let mut budgets = self.budgets.iter().filter(|budget| !is_free && is_about(budget, pod));
        if let Some(budget) = budgets.next() {
            if budgets.next().is_some() {
                let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not \
                               support.";
                return Err(Rejected(message.to_owned()));
            }
            let status = self.budget_status(budget);
            let keeps = status.healthy >= status.desired && status.desired > 0;
            let is_unhealthy = !pod.ready && (budget.always_evict_unhealthy || keeps);
            if !is_unhealthy && status.allowed == 0 {
                return Err(Rejected(HELD.to_owned()));
            }
        }
        if let Some(pod) = self.pods.get_mut(&ix) {
            pod.disruption.get_or_insert("EvictionByEvictionAPI");
        }
        self.delete_pod(ix, host);
        Ok(())
    }

    /// A request to evict a pod, such as those of `kubectl drain`, one after the other.
    ///
    /// # Errors
    /// There is no such pod, or a budget holds it, in the words of the API server.
    pub fn evict_pod<E, R>(
        &mut self,
        now: SimTime,
        name: &str,
        queue: &mut Queue<E>,
        runtime: &mut R,
    ) -> Result<(), Rejected>
    where
        E: Copy + From<Event>,
        R: ContainerRuntime<E>,
    {
        self.evict(self.named_pod(name)?, &mut Machines { now, queue, runtime })
    }

    /// One round of `kubectl drain`: no more pods come, and those that are there are evicted as far as their budgets
    /// allow. Returns what kubectl prints.
    pub(super) fn drain_once(&mut self, name: &str, host: &mut dyn Host) -> Result<String, Rejected> {
        let mut lines = vec![self.cordon(name, true, host)?];
        let node = self.node_named(name);
        let pods = self.pods.iter().filter(|(_, pod)| pod.deleted.is_none() && pod.node() == node);
        let pods: Vec<_> = pods.map(|(ix, _)| *ix).collect();
        let mut held = 0;
        for ix in pods {
            let (pod, namespace) = (self.pods[&ix].name.clone(), self.pods[&ix].namespace.clone());
            match self.evict(ix, host) {
                Ok(()) => lines.push(format!("pod/{pod} evicted")),
                Err(Rejected(why)) => {
                    held += 1;
                    lines.push(format!("error when evicting pods/\"{pod}\" -n \"{namespace}\": {why}"));
                }
            }
        }
        lines.push(match held {
            0 => format!("node/{name} drained"),
            held => {
                format!("node/{name} is not drained: {held} of its pods stay, drain it again when others are ready")
            }
        });
        Ok(lines.join("\n"))
    }

    /// Whether pods are left on a node, terminating ones included: until then `kubectl drain` waits.
    pub fn has_pods(&self, node: &str) -> bool {
        let node = self.node_named(node);
        node.is_some() && self.pods.values().any(|pod| pod.node() == node)
    }

    /// `kubectl apply` of a budget; says what that did.
    pub(super) fn put_budget(&mut self, budget: PodDisruptionBudget) -> &'static str {
        let same =
            |b: &&mut PodDisruptionBudget| b.meta.name == budget.meta.name && b.meta.namespace == budget.meta.namespace;
        match self.budgets.iter_mut().find(same) {
            Some(existing) if *existing == budget => "unchanged",
            Some(existing) => {
                *existing = budget;
                "configured"
            }
            None => {
                self.budgets.push(budget);
                "created"
            }
        }
    }
}
