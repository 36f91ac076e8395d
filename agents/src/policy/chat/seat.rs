//! What a chat model's play depends on its role for: its tools, its prompts, and the text of what it hears.

use serde_json::Value;
use sim::environment::{Action, Conclusion, ManagerAction};
use sim::time::{SimDuration, SimTime};

use super::ChatSettings;
use crate::policy::{AutonomicAgent, GroupManager, Heard, ManagerHeard, Percept, Reply, Role};
use crate::prompts::{Allowance, PromptError, Prompts};
use crate::render;
use crate::tools::script::{self, Program, ScriptReply};
use crate::tools::{self, Tool, ToolError, ToolForm, manager};

/// A role that a chat model can play in.
pub trait Seat: Role<Heard: Clone> + Sized + 'static {
    /// A script in its course, where the role has any.
    type Program;

    /// The tool that ends a task.
    const LAST_TOOL: &'static str;

    /// The tools of the role.
    fn tools(settings: &ChatSettings) -> Vec<Tool>;

    /// The namespace of the application, where a task says it.
    fn namespace(heard: &Self::Heard) -> &str;

    /// What a tool call makes, in the namespace of the application.
    ///
    /// # Errors
    /// A message for the caller.
    fn parse(form: ToolForm, namespace: &str, name: &str, arguments: &Value) -> Result<Parsed<Self>, ToolError>;

    /// Goes on with a script: with nothing at first, then with what was heard of its last action.
    fn next(program: &mut Self::Program, answer: Option<Percept<Self::Heard>>) -> Next<Self>;

    /// Whether this begins a task.
    fn is_task(heard: &Self::Heard) -> bool;

    /// What the model and its critic are told of a task.
    ///
    /// # Errors
    /// A prompt cannot be rendered.
    fn brief(
        heard: &Self::Heard,
        prompts: &Prompts,
        settings: &ChatSettings,
        budget: Allowance,
        memory: Option<&str>,
    ) -> Result<Briefing, PromptError>;

    /// What is heard, as text.
    fn text(heard: &Self::Heard, now: SimTime) -> String;

    /// The action of a step that needs none.
    fn pause() -> Self::Action;

    /// An action that a critic looks at and that is remembered, as text: a change of the world, or work for others.
    fn change(action: &Self::Action) -> Option<String>;

    /// The report of an action that ends the task.
    fn conclusion(action: &Self::Action) -> Option<&Conclusion>;
}

/// What a tool call is.
pub enum Parsed<R: Seat> {
    /// One action.
    Act(R::Action),
    /// A script that makes actions.
    Run(R::Program),
}

/// How a script goes on.
pub enum Next<R: Seat> {
    /// It takes this action and wants the answer.
    Act(R::Action),
    /// It is over.
    Finished {
        /// What it printed.
        output: String,
        /// Why it ended early, if it did.
        error: Option<String>,
    },
}

/// What a model and its critic are told of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Briefing {
    /// The system prompt.
    pub system: String,
    /// The task.
    pub task: String,
    /// The critic's system prompt.
    pub critic: String,
}

impl Seat for AutonomicAgent {
    type Program = Program;
    const LAST_TOOL: &'static str = "report";

    fn tools(settings: &ChatSettings) -> Vec<Tool> {
        tools::for_agent(settings.form, settings.mechanism)
    }

    fn parse(form: ToolForm, namespace: &str, name: &str, arguments: &Value) -> Result<Parsed<Self>, ToolError> {
        Ok(match tools::parse_agent(form, namespace, name, arguments)? {
            tools::Parsed::Act(action) => Parsed::Act(action),
            tools::Parsed::Run(program) => Parsed::Run(program),
        })
    }

    fn namespace(heard: &Heard) -> &str {
        match heard {
            Heard::Task(task) => &task.namespace,
            Heard::Answer(_) => "",
        }
    }

