//! What templates can name: the words of a task, made ready for printing.

use serde::Serialize;
use sim::environment::Goal;
use sim::fault::FaultKind;
use sim::slo::{ClauseName, Side, Slos};

use super::Allowance;
use crate::mechanism::Mechanism;
use crate::policy::{GroupTaskView, TaskView};
use crate::tools::ToolForm;

/// `agent/system.j2`.
#[derive(Serialize)]
pub(super) struct Agent<'a> {
    component: &'a str,
    namespace: &'a str,
    mechanism: &'static str,
    form: &'static str,
    objectives: Vec<Objective<'a>>,
    stable_for: String,
    kinds: Vec<Kind<'a>>,
    dashboards: Vec<Panel<'a>>,
    budget: Allowance,
}

/// `manager/system.j2` and, without a budget, `critic/manager.j2`.
#[derive(Serialize)]
pub(super) struct Manager<'a> {
    components: &'a [String],
    objectives: Vec<Objective<'a>>,
    stable_for: String,
    kinds: Vec<Kind<'a>>,
    budget: Option<Allowance>,
}

/// `critic/agent.j2`.
#[derive(Serialize)]
pub(super) struct AgentCritic<'a> {
    component: &'a str,
    objectives: Vec<Objective<'a>>,
    stable_for: String,
}

/// `agent/task.j2` and `manager/task.j2`.
#[derive(Serialize)]
pub(super) struct Task<'a> {
    text: &'a str,
    goal: String,
    evaluation: u32,
    ordinal: String,
    values: &'static [ReportedValue],
    memory: Option<&'a str>,
    /// The components whose figures it is about; only a manager's task has any.
    about: &'a [String],
}

/// `manager/issue.j2`.
#[derive(Serialize)]
pub(super) struct Issue<'a> {
    pub(super) from: &'a str,
    pub(super) text: &'a str,
    pub(super) memory: Option<&'a str>,
}

/// One clause of the objectives.
#[derive(Serialize)]
struct Objective<'a> {
    name: &'static str,
    components: &'a [String],
    bound: Option<String>,
    side: Option<&'static str>,
}

/// One word for a kind of cause, and what it means.
#[derive(Serialize)]
struct Kind<'a> {
    name: &'a str,
    does: Option<&'static str>,
}

/// One query of the dashboards, about the agent's own component.
#[derive(Serialize)]
struct Panel<'a> {
    name: &'a str,
    promql: String,
}

/// A value that the report has to hold.
#[derive(Serialize)]
struct ReportedValue {
    name: &'static str,
    unit: &'static str,
}

impl<'a> Agent<'a> {
    pub(super) fn of(task: &'a TaskView, mechanism: Mechanism, form: ToolForm, budget: Allowance) -> Self {
        let panel = |name: &'a String| Some(Panel { name, promql: task.dashboard(name, &task.component)? });
        Self {
            component: &task.component,
            namespace: &task.namespace,
            mechanism: mechanism.name(),
            form: form.name(),
            objectives: objectives(&task.objectives),
            stable_for: task.objectives.stable_for.to_string(),
            kinds: kinds(&task.kinds),
            dashboards: task.dashboards.keys().filter_map(panel).collect(),
            budget,
        }
    }
}

impl<'a> Manager<'a> {
    pub(super) fn of(group: &'a GroupTaskView, budget: Option<Allowance>) -> Self {
        Self {
            components: &group.components,
            objectives: objectives(&group.objectives),
            stable_for: group.objectives.stable_for.to_string(),
            kinds: kinds(&group.kinds),
            budget,
        }
    }
}

impl<'a> AgentCritic<'a> {
    pub(super) fn of(task: &'a TaskView) -> Self {
        Self {
            component: &task.component,
            objectives: objectives(&task.objectives),
            stable_for: task.objectives.stable_for.to_string(),
        }
    }
}

impl<'a> Task<'a> {
    pub(super) fn of_agent(task: &'a TaskView, memory: Option<&'a str>) -> Self {
        Self::of(&task.text, &task.goal, task.evaluation, memory, &[])
    }

    pub(super) fn of_manager(task: &'a GroupTaskView, memory: Option<&'a str>) -> Self {
        Self::of(&task.text, &task.goal, task.evaluation, memory, &task.about)
    }

    fn of(text: &'a str, goal: &Goal, evaluation: u32, memory: Option<&'a str>, about: &'a [String]) -> Self {
        let goal_text = serde_json::to_string(goal).unwrap_or_default();
        Self { text, goal: goal_text, evaluation, ordinal: ordinal(evaluation), values: values(goal), memory, about }
    }
}

fn objectives(slos: &Slos) -> Vec<Objective<'_>> {
    let asked = ClauseName::ALL.into_iter().filter(|clause| slos.asks(*clause));
    asked
        .map(|clause| Objective {
            name: clause.name(),
            components: slos.components_of(clause),
            bound: bound(slos, clause),
            side: (clause == ClauseName::Latency).then_some(match slos.latency.side {
                Side::Server => "server",
                Side::Caller => "caller",
            }),
        })
        .collect()
}

fn bound(slos: &Slos, clause: ClauseName) -> Option<String> {
    match clause {
        ClauseName::Ready | ClauseName::Limits => None,
        ClauseName::Cpu => Some(percent(slos.cpu.below)),
        ClauseName::Memory => Some(percent(slos.memory.below)),
        ClauseName::Latency => Some(slos.latency.below.to_string()),
        ClauseName::Replicas => Some(slos.replicas.at_least.to_string()),
        ClauseName::Success => Some(percent(slos.success.at_least)),
        // The rate itself is not told: an agent can see what it was before.
        ClauseName::Throughput => Some(percent(slos.throughput.at_least)),
    }
}

fn percent(share: f64) -> String {
    format!("{} %", (share * 1e4).round() / 1e2)
}

fn kinds(names: &[String]) -> Vec<Kind<'_>> {
    let does = |name: &str| FaultKind::ALL.iter().find(|kind| kind.name() == name).map(|kind| kind.facts().does);
    names.iter().map(|name| Kind { name, does: does(name) }).collect()
}

/// The values that a goal asks the report for.
const fn values(goal: &Goal) -> &'static [ReportedValue] {
    match goal {
        Goal::ReportCpu => &[ReportedValue { name: "cpu", unit: "cores" }],
        Goal::ReportP99 => &[ReportedValue { name: "p99", unit: "seconds" }],
        _ => &[],
    }
}

fn ordinal(number: u32) -> String {
    match number {
        0 | 1 => "first".to_owned(),
        2 => "second".to_owned(),
        3 => "third".to_owned(),
        4 => "fourth".to_owned(),
        5 => "fifth".to_owned(),
        _ => format!("{number}th"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_read_as_people_write_them() {
        for (share, text) in [(0.5, "50 %"), (0.99, "99 %"), (0.3, "30 %"), (0.985, "98.5 %"), (1.0, "100 %")] {
            assert_eq!(percent(share), text);
        }
        for (number, text) in [(1, "first"), (2, "second"), (3, "third"), (11, "11th")] {
            assert_eq!(ordinal(number), text);
        }
    }

    #[test]
    fn the_rate_without_a_fault_is_not_told() {
        let mut slos = Slos::of(vec!["catalogue".into()]);
        slos.throughput.fault_free_per_s = Some(1234.5);
        let told = serde_json::to_string(&objectives(&slos)).unwrap();
        assert!(told.contains("95 %") && !told.contains("1234"), "{told}");
    }
}
