//! The catalogue of faults: for each kind a scenario in which it can be seen, and how it shows.
//!
//! `catalogue.yaml` says for each scenario its *signatures*: what an agent can see that is not so before the fault and
//! becomes so within a stated time. What mends a fault and what does not is said by the scripts of its scenario. A test
//! holds all of it against the twin.

use serde::{Deserialize, Serialize};
use sim::diagnostic::{Diagnostic, Diagnostics};
use sim::environment::{Action, LogQuery, MetricQuery, Observation, Query, Write};
use sim::fault::FaultKind;
use sim::input;
use sim::time::SimDuration;

use crate::embedded;
use crate::scenarios::{self, Loaded, ShippedScript};

/// The catalogue's file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "apiVersion")]
    api_version: String,
    kind: String,
    faults: Vec<Written>,
}

/// One scenario's part of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    scenario: String,
    shows: Vec<Signature>,
}

/// A fault in the catalogue.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The scenario's name.
    pub name: String,
    /// Its kind.
    pub kind: FaultKind,
    /// The scenario.
    pub loaded: Loaded,
    /// How it shows.
    pub shows: Vec<Signature>,
    /// What passes its scenario, and what does not.
    pub scripts: Vec<ShippedScript>,
}

/// Something that becomes visible.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// How long after the fault, at the latest.
    pub within: SimDuration,
    /// What.
    pub seen: Seen,
}

/// What an agent sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Seen {
    /// A `PromQL` expression has a result.
    Metric(String),
    /// There is an Event about a component.
    Event {
        /// The component.
        component: String,
        /// Its reason.
        reason: String,
        /// What its message contains.
        #[serde(default)]
        message: String,
    },
    /// A pod of a component has this STATUS.
    Pod {
        /// The component.
        component: String,
        /// As in `kubectl get pods`.
        status: String,
    },
    /// A container of a component was ended so before it was started again, as `kubectl describe pod` says it.
    Ended {
        /// The component.
        component: String,
        /// What its last state contains.
        state: String,
    },
    /// A condition of a Deployment.
    Condition {
        /// The Deployment.
        component: String,
        /// Its type.
        r#type: String,
        /// Its status.
        status: String,
        /// Its reason.
        #[serde(default)]
        reason: String,
    },
    /// The Service of a component has no endpoints.
    NoEndpoints(String),
    /// The Service of a component has this port with its target, such as `80 -> 8080`.
    Port {
        /// The component.
        component: String,
        /// The port with its target.
        port: String,
    },
    /// A line of a component's log contains this; with `previous` of the container before.
    Log {
        /// The component.
        component: String,
        /// Of the container before the last restart.
        #[serde(default)]
        previous: bool,
        /// What it contains.
        line: String,
    },
    /// A node is not ready.
    NodeNotReady(String),
    /// There is a quota, a budget or a network policy of this name.
    Policy(String),
}

/// Kinds without a scenario. No request of Sock Shop waits for a disk: its databases keep their data in memory and write
/// journals later.
pub const NOT_IN_SOCK_SHOP: [FaultKind; 1] = [FaultKind::SlowDisk];

/// How many lines of a log are looked at.
const LOG_LINES: u32 = 50;

impl Seen {
    /// What is asked to see it.
    pub fn query(&self) -> Query {
        match self {
            Self::Metric(promql) => Query::Metrics(MetricQuery { promql: promql.clone(), range: None, step: None }),
            Self::Event { component, .. } => Query::Events { component: Some(component.clone()) },
            Self::Pod { component, .. } => Query::ListPods { component: Some(component.clone()) },
            Self::Ended { component, .. }
            | Self::Condition { component, .. }
            | Self::Port { component, .. }
            | Self::NoEndpoints(component) => Query::Describe { component: component.clone() },
            Self::Log { component, previous, .. } => {
                Query::Logs(LogQuery { of: component.clone(), previous: *previous, tail: LOG_LINES })
            }
            Self::NodeNotReady(_) => Query::Nodes,
            Self::Policy(_) => Query::Policies,
        }
    }

