//! The horizontal pod autoscaler (`pkg/controller/podautoscaler`): every 15 s it compares what the
//! pods use with what they should, and sets the Deployment's size.
//!
//! ```text
//! metrics ─▶ replicas wanted ─▶ stabilised ─▶ limited by policies and bounds ─▶ scale
//!  calculator                     behavior
//! ```

mod behavior;
mod calculator;

use crate::ids::{AutoscalerIx, DeploymentIx};
use crate::manifest::HorizontalPodAutoscaler;
use crate::time::{SimDuration, SimTime};

use super::objects::{Condition, set_condition, status};
use super::recorder::{Severity, Source, Subject};
use super::runtime::Host;
use super::{Cluster, Event};

use behavior::History;

/// Between two looks (`--horizontal-pod-autoscaler-sync-period`).
const SYNC_PERIOD: SimDuration = SimDuration::from_secs(15);

/// An autoscaler and what it remembers.
#[derive(Clone, Debug)]
pub(super) struct Autoscaler {
    pub(super) spec: HorizontalPodAutoscaler,
    pub(super) conditions: Vec<Condition>,
    /// `status.currentReplicas`: of the target, when it was last looked at.
    pub(super) current: u32,
    /// `status.desiredReplicas`.
    pub(super) desired: u32,
    /// Measured CPU utilisation in per cent of the request.
    pub(super) current_percent: Option<u32>,
    history: History,
}

impl Autoscaler {
    pub(super) fn name(&self) -> &str {
        &self.spec.meta.name
    }

    fn subject(&self) -> Subject {
        Subject {
            object: format!("horizontalpodautoscaler/{}", self.name()),
            component: Some(self.spec.target.name.clone()),
        }
    }

    fn condition(&mut self, kind: &'static str, holds: bool, reason: &'static str, message: String, now: SimTime) {
        let condition = Condition { kind, status: status(holds), reason, message, updated: now };
        set_condition(&mut self.conditions, condition);
    }
}

impl Cluster {
    /// Creates an autoscaler, or gives the one of that name a new specification.
    pub(super) fn add_autoscaler(&mut self, spec: HorizontalPodAutoscaler, host: &mut dyn Host) {
        if let Some(existing) = self.autoscalers.values_mut().find(|a| a.spec.meta.name == spec.meta.name) {
            existing.spec = spec;
            return;
        }
        let index = AutoscalerIx(self.created.autoscalers);
        self.created.autoscalers += 1;
        let autoscaler = Autoscaler {
            spec,
            conditions: Vec::new(),
            current: 0,
            desired: 0,
            current_percent: None,
            history: History::default(),
        };
        self.autoscalers.insert(index, autoscaler);
        // The first look is a period after it is there too (`NewDefaultHPARateLimiter`).
        host.schedule(host.now() + SYNC_PERIOD, Event::Autoscale(index));
    }

    /// `reconcileAutoscaler`.
    pub(super) fn autoscale(&mut self, ix: AutoscalerIx, host: &mut dyn Host) {
        let Some(mut autoscaler) = self.autoscalers.remove(&ix) else {
            return;
        };
        self.reconcile(&mut autoscaler, host);
        self.autoscalers.insert(ix, autoscaler);
        host.schedule(host.now() + SYNC_PERIOD, Event::Autoscale(ix));
    }

