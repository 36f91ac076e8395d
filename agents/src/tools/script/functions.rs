//! The typed calls as functions of the language, and the record that a program is replayed from.

use std::any::TypeId;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString, OptimizationLevel, Position};
use serde_json::{Map as Fields, Value};
use sim::environment::{Action, MetricQuery, Observation, Query};

use super::values::{self, printed};
use super::{Limits, ScriptReply};
use crate::policy::Reply;
use crate::render;
use crate::tools::{Tool, typed};

/// What the functions share with the program that they belong to.
pub(super) struct Run {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Answers so far, in the order of the calls.
    answers: Vec<ScriptReply>,
    /// How many of them this run has used.
    used: usize,
    output: String,
    stop: Option<Stop>,
    /// Operations of the runs before, and of this one.
    operations_before: u64,
    operations: u64,
}

/// Why a run was stopped.
#[derive(Clone, Debug)]
pub(super) enum Stop {
    /// It wants this action to be taken.
    Act(Action),
    /// Its report is given.
    Reported,
    /// It wants one action more than it may.
    Actions,
    /// It printed too much.
    Output,
    /// It did too much in all.
    AllOperations,
}

type Outcome = Result<Dynamic, Box<EvalAltResult>>;

impl Run {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { limits: limits.clone(), state: Mutex::default() }
    }

    /// The lock is held for moments by one thread; a panic of the interpreter leaves nothing half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run from the start, with the answer to the action that the last one wanted.
    pub(super) fn start(&self, reply: Option<ScriptReply>) {
        let mut state = self.state();
        if matches!(state.stop, Some(Stop::Act(_))) {
            state.answers.extend(reply);
        }
        state.operations_before += state.operations;
        state.operations = 0;
        state.used = 0;
        state.stop = None;
        state.output.clear();
    }

    pub(super) fn stopped(&self) -> Option<Stop> {
        self.state().stop.clone()
    }

    pub(super) fn output(&self) -> String {
        self.state().output.trim_end().to_owned()
    }

    fn print(&self, text: &str) {
        let mut state = self.state();
        state.output.push_str(text);
        state.output.push('\n');
        let limit = self.limits.output;
        if state.output.len() > limit {
            let end = state.output.floor_char_boundary(limit);
            state.output.truncate(end);
            state.stop.get_or_insert(Stop::Output);
        }
    }

    /// The value of the last expression is output too.
    pub(super) fn print_value(&self, value: &Dynamic) {
        if !value.is_unit() && self.state().stop.is_none() {
            self.print(&printed(value));
        }
    }

    /// Whether the run goes on after so many operations.
    fn goes_on(&self, operations: u64) -> bool {
        let mut state = self.state();
        state.operations = operations;
        if state.operations_before + operations > self.limits.all_operations {
            state.stop.get_or_insert(Stop::AllOperations);
        }
        state.stop.is_none()
    }

    /// The answer to a call, if it is recorded; else the run stops here.
    fn answer(&self, action: Action) -> Result<ScriptReply, Box<EvalAltResult>> {
        let mut state = self.state();
        if state.stop.is_some() {
            return Err(stopped());
        }
        let Some(reply) = state.answers.get(state.used).cloned() else {
            let may = state.used < self.limits.actions;
            state.stop = Some(if may { Stop::Act(action) } else { Stop::Actions });
            return Err(stopped());
        };
        state.used += 1;
        if let Action::Report(_) = action {
            state.stop = Some(Stop::Reported);
            return Err(stopped());
        }
        Ok(reply)
    }

    /// Takes an action, and makes a value of what is seen; what is refused is an error that can be caught.
    fn take(&self, action: Action, seen: impl Fn(&Value) -> Result<Dynamic, String>) -> Outcome {
        let ScriptReply { reply, now } = self.answer(action)?;
        match &reply {
            Reply::Seen(Observation::Metrics(data)) => seen(data).map_err(failed),
            Reply::Rejected(why) => Err(failed(why.clone())),
            other => Ok(render::reply(other, now).into()),
        }
    }

    /// A typed call.
    fn call(&self, name: &str, arguments: Fields<String, Value>) -> Outcome {
        let action = typed::parse(name, &Value::Object(arguments)).map_err(|e| failed(e.to_string()))?;
        self.take(action, |data| values::rows(data, &self.limits))
    }

    /// The first number that an instant query yields.
    fn metric(&self, promql: &str) -> Outcome {
        let query = MetricQuery { promql: promql.to_owned(), range: None, step: None };
        self.take(Action::Observe(Query::Metrics(query)), |data| Ok(values::first_number(data)))
    }
}

