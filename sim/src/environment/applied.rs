//! What a manifest that an agent applies is.

use crate::diagnostic::{Diagnostic, Severity, Source};
use crate::manifest::{self, HorizontalPodAutoscaler, NetworkPolicy, ObjectSet, Service};

use super::{AppliedObject, Rejected};

/// An object of an allowed kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Applied {
    /// A Service.
    Service(Service),
    /// An autoscaler.
    Autoscaler(HorizontalPodAutoscaler),
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
        let ObjectSet {
            services, autoscalers, network_policies, deployments, config_maps, secrets, namespaces, ..
        } = objects;
        let others = deployments.len() + config_maps.len() + secrets.len() + namespaces.len();
        match (services.as_slice(), autoscalers.as_slice(), network_policies.as_slice(), others) {
            ([service], [], [], 0) => Ok(Applied::Service(service.clone())),
            ([], [autoscaler], [], 0) => Ok(Applied::Autoscaler(autoscaler.clone())),
            ([], [], [policy], 0) => Ok(Applied::NetworkPolicy(policy.clone())),
            _ => Err(Rejected(
                "only one object of kind Service, HorizontalPodAutoscaler or NetworkPolicy can be applied".to_owned(),
            )),
        }
    }
}
