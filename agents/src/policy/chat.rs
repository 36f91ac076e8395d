//! A chat model as a policy, for either role.
//!
//! ```text
//! Heard ──text──▶ Conversation ──▶ ChatModel ──▶ text and tool calls ──parse──▶ Action | script | Misstep
//!                      ▲                                                          │
//!                      └── the answer to each call ◀── carried out, one after the other
//! ```
//!
//! Terms:
//! - a *conversation* is everything since the task: system prompt, task, what the model said, what its tools answered. A
//!   new task begins a new one, and of earlier ones only a note stays, if at all ([`ChatSettings::memory`]);
//! - a *step* is one call of the model. The other tool calls of the same answer, and the other actions of the same script,
//!   are decided together with it ([`Cost::Continued`]);
//! - a *critic* is a second model call that approves or declines a change before it is made. It belongs to the step in
//!   which the change was proposed, and its tokens are added to it; a change that comes as part of an earlier answer makes
//!   a step of its own by it. What it declines is a misstep ([`MisstepKind::Declined`]) and is not done.
//!
//! Invariants:
//! - every tool call gets an answer of its own before the model is asked again;
//! - whatever a model writes, a decision comes of it: an action, or a misstep that says what was wrong. Only a failure
//!   after which nothing could be right ends the episode;
//! - the conversation stays below the length that the model can read, and neither prompt nor task is ever cut;
//! - the same observations and the same answers of the models make the same requests, to the byte.

mod ask;
mod call;
mod conversation;
mod critic;
mod memory;
mod repetition;
mod seat;
mod settings;

use std::collections::VecDeque;
use std::sync::Arc;

use sim::episode::MisstepKind;

use crate::model::{ChatModel, Usage};
use crate::prompts::{Allowance, PromptError, Prompts};
use crate::tools::ToolError;
use crate::tools::kubectl::Refusal;
use ask::Review;
use call::Call;
use conversation::Conversation;
use memory::Memory;
use repetition::Repetition;

use super::{Cost, Decided, Deciding, Decision, Misstep, Percept, Policy};
pub use memory::{Past, remembered};
pub use seat::{Briefing, Next, Parsed, Seat};
pub use settings::{ChatLimits, ChatSettings};

/// The most characters of the name of a tool: no server knows longer ones.
const LONGEST_NAME: usize = 64;

/// The most characters of what is said about a call that makes nothing.
const LONGEST_REASON: usize = 1_500;

/// A chat model that plays in the role `R`.
pub struct Chat<R: Seat> {
    model: Arc<dyn ChatModel>,
    critic: Option<Arc<dyn ChatModel>>,
    prompts: Arc<Prompts>,
    settings: ChatSettings,
    /// Of the application; known with the first task.
    namespace: String,
    critic_prompt: String,
    conversation: Conversation,
    memory: Memory,
    repetition: Repetition,
    /// Tool calls of the last answer that have not been carried out.
    queue: VecDeque<Call>,
    /// A script that can go on.
    script: Option<Script<R>>,
    /// What the next thing that is heard answers.
    awaiting: Awaiting<R>,
    /// The change that was decided on last, until its answer is noted.
    change: Option<String>,
    /// Tokens used so far in the episode.
    tokens: u64,
    is_warned: bool,
}

/// A script in its course.
struct Script<R: Seat> {
    call: Call,
    program: R::Program,
    /// The answer to its last action; none before the first.
    answer: Option<Percept<R::Heard>>,
}

/// What the next thing that is heard answers.
enum Awaiting<R: Seat> {
    /// Nothing that the model asked for.
    Nothing,
    /// What was no tool call: the model hears it as from a user.
    Remark,
    /// A tool call; `counts` if it was carried out.
    Call { call: Call, counts: bool },
    /// An action of a script.
    Script(Script<R>),
}

/// What a decision has taken so far.
#[derive(Default)]
struct Spent(Option<Usage>);

impl Spent {
    fn add(&mut self, usage: Usage) {
        let sum = self.0.get_or_insert_default();
        sum.tokens.input += usage.tokens.input;
        sum.tokens.output += usage.tokens.output;
        sum.estimated |= usage.estimated;
        sum.cost_micro_usd += usage.cost_micro_usd;
        sum.took += usage.took;
    }
}