/// The end of a run. What counts is the stop that was noted; this only leaves the program.
#[expect(clippy::unnecessary_box_returns, reason = "the errors of Rhai are boxed")]
fn stopped() -> Box<EvalAltResult> {
    EvalAltResult::ErrorTerminated(Dynamic::UNIT, Position::NONE).into()
}

#[expect(clippy::unnecessary_box_returns, reason = "the errors of Rhai are boxed")]
fn failed(problem: String) -> Box<EvalAltResult> {
    EvalAltResult::ErrorRuntime(problem.into(), Position::NONE).into()
}

/// The names of a tool's arguments as its description lists them.
pub(super) fn signature(tool: &Tool) -> String {
    let required = tool.parameters["required"].as_array();
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|required| required == name));
    let argument = |name: &&str| if is_required(name) { (*name).to_owned() } else { format!("{name}?") };
    typed::parameters(tool.name).unwrap_or_default().iter().map(argument).collect::<Vec<_>>().join(", ")
}

/// An interpreter in which every typed call is a function.
pub(super) fn engine(run: &Arc<Run>, limits: &Limits) -> Engine {
    let mut engine = Engine::new();
    bound(&mut engine, limits);
    values::register(&mut engine);
    let shared = Arc::clone(run);
    engine.on_print(move |text| shared.print(text));
    let shared = Arc::clone(run);
    engine.on_debug(move |text, _, _| shared.print(text));
    let shared = Arc::clone(run);
    engine.on_progress(move |operations| (!shared.goes_on(operations)).then_some(Dynamic::UNIT));
    let shared = Arc::clone(run);
    engine.register_fn("metric", move |promql: ImmutableString| shared.metric(&promql));
    for tool in typed::all() {
        register(&mut engine, run, tool.name);
    }
    engine
}

fn bound(engine: &mut Engine, limits: &Limits) {
    engine
        // Nothing is worked out before the operations are counted.
        .set_optimization_level(OptimizationLevel::None)
        .set_max_operations(limits.operations)
        .set_max_call_levels(limits.call_levels)
        .set_max_variables(limits.variables)
        .set_max_functions(100)
        // The interpreter walks expressions on the stack of its thread.
        .set_max_expr_depths(48, 24)
        .set_max_string_size(limits.string)
        .set_max_array_size(limits.array)
        .set_max_map_size(limits.map)
        // It would wrap what ends a run into an error that can be caught.
        .disable_symbol("eval");
}

/// One function for each number of arguments: those that are there stand in the declared order, or all in one map.
fn register(engine: &mut Engine, run: &Arc<Run>, name: &'static str) {
    let parameters = typed::parameters(name).unwrap_or_default();
    for count in 0..=parameters.len().max(1) {
        let run = Arc::clone(run);
        let types = vec![TypeId::of::<Dynamic>(); count];
        engine.register_raw_fn(name, types, move |_, values| -> Outcome {
            let values: Vec<Dynamic> = values.iter().map(|value| Dynamic::clone(value)).collect();
            run.call(name, arguments(parameters, &values).map_err(failed)?)
        });
    }
}

fn arguments(parameters: &[&str], values: &[Dynamic]) -> Result<Fields<String, Value>, String> {
    if let [map] = values
        && map.is_map()
    {
        return match values::json(map)? {
            Value::Object(fields) => Ok(fields),
            _ => Ok(Fields::new()),
        };
    }
    if values.len() > parameters.len() {
        return Err("it takes no arguments".to_owned());
    }
    let named = parameters.iter().zip(values).map(|(name, value)| Ok(((*name).to_owned(), values::json(value)?)));
    named.collect()
}
