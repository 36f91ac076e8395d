//! An answer, as servers send it.
//!
//! What deviates from `OpenAI`'s form is read as it is meant: content as a list of parts or missing, calls in the old
//! field `function_call` or in the text, arguments as an object and not as a text, ids that are missing or the same. Ids
//! are never kept: the calls of a conversation are `call_1`, `call_2`, …, so that a cassette does not depend on a server's
//! chance. The text is without the model's reasoning.

use std::slice;

use serde_json::Value;

use super::text;
use crate::model::{ChatRequest, Message, ToolCall};
use crate::policy::Tokens;

/// Longest text of an answer, and longest arguments of a call, in bytes: 64 KiB are about 16 000 tokens. What is longer
/// is cut, since it would be read again with each later request.
pub const LONGEST_TEXT: usize = 64 << 10;

/// Most calls of one answer. Further ones are dropped.
pub const MOST_CALLS: usize = 32;

/// What was read of an answer.
pub(super) struct Read {
    pub(super) text: String,
    pub(super) calls: Vec<ToolCall>,
    /// As the server counted.
    pub(super) tokens: Option<Tokens>,
    /// Characters that the model wrote, its reasoning included.
    pub(super) written: usize,
}

/// A call without an id: the tool and its arguments as JSON.
pub(super) type Call = (String, String);

/// Reads an answer. `bare` says that a call is expected as JSON in the text, whatever tool it names.
pub(super) fn read(answer: &Value, request: &ChatRequest, bare: bool) -> Result<Read, String> {
    let choice = answer
        .get("choices")
        .and_then(|choices| choices.get(0))
        .ok_or_else(|| format!("it has no `choices`: {}", super::failure::excerpt(&answer.to_string())))?;
    let message = choice.get("message").unwrap_or(choice);
    let content = content(message.get("content").or_else(|| choice.get("text")));
    let refusal = message.get("refusal").and_then(Value::as_str).unwrap_or_default();
    let mut calls = native_calls(message);
    let written = characters(&calls)
        + content.chars().count()
        + ["reasoning_content", "reasoning"]
            .iter()
            .filter_map(|name| message.get(name).and_then(Value::as_str))
            .map(|text| text.chars().count())
            .sum::<usize>();
    let mut text = without_reasoning(&content);
    if text.is_empty() {
        refusal.clone_into(&mut text);
    }
    if calls.is_empty() && !request.tools.is_empty() {
        let is_tool = |name: &str| bare || request.tools.iter().any(|tool| tool.name == name);
        if let Some((start, found)) = text::calls(&text, &is_tool) {
            text.truncate(start);
            text.truncate(text.trim_end().len());
            calls = found;
        }
    }
    cut(&mut text);
    Ok(Read { text, calls: numbered(calls, request), tokens: tokens(answer), written })
}

/// The content of a message: a text, nothing, or a list of parts.
fn content(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            parts.iter().filter_map(|part| part.as_str().or_else(|| part.get("text").and_then(Value::as_str))).collect()
        }
        _ => String::new(),
    }
}

fn native_calls(message: &Value) -> Vec<Call> {
    let calls = match message.get("tool_calls") {
        Some(Value::Array(calls)) => calls.as_slice(),
        Some(call @ Value::Object(_)) => slice::from_ref(call),
        _ => &[],
    };
    let old = message.get("function_call").filter(|call| calls.is_empty() && call.is_object());
    calls
        .iter()
        .map(|call| call.get("function").unwrap_or(call))
        .chain(old)
        .map(|function| {
            let name = function.get("name").and_then(Value::as_str).unwrap_or_default();
            (name.trim().to_owned(), arguments(function.get("arguments")))
        })
        .collect()
}

/// Arguments as a JSON text: they may come as an object, as a text that is JSON, as a text of such a text, or not at
/// all. What is no JSON stays as it is.
pub(super) fn arguments(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "{}".to_owned(),
        Some(Value::String(text)) if text.trim().is_empty() => "{}".to_owned(),
        Some(Value::String(text)) => match serde_json::from_str::<Value>(text) {
            Ok(Value::String(inner)) if serde_json::from_str::<Value>(&inner).is_ok_and(|v| v.is_object()) => inner,
            _ => text.clone(),
        },
        Some(other) => other.to_string(),
    }
}

/// The calls with ids that count through the conversation. They go on from the highest one, since who leads the
/// conversation may have left out its beginning.
fn numbered(calls: Vec<Call>, request: &ChatRequest) -> Vec<ToolCall> {
    let earlier = request.messages.iter().flat_map(|message| match message {
        Message::Assistant { calls, .. } => calls.as_slice(),
        _ => &[],
    });
    let numbers = earlier.filter_map(|call| call.id.strip_prefix("call_")?.parse::<usize>().ok());
    let highest = numbers.max().unwrap_or_default();
    let numbered = (highest + 1..).zip(calls.into_iter().take(MOST_CALLS)).map(|(number, (name, mut arguments))| {
        cut(&mut arguments);
        ToolCall { id: format!("call_{number}"), name, arguments }
    });
    numbered.collect()
}

/// The tokens that the server counted; zeros are no count.
fn tokens(answer: &Value) -> Option<Tokens> {
    let usage = answer.get("usage")?;
    let count = |names: [&str; 2]| {
        names.iter().find_map(|name| {
            let number = usage.get(name)?;
            number.as_u64().or_else(|| number.as_f64().map(|n| n as u64))
        })
    };
    let tokens = Tokens {
        input: count(["prompt_tokens", "input_tokens"])?,
        output: count(["completion_tokens", "output_tokens"])?,
    };
    (tokens != Tokens::default()).then_some(tokens)
}

fn characters(calls: &[Call]) -> usize {
    calls.iter().map(|(name, arguments)| name.chars().count() + arguments.chars().count()).sum()
}

/// A text without `<think>…</think>`. The beginning may be missing, where the chat template has written it, and the end,
/// where the answer was cut.
fn without_reasoning(text: &str) -> String {
    const BEGIN: &str = "<think>";
    const END: &str = "</think>";
    let mut kept = String::new();
    let mut rest = text;
    loop {
        match (rest.find(BEGIN), rest.find(END)) {
            (Some(begin), Some(end)) if begin < end => {
                kept.push_str(&rest[..begin]);
                rest = &rest[end + END.len()..];
            }
            (_, Some(end)) => {
                kept.clear();
                rest = &rest[end + END.len()..];
            }
            (Some(begin), None) => {
                kept.push_str(&rest[..begin]);
                break;
            }
            (None, None) => {
                kept.push_str(rest);
                break;
            }
        }
    }
    kept.trim().to_owned()
}

fn cut(text: &mut String) {
    if text.len() > LONGEST_TEXT {
        text.truncate(text.floor_char_boundary(LONGEST_TEXT));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_is_no_part_of_the_text() {
        let check = |text: &str, kept: &str| assert_eq!(without_reasoning(text), kept, "{text}");
        check("plain", "plain");
        check("<think>a</think> b", "b");
        check("a <think>b</think>c<think>d</think>e", "a ce");
        check("the template began it</think>\n\nanswer", "answer");
        check("answer <think>cut off", "answer");
        check("<think></think>", "");
    }
}
