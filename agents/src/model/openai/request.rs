//! The body of a request.
//!
//! With tool calling, messages and tools are sent as they are. Without it ([`ToolCalling::JsonSchema`],
//! [`ToolCalling::NoneText`]) the tools are in the system prompt, the model's calls are its own JSON, and the answers of
//! tools come from the user; messages of the user that follow each other are put together, since many chat templates
//! insist on turns.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Adapted;
use crate::model::config::{ModelConfig, Parameter, ToolCalling};
use crate::model::{ChatRequest, Message, ToolCall};
use crate::tools::Tool;

/// How deep references to definitions are followed: ours are flat.
const DEEPEST_REFERENCE: u32 = 16;

/// What is sent for a request.
pub(super) fn body(config: &ModelConfig, adapted: &Adapted, request: &ChatRequest) -> Value {
    let mut body: Map<String, Value> = config.extra.clone().into_iter().collect();
    let mut set = |parameter: Parameter, name: &str, value: Value| {
        if !adapted.omit.contains(&parameter) {
            body.insert(name.to_owned(), value);
        }
    };
    set(Parameter::Stream, "stream", json!(false));
    set(Parameter::Temperature, "temperature", json!(config.temperature));
    set(Parameter::MaxTokens, adapted.max_tokens.name(), json!(config.answer_tokens()));
    if let Some(seed) = config.seed {
        set(Parameter::Seed, "seed", json!(seed));
    }
    let has_tools = !request.tools.is_empty();
    let messages: Vec<Value> = match config.tool_calling {
        ToolCalling::Native => {
            if has_tools {
                set(Parameter::ParallelToolCalls, "parallel_tool_calls", json!(config.parallel_calls));
                if config.must_call {
                    set(Parameter::ToolChoice, "tool_choice", json!("required"));
                }
            }
            request.messages.iter().map(native).collect()
        }
        ToolCalling::JsonSchema | ToolCalling::NoneText => {
            if has_tools && config.tool_calling == ToolCalling::JsonSchema {
                set(Parameter::ResponseFormat, "response_format", response_format(&request.tools));
            }
            prompted(request)
        }
    };
    if has_tools && config.tool_calling == ToolCalling::Native {
        body.insert("tools".to_owned(), request.tools.iter().map(function).collect());
    }
    body.insert("model".to_owned(), json!(config.model));
    body.insert("messages".to_owned(), Value::Array(messages));
    Value::Object(body)
}

/// A message with tool calling.
fn native(message: &Message) -> Value {
    match message {
        Message::System { text } => json!({"role": "system", "content": text}),
        Message::User { text } => json!({"role": "user", "content": text}),
        Message::Assistant { text, calls } if calls.is_empty() => json!({"role": "assistant", "content": text}),
        Message::Assistant { text, calls } => {
            let content = if text.is_empty() { Value::Null } else { json!(text) };
            let calls: Vec<Value> = calls.iter().map(native_call).collect();
            json!({"role": "assistant", "content": content, "tool_calls": calls})
        }
        Message::Tool { call, text } => json!({"role": "tool", "tool_call_id": wire_id(call), "content": text}),
    }
}

fn native_call(call: &ToolCall) -> Value {
    json!({
        "id": wire_id(&call.id),
        "type": "function",
        "function": {"name": call.name, "arguments": readable(&call.arguments).to_string()},
    })
}

/// Mistral takes ids of nine letters and digits only, and no server minds them.
fn wire_id(id: &str) -> String {
    match id.strip_prefix("call_").and_then(|number| number.parse::<u32>().ok()) {
        Some(number) => format!("call{number:05}"),
        None => id.to_owned(),
    }
}

/// Arguments as an object: servers that read what the model wrote break where it is no JSON.
fn readable(arguments: &str) -> Value {
    match serde_json::from_str(arguments) {
        Ok(Value::Object(object)) => Value::Object(object),
        _ => json!({"unreadable": arguments}),
    }
}

fn function(tool: &Tool) -> Value {
    json!({
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": inlined(&tool.parameters)},
    })
}

