//! The kubectl form.
use serde_json::Value;
use sim::environment::Action;

use super::{Tool, ToolError};
use crate::mechanism::Mechanism;

/// Why a command line makes no action.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing is there.
    #[error("the command is empty: write one, such as `kubectl get pods`")]
    Empty,
}

/// The tools of this form.
pub fn tools(mechanism: Mechanism) -> Vec<Tool> {
    super::typed::some(mechanism, &["query_metrics"])
}

/// Reads a command line.
///
/// # Errors
/// Why it makes no action.
pub fn parse(_command_line: &str) -> Result<Action, Refusal> {
    Err(Refusal::Empty)
}

/// The action that a call of this form's tools makes.
///
/// # Errors
/// A message for the caller.
pub fn parse_call(name: &str, arguments: &Value) -> Result<Action, ToolError> {
    match name {
        "kubectl" => Ok(parse(arguments["command"].as_str().unwrap_or_default())?),
        _ => super::typed::parse(name, arguments),
    }
}
