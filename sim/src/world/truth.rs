//! What the judge reads: exact figures of an interval, over all requests and containers.

use std::collections::BTreeMap;

use crate::app::App;
use crate::cpu::CpuStats;
use crate::episode::{ComponentTruth, Truth};
use crate::ids::{ContainerIx, PodIx};
use crate::promql::{self, Value};
use crate::scenario::Scenario;
use crate::time::SimTime;
use crate::units::Millicores;

use super::Parts;

/// Remembers where the last interval ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    from: SimTime,
    /// CPU counters of the containers that were alive then.
    cpu: BTreeMap<ContainerIx, CpuStats>,
}

/// What a pod used of one resource, in cores or bytes, and may use.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    used: f64,
    /// The limits of its containers, summed.
    written: f64,
    /// A container of it has no limit, so that it has none.
    is_unlimited: bool,
    /// What its node has.
    node: f64,
}

impl Share {
    /// Adds a container. A limit of zero is none, as for the kubelet.
    fn add(&mut self, used: f64, limit: Option<f64>) {
        self.used += used;
        match limit.filter(|limit| *limit > 0.0) {
            Some(limit) => self.written += limit,
            None => self.is_unlimited = true,
        }
    }

    fn written(&self) -> Option<f64> {
        (!self.is_unlimited && self.written > 0.0).then_some(self.written)
    }

    fn limit(&self) -> Option<f64> {
        self.written().map(|written| written.min(self.node))
    }

    /// The one that uses more of its limit; one that has a limit goes before one that has none.
    fn or_worse(self, other: Self) -> Self {
        let badness = |share: &Self| (share.limit().map_or(-1.0, |limit| share.used / limit), share.used);
        if badness(&other) > badness(&self) { other } else { self }
    }
}

/// What a pod used, or the pods of one component.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    /// Of the worst pod.
    cpu: Share,
    cpu_total: f64,
    /// Of the worst pod, which may be another one.
    memory: Share,
    periods: u64,
    throttled_periods: u64,
    cpu_unlimited: u32,
    memory_unlimited: u32,
    limit_over_node: Option<f64>,
}

impl Used {
    /// Adds a pod.
    fn add(&mut self, pod: &Self) {
        self.cpu = self.cpu.or_worse(pod.cpu);
        self.cpu_total += pod.cpu.used;
        self.memory = self.memory.or_worse(pod.memory);
        self.periods += pod.periods;
        self.throttled_periods += pod.throttled_periods;
        self.cpu_unlimited += u32::from(pod.cpu.is_unlimited);
        self.memory_unlimited += u32::from(pod.memory.is_unlimited);
        let over = [pod.cpu, pod.memory].into_iter().filter_map(|share| Some(share.written()? / share.node));
        self.limit_over_node = over.chain(self.limit_over_node).reduce(f64::max);
    }
}

impl Meter {
    /// The interval since the last call; begins a new one.
    pub(super) fn read(&mut self, now: SimTime, parts: &mut Parts, app: &App, scenario: &Scenario) -> Truth {
        let from = std::mem::replace(&mut self.from, now);
        let seconds = now.since(from).as_secs_f64();
        let used = self.used(now, seconds, parts, scenario);
        let components = app.objects.deployments.iter().map(|deployment| {
            let component = &deployment.meta.name;
            component_truth(now, seconds, component, used.get(component), parts, app)
        });
        let components = components.collect();
        let statistics = parts.traffic.statistics();
        let sum = |count: fn(&crate::traffic::RequestStatistics) -> u64| -> u64 {
            statistics.requests.iter().map(count).sum()
        };
        let truth = Truth {
            from,
            to: now,
            client_sent: sum(|r| r.sent),
            // An answer of another program than was asked serves nobody, however fast it is.
            client_ok: sum(|r| r.ok + r.client_errors - r.misdirected),
            client_failed: sum(|r| r.server_errors + r.unanswered + r.misdirected),
            client_waiting: parts.traffic.waiting_requests(),
            client_p99_s: statistics.users.quantile(0.99),
            components,
            measured: measured(now, parts, scenario),
        };
        parts.traffic.reset_statistics();
        truth
    }

    /// Use of CPU and memory by component since the last interval.
    fn used(&mut self, now: SimTime, seconds: f64, parts: &Parts, scenario: &Scenario) -> BTreeMap<String, Used> {
        let mut by_pod: BTreeMap<(String, PodIx), Used> = BTreeMap::new();
        let before = std::mem::take(&mut self.cpu);
        for container in parts.cluster.running_containers() {
            let stats = parts.traffic.stats(now, container.process);
            let past = before.get(&container.process).copied().unwrap_or_default();
            self.cpu.insert(container.process, stats.cpu);
            let pod = by_pod.entry((container.component.to_owned(), container.pod)).or_default();
            let node = &scenario.cluster.nodes[container.node.index()];
            (pod.cpu.node, pod.memory.node) = (node.cores.cores(), node.memory.0 as f64);
            let usage = stats.cpu.usage.saturating_sub(past.usage).as_secs_f64();
            let limits = container.resources.limits;
            pod.cpu.add(if seconds > 0.0 { usage / seconds } else { 0.0 }, limits.cpu.map(Millicores::cores));
            pod.memory.add(stats.working_set.0 as f64, limits.memory.map(|limit| limit.0 as f64));
            pod.periods += stats.cpu.nr_periods.saturating_sub(past.nr_periods);
            pod.throttled_periods += stats.cpu.nr_throttled.saturating_sub(past.nr_throttled);
        }
        let mut by_component: BTreeMap<String, Used> = BTreeMap::new();
        for ((component, _), pod) in by_pod {
            by_component.entry(component).or_default().add(&pod);
        }
        by_component
    }
}

