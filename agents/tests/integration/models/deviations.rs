//! Answers that deviate from what `OpenAI` sends, read as they are meant.

use agents::model::openai::{LONGEST_TEXT, MOST_CALLS};
use agents::model::{ChatRequest, Completion, Message, ModelFailure, ToolCall};
use serde_json::{Value, json};

use super::server::Reply;
use super::{answer, call, some_tools, task, unchanged, user};

async fn read(body: &Value, request: &ChatRequest) -> Completion {
    let called = call(vec![Reply::json(200, body)], unchanged, request).await;
    assert_eq!(called.sent.len(), 1, "{body}");
    called.result.unwrap_or_else(|failure| panic!("{failure}: {body}"))
}

/// `id name arguments` of each call.
fn written(calls: &[ToolCall]) -> Vec<String> {
    calls.iter().map(|call| format!("{} {} {}", call.id, call.name, call.arguments)).collect()
}

#[tokio::test]
async fn a_message_is_read_as_it_is_meant() {
    let check = async |message: Value, text: &str, calls: &[&str]| {
        let completion = read(&answer(&message), &task()).await;
        assert_eq!(completion.text, text, "{message}");
        assert_eq!(written(&completion.calls), calls, "{message}");
    };
    let wait = json!({"name": "wait", "arguments": "{\"duration\": \"5s\"}"});
    // As it should be.
    check(json!({"content": "Hello."}), "Hello.", &[]).await;
    check(
        json!({"content": null, "tool_calls": [{"id": "x9", "type": "function", "function": wait}]}),
        "",
        &["call_1 wait {\"duration\": \"5s\"}"],
    )
    .await;
    // Content that is missing, empty, or in parts.
    check(json!({}), "", &[]).await;
    check(json!({"content": ""}), "", &[]).await;
    check(json!({"content": [{"type": "text", "text": "a"}, "b", {"type": "image_url"}, {"text": "c"}]}), "abc", &[])
        .await;
    check(json!({"content": null, "refusal": "No."}), "No.", &[]).await;
    // Reasoning.
    check(json!({"content": "<think>Hm.</think>\nYes.", "reasoning_content": "Hm."}), "Yes.", &[]).await;
    check(json!({"content": null, "reasoning_content": "Hm."}), "", &[]).await;
    // Calls in other forms.
    check(json!({"content": null, "function_call": wait}), "", &["call_1 wait {\"duration\": \"5s\"}"]).await;
    check(
        json!({"tool_calls": [{"function": {"name": "wait", "arguments": {"duration": "5s"}}}]}),
        "",
        &["call_1 wait {\"duration\":\"5s\"}"],
    )
    .await;
    check(json!({"tool_calls": [{"function": {"name": "wait"}}]}), "", &["call_1 wait {}"]).await;
    check(json!({"tool_calls": [{"function": {"name": "wait", "arguments": ""}}]}), "", &["call_1 wait {}"]).await;
    check(json!({"tool_calls": [{"name": "wait", "arguments": "{broken"}]}), "", &["call_1 wait {broken"]).await;
    check(
        json!({"tool_calls": [{"function": {"name": "wait", "arguments": "\"{\\\"a\\\":1}\""}}]}),
        "",
        &["call_1 wait {\"a\":1}"],
    )
    .await;
    check(json!({"content": "Hi.", "tool_calls": []}), "Hi.", &[]).await;
    check(json!({"content": "Hi.", "tool_calls": null}), "Hi.", &[]).await;
    // Calls as text.
    let text = "<think>?</think>I wait.\n<tool_call>\n{\"name\": \"wait\", \"arguments\": {\"duration\": \"5s\"}}\n</tool_call>";
    check(json!({"content": text}), "I wait.", &["call_1 wait {\"duration\":\"5s\"}"]).await;
    check(
        json!({"content": "```json\n{\"name\": \"scale\", \"arguments\": {\"replicas\": 2}}\n```"}),
        "",
        &["call_1 scale {\"replicas\":2}"],
    )
    .await;
    check(json!({"content": "{\"name\": \"wait\", \"arguments\": {}}"}), "", &["call_1 wait {}"]).await;
    check(
        json!({"content": "{\"name\": \"carts\", \"arguments\": {}}"}),
        "{\"name\": \"carts\", \"arguments\": {}}",
        &[],
    )
    .await;
}

