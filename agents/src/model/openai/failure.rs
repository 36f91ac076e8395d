//! What a server's refusal means, and what can be done about it.
//!
//! | Status | Means | Remedy |
//! |---|---|---|
//! | 400, 413, 422, 5xx whose words are about the context's length | [`ModelFailure::TooLong`] | none |
//! | 400, 422 that name a parameter which was sent | [`ModelFailure::Refused`] | leave it out, once |
//! | 402, 429 for want of money | [`ModelFailure::Refused`] | none |
//! | 429, 503, 529 | [`ModelFailure::Busy`] | wait |
//! | 408, 425, other 5xx, no connection | [`ModelFailure::Unreachable`] | wait |
//! | all else | [`ModelFailure::Refused`] | none |
//!
//! Servers disagree on the form of errors (`error` may be a text, its `code` a number, FastAPI writes `detail`, a proxy
//! sends HTML), so that all of it is read as far as it goes. Some send an error with status 200.

use async_openai::error::OpenAIError;
use serde_json::Value;
use sim::time::SimDuration;

use super::wire::WireError;
use crate::model::ModelFailure;
use crate::model::config::{MaxTokensParameter, ModelConfig, Parameter};

/// Longest text of a server that is quoted, in characters.
const LONGEST_QUOTE: usize = 400;

/// A request that got no answer.
#[derive(Debug)]
pub(super) struct Failed {
    /// What is told if it stays so.
    pub(super) failure: ModelFailure,
    /// What can be tried first.
    pub(super) remedy: Remedy,
}

/// What can be done about a failure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Remedy {
    /// Nothing.
    None,
    /// To try again later, and no sooner than the server asks for.
    Wait(Option<SimDuration>),
    /// To do without a parameter.
    Adapt(Parameter),
}

impl From<ModelFailure> for Failed {
    fn from(failure: ModelFailure) -> Self {
        Self { failure, remedy: Remedy::None }
    }
}

impl Failed {
    /// No answer within the time limit.
    pub(super) const fn timed_out(limit: SimDuration) -> Self {
        Self { failure: ModelFailure::TimedOut(limit), remedy: Remedy::Wait(None) }
    }

    /// What came back instead of JSON.
    pub(super) fn of(error: OpenAIError, sent: &Value, config: &ModelConfig) -> Self {
        let error = match error {
            OpenAIError::Boxed(inner) => inner.downcast::<WireError>(),
            // All that is sent passes through the wire, whose errors are its own.
            other => return ModelFailure::Unreadable(excerpt(&other.to_string())).into(),
        };
        match error.map(|error| *error) {
            Ok(WireError::Unreachable(why)) => {
                Self { failure: ModelFailure::Unreachable(why), remedy: Remedy::Wait(None) }
            }
            Ok(WireError::Status { status, retry_after, body }) => {
                let error = ServerError::read(&body);
                Self::of_status(status, retry_after, &error, sent, config)
            }
            Ok(WireError::NotJson(what)) => ModelFailure::Unreadable(format!("it is no JSON but {what}")).into(),
            Ok(WireError::Unsendable(why)) => ModelFailure::Refused(why).into(),
            Err(other) => ModelFailure::Unreadable(excerpt(&other.to_string())).into(),
        }
    }

    /// An error that came with status 200, if the answer is one: in the place of the choices, or of a choice's message.
    pub(super) fn in_answer(answer: &Value, sent: &Value, config: &ModelConfig) -> Option<Self> {
        let place = answer.get("choices").and_then(|choices| choices.get(0)).unwrap_or(answer);
        place.get("error").filter(|error| !error.is_null())?;
        let error = ServerError::of(place);
        let status = error.code.parse::<u16>().ok().filter(|code| (400..600).contains(code)).unwrap_or(500);
        Some(Self::of_status(status, None, &error, sent, config))
    }

    fn of_status(
        status: u16,
        retry_after: Option<SimDuration>,
        error: &ServerError,
        sent: &Value,
        config: &ModelConfig,
    ) -> Self {
        let text = format!("{status}: {}", error.message);
        if status == 413 || (status != 429 && error.is_about_length()) {
            return ModelFailure::TooLong(text).into();
        }
        let later = |failure| Self { failure, remedy: Remedy::Wait(retry_after) };
        match status {
            429 if error.is_about_money() => ModelFailure::Refused(text).into(),
            429 | 503 | 529 => later(ModelFailure::Busy(text)),
            408 | 425 | 500..=599 => later(ModelFailure::Unreachable(text)),
            400 | 422 => {
                let remedy = error.parameter(sent).map_or(Remedy::None, Remedy::Adapt);
                Self { failure: ModelFailure::Refused(text + hint(status, error, config).as_str()), remedy }
            }
            _ => ModelFailure::Refused(text + hint(status, error, config).as_str()).into(),
        }
    }
}

