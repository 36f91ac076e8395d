//! A chat model that says what a test wants it to say, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use agents::model::{ChatModel, ChatRequest, Completing, Completion, Message, ModelFailure, ToolCall, Usage};
use agents::policy::Tokens;
use serde_json::Value;

/// What a model says.
pub(crate) type Answer = Result<Completion, ModelFailure>;

/// What decides what it says: how often it was asked before, and what it is asked.
type Says = dyn Fn(usize, &ChatRequest) -> Answer + Send + Sync;

/// The puppet.
pub(crate) struct Puppet {
    says: Box<Says>,
    asked: Mutex<Vec<ChatRequest>>,
}

impl Puppet {
    /// It says this, given how many times it was asked before and what it is asked.
    pub(crate) fn new(says: impl Fn(usize, &ChatRequest) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { says: Box::new(says), asked: Mutex::default() })
    }

    /// It says these one after the other, and then the last one again and again.
    pub(crate) fn in_order(answers: Vec<Answer>) -> Arc<Self> {
        Self::new(move |times, _| answers[times.min(answers.len() - 1)].clone())
    }

    /// Everything that it was asked.
    pub(crate) fn asked(&self) -> Vec<ChatRequest> {
        self.asked.lock().expect("nobody panics with it").clone()
    }

    /// The messages that it was asked last.
    pub(crate) fn last_messages(&self) -> Vec<Message> {
        self.asked().pop().expect("it was asked").messages
    }
}

impl ChatModel for Puppet {
    fn name(&self) -> &'static str {
        "puppet"
    }

    fn complete<'a>(&'a self, request: &'a ChatRequest) -> Completing<'a> {
        let mut asked = self.asked.lock().expect("nobody panics with it");
        let answer = (self.says)(asked.len(), request);
        asked.push(request.clone());
        Box::pin(std::future::ready(answer))
    }
}

/// A thousand tokens read and a hundred written.
pub(crate) fn usage() -> Usage {
    Usage { tokens: Tokens { input: 1_000, output: 100 }, cost_micro_usd: 7, ..Usage::default() }
}

/// Words and no tool call.
pub(crate) fn words(text: &str) -> Completion {
    Completion { text: text.to_owned(), calls: Vec::new(), usage: usage() }
}

/// A call with its arguments as they are written.
pub(crate) fn written(name: &str, arguments: &str) -> Completion {
    let call = ToolCall { id: "call-a".to_owned(), name: name.to_owned(), arguments: arguments.to_owned() };
    Completion { text: String::new(), calls: vec![call], usage: usage() }
}

/// A tool call.
pub(crate) fn call(name: &str, arguments: &Value) -> Completion {
    written(name, &arguments.to_string())
}

/// Several tool calls at once.
pub(crate) fn calls(calls: &[(&str, Value)]) -> Completion {
    let calls = calls.iter().enumerate().map(|(index, (name, arguments))| ToolCall {
        id: format!("call-{index}"),
        name: (*name).to_owned(),
        arguments: arguments.to_string(),
    });
    Completion { text: String::new(), calls: calls.collect(), usage: usage() }
}

/// What servers ask of a conversation: a prompt, a task, and then for each tool call exactly one answer before anything
/// else is said. None if all is well.
pub(crate) fn broken(messages: &[Message]) -> Option<String> {
    let [Message::System { .. }, Message::User { .. }, rest @ ..] = messages else {
        return Some("it does not begin with a prompt and a task".to_owned());
    };
    let mut open: Vec<&str> = Vec::new();
    for message in rest {
        match message {
            Message::Tool { call, .. } => match open.iter().position(|id| id == call) {
                Some(at) => drop(open.remove(at)),
                None => return Some(format!("an answer to `{call}`, which was not called")),
            },
            _ if !open.is_empty() => return Some(format!("no answer to {open:?}")),
            Message::Assistant { text, calls } => {
                if text.is_empty() && calls.is_empty() {
                    return Some("an empty answer is kept".to_owned());
                }
                for call in calls {
                    if !serde_json::from_str::<Value>(&call.arguments).is_ok_and(|value| value.is_object()) {
                        return Some(format!("arguments that are no object are kept: {}", call.arguments));
                    }
                }
                open = calls.iter().map(|call| call.id.as_str()).collect();
            }
            Message::System { .. } => return Some("a second prompt".to_owned()),
            Message::User { .. } => {}
        }
    }
    (!open.is_empty()).then(|| format!("no answer to {open:?}"))
}
