//! The bodies of requests, as they are sent.

use agents::model::config::{ModelConfig, ToolCalling};
use agents::model::{ChatRequest, Message, ToolCall};
use agents::tools::Tool;
use serde_json::{Value, json};

use super::server::Reply;
use super::{answer, call, unchanged, user, words};

/// A conversation with everything in it.
fn conversation() -> ChatRequest {
    let call = |id: &str, name: &str, arguments: &str| ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    };
    let parameters = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Scale",
        "type": "object",
        "properties": {"component": {"$ref": "#/$defs/Component", "description": "Whose."}},
        "$defs": {"Component": {"type": "string", "description": "A component."}},
    });
    ChatRequest {
        messages: vec![
            Message::System { text: "Be brief.".into() },
            user("Scale."),
            Message::Assistant {
                text: String::new(),
                calls: vec![call("call_1", "scale", "{\"component\": \"carts\"}"), call("call_2", "scale", "{broken")],
            },
            Message::Tool { call: "call_1".into(), text: "scaled".into() },
            Message::Tool { call: "call_2".into(), text: "no JSON".into() },
            Message::Assistant { text: "I see.".into(), calls: Vec::new() },
            user("Go on."),
        ],
        tools: vec![Tool { name: "scale", description: "Scale it.", parameters }],
    }
}

async fn sent(change: impl FnOnce(&mut ModelConfig), request: &ChatRequest) -> Value {
    let called = call(vec![words("Yes.")], change, request).await;
    called.sent.into_iter().next().unwrap()
}

fn inlined() -> Value {
    json!({
        "title": "Scale",
        "type": "object",
        "properties": {"component": {"type": "string", "description": "Whose."}},
    })
}

#[tokio::test]
async fn with_tool_calling() {
    let body = sent(unchanged, &conversation()).await;
    let written = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "scale", "arguments": arguments}});
    let expected = json!({
        "model": "m",
        "stream": false,
        "temperature": 0.0,
        "max_tokens": 4096,
        "parallel_tool_calls": true,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Scale."},
            {"role": "assistant", "content": null, "tool_calls": [
                written("call00001", "{\"component\":\"carts\"}"),
                written("call00002", "{\"unreadable\":\"{broken\"}"),
            ]},
            {"role": "tool", "tool_call_id": "call00001", "content": "scaled"},
            {"role": "tool", "tool_call_id": "call00002", "content": "no JSON"},
            {"role": "assistant", "content": "I see."},
            {"role": "user", "content": "Go on."},
        ],
        "tools": [{
            "type": "function",
            "function": {"name": "scale", "description": "Scale it.", "parameters": inlined()},
        }],
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn without_tool_calling() {
    let change = |config: &mut ModelConfig| config.tool_calling = ToolCalling::JsonSchema;
    let body = sent(change, &conversation()).await;
    let messages = body["messages"].as_array().unwrap();
    let system = messages[0]["content"].as_str().unwrap();
    assert!(system.starts_with("Be brief.\n\nYou act by calling one tool"), "{system}");
    assert!(system.contains("{\"action\": \"NAME_OF_THE_TOOL\", \"arguments\": {…}}"), "{system}");
    assert!(system.contains("\n- scale: Scale it.\n  {"), "{system}");
    let expected = json!([
        {"role": "user", "content": "Scale."},
        {"role": "assistant", "content": "{\"action\": \"scale\", \"arguments\": {\"component\":\"carts\"}}\n\
                                         {\"action\": \"scale\", \"arguments\": {\"unreadable\":\"{broken\"}}"},
        {"role": "user", "content": "Answer of scale:\nscaled\n\nAnswer of scale:\nno JSON"},
        {"role": "assistant", "content": "I see."},
        {"role": "user", "content": "Go on."},
    ]);
    assert_eq!(json!(messages[1..]), expected);
    let variant = json!({
        "type": "object",
        "properties": {"action": {"const": "scale"}, "arguments": inlined()},
        "required": ["action", "arguments"],
        "additionalProperties": false,
    });
    assert_eq!(body["response_format"]["json_schema"]["schema"], json!({"anyOf": [variant]}));
    for name in ["tools", "tool_choice", "parallel_tool_calls"] {
        assert_eq!(body.get(name), None);
    }

    let change = |config: &mut ModelConfig| config.tool_calling = ToolCalling::NoneText;
    let body = sent(change, &ChatRequest { messages: vec![user("Go.")], ..conversation() }).await;
    assert_eq!(body.get("response_format"), None);
    assert_eq!(body["messages"][0]["role"], "system");
    assert_eq!(body["messages"][1], json!({"role": "user", "content": "Go."}));
}

#[tokio::test]
async fn an_answer_without_tool_calling_is_a_call() {
    let check = async |tool_calling: ToolCalling, content: &str, expected: Option<(&str, &str)>| {
        let reply = Reply::json(200, &answer(&json!({"content": content})));
        let change = |config: &mut ModelConfig| config.tool_calling = tool_calling;
        let completion = call(vec![reply], change, &conversation()).await.result.unwrap();
        let calls = expected.map(|(name, arguments)| ToolCall {
            id: "call_3".into(),
            name: name.into(),
            arguments: arguments.into(),
        });
        assert_eq!(completion.calls, calls.into_iter().collect::<Vec<_>>(), "{content}");
    };
    let scale = Some(("scale", "{\"component\":\"a\"}"));
    check(ToolCalling::JsonSchema, "{\"action\":\"scale\",\"arguments\":{\"component\":\"a\"}}", scale).await;
    check(ToolCalling::NoneText, "Well:\n{\"action\":\"scale\",\"arguments\":{\"component\":\"a\"}}", scale).await;
    // A tool that does not exist is to be told so.
    check(ToolCalling::JsonSchema, "{\"action\":\"nonsense\",\"arguments\":{}}", Some(("nonsense", "{}"))).await;
    check(ToolCalling::NoneText, "I do not know.", None).await;
}

#[tokio::test]
async fn options_are_sent() {
    let body = sent(
        |config| {
            config.model = "big".into();
            config.temperature = 0.7;
            config.max_tokens = 99;
            config.seed = Some(42);
            config.must_call = true;
            config.parallel_calls = false;
            config.extra.insert("reasoning_effort".into(), json!("low"));
        },
        &conversation(),
    )
    .await;
    let expected = [
        ("model", json!("big")),
        ("temperature", json!(0.7)),
        ("max_tokens", json!(99)),
        ("seed", json!(42)),
        ("tool_choice", json!("required")),
        ("parallel_tool_calls", json!(false)),
        ("reasoning_effort", json!("low")),
    ];
    for (name, value) in expected {
        assert_eq!(body[name], value, "{name}");
    }
    // Without tools there is nothing to say of them.
    let body = sent(|config| config.must_call = true, &super::question()).await;
    for name in ["tools", "tool_choice", "parallel_tool_calls", "seed"] {
        assert_eq!(body.get(name), None, "{name}");
    }
}