fn component_truth(
    now: SimTime,
    seconds: f64,
    component: &str,
    used: Option<&Used>,
    parts: &Parts,
    app: &App,
) -> ComponentTruth {
    let used = used.copied().unwrap_or_default();
    let state = parts.cluster.component_state(now, component);
    let figures = app.service_of(component).map(|s| &parts.traffic.statistics().services[s.index()]);
    ComponentTruth {
        component: component.to_owned(),
        replicas: state.replicas,
        exists: state.exists,
        pods: state.pods,
        ready: state.ready,
        available: state.available,
        requests: figures.map_or(0, |f| f.answered),
        errors: figures.map_or(0, |f| f.server_errors),
        misdirected: figures.map_or(0, |f| f.misdirected),
        p99_s: figures.and_then(|f| f.handler.quantile(0.99)),
        caller_p99_s: figures.and_then(|f| f.caller.quantile(0.99)),
        cpu_worst_pod: used.cpu.used,
        cpu_total: used.cpu_total,
        cpu_limit: used.cpu.limit(),
        cpu_limit_written: used.cpu.written(),
        cpu_unlimited: used.cpu_unlimited,
        memory_worst_pod: used.memory.used as u64,
        memory_limit: used.memory.limit().map(|limit| limit as u64),
        memory_limit_written: used.memory.written().map(|limit| limit as u64),
        memory_unlimited: used.memory_unlimited,
        limit_over_node: used.limit_over_node,
        periods: used.periods,
        throttled_periods: used.throttled_periods,
        cpu_request_core_s: state.cpu_request.cores() * seconds,
        cpu_limit_core_s: state.cpu_limit.cores() * seconds,
        memory_request_gib_s: state.memory_request.gibibytes() * seconds,
        memory_limit_gib_s: state.memory_limit.gibibytes() * seconds,
    }
}

/// The scenario's own expressions, evaluated now.
fn measured(now: SimTime, parts: &Parts, scenario: &Scenario) -> Vec<Option<f64>> {
    let evaluate = |expression: &str| match promql::query(parts.monitoring.store(), expression, now.as_millis()) {
        Ok(Value::Scalar(sample)) => Some(sample.value),
        Ok(Value::Vector { elements, .. }) => elements.first().map(|element| element.value),
        _ => None,
    };
    scenario.measured_expressions().iter().map(|e| evaluate(e)).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::float_cmp, reason = "figures that are exact by construction")]

    use super::*;

    fn pod(cpu: f64, limits: &[Option<f64>]) -> Used {
        let mut pod = Used::default();
        (pod.cpu.node, pod.memory.node) = (4.0, 1024.0);
        for limit in limits {
            pod.cpu.add(cpu / limits.len() as f64, *limit);
            pod.memory.add(10.0, Some(100.0));
        }
        pod
    }

    fn all(pods: &[Used]) -> Used {
        let mut sum = Used::default();
        for pod in pods {
            sum.add(pod);
        }
        sum
    }

    /// The busiest pod may be far from its limit while another one is at its own.
    #[test]
    fn each_pod_is_held_against_its_own_limit() {
        let (old, new) = (pod(0.19, &[Some(0.2)]), pod(0.5, &[Some(2.0)]));
        for pods in [[old, new], [new, old]] {
            let worst = all(&pods);
            assert_eq!((worst.cpu.used, worst.cpu.limit()), (0.19, Some(0.2)));
            assert_eq!(worst.cpu_total, 0.69);
            assert_eq!(worst.limit_over_node, Some(0.5), "the largest limit, whichever pod has it");
        }
    }

    #[test]
    fn a_limit_is_at_most_what_the_node_has_and_none_where_a_container_has_none() {
        let giant = all(&[pod(1.0, &[Some(64.0)])]);
        assert_eq!(
            (giant.cpu.limit(), giant.cpu.written(), giant.limit_over_node),
            (Some(4.0), Some(64.0), Some(16.0))
        );
        for limits in [&[None][..], &[Some(0.0)], &[Some(1.0), None], &[None, Some(1.0)]] {
            let found = all(&[pod(1.0, limits), pod(0.1, &[Some(1.0)])]);
            assert_eq!((found.cpu_unlimited, found.memory_unlimited), (1, 0), "{limits:?}");
            assert_eq!((found.cpu.used, found.cpu.limit()), (0.1, Some(1.0)), "the other pod is held against its own");
        }
    }
}
