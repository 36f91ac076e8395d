//! The tools of both roles: what a chat model may call, and the action that a call makes.
//!
//! A call is a name and a JSON object of arguments, as models write them; nothing of it is trusted. The autonomic agent
//! has one closed set of actions in three forms, to be compared ([`ToolForm`]):
//!
//! - [`typed`]: one flat function per action;
//! - [`kubectl`]: one tool that takes a command line, and typed calls for what kubectl does not do;
//! - [`script`]: one tool that takes a program over the typed calls.
//!
//! The group manager has [`manager`]'s. [`for_agent`] and [`parse_agent`] are the way in for an agent.
//!
//! Invariants:
//! - Names, descriptions and JSON schemas come from the types that calls are read into, so they cannot drift apart.
//! - What makes no action is answered with a text for the one who called, and every text says what is wrong.
//! - A call that can be read means the same in every form.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sim::environment::Action;

use crate::mechanism::Mechanism;
use kubectl::Kubectl;

/// Declares the tools of a module that make the same type of action: arguments with their docs, and the action.
macro_rules! tools {
    (
        $made:ty;
        $($type:ident = $name:literal: $description:literal {
            $($(#[$meta:meta])* $field:ident: $kind:ty),*
        } => |$self:ident| $action:expr;)*
    ) => {
        $(
            #[derive(serde::Deserialize, schemars::JsonSchema)]
            #[serde(deny_unknown_fields)]
            struct $type { $($(#[$meta])* $field: $kind),* }

            impl $crate::tools::Arguments for $type {
                type Action = $made;
                const NAME: &'static str = $name;
                const DESCRIPTION: &'static str = $description;
                fn action(self) -> $made {
                    let $self = self;
                    $action
                }
            }
        )*

        /// All tools, in the order in which models are told of them.
        pub fn all() -> Vec<$crate::tools::Tool> {
            vec![$($crate::tools::describe::<$type>()),*]
        }

        /// The action that a tool call makes.
        ///
        /// # Errors
        /// A message for the caller: unknown tool, or arguments that do not fit.
        pub fn parse(name: &str, arguments: &serde_json::Value) -> Result<$made, $crate::tools::ToolError> {
            match name {
                $($name => $crate::tools::read::<$type>(arguments),)*
                _ => Err($crate::tools::unknown(name, &all())),
            }
        }

        /// The names of a tool's arguments, in the order in which they are declared; none if there is no such tool.
        pub fn parameters(name: &str) -> Option<&'static [&'static str]> {
            match name {
                $($name => Some(&[$(stringify!($field)),*]),)*
                _ => None,
            }
        }
    };
}

pub mod kubectl;
pub mod manager;
pub mod script;
mod text;
pub mod typed;

/// In which form an autonomic agent has its actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ToolForm {
    /// One function per action.
    #[default]
    Typed,
    /// Command lines.
    Kubectl,
    /// Programs.
    Script,
}

impl ToolForm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Typed, Self::Kubectl, Self::Script];

    /// As strategies and tables name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Typed => "typed",
            Self::Kubectl => "kubectl",
            Self::Script => "script",
        }
    }
}

/// One tool, as a model is told of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
    /// JSON schema of its arguments.
    pub parameters: Value,
}

/// A tool call that makes no action; the text is for the one who made it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// There is no such tool.
    #[error("unknown tool `{name}`{}; the tools are: {known}", .nearest.as_ref().map(|n| format!(", did you mean `{n}`?")).unwrap_or_default())]
    Unknown {
        /// As called.
        name: String,
        /// The closest that exists.
        nearest: Option<String>,
        /// All that exist.
        known: String,
    },
    /// The arguments do not fit.
    #[error("{name}: {problem}")]
    Arguments {
        /// The tool.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A command line that is none, or that cannot be carried out here.
    #[error(transparent)]
    Command(#[from] kubectl::Refusal),
    /// A program that cannot be run.
    #[error(transparent)]
    Script(#[from] script::ScriptError),
}

/// What an agent's tool call is.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is taken apart at once")]
pub enum Parsed {
    /// One action.
    Act(Action),
    /// A program that makes actions.
    Run(script::Program),
}

/// The tools of an autonomic agent.
pub fn for_agent(form: ToolForm, mechanism: Mechanism) -> Vec<Tool> {
    match form {
        ToolForm::Typed => typed::tools(mechanism),
        ToolForm::Kubectl => kubectl::tools(mechanism),
        ToolForm::Script => script::tools(mechanism),
    }
}

/// What the tool call of an agent makes, of an application in a namespace. Whether the mechanism knows the action is for the one who carries it out.
///
/// # Errors
/// A message for the caller: unknown tool, arguments that do not fit, a command line or a program that cannot be read.
pub fn parse_agent(form: ToolForm, namespace: &str, name: &str, arguments: &Value) -> Result<Parsed, ToolError> {
    match form {
        ToolForm::Typed => typed::parse(name, arguments).map(Parsed::Act),
        ToolForm::Kubectl => Kubectl { namespace: namespace.to_owned() }.parse_call(name, arguments).map(Parsed::Act),
        ToolForm::Script => script::parse_call(name, arguments),
    }
}

/// Arguments of a tool, and the action that they make.
trait Arguments: DeserializeOwned + JsonSchema {
    type Action;
    const NAME: &'static str;
    const DESCRIPTION: &'static str;
    fn action(self) -> Self::Action;
}

fn describe<T: Arguments>() -> Tool {
    Tool { name: T::NAME, description: T::DESCRIPTION, parameters: schema::<T>() }
}

/// The schema in the form that servers of models understand best: nothing is referred to, and no `oneOf`, which strict
/// modes refuse (of the alternatives of our types no two fit the same value, so that `anyOf` says the same).
fn schema<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(object) = schema.as_object_mut() {
        object.remove("title");
    }
    any_of(&mut schema);
    schema
}

fn any_of(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(alternatives) = fields.remove("oneOf") {
                fields.insert("anyOf".to_owned(), alternatives);
            }
            fields.values_mut().for_each(any_of);
        }
        Value::Array(items) => items.iter_mut().for_each(any_of),
        _ => {}
    }
}

fn read<T: Arguments>(arguments: &Value) -> Result<T::Action, ToolError> {
    serde_json::from_value::<T>(arguments.clone())
        .map(T::action)
        .map_err(|e| ToolError::Arguments { name: T::NAME.into(), problem: e.to_string() })
}

fn unknown(name: &str, known: &[Tool]) -> ToolError {
    let known: Vec<&str> = known.iter().map(|tool| tool.name).collect();
    ToolError::Unknown {
        name: name.into(),
        nearest: sim::diagnostic::nearest(name, known.iter().copied()).map(Into::into),
        known: known.join(", "),
    }
}
