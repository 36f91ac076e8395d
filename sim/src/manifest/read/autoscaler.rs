//! Autoscalers as a manifest may say them, in `autoscaling/v1` and `autoscaling/v2`.

use super::names::{NameKind, meta};
use super::schema::{Findings, Metadata, Quantity, schema};
use crate::manifest::autoscaler::{
    Behavior, HorizontalPodAutoscaler, MetricTarget, ScaleTarget, ScalingPolicy, ScalingPolicyKind, ScalingRules,
    SelectPolicy,
};
use crate::time::SimDuration;
use crate::units::{parse_bytes, parse_millicores};

/// `DefaultCPUUtilization` in `pkg/apis/autoscaling/v2/defaults.go`.
const DEFAULT_CPU_UTILIZATION: u32 = 80;

schema! {
    struct AutoscalerFileV1 { metadata: Metadata, spec: SpecV1, }
    ignores { api_version, kind, status, }
}

schema! {
    struct SpecV1 {
        scale_target_ref: TargetRef,
        min_replicas: Option<u32>,
        max_replicas: u32,
        #[serde(rename = "targetCPUUtilizationPercentage")]
        target_cpu: Option<u32>,
    }
    ignores {}
}

schema! {
    struct AutoscalerFileV2 { metadata: Metadata, spec: SpecV2, }
    ignores { api_version, kind, status, }
}

schema! {
    struct SpecV2 {
        scale_target_ref: TargetRef,
        min_replicas: Option<u32>,
        max_replicas: u32,
        metrics: Option<Vec<MetricSpec>>,
        behavior: Option<BehaviorSpec>,
    }
    ignores {}
}

schema! {
    struct TargetRef { api_version: Option<String>, kind: String, name: String, }
    ignores {}
}

schema! {
    struct MetricSpec { r#type: MetricType, resource: Option<ResourceMetric>, }
    ignores { container_resource, external, object, pods, }
}

#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize)]
pub(super) enum MetricType {
    Resource,
    ContainerResource,
    Pods,
    Object,
    External,
}

schema! {
    struct ResourceMetric { name: ResourceName, target: TargetSpec, }
    ignores {}
}

#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ResourceName {
    Cpu,
    Memory,
}

schema! {
    struct TargetSpec {
        r#type: TargetType,
        average_utilization: Option<u32>,
        average_value: Option<Quantity>,
    }
    ignores { value, }
}

#[derive(Clone, Copy, Debug, serde::Deserialize)]
pub(super) enum TargetType {
    Utilization,
    AverageValue,
}

schema! {
    struct BehaviorSpec { scale_up: Option<RulesSpec>, scale_down: Option<RulesSpec>, }
    ignores {}
}

schema! {
    struct RulesSpec {
        stabilization_window_seconds: Option<u32>,
        select_policy: Option<SelectPolicyName>,
        policies: Option<Vec<PolicySpec>>,
    }
    ignores { tolerance, }
}

#[derive(Clone, Copy, Debug, serde::Deserialize)]
pub(super) enum SelectPolicyName {
    Max,
    Min,
    Disabled,
}

