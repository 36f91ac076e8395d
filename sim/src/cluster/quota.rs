//! Quotas at admission (`staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go`, with the evaluator of
//! pods in `pkg/quota/v1/evaluator/core/pods.go`): a pod that would exceed one is not created.

use crate::environment::Rejected;
use crate::manifest::{PodTemplate, QuotaAmounts, QuotaResource, ResourceQuota};
use crate::time::{SimDuration, SimTime};

use super::Cluster;
use super::objects::{Pod, Requests};

/// From the object to the status that admission goes by, which the quota controller writes. With Kubernetes 1.34 a quota
/// that came right behind a Deployment of four pods did not hold them, and one that was raised let a pod pass 80 ms later
/// (trace `quota`).
const STATUS_AFTER: SimDuration = SimDuration::from_millis(70);

/// A quota with what admission goes by.
#[derive(Clone, Debug)]
pub(super) struct Quota {
    pub(super) spec: ResourceQuota,
    /// `status.hard`.
    hard: QuotaAmounts,
    /// When it will be what the specification says, if that has changed.
    changes: Option<SimTime>,
}

impl Quota {
    fn hard(&self, now: SimTime) -> &QuotaAmounts {
        if self.changes.is_some_and(|at| at <= now) { &self.spec.hard } else { &self.hard }
    }
}

/// What a pod of this template adds.
fn usage_of(template: &PodTemplate, resource: QuotaResource) -> u64 {
    let requests = Requests::of(template);
    let limits = || template.containers.iter().map(|container| container.resources.limits);
    match resource {
        QuotaResource::CountPods | QuotaResource::Pods => 1,
        QuotaResource::Cpu | QuotaResource::RequestsCpu => requests.cpu.0,
        QuotaResource::Memory | QuotaResource::RequestsMemory => requests.memory.0,
        QuotaResource::LimitsCpu => limits().filter_map(|limits| limits.cpu).map(|cpu| cpu.0).sum(),
        QuotaResource::LimitsMemory => limits().filter_map(|limits| limits.memory).map(|memory| memory.0).sum(),
    }
}

/// The containers that do not say what a quota counts (`enforcePodContainerConstraints`).
fn silent(template: &PodTemplate, resource: QuotaResource) -> Vec<&str> {
    let says = |container: &&crate::manifest::Container| {
        let (requests, limits) = (container.resources.requests, container.resources.limits);
        match resource {
            QuotaResource::CountPods | QuotaResource::Pods => true,
            QuotaResource::Cpu | QuotaResource::RequestsCpu => requests.cpu.or(limits.cpu).is_some(),
            QuotaResource::Memory | QuotaResource::RequestsMemory => requests.memory.or(limits.memory).is_some(),
            QuotaResource::LimitsCpu => limits.cpu.is_some(),
            QuotaResource::LimitsMemory => limits.memory.is_some(),
        }
    };
    let mut silent: Vec<_> =
        template.containers.iter().filter(|container| !says(container)).map(|c| c.name.as_str()).collect();
    silent.sort_unstable();
    silent
}

fn list(amounts: impl Iterator<Item = (QuotaResource, u64)>) -> String {
    amounts
        .map(|(resource, amount)| format!("{}={}", resource.name(), resource.quantity(amount)))
        .collect::<Vec<_>>()
        .join(",")
}

impl Cluster {
    /// Why a pod of this template must not be created; none if it may.
    pub(super) fn quota_refusal(&self, namespace: &str, template: &PodTemplate, now: SimTime) -> Option<String> {
        let mut quotas = self.quotas.iter().filter(|quota| quota.spec.meta.namespace == namespace);
        quotas.find_map(|quota| self.refusal_of(quota, template, now))
    }

    fn refusal_of(&self, quota: &Quota, template: &PodTemplate, now: SimTime) -> Option<String> {
        let (name, hard) = (&quota.spec.meta.name, quota.hard(now));
        let unsaid: Vec<_> = hard
            .keys()
            .map(|resource| (resource, silent(template, *resource)))
            .filter(|(_, silent)| !silent.is_empty())
            .map(|(resource, silent)| format!("{} for: {}", resource.name(), silent.join(",")))
            .collect();
        if !unsaid.is_empty() {
            return Some(format!("failed quota: {name}: must specify {}", unsaid.join("; ")));
        }
        let used = |resource| self.quota_usage(&quota.spec.meta.namespace, resource);
        let exceeded: Vec<_> = hard
            .iter()
            .filter(|(resource, limit)| used(**resource) + usage_of(template, **resource) > **limit)
            .map(|(resource, limit)| (*resource, *limit))
            .collect();
        if exceeded.is_empty() {
            return None;
        }
        let each = |amount: &dyn Fn(QuotaResource) -> u64| list(exceeded.iter().map(|(r, _)| (*r, amount(*r))));
        Some(format!(
            "exceeded quota: {name}, requested: {}, used: {}, limited: {}",
            each(&|resource| usage_of(template, resource)),
            each(&used),
            list(exceeded.iter().copied())
        ))
    }

    /// What the pods of a namespace ask for; those that have ended count no more (`QuotaV1Pod`).
    pub(super) fn quota_usage(&self, namespace: &str, resource: QuotaResource) -> u64 {
        let counts = |pod: &&Pod| pod.namespace == namespace && !pod.is_over();
        self.pods.values().filter(counts).map(|pod| usage_of(&pod.template, resource)).sum()
    }

    /// `kubectl apply` of a quota; says what that did.
    pub(super) fn put_quota(&mut self, spec: ResourceQuota, now: SimTime) -> &'static str {
        let same = |quota: &&mut Quota| {
            quota.spec.meta.name == spec.meta.name && quota.spec.meta.namespace == spec.meta.namespace
        };
        let changes = Some(now + STATUS_AFTER);
        match self.quotas.iter_mut().find(same) {
            Some(existing) if existing.spec == spec => "unchanged",
            Some(existing) => {
                *existing = Quota { hard: existing.hard(now).clone(), spec, changes };
                "configured"
            }
            None => {
                self.quotas.push(Quota { spec, hard: QuotaAmounts::new(), changes });
                "created"
            }
        }
    }

    /// The quota of this name.
    pub(super) fn named_quota(&self, name: &str) -> Result<usize, Rejected> {
        let found = self.quotas.iter().position(|quota| quota.spec.meta.name == name);
        found.ok_or_else(|| Rejected(format!("resourcequotas \"{name}\" not found")))
    }
}
