//! A template as its file says it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use sim::diagnostic::{Diagnostic, Diagnostics, Source};
use sim::input::{self, Located};
use sim::scenario::Scenario;

/// Values of a template's variables, by name.
pub type Parameters = BTreeMap<String, Value>;

/// Many scenarios as one text.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    #[serde(rename = "apiVersion")]
    api_version: String,
    kind: String,
    /// Where its scenarios lie in the suite: the kind of their fault, or `decoy`.
    pub folder: String,
    /// How many of them a suite has, relative to those of the other templates.
    pub share: u32,
    /// What varies, apart from each other. A value is that of a variable with the axis' name, or a mapping of several
    /// variables that vary together.
    pub axes: BTreeMap<String, Vec<Value>>,
    /// Variables that are whole numbers out of a range.
    #[serde(default)]
    pub ranges: BTreeMap<String, Range>,
    /// Its scenario's name within the folder, as a template: people read it, no agent does.
    pub name: String,
    /// The scenario, as a template. Beside the variables it has `id`, the whole name.
    pub scenario: String,
    /// Lists of actions by name, as templates: every `witness…` passes, every other one does not.
    #[serde(default)]
    pub scripts: BTreeMap<String, String>,
}

/// Whole numbers, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The first.
    pub from: u32,
    /// None is above it.
    pub to: u32,
    /// From one to the next.
    pub step: u32,
}

impl Range {
    /// How many numbers there are.
    pub(super) fn count(self) -> u64 {
        u64::from((self.to - self.from) / self.step) + 1
    }

    /// One of them, counted from zero.
    pub(super) fn nth(self, n: u64) -> u64 {
        u64::from(self.from) + n * u64::from(self.step)
    }
}

impl Template {
    /// Reads a template's file.
    ///
    /// # Errors
    /// Every mistake at once; those in the texts show when they are rendered.
    pub(super) fn load(source: &Source) -> Result<Self, Diagnostics> {
        let file: Located<Self> = input::parse(source)?;
        let mistakes = file.value.mistakes(&file);
        if mistakes.is_empty() { Ok(file.value) } else { Err(Diagnostics(mistakes)) }
    }

    fn mistakes(&self, file: &Located<Self>) -> Vec<Diagnostic> {
        let mut mistakes = Vec::new();
        let mut refuse = |field: &str, message: &str, help: &str| mistakes.push(file.error(field, message).help(help));
        if self.api_version != Scenario::API_VERSION {
            refuse("apiVersion", "this version is not read here", "write the version of scenarios");
        }
        if self.kind != "ScenarioTemplate" {
            refuse("kind", "this is not what is read here", "write `kind: ScenarioTemplate`");
        }
        if self.share == 0 {
            refuse("share", "no scenario would be made of it", "write at least 1, or remove the file");
        }
        for (axis, values) in &self.axes {
            if values.is_empty() {
                refuse(&format!("axes.{axis}"), "the axis has no value", "write at least one");
            }
        }
        for (name, range) in &self.ranges {
            if range.step == 0 || range.to < range.from {
                refuse(
                    &format!("ranges.{name}"),
                    "the range holds no number",
                    "count from a lower end to a higher one",
                );
            }
        }
        mistakes
    }
}
