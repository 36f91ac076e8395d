//! What a chat model is told: its role, its boundaries, what is wanted, how it acts, and its task.
//!
//! A prompt is a minijinja template among [`Prompts`]. Those that ship lie in `agents/prompts/`: one set per role
//! (`agent/`, `manager/`, and `critic/` for both), which shares its parts by `{% include %}`; mechanism and tool form are
//! parts of their own (`agent/mechanism/…`, `agent/form/…`). Any of them can be replaced by another text of the same name,
//! and a text of one's own can be included if its name begins with [`OWN`].
//!
//! Invariants:
//! - A prompt is made of nothing but what its role may know: a [`TaskView`] or a [`GroupTaskView`], its mechanism, form and
//!   budget. Nothing of a scenario's name, faults or truth is at hand where prompts are rendered.
//! - What a template names and nobody defines is a mistake, and all mistakes are found before an episode begins.
//! - The same texts have the same [`Prompts::digest`], which stays with what was played.

mod specimen;
mod view;

use std::collections::BTreeMap;
use std::error::Error;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sim::diagnostic::{Diagnostic, Diagnostics, nearest};

use crate::mechanism::Mechanism;
use crate::policy::{GroupTaskView, TaskView};
use crate::tools::ToolForm;

/// How the names of parts begin that are nobody's but a user's.
pub const OWN: &str = "own/";

/// The texts of `agents/prompts/` by name.
macro_rules! texts {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../prompts/", $name)))),*]
    };
}

const BUILT_IN: &[(&str, &str)] = texts![
    "agent/budget.j2",
    "agent/form/kubectl.j2",
    "agent/form/script.j2",
    "agent/form/typed.j2",
    "agent/mechanism/managed.j2",
    "agent/mechanism/peers.j2",
    "agent/mechanism/solo.j2",
    "agent/method.j2",
    "agent/system.j2",
    "agent/task.j2",
    "critic/agent.j2",
    "critic/manager.j2",
    "critic/proposal.j2",
    "manager/issue.j2",
    "manager/system.j2",
    "manager/task.j2",
    "shared/kinds.j2",
    "shared/measuring.j2",
    "shared/memory.j2",
    "shared/objectives.j2",
];

/// A set of prompts, checked.
#[derive(Clone, Debug)]
pub struct Prompts {
    texts: BTreeMap<String, String>,
    environment: Environment<'static>,
}

/// A prompt that cannot be rendered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("prompt {name}:{line}: {problem}")]
pub struct PromptError {
    /// The template.
    pub name: String,
    /// The line, from 1; zero where it is not known.
    pub line: u32,
    /// What is wrong.
    pub problem: String,
}

/// What a role may use up, as its prompt says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Allowance {
    /// Steps for one task.
    pub steps: u32,
    /// Characters of one answer that are read.
    pub answer_characters: usize,
}

/// What is put before a critic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Proposal<'a> {
    /// The task as the one who proposes was told of it.
    pub task: &'a str,
    /// What has happened since.
    pub transcript: &'a str,
    /// Whether the transcript's beginning is left out.
    pub cut: bool,
    /// What is proposed.
    pub proposal: &'a str,
    /// Steps that are left.
    pub steps_left: u32,
}

impl Default for Prompts {
    /// Those that ship.
    fn default() -> Self {
        match Self::replacing(&BTreeMap::new()) {
            Ok(prompts) => prompts,
            Err(mistakes) => unreachable!("the prompts that ship are sound: {mistakes}"),
        }
    }
}

impl Prompts {
    /// Those that ship, but for these texts by name, such as `agent/task.j2`.
    ///
    /// # Errors
    /// Every mistake at once: a name that no prompt has, a template that cannot be read, a variable that nobody defines.
    pub fn replacing(texts: &BTreeMap<String, String>) -> Result<Self, Diagnostics> {
        let mut mistakes: Vec<Diagnostic> = texts.keys().filter_map(|name| unknown(name)).collect();
        let built_in = BUILT_IN.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let mut all: BTreeMap<String, String> = built_in.collect();
        all.extend(texts.iter().map(|(name, text)| (name.clone(), text.clone())));
        let mut environment = environment();
        let mut errors = Vec::new();
        for (name, text) in &all {
            if let Err(error) = environment.add_template_owned(name.clone(), text.clone()) {
                errors.push(PromptError::of(name, &error));
                // In its place stands what ships, so that all that includes it can still be checked.
                let shipped = BUILT_IN.iter().find(|(other, _)| *other == name.as_str()).map_or("", |(_, text)| *text);
                environment.add_template_owned(name.clone(), shipped).ok();
            }
        }
        let prompts = Self { texts: all, environment };
        errors.extend(specimen::mistakes(&prompts));
        mistakes.extend(errors.into_iter().map(|error| {
            Diagnostic::error(error.name, error.line, "", error.problem)
                .help("compare with the prompt of that name which ships: a template may use what that one uses")
        }));
        if mistakes.is_empty() { Ok(prompts) } else { Err(Diagnostics(mistakes)) }
    }

