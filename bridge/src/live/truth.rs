//! The figures of the judge, from what a cluster can tell.
//!
//! | figure | from |
//! | --- | --- |
//! | requests of clients, their P99 | the load generator, exact |
//! | replicas, pods, requests and limits | the API server, at the end of the interval |
//! | CPU and memory | metrics-server: a mean over some 15 s that end up to 15 s ago |
//! | requests, errors and P99 of a component | Prometheus, by the expressions of the profile's dashboards, over their window |
//! | P99 as callers see it | the load generator, for what clients call; else none |
//! | periods of CPU quota | Prometheus' counters, as far as it has scraped them |
//!
//! So figures follow an event by half a minute and more, where the twin's are exact. What nobody measured is `None`. The
//! one thing that no figure can say is that a running pod has no figures: while metrics-server has none of a component
//! whose pods have long been ready, its CPU counts as having no limit to hold it against, and if that lasts the world has
//! failed.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use load::Interval;
use serde_json::Value;
use sim::environment::Component;
use sim::episode::{ComponentTruth, Truth};
use sim::time::{SimDuration, SimTime};
use sim::units::{Bytes, Millicores};

use super::json::{
    component_of_pod, count, cpu, holds, is_deleting, is_over, list, memory, name, since, text, timestamp,
};
use super::pods::used;

/// How long metrics-server may know nothing of a component that is ready. It looks every 15 s, and a pod is known to it
/// after the second look.
const BLIND_AT_MOST: SimDuration = SimDuration::from_secs(90);

/// What nodes have.
pub(super) type Nodes = BTreeMap<String, (f64, f64)>;

/// Everything that was read for one interval.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) deployments: Vec<Value>,
    pub(super) pods: Vec<Value>,
    pub(super) metrics: Vec<Value>,
    /// By component.
    pub(super) p99_s: BTreeMap<Component, f64>,
    /// Requests per second, by component.
    pub(super) rate: BTreeMap<Component, f64>,
    /// Share of requests that failed, by component.
    pub(super) errors: BTreeMap<Component, f64>,
    /// Periods of CPU quota so far and throttled ones among them, by pod and container.
    pub(super) periods: BTreeMap<(String, String), (f64, f64)>,
    /// The scenario's own expressions.
    pub(super) measured: Vec<Option<f64>>,
}

/// Remembers where the last interval ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    from: SimTime,
    periods: BTreeMap<(String, String), (f64, f64)>,
    /// Since when a component is ready without figures.
    blind: BTreeMap<Component, SimTime>,
}

/// What a pod used of one resource, in cores or bytes, and may use.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    used: f64,
    written: f64,
    is_unlimited: bool,
    /// What its node has; unknown before it has one.
    node: Option<f64>,
}

impl Share {
    fn written(&self) -> Option<f64> {
        (!self.is_unlimited && self.written > 0.0).then_some(self.written)
    }

    fn limit(&self) -> Option<f64> {
        self.written().map(|written| self.node.map_or(written, |node| written.min(node)))
    }

    fn over_node(&self) -> Option<f64> {
        Some(self.written()? / self.node?)
    }

    /// How bad it is: what has a limit goes before what has none.
    fn badness(&self) -> (f64, f64) {
        (self.limit().map_or(-1.0, |limit| self.used / limit), self.used)
    }
}

/// The worst of shares; nothing used and no limit if there is none.
fn worst(shares: impl Iterator<Item = Share>) -> Share {
    shares.reduce(|worst, next| if next.badness() > worst.badness() { next } else { worst }).unwrap_or_default()
}

impl Meter {
    /// The interval since the last call; begins a new one.
    ///
    /// # Errors
    /// The component of which nothing has been measured for too long.
    pub(super) fn read(
        &mut self,
        now: SimTime,
        wall: Timestamp,
        components: &[Component],
        clients: &Interval,
        nodes: &Nodes,
        seen: &Seen,
    ) -> Result<Truth, Component> {
        let from = std::mem::replace(&mut self.from, now);
        let seconds = now.since(from).as_secs_f64();
        let before = std::mem::replace(&mut self.periods, seen.periods.clone());
        let mut truths = Vec::with_capacity(components.len());
        for component in components {
            let pods: Vec<&Value> =
                seen.pods.iter().filter(|pod| component_of_pod(pod) == Some(component.as_str())).collect();
            self.look_out(now, component, &pods, &seen.metrics)?;
            let of = Of { component, pods: &pods, nodes, seen };
            truths.push(of.truth(wall, seconds, clients, &before));
        }
        Ok(Truth {
            from,
            to: now,
            client_sent: clients.sent,
            client_ok: clients.ok,
            client_failed: clients.failed,
            client_waiting: clients.waiting,
            client_p99_s: clients.latency.quantile(0.99),
            components: truths,
            measured: seen.measured.clone(),
        })
    }

