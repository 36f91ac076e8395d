//! The script form.
use serde_json::Value;
use sim::environment::Action;
use sim::time::SimTime;

use super::{Parsed, Tool, ToolError};
use crate::mechanism::Mechanism;
use crate::policy::Reply;

/// Why a program cannot be run, or ended before its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// No program.
    #[error("the script is empty")]
    Empty,
}

/// What a program may use up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Actions.
    pub actions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { actions: 50 }
    }
}

/// What came of a program's last action.
#[derive(Clone, Debug, PartialEq)]
pub struct ScriptReply {
    /// The answer.
    pub reply: Reply,
    /// The world's clock when it came.
    pub now: SimTime,
}

/// How a program goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// It takes this action; [`Program::next`] wants the answer.
    Act(Action),
    /// It is over.
    Finished {
        /// What it printed.
        output: String,
        /// Why it ended early, if it did.
        error: Option<ScriptError>,
    },
}

/// A program in its course.
#[derive(Debug)]
pub struct Program {}

impl Program {
    /// Reads a program.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn new(_source: &str, _limits: &Limits) -> Result<Self, ScriptError> {
        Err(ScriptError::Empty)
    }

    /// Goes on: with nothing at first, then with the answer to the last action.
    pub fn next(&mut self, _reply: Option<ScriptReply>) -> Next {
        Next::Finished { output: String::new(), error: None }
    }
}

/// The tools of this form.
pub fn tools(mechanism: Mechanism) -> Vec<Tool> {
    super::typed::some(mechanism, &["declare", "report"])
}

/// What a call of this form's tools makes.
///
/// # Errors
/// A message for the caller.
pub fn parse_call(name: &str, arguments: &Value) -> Result<Parsed, ToolError> {
    match name {
        "run_script" => Ok(Parsed::Run(Program::new(arguments["script"].as_str().unwrap_or_default(), &Limits::default())?)),
        _ => super::typed::parse(name, arguments).map(Parsed::Act),
    }
}