    /// All texts by name, as they are rendered from.
    pub const fn texts(&self) -> &BTreeMap<String, String> {
        &self.texts
    }

    /// SHA-256 over all names and texts, in hexadecimal digits.
    pub fn digest(&self) -> String {
        use std::fmt::Write;
        let mut hash = Sha256::new();
        for (name, text) in &self.texts {
            for part in [name, text] {
                // With its length, so that no two sets run together to the same bytes.
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part.as_bytes());
            }
        }
        hash.finalize().iter().fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            write!(text, "{byte:02x}").ok();
            text
        })
    }

    /// What an agent is told once.
    ///
    /// # Errors
    /// The template cannot be rendered.
    pub fn agent_system(
        &self,
        task: &TaskView,
        mechanism: Mechanism,
        form: ToolForm,
        budget: Allowance,
    ) -> Result<String, PromptError> {
        self.render("agent/system.j2", &view::Agent::of(task, mechanism, form, budget))
    }

    /// What an agent is told when it gets a task; `memory` is what it noted in earlier ones.
    ///
    /// # Errors
    /// The template cannot be rendered.
    pub fn agent_task(&self, task: &TaskView, memory: Option<&str>) -> Result<String, PromptError> {
        self.render("agent/task.j2", &view::Task::of_agent(task, memory))
    }

    /// What a group manager is told once.
    ///
    /// # Errors
    /// The template cannot be rendered.
    pub fn manager_system(&self, group: &GroupTaskView, budget: Allowance) -> Result<String, PromptError> {
        self.render("manager/system.j2", &view::Manager::of(group, Some(budget)))
    }

    /// What a group manager is told when it gets a task; `memory` is what it noted in earlier ones.
    ///
    /// # Errors
    /// The template cannot be rendered.
    pub fn manager_task(&self, group: &GroupTaskView, memory: Option<&str>) -> Result<String, PromptError> {
        self.render("manager/task.j2", &view::Task::of_manager(group, memory))
    }

    /// What a group manager is told when the agent of `from` raises an issue.
    ///
    /// # Errors
    /// The template cannot be rendered.
    pub fn manager_issue(&self, from: &str, text: &str, memory: Option<&str>) -> Result<String, PromptError> {
        self.render("manager/issue.j2", &view::Issue { from, text, memory })
    }

    /// What the critic of an agent is told once.
    ///
    /// # Errors
    /// The template cannot be rendered.
    pub fn agent_critic(&self, task: &TaskView) -> Result<String, PromptError> {
        self.render("critic/agent.j2", &view::AgentCritic::of(task))
    }

    /// What the critic of a group manager is told once.
    ///
    /// # Errors
    /// The template cannot be rendered.
    pub fn manager_critic(&self, group: &GroupTaskView) -> Result<String, PromptError> {
        self.render("critic/manager.j2", &view::Manager::of(group, None))
    }

    /// What a critic is told of a proposal.
    ///
    /// # Errors
    /// The template cannot be rendered.
    pub fn proposal(&self, proposal: &Proposal<'_>) -> Result<String, PromptError> {
        self.render("critic/proposal.j2", proposal)
    }

    fn render(&self, name: &str, context: &impl Serialize) -> Result<String, PromptError> {
        let template = self.environment.get_template(name);
        let text = template.and_then(|template| template.render(Serde(context)));
        match text {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) => Err(PromptError::of(name, &error)),
        }
    }
}

impl PromptError {
    /// What minijinja says, of the innermost template.
    fn of(name: &str, error: &minijinja::Error) -> Self {
        let mut innermost = error;
        while let Some(inner) = innermost.source().and_then(|inner| inner.downcast_ref::<minijinja::Error>()) {
            innermost = inner;
        }
        let problem = match innermost.detail() {
            Some(detail) => format!("{}: {detail}", innermost.kind()),
            None => innermost.kind().to_string(),
        };
        let line = innermost.line().and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
        Self { name: innermost.name().unwrap_or(name).to_owned(), line, problem }
    }
}

/// Templates whose tags leave no empty lines behind, and in which a name that nobody defines is a mistake.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    // With the usual delimiters it always builds.
    if let Ok(syntax) = syntax {
        environment.set_syntax(syntax);
    }
    environment
}

/// Says that no prompt has this name.
fn unknown(name: &str) -> Option<Diagnostic> {
    let known = || BUILT_IN.iter().map(|(name, _)| *name);
    if name.starts_with(OWN) || known().any(|other| other == name) {
        return None;
    }
    let help = match nearest(name, known()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            format!("put parts of your own into `{OWN}`; the prompts are {}", known().collect::<Vec<_>>().join(", "))
        }
    };
    Some(Diagnostic::error(name, 0, "", format!("there is no prompt `{name}`")).help(help))
}