    /// Notes whether a component that is ready has figures.
    fn look_out(&mut self, now: SimTime, of: &str, pods: &[&Value], metrics: &[Value]) -> Result<(), Component> {
        let is_ready = pods.iter().any(|pod| !is_deleting(pod) && holds(&pod["status"]["conditions"], "Ready"));
        let is_known = pods.iter().any(|pod| metrics_of(pod, metrics).is_some());
        if is_known || !is_ready {
            self.blind.remove(of);
            return Ok(());
        }
        let since = *self.blind.entry(of.to_owned()).or_insert(now);
        if now.since(since) > BLIND_AT_MOST { Err(of.to_owned()) } else { Ok(()) }
    }
}

fn metrics_of<'a>(pod: &Value, metrics: &'a [Value]) -> Option<&'a Value> {
    metrics.iter().find(|metrics| name(metrics) == name(pod))
}

/// One component.
struct Of<'a> {
    component: &'a str,
    pods: &'a [&'a Value],
    nodes: &'a Nodes,
    seen: &'a Seen,
}

impl Of<'_> {
    fn truth(
        &self,
        wall: Timestamp,
        seconds: f64,
        clients: &Interval,
        before: &BTreeMap<(String, String), (f64, f64)>,
    ) -> ComponentTruth {
        let component = self.component;
        let deployment = self.seen.deployments.iter().find(|deployment| name(deployment) == component);
        let min_ready = SimDuration::from_secs(deployment.map_or(0, |d| count(&d["spec"]["minReadySeconds"])).into());
        let active: Vec<&Value> = self.pods.iter().copied().filter(|pod| !is_deleting(pod) && !is_over(pod)).collect();
        let ready = |pod: &&&Value| holds(&pod["status"]["conditions"], "Ready");
        let available = |pod: &&&Value| ready_for(pod, wall).is_some_and(|time| time >= min_ready);
        let running: Vec<&Value> =
            self.pods.iter().copied().filter(|pod| pod["status"]["phase"] == "Running").collect();
        let shares: Vec<(bool, Share, Share)> = running.iter().map(|pod| self.shares(pod)).collect();
        let known = || shares.iter().filter(|(is_known, ..)| *is_known);
        let (cpu_worst, memory_worst) = (worst(known().map(|share| share.1)), worst(known().map(|share| share.2)));
        let over = shares.iter().flat_map(|(_, cpu, memory)| [cpu.over_node(), memory.over_node()]).flatten();
        let unlimited = |of: fn(&(bool, Share, Share)) -> Share| shares.iter().filter(|s| of(s).is_unlimited).count();
        let (periods, throttled_periods) = self.periods(before);
        let requests = self.figure(&self.seen.rate) * seconds;
        let bound = self.pods.iter().copied().filter(|pod| pod["spec"]["nodeName"].is_string() && !is_over(pod));
        let reserved = Reserved::of(bound);
        ComponentTruth {
            component: component.to_owned(),
            replicas: deployment.map_or(0, |deployment| count(&deployment["spec"]["replicas"])),
            exists: deployment.is_some(),
            pods: active.len() as u32,
            ready: active.iter().filter(ready).count() as u32,
            available: active.iter().filter(available).count() as u32,
            requests: requests.round() as u64,
            errors: (requests * self.figure(&self.seen.errors)).round() as u64,
            misdirected: 0,
            p99_s: self.seen.p99_s.get(component).copied(),
            caller_p99_s: clients.by_service.get(component).and_then(|latency| latency.quantile(0.99)),
            cpu_worst_pod: cpu_worst.used,
            cpu_total: known().map(|share| share.1.used).sum(),
            cpu_limit: cpu_worst.limit(),
            cpu_limit_written: cpu_worst.written(),
            cpu_unlimited: unlimited(|share| share.1) as u32,
            memory_worst_pod: memory_worst.used as u64,
            memory_limit: memory_worst.limit().map(|bytes| bytes as u64),
            memory_limit_written: memory_worst.written().map(|bytes| bytes as u64),
            memory_unlimited: unlimited(|share| share.2) as u32,
            limit_over_node: over.reduce(f64::max),
            periods,
            throttled_periods,
            cpu_request_core_s: reserved.cpu_request * seconds,
            cpu_limit_core_s: reserved.cpu_limit * seconds,
            memory_request_gib_s: reserved.memory_request * seconds,
            memory_limit_gib_s: reserved.memory_limit * seconds,
        }
    }

    fn figure(&self, of: &BTreeMap<Component, f64>) -> f64 {
        of.get(self.component).copied().filter(|figure| figure.is_finite()).unwrap_or(0.0)
    }

    /// CPU and memory of a pod, and whether they were measured.
    fn shares(&self, pod: &Value) -> (bool, Share, Share) {
        let node = self.nodes.get(text(&pod["spec"]["nodeName"])).copied();
        let measured = metrics_of(pod, &self.seen.metrics).map(used);
        let mut cpu_share = Share {
            used: measured.map_or(0.0, |(cpu, _)| cpu.cores()),
            node: node.map(|(cores, _)| cores),
            ..Share::default()
        };
        let mut memory_share = Share {
            used: measured.map_or(0.0, |(_, memory)| memory.0 as f64),
            node: node.map(|(_, bytes)| bytes),
            ..Share::default()
        };
        for container in list(&pod["spec"]["containers"]) {
            let limits = &container["resources"]["limits"];
            let limit = cpu(&limits["cpu"]).map(Millicores::cores);
            let bytes = memory(&limits["memory"]).map(|memory| memory.0 as f64);
            for (share, limit) in [(&mut cpu_share, limit), (&mut memory_share, bytes)] {
                // A limit of zero is none, as for the kubelet.
                match limit.filter(|limit| *limit > 0.0) {
                    Some(limit) => share.written += limit,
                    None => share.is_unlimited = true,
                }
            }
        }
        (measured.is_some(), cpu_share, memory_share)
    }

    /// Periods of CPU quota since the last interval, and throttled ones among them, of containers that were seen then
    /// too: the counters of a new container begin anew.
    fn periods(&self, before: &BTreeMap<(String, String), (f64, f64)>) -> (u64, u64) {
        let own = self.seen.periods.iter().filter(|((pod, _), _)| self.pods.iter().any(|own| name(own) == pod));
        let (mut periods, mut throttled) = (0, 0);
        for (container, (all, some)) in own {
            if let Some((all_before, some_before)) = before.get(container) {
                periods += (all - all_before).max(0.0) as u64;
                throttled += (some - some_before).max(0.0) as u64;
            }
        }
        (periods, throttled)
    }
}

