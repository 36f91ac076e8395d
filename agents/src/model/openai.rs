//! Any server that speaks `OpenAI`'s chat completions, through async-openai: `OpenAI`, Azure (`/openai/v1`), vLLM,
//! Ollama, llama.cpp, `OpenRouter` and others.
//!
//! ```text
//! ChatRequest ─request─▶ JSON ─async-openai─▶ wire ══HTTP══▶ server
//!                                                              │
//! Completion ◀─answer── JSON ◀────────────── wire ◀════════════╯
//!      ▲                                       │ failure: wait and try again, or do without a parameter
//!      ╰───────────────────────────────────────╯
//! ```
//!
//! async-openai makes and reads requests as JSON values, not as its own types, since servers deviate from them. What to
//! do about a failure is decided here alone: retries with exponential back-off from 1 s to 60 s, shortened by up to half
//! by a hash of the request (so that calls that failed together do not return together, and yet nothing is random) and
//! lengthened to what `Retry-After` asks for, up to 5 minutes. A parameter that the server refuses is left out from then
//! on, or called by its other name ([`OpenAi::adaptations`]).
//!
//! Invariants: the key is in no log, no `Debug`, no completion and no failure; no environment variable has an effect
//! (but those of proxies, which `reqwest` reads); the only clock is [`Clock`].
//!
//! One model is shared by all agents of a run. Connections belong to the tokio runtime on which they were made, which
//! needs its I/O and time enabled: use a model from one runtime.

mod answer;
mod failure;
mod gate;
mod request;
mod secret;
mod text;
mod wire;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use reqwest::Url;
use serde_json::Value;
use sim::time::SimDuration;

use self::failure::{Failed, Remedy};
use self::gate::Gate;
use self::secret::Secret;
use self::wire::Wire;
use super::clock::Clock;
use super::config::{MaxTokensParameter, ModelConfig, Parameter, ToolCalling};
use super::{ChatModel, ChatRequest, Completing, Completion, ModelFailure, Usage, digest};
use crate::policy::Tokens;

pub use answer::{LONGEST_TEXT, MOST_CALLS};

/// The pause before the first retry; each further one is twice as long.
const FIRST_PAUSE: SimDuration = SimDuration::SECOND;

/// Longest pause that is not asked for.
const LONGEST_PAUSE: SimDuration = SimDuration::from_secs(60);

/// A server that asks for a longer pause is given up.
const LONGEST_PATIENCE: SimDuration = SimDuration::from_secs(300);

/// Each parameter can be left out once, and one has two names.
const MOST_ADAPTATIONS: usize = Parameter::ALL.len() + 1;

/// A model on a server.
pub struct OpenAi {
    name: String,
    config: ModelConfig,
    client: Client<OpenAIConfig>,
    clock: Arc<dyn Clock>,
    gate: Arc<Gate>,
    adapted: Arc<Mutex<Adapted>>,
}

/// What was found out about the parameters of a server.
#[derive(Clone, Debug)]
struct Adapted {
    omit: BTreeSet<Parameter>,
    max_tokens: MaxTokensParameter,
}

/// Why a model cannot be asked at all. The text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The key is not there.
    #[error("`{model}` needs a key: set the environment variable {variable}")]
    NoKey {
        /// The model.
        model: String,
        /// Where the key should be.
        variable: String,
    },
    /// The key has characters that no header can have.
    #[error(
        "the key in {variable} has characters that cannot be sent, such as a line break in its middle: set it again"
    )]
    BadKey {
        /// Where the key is.
        variable: String,
    },
    /// The address is none.
    #[error("`{url}` is not the URL of an API: write one such as http://127.0.0.1:8080/v1")]
    Address {
        /// As written.
        url: String,
    },
    /// This build speaks plain HTTP only.
    #[error("{url} needs TLS, which this build does not have: build it with `--features tls`, or use an http URL")]
    NoTls {
        /// The address.
        url: String,
    },
    /// The HTTP client could not be made.
    #[error("cannot make an HTTP client: {0}")]
    Client(String),
}