impl<R: Seat> Policy<R> for Chat<R> {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn decide<'a>(&'a mut self, percept: &'a Percept<R::Heard>) -> Deciding<'a, R::Action> {
        Box::pin(self.step(percept))
    }

    fn continues(&self) -> bool {
        self.script.is_some() || matches!(self.awaiting, Awaiting::Script(_)) || !self.queue.is_empty()
    }
}

impl<R: Seat> Chat<R> {
    /// A model that is told these prompts.
    pub fn new(model: Arc<dyn ChatModel>, prompts: Arc<Prompts>, settings: ChatSettings) -> Self {
        // Text as Kubernetes prints it makes about three characters a token.
        let conversation = Conversation::new(R::tools(&settings), settings.limits.context_tokens.saturating_mul(3));
        let memory = Memory::new(settings.memory.clone());
        Self {
            model,
            critic: None,
            prompts,
            settings,
            namespace: String::new(),
            critic_prompt: String::new(),
            conversation,
            memory,
            repetition: Repetition::default(),
            queue: VecDeque::new(),
            script: None,
            awaiting: Awaiting::Nothing,
            change: None,
            tokens: 0,
            is_warned: false,
        }
    }

    /// The same with a critic, which may be the same model.
    #[must_use]
    pub fn with_critic(self, critic: Arc<dyn ChatModel>) -> Self {
        Self { critic: Some(critic), ..self }
    }

    async fn step(&mut self, percept: &Percept<R::Heard>) -> Decision<R::Action> {
        let mut spent = Spent::default();
        if let Err(failure) = self.hear(percept) {
            return Decision { decided: Decided::Lost(failure.to_string()), cost: Cost::Rule };
        }
        if let Some(decided) = self.carry_on(percept, &mut spent).await {
            return Decision { decided, cost: spent.0.map_or(Cost::Continued, Cost::Model) };
        }
        if percept.steps_left == 0 {
            // It went on with what it had decided in its last step, and that is done.
            return Decision { decided: Decided::Act(R::pause()), cost: Cost::Continued };
        }
        let decided = match self.ask(percept, &mut spent).await {
            Some(decided) => decided,
            // A script may have made no action at all.
            None => self.carry_on(percept, &mut spent).await.unwrap_or_else(|| Decided::Act(R::pause())),
        };
        Decision { decided, cost: spent.0.map_or(Cost::Rule, Cost::Model) }
    }

    /// Takes in what was heard.
    fn hear(&mut self, percept: &Percept<R::Heard>) -> Result<(), PromptError> {
        if R::is_task(&percept.heard) {
            return self.begin(percept);
        }
        if let Some(change) = self.change.take() {
            self.memory.changed(&change, &R::text(&percept.heard, percept.now));
        }
        match std::mem::replace(&mut self.awaiting, Awaiting::Nothing) {
            Awaiting::Nothing => {}
            Awaiting::Remark => self.conversation.told(&R::text(&percept.heard, percept.now)),
            Awaiting::Call { call, counts } => {
                let text = R::text(&percept.heard, percept.now);
                if counts {
                    self.repetition.answered(&call, &text);
                }
                self.conversation.answered(&call, text);
            }
            Awaiting::Script(script) => self.script = Some(Script { answer: Some(percept.clone()), ..script }),
        }
        Ok(())
    }

    /// A task begins a conversation.
    fn begin(&mut self, percept: &Percept<R::Heard>) -> Result<(), PromptError> {
        self.memory.abandoned();
        self.queue.clear();
        self.script = None;
        self.awaiting = Awaiting::Nothing;
        self.change = None;
        self.repetition = Repetition::default();
        self.is_warned = false;
        let budget = Allowance { steps: percept.steps_left, answer_characters: self.settings.limits.answer_characters };
        let memory = self.memory.text();
        let briefing = R::brief(&percept.heard, &self.prompts, &self.settings, budget, memory.as_deref())?;
        self.conversation.begin(briefing.system, briefing.task);
        self.critic_prompt = briefing.critic;
        R::namespace(&percept.heard).clone_into(&mut self.namespace);
        Ok(())
    }

