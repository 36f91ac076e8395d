//! How fast an autoscaler follows its metrics: stabilisation, policies, bounds
//! (`normalizeDesiredReplicasWithBehaviors`).

use crate::manifest::{ScalingPolicy, ScalingPolicyKind, ScalingRules, SelectPolicy};
use crate::time::{SimDuration, SimTime};

use super::Autoscaler;

/// Nothing older than this can matter: the longest window and period that the API accepts.
const MEMORY: SimDuration = SimDuration::from_secs(3600);

/// What an autoscaler remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// What its metrics asked for.
    recommendations: Vec<(SimTime, u32)>,
    /// By how many pods it has scaled up and down.
    ups: Vec<(SimTime, u32)>,
    downs: Vec<(SimTime, u32)>,
}

impl History {
    /// The size that it first finds counts as recommended, so that it does not shrink at once.
    pub(super) fn begin(&mut self, now: SimTime, current: u32) {
        if self.recommendations.is_empty() {
            self.recommendations.push((now, current));
        }
        for list in [&mut self.recommendations, &mut self.ups, &mut self.downs] {
            list.retain(|(at, _)| now.since(*at) <= MEMORY);
        }
    }

    /// The target was given another size.
    pub(super) fn rescaled(&mut self, now: SimTime, from: u32, to: u32) {
        if to > from {
            self.ups.push((now, to - from));
        } else {
            self.downs.push((now, from - to));
        }
    }

    fn recent(&self, now: SimTime, window: SimDuration) -> impl Iterator<Item = u32> + '_ {
        self.recommendations.iter().filter(move |(at, _)| now.since(*at) < window).map(|(_, n)| *n)
    }

    /// The size at the beginning of the last `period`.
    fn size_before(&self, now: SimTime, period: SimDuration, current: u32) -> u32 {
        let sum = |list: &[(SimTime, u32)]| -> u32 {
            list.iter().filter(|(at, _)| now.since(*at) < period).map(|(_, n)| n).sum()
        };
        (current + sum(&self.downs)).saturating_sub(sum(&self.ups))
    }
}

impl Autoscaler {
    /// The size that is set when the metrics ask for `wanted`.
    pub(super) fn limit(&mut self, current: u32, wanted: u32, now: SimTime) -> u32 {
        let stable = self.stabilise(current, wanted, now);
        let (desired, reason, message) = self.bound(current, stable, now);
        self.condition("ScalingLimited", desired != stable, reason, message.to_owned(), now);
        desired
    }

    /// Up only as far as all recent recommendations agree, down likewise.
    fn stabilise(&mut self, current: u32, wanted: u32, now: SimTime) -> u32 {
        let behavior = &self.spec.behavior;
        let history = &self.history;
        let up = history.recent(now, behavior.scale_up.stabilization_window).fold(wanted, u32::min);
        let down = history.recent(now, behavior.scale_down.stabilization_window).fold(wanted, u32::max);
        let stable = current.max(up).min(down);
        self.history.recommendations.push((now, wanted));
        let (reason, message) = if stable == wanted {
            ("ReadyForNewScale", "recommended size matches current size")
        } else if wanted > current {
            (
                "ScaleUpStabilized",
                "recent recommendations were lower than current one, applying the lowest recent recommendation",
            )
        } else {
            (
                "ScaleDownStabilized",
                "recent recommendations were higher than current one, applying the highest recent recommendation",
            )
        };
        self.condition("AbleToScale", true, reason, message.to_owned(), now);
        stable
    }

    /// Within the policies' rates and the autoscaler's bounds.
    fn bound(&self, current: u32, wanted: u32, now: SimTime) -> (u32, &'static str, &'static str) {
        let (minimum, maximum) = (self.spec.min_replicas, self.spec.max_replicas);
        let behavior = &self.spec.behavior;
        if wanted > current {
            let rate = self.highest(&behavior.scale_up, current, now).max(current);
            if wanted > rate.min(maximum) {
                return if maximum <= rate {
                    (maximum, "TooManyReplicas", "the desired replica count is more than the maximum replica count")
                } else {
                    (rate, "ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
                };
            }
        } else if wanted < current {
            let rate = self.lowest(&behavior.scale_down, current, now).min(current);
            if wanted < rate.max(minimum) {
                return if minimum >= rate {
                    (minimum, "TooFewReplicas", "the desired replica count is less than the minimum replica count")
                } else {
                    (
                        rate,
                        "ScaleDownLimit",
                        "the desired replica count is decreasing faster than the maximum scale rate",
                    )
                };
            }
        }
        (wanted, "DesiredWithinRange", "the desired count is within the acceptable range")
    }

    /// `calculateScaleUpLimitWithScalingRules`.
    fn highest(&self, rules: &ScalingRules, current: u32, now: SimTime) -> u32 {
        let limits = rules.policies.iter().map(|policy| {
            let start = self.history.size_before(now, policy.period, current);
            match policy.kind {
                ScalingPolicyKind::Pods => start.saturating_add(policy.value),
                ScalingPolicyKind::Percent => share(start, 100 + u64::from(policy.value), true),
            }
        });
        match rules.select_policy {
            SelectPolicy::Disabled => current,
            SelectPolicy::Max => limits.max().unwrap_or(current),
            SelectPolicy::Min => limits.min().unwrap_or(current),
        }
    }

    /// `calculateScaleDownLimitWithBehaviors`.
    fn lowest(&self, rules: &ScalingRules, current: u32, now: SimTime) -> u32 {
        let limit = |policy: &ScalingPolicy| {
            let start = self.history.size_before(now, policy.period, current);
            match policy.kind {
                ScalingPolicyKind::Pods => start.saturating_sub(policy.value),
                ScalingPolicyKind::Percent => share(start, 100_u64.saturating_sub(u64::from(policy.value)), false),
            }
        };
        let limits = rules.policies.iter().map(limit);
        match rules.select_policy {
            SelectPolicy::Disabled => current,
            SelectPolicy::Max => limits.min().unwrap_or(current),
            SelectPolicy::Min => limits.max().unwrap_or(current),
        }
    }
}

/// `percent` of a hundred of `of`.
fn share(of: u32, percent: u64, up: bool) -> u32 {
    let product = u64::from(of) * percent;
    let quotient = if up { product.div_ceil(100) } else { product / 100 };
    u32::try_from(quotient).unwrap_or(u32::MAX)
}
