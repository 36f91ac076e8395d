//! How many replicas the metrics ask for (`replica_calculator.go`).

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{DeploymentIx, PodIx};
use crate::manifest::MetricTarget;
use crate::time::{SimDuration, SimTime};

use super::super::Cluster;
use super::super::metrics_server::PodMetrics;
use super::super::objects::{Phase, Pod};
use super::Autoscaler;

/// A change of less than this share is none (`--horizontal-pod-autoscaler-tolerance`).
const TOLERANCE: f64 = 0.1;
/// In this time after its start a pod's CPU may be that of starting up
/// (`--horizontal-pod-autoscaler-cpu-initialization-period`).
const CPU_INITIALIZATION: SimDuration = SimDuration::from_secs(300);
/// A pod that was never ready this long after its start counts as not ready
/// (`--horizontal-pod-autoscaler-initial-readiness-delay`).
const INITIAL_READINESS: SimDuration = SimDuration::from_secs(30);

/// A number of replicas, and the metric that asks for it.
pub(super) struct Proposal {
    pub(super) replicas: u32,
    pub(super) metric: String,
}

/// Why there is no proposal.
pub(super) struct NoProposal {
    pub(super) reason: &'static str,
    pub(super) resource: &'static str,
    pub(super) error: String,
    pub(super) invalid: usize,
    pub(super) of: usize,
}

/// A metric with its target.
#[derive(Clone, Copy)]
struct Metric {
    resource: &'static str,
    target: u64,
    /// Whether the target is in per cent of the request.
    is_utilization: bool,
}

impl Metric {
    fn of(target: &MetricTarget) -> Self {
        let (resource, target, is_utilization) = match *target {
            MetricTarget::CpuUtilization(percent) => ("cpu", u64::from(percent), true),
            MetricTarget::CpuAverage(cpu) => ("cpu", cpu.0, false),
            MetricTarget::MemoryUtilization(percent) => ("memory", u64::from(percent), true),
            MetricTarget::MemoryAverage(memory) => ("memory", memory.0, false),
        };
        Self { resource, target: target.max(1), is_utilization }
    }

    fn name(self) -> String {
        let Self { resource, is_utilization, .. } = self;
        if is_utilization {
            format!("{resource} resource utilization (percentage of request)")
        } else {
            format!("{resource} resource")
        }
    }

    /// What a pod uses, in millicores or bytes.
    fn usage(self, metrics: &PodMetrics) -> u64 {
        if self.resource == "cpu" { metrics.cpu.0 } else { metrics.memory.0 }
    }

    /// What a pod requests; none if one of its containers requests nothing.
    fn request(self, pod: &Pod) -> Result<u64, String> {
        let mut sum = 0;
        for container in &pod.template.containers {
            let r = &container.resources;
            let request = if self.resource == "cpu" {
                r.requests.cpu.or(r.limits.cpu).map(|q| q.0)
            } else {
                r.requests.memory.or(r.limits.memory).map(|q| q.0)
            };
            sum += request.ok_or_else(|| {
                format!("missing request for {} in container {} of Pod {}", self.resource, container.name, pod.name)
            })?;
        }
        Ok(sum)
    }

    /// How far the pods are above the target, as a ratio, and their utilisation in per cent.
    fn ratio(self, usages: &BTreeMap<PodIx, u64>, requests: &BTreeMap<PodIx, u64>) -> (f64, Option<u64>) {
        let total: u64 = usages.values().sum();
        if self.is_utilization {
            let requested: u64 = usages.keys().filter_map(|pod| requests.get(pod)).sum();
            // Whole per cents, cut off, as the API shows it.
            let percent = total.saturating_mul(100) / requested.max(1);
            (percent as f64 / self.target as f64, Some(percent))
        } else {
            let mean = total / (usages.len() as u64).max(1);
            (mean as f64 / self.target as f64, None)
        }
    }
}

/// The pods of a target, by what can be said of them.
#[derive(Default)]
struct Groups {
    usages: BTreeMap<PodIx, u64>,
    unready: BTreeSet<PodIx>,
    missing: BTreeSet<PodIx>,
}