    /// Goes on with what the model decided before; none when it has to be asked.
    async fn carry_on(&mut self, percept: &Percept<R::Heard>, spent: &mut Spent) -> Option<Decided<R::Action>> {
        loop {
            if let Some(script) = self.script.take()
                && let Some(decided) = self.run(script, percept, spent).await
            {
                return Some(decided);
            }
            let call = self.queue.pop_front()?;
            match self.read(&call) {
                Ok(Parsed::Act(action)) => return Some(self.act(call, action, percept, spent).await),
                Ok(Parsed::Run(program)) => self.script = Some(Script { call, program, answer: None }),
                Err(misstep) => {
                    self.awaiting = Awaiting::Call { call, counts: false };
                    return Some(Decided::Misstep(misstep));
                }
            }
        }
    }

    /// What a tool call makes.
    fn read(&self, call: &Call) -> Result<Parsed<R>, Misstep> {
        if call.name.len() > LONGEST_NAME {
            let text = format!("there is no tool whose name has {} characters", call.name.len());
            return Err(Misstep { kind: MisstepKind::UnknownTool, text });
        }
        let arguments = call.arguments()?;
        if self.repetition.has(call) >= self.settings.limits.repetitions {
            let text = format!(
                "this call was answered in the same way {} times in a row and is not made again: do something else, or \
                 call `{}`",
                self.repetition.has(call),
                R::LAST_TOOL
            );
            return Err(Misstep { kind: MisstepKind::Repeated, text });
        }
        R::parse(self.settings.form, &self.namespace, &call.name, arguments).map_err(|error| {
            let text = conversation::head(&error.to_string(), LONGEST_REASON);
            Misstep { kind: kind_of(&error), text }
        })
    }

    /// Proposes an action that a tool call makes.
    async fn act(
        &mut self,
        call: Call,
        action: R::Action,
        percept: &Percept<R::Heard>,
        spent: &mut Spent,
    ) -> Decided<R::Action> {
        match self.review(&action, percept, spent).await {
            Review::Approved => {
                self.decided_on(&action, percept);
                self.awaiting = Awaiting::Call { call, counts: true };
                Decided::Act(action)
            }
            Review::Declined(misstep) => {
                self.awaiting = Awaiting::Call { call, counts: false };
                Decided::Misstep(misstep)
            }
            Review::Failed(decided) => {
                self.awaiting = Awaiting::Call { call, counts: false };
                decided
            }
        }
    }

    /// Goes on with a script; none when it is over and what it printed is told.
    async fn run(
        &mut self,
        mut script: Script<R>,
        percept: &Percept<R::Heard>,
        spent: &mut Spent,
    ) -> Option<Decided<R::Action>> {
        let action = match R::next(&mut script.program, script.answer.take()) {
            Next::Act(action) => action,
            Next::Finished { output, error: None } => {
                let output = if output.is_empty() { "(the script printed nothing)".to_owned() } else { output };
                self.repetition.answered(&script.call, &output);
                self.conversation.answered(&script.call, output);
                return None;
            }
            Next::Finished { output, error: Some(error) } => {
                let text = if output.is_empty() { error } else { format!("{error}\nprinted before:\n{output}") };
                self.awaiting = Awaiting::Call { call: script.call, counts: false };
                return Some(Decided::Misstep(Misstep { kind: MisstepKind::Script, text }));
            }
        };
        Some(match self.review(&action, percept, spent).await {
            Review::Approved => {
                self.decided_on(&action, percept);
                self.awaiting = Awaiting::Script(script);
                Decided::Act(action)
            }
            // The script hears of it as of any refusal, and goes on.
            Review::Declined(misstep) => {
                self.awaiting = Awaiting::Script(script);
                Decided::Misstep(misstep)
            }
            Review::Failed(decided) => {
                self.awaiting = Awaiting::Call { call: script.call, counts: false };
                decided
            }
        })
    }

    /// Notes what is about to be done.
    fn decided_on(&mut self, action: &R::Action, percept: &Percept<R::Heard>) {
        self.change = R::change(action);
        if let Some(conclusion) = R::conclusion(action) {
            self.memory.ended(percept.now, conclusion);
        }
    }
}

const fn kind_of(error: &ToolError) -> MisstepKind {
    match error {
        ToolError::Unknown { .. } => MisstepKind::UnknownTool,
        ToolError::Arguments { .. } => MisstepKind::BadArguments,
        ToolError::Command(Refusal::Forbidden { .. }) => MisstepKind::Forbidden,
        ToolError::Command(_) => MisstepKind::Unreadable,
        ToolError::Script(_) => MisstepKind::Script,
    }
}
