//! The port behind which every chat model sits: messages and tools in, a text and tool calls out.
//!
//! What plays an episode is a [`Policy`](crate::policy::Policy); a chat model becomes one by a prompt and a tool form. A
//! model never ends an episode: what it cannot answer costs its agent a step ([`ModelFailure`]), except where nothing
//! that follows could be right either ([`ModelFailure::is_final`]).
//!
//! ```text
//! Capped ──▶ Recorder ──▶ OpenAi ──HTTP──▶ any server that speaks OpenAI's chat completions
//! (budget)   (cassette)   (openai)          options: config, prices: price, what it can: probe
//!
//! Replayer ──▶ a cassette, and past its end a live model
//! ```

pub mod budget;
pub mod cassette;
pub mod clock;
pub mod config;
mod digest;
pub mod openai;
pub mod price;
pub mod probe;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sim::time::SimDuration;

use crate::policy::Tokens;
use crate::tools::Tool;

/// A chat model, shared by all agents that think with it.
pub trait ChatModel: Send + Sync {
    /// Its name in logs and tables.
    fn name(&self) -> &str;

    /// Answers a conversation.
    fn complete<'a>(&'a self, request: &'a ChatRequest) -> Completing<'a>;
}

impl<M: ChatModel + ?Sized> ChatModel for Arc<M> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn complete<'a>(&'a self, request: &'a ChatRequest) -> Completing<'a> {
        (**self).complete(request)
    }
}

/// An answer in the making.
pub type Completing<'a> = Pin<Box<dyn Future<Output = Result<Completion, ModelFailure>> + 'a>>;

/// A conversation up to the point where the model is asked. Its content is what a cassette is keyed by.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChatRequest {
    /// What was said, oldest first.
    pub messages: Vec<Message>,
    /// What it may call.
    pub tools: Vec<Tool>,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Message {
    /// Instructions.
    System {
        /// In words.
        text: String,
    },
    /// What the model is told.
    User {
        /// In words.
        text: String,
    },
    /// What the model said.
    Assistant {
        /// In words; may be empty.
        text: String,
        /// Tools that it called; may be empty.
        calls: Vec<ToolCall>,
    },
    /// The answer to one tool call.
    Tool {
        /// [`ToolCall::id`] of the call.
        call: String,
        /// What the tool answered.
        text: String,
    },
}

/// A tool call as the model wrote it; nothing of it is checked yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Pairs the call with its answer.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its arguments: a JSON object, if the model wrote one.
    pub arguments: String,
}

/// What a model answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// In words; may be empty.
    pub text: String,
    /// The tools that it calls, in its order; may be empty.
    pub calls: Vec<ToolCall>,
    /// What the call took.
    pub usage: Usage,
}

/// What one call of a model took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read and written.
    pub tokens: Tokens,
    /// Whether the server told no tokens, and they were counted as a quarter of the characters.
    #[serde(default)]
    pub estimated: bool,
    /// Price in millionths of a US dollar.
    pub cost_micro_usd: u64,
    /// From the request to the answer, on the machine's clock, retries included.
    pub took: SimDuration,
}

/// Why a model gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "failure", content = "detail", rename_all = "snake_case")]
pub enum ModelFailure {
    /// No answer within the time limit.
    #[error("the model did not answer within {0}")]
    TimedOut(SimDuration),
    /// The server asked to come back later, more often than was tried.
    #[error("the model's server is busy: {0}")]
    Busy(String),
    /// The server could not be reached, or broke.
    #[error("the model's server failed: {0}")]
    Unreachable(String),
    /// An answer that cannot be read.
    #[error("the model's answer cannot be read: {0}")]
    Unreadable(String),
    /// The conversation is longer than the model can read.
    #[error("the conversation is too long for the model: {0}")]
    TooLong(String),
    /// The server refuses for a reason that will stay: no such model, a wrong key, a parameter that it does not take.
    #[error("the model's server refuses: {0}")]
    Refused(String),
    /// A recording has no answer to this request.
    #[error("the cassette diverges: {0}")]
    Diverged(String),
    /// The run has spent what it may.
    #[error("the spending limit is reached: {0}")]
    Spent(String),
    /// The model answered, but its answer could not be recorded.
    #[error("the answer could not be recorded: {0}")]
    Unrecorded(String),
}

impl ModelFailure {
    /// Whether no later call can be right either: the episode is void then.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Diverged(_) | Self::Spent(_) | Self::Unrecorded(_))
    }
}
