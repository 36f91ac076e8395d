//! A strategy: who plays each role and how, as one YAML file.
//!
//! ```yaml
//! apiVersion: sockpit/v1alpha1
//! kind: Strategy
//! mechanism: managed
//! tool_form: typed
//! agent: {model: gpt-4o-mini}
//! manager: {model: gpt-4o, prompts: prompts/terse}
//! critic: {model: gpt-4o-mini}
//! memory: true
//! budgets: {steps: 20, tokens: 200000}
//! ```
//!
//! Everything may be left out: the default is typed tools, the mechanism that the scenario asks for, and a model that is
//! named elsewhere. A model is a name; whether there is such a model, or a built-in policy of that name, and what lies in a
//! folder of prompts, is for whoever reads files to find out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim::diagnostic::{Diagnostic, Diagnostics, Source};
use sim::input::{self, Located};
use sim::scenario::Scenario;

use crate::mechanism::Mechanism;
use crate::policy::chat::{ChatLimits, ChatSettings};
use crate::tools::ToolForm;

/// A whole strategy file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Strategy {
    /// Always `sockpit/v1alpha1`.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// Always `Strategy`.
    pub kind: String,
    /// What it is meant to show, for readers; no model sees it.
    #[serde(default)]
    pub description: String,
    /// How the agents work together. Default: as the scenario says, `managed` for the task of a group and `solo` for any
    /// other.
    #[serde(default)]
    pub mechanism: Option<Mechanism>,
    /// In which form an agent has its tools. Default: `typed`.
    #[serde(default)]
    pub tool_form: ToolForm,
    /// Who decides for the autonomic agents, and what it is told.
    #[serde(default)]
    pub agent: RoleStrategy,
    /// Who decides for the group manager, and what it is told. Only with the mechanism `managed`.
    #[serde(default)]
    pub manager: Option<RoleStrategy>,
    /// Who approves or declines each change (and each round of a manager) before it is made. Default: nobody.
    #[serde(default)]
    pub critic: Option<CriticStrategy>,
    /// Whether a model is told at each task what it noted in the tasks before. Default: no.
    #[serde(default)]
    pub memory: bool,
    /// What may be used up.
    #[serde(default)]
    pub budgets: Budgets,
}

/// Who decides in a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RoleStrategy {
    /// The name of a model, or of a built-in policy such as `runbook`. Default: the one that is played with.
    pub model: Option<String>,
    /// What it is told: `default`, or a folder with the texts that differ.
    pub prompts: PromptChoice,
}

/// Who criticises.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CriticStrategy {
    /// The name of a model. Default: the same one that proposes.
    pub model: Option<String>,
}

/// Where prompts come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub enum PromptChoice {
    /// Those that ship.
    #[default]
    Default,
    /// A folder whose files take the place of those that ship, by name.
    Folder(String),
}

impl From<String> for PromptChoice {
    fn from(text: String) -> Self {
        if text == "default" { Self::Default } else { Self::Folder(text) }
    }
}

impl From<PromptChoice> for String {
    fn from(choice: PromptChoice) -> Self {
        match choice {
            PromptChoice::Default => "default".to_owned(),
            PromptChoice::Folder(path) => path,
        }
    }
}

/// What may be used up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Budgets {
    /// Steps for one task, in place of the scenario's.
    pub steps: Option<u32>,
    /// Tokens that each agent and the manager may read and write in an episode. Default: as many as it takes.
    pub tokens: Option<u64>,
    /// Tokens of a conversation that the model can read; beyond them the oldest answers are cut. Default: 32000.
    pub context_tokens: Option<u32>,
    /// Characters of one answer that are read. Default: 16000.
    pub answer_characters: Option<u32>,
}

impl Default for Strategy {
    fn default() -> Self {
        Self {
            api_version: Scenario::API_VERSION.to_owned(),
            kind: Self::KIND.to_owned(),
            description: String::new(),
            mechanism: None,
            tool_form: ToolForm::default(),
            agent: RoleStrategy::default(),
            manager: None,
            critic: None,
            memory: false,
            budgets: Budgets::default(),
        }
    }
}

