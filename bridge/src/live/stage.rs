//! The stage of a live cluster: prepared, disturbed, restored, and looked at by the judge.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use sim::environment::{Stage, Unavailable};
use sim::episode::{Truth, WorldEvent};
use sim::time::{SimDuration, SimTime};
use sim::transition::Change;

use super::Live;
use super::clients;
use super::faults::{Step, refusals, steps};
use super::json::{name, text};
use super::observe::DEPLOYMENTS;
use super::truth::Seen;
use crate::changes::Changes;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::prometheus::Sample;
use crate::standing::is_complete;

/// Time between two looks at Deployments that are not ready.
const LOOK: Duration = Duration::from_millis(500);
/// What stands for a component in the expressions of dashboards.
const COMPONENT: &str = "$component";
/// Stress ends by itself so long after the episode at the latest.
const AFTERWARDS: SimDuration = SimDuration::from_secs(60);

impl<C: Changes> Stage for Live<C> {
    fn drain_journal(&mut self) -> Vec<WorldEvent> {
        let mut events = self.recorded();
        let clock = self.clock;
        let noted = self.hand.link.drain().into_iter().map(|notice| WorldEvent::Kubernetes {
            at: clock.at(notice.at),
            severity: "Warning".to_owned(),
            reason: notice.reason.to_owned(),
            object: "bridge/link".to_owned(),
            message: notice.message,
        });
        events.extend(noted);
        events.append(&mut self.journal);
        events.sort_by_key(WorldEvent::at);
        events
    }

    async fn prepare(&mut self) -> Result<(), Unavailable> {
        self.make_ready().await.map_err(unavailable)
    }

    async fn inject(&mut self, index: usize) -> Result<(), Unavailable> {
        let fault = self.scenario.faults.get(index).cloned();
        let fault = fault.ok_or_else(|| Unavailable(format!("the scenario has no fault {index}")))?;
        let failed = |why: &dyn std::fmt::Display| {
            Unavailable(format!("fault {index} of the scenario could not be injected: {why}"))
        };
        for step in steps(&fault, self.has_chaos_mesh).map_err(|why| failed(&why))? {
            self.carry_out(index, step).await.map_err(|error| failed(&error))?;
        }
        self.journal.push(WorldEvent::FaultBegan { at: self.clock.now(), index: index as u32 });
        Ok(())
    }

    async fn recover(&mut self, index: usize) -> Result<(), Unavailable> {
        self.clients.end(index);
        self.hand.take_back(Some(index)).await.map_err(unavailable)?;
        self.journal.push(WorldEvent::FaultEnded { at: self.clock.now(), index: index as u32 });
        Ok(())
    }

    async fn truth(&mut self) -> Result<Truth, Unavailable> {
        self.measure().await
    }
}

/// Whatever goes wrong on the stage is the world's failure: no agent has asked for it.
pub(super) fn unavailable(error: Error) -> Unavailable {
    Unavailable(match error {
        Error::Refused(why) => why,
        other => other.to_string(),
    })
}

impl<C: Changes> Live<C> {
    /// Kubernetes Events as they were seen, and watches that were lost.
    fn recorded(&self) -> Vec<WorldEvent> {
        let Some(recorder) = &self.recorder else { return Vec::new() };
        let (transitions, lost) = recorder.drain();
        let on_clock = |at: SimDuration| SimTime::ZERO + at - self.recorded_before;
        let events = transitions.into_iter().filter_map(|transition| match transition.what {
            Change::Event { severity, reason, message } => Some(WorldEvent::Kubernetes {
                at: on_clock(transition.at),
                severity,
                reason,
                object: transition.object.to_string(),
                message,
            }),
            _ => None,
        });
        let lost = lost.into_iter().map(|interruption| WorldEvent::Kubernetes {
            at: on_clock(interruption.at),
            severity: "Warning".to_owned(),
            reason: "WatchLost".to_owned(),
            object: "bridge/link".to_owned(),
            message: interruption.reason,
        });
        events.chain(lost).collect()
    }

    /// Does one thing for a fault.
    async fn carry_out(&mut self, fault: usize, step: Step) -> Result<(), Error> {
        if let Step::Load(load) = &step {
            let loads = std::slice::from_ref(load);
            let targets = clients::targets(&mut self.hand.link, &self.app, loads, &self.settings.targets).await?;
            return self.clients.add(fault, &self.app, load, &targets, self.settings.seed);
        }
        let left = self.scenario.horizon().since(self.clock.now());
        self.hand.carry_out(fault, step, left + AFTERWARDS).await
    }

