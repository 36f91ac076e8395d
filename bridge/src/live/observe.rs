//! Looks at a cluster: each answers as the twin does, from what the API server, metrics-server and Prometheus say.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::LogParams;
use serde_json::{Value, json};
use sim::environment::{Description, LogQuery, MetricQuery, Observation, PodView, Query, ReplicaSetView};
use sim::time::SimDuration;
use sim::world::SCRAPE_EVERY;

use super::Live;
use super::events::{Owners, event_views};
use super::json::{component_of_pod, name, text};
use super::network::{autoscaler_of, autoscaler_view, service_of, service_view};
use super::pods::{component, container_views, for_logs, pod_view, usage};
use super::policies::policy_views;
use super::workloads::{deployment_view, replica_set_views};
use crate::changes::Changes;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::http::percent_encoded;
use crate::plan::main_container;
use crate::raw::group;

impl<C: Changes> Live<C> {
    pub(super) async fn look(&mut self, query: &Query) -> Result<Observation, Error> {
        Ok(match query {
            Query::ListPods { component } => Observation::Pods(self.list_pods(component.as_deref()).await?),
            Query::Describe { component } => Observation::Description(Box::new(self.describe(component).await?)),
            Query::Logs(logs) => self.logs(logs).await?,
            Query::Events { component } => {
                let pods = self.pods().await?;
                let autoscalers = self.namespaced("list autoscalers", AUTOSCALERS).await?;
                let components = self.components().await?;
                let owners = Owners::new(components.iter().map(String::as_str).collect(), &pods, &autoscalers);
                let events = self.namespaced("list events", EVENTS).await?;
                Observation::Events(event_views(&events, &owners, component.as_deref(), self.clock.zero()))
            }
            Query::ResourceUsage { component: asked } => {
                let (pods, metrics) = (self.pods().await?, self.pod_metrics().await?);
                let label = self.settings.label.as_deref();
                let pods: Vec<(&Value, String)> = pods.iter().map(|pod| (pod, component(pod, label))).collect();
                let is_asked =
                    |(_, component): &&(&Value, String)| asked.is_none() || asked.as_ref() == Some(component);
                let pods: Vec<_> = pods.iter().filter(is_asked).cloned().collect();
                Observation::Usage(usage(&pods, &metrics))
            }
            Query::Nodes => {
                Observation::Nodes(self.hand.link.patiently(async |cluster: &Cluster| cluster.nodes().await).await?)
            }
            Query::Metrics(query) => Observation::Metrics(self.metrics(query).await?),
            Query::Dependencies { component } => Observation::Dependencies(
                self.app
                    .dependencies(component)
                    .ok_or_else(|| Error::Refused(format!("deployments.apps \"{component}\" not found")))?,
            ),
            Query::Policies => {
                let quotas = self.namespaced("list quotas", QUOTAS).await?;
                let budgets = self.namespaced("list disruption budgets", BUDGETS).await?;
                let policies = self.namespaced("list network policies", NETWORK_POLICIES).await?;
                Observation::Policies(policy_views(&quotas, &budgets, &policies))
            }
            Query::RolloutHistory { component } => Observation::RolloutHistory(self.history(component).await?),
        })
    }

    /// All objects of a kind in the namespace, in the order of their names.
    pub(super) async fn namespaced(&mut self, what: &str, kind: Kind) -> Result<Vec<Value>, Error> {
        let path = self.hand.link.cluster.path(kind.0, kind.1);
        self.hand.link.items(what, &path).await
    }

    /// The pods of the application, in the order of their names.
    pub(super) async fn pods(&mut self) -> Result<Vec<Value>, Error> {
        let mut path = self.hand.link.cluster.path(group::CORE, "pods");
        if let Some(label) = &self.settings.label {
            path = format!("{path}?labelSelector={}", percent_encoded(label));
        }
        self.hand.link.items("list pods", &path).await
    }

    /// What metrics-server knows of pods; nothing where it is not there, as `kubectl top` then says.
    pub(super) async fn pod_metrics(&mut self) -> Result<Vec<Value>, Error> {
        let path = self.hand.link.cluster.path(group::METRICS, "pods");
        let ask = async |cluster: &Cluster| match cluster.items("read pods' metrics", &path).await {
            Err(Error::Refused(_) | Error::Server(_)) => Ok(Vec::new()),
            answer => answer,
        };
        self.hand.link.patiently(ask).await
    }

