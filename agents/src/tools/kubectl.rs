//! The kubectl form: one tool that takes a command line, and typed calls for what kubectl does not do.
//!
//! ```text
//! text ──line──▶ words ──arguments──▶ words and flags ──looks, changes, manifests, patch──▶ Action
//!    └──────────────┴──────────────────────┴──────▶ Refusal: what is wrong, and what to do instead
//! ```
//!
//! The paper's first level asks whether a model knows the right command; so a command line means here what it means to
//! kubectl, or is refused. [`sim::kubectl`] reads the command lines of recordings, for the twin's control plane; here they
//! are those of people and models, and become actions.
//!
//! Invariants:
//! - There is no shell, and nothing is ever run: what only a shell could do is refused.
//! - No word and no flag is passed over in silence, but those flags that make no difference to the action.
//! - Nothing beyond the application's namespace is looked at or changed, but nodes, which are in none.
//! - A look answers at least what was asked for. Lists of Deployments, and `get all`, are answered with their pods.

mod arguments;
mod changes;
mod closed;
mod line;
mod looks;
mod manifests;
mod namespace;
mod objects;
mod patch;
mod refusal;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use sim::environment::Action;

use super::{Tool, ToolError, schema, typed, unknown};
use crate::mechanism::Mechanism;
use arguments::{Arguments, Form};
pub use refusal::Refusal;

/// The tool's name.
const NAME: &str = "kubectl";

/// Typed calls beside it: what has no command line.
const BESIDE: [&str; 7] = ["query_metrics", "dependencies", "wait", "ask_peer", "raise_issue", "declare", "report"];

const DESCRIPTION: &str = "Run one kubectl command line. There is no shell: no pipes, variables, patterns or files. Looks: \
get, describe, logs, top, events, rollout history|status. Changes: scale, autoscale, set image|env|resources, rollout \
restart|undo, patch, delete, cordon, uncordon, drain. `create -f NAME.yaml` creates the Deployment NAME from its own \
manifest. `apply -f -`, a line break and a manifest apply a Service, HorizontalPodAutoscaler, ResourceQuota, \
PodDisruptionBudget or NetworkPolicy. A list of deployments is answered with their pods.";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CommandLine {
    /// The command line, such as `kubectl get pods -l name=catalogue`.
    command: String,
}

/// The tools of an agent that works in this way.
pub fn tools(mechanism: Mechanism) -> Vec<Tool> {
    let kubectl = Tool { name: NAME, description: DESCRIPTION, parameters: schema::<CommandLine>() };
    let mut tools = vec![kubectl];
    tools.extend(typed::some(mechanism, &BESIDE));
    tools
}

/// Reads command lines for the agents of one application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubectl {
    /// The application's namespace, where every command goes that names none. Any other one, and all of them together, are
    /// forbidden.
    pub namespace: String,
}

impl Kubectl {
    /// The action that a call of one of this form's tools makes.
    ///
    /// # Errors
    /// A message for the caller: unknown tool, arguments that do not fit, a command line that makes no action.
    pub fn parse_call(&self, name: &str, arguments: &Value) -> Result<Action, ToolError> {
        if name == NAME {
            let arguments: CommandLine = serde_json::from_value(arguments.clone())
                .map_err(|e| ToolError::Arguments { name: NAME.to_owned(), problem: e.to_string() })?;
            return Ok(self.parse(&arguments.command)?);
        }
        if BESIDE.contains(&name) { typed::parse(name, arguments) } else { Err(unknown(name, &tools(Mechanism::Solo))) }
    }

    /// The action that a command line makes. What stands behind its line break is the manifest that `apply -f -` reads.
    ///
    /// # Errors
    /// Why it makes none.
    pub fn parse(&self, command_line: &str) -> Result<Action, Refusal> {
        let line = line::read(command_line)?;
        let is_named = line.words.first().is_some_and(|word| word == NAME);
        let words = flags_last(&line.words[usize::from(is_named)..]);
        let [command, words @ ..] = words.as_slice() else { return Err(Refusal::Empty) };
        if line.input.is_some() && !matches!(command.as_str(), "apply" | "create") {
            return Err(Refusal::Shell {
                feature: "a second line",
                instead: "call one command at a time; only `apply -f -` reads what stands behind a line break",
            });
        }
        match command.as_str() {
            "get" => looks::get(self, words),
            "describe" => looks::describe(self, words),
            "logs" => looks::logs(self, words),
            "top" => looks::top(self, words),
            "events" => looks::events(self, words),
            "rollout" => self.rollout(words),
            "scale" => changes::scale(self, words),
            "autoscale" => changes::autoscale(self, words),
            "set" => self.set(words),
            "patch" => patch::patch(self, words),
            "create" => manifests::create(self, &line, words),
            "apply" => manifests::apply(self, &line, words),
            "delete" => manifests::delete(self, words),
            "cordon" => changes::cordon(self, words),
            "uncordon" => changes::uncordon(self, words),
            "drain" => changes::drain(self, words),
            other => Err(closed::refusal(other, is_named)),
        }
    }

    fn rollout(&self, words: &[String]) -> Result<Action, Refusal> {
        let usage = "kubectl rollout history|status|restart|undo deployment/NAME";
        let [what, words @ ..] = words else {
            return Err(Refusal::Missing { what: "what to do with the rollout", usage });
        };
        match what.as_str() {
            "history" => looks::rollout_history(self, words),
            "status" => looks::rollout_status(self, words),
            "restart" => changes::restart(self, words),
            "undo" => changes::undo(self, words),
            "pause" | "resume" => Err(Refusal::Closed {
                command: format!("rollout {what}"),
                reason: "a rollout goes on until it is done; `rollout undo` goes back",
            }),
            _ => Err(Refusal::Unexpected { word: what.clone(), usage }),
        }
    }

    fn set(&self, words: &[String]) -> Result<Action, Refusal> {
        let usage = "kubectl set image|env|resources deployment/NAME ...";
        let [what, words @ ..] = words else {
            return Err(Refusal::Missing { what: "what to set", usage });
        };
        match what.as_str() {
            "image" => changes::set_image(self, words),
            "env" => changes::set_env(self, words),
            "resources" | "resource" => changes::set_resources(self, words),
            "selector" | "serviceaccount" | "sa" | "subject" => Err(Refusal::Closed {
                command: format!("set {what}"),
                reason: "what can be set is image, env and resources; a Service's selector goes with `apply -f -`",
            }),
            _ => Err(Refusal::Unexpected { word: what.clone(), usage }),
        }
    }

    /// Words and flags of a command, in the application's namespace.
    fn read(&self, words: &[String], form: &Form) -> Result<Arguments, Refusal> {
        let arguments = Arguments::read(words, form)?;
        namespace::check(&self.namespace, form.subject, &arguments)?;
        Ok(arguments)
    }
}

/// The same with the flags that stand before the command behind it: `-n sock-shop get pods`.
fn flags_last(words: &[String]) -> Vec<String> {
    let mut first = 0;
    while let Some(word) = words.get(first).filter(|word| word.starts_with('-')) {
        first += if arguments::takes_next(word) { 2 } else { 1 };
    }
    let (flags, rest) = words.split_at(first.min(words.len()));
    rest.iter().chain(flags).cloned().collect()
}