/// The messages without tool calling.
fn prompted(request: &ChatRequest) -> Vec<Value> {
    let mut turns: Vec<(&str, String)> = Vec::new();
    let mut say = |role: &'static str, text: String| match turns.last_mut() {
        Some((last, said)) if *last == role => {
            said.push_str("\n\n");
            said.push_str(&text);
        }
        _ => turns.push((role, text)),
    };
    if !matches!(request.messages.first(), Some(Message::System { .. })) && !request.tools.is_empty() {
        say("system", instructions(&request.tools));
    }
    let mut names = BTreeMap::new();
    for (i, message) in request.messages.iter().enumerate() {
        match message {
            Message::System { text } => {
                say("system", text.clone());
                if i == 0 && !request.tools.is_empty() {
                    say("system", instructions(&request.tools));
                }
            }
            Message::User { text } => say("user", text.clone()),
            Message::Assistant { text, calls } => {
                let mut lines = if text.is_empty() { Vec::new() } else { vec![text.clone()] };
                for call in calls {
                    names.insert(call.id.as_str(), call.name.as_str());
                    lines.push(written_call(&call.name, &readable(&call.arguments)));
                }
                say("assistant", lines.join("\n"));
            }
            Message::Tool { call, text } => {
                let name = names.get(call.as_str()).copied().unwrap_or("the tool");
                say("user", format!("Answer of {name}:\n{text}"));
            }
        }
    }
    turns.into_iter().map(|(role, text)| json!({"role": role, "content": text})).collect()
}

/// A call as a model without tool calling writes it. The order of its fields is that of thinking: what, then how.
fn written_call(name: &str, arguments: &Value) -> String {
    format!("{{\"action\": {}, \"arguments\": {arguments}}}", Value::from(name))
}

/// What the system prompt says of tools.
fn instructions(tools: &[Tool]) -> String {
    let described = tools.iter().map(|tool| {
        let Tool { name, description, parameters } = tool;
        format!("- {name}: {description}\n  {}", inlined(parameters))
    });
    format!(
        "You act by calling one tool at a time. Answer with exactly one JSON object and nothing else, of this form:\n\
         {{\"action\": \"NAME_OF_THE_TOOL\", \"arguments\": {{…}}}}\n\nThe tools, each with the JSON schema of its \
         arguments:\n{}",
        described.collect::<Vec<_>>().join("\n")
    )
}

/// The form of an answer without tool calling: a call of one of the tools. The name sorts before the arguments, since
/// some servers make a model write the fields in the order in which the schema has them, and that may be sorted.
fn response_format(tools: &[Tool]) -> Value {
    let calls: Vec<Value> = tools
        .iter()
        .map(|tool| {
            json!({
                "type": "object",
                "properties": {"action": {"const": tool.name}, "arguments": inlined(&tool.parameters)},
                "required": ["action", "arguments"],
                "additionalProperties": false,
            })
        })
        .collect();
    json!({"type": "json_schema", "json_schema": {"name": "tool_call", "schema": {"anyOf": calls}}})
}

/// A schema that stands by itself: what it refers to is put in, and `$schema` left out, which some servers refuse.
fn inlined(schema: &Value) -> Value {
    let definitions = schema.get("$defs").cloned().unwrap_or_default();
    inline(schema, &definitions, 0)
}

fn inline(schema: &Value, definitions: &Value, depth: u32) -> Value {
    match schema {
        Value::Array(items) => items.iter().map(|item| inline(item, definitions, depth)).collect(),
        Value::Object(fields) => {
            let target = fields.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/"));
            let mut result = match target.and_then(|name| definitions.get(name)) {
                // A schema that refers to itself ends in one that takes anything.
                Some(_) if depth >= DEEPEST_REFERENCE => return json!({}),
                Some(target) => inline(target, definitions, depth + 1),
                None => json!({}),
            };
            if let Value::Object(into) = &mut result {
                for (key, value) in
                    fields.iter().filter(|(key, _)| !matches!(key.as_str(), "$ref" | "$defs" | "$schema"))
                {
                    into.insert(key.clone(), inline(value, definitions, depth));
                }
            }
            result
        }
        plain => plain.clone(),
    }
}