    fn reconcile(&mut self, autoscaler: &mut Autoscaler, host: &mut dyn Host) {
        let now = host.now();
        let target = match self.scale_target(autoscaler) {
            Ok(target) => target,
            Err(why) => {
                let message = format!("the HPA controller was unable to get the target's current scale: {why}");
                autoscaler.condition("AbleToScale", false, "FailedGetScale", message, now);
                self.warn(autoscaler, "FailedGetScale", why, host);
                return;
            }
        };
        let found = "the HPA controller was able to get the target's current scale";
        autoscaler.condition("AbleToScale", true, "SucceededGetScale", found.to_owned(), now);
        let current = self.deployments[&target].spec.replicas;
        autoscaler.current = self.deployments[&target].status.replicas;
        autoscaler.history.begin(now, current);
        let (minimum, maximum) = (autoscaler.spec.min_replicas, autoscaler.spec.max_replicas);
        let wanted = if current == 0 && minimum != 0 {
            let message = "scaling is disabled since the replica count of the target is zero".to_owned();
            autoscaler.condition("ScalingActive", false, "ScalingDisabled", message, now);
            autoscaler.desired = 0;
            return;
        } else if current > maximum {
            Some((maximum, "Current number of replicas above Spec.MaxReplicas".to_owned()))
        } else if current < minimum {
            Some((minimum, "Current number of replicas below Spec.MinReplicas".to_owned()))
        } else {
            self.follow_metrics(autoscaler, target, current, host)
        };
        let Some((desired, reason)) = wanted else {
            return;
        };
        autoscaler.desired = desired;
        if desired != current {
            self.rescale(autoscaler, target, current, &reason, host);
        }
    }

    /// The size that the metrics ask for, within what the behaviour allows; none without metrics.
    fn follow_metrics(
        &mut self,
        autoscaler: &mut Autoscaler,
        target: DeploymentIx,
        current: u32,
        host: &mut dyn Host,
    ) -> Option<(u32, String)> {
        let now = host.now();
        let proposal = match self.propose(autoscaler, target, current, now) {
            Ok(proposal) => proposal,
            Err(failure) => {
                let message = format!("the HPA was unable to compute the replica count: {}", failure.error);
                autoscaler.condition("ScalingActive", false, failure.reason, message, now);
                self.warn(autoscaler, failure.reason, failure.error.clone(), host);
                let message = format!(
                    "invalid metrics ({} invalid out of {}), first error is: failed to get {} resource metric value: {}",
                    failure.invalid, failure.of, failure.resource, failure.error
                );
                self.warn(autoscaler, "FailedComputeMetricsReplicas", message, host);
                return None;
            }
        };
        let message = format!("the HPA was able to successfully calculate a replica count from {}", proposal.metric);
        autoscaler.condition("ScalingActive", true, "ValidMetricFound", message, now);
        let reason = if proposal.replicas > current {
            format!("{} above target", proposal.metric)
        } else {
            "All metrics below target".to_owned()
        };
        Some((autoscaler.limit(current, proposal.replicas, now), reason))
    }

    fn rescale(
        &mut self,
        autoscaler: &mut Autoscaler,
        target: DeploymentIx,
        from: u32,
        why: &str,
        host: &mut dyn Host,
    ) {
        let to = autoscaler.desired;
        self.change_deployment(target, |spec| spec.replicas = to, host);
        let message = format!("the HPA controller was able to update the target scale to {to}");
        autoscaler.condition("AbleToScale", true, "SucceededRescale", message, host.now());
        autoscaler.history.rescaled(host.now(), from, to);
        let (about, message) = (autoscaler.subject(), format!("New size: {to}; reason: {why}"));
        self.record(host, Source::Autoscaler, &about, Severity::Normal, "SuccessfulRescale", message);
    }

    fn warn(&mut self, autoscaler: &Autoscaler, reason: &str, message: String, host: &dyn Host) {
        self.record(host, Source::Autoscaler, &autoscaler.subject(), Severity::Warning, reason, message);
    }

    /// The Deployment that it scales. Only the group of `apiVersion` counts.
    fn scale_target(&self, autoscaler: &Autoscaler) -> Result<DeploymentIx, String> {
        let target = &autoscaler.spec.target;
        let group = target.api_version.split_once('/').map_or("", |(group, _)| group);
        if (group, &*target.kind) != ("apps", "Deployment") {
            return Err(format!("no matches for kind \"{}\" in group \"{group}\"", target.kind));
        }
        self.find_deployment(&target.name).ok_or_else(|| format!("deployments.apps \"{}\" not found", target.name))
    }
}