/// For how long a pod has been ready.
fn ready_for(pod: &Value, wall: Timestamp) -> Option<SimDuration> {
    let conditions = list(&pod["status"]["conditions"]);
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready" && condition["status"] == "True")?;
    Some(timestamp(&ready["lastTransitionTime"]).map_or(SimDuration::ZERO, |from| since(wall, from)))
}

/// What pods request and may use together, in cores and GiB.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Reserved {
    cpu_request: f64,
    cpu_limit: f64,
    memory_request: f64,
    memory_limit: f64,
}

impl Reserved {
    fn of<'a>(pods: impl Iterator<Item = &'a Value>) -> Self {
        let mut sum = Self::default();
        for container in pods.flat_map(|pod| list(&pod["spec"]["containers"])) {
            let resources = &container["resources"];
            let cores = |section: &str| cpu(&resources[section]["cpu"]).map_or(0.0, Millicores::cores);
            let gibibytes = |section: &str| memory(&resources[section]["memory"]).map_or(0.0, Bytes::gibibytes);
            sum.cpu_request += cores("requests");
            sum.cpu_limit += cores("limits");
            sum.memory_request += gibibytes("requests");
            sum.memory_limit += gibibytes("limits");
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(seconds: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_secs(seconds)
    }

    fn pod(name: &str, is_ready: bool, limits: &Value) -> Value {
        let ready = if is_ready { "True" } else { "False" };
        json!({
            "metadata": {
                "name": name, "labels": { "pod-template-hash": "7d" },
                "ownerReferences": [{ "kind": "ReplicaSet", "name": "carts-7d" }],
            },
            "spec": {
                "nodeName": "node-1",
                "containers": [{ "resources": { "requests": { "cpu": "100m", "memory": "512Mi" }, "limits": limits } }],
            },
            "status": { "phase": "Running", "conditions": [
                { "type": "Ready", "status": ready, "lastTransitionTime": "2026-12-01T01:00:00Z" },
            ] },
        })
    }

    fn metrics(pod: &str, cpu: &str, memory: &str) -> Value {
        json!({ "metadata": { "name": pod }, "containers": [{ "usage": { "cpu": cpu, "memory": memory } }] })
    }

    fn seen() -> Seen {
        let limits = json!({ "cpu": "200m", "memory": "1Gi" });
        let container = |pod: &str| (pod.to_owned(), "carts".to_owned());
        Seen {
            deployments: vec![
                json!({ "metadata": { "name": "carts" }, "spec": { "replicas": 3, "minReadySeconds": 20 } }),
            ],
            pods: vec![
                pod("a", true, &limits),
                pod("b", false, &json!({ "cpu": "8", "memory": "1Gi" })),
                pod("c", true, &json!({ "memory": "1Gi" })),
            ],
            metrics: vec![metrics("a", "190m", "256Mi"), metrics("b", "500m", "512Mi")],
            p99_s: [("carts".to_owned(), 0.25)].into(),
            rate: [("carts".to_owned(), 10.0)].into(),
            errors: [("carts".to_owned(), 0.1)].into(),
            periods: [(container("a"), (150.0, 40.0)), (container("b"), (9.0, 9.0))].into(),
            measured: vec![Some(0.5), None],
        }
    }

    fn nodes() -> Nodes {
        [("node-1".to_owned(), (4.0, 16.0 * 1024.0 * 1024.0 * 1024.0))].into()
    }

    fn wall() -> Timestamp {
        "2026-12-01T01:00:10Z".parse().unwrap()
    }

    #[test]
    fn a_component_is_judged_by_its_worst_pod() {
        let periods = [(("a".to_owned(), "carts".to_owned()), (100.0, 10.0))].into();
        let mut meter = Meter { periods, ..Meter::default() };
        let components = ["carts".to_owned(), "user".to_owned()];
        let mut clients = Interval { sent: 7, ok: 5, failed: 1, waiting: 1, ..Interval::default() };
        clients.by_service.entry("carts".to_owned()).or_default().record(SimDuration::from_millis(8));
        let truth = meter.read(at(5), wall(), &components, &clients, &nodes(), &seen()).unwrap();
        assert_eq!((truth.from, truth.to, truth.client_sent, truth.client_waiting), (at(0), at(5), 7, 1));
        assert_eq!(truth.measured, [Some(0.5), None]);
        let [carts, user] = &truth.components[..] else { panic!("{truth:?}") };
        assert_eq!((carts.replicas, carts.pods, carts.ready, carts.available), (3, 3, 2, 0), "not ready for 20 s yet");
        assert_eq!((carts.cpu_worst_pod, carts.cpu_limit), (0.19, Some(0.2)), "the one nearest to its limit");
        assert_eq!((carts.cpu_total, carts.cpu_unlimited, carts.memory_unlimited), (0.69, 1, 0));
        assert_eq!(carts.limit_over_node, Some(2.0), "8 cores of 4");
        assert_eq!((carts.memory_worst_pod, carts.memory_limit), (512 << 20, Some(1 << 30)));
        assert_eq!((carts.requests, carts.errors, carts.p99_s), (50, 5, Some(0.25)));
        assert_eq!((carts.periods, carts.throttled_periods), (50, 30), "of the container that was seen before");
        assert_eq!((carts.memory_request_gib_s, carts.memory_limit_gib_s), (7.5, 15.0));
        assert!(carts.caller_p99_s.is_some_and(|p99| (p99 / 0.008 - 1.0).abs() < 1e-2));
        assert_eq!((user.exists, user.pods, user.p99_s, user.cpu_limit), (false, 0, None, None));
        let next = meter.read(at(10), wall(), &components, &clients, &nodes(), &seen()).unwrap();
        assert_eq!((next.from, next.to), (at(5), at(10)));
    }

    #[test]
    fn a_component_that_is_ready_and_never_measured_voids_the_episode() {
        let (mut meter, components) = (Meter::default(), ["carts".to_owned()]);
        let blind = Seen { metrics: Vec::new(), ..seen() };
        let mut read =
            |second, seen: &Seen| meter.read(at(second), wall(), &components, &Interval::default(), &nodes(), seen);
        let first = read(5, &blind).unwrap();
        assert_eq!(first.components[0].cpu_limit, None, "not applicable, which is not green");
        read(60, &seen()).unwrap();
        read(65, &blind).unwrap();
        read(155, &blind).unwrap();
        assert_eq!(read(156, &blind).unwrap_err(), "carts");
    }
}