schema! {
    struct PolicySpec { r#type: PolicyType, value: u32, period_seconds: u32, }
    ignores {}
}

#[derive(Clone, Copy, Debug, serde::Deserialize)]
pub(super) enum PolicyType {
    Pods,
    Percent,
}

pub(super) fn autoscaler_v1(file: AutoscalerFileV1, findings: &mut Findings) -> HorizontalPodAutoscaler {
    let spec = file.spec;
    let target_cpu = spec.target_cpu.unwrap_or(DEFAULT_CPU_UTILIZATION);
    if target_cpu == 0 {
        findings.error("spec.targetCPUUtilizationPercentage", "`0` is not a target", "write at least 1");
    }
    let (min_replicas, max_replicas) = bounds(spec.min_replicas, spec.max_replicas, findings);
    HorizontalPodAutoscaler {
        meta: meta(findings, file.metadata, NameKind::Subdomain),
        target: target(spec.scale_target_ref),
        min_replicas,
        max_replicas,
        metrics: vec![MetricTarget::CpuUtilization(target_cpu)],
        behavior: Behavior::default(),
    }
}

pub(super) fn autoscaler_v2(file: AutoscalerFileV2, findings: &mut Findings) -> HorizontalPodAutoscaler {
    let spec = file.spec;
    let metrics = match spec.metrics {
        Some(metrics) if !metrics.is_empty() => {
            metrics.into_iter().enumerate().filter_map(|(i, m)| metric(m, i, findings)).collect()
        }
        _ => vec![MetricTarget::CpuUtilization(DEFAULT_CPU_UTILIZATION)],
    };
    let mut behavior = Behavior::default();
    if let Some(spec) = spec.behavior {
        rules(spec.scale_up, &mut behavior.scale_up, "spec.behavior.scaleUp", findings);
        rules(spec.scale_down, &mut behavior.scale_down, "spec.behavior.scaleDown", findings);
    }
    let (min_replicas, max_replicas) = bounds(spec.min_replicas, spec.max_replicas, findings);
    HorizontalPodAutoscaler {
        meta: meta(findings, file.metadata, NameKind::Subdomain),
        target: target(spec.scale_target_ref),
        min_replicas,
        max_replicas,
        metrics,
        behavior,
    }
}

fn target(spec: TargetRef) -> ScaleTarget {
    ScaleTarget { api_version: spec.api_version.unwrap_or_default(), kind: spec.kind, name: spec.name }
}

/// `minReplicas: 0` needs a feature gate that is off by default (`HPAScaleToZero`).
fn bounds(min: Option<u32>, max: u32, findings: &mut Findings) -> (u32, u32) {
    let min = min.unwrap_or(1);
    if min == 0 {
        findings.error("spec.minReplicas", "`0` is not enough: an autoscaler keeps a pod", "write at least 1");
    }
    if max == 0 {
        findings.error("spec.maxReplicas", "`0` is not enough", "write at least 1");
    } else if max < min {
        let message = format!("{max} is below `minReplicas`, which is {min}");
        findings.error("spec.maxReplicas", message, "raise it, or lower `minReplicas`");
    }
    (min, max)
}

fn metric(spec: MetricSpec, index: usize, findings: &mut Findings) -> Option<MetricTarget> {
    let field = format!("spec.metrics[{index}]");
    if spec.r#type != MetricType::Resource {
        let message = format!("the twin has no metrics of type {:?}", spec.r#type);
        findings.warning(&field, message, "expect that it is ignored, or use `type: Resource` with cpu or memory");
        return None;
    }
    let Some(resource) = spec.resource else {
        findings.error(&field, "missing field `resource`", "add `resource` with `name` and `target`");
        return None;
    };
    let field = format!("{field}.resource.target");
    let missing = |findings: &mut Findings, name: &str| {
        findings.error(&field, format!("missing field `{name}`"), format!("add `{name}`, which the type asks for"));
        None
    };
    let target = resource.target;
    match (target.r#type, target.average_utilization, target.average_value) {
        (TargetType::Utilization, Some(share), _) => {
            if share == 0 {
                findings.error(&format!("{field}.averageUtilization"), "`0` is not a target", "write at least 1");
            }
            Some(match resource.name {
                ResourceName::Cpu => MetricTarget::CpuUtilization(share),
                ResourceName::Memory => MetricTarget::MemoryUtilization(share),
            })
        }
        (TargetType::AverageValue, _, Some(Quantity(text))) => {
            let field = format!("{field}.averageValue");
            match resource.name {
                ResourceName::Cpu => findings.parsed(&field, parse_millicores(&text)).map(MetricTarget::CpuAverage),
                ResourceName::Memory => findings.parsed(&field, parse_bytes(&text)).map(MetricTarget::MemoryAverage),
            }
        }
        (TargetType::Utilization, None, _) => missing(findings, "averageUtilization"),
        (TargetType::AverageValue, _, None) => missing(findings, "averageValue"),
    }
}

/// Replaces the defaults by what is written. Bounds as in `pkg/apis/autoscaling/validation`.
fn rules(spec: Option<RulesSpec>, rules: &mut ScalingRules, field: &str, findings: &mut Findings) {
    let Some(spec) = spec else { return };
    if let Some(window) = spec.stabilization_window_seconds {
        if window > 3600 {
            let field = format!("{field}.stabilizationWindowSeconds");
            findings.error(&field, format!("`{window}` is too long"), "write at most 3600");
        }
        rules.stabilization_window = SimDuration::from_secs(u64::from(window));
    }
    rules.select_policy = match spec.select_policy {
        None | Some(SelectPolicyName::Max) => SelectPolicy::Max,
        Some(SelectPolicyName::Min) => SelectPolicy::Min,
        Some(SelectPolicyName::Disabled) => SelectPolicy::Disabled,
    };
    let Some(policies) = spec.policies else { return };
    for (i, policy) in policies.iter().enumerate() {
        if policy.value == 0 {
            findings.error(&format!("{field}.policies[{i}].value"), "`0` allows nothing", "write at least 1");
        }
        if !(1..=1800).contains(&policy.period_seconds) {
            let message = format!("`{}` is no period", policy.period_seconds);
            findings.error(&format!("{field}.policies[{i}].periodSeconds"), message, "write 1 to 1800");
        }
    }
    if policies.is_empty() {
        findings.error(&format!("{field}.policies"), "at least one policy is needed", "add one, or leave it out");
    }
    rules.policies = policies
        .into_iter()
        .map(|policy| ScalingPolicy {
            kind: match policy.r#type {
                PolicyType::Pods => ScalingPolicyKind::Pods,
                PolicyType::Percent => ScalingPolicyKind::Percent,
            },
            value: policy.value,
            period: SimDuration::from_secs(u64::from(policy.period_seconds)),
        })
        .collect();
}
