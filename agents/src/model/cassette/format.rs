//! The lines of a cassette, and reading them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sim::diagnostic::{Diagnostic, Diagnostics, Source};

use crate::model::{ChatRequest, Completion, Message, ModelFailure, digest};

/// The version that is written. Raise it with each change after which an older reader would read a line wrongly.
pub const VERSION: u32 = 1;

/// Hexadecimal digits of the digests that are kept for people.
const SHORT: usize = 12;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) cassette: u32,
    pub(super) model: String,
}

/// A request and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Take {
    pub(super) request: String,
    pub(super) ordinal: u32,
    pub(super) tools: String,
    pub(super) messages: Vec<String>,
    pub(super) answer: Answer,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Completion(Completion),
    Failure(ModelFailure),
}

impl From<Result<Completion, ModelFailure>> for Answer {
    fn from(result: Result<Completion, ModelFailure>) -> Self {
        match result {
            Ok(completion) => Self::Completion(completion),
            Err(failure) => Self::Failure(failure),
        }
    }
}

impl From<Answer> for Result<Completion, ModelFailure> {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Completion(completion) => Ok(completion),
            Answer::Failure(failure) => Err(failure),
        }
    }
}

/// What a cassette keeps of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) request: String,
    pub(super) tools: String,
    pub(super) messages: Vec<String>,
}

impl Summary {
    pub(super) fn of(request: &ChatRequest) -> Self {
        Self {
            request: digest::of_request(request),
            tools: short(digest::of(&request.tools)),
            messages: request.messages.iter().map(summary_of).collect(),
        }
    }
}

fn summary_of(message: &Message) -> String {
    let role = match message {
        Message::System { .. } => "system",
        Message::User { .. } => "user",
        Message::Assistant { .. } => "assistant",
        Message::Tool { .. } => "tool",
    };
    format!("{role} {}", short(digest::of(message)))
}

fn short(mut digest: String) -> String {
    digest.truncate(SHORT);
    digest
}

/// Counts requests that are equal.
#[derive(Debug, Default)]
pub(super) struct Ordinals(BTreeMap<String, u32>);

impl Ordinals {
    /// How many equal requests there were before this one.
    pub(super) fn next(&mut self, request: &str) -> u32 {
        let next = self.0.entry(request.to_owned()).or_default();
        let ordinal = *next;
        *next += 1;
        ordinal
    }
}

/// A recording that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Cassette {
    /// The model that answered.
    pub model: String,
    /// Whether the last line is not whole, since the run that wrote it was killed. What it said is not there.
    pub is_torn: bool,
    /// By request and ordinal.
    pub(super) takes: BTreeMap<(String, u32), Take>,
}

impl Cassette {
    /// Reads a cassette. A last line without its end is left out; see [`is_torn`](Self::is_torn).
    ///
    /// # Errors
    /// Every line that cannot be read.
    pub fn read(source: &Source) -> Result<Self, Diagnostics> {
        let mut reader = Reader { source, mistakes: Vec::new() };
        let mut lines = (1..).zip(source.text.split_inclusive('\n'));
        let Some(header) = lines.next().and_then(|(_, line)| serde_json::from_str::<Header>(line).ok()) else {
            reader.refuse(
                1,
                "the first line is not that of a cassette",
                "name the file that the recording was written to",
            );
            return Err(Diagnostics(reader.mistakes));
        };
        if header.cassette > VERSION || header.cassette == 0 {
            let help = "read it with the sockpit that wrote it, or record it again";
            let message = format!("it has version {}, and this sockpit reads 1 to {VERSION}", header.cassette);
            reader.refuse(1, &message, help);
            return Err(Diagnostics(reader.mistakes));
        }
        let mut cassette = Self { model: header.model, is_torn: false, takes: BTreeMap::new() };
        for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            match serde_json::from_str::<Take>(line) {
                Ok(take) => {
                    let key = (take.request.clone(), take.ordinal);
                    if cassette.takes.insert(key, take).is_some() {
                        reader.refuse(number, "this request was recorded before", "remove one of the two lines");
                    }
                }
                Err(_) if !line.ends_with('\n') => cassette.is_torn = true,
                Err(e) => reader.refuse(
                    number,
                    &format!("not a line of a cassette: {e}"),
                    "remove the line: the replay then diverges there",
                ),
            }
        }
        if reader.mistakes.is_empty() { Ok(cassette) } else { Err(Diagnostics(reader.mistakes)) }
    }

    /// How many answers it holds.
    pub fn len(&self) -> usize {
        self.takes.len()
    }

    /// Whether it holds no answer.
    pub fn is_empty(&self) -> bool {
        self.takes.is_empty()
    }
}

struct Reader<'s> {
    source: &'s Source,
    mistakes: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn refuse(&mut self, line: u32, message: &str, help: &str) {
        self.mistakes.push(Diagnostic::error(&*self.source.path, line, "", message).help(help));
    }
}
