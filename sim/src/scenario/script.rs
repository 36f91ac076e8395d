//! A fixed list of actions: the witness that a scenario can be passed, and the wrong moves that must not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::diagnostic::{Diagnostics, Source};
use crate::environment::{Action, Component, ManagerAction};
use crate::input::{self, Located};
use crate::time::SimDuration;

/// What the policy `script:FILE` plays.
///
/// Each evaluation plays the steps from where the last one stopped, up to and including the next
/// `report`. An evaluation that begins after the last step repeats the last `report`. In
/// `delete_pod`, a name that ends in `*` stands for the first pod whose name begins so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Always `sockpit/v1alpha1`.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// Always `Script`.
    pub kind: String,
    /// What it shows, for readers.
    #[serde(default)]
    pub description: String,
    /// The agents' steps, in order; each agent begins at the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<ScriptStep>,
    /// Those of single agents, in place of `steps`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub agents: BTreeMap<Component, Vec<ScriptStep>>,
    /// The group manager's, where there is one; without any it hands its task on as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub manager: Vec<ManagerStep>,
}

/// One step of a group manager.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManagerStep {
    /// Time that passes before it, beside the think time of each step.
    #[serde(default)]
    pub after: SimDuration,
    /// What is done.
    pub action: ManagerAction,
}

/// One step of a script.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptStep {
    /// Time that passes before it, beside the think time of each step.
    #[serde(default)]
    pub after: SimDuration,
    /// What is done.
    pub action: Action,
}

impl Script {
    /// The script of these steps.
    pub fn of(steps: Vec<ScriptStep>) -> Self {
        Self {
            api_version: super::Scenario::API_VERSION.to_owned(),
            kind: "Script".to_owned(),
            description: String::new(),
            steps,
            agents: BTreeMap::new(),
            manager: Vec::new(),
        }
    }

    /// The steps of an agent.
    pub fn steps_of(&self, component: &str) -> &[ScriptStep] {
        self.agents.get(component).unwrap_or(&self.steps)
    }

    /// Reads a script.
    ///
    /// # Errors
    /// Every mistake at once. Steps without a `report` at their end, or a manager's without a `conclude`, are one, since
    /// no evaluation would end.
    pub fn load(source: &Source) -> Result<Located<Self>, Diagnostics> {
        let script: Located<Self> = input::parse(source)?;
        let mut mistakes = super::check::heading(&script, &script.value.api_version, &script.value.kind, "Script");
        let unended =
            |steps: &[ScriptStep]| !matches!(steps.last(), Some(ScriptStep { action: Action::Report(_), .. }));
        let mut lists: Vec<(String, &[ScriptStep])> = Vec::new();
        if script.value.agents.is_empty() || !script.value.steps.is_empty() {
            lists.push(("steps".to_owned(), &script.value.steps));
        }
        lists.extend(script.value.agents.iter().map(|(agent, steps)| (format!("agents.{agent}"), &**steps)));
        for (field, _) in lists.into_iter().filter(|(_, steps)| unended(steps)) {
            mistakes.push(
                script
                    .error(&field, "the last step is not a report, so that the evaluation would not end")
                    .help("end the list with `action: {report: {healthy: true}}`"),
            );
        }
        let last = script.value.manager.last();
        if last.is_some_and(|step| !matches!(step.action, ManagerAction::Conclude(_))) {
            mistakes.push(
                script
                    .error("manager", "the last step is not a conclusion, so that the evaluation would not end")
                    .help("end the list with `action: {conclude: {healthy: true}}`"),
            );
        }
        if mistakes.is_empty() { Ok(script) } else { Err(Diagnostics(mistakes)) }
    }
}