#[tokio::test]
async fn ids_go_on_from_the_highest_of_the_conversation() {
    let old = |id: &str| ToolCall { id: id.into(), name: "wait".into(), arguments: "{}".into() };
    let request = ChatRequest {
        messages: vec![
            user("Go."),
            Message::Assistant { text: String::new(), calls: vec![old("call_7"), old("call_8")] },
            Message::Tool { call: "call_7".into(), text: "ok".into() },
            Message::Tool { call: "call_8".into(), text: "ok".into() },
        ],
        tools: some_tools(),
    };
    let same = json!({"id": "same", "function": {"name": "wait", "arguments": "{}"}});
    let missing = json!({"function": {"name": "scale", "arguments": "{}"}});
    let completion = read(&answer(&json!({"tool_calls": [same, same, missing]})), &request).await;
    assert_eq!(written(&completion.calls), ["call_9 wait {}", "call_10 wait {}", "call_11 scale {}"]);
}

#[tokio::test]
async fn a_flood_is_cut_and_its_usage_kept() {
    let completion = read(&answer(&json!({"content": "ä".repeat(1 << 20)})), &task()).await;
    assert_eq!(completion.text.len(), LONGEST_TEXT);
    assert_eq!((completion.usage.tokens.input, completion.usage.estimated), (11, false));

    let many = vec![json!({"function": {"name": "wait", "arguments": {"x": "y".repeat(100_000)}}}); 60];
    let completion = read(&answer(&json!({"tool_calls": many})), &task()).await;
    assert_eq!(completion.calls.len(), MOST_CALLS);
    assert!(completion.calls.iter().all(|call| call.arguments.len() == LONGEST_TEXT));
}

#[tokio::test]
async fn missing_usage_is_estimated() {
    let check = async |usage: Value, expected: Option<(u64, u64)>| {
        let body = json!({"choices": [{"message": {"content": "12345678"}}], "usage": usage});
        let called = call(vec![Reply::json(200, &body)], unchanged, &task()).await;
        let got = called.result.unwrap().usage;
        let characters = called.sent[0].to_string().chars().count() as u64;
        let (input, output) = expected.unwrap_or((characters.div_ceil(4), 2));
        assert_eq!(
            (got.tokens.input, got.tokens.output, got.estimated),
            (input, output, expected.is_none()),
            "{usage}"
        );
    };
    check(json!({"prompt_tokens": 5, "completion_tokens": 6}), Some((5, 6))).await;
    check(json!({"input_tokens": 5, "output_tokens": 6.0}), Some((5, 6))).await;
    check(json!({"prompt_tokens": 5}), None).await;
    check(json!({"prompt_tokens": 0, "completion_tokens": 0}), None).await;
    check(json!({}), None).await;
    check(Value::Null, None).await;
}

#[tokio::test]
async fn what_is_no_answer_cannot_be_read() {
    let check = async |reply: Reply, part: &str| {
        let called = call(vec![reply], unchanged, &task()).await;
        let failure = called.result.unwrap_err();
        assert!(matches!(&failure, ModelFailure::Unreadable(why) if why.contains(part)), "{failure}");
        assert_eq!((called.sent.len(), called.pauses.len()), (1, 0), "{failure}");
    };
    check(Reply::text(200, "<html><head><title>Log in</title></head></html>"), "an HTML page, `Log in`").await;
    check(Reply::text(200, ""), "an empty answer").await;
    check(Reply::text(200, "data: {\"choices\": []}\n\ndata: [DONE]"), "data:").await;
    check(Reply::text(200, "{\"choices\": [{\"message\""), "no JSON").await;
    check(Reply::json(200, &json!({"choices": []})), "no `choices`").await;
    check(Reply::json(200, &json!({"object": "list"})), "no `choices`").await;
    check(Reply::text(200, &format!("\"{}\"", "x".repeat(9 << 20))), "longer than").await;
}
