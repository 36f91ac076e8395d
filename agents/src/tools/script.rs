//! The script form: the planner writes a bounded program over the typed calls, and it runs in the world step by step.
//!
//! The language is [Rhai](https://rhai.rs), with every typed call as a function (`functions`). Time passes in the world
//! between a call and its answer, so a program cannot simply wait inside of a call: it runs by *replay*. [`Program::next`]
//! runs the source from its start, gives the calls the answers that are recorded so far, and stops at the first call
//! beyond them, which is the action to take next.
//!
//! ```text
//! source ──compile──▶ Program ──next──▶ Act(action) ──the world──▶ reply ──next──▶ … ──▶ Finished { output, error }
//! ```
//!
//! Invariants:
//! - A program that is run again with the same answers does the same: the language has no clock, no chance and no files.
//! - Whatever the source is, `next` comes back: [`Limits`] bound every run, and all runs of a program together.
//! - What stops a run cannot be caught by the program: the stop is noted beside the interpreter, which asks for it before
//!   each of its operations.

mod functions;
mod values;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use rhai::{AST, Dynamic, Engine, EvalAltResult};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use sim::environment::Action;
use sim::time::SimTime;

use super::text::unwrapped;
use super::{Parsed, Tool, ToolError, schema, typed, unknown};
use crate::mechanism::Mechanism;
use crate::policy::Reply;
use functions::{Run, Stop};

/// Why a program cannot be run, or ended before its end. The text is for the one who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// No program.
    #[error("the script is empty: write statements, such as `print(list_pods());`")]
    Empty,
    /// Longer than what is read.
    #[error("the script has {length} characters, more than the {limit} that are read: do less in one script")]
    TooLong {
        /// How long it is.
        length: usize,
        /// How long it may be.
        limit: usize,
    },
    /// It cannot be read.
    #[error("the script cannot be read: {problem}")]
    Syntax {
        /// What is wrong, and where.
        problem: String,
    },
    /// It ran into an error that it did not catch.
    #[error("the script failed: {problem}")]
    Failed {
        /// What is wrong, and where.
        problem: String,
    },
    /// Too many operations.
    #[error(
        "the script was stopped after {limit} operations: a loop does not end, or does too much; let time pass with `wait`"
    )]
    Operations {
        /// How many it may have.
        limit: u64,
    },
    /// Too many operations of all runs together.
    #[error(
        "the script was stopped after {limit} operations in all (it runs again from its start for each call): do less \
         between the calls, or write several scripts"
    )]
    AllOperations {
        /// How many they may have.
        limit: u64,
    },
    /// Functions that call each other too deep.
    #[error("the script was stopped: functions call each other more than {limit} levels deep; use a loop")]
    CallLevels {
        /// How deep they may.
        limit: usize,
    },
    /// Too many variables.
    #[error("the script was stopped: it has more than {limit} variables; use fewer, or an array")]
    Variables {
        /// How many it may have.
        limit: usize,
    },
    /// A text or a collection that is too large.
    #[error("the script was stopped: a value is too large ({what}); keep less")]
    Size {
        /// What is too large, and what is allowed.
        what: String,
    },
    /// Too many calls.
    #[error("the script was stopped before its call number {}: one script makes at most {limit}; go on in another one", .limit + 1)]
    Actions {
        /// How many it may make.
        limit: usize,
    },
    /// It printed too much.
    #[error("the script was stopped: it printed more than {limit} characters; print less")]
    Output {
        /// How much it may print.
        limit: usize,
    },
}

/// What a program may use up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the source.
    pub source: usize,
    /// Operations of the interpreter, from the start of the program to its end.
    pub operations: u64,
    /// The same, of all its runs together.
    pub all_operations: u64,
    /// Functions inside of functions.
    pub call_levels: usize,
    /// Variables at one time.
    pub variables: usize,
    /// Bytes of one text.
    pub string: usize,
    /// Elements of one array, those of arrays inside of it included.
    pub array: usize,
    /// Entries of one map, those of maps inside of it included. An entry that is set by its key is not counted before the
    /// map is used as a whole; the operations bound how many there are.
    pub map: usize,
    /// Actions.
    pub actions: usize,
    /// Bytes of output.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            source: 16_000,
            operations: 30_000,
            all_operations: 300_000,
            call_levels: 16,
            variables: 100,
            // An answer is a little longer than its limit if it is cut.
            string: crate::render::MAX_ANSWER + 2_000,
            array: 1_000,
            map: 500,
            actions: 30,
            output: crate::render::MAX_ANSWER,
        }
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
        /// What it printed, and the value of its last expression, if it has one.
        output: String,
        /// Why it ended early, if it did.
        error: Option<ScriptError>,
    },
}

/// A program in its course.
pub struct Program {
    engine: Engine,
    ast: AST,
    run: Arc<Run>,
    limits: Limits,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Program {
    /// Reads a program.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn new(source: &str, limits: &Limits) -> Result<Self, ScriptError> {
        // Without a fence the blank lines before it count, so that places are told as they were written.
        let source = if source.trim_start().starts_with('`') { unwrapped(source) } else { source.trim_end() };
        if source.is_empty() {
            return Err(ScriptError::Empty);
        }
        if source.len() > limits.source {
            return Err(ScriptError::TooLong { length: source.len(), limit: limits.source });
        }
        let run = Arc::new(Run::new(limits));
        let engine = functions::engine(&run, limits);
        let ast = guarded(|| engine.compile(source).map_err(|e| ScriptError::Syntax { problem: e.to_string() }))?;
        Ok(Self { engine, ast, run, limits: limits.clone() })
    }

