//! A fixed list of actions: the witness that a scenario can be passed, and the wrong moves that must not.

use serde::{Deserialize, Serialize};

use crate::diagnostic::{Diagnostics, Source};
use crate::environment::Action;
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
    /// In order.
    pub steps: Vec<ScriptStep>,
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
        }
    }

    /// Reads a script.
    ///
    /// # Errors
    /// Every mistake at once. A script without a `report` at its end is one, since no evaluation would end.
    pub fn load(source: &Source) -> Result<Located<Self>, Diagnostics> {
        let script: Located<Self> = input::parse(source)?;
        let mut mistakes = super::check::heading(&script, &script.value.api_version, &script.value.kind, "Script");
        if !matches!(script.value.steps.last(), Some(ScriptStep { action: Action::Report(_), .. })) {
            mistakes.push(
                script
                    .error("steps", "the last step is not a report, so that the evaluation would not end")
                    .help("end the list with `action: {report: {healthy: true}}`"),
            );
        }
        if mistakes.is_empty() { Ok(script) } else { Err(Diagnostics(mistakes)) }
    }
}