impl OpenAi {
    /// A model by its options. `key` looks up an environment variable.
    ///
    /// # Errors
    /// It cannot be asked: no key, an address that is none, or HTTPS in a build without it.
    pub fn new(
        name: impl Into<String>,
        config: ModelConfig,
        key: &dyn Fn(&str) -> Option<String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        let name = name.into();
        let base_url = config.base_url.trim_end_matches('/').to_owned();
        let url = Url::parse(&base_url).map_err(|_| SetupError::Address { url: config.base_url.clone() })?;
        let secret = match &config.api_key_env {
            Some(variable) => Some(secret(&name, variable, key)?),
            None => None,
        };
        let wire = Wire::new(&url, secret)?;
        // Its default takes all of this from the environment. The wire knows the key, and sends for it.
        let api = OpenAIConfig::default().with_api_base(base_url).with_api_key("").with_org_id("").with_project_id("");
        let client = Client::build(wire.client(), api).with_http_service(wire);
        let adapted = Adapted { omit: config.omit.clone(), max_tokens: config.max_tokens_parameter };
        let gate = Arc::new(Gate::new(&config));
        Ok(Self { name, config, client, clock, gate, adapted: Arc::new(Mutex::new(adapted)) })
    }

    /// Its options.
    pub const fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The same model on the same server, told of tools in another way. Both share the limits on requests, and
    /// what they find out about the server.
    #[must_use]
    pub fn with_tool_calling(&self, tool_calling: ToolCalling) -> Self {
        Self {
            name: self.name.clone(),
            config: ModelConfig { tool_calling, ..self.config.clone() },
            client: self.client.clone(),
            clock: self.clock.clone(),
            gate: self.gate.clone(),
            adapted: self.adapted.clone(),
        }
    }

    /// What was found out about the server beyond its options: lines for its entry in a file of models, which save the
    /// refused request at the start of each run.
    pub fn adaptations(&self) -> Vec<String> {
        let adapted = self.adapted();
        let mut lines = Vec::new();
        if adapted.max_tokens != self.config.max_tokens_parameter && !adapted.omit.contains(&Parameter::MaxTokens) {
            lines.push(format!("max_tokens_parameter: {}", adapted.max_tokens.name()));
        }
        if adapted.omit != self.config.omit {
            let names: Vec<&str> = adapted.omit.iter().map(|parameter| parameter.name()).collect();
            lines.push(format!("omit: [{}]", names.join(", ")));
        }
        lines
    }

    fn adapted(&self) -> MutexGuard<'_, Adapted> {
        self.adapted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: &ChatRequest) -> Result<Completion, ModelFailure> {
        // Waiting for a place, and for the first turn, is no matter of the model: it is not in `Usage::took`.
        let _place = self.gate.enter().await;
        let mut started = None;
        let mut retries = 0;
        let mut adaptations = 0;
        loop {
            let sent = request::body(&self.config, &self.adapted(), request);
            self.fits(&sent)?;
            self.gate.turn(&*self.clock).await;
            let started = *started.get_or_insert_with(|| self.clock.now());
            let failed = match self.send(&sent).await.and_then(|answer| self.completion(request, &sent, &answer)) {
                Ok((text, calls, usage)) => {
                    let usage = Usage { took: whole_milliseconds(self.clock.now() - started), ..usage };
                    return Ok(Completion { text, calls, usage });
                }
                Err(failed) => failed,
            };
            match failed.remedy {
                Remedy::Adapt(parameter) if adaptations < MOST_ADAPTATIONS && self.adapt(parameter, &sent) => {
                    adaptations += 1;
                }
                Remedy::Wait(asked) if retries < self.config.retries && asked.is_none_or(|t| t <= LONGEST_PATIENCE) => {
                    self.clock.pause(pause(retries, &sent).max(asked.unwrap_or_default())).await;
                    retries += 1;
                }
                _ => return Err(in_all(failed.failure, retries)),
            }
        }
    }

    /// A conversation that is known to be too long is not sent: some servers cut it without a word.
    fn fits(&self, sent: &Value) -> Result<(), ModelFailure> {
        let Some(context) = self.config.context_tokens else { return Ok(()) };
        let asked = tokens_of(sent.to_string().chars().count()) + u64::from(self.config.answer_tokens());
        if asked <= u64::from(context) {
            return Ok(());
        }
        Err(ModelFailure::TooLong(format!(
            "it has about {asked} tokens, {} of them for the answer, and `context_tokens` is {context}",
            self.config.answer_tokens()
        )))
    }

    async fn send(&self, sent: &Value) -> Result<Value, Failed> {
        let limit = self.config.timeout;
        let chat = self.client.chat();
        let answer = tokio::time::timeout(Duration::from_nanos(limit.0), chat.create_byot(sent)).await;
        let answer: Value = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(Failed::of(error, sent, &self.config)),
            Err(_) => return Err(Failed::timed_out(limit)),
        };
        match Failed::in_answer(&answer, sent, &self.config) {
            Some(failed) => Err(failed),
            None => Ok(answer),
        }
    }

    /// What an answer says and what it cost; the time is not known here.
    fn completion(&self, request: &ChatRequest, sent: &Value, answer: &Value) -> Result<Answered, Failed> {
        let bare = self.config.tool_calling != ToolCalling::Native;
        let read = answer::read(answer, request, bare).map_err(ModelFailure::Unreadable)?;
        let tokens = read.tokens.unwrap_or_else(|| Tokens {
            input: tokens_of(sent.to_string().chars().count()),
            output: tokens_of(read.written),
        });
        let usage = Usage {
            tokens,
            estimated: read.tokens.is_none(),
            cost_micro_usd: self.config.price.map_or(0, |price| price.of(tokens)),
            took: SimDuration::ZERO,
        };
        Ok((read.text, read.calls, usage))
    }

    /// Learns that a parameter which was sent is refused. Whether the next request will differ from it.
    fn adapt(&self, parameter: Parameter, sent: &Value) -> bool {
        let mut adapted = self.adapted();
        if parameter != Parameter::MaxTokens {
            adapted.omit.insert(parameter);
            return true;
        }
        let used = adapted.max_tokens;
        if sent.get(used.name()).is_none() {
            // Another call has learnt the other name meanwhile.
            return true;
        }
        if used == self.config.max_tokens_parameter {
            adapted.max_tokens = used.other();
            true
        } else {
            adapted.omit.insert(parameter)
        }
    }
}

