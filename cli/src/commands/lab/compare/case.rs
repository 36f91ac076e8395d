//! What is compared: a scenario without anybody who operates it, and a list of actions.

use std::collections::BTreeMap;
use std::sync::Arc;

use datasets::comparisons::{self, ComparisonFiles};
use serde::{Deserialize, Serialize};
use sim::app::App;
use sim::environment::{Action, Component, ResourceChange, Write};
use sim::program::Programs;
use sim::scenario::{Cluster, Premise, Scenario, Script, StartState};
use sim::time::{SimDuration, SimTime};

use crate::arguments::LabCompareOptions;
use crate::commands::simulate::plan::Plan;
use crate::commands::workload;
use crate::output::{self, Failed};

/// Time under full load before the measurement.
const WARM_UP: SimDuration = SimDuration::from_secs(15);
/// How long is measured.
const DURATION: SimDuration = SimDuration::from_secs(60);
/// Time between the changes that make the start and the load.
pub(super) const LEAD: SimDuration = SimDuration::from_secs(40);
/// One look a second.
const EVERY: SimDuration = SimDuration::SECOND;

/// One comparison.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) description: String,
    /// The load in words.
    pub(super) load: String,
    pub(super) app: Arc<App>,
    pub(super) scenario: Scenario,
    /// Where pods are to be at the start; those of no component that is named here are anywhere.
    pub(super) placement: BTreeMap<Component, Vec<String>>,
    /// Changes that make the start, before the load.
    pub(super) before: Vec<Write>,
    /// Changes under load, by the time since it began.
    pub(super) actions: Vec<(SimDuration, Write)>,
    /// When the load begins, since the manifests were applied; later if the application is older.
    pub(super) begins: SimDuration,
    pub(super) warm_up: SimDuration,
    pub(super) duration: SimDuration,
}

/// How old the application was, since its manifests were applied.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Ages {
    /// When the changes that make the start were made.
    pub(super) before: SimTime,
    /// When the load began.
    pub(super) load: SimTime,
}

impl Case {
    /// Reads a comparison by name, or a scenario file.
    pub(super) fn load(name: &str, options: &LabCompareOptions) -> Result<Self, Failed> {
        let ComparisonFiles { name, scenario, actions } = comparisons::find(name)?;
        let loaded = datasets::scenarios::load_source(&scenario, &[])?;
        for warning in &loaded.warnings {
            output::talk(&warning.to_string());
        }
        let mut scenario = loaded.scenario.value;
        let start = std::mem::take(&mut scenario.start);
        let begins = scenario.workloads.iter().map(|load| load.start).min().unwrap_or(SimDuration::from_secs(150));
        let ramp = scenario.workloads.iter().map(|load| load.start - begins + loaded.words.ramp(load)).max();
        let script = actions.as_ref().map(Script::load).transpose()?;
        Ok(Self {
            name,
            description: scenario.description.clone(),
            load: workload::describe(&scenario.workloads, &loaded.words),
            app: loaded.app,
            before: before(&start)?,
            placement: start.placement,
            actions: script.map(|script| writes(&script.value)).unwrap_or_default(),
            begins,
            warm_up: options.warm_up.unwrap_or(ramp.unwrap_or_default() + WARM_UP),
            duration: options.duration.unwrap_or(DURATION),
            scenario,
        })
    }

    /// Nothing that it does outlives it: the next case can go on with the same pods.
    pub(super) fn leaves_no_trace(&self) -> bool {
        self.before.is_empty() && self.actions.is_empty() && self.scenario.faults.is_empty()
    }

    /// When the first fault or action comes, since the load began.
    pub(super) fn disturbed_at(&self) -> Option<SimDuration> {
        let faults = self.scenario.faults.iter().map(|fault| fault.start.saturating_sub(self.begins));
        faults.chain(self.actions.iter().map(|(at, _)| *at)).min()
    }

    /// The same for the twin, on these nodes, with its pods where the lab's were, as old as the lab was. Its clients spend
    /// `client` on a request; the profile's constant is another load generator's.
    pub(super) fn plan(
        &self,
        ages: &Ages,
        cluster: Cluster,
        client: SimDuration,
        placement: &BTreeMap<Component, Vec<String>>,
    ) -> Plan {
        let programs = Programs { client_overhead: client, ..(*self.app.programs).clone() };
        let app = App { programs: Arc::new(programs), ..(*self.app).clone() };
        let mut scenario = self.scenario.clone();
        scenario.start.placement.clone_from(placement);
        let later = SimDuration(ages.load.0) - self.begins;
        for load in &mut scenario.workloads {
            load.start += later;
        }
        for fault in &mut scenario.faults {
            fault.start += later;
            fault.end = fault.end.map(|end| end + later);
        }
        scenario.cluster = cluster;
        let measured_from = ages.load + self.warm_up;
        let before = self.before.iter().map(|write| (ages.before, write.clone()));
        let actions = self.actions.iter().map(|(at, write)| (ages.load + *at, write.clone()));
        Plan {
            what: self.name.clone(),
            load: self.load.clone(),
            settled: None,
            measured_from,
            until: measured_from + self.duration,
            every: Some(EVERY),
            focus: scenario.slos.components.clone(),
            app: Arc::new(app),
            scenario: Arc::new(scenario),
            writes: before.chain(actions).collect(),
            recorded_from: Some(ages.load),
        }
    }
}