impl Strategy {
    const KIND: &'static str = "Strategy";

    /// Reads a strategy.
    ///
    /// # Errors
    /// Every mistake at once: those of form and type, or else those of meaning.
    pub fn load(source: &Source) -> Result<Located<Self>, Diagnostics> {
        let strategy: Located<Self> = input::parse(source)?;
        match mistakes(&strategy) {
            mistakes if mistakes.is_empty() => Ok(strategy),
            mistakes => Err(Diagnostics(mistakes)),
        }
    }

    /// How a chat model plays by it. `past` is what was noted in earlier episodes; it is told only with a memory.
    pub fn settings(&self, mechanism: Mechanism, past: &str) -> ChatSettings {
        let default = ChatLimits::default();
        let or = |own: Option<u32>, default: usize| own.map_or(default, |own| own as usize);
        let limits = ChatLimits {
            context_tokens: or(self.budgets.context_tokens, default.context_tokens),
            answer_characters: or(self.budgets.answer_characters, default.answer_characters),
            tokens: self.budgets.tokens,
            ..default
        };
        ChatSettings { mechanism, form: self.tool_form, limits, memory: self.memory.then(|| past.to_owned()) }
    }

    /// Who decides for the group manager: as the agents do, if the file does not say.
    pub fn manager(&self) -> &RoleStrategy {
        self.manager.as_ref().unwrap_or(&self.agent)
    }
}

/// The JSON schema of a strategy file, for editors.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Strategy).to_value()
}

/// All mistakes of meaning, in the order of lines.
fn mistakes(file: &Located<Strategy>) -> Vec<Diagnostic> {
    let strategy = &file.value;
    let mut found = heading(file);
    if let (Some(_), Some(mechanism @ (Mechanism::Solo | Mechanism::Peers))) = (&strategy.manager, strategy.mechanism) {
        let mechanism = mechanism.name();
        found.push(
            file.error("manager", format!("there is no manager in the mechanism `{mechanism}`"))
                .help("write `mechanism: managed`, or leave `manager` out"),
        );
    }
    found.extend(names(file));
    let budgets = &strategy.budgets;
    let numbers = [
        ("budgets.steps", budgets.steps.map(u64::from), 1, 10_000),
        ("budgets.tokens", budgets.tokens, 1_000, 1_000_000_000),
        ("budgets.context_tokens", budgets.context_tokens.map(u64::from), 2_000, 10_000_000),
        ("budgets.answer_characters", budgets.answer_characters.map(u64::from), 200, 1_000_000),
    ];
    for (field, number, low, high) in numbers {
        if let Some(number) = number.filter(|number| !(low..=high).contains(number)) {
            found.push(
                file.error(field, format!("{number} is out of range"))
                    .help(format!("write a number from {low} to {high}, or leave it out")),
            );
        }
    }
    found.sort_by_key(|mistake| mistake.line);
    found
}

fn heading(file: &Located<Strategy>) -> Vec<Diagnostic> {
    let Strategy { api_version, kind, .. } = &file.value;
    let version = (api_version != Scenario::API_VERSION).then(|| {
        file.error("apiVersion", format!("`{api_version}` is not a version that this sockpit reads"))
            .help(format!("write `apiVersion: {}`", Scenario::API_VERSION))
    });
    let kind = (kind != Strategy::KIND).then(|| {
        file.error("kind", format!("`{kind}` is not what is read here"))
            .help(format!("write `kind: {}`", Strategy::KIND))
    });
    version.into_iter().chain(kind).collect()
}