impl Cluster {
    /// The most that any metric asks for (`computeReplicasForMetrics`).
    pub(super) fn propose(
        &self,
        autoscaler: &mut Autoscaler,
        target: DeploymentIx,
        current: u32,
        now: SimTime,
    ) -> Result<Proposal, NoProposal> {
        let metrics: Vec<_> = autoscaler.spec.metrics.iter().map(Metric::of).collect();
        autoscaler.current_percent = None;
        let mut best: Option<Proposal> = None;
        let mut failures = Vec::new();
        for &metric in &metrics {
            match self.replicas_for(metric, target, current, now) {
                Ok((replicas, percent)) => {
                    if metric.resource == "cpu" && metric.is_utilization {
                        autoscaler.current_percent = percent.map(|p| p as u32);
                    }
                    if best.as_ref().is_none_or(|b| replicas > b.replicas) {
                        best = Some(Proposal { replicas, metric: metric.name() });
                    }
                }
                Err(error) => failures.push((metric, error)),
            }
        }
        let (invalid, of) = (failures.len(), metrics.len());
        let shrinks = best.as_ref().is_some_and(|b| b.replicas < current);
        match (best, failures.into_iter().next()) {
            // With a metric missing it may grow, but not shrink.
            (Some(best), None) => Ok(best),
            (Some(best), Some(_)) if !shrinks => Ok(best),
            (_, Some((metric, error))) => {
                let what = if metric.is_utilization { "utilization" } else { "usage" };
                let reason = "FailedGetResourceMetric";
                let error = format!("failed to get {} {what}: {error}", metric.resource);
                Err(NoProposal { reason, resource: metric.resource, error, invalid, of })
            }
            (None, None) => Err(NoProposal {
                reason: "InvalidMetricSourceType",
                resource: "external",
                error: "no metric of the specification can be read".to_owned(),
                invalid: 0,
                of: 0,
            }),
        }
    }

    /// `GetResourceReplicas` and `GetRawResourceReplicas`.
    fn replicas_for(
        &self,
        metric: Metric,
        target: DeploymentIx,
        current: u32,
        now: SimTime,
    ) -> Result<(u32, Option<u64>), String> {
        let deployment = &self.deployments[&target].spec;
        let is_own = |pod: &Pod| pod.namespace == deployment.meta.namespace && deployment.selector.matches(&pod.labels);
        let pods: Vec<_> = self.pods.iter().filter(|(_, pod)| is_own(pod)).collect();
        if pods.iter().all(|(ix, _)| self.pod_metrics(**ix).is_none()) {
            let resource = metric.resource;
            return Err(format!(
                "unable to get metrics for resource {resource}: no metrics returned from resource metrics API"
            ));
        }
        let Groups { mut usages, unready, missing } = self.group(metric, &pods, now);
        if usages.is_empty() {
            return Err("did not receive metrics for targeted pods (pods might be unready)".to_owned());
        }
        let requests: BTreeMap<_, _> = if metric.is_utilization {
            pods.iter().map(|(ix, pod)| Ok((**ix, metric.request(pod)?))).collect::<Result<_, String>>()?
        } else {
            BTreeMap::new()
        };
        let ready = usages.len();
        let (ratio, percent) = metric.ratio(&usages, &requests);
        let grows_with_unready = !unready.is_empty() && ratio > 1.0;
        if !grows_with_unready && missing.is_empty() {
            let replicas = if is_tolerable(ratio) { current } else { libm::ceil(ratio * ready as f64) as u32 };
            return Ok((replicas, percent));
        }
        // Be careful with pods of which nothing is known: they would not have helped.
        for pod in missing {
            if ratio < 1.0 {
                let full = if metric.is_utilization {
                    requests.get(&pod).copied().unwrap_or(0) * metric.target.max(100) / 100
                } else {
                    metric.target
                };
                usages.insert(pod, full);
            } else if ratio > 1.0 {
                usages.insert(pod, 0);
            }
        }
        if grows_with_unready {
            usages.extend(unready.into_iter().map(|pod| (pod, 0)));
        }
        let (careful, _) = metric.ratio(&usages, &requests);
        let turned = (ratio < 1.0 && careful > 1.0) || (ratio > 1.0 && careful < 1.0);
        let replicas = libm::ceil(careful * usages.len() as f64) as u32;
        let wrong_way = (careful < 1.0 && replicas > current) || (careful > 1.0 && replicas < current);
        let stays = is_tolerable(careful) || turned || wrong_way;
        Ok((if stays { current } else { replicas }, percent))
    }

    /// `groupPods`. Terminating pods count nothing.
    fn group(&self, metric: Metric, pods: &[(&PodIx, &Pod)], now: SimTime) -> Groups {
        let mut groups = Groups::default();
        for &(&ix, pod) in pods.iter().filter(|(_, pod)| pod.is_active()) {
            if pod.phase == Phase::Pending {
                groups.unready.insert(ix);
                continue;
            }
            let Some(metrics) = self.pod_metrics(ix) else {
                groups.missing.insert(ix);
                continue;
            };
            if metric.resource == "cpu" && is_unready(pod, &metrics, now) {
                groups.unready.insert(ix);
            } else {
                groups.usages.insert(ix, metric.usage(&metrics));
            }
        }
        groups
    }
}

/// Whether the CPU of a pod says nothing about its load.
fn is_unready(pod: &Pod, metrics: &PodMetrics, now: SimTime) -> bool {
    let Some(started) = pod.started else {
        return true;
    };
    if started + CPU_INITIALIZATION > now {
        // The sample must lie wholly in the time since the pod became ready.
        !pod.ready || metrics.at < pod.ready_since + metrics.window
    } else {
        !pod.ready && started + INITIAL_READINESS > pod.ready_since
    }
}

fn is_tolerable(ratio: f64) -> bool {
    (1.0 - ratio).abs() <= TOLERANCE
}
