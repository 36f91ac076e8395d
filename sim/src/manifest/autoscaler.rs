//! Horizontal pod autoscalers.

use serde::Serialize;

use super::meta::ObjectMeta;
use crate::time::SimDuration;
use crate::units::{Bytes, Millicores};

/// A `HorizontalPodAutoscaler` (`autoscaling/v2`; `v1` is read as its special case).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HorizontalPodAutoscaler {
    /// Name, namespace, labels and annotations.
    pub meta: ObjectMeta,
    /// What it scales.
    pub target: ScaleTarget,
    /// At least so many.
    pub min_replicas: u32,
    /// At most so many.
    pub max_replicas: u32,
    /// What it looks at: the metric that asks for most pods wins. Empty if the twin has none of the
    /// metrics in the manifest; then it can never scale.
    pub metrics: Vec<MetricTarget>,
    /// How fast it follows.
    pub behavior: Behavior,
}

/// A `scaleTargetRef`. It need not exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScaleTarget {
    /// Such as `apps/v1`. The controller looks at the group only.
    pub api_version: String,
    /// Such as `Deployment`.
    pub kind: String,
    /// In the autoscaler's own namespace.
    pub name: String,
}

/// A resource metric and the value that it should have, as a mean over the pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum MetricTarget {
    /// CPU in per cent of the request.
    CpuUtilization(u32),
    /// CPU.
    CpuAverage(Millicores),
    /// Memory in per cent of the request.
    MemoryUtilization(u32),
    /// Memory.
    MemoryAverage(Bytes),
}

/// How fast an autoscaler follows its metrics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Behavior {
    /// To more pods.
    pub scale_up: ScalingRules,
    /// To fewer pods.
    pub scale_down: ScalingRules,
}

/// Limits in one direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScalingRules {
    /// The most cautious recommendation of the last so much time is followed.
    pub stabilization_window: SimDuration,
    /// Which policy wins.
    pub select_policy: SelectPolicy,
    /// How much change is allowed in which time.
    pub policies: Vec<ScalingPolicy>,
}

/// Which of several policies wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SelectPolicy {
    /// The one that allows most change.
    Max,
    /// The one that allows least change.
    Min,
    /// No change in this direction.
    Disabled,
}

/// So much change in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicy {
    /// The unit of the value.
    pub kind: ScalingPolicyKind,
    /// Pods, or per cent of those at the start of the period.
    pub value: u32,
    /// The time in which the change is counted.
    pub period: SimDuration,
}

/// The unit of a [`ScalingPolicy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ScalingPolicyKind {
    /// A number of pods.
    Pods,
    /// A share of the pods.
    Percent,
}

/// `pkg/apis/autoscaling/v2/defaults.go`: up at once by 4 pods or 100 % in 15 s, whichever is more; down by
/// 100 % in 15 s after 300 s of agreement.
impl Default for Behavior {
    fn default() -> Self {
        let policy = |kind, value| ScalingPolicy { kind, value, period: SimDuration::from_secs(15) };
        let all = policy(ScalingPolicyKind::Percent, 100);
        Self {
            scale_up: ScalingRules {
                stabilization_window: SimDuration::ZERO,
                select_policy: SelectPolicy::Max,
                policies: vec![policy(ScalingPolicyKind::Pods, 4), all],
            },
            scale_down: ScalingRules {
                stabilization_window: SimDuration::from_secs(300),
                select_policy: SelectPolicy::Max,
                policies: vec![all],
            },
        }
    }
}
