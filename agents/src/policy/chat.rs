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
//!   new task begins a new one, and of earlier ones only a note stays ([`Memory`]);
//! - a *step* is one call of the model. The other tool calls of the same answer, and the other actions of the same script,
//!   are decided together with it ([`Cost::Continued`]);
//! - a *critic* is a second model call that approves or declines a change before it is made. It belongs to the step in
//!   which the change was proposed, and its tokens are added to it; a change that comes as part of an earlier answer makes
//!   a step of its own by it.
//!
//! Invariants:
//! - every tool call gets an answer of its own before the model is asked again;
//! - whatever a model writes, a decision comes of it: an action, or a misstep that says what was wrong. Only a failure
//!   after which nothing could be right ends the episode;
//! - the conversation stays below the length that the model can read, and neither prompt nor task is ever cut;
//! - the same observations and the same answers of the models make the same requests, to the byte.

mod call;
mod conversation;
mod critic;
mod memory;
mod repetition;
mod seat;

use std::collections::VecDeque;
use std::sync::Arc;

use sim::episode::MisstepKind;
use sim::time::SimDuration;

use crate::mechanism::Mechanism;
use crate::model::{ChatModel, Completion, ModelFailure, Usage};
use crate::prompts::{Allowance, PromptError, Prompts, Proposal};
use crate::tools::{ToolError, ToolForm};
use call::Call;
use conversation::Conversation;
use memory::Memory;
use repetition::Repetition;

use super::{Cost, Decided, Deciding, Decision, Misstep, Percept, Policy};
pub use memory::remembered;
pub use seat::{Briefing, Next, Parsed, Seat};

/// How a chat model plays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatSettings {
    /// How the agents of a group work together.
    pub mechanism: Mechanism,
    /// In which form an agent has its tools. A group manager's are typed.
    pub form: ToolForm,
    /// What is read and what may be used up.
    pub limits: ChatLimits,
    /// With it, the model is told at each task what it noted in earlier ones, after this text, which may be empty.
    pub memory: Option<String>,
}

/// What is read of a model's answers, and what it may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChatLimits {
    /// Tokens that the model can read, prompt and tools included; counted as a third of the characters.
    pub context_tokens: usize,
    /// Characters of one answer that are read, and those of the arguments of one tool call.
    pub answer_characters: usize,
    /// Tool calls of one answer that are carried out.
    pub calls_per_answer: usize,
    /// How many times in a row the same call may be answered in the same way before it is refused.
    pub repetitions: u32,
    /// The model is told when it has this many steps left.
    pub warned_at: u32,
    /// Tokens read and written in a whole episode, the critic's among them, after which the model is asked no more; none
    /// for as many as it takes.
    pub tokens: Option<u64>,
}

impl Default for ChatLimits {
    fn default() -> Self {
        Self {
            context_tokens: 32_000,
            answer_characters: 16_000,
            calls_per_answer: 8,
            repetitions: 3,
            warned_at: 2,
            tokens: None,
        }
    }
}

