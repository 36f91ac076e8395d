//! What the API server refuses, in its words (`pkg/apis/{core,apps,autoscaling}/validation`).

use crate::environment::Rejected;
use crate::manifest::{HorizontalPodAutoscaler, ResourceRequirements};

/// What the API server says when fields of an object are wrong.
fn invalid(object: &str, mistakes: &[String]) -> Result<(), Rejected> {
    match mistakes {
        [] => Ok(()),
        [only] => Err(Rejected(format!("{object} is invalid: {only}"))),
        several => Err(Rejected(format!("{object} is invalid: [{}]", several.join(", ")))),
    }
}

fn container_field(index: usize, field: &str) -> String {
    format!("spec.template.spec.containers[{index}].{field}")
}

/// A number of replicas is an `int32`.
pub(super) fn replicas(replicas: u32) -> Result<(), Rejected> {
    if i32::try_from(replicas).is_ok() {
        return Ok(());
    }
    Err(Rejected(format!(
        "json: cannot unmarshal number {replicas} into Go struct field ScaleSpec.spec.replicas of type int32"
    )))
}

/// A request must not exceed its limit.
pub(super) fn resources(component: &str, index: usize, resources: &ResourceRequirements) -> Result<(), Rejected> {
    let ResourceRequirements { requests, limits } = resources;
    let field = container_field(index, "resources.requests");
    let mut mistakes = Vec::new();
    let mut check = |name: &str, request: Option<String>, limit: Option<String>, exceeds: bool| {
        if let (Some(request), Some(limit), true) = (request, limit, exceeds) {
            mistakes.push(format!(
                "{field}: Invalid value: \"{request}\": must be less than or equal to {name} limit of {limit}"
            ));
        }
    };
    let text = |q: Option<crate::units::Millicores>| q.map(|q| q.to_string());
    check("cpu", text(requests.cpu), text(limits.cpu), requests.cpu > limits.cpu);
    let text = |q: Option<crate::units::Bytes>| q.map(|q| q.to_string());
    check("memory", text(requests.memory), text(limits.memory), requests.memory > limits.memory);
    invalid(&format!("Deployment.apps \"{component}\""), &mistakes)
}

/// An image must be named. Whether the name makes sense shows only when it is pulled.
pub(super) fn image(component: &str, index: usize, image: &str) -> Result<(), Rejected> {
    let field = container_field(index, "image");
    let mut mistakes = Vec::new();
    if image.is_empty() {
        mistakes.push(format!("{field}: Required value"));
    } else if image.trim() != image {
        mistakes.push(format!("{field}: Invalid value: \"{image}\": must not have leading or trailing whitespace"));
    }
    invalid(&format!("Deployment.apps \"{component}\""), &mistakes)
}

/// The name of an environment variable.
pub(super) fn variable(component: &str, index: usize, position: usize, name: &str) -> Result<(), Rejected> {
    let field = container_field(index, &format!("env[{position}].name"));
    let mut mistakes = Vec::new();
    if name.is_empty() {
        mistakes.push(format!("{field}: Required value"));
    } else if !name.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'=') {
        mistakes.push(format!(
            "{field}: Invalid value: \"{name}\": a valid environment variable name must consist only of printable \
             ASCII characters other than '='"
        ));
    }
    invalid(&format!("Deployment.apps \"{component}\""), &mistakes)
}

/// The bounds and targets of an autoscaler.
pub(super) fn autoscaler(spec: &HorizontalPodAutoscaler) -> Result<(), Rejected> {
    let (minimum, maximum) = (spec.min_replicas, spec.max_replicas);
    let mut mistakes = Vec::new();
    if minimum < 1 {
        mistakes.push(format!("spec.minReplicas: Invalid value: {minimum}: must be greater than or equal to 1"));
    }
    if maximum < 1 {
        mistakes.push(format!("spec.maxReplicas: Invalid value: {maximum}: must be greater than 0"));
    }
    if maximum < minimum {
        mistakes.push(format!(
            "spec.maxReplicas: Invalid value: {maximum}: must be greater than or equal to `minReplicas`"
        ));
    }
    for (index, metric) in spec.metrics.iter().enumerate() {
        use crate::manifest::MetricTarget as Target;
        let (field, value) = match metric {
            Target::CpuUtilization(v) | Target::MemoryUtilization(v) => ("averageUtilization", u64::from(*v)),
            Target::CpuAverage(v) => ("averageValue", v.0),
            Target::MemoryAverage(v) => ("averageValue", v.0),
        };
        if value == 0 {
            mistakes.push(format!(
                "spec.metrics[{index}].resource.target.{field}: Invalid value: {value}: must be greater than 0"
            ));
        }
    }
    invalid(&format!("HorizontalPodAutoscaler.autoscaling \"{}\"", spec.meta.name), &mistakes)
}