/// Names and folders that are empty.
fn names(file: &Located<Strategy>) -> Vec<Diagnostic> {
    let strategy = &file.value;
    let manager = strategy.manager.as_ref();
    let names = [
        ("agent.model", strategy.agent.model.as_ref()),
        ("manager.model", manager.and_then(|manager| manager.model.as_ref())),
        ("critic.model", strategy.critic.as_ref().and_then(|critic| critic.model.as_ref())),
    ];
    let folder = |role: &'static str, strategy: Option<&RoleStrategy>| match strategy.map(|s| &s.prompts) {
        Some(PromptChoice::Folder(path)) if path.trim().is_empty() => Some(role),
        _ => None,
    };
    let folders = [folder("agent.prompts", Some(&strategy.agent)), folder("manager.prompts", manager)];
    let empty_names = names.into_iter().filter(|(_, name)| name.is_some_and(|name| name.trim().is_empty()));
    let empty_names = empty_names
        .map(|(field, _)| file.error(field, "the name is empty").help("write the name of a model, or leave it out"));
    let empty_folders = folders
        .into_iter()
        .flatten()
        .map(|field| file.error(field, "the folder's name is empty").help("write `default`, or a folder"));
    empty_names.chain(empty_folders).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: &str = "apiVersion: sockpit/v1alpha1\nkind: Strategy\n";

    fn load(text: &str) -> Result<Strategy, String> {
        let source = Source { path: "s.yaml".into(), text: format!("{HEADING}{text}") };
        Strategy::load(&source).map(|located| located.value).map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn an_empty_strategy_is_the_default() {
        let strategy = load("").unwrap();
        assert_eq!(strategy, Strategy::default());
        assert_eq!(strategy.settings(Mechanism::Solo, "of no use without a memory"), ChatSettings::default());
    }

    #[test]
    fn a_strategy_says_who_plays_and_how() {
        let strategy = load(
            "mechanism: managed\ntool_form: script\nagent: {model: small, prompts: terse}\nmanager: {model: runbook}\n\
             critic: {}\nmemory: true\nbudgets: {steps: 12, tokens: 50000, context_tokens: 8000, answer_characters: 500}\n",
        )
        .unwrap();
        assert_eq!(strategy.agent.prompts, PromptChoice::Folder("terse".into()));
        assert_eq!(strategy.manager().model.as_deref(), Some("runbook"));
        assert_eq!(strategy.critic, Some(CriticStrategy { model: None }));
        let settings = strategy.settings(Mechanism::Managed, "- past");
        assert_eq!((settings.mechanism, settings.form), (Mechanism::Managed, ToolForm::Script));
        assert_eq!(settings.memory.as_deref(), Some("- past"));
        let limits = settings.limits;
        assert_eq!((limits.context_tokens, limits.answer_characters, limits.tokens), (8000, 500, Some(50000)));
    }

    #[test]
    fn what_is_written_reads_back_as_it_was() {
        let strategy = Strategy { memory: true, critic: Some(CriticStrategy::default()), ..Strategy::default() };
        let text = serde_json::to_string(&strategy).unwrap();
        // JSON is YAML.
        let read = Strategy::load(&Source { path: "s.yaml".into(), text }).unwrap();
        assert_eq!(read.value, strategy);
    }

    #[test]
    fn all_mistakes_are_found_at_once() {
        let form = "mechanism: manged\ntool_form: bash\nagent: {modell: x}\nmanager: gpt\nmemory: maybe\n\
                    budgets: {steps: -1}\ncritc: {}\n";
        insta::assert_snapshot!("mistakes_of_form", load(form).unwrap_err());
    }

    #[test]
    fn mistakes_of_meaning_are_found_at_once() {
        let meaning = "mechanism: peers\nagent: {model: '', prompts: ' '}\nmanager: {model: x}\n\
                       budgets: {steps: 0, tokens: 5}\n";
        let source = Source { path: "s.yaml".into(), text: "apiVersion: v1\nkind: Script\n".into() };
        let heading = Strategy::load(&source).unwrap_err();
        insta::assert_snapshot!("mistakes_of_meaning", format!("{}\n\n{heading}", load(meaning).unwrap_err()));
    }

    #[test]
    fn the_schema_names_every_field() {
        let schema = json_schema();
        for field in ["mechanism", "tool_form", "agent", "manager", "critic", "memory", "budgets"] {
            assert!(schema["properties"][field].is_object(), "{field}");
        }
    }
}