/// The most characters of a conversation that a critic reads.
const TRANSCRIPT: usize = 24_000;

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
        R::parse(self.settings.form, &call.name, arguments).map_err(|error| {
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
            Review::Declined(reason) => {
                self.conversation.answered(&call, reason);
                Decided::Act(R::pause())
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
        loop {
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
            match self.review(&action, percept, spent).await {
                Review::Approved => {
                    self.decided_on(&action, percept);
                    self.awaiting = Awaiting::Script(script);
                    return Some(Decided::Act(action));
                }
                Review::Declined(reason) => {
                    script.answer = Some(Percept { heard: R::refusal(reason), ..percept.clone() });
                }
                Review::Failed(decided) => {
                    self.awaiting = Awaiting::Call { call: script.call, counts: false };
                    return Some(decided);
                }
            }
        }
    }

    /// Notes what is about to be done.
    fn decided_on(&mut self, action: &R::Action, percept: &Percept<R::Heard>) {
        self.change = R::change(action);
        if let Some(conclusion) = R::conclusion(action) {
            self.memory.ended(percept.now, conclusion);
        }
    }
}

/// What a critic says of an action.
enum Review<A> {
    Approved,
    /// What the one who proposed it is told.
    Declined(String),
    /// There is no verdict; what comes of the step instead.
    Failed(Decided<A>),
}

impl<R: Seat> Chat<R> {
    /// Asks the critic, if there is one and the action is a change.
    async fn review(
        &mut self,
        action: &R::Action,
        percept: &Percept<R::Heard>,
        spent: &mut Spent,
    ) -> Review<R::Action> {
        let (Some(critic), Some(change)) = (&self.critic, R::change(action)) else { return Review::Approved };
        let (transcript, cut) = self.conversation.transcript(TRANSCRIPT);
        let proposal = Proposal {
            task: self.conversation.task(),
            transcript: &transcript,
            cut,
            proposal: &change,
            steps_left: percept.steps_left,
        };
        let question = match self.prompts.proposal(&proposal) {
            Ok(question) => question,
            Err(failure) => return Review::Failed(Decided::Lost(failure.to_string())),
        };
        let (verdict, usage) = critic::ask(&**critic, &self.critic_prompt, question).await;
        self.tokens += usage.tokens.input + usage.tokens.output;
        spent.add(usage);
        match verdict {
            Ok(verdict) if verdict.approve => Review::Approved,
            Ok(verdict) => Review::Declined(format!("not done, since the critic declines it: {}", verdict.reason)),
            Err(failure) if failure.is_final() => Review::Failed(Decided::Lost(failure.to_string())),
            Err(failure) => Review::Failed(Decided::Misstep(Misstep {
                kind: MisstepKind::ModelFailed,
                text: format!("not done, since the critic gave no verdict: {failure}"),
            })),
        }
    }

    /// Asks the model for its next answer; a decision if nothing can be carried out of it.
    async fn ask(&mut self, percept: &Percept<R::Heard>, spent: &mut Spent) -> Option<Decided<R::Action>> {
        let limits = self.settings.limits;
        if let Some(budget) = limits.tokens.filter(|budget| self.tokens >= *budget) {
            return Some(self.remark(MisstepKind::ModelFailed, format!("the budget of {budget} tokens is used up")));
        }
        if percept.steps_left <= limits.warned_at && !self.is_warned {
            self.is_warned = true;
            self.conversation.told(&format!(
                "Steps left, the next one included: {}. Call `{}` with what you know before they run out.",
                percept.steps_left,
                R::LAST_TOOL
            ));
        }
        self.conversation.fit();
        match self.model.complete(self.conversation.request()).await {
            Ok(completion) => {
                self.tokens += completion.usage.tokens.input + completion.usage.tokens.output;
                spent.add(completion.usage);
                self.take_in(completion)
            }
            Err(failure) => Some(self.failed(&failure, spent)),
        }
    }

    /// A model call that brought no answer.
    fn failed(&mut self, failure: &ModelFailure, spent: &mut Spent) -> Decided<R::Action> {
        let took = if let ModelFailure::TimedOut(limit) = failure { *limit } else { SimDuration::ZERO };
        spent.add(Usage { took, ..Usage::default() });
        if failure.is_final() {
            return Decided::Lost(failure.to_string());
        }
        if matches!(failure, ModelFailure::TooLong(_)) {
            self.conversation.was_too_long();
        }
        self.remark(MisstepKind::ModelFailed, failure.to_string())
    }

    /// Takes in an answer: what it says, and the tools that it calls.
    fn take_in(&mut self, completion: Completion) -> Option<Decided<R::Action>> {
        let limits = self.settings.limits;
        let length = completion.text.len();
        let mut text = conversation::head(&completion.text, limits.answer_characters);
        let written = completion.calls.len();
        let calls = call::read(completion.calls, limits.calls_per_answer, limits.answer_characters);
        if written > calls.len() {
            let more = written - calls.len();
            text = format!("{text}\n[cut: {more} more tool calls; at most {} are read]", limits.calls_per_answer);
        }
        self.conversation.said(text, &calls);
        if !calls.is_empty() {
            self.queue = calls.into();
            return None;
        }
        let last = R::LAST_TOOL;
        Some(if length > limits.answer_characters {
            let text = format!(
                "the answer has {length} characters, of which {} are read, and calls no tool: be brief, and call one",
                limits.answer_characters
            );
            self.remark(MisstepKind::TooLong, text)
        } else {
            let text = format!("nothing was done, since no tool was called: call one, or `{last}` if you are done");
            self.remark(MisstepKind::NoAction, text)
        })
    }

    /// A misstep without a tool call: what it hears of it, it hears as from a user.
    fn remark(&mut self, kind: MisstepKind, text: String) -> Decided<R::Action> {
        self.awaiting = Awaiting::Remark;
        Decided::Misstep(Misstep { kind, text })
    }
}

const fn kind_of(error: &ToolError) -> MisstepKind {
    match error {
        ToolError::Unknown { .. } => MisstepKind::UnknownTool,
        ToolError::Arguments { .. } => MisstepKind::BadArguments,
        ToolError::Command(_) => MisstepKind::Unreadable,
        ToolError::Script(_) => MisstepKind::Script,
    }
}
