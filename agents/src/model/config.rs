//! Options of models: which server, which model, and what the two can and cannot do.
//!
//! Models of a user are in a YAML file ([`ModelsFile`]); well-known servers have names of their own ([`presets`]). A key
//! is never in a file: the file has the *name* of the environment variable that holds it, and who has the environment
//! (`cli`) looks it up.
//!
//! ```yaml
//! apiVersion: sockpit/v1alpha1
//! kind: Models
//! models:
//!   mini:
//!     base_url: https://api.openai.com/v1
//!     model: gpt-4o-mini
//!     api_key_env: OPENAI_API_KEY
//!     price: {input: 0.15, output: 0.60}
//!   reasoner:
//!     base_url: https://api.openai.com/v1
//!     model: o4-mini
//!     api_key_env: OPENAI_API_KEY
//!     max_tokens: 16000
//!     max_tokens_parameter: max_completion_tokens
//!     omit: [temperature]
//!     extra: {reasoning_effort: low}
//!   local:
//!     base_url: http://127.0.0.1:8080/v1
//!     model: smollm2
//!     tool_calling: json-schema
//!     parallel_calls: false
//!     context_tokens: 8192
//!     max_concurrent: 1
//! ```

mod check;
pub mod presets;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sim::diagnostic::{Diagnostics, Source};
use sim::input::{self, Located};
use sim::scenario::Scenario;
use sim::time::SimDuration;

use super::price::Price;

/// A file of models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelsFile {
    /// Always `sockpit/v1alpha1`.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// Always `Models`.
    pub kind: String,
    /// By the name that `--model` takes.
    pub models: BTreeMap<String, ModelConfig>,
}

impl ModelsFile {
    /// Always the same, since files of all kinds have one version.
    pub const API_VERSION: &'static str = Scenario::API_VERSION;

    /// Reads a file of models.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn load(source: &Source) -> Result<Located<Self>, Diagnostics> {
        let file: Located<Self> = input::parse(source)?;
        let mistakes = check::mistakes(&file);
        if mistakes.is_empty() { Ok(file) } else { Err(Diagnostics(mistakes)) }
    }
}

/// One model on one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Where the server's API begins: `/chat/completions` is put behind it.
    pub base_url: String,
    /// The server's name for the model.
    pub model: String,
    /// Name of the environment variable that holds the key. Without it none is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// How freely it chooses its words: 0 is the least. Default 0.
    #[serde(default)]
    pub temperature: f64,
    /// At most so many tokens are written in an answer, and at most a quarter of `context_tokens`. Default 4096.
    #[serde(default = "default_max_tokens")]
    pub max_tokens: u32,
    /// What the server calls that limit. Default `max_tokens`.
    #[serde(default)]
    pub max_tokens_parameter: MaxTokensParameter,
    /// Parameters that the server or the model refuses: they are not sent.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub omit: BTreeSet<Parameter>,
    /// Parameters of this server or model that sockpit does not know, sent as they are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Value>,
    /// How it is told of tools and calls them. Default `native`.
    #[serde(default)]
    pub tool_calling: ToolCalling,
    /// Whether it has to call a tool in each answer (`tool_choice: required`). Default no.
    #[serde(default)]
    pub must_call: bool,
    /// Whether it may call several tools in one answer. Default yes.
    #[serde(default = "yes")]
    pub parallel_calls: bool,
    /// Makes the answers of servers that support it repeatable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Longest time for one answer. Default 2 minutes.
    #[serde(default = "default_timeout")]
    pub timeout: SimDuration,
    /// Tries after the first one, where another could help. Default 4.
    #[serde(default = "default_retries")]
    pub retries: u32,
    /// At most so many requests are begun per minute, evenly spaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// At most so many requests are under way at once. Default 4.
    #[serde(default = "default_max_concurrent")]
    pub max_concurrent: u32,
    /// Tokens that the model can read and write in all. A conversation that is longer is not sent: some servers would
    /// cut it silently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<u32>,
    /// What its tokens cost. Without it they count as free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

impl ModelConfig {
    /// A model on a server, with defaults for all else and without a key.
    pub fn new(base_url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            model: model.into(),
            api_key_env: None,
            temperature: 0.0,
            max_tokens: default_max_tokens(),
            max_tokens_parameter: MaxTokensParameter::default(),
            omit: BTreeSet::new(),
            extra: BTreeMap::new(),
            tool_calling: ToolCalling::default(),
            must_call: false,
            parallel_calls: true,
            seed: None,
            timeout: default_timeout(),
            retries: default_retries(),
            requests_per_minute: None,
            max_concurrent: default_max_concurrent(),
            context_tokens: None,
            price: None,
        }
    }

    /// The limit on an answer: what was asked for, but never so much that nothing is left for the conversation.
    pub fn answer_tokens(&self) -> u32 {
        match self.context_tokens {
            Some(context) => self.max_tokens.min((context / 4).max(1)),
            None => self.max_tokens,
        }
    }
}

/// How a model is told of tools and calls them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToolCalling {
    /// By the API: `tools` in the request, `tool_calls` in the answer.
    #[default]
    Native,
    /// For models without tool calling: the tools are in the system prompt, and the answer is one call as a JSON object
    /// whose form the server enforces (`response_format`).
    JsonSchema,
    /// For servers that enforce nothing either: the tools are in the system prompt, and calls are found in the text.
    NoneText,
}

/// What a server calls the limit on an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensParameter {
    /// The old name, which nearly all servers know.
    #[default]
    MaxTokens,
    /// The new name, which `OpenAI`'s reasoning models ask for.
    MaxCompletionTokens,
}

impl MaxTokensParameter {
    /// As in a request.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }

    /// The other name.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::MaxTokens => Self::MaxCompletionTokens,
            Self::MaxCompletionTokens => Self::MaxTokens,
        }
    }
}

/// A parameter that some server or model refuses, so that it can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parameter {
    /// `temperature`.
    Temperature,
    /// `max_tokens`, or what else it is called.
    MaxTokens,
    /// `seed`.
    Seed,
    /// `parallel_tool_calls`.
    ParallelToolCalls,
    /// `tool_choice`.
    ToolChoice,
    /// `response_format`: the form of an answer is then asked for and not enforced.
    ResponseFormat,
    /// `stream`, which is sent to say that the answer shall come in one piece.
    Stream,
}

impl Parameter {
    /// All.
    pub const ALL: [Self; 7] = [
        Self::Temperature,
        Self::MaxTokens,
        Self::Seed,
        Self::ParallelToolCalls,
        Self::ToolChoice,
        Self::ResponseFormat,
        Self::Stream,
    ];

    /// As in a file of models, and all but the limit on an answer as in a request.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Temperature => "temperature",
            Self::MaxTokens => "max_tokens",
            Self::Seed => "seed",
            Self::ParallelToolCalls => "parallel_tool_calls",
            Self::ToolChoice => "tool_choice",
            Self::ResponseFormat => "response_format",
            Self::Stream => "stream",
        }
    }
}

const fn yes() -> bool {
    true
}

const fn default_max_tokens() -> u32 {
    4096
}

const fn default_timeout() -> SimDuration {
    SimDuration::from_secs(120)
}

const fn default_retries() -> u32 {
    4
}

const fn default_max_concurrent() -> u32 {
    4
}