    /// The names of all components: those that the application has, and what else is deployed.
    async fn components(&mut self) -> Result<BTreeSet<String>, Error> {
        let deployments = self.namespaced("list Deployments", DEPLOYMENTS).await?;
        let known = self.app.objects.deployments.iter().map(|deployment| deployment.meta.name.clone());
        Ok(known.chain(deployments.iter().map(|deployment| name(deployment).to_owned())).collect())
    }

    async fn deployment(&mut self, component: &str) -> Result<Value, Error> {
        let path = self.hand.link.cluster.path_of(group::APPS, "deployments", component);
        self.hand.link.patiently(async |cluster: &Cluster| cluster.get("read a Deployment", &path).await).await
    }

    async fn list_pods(&mut self, asked: Option<&str>) -> Result<Vec<PodView>, Error> {
        let (pods, now) = (self.pods().await?, Timestamp::now());
        let views = pods.iter().map(|pod| pod_view(pod, &component(pod, self.settings.label.as_deref()), now));
        Ok(views.filter(|pod| asked.is_none_or(|asked| pod.component == asked)).collect())
    }

    async fn describe(&mut self, component: &str) -> Result<Description, Error> {
        let deployment = self.deployment(component).await?;
        let mut replica_sets =
            replica_set_views(&deployment, &self.namespaced("list ReplicaSets", REPLICA_SETS).await?);
        replica_sets.reverse();
        let all_pods = self.pods().await?;
        let services = self.namespaced("list Services", SERVICES).await?;
        let slices = self.namespaced("list EndpointSlices", ENDPOINT_SLICES).await?;
        let autoscalers = self.namespaced("list autoscalers", AUTOSCALERS).await?;
        let events = self.namespaced("list events", EVENTS).await?;
        let components = self.components().await?;
        let owners = Owners::new(components.iter().map(String::as_str).collect(), &all_pods, &autoscalers);
        let pods: Vec<&Value> = all_pods.iter().filter(|pod| component_of_pod(pod) == Some(component)).collect();
        let now = Timestamp::now();
        Ok(Description {
            deployment: deployment_view(&deployment),
            replica_sets,
            pods: pods.iter().map(|pod| pod_view(pod, component, now)).collect(),
            containers: pods.iter().map(|pod| container_views(pod)).collect(),
            service: service_of(&deployment, &services).map(|service| service_view(service, &slices)),
            autoscaler: autoscaler_of(component, &autoscalers).map(autoscaler_view),
            events: event_views(&events, &owners, Some(component), self.clock.zero()),
        })
    }

    async fn history(&mut self, component: &str) -> Result<Vec<ReplicaSetView>, Error> {
        let deployment = self.deployment(component).await?;
        let sets = self.namespaced("list ReplicaSets", REPLICA_SETS).await?;
        Ok(replica_set_views(&deployment, &sets))
    }

    /// `kubectl logs`, of the main container.
    async fn logs(&mut self, query: &LogQuery) -> Result<Observation, Error> {
        let pods = self.pods().await?;
        let own: Vec<&Value> = pods.iter().filter(|pod| component_of_pod(pod) == Some(query.of.as_str())).collect();
        let found = pods.iter().find(|pod| name(pod) == query.of).or_else(|| for_logs(&own));
        let Some(pod) = found else {
            let is_known = self.components().await?.contains(&query.of);
            return Err(Error::Refused(if is_known {
                format!("no pods found for deployment.apps/{}", query.of)
            } else {
                format!("pods \"{}\" not found", query.of)
            }));
        };
        let whose = component_of_pod(pod).unwrap_or_default();
        // Its containers lie where a template's do.
        let as_template = json!({ "spec": { "template": { "spec": { "containers": pod["spec"]["containers"] } } } });
        let params = LogParams {
            container: Some(text(&main_container(whose, &as_template)["name"]).to_owned()),
            previous: query.previous,
            tail_lines: Some(query.tail.into()),
            ..LogParams::default()
        };
        let pod = name(pod).to_owned();
        let ask = async |cluster: &Cluster| {
            let api: Api<Pod> = Api::namespaced(cluster.client.clone(), cluster.namespace());
            match cluster.bounded("read a log", api.logs(&pod, &params)).await {
                // The API server is well and says that the pod's kubelet does not answer.
                Err(Error::Server(why)) if why.starts_with("Get \"https://") => Err(Error::Refused(why)),
                answer => answer,
            }
        };
        let written = self.hand.link.patiently(ask).await?;
        Ok(Observation::Logs { pod, lines: written.lines().map(str::to_owned).collect() })
    }

