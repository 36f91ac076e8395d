//! What a manifest that an agent applies is.

use crate::diagnostic::{Diagnostic, Severity, Source};
use crate::manifest::{
    self, HorizontalPodAutoscaler, NetworkPolicy, ObjectSet, PodDisruptionBudget, ResourceQuota, Service,
};

use super::{AppliedObject, Rejected};

/// An object of an allowed kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Applied {
    /// A Service.
    Service(Service),
    /// An autoscaler.
    Autoscaler(HorizontalPodAutoscaler),
    /// A quota.
    ResourceQuota(ResourceQuota),
    /// A disruption budget.
    DisruptionBudget(PodDisruptionBudget),
    /// A network policy.
    NetworkPolicy(NetworkPolicy),
}

impl AppliedObject {
    /// Reads the manifest.
    ///
    /// # Errors
    /// It is broken, or not one object of an allowed kind.
    pub fn read(&self) -> Result<Applied, Rejected> {
        let source = Source { path: "manifest".to_owned(), text: self.manifest.clone() };
        let (objects, _) = manifest::read_objects(&source).map_err(|mistakes| {
            let each = |d: &Diagnostic| {
                let place = if d.field.is_empty() { format!("line {}", d.line) } else { d.field.clone() };
                let help = if d.help.is_empty() { String::new() } else { format!(" ({})", d.help) };
                format!("{place}: {}{help}", d.message)
            };
            let errors: Vec<_> = mistakes.0.iter().filter(|d| d.severity == Severity::Error).map(each).collect();
            Rejected(format!("error validating data: {}", errors.join("; ")))
        })?;
        let count = objects.count();
        let ObjectSet { services, autoscalers, network_policies, resource_quotas, disruption_budgets, .. } = objects;
        let mut allowed: Vec<_> = services.into_iter().map(Applied::Service).collect();
        allowed.extend(autoscalers.into_iter().map(Applied::Autoscaler));
        allowed.extend(network_policies.into_iter().map(Applied::NetworkPolicy));
        allowed.extend(resource_quotas.into_iter().map(Applied::ResourceQuota));
        allowed.extend(disruption_budgets.into_iter().map(Applied::DisruptionBudget));
        match (allowed.pop(), count) {
            (Some(only), 1) => Ok(only),
            _ => Err(Rejected(
                "only one object of kind Service, HorizontalPodAutoscaler, NetworkPolicy, ResourceQuota or \
                 PodDisruptionBudget can be applied"
                    .to_owned(),
            )),
        }
    }
}