/// What the user can do about a refusal.
fn hint(status: u16, error: &ServerError, config: &ModelConfig) -> String {
    let words = error.message.to_lowercase();
    match (status, &config.api_key_env) {
        (401 | 403, Some(variable)) => format!(" (check the key in {variable})"),
        (401 | 403, None) => " (the server wants a key: name its environment variable in `api_key_env`)".to_owned(),
        (404 | 405, _) => format!(" (check `base_url`, {}, and `model`, {})", config.base_url, config.model),
        (400 | 422, _) if words.contains("tool") && words.contains("support") => {
            " (if the model has no tool calling, set `tool_calling: json-schema`)".to_owned()
        }
        _ => String::new(),
    }
}

/// An error in a server's own words.
#[derive(Debug, Default)]
struct ServerError {
    message: String,
    /// A word or a number.
    code: String,
    /// The parameter that it is about.
    parameter: String,
}

impl ServerError {
    fn read(body: &str) -> Self {
        match serde_json::from_str::<Value>(body) {
            Ok(value) => Self::of(&value),
            Err(_) => Self { message: excerpt(body), ..Self::default() },
        }
    }

    fn of(body: &Value) -> Self {
        // Google wraps it in a list.
        let body = body.get(0).unwrap_or(body);
        let error = body.get("error").filter(|error| !error.is_null()).unwrap_or(body);
        let field = |name: &str| error.get(name).map(plain).filter(|text| !text.is_empty());
        let mut message =
            ["message", "detail", "msg"].iter().find_map(|name| field(name)).unwrap_or_else(|| plain(error));
        // OpenRouter quotes the server behind it.
        if let Some(raw) = error.get("metadata").and_then(|metadata| metadata.get("raw")) {
            message = format!("{message}: {}", plain(raw));
        }
        let code = [field("code"), field("type")].into_iter().flatten().next().unwrap_or_default();
        Self { message: excerpt(&message), code, parameter: field("param").unwrap_or_default() }
    }

    fn is_about_length(&self) -> bool {
        const WORDS: [&str; 9] = [
            "context length",
            "context_length",
            "context window",
            "context size",
            "context limit",
            "exceed_context",
            "prompt is too long",
            "input is too long",
            "too many tokens",
        ];
        let words = format!("{} {}", self.code, self.message).to_lowercase();
        WORDS.iter().any(|word| words.contains(word))
    }

    fn is_about_money(&self) -> bool {
        let words = format!("{} {}", self.code, self.message).to_lowercase();
        ["insufficient_quota", "current quota", "billing", "credit"].iter().any(|word| words.contains(word))
    }

    /// The parameter that was sent and is refused.
    fn parameter(&self, sent: &Value) -> Option<Parameter> {
        const REFUSALS: [&str; 10] = [
            "support",
            "unknown",
            "unrecogni",
            "unexpected",
            "extra",
            "not permitted",
            "not allowed",
            "invalid",
            "require",
            "only the default",
        ];
        let words = self.message.to_lowercase();
        let is_refusal = REFUSALS.iter().any(|word| words.contains(word));
        Parameter::ALL.into_iter().find(|parameter| {
            names(*parameter).into_iter().filter(|name| sent.get(name).is_some()).any(|name| {
                let is_meant = self.parameter.split(['.', '[']).next() == Some(name);
                is_meant || (is_refusal && has_word(&words, name))
            })
        })
    }
}

/// What a parameter may be called in a request.
fn names(parameter: Parameter) -> Vec<&'static str> {
    match parameter {
        Parameter::MaxTokens => {
            vec![MaxTokensParameter::MaxTokens.name(), MaxTokensParameter::MaxCompletionTokens.name()]
        }
        other => vec![other.name()],
    }
}

/// Whether a text has a name in it that is not a part of a longer one.
fn has_word(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(name)
        .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + name.len()..].starts_with(is_part))
}

/// A JSON value as a text: without quotes if it is one, nothing if it is null.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The beginning of a server's text, in one line. Of an HTML page it is the title.
pub(super) fn excerpt(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        return "an empty answer".to_owned();
    }
    if text.starts_with('<') {
        let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
        return match title {
            Some((title, _)) => format!("an HTML page, `{}`", one_line(title)),
            None => "an HTML page".to_owned(),
        };
    }
    one_line(text)
}

fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_QUOTE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