    async fn make_ready(&mut self) -> Result<(), Error> {
        self.has_chaos_mesh =
            self.hand.link.patiently(async |cluster: &Cluster| cluster.serves("chaos-mesh.org").await).await?;
        let refused = refusals(&self.scenario, self.has_chaos_mesh);
        if !refused.is_empty() {
            return Err(Error::Refused(format!("the scenario cannot be played live: {}", refused.join("; "))));
        }
        let targets =
            clients::targets(&mut self.hand.link, &self.app, &self.scenario.workloads, &self.settings.targets).await?;
        self.hand.make_start(&self.scenario.start).await?;
        self.wait_until_ready().await?;
        self.read_nodes().await?;
        let recorder = self.hand.link.patiently(async |cluster: &Cluster| cluster.record().await).await?;
        self.recorded_before = recorder.elapsed();
        self.recorder = Some(recorder);
        self.clock.start();
        self.clients.start(&self.app, &self.scenario.workloads, &targets, self.settings.seed)
    }

    /// Waits until every Deployment of the application has as many available pods of its newest template as it wants, and
    /// no others.
    async fn wait_until_ready(&mut self) -> Result<(), Error> {
        let began = Instant::now();
        loop {
            let deployments = self.namespaced("list Deployments", DEPLOYMENTS).await?;
            let wanted = self.app.objects.deployments.iter().map(|deployment| deployment.meta.name.as_str());
            let wanted =
                wanted.filter(|component| !self.scenario.start.absent.iter().any(|absent| absent == component));
            let (mut missing, mut waiting) = (Vec::new(), Vec::new());
            for component in wanted {
                match deployments.iter().find(|deployment| name(deployment) == component) {
                    None => missing.push(component),
                    Some(deployment) if !is_complete(deployment) => waiting.push(component),
                    Some(_) => {}
                }
            }
            let namespace = self.hand.link.cluster.namespace();
            if !missing.is_empty() {
                return Err(Error::Refused(format!(
                    "the namespace {namespace} has no Deployment {}: deploy the application of the scenario first",
                    missing.join(", ")
                )));
            }
            if waiting.is_empty() {
                return Ok(());
            }
            if began.elapsed() > self.settings.ready_within {
                let (waiting, after) = (waiting.join(", "), self.settings.ready_within.as_secs());
                return Err(Error::Refused(format!(
                    "not ready after {after} s: {waiting} in {namespace}: see `kubectl describe pods` for why"
                )));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What nodes have, if nodes may be looked at.
    async fn read_nodes(&mut self) -> Result<(), Error> {
        match self.hand.link.patiently(async |cluster: &Cluster| cluster.nodes().await).await {
            Ok(nodes) => {
                let each = nodes
                    .into_iter()
                    .map(|node| (node.name, (node.allocatable_cpu.cores(), node.allocatable_memory.0 as f64)));
                self.nodes = each.collect();
            }
            Err(Error::Refused(_)) => self.sees_nodes = false,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn measure(&mut self) -> Result<Truth, Unavailable> {
        let seen = self.see().await.map_err(unavailable)?;
        let is_new = |pod: &Value| {
            let node = text(&pod["spec"]["nodeName"]);
            !node.is_empty() && !self.nodes.contains_key(node)
        };
        if self.sees_nodes && seen.pods.iter().any(is_new) {
            self.read_nodes().await.map_err(unavailable)?;
        }
        let clients = self.clients.interval();
        let components: Vec<String> = self.app.objects.deployments.iter().map(|d| d.meta.name.clone()).collect();
        let now = self.clock.now();
        let truth = self.meter.read(now, Timestamp::now(), &components, &clients, &self.nodes, &seen);
        truth.map_err(|component| {
            Unavailable(format!(
                "metrics-server has had no figures of {component} for long, though its pods are ready: see `kubectl top \
                 pods`"
            ))
        })
    }

    async fn see(&mut self) -> Result<Seen, Error> {
        let deployments = self.namespaced("list Deployments", DEPLOYMENTS).await?;
        let (pods, metrics) = (self.pods().await?, self.pod_metrics().await?);
        let (p99_s, rate) = (self.dashboard("latency_p99").await?, self.dashboard("request_rate").await?);
        let errors = self.dashboard("errors").await?;
        let namespace = self.hand.link.cluster.namespace().to_owned();
        let counter = |metric: &str| format!("{metric}{{namespace=\"{namespace}\",container!=\"\"}}");
        let all = self.ask(&counter("container_cpu_cfs_periods_total")).await?;
        let throttled = self.ask(&counter("container_cpu_cfs_throttled_periods_total")).await?;
        let mut measured = Vec::new();
        for expression in self.scenario.measured_expressions() {
            let samples = self.ask(&expression).await?;
            measured.push(samples.first().map(|sample| sample.value).filter(|value| value.is_finite()));
        }
        let periods = periods(&all, &throttled);
        Ok(Seen { deployments, pods, metrics, p99_s, rate, errors, periods, measured })
    }

    /// A dashboard of the application's profile for all components; nothing where there is none.
    async fn dashboard(&mut self, dashboard: &str) -> Result<BTreeMap<String, f64>, Error> {
        let Some(expression) = self.app.profile.dashboards.get(dashboard).cloned() else { return Ok(BTreeMap::new()) };
        let components: Vec<String> = self.app.objects.deployments.iter().map(|d| d.meta.name.clone()).collect();
        let mut figures = BTreeMap::new();
        if expression.contains(&format!("=~\"{COMPONENT}\"")) {
            let samples = self.ask(&expression.replace(COMPONENT, &components.join("|"))).await?;
            figures.extend(samples.into_iter().filter_map(|sample| by_component(&sample, &components)));
        } else {
            for component in &components {
                let samples = self.ask(&expression.replace(COMPONENT, component)).await?;
                figures.extend(samples.first().map(|sample| (component.clone(), sample.value)));
            }
        }
        figures.retain(|_, figure| figure.is_finite());
        Ok(figures)
    }

    /// The value of an expression now; nothing where Prometheus refuses it.
    async fn ask(&mut self, expression: &str) -> Result<Vec<Sample>, Error> {
        let (prometheus, now) = (self.prometheus.clone(), SystemTime::now());
        let ask = async |_: &Cluster| match prometheus.instant(expression, now).await {
            Err(Error::Refused(_)) => Ok(Vec::new()),
            answer => answer,
        };
        self.hand.link.patiently(ask).await
    }
}

/// The component of a sample: whichever of its labels names one.
fn by_component(sample: &Sample, components: &[String]) -> Option<(String, f64)> {
    let named = components.iter().find(|component| sample.labels.values().any(|value| value == *component))?;
    Some((named.clone(), sample.value))
}

/// Periods and throttled ones, by pod and container.
fn periods(all: &[Sample], throttled: &[Sample]) -> BTreeMap<(String, String), (f64, f64)> {
    let whose = |sample: &Sample| Some((sample.labels.get("pod")?.clone(), sample.labels.get("container")?.clone()));
    let throttled: BTreeMap<_, f64> = throttled.iter().filter_map(|s| Some((whose(s)?, s.value))).collect();
    let each = all.iter().filter_map(|sample| {
        let whose = whose(sample)?;
        let throttled = throttled.get(&whose).copied().unwrap_or(0.0);
        Some((whose, (sample.value, throttled)))
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample(labels: &[(&str, &str)], value: f64) -> Sample {
        Sample { labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(), value }
    }

    #[test]
    fn a_rollout_is_over_when_nothing_of_the_old_is_left() {
        let with = |generation: u64, status: Value| json!({ "metadata": { "generation": generation }, "spec": { "replicas": 2 }, "status": status });
        let done = || json!({ "observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 });
        assert!(is_complete(&with(3, done())));
        assert!(!is_complete(&with(4, done())), "the controller has not seen it yet");
        for (field, value) in [("replicas", 3), ("updatedReplicas", 1), ("availableReplicas", 1)] {
            let mut status = done();
            status[field] = json!(value);
            assert!(!is_complete(&with(3, status)), "{field}");
        }
        let none = json!({ "metadata": { "generation": 1 }, "spec": { "replicas": 0 }, "status": { "observedGeneration": 1 } });
        assert!(is_complete(&none), "scaled to zero");
    }

    #[test]
    fn samples_are_sorted_by_whom_they_are_about() {
        let components = ["carts".to_owned(), "carts-db".to_owned()];
        let of = |labels: &[(&str, &str)]| by_component(&sample(labels, 0.5), &components);
        assert_eq!(of(&[("name", "carts-db")]), Some(("carts-db".to_owned(), 0.5)));
        assert_eq!(of(&[("container", "carts"), ("le", "0.1")]), Some(("carts".to_owned(), 0.5)));
        assert_eq!(of(&[("name", "user")]), None);
        let pod = [("pod", "carts-1"), ("container", "carts")];
        let found = periods(&[sample(&pod, 30.0), sample(&[("pod", "x")], 1.0)], &[sample(&pod, 4.0)]);
        let expected = BTreeMap::from([(("carts-1".to_owned(), "carts".to_owned()), (30.0, 4.0))]);
        assert_eq!(found, expected);
    }
}