    /// A PromQL query, its times on the clock of the episode.
    async fn metrics(&mut self, query: &MetricQuery) -> Result<Value, Error> {
        let (prometheus, now) = (self.prometheus.clone(), SystemTime::now());
        let duration = |length: SimDuration| Duration::from_nanos(length.0);
        let ask = async |_: &Cluster| match query.range {
            None => prometheus.instant_data(&query.promql, now).await,
            Some(range) => {
                let step = duration(query.step.unwrap_or(SCRAPE_EVERY));
                prometheus.range_data(&query.promql, now - duration(range), now, step).await
            }
        };
        let mut data = self.hand.link.patiently(ask).await.map_err(without_parameter)?;
        let zero = self.clock.zero().0.as_millisecond() as f64 / 1e3;
        on_clock(&mut data["result"], zero);
        Ok(data)
    }
}

/// A kind of namespaced objects: its group, and its plural.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind(&'static str, &'static str);

pub(super) const DEPLOYMENTS: Kind = Kind(group::APPS, "deployments");
const REPLICA_SETS: Kind = Kind(group::APPS, "replicasets");
const SERVICES: Kind = Kind(group::CORE, "services");
const ENDPOINT_SLICES: Kind = Kind(group::DISCOVERY, "endpointslices");
const AUTOSCALERS: Kind = Kind(group::AUTOSCALING, "horizontalpodautoscalers");
const EVENTS: Kind = Kind(group::CORE, "events");
const QUOTAS: Kind = Kind(group::CORE, "resourcequotas");
const BUDGETS: Kind = Kind(group::POLICY, "poddisruptionbudgets");
const NETWORK_POLICIES: Kind = Kind(group::NETWORKING, "networkpolicies");

/// What is wrong with an expression, without the name of the HTTP parameter that it came in: the twin has none.
fn without_parameter(error: Error) -> Error {
    match error {
        Error::Refused(why) => match why.strip_prefix("invalid parameter \"query\": ") {
            Some(rest) => Error::Refused(rest.to_owned()),
            None => Error::Refused(why),
        },
        other => other,
    }
}

/// Takes `zero`, in seconds since 1970, off the times of samples: `[time, "value"]` wherever they are in a result.
fn on_clock(result: &mut Value, zero: f64) {
    match result {
        Value::Array(items) if matches!(&items[..], [Value::Number(_), Value::String(_)]) => {
            let at = items[0].as_f64().unwrap_or_default();
            // Milliseconds are all that Prometheus keeps.
            items[0] = json!(((at - zero) * 1e3).round() / 1e3);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| on_clock(item, zero)),
        Value::Object(fields) => {
            for field in ["value", "values"] {
                if let Some(samples) = fields.get_mut(field) {
                    on_clock(samples, zero);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_get_the_time_of_the_episode() {
        let zero = 1_795_535_280.5;
        for (mut result, expected) in [
            (
                json!([{ "metric": { "a": "b" }, "value": [1_795_535_286.039, "1"] }]),
                json!([{ "metric": { "a": "b" }, "value": [5.539, "1"] }]),
            ),
            (
                json!([{ "metric": {}, "values": [[1_795_535_281, "1"], [1_795_535_296.5, "NaN"]] }]),
                json!([{ "metric": {}, "values": [[0.5, "1"], [16.0, "NaN"]] }]),
            ),
            (json!([1_795_535_280.5, "2"]), json!([0.0, "2"])),
            (json!([]), json!([])),
        ] {
            on_clock(&mut result, zero);
            assert_eq!(result, expected);
        }
    }

    #[test]
    fn a_broken_expression_is_told_as_the_twin_tells_it() {
        let said = |why: &str| without_parameter(Error::Refused(why.to_owned())).to_string();
        assert_eq!(said("invalid parameter \"query\": 1:5: parse error: unclosed"), "1:5: parse error: unclosed");
        assert_eq!(said("query timed out"), "query timed out");
    }
}