    fn next(program: &mut Program, answer: Option<Percept<Heard>>) -> Next<Self> {
        let reply = answer.map(|Percept { now, heard, .. }| {
            let reply = match heard {
                Heard::Answer(reply) => reply,
                // A task begins a new conversation, in which no script runs.
                Heard::Task(_) => Reply::Noted,
            };
            ScriptReply { reply, now }
        });
        match program.next(reply) {
            script::Next::Act(action) => Next::Act(action),
            script::Next::Finished { output, error } => {
                Next::Finished { output, error: error.map(|error| error.to_string()) }
            }
        }
    }

    fn is_task(heard: &Heard) -> bool {
        matches!(heard, Heard::Task(_))
    }

    fn brief(
        heard: &Heard,
        prompts: &Prompts,
        settings: &ChatSettings,
        budget: Allowance,
        memory: Option<&str>,
    ) -> Result<Briefing, PromptError> {
        let Heard::Task(task) = heard else { unreachable!("only a task is briefed on") };
        Ok(Briefing {
            system: prompts.agent_system(task, settings.mechanism, settings.form, budget)?,
            task: prompts.agent_task(task, memory)?,
            critic: prompts.agent_critic(task)?,
        })
    }

    fn text(heard: &Heard, now: SimTime) -> String {
        match heard {
            Heard::Task(task) => task.text.clone(),
            Heard::Answer(reply) => render::reply(reply, now),
        }
    }

    fn pause() -> Action {
        Action::Wait(SimDuration::ZERO)
    }

    fn change(action: &Action) -> Option<String> {
        match action {
            Action::Write(write) => serde_json::to_string(write).ok(),
            _ => None,
        }
    }

    fn conclusion(action: &Action) -> Option<&Conclusion> {
        match action {
            Action::Report(conclusion) => Some(conclusion),
            _ => None,
        }
    }
}

impl Seat for GroupManager {
    /// There are no scripts of work for others.
    type Program = std::convert::Infallible;
    const LAST_TOOL: &'static str = "conclude";

    fn tools(_: &ChatSettings) -> Vec<Tool> {
        manager::all()
    }

    fn parse(_: ToolForm, _: &str, name: &str, arguments: &Value) -> Result<Parsed<Self>, ToolError> {
        manager::parse(name, arguments).map(Parsed::Act)
    }

    fn namespace(_: &ManagerHeard) -> &'static str {
        // It has no command lines.
        ""
    }

    fn next(program: &mut Self::Program, _: Option<Percept<ManagerHeard>>) -> Next<Self> {
        match *program {}
    }

    fn is_task(heard: &ManagerHeard) -> bool {
        matches!(heard, ManagerHeard::Task(_) | ManagerHeard::Issue { .. })
    }

    fn brief(
        heard: &ManagerHeard,
        prompts: &Prompts,
        _: &ChatSettings,
        budget: Allowance,
        memory: Option<&str>,
    ) -> Result<Briefing, PromptError> {
        let (group, task) = match heard {
            ManagerHeard::Task(group) => (group, prompts.manager_task(group, memory)?),
            ManagerHeard::Issue { from, text, group } => (group, prompts.manager_issue(from, text, memory)?),
            _ => unreachable!("only a task or an issue is briefed on"),
        };
        Ok(Briefing { system: prompts.manager_system(group, budget)?, task, critic: prompts.manager_critic(group)? })
    }

    fn text(heard: &ManagerHeard, _: SimTime) -> String {
        render::group::heard(heard)
    }

    fn pause() -> ManagerAction {
        ManagerAction::Wait(SimDuration::ZERO)
    }

    fn change(action: &ManagerAction) -> Option<String> {
        match action {
            ManagerAction::Delegate(work) => serde_json::to_string(work).ok(),
            _ => None,
        }
    }

    fn conclusion(action: &ManagerAction) -> Option<&Conclusion> {
        match action {
            ManagerAction::Conclude(conclusion) => Some(conclusion),
            _ => None,
        }
    }
}
