//! Faults in a template's environment variables. What a variable means to a program is in its profile
//! ([`Variable`](crate::profile::Variable)).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::injection::Written;
use super::{Effect, ObjectChange};
use crate::environment::Component;
use crate::manifest::EnvValue;
use crate::profile::Variable;
use crate::scenario::{AppWords, Checker};
use crate::time::SimDuration;

/// Another value of an environment variable in a Deployment's template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VariableChange {
    /// The Deployment.
    pub component: Component,
    /// The variable, one that the profile says something about.
    pub name: String,
    /// Its value. Default: it is removed.
    #[serde(default)]
    pub value: Option<String>,
}

impl Written for VariableChange {
    fn effect(&self, _: SimDuration, _: f64) -> Effect {
        let variable = match &self.value {
            Some(value) => json!({ "name": self.name, "value": value }),
            None => json!({ "name": self.name, "$patch": "delete" }),
        };
        let fields = json!({ "env": [variable] });
        Effect::Object(ObjectChange::Container { component: self.component.clone(), fields })
    }

    fn component(&self) -> Option<&str> {
        Some(&self.component)
    }
}

impl VariableChange {
    /// The profile must know the variable, and its value must change.
    pub(super) fn check(&self, checker: &mut Checker<'_>, at: &str, words: &AppWords) {
        self.variable(checker, at, words);
    }

    /// The process must be able to end because of it.
    pub(super) fn check_crash(&self, checker: &mut Checker<'_>, at: &str, words: &AppWords) {
        let ends = |variable: &Variable| match variable {
            Variable::Required(_) | Variable::JavaOptions | Variable::Port => true,
            Variable::OneOf { exits, .. } => exits.is_some(),
            Variable::AddressOf(_) => false,
        };
        if let Some(variable) = self.variable(checker, at, words)
            && !ends(variable)
        {
            let message = format!("no value of `{}` makes {} exit", self.name, self.component);
            checker.refuse(&format!("{at}.name"), message, "inject `bad-environment`, or name another variable");
        }
    }

    /// What the profile says about it, if that makes sense.
    fn variable<'w>(&self, checker: &mut Checker<'_>, at: &str, words: &'w AppWords) -> Option<&'w Variable> {
        checker.component(&format!("{at}.component"), &self.component, words);
        let component = words.component_words(&self.component)?;
        let program = component.program.as_ref()?;
        let variable = program.environment.get(&self.name);
        if variable.is_none() {
            let known = program.environment.keys().map(String::as_str);
            checker.unknown(&format!("{at}.name"), "variable with an effect", &self.name, known);
        }
        let variables = component.container.iter().flat_map(|container| &container.env);
        let set = variables.filter(|variable| variable.name == self.name).map(|variable| &variable.value).next_back();
        if component.container.is_some() && set == self.value.clone().map(EnvValue::Text).as_ref() {
            checker.refuse(at, format!("`{}` has this value anyway", self.name), "write another value");
        }
        variable
    }
}
