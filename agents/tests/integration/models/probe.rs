//! What `doctor` finds out about a model.

use std::sync::Arc;

use agents::model::probe::{LONG_PROMPT, Outcome, probe};
use serde_json::{Value, json};

use super::server::{Reply, Server};
use super::{answer, error, model_on, unchanged, words};

/// A name and how it was found, for each probe.
async fn found(replies: Vec<Reply>) -> (Vec<(&'static str, Outcome)>, Vec<String>) {
    let server = Server::start(replies).await;
    let findings = probe(&model_on(&server, Arc::default(), unchanged), LONG_PROMPT).await;
    for finding in &findings {
        assert_eq!(finding.cure.is_empty(), finding.outcome == Outcome::Passed, "{finding:?}");
        assert!(!finding.detail.is_empty(), "{finding:?}");
    }
    let long = server.bodies().iter().map(|body| body.to_string().len()).max();
    if findings.len() > 1 {
        assert!(long.is_some_and(|bytes| bytes > LONG_PROMPT as usize * 3), "{long:?}");
    }
    let details = findings.iter().map(|finding| finding.detail.clone()).collect();
    (findings.into_iter().map(|finding| (finding.name, finding.outcome)).collect(), details)
}

fn calls(calls: &[(&str, Value)]) -> Reply {
    let calls: Vec<Value> =
        calls.iter().map(|(name, arguments)| json!({"function": {"name": name, "arguments": arguments}})).collect();
    Reply::json(200, &answer(&json!({"content": null, "tool_calls": calls})))
}

#[tokio::test]
async fn a_good_model_passes() {
    let logs = |pod: &str| ("get_logs", json!({"pod": pod}));
    let (outcomes, _) = found(vec![
        words("ready"),
        calls(&[("set_replicas", json!({"replicas": 7}))]),
        calls(&[logs("carts"), logs("orders")]),
        words("{\"action\": \"set_replicas\", \"arguments\": {\"replicas\": 1}}"),
        words("KESTREL-4711"),
    ])
    .await;
    let names = ["reachable", "usage", "tool calls", "parallel calls", "JSON schema", "context", "parameters"];
    assert_eq!(outcomes, names.map(|name| (name, Outcome::Passed)));
}

#[tokio::test]
async fn a_bad_one_is_found_out() {
    let no_usage = Reply::json(200, &json!({"choices": [{"message": {"content": "ready"}}]}));
    let (outcomes, details) = found(vec![
        no_usage,
        words("I would call set_replicas."),
        calls(&[("get_logs", json!({"pod": "carts"}))]),
        error(400, "response_format is not supported"),
        words("Hello!"),
        words("What code word?"),
    ])
    .await;
    let names = ["usage", "tool calls", "parallel calls", "JSON schema", "context", "parameters"];
    assert_eq!(outcomes[0], ("reachable", Outcome::Passed));
    assert_eq!(outcomes[1..], names.map(|name| (name, Outcome::Failed)));
    // The server says that it has read 11 tokens.
    assert!(details[5].contains("the server read 11"), "{}", details[5]);
}

#[tokio::test]
async fn a_server_that_refuses_what_is_too_long_is_right() {
    let (outcomes, _) =
        found(vec![words("ready"), words("?"), words("?"), words("?"), error(400, "the context length is 4096")]).await;
    assert_eq!(outcomes[5], ("context", Outcome::Passed));
}

#[tokio::test]
async fn nothing_more_is_asked_of_a_model_that_cannot_be_reached() {
    let (outcomes, details) = found(vec![error(401, "Wrong key")]).await;
    assert_eq!(outcomes, [("reachable", Outcome::Failed)]);
    assert!(details[0].contains("Wrong key"), "{}", details[0]);
}