    /// Goes on: with nothing at first, then with the answer to the last action.
    pub fn next(&mut self, reply: Option<ScriptReply>) -> Next {
        self.run.start(reply);
        let result = guarded(|| self.engine.eval_ast::<Dynamic>(&self.ast).map_err(|e| self.error(&e)));
        if let Ok(value) = &result {
            self.run.print_value(value);
        }
        let limits = &self.limits;
        let error = match self.run.stopped() {
            Some(Stop::Act(action)) => return Next::Act(action),
            Some(Stop::Reported) => None,
            Some(Stop::Actions) => Some(ScriptError::Actions { limit: limits.actions }),
            Some(Stop::Output) => Some(ScriptError::Output { limit: limits.output }),
            Some(Stop::AllOperations) => Some(ScriptError::AllOperations { limit: limits.all_operations }),
            None => result.err(),
        };
        Next::Finished { output: self.run.output(), error }
    }

    fn error(&self, error: &EvalAltResult) -> ScriptError {
        let limits = &self.limits;
        match error.unwrap_inner() {
            EvalAltResult::ErrorTooManyOperations(_) => ScriptError::Operations { limit: limits.operations },
            EvalAltResult::ErrorStackOverflow(_) => ScriptError::CallLevels { limit: limits.call_levels },
            EvalAltResult::ErrorTooManyVariables(_) => ScriptError::Variables { limit: limits.variables },
            EvalAltResult::ErrorDataTooLarge(what, _) => {
                let Limits { string, array, map, .. } = limits;
                let what = format!("{what}; allowed: {string} bytes of text, {array} elements, {map} entries of maps");
                ScriptError::Size { what }
            }
            EvalAltResult::ErrorFunctionNotFound(..) => {
                let known = typed::all().iter().map(|tool| tool.name).collect::<Vec<_>>().join(", ");
                ScriptError::Failed { problem: format!("{error}; the functions are metric, {known}") }
            }
            _ => ScriptError::Failed { problem: values::shortened(error.to_string()) },
        }
    }
}

/// The interpreter is not ours, and what it runs is hostile at times: a bug in it ends the program, not the episode.
fn guarded<T>(work: impl FnOnce() -> Result<T, ScriptError>) -> Result<T, ScriptError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let problem = "the interpreter broke down; write it more simply".to_owned();
        Err(ScriptError::Failed { problem })
    })
}

/// The tool's name.
const NAME: &str = "run_script";

/// Typed calls beside it: what ends a task, or says what one believes.
const BESIDE: [&str; 2] = ["declare", "report"];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Source {
    /// The script.
    script: String,
}

/// The tools of an agent that works in this way.
pub fn tools(mechanism: Mechanism) -> Vec<Tool> {
    let script = Tool { name: NAME, description: description(mechanism), parameters: schema::<Source>() };
    let mut tools = vec![script];
    tools.extend(typed::some(mechanism, &BESIDE));
    tools
}

/// What a call of one of these tools makes.
///
/// # Errors
/// A message for the caller: unknown tool, arguments that do not fit, a program that cannot be read.
pub fn parse_call(name: &str, arguments: &Value) -> Result<Parsed, ToolError> {
    if name == NAME {
        let arguments: Source = serde_json::from_value(arguments.clone())
            .map_err(|e| ToolError::Arguments { name: NAME.to_owned(), problem: e.to_string() })?;
        return Ok(Parsed::Run(Program::new(&arguments.script, &Limits::default())?));
    }
    if BESIDE.contains(&name) {
        return typed::parse(name, arguments).map(Parsed::Act);
    }
    Err(unknown(name, &tools(Mechanism::Solo)))
}

/// The language in short, and all functions.
fn description(mechanism: Mechanism) -> &'static str {
    static SOLO: LazyLock<String> = LazyLock::new(|| described(Mechanism::Solo));
    static MANAGED: LazyLock<String> = LazyLock::new(|| described(Mechanism::Managed));
    static PEERS: LazyLock<String> = LazyLock::new(|| described(Mechanism::Peers));
    match mechanism {
        Mechanism::Solo => &SOLO,
        Mechanism::Managed => &MANAGED,
        Mechanism::Peers => &PEERS,
    }
}

fn described(mechanism: Mechanism) -> String {
    let Limits { actions, operations, .. } = Limits::default();
    let mut text = format!(
        "Run a script and get what it prints, or its error. The language is Rhai: let, if, while, loop, for x in array, \
         fn, try {{ }} catch (e) {{ }}, arrays [1, 2], maps #{{a: 1}}, texts \"a\" and `a ${{x}}`; an anonymous function \
         |x| sees only its arguments. Arguments of a call stand in this order, or all in one map: scale(\"catalogue\", \
         3) or scale(#{{component: \"catalogue\", replicas: 3}}); those with ? may be left out. Looks return text, \
         changes what the API server says; what is refused is an error that can be caught. query_metrics returns an \
         array of #{{labels, value}}, or with a range of #{{labels, times, values}}; metric(promql) returns the first \
         number, or (). report ends the script. At most {actions} calls and {operations} operations. Functions:"
    );
    for tool in typed::tools(mechanism) {
        let arguments = functions::signature(&tool);
        text.extend([format!("\n- {}({arguments}): {}", tool.name, tool.description)]);
    }
    text
}