/// The start state as changes to what the manifests make.
fn before(start: &StartState) -> Result<Vec<Write>, Failed> {
    if let Some(absent) = start.absent.first() {
        return Err(output::usage(format!("{absent} is absent at the start: that is not played on the lab yet")));
    }
    let mut writes = Vec::new();
    for premise in &start.premises {
        let Premise { component, replicas, strategy, image, env, .. } = premise;
        if strategy.is_some() {
            return Err(output::usage(format!("another strategy of {component}: that is not played on the lab yet")));
        }
        let component = component.clone();
        let resources = ResourceChange {
            component: component.clone(),
            cpu_request: premise.cpu_request,
            cpu_limit: premise.cpu_limit,
            memory_request: premise.memory_request,
            memory_limit: premise.memory_limit,
        };
        if resources != (ResourceChange { component: component.clone(), ..ResourceChange::default() }) {
            writes.push(Write::SetResources(resources));
        }
        writes.extend(image.clone().map(|image| Write::SetImage { component: component.clone(), image }));
        writes.extend(env.iter().map(|(name, value)| Write::SetEnv {
            component: component.clone(),
            name: name.clone(),
            value: Some(value.clone()),
        }));
        writes.extend(replicas.map(|replicas| Write::Scale { component: component.clone(), replicas }));
    }
    Ok(writes)
}

/// The changes of a script, by the time since its start; who looks or reports changes nothing.
fn writes(script: &Script) -> Vec<(SimDuration, Write)> {
    let (mut at, mut writes) = (SimDuration::ZERO, Vec::new());
    for step in &script.steps {
        at += step.after;
        match &step.action {
            Action::Write(write) => writes.push((at, write.clone())),
            Action::Wait(time) => at += *time,
            Action::Observe(_) | Action::Declare(_) | Action::Ask(_) | Action::Raise { .. } | Action::Report(_) => {}
        }
    }
    writes
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::commands::lab::compare) fn options() -> LabCompareOptions {
        LabCompareOptions { seed: 1, ..LabCompareOptions::default() }
    }

    #[test]
    fn every_comparison_that_ships_can_be_planned_for_any_age() {
        let names = comparisons::shipped();
        assert!(names.len() >= 10, "{names:?}");
        for name in names {
            let case = Case::load(&name, &options()).unwrap_or_else(|failed| panic!("{name}: {failed:?}"));
            let age = SimTime::ZERO + case.begins + SimDuration::from_secs(500);
            let ages = Ages { before: SimTime::ZERO + case.begins, load: age };
            let plan = case.plan(&ages, Cluster::default(), SimDuration::ZERO, &BTreeMap::new());
            for load in &plan.scenario.workloads {
                assert!(SimTime::ZERO + load.start >= age, "{name}");
            }
            for fault in &plan.scenario.faults {
                assert!(fault.injected_at() > age && fault.injected_at() < plan.until, "{name}");
            }
            for (at, write) in &plan.writes {
                assert!(*at == ages.before || (*at > age && *at < plan.until), "{name}: {write:?}");
            }
        }
    }

    #[test]
    fn a_pod_is_deleted_by_the_beginning_of_its_name() {
        let case = Case::load("killed-pod", &options()).unwrap_or_else(|failed| panic!("{failed:?}"));
        let ages = Ages { before: SimTime::ZERO + case.begins, load: SimTime::ZERO + case.begins };
        let plan = case.plan(&ages, Cluster::default(), SimDuration::ZERO, &BTreeMap::new());
        let played = crate::commands::simulate::play::play(&plan, 1).unwrap_or_else(|failed| panic!("{failed:?}"));
        let ready = |window: &crate::commands::simulate::play::Window| {
            window.components.iter().find(|c| c.component == "catalogue").map(|c| c.ready)
        };
        assert!(played.windows.iter().any(|window| ready(window) == Some(0)), "the only pod is gone for a while");
    }

    #[test]
    fn a_case_says_where_its_pods_are() {
        let case = Case::load("killed-node", &options()).unwrap_or_else(|failed| panic!("{failed:?}"));
        assert_eq!(case.placement["catalogue"], ["node-2"]);
    }

    #[test]
    fn premises_become_changes() {
        let case = Case::load("two-replicas", &options()).unwrap_or_else(|failed| panic!("{failed:?}"));
        assert!(
            matches!(case.before[..], [Write::SetResources(_), Write::Scale { replicas: 2, .. }]),
            "{:?}",
            case.before
        );
        assert!(!case.leaves_no_trace());
    }
}