    /// Whether the answer shows it.
    pub fn is_in(&self, answer: &Observation) -> bool {
        match (self, answer) {
            (Self::Metric(_), Observation::Metrics(data)) => {
                data["result"].as_array().is_some_and(|series| !series.is_empty())
            }
            (Self::Event { reason, message, .. }, Observation::Events(events)) => {
                events.iter().any(|event| event.reason == *reason && event.message.contains(message))
            }
            (Self::Pod { status, .. }, Observation::Pods(pods)) => pods.iter().any(|pod| pod.status == *status),
            (Self::Ended { state, .. }, Observation::Description(found)) => {
                let mut ended = found.containers.iter().flatten().filter_map(|container| container.last_state.as_ref());
                ended.any(|last| last.contains(state))
            }
            (Self::Condition { r#type, status, reason, .. }, Observation::Description(found)) => {
                let mut conditions = found.deployment.conditions.iter();
                conditions.any(|(kind, is, why)| kind == r#type && is == status && why.contains(reason))
            }
            (Self::Port { port, .. }, Observation::Description(found)) => {
                found.service.as_ref().is_some_and(|service| service.ports.contains(port))
            }
            (Self::NoEndpoints(_), Observation::Description(found)) => {
                found.service.as_ref().is_some_and(|service| service.endpoints.is_empty())
            }
            (Self::Log { line, .. }, Observation::Logs { lines, .. }) => lines.iter().any(|said| said.contains(line)),
            (Self::NodeNotReady(name), Observation::Nodes(nodes)) => {
                nodes.iter().any(|node| node.name == *name && !node.ready)
            }
            (Self::Policy(name), Observation::Policies(found)) => found.iter().any(|policy| policy.name == *name),
            _ => false,
        }
    }

    /// In words.
    pub fn text(&self) -> String {
        match self {
            Self::Metric(promql) => promql.clone(),
            Self::Event { component, reason, message } if message.is_empty() => {
                format!("event {reason} of {component}")
            }
            Self::Event { component, reason, message } => format!("event {reason} of {component}: …{message}…"),
            Self::Pod { component, status } => format!("a pod of {component} is {status}"),
            Self::Ended { component, state } => format!("a container of {component} ended: {state}"),
            Self::Condition { component, r#type, status, reason } => {
                let reason = if reason.is_empty() { String::new() } else { format!(", {reason}") };
                format!("deployment {component}: {type} {status}{reason}", r#type = r#type)
            }
            Self::NoEndpoints(component) => format!("service {component} has no endpoints"),
            Self::Port { component, port } => format!("service {component}: {port}"),
            Self::Log { component, previous, line } => {
                let previous = if *previous { " --previous" } else { "" };
                format!("log of {component}{previous}: …{line}…")
            }
            Self::NodeNotReady(name) => format!("node {name} is not ready"),
            Self::Policy(name) => format!("{name} is listed among the policies"),
        }
    }
}

/// The catalogue, in the order of kinds.
///
/// # Errors
/// Every mistake in its file or in a scenario that it names.
pub fn catalogue() -> Result<Vec<Entry>, Diagnostics> {
    let source = embedded::below("faults").find(|file| file.path == "catalogue.yaml").expect("it is embedded");
    let file = input::parse::<File>(&source)?;
    let mut mistakes = Vec::new();
    if file.value.api_version != sim::scenario::Scenario::API_VERSION || file.value.kind != "FaultCatalogue" {
        mistakes.push(file.error("kind", "it is not a catalogue of faults").help("write `kind: FaultCatalogue`"));
    }
    let mut entries = Vec::new();
    for (i, written) in file.value.faults.iter().enumerate() {
        let field = format!("faults[{i}].scenario");
        let refuse = |why: &str, help: &str| -> Diagnostic { file.error(&field, why).help(help) };
        if !scenarios::shipped().contains(&written.scenario) {
            mistakes.push(refuse("there is no such scenario", "name one that ships, such as faults/bad-tag"));
            continue;
        }
        let loaded = scenarios::load(&written.scenario, &[])?;
        let Some(kind) = loaded.scenario.value.faults.first().and_then(sim::fault::Fault::kind) else {
            mistakes.push(refuse("nothing goes wrong in it", "name one with a fault"));
            continue;
        };
        let scripts = scenarios::scripts(&written.scenario)?;
        let (name, shows) = (written.scenario.clone(), written.shows.clone());
        entries.push(Entry { name, kind, loaded, shows, scripts });
    }
    entries.sort_by_key(|entry| entry.kind);
    if mistakes.is_empty() { Ok(entries) } else { Err(Diagnostics(mistakes)) }
}

/// What a script does to the world: the names of its writes, or that it waits.
pub fn deeds(script: &ShippedScript) -> String {
    let mut deeds: Vec<&str> = Vec::new();
    for step in &script.script.steps {
        if let Action::Write(write) = &step.action
            && !deeds.contains(&verb(write))
        {
            deeds.push(verb(write));
        }
    }
    if deeds.is_empty() { "waiting".to_owned() } else { deeds.join(" + ") }
}

/// The tool that makes a write.
fn verb(write: &Write) -> &'static str {
    match write {
        Write::Scale { .. } => "scale",
        Write::SetResources(_) => "set resources",
        Write::SetImage { .. } => "set image",
        Write::SetEnv { .. } => "set env",
        Write::Restart { .. } => "restart",
        Write::Rollback { .. } => "rollback",
        Write::ApplyAutoscaler(_) => "apply autoscaler",
        Write::DeleteAutoscaler { .. } => "delete autoscaler",
        Write::CreateDeployment { .. } => "create deployment",
        Write::DeleteDeployment { .. } => "delete deployment",
        Write::DeletePod { .. } => "delete pod",
        Write::Apply(_) => "apply",
        Write::Delete { .. } => "delete",
        Write::Cordon { .. } => "cordon",
        Write::Uncordon { .. } => "uncordon",
        Write::Drain { .. } => "drain",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_scenario_with_signatures_and_scripts() {
        let entries = catalogue().unwrap_or_else(|mistakes| panic!("{mistakes}"));
        for &kind in FaultKind::ALL.iter().filter(|kind| !NOT_IN_SOCK_SHOP.contains(kind)) {
            let of_kind: Vec<&Entry> = entries.iter().filter(|entry| entry.kind == kind).collect();
            assert!(!of_kind.is_empty(), "{kind} has no scenario");
            for entry in of_kind {
                assert!(!entry.shows.is_empty(), "{}: nothing shows it", entry.name);
                let scenario = &entry.loaded.scenario.value;
                let witnesses = entry.scripts.iter().filter(|script| script.is_witness()).count();
                assert!(witnesses > 0 || scenario.unsolvable.is_some(), "{}: no witness", entry.name);
                assert!(witnesses < entry.scripts.len(), "{}: no wrong move", entry.name);
            }
        }
        // A scenario written by hand that is not in the catalogue would not be held against the twin.
        for name in scenarios::sample(0).iter().filter(|name| name.starts_with("faults/")) {
            assert!(entries.iter().any(|entry| entry.name == *name), "{name} is not in the catalogue");
        }
    }
}
