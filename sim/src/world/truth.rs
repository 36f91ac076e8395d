//! What the judge reads: exact figures of an interval, over all requests and containers.

use std::collections::BTreeMap;

use crate::app::App;
use crate::cpu::CpuStats;
use crate::episode::{ComponentTruth, Truth};
use crate::ids::{ContainerIx, PodIx};
use crate::promql::{self, Value};
use crate::scenario::Scenario;
use crate::time::SimTime;
use crate::units::{Bytes, Millicores};

use super::Parts;

/// Remembers where the last interval ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    from: SimTime,
    /// CPU counters of the containers that were alive then.
    cpu: BTreeMap<ContainerIx, CpuStats>,
}

/// What the pods of one component used.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    cpu_worst_pod: f64,
    cpu_total: f64,
    memory_worst_pod: Bytes,
    periods: u64,
    throttled_periods: u64,
    cpu_limit: Option<Millicores>,
    memory_limit: Option<Bytes>,
}

impl Meter {
    /// The interval since the last call; begins a new one.
    pub(super) fn read(&mut self, now: SimTime, parts: &mut Parts, app: &App, scenario: &Scenario) -> Truth {
        let from = std::mem::replace(&mut self.from, now);
        let seconds = now.since(from).as_secs_f64();
        let used = self.used(now, seconds, parts);
        let components = app.objects.deployments.iter().map(|deployment| {
            let component = &deployment.meta.name;
            component_truth(now, seconds, component, used.get(component), parts, app, scenario)
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
            client_ok: sum(|r| r.ok + r.client_errors),
            client_failed: sum(|r| r.server_errors + r.unanswered),
            client_waiting: parts.traffic.waiting_requests(),
            client_p99_s: statistics.users.quantile(0.99),
            components,
            measured: measured(now, parts, scenario),
        };
        parts.traffic.reset_statistics();
        truth
    }

    /// Use of CPU and memory by component since the last interval.
    fn used(&mut self, now: SimTime, seconds: f64, parts: &Parts) -> BTreeMap<String, Used> {
        let mut by_pod: BTreeMap<(String, PodIx), Used> = BTreeMap::new();
        let before = std::mem::take(&mut self.cpu);
        for container in parts.cluster.running_containers() {
            let stats = parts.traffic.stats(now, container.process);
            let past = before.get(&container.process).copied().unwrap_or_default();
            self.cpu.insert(container.process, stats.cpu);
            let pod = by_pod.entry((container.component.to_owned(), container.pod)).or_default();
            let usage = stats.cpu.usage.saturating_sub(past.usage).as_secs_f64();
            pod.cpu_total += if seconds > 0.0 { usage / seconds } else { 0.0 };
            pod.memory_worst_pod += stats.working_set;
            pod.periods += stats.cpu.nr_periods.saturating_sub(past.nr_periods);
            pod.throttled_periods += stats.cpu.nr_throttled.saturating_sub(past.nr_throttled);
            let limits = container.resources.limits;
            pod.cpu_limit = limits.cpu.map(|limit| limit + pod.cpu_limit.unwrap_or_default());
            pod.memory_limit = limits.memory.map(|limit| limit + pod.memory_limit.unwrap_or_default());
        }
        let mut by_component: BTreeMap<String, Used> = BTreeMap::new();
        for ((component, _), pod) in by_pod {
            let sum = by_component.entry(component).or_default();
            sum.cpu_worst_pod = sum.cpu_worst_pod.max(pod.cpu_total);
            sum.cpu_total += pod.cpu_total;
            sum.memory_worst_pod = sum.memory_worst_pod.max(pod.memory_worst_pod);
            sum.periods += pod.periods;
            sum.throttled_periods += pod.throttled_periods;
            sum.cpu_limit = pod.cpu_limit.or(sum.cpu_limit);
            sum.memory_limit = pod.memory_limit.or(sum.memory_limit);
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
    scenario: &Scenario,
) -> ComponentTruth {
    let used = used.copied().unwrap_or_default();
    let state = parts.cluster.component_state(now, component);
    let figures = app.service_of(component).map(|s| &parts.traffic.statistics().services[s.index()]);
    let nodes = &scenario.cluster.nodes;
    let node_cores = nodes.iter().map(|n| n.cores.cores()).fold(0.0, f64::max);
    let node_memory = nodes.iter().map(|n| n.memory).max().unwrap_or_default();
    ComponentTruth {
        component: component.to_owned(),
        replicas: state.replicas,
        exists: state.exists,
        pods: state.pods,
        ready: state.ready,
        available: state.available,
        requests: figures.map_or(0, |f| f.answered),
        errors: figures.map_or(0, |f| f.server_errors),
        p99_s: figures.and_then(|f| f.handler.quantile(0.99)),
        caller_p99_s: figures.and_then(|f| f.caller.quantile(0.99)),
        cpu_worst_pod: used.cpu_worst_pod,
        cpu_total: used.cpu_total,
        cpu_limit: used.cpu_limit.map(|limit| limit.cores().min(node_cores)),
        cpu_limit_written: used.cpu_limit.map(Millicores::cores),
        memory_worst_pod: used.memory_worst_pod.0,
        memory_limit: used.memory_limit.map(|limit| limit.min(node_memory).0),
        memory_limit_written: used.memory_limit.map(|limit| limit.0),
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