/// Text, calls and what they took.
type Answered = (String, Vec<super::ToolCall>, Usage);

impl ChatModel for OpenAi {
    fn name(&self) -> &str {
        &self.name
    }

    fn complete<'a>(&'a self, request: &'a ChatRequest) -> Completing<'a> {
        Box::pin(self.answer(request))
    }
}

/// Without the client, in whose headers the key could be.
impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi").field("name", &self.name).field("config", &self.config).finish_non_exhaustive()
    }
}

fn secret(model: &str, variable: &str, key: &dyn Fn(&str) -> Option<String>) -> Result<Secret, SetupError> {
    // Keys that are read from files have a line break at their end.
    let key = key(variable).map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| SetupError::NoKey { model: model.to_owned(), variable: variable.to_owned() })?;
    let secret = Secret::new(&key);
    match secret.header() {
        Some(_) => Ok(secret),
        None => Err(SetupError::BadKey { variable: variable.to_owned() }),
    }
}

/// The pause before a retry: from half of the doubled time to all of it, as the request's digest has it.
fn pause(retries: u32, sent: &Value) -> SimDuration {
    let doubled = (FIRST_PAUSE * (1 << retries.min(16))).min(LONGEST_PAUSE);
    doubled.scaled(0.5 + 0.5 * digest::fraction(&format!("{retries} {}", digest::of(sent))))
}

/// A failure after all tries: that of a time limit adds up.
fn in_all(failure: ModelFailure, retries: u32) -> ModelFailure {
    match failure {
        ModelFailure::TimedOut(limit) => ModelFailure::TimedOut(limit * (u64::from(retries) + 1)),
        ModelFailure::Busy(why) if retries > 0 => ModelFailure::Busy(tried(&why, retries)),
        ModelFailure::Unreachable(why) if retries > 0 => ModelFailure::Unreachable(tried(&why, retries)),
        other => other,
    }
}

fn tried(why: &str, retries: u32) -> String {
    format!("{why} (tried {} times)", retries + 1)
}

/// Characters as tokens: four make about one.
const fn tokens_of(characters: usize) -> u64 {
    (characters as u64).div_ceil(4)
}

/// Rounded up, so that logs do not pretend to more.
fn whole_milliseconds(took: SimDuration) -> SimDuration {
    SimDuration::from_millis(took.0.div_ceil(SimDuration::MILLISECOND.0))
}
