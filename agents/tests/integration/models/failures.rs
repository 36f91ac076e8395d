//! Failures: which are tried again and when, which are mended, and what is told of those that stay.

use agents::model::config::{MaxTokensParameter, ModelConfig, Parameter};
use agents::model::{ChatModel, ModelFailure};
use serde_json::{Value, json};
use sim::time::SimDuration;

use super::server::{Reply, Server};
use super::{Called, Counter, call, error, model_on, question, unchanged, words};

/// The failure's name and its text.
fn failure(called: &Called) -> (&'static str, String) {
    let Err(failure) = &called.result else { panic!("it answered") };
    let name = match failure {
        ModelFailure::TimedOut(_) => "timed out",
        ModelFailure::Busy(_) => "busy",
        ModelFailure::Unreachable(_) => "unreachable",
        ModelFailure::Unreadable(_) => "unreadable",
        ModelFailure::TooLong(_) => "too long",
        ModelFailure::Refused(_) => "refused",
        _ => "other",
    };
    (name, failure.to_string())
}

fn two_retries(config: &mut ModelConfig) {
    config.retries = 2;
}

#[tokio::test]
async fn a_failure_that_stays_is_told() {
    let check = async |reply: Reply, kind: &str, part: &str, requests: usize| {
        let called = call(vec![reply], two_retries, &question()).await;
        let (name, text) = failure(&called);
        assert_eq!((name, called.sent.len(), called.pauses.len()), (kind, requests, requests - 1), "{text}");
        assert!(text.contains(part), "{text}");
    };
    // Tried again.
    check(error(429, "Slow down."), "busy", "429: Slow down. (tried 3 times)", 3).await;
    check(error(503, "Loading model"), "busy", "Loading model", 3).await;
    check(error(500, "Oops"), "unreachable", "500: Oops", 3).await;
    check(Reply::text(502, "<html><title>Bad Gateway</title></html>"), "unreachable", "`Bad Gateway`", 3).await;
    check(error(408, "Too slow"), "unreachable", "408", 3).await;
    check(Reply::Cut, "unreachable", "connection closed", 3).await;
    // With status 200.
    let hidden = |code: Value| Reply::json(200, &json!({"error": {"message": "Overloaded", "code": code}}));
    check(hidden(json!(429)), "busy", "429: Overloaded", 3).await;
    check(hidden(json!("server_error")), "unreachable", "500: Overloaded", 3).await;
    check(hidden(json!(401)), "refused", "Overloaded", 1).await;
    let choice = json!({"choices": [{"error": {"message": "Provider down", "code": 502}, "message": {"content": ""}}]});
    check(Reply::json(200, &choice), "unreachable", "502: Provider down", 3).await;
    // Not tried again.
    check(error(401, "Wrong key"), "refused", "401: Wrong key (the server wants a key", 1).await;
    check(error(403, "Not you"), "refused", "Not you", 1).await;
    check(error(404, "No such model"), "refused", "check `base_url`", 1).await;
    check(error(402, "Pay first"), "refused", "Pay first", 1).await;
    check(Reply::text(307, "").with("location", "https://elsewhere/v1"), "refused", "https://elsewhere/v1", 1).await;
    let quota = json!({"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}});
    check(Reply::json(429, &quota), "refused", "current quota", 1).await;
    check(error(400, "messages[0] is odd"), "refused", "messages[0] is odd", 1).await;
    check(error(400, "m does not support tools"), "refused", "tool_calling: json-schema", 1).await;
    // Words in other places, and codes that are numbers.
    check(Reply::json(400, &json!({"error": {"code": 400, "message": "Bad"}})), "refused", "400: Bad", 1).await;
    check(Reply::json(400, &json!({"error": "as a text"})), "refused", "as a text", 1).await;
    check(Reply::json(422, &json!({"detail": [{"msg": "field required"}]})), "refused", "field required", 1).await;
    check(Reply::json(400, &json!([{"error": {"message": "in a list"}}])), "refused", "in a list", 1).await;
    check(Reply::text(400, "plain words"), "refused", "plain words", 1).await;
    // Too long.
    let code = json!({"error": {"message": "…", "code": "context_length_exceeded"}});
    check(Reply::json(400, &code), "too long", "400", 1).await;
    check(error(400, "This model's maximum context length is 4096 tokens."), "too long", "4096", 1).await;
    check(error(400, "the request exceeds the available context size"), "too long", "context size", 1).await;
    check(error(500, "context size has been exceeded"), "too long", "exceeded", 1).await;
    check(Reply::text(413, "Payload too large"), "too long", "Payload", 1).await;
}

#[tokio::test]
async fn a_failure_that_passes_is_not_told() {
    let called = call(vec![error(500, "Oops"), Reply::Cut, words("Fine.")], unchanged, &question()).await;
    let completion = called.result.unwrap();
    assert_eq!((completion.text.as_str(), called.sent.len()), ("Fine.", 3));
    // The pauses are a part of what the call took.
    let paused = called.pauses.iter().fold(SimDuration::ZERO, |sum, pause| sum + *pause);
    let took = completion.usage.took;
    assert!(took >= paused && took < paused + SimDuration::MILLISECOND * 2, "{took} {paused}");
}

#[tokio::test]
async fn pauses_double_and_heed_the_server() {
    let many = |config: &mut ModelConfig| config.retries = 8;
    let pauses = async |reply: Reply| call(vec![reply], many, &question()).await.pauses;
    let own = pauses(error(503, "Later")).await;
    assert_eq!(own.len(), 8);
    for (n, pause) in own.iter().enumerate() {
        let doubled = 2_f64.powi(n as i32).min(60.0);
        let seconds = pause.as_secs_f64();
        assert!(seconds >= doubled / 2.0 && seconds <= doubled, "{n}: {pause}");
    }
    assert_eq!(own, pauses(error(503, "Later")).await, "equal requests wait equally long");

    let check = async |name: &'static str, value: &str, first: Option<SimDuration>| {
        let asked = pauses(error(429, "Later").with(name, value)).await;
        assert_eq!(asked.first().copied(), first, "{name}: {value}");
    };
    check("retry-after", "7", Some(SimDuration::from_secs(7))).await;
    check("retry-after", "2.5", Some(SimDuration::from_millis(2_500))).await;
    check("retry-after-ms", "1500", Some(SimDuration::from_millis(1_500))).await;
    check("retry-after", "0", Some(own[0])).await;
    check("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT", Some(own[0])).await;
    check("retry-after", "-3", Some(own[0])).await;
    // An hour is not waited.
    check("retry-after", "3600", None).await;
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    let hasty = |config: &mut ModelConfig| {
        config.timeout = SimDuration::from_millis(250);
        config.retries = 1;
    };
    let called = call(vec![Reply::Hang], hasty, &question()).await;
    assert_eq!(called.result, Err(ModelFailure::TimedOut(SimDuration::from_millis(500))));
    assert_eq!((called.sent.len(), called.pauses.len()), (2, 1));

    let called = call(vec![Reply::Hang, words("Here.")], hasty, &question()).await;
    assert_eq!(called.result.unwrap().text, "Here.");
}

#[tokio::test]
async fn nothing_listens() {
    // The port was free a moment ago.
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let dead = |config: &mut ModelConfig| {
        config.base_url = format!("http://127.0.0.1:{port}/v1");
        config.retries = 1;
    };
    let called = call(vec![words("")], dead, &question()).await;
    let (name, text) = failure(&called);
    assert_eq!((name, called.pauses.len()), ("unreachable", 1), "{text}");
    assert!(text.contains("refused"), "{text}");
}

#[tokio::test]
async fn a_refused_parameter_is_left_out_from_then_on() {
    /// The parameters that were sent with each request, of those that can be left out.
    fn parameters(called: &[Value]) -> Vec<Vec<&str>> {
        let names =
            ["temperature", "max_tokens", "max_completion_tokens", "seed", "parallel_tool_calls", "tool_choice"];
        called.iter().map(|body| names.into_iter().filter(|name| body.get(name).is_some()).collect()).collect()
    }
    let named = |parameter: &str| {
        let error = json!({"message": "Bad value.", "param": parameter, "code": "unsupported_value"});
        Reply::json(400, &json!({"error": error}))
    };
    let check = async |replies: Vec<Reply>, sent: &[&[&str]], adaptations: &[&str]| {
        let replies: Vec<Reply> = replies.into_iter().chain([words("Yes.")]).collect();
        let server = Server::start(replies).await;
        let model = model_on(&server, Counter::default().into(), |config| {
            config.seed = Some(1);
            config.must_call = true;
        });
        let task = super::task();
        assert_eq!(model.complete(&task).await.unwrap().text, "Yes.");
        // And again: what was learnt is not forgotten.
        assert_eq!(model.complete(&task).await.unwrap().text, "Yes.");
        assert_eq!(parameters(&server.bodies()), sent);
        assert_eq!(model.adaptations(), adaptations);
    };
    let all: &[&str] = &["temperature", "max_tokens", "seed", "parallel_tool_calls", "tool_choice"];
    let renamed: &[&str] = &["temperature", "max_completion_tokens", "seed", "parallel_tool_calls", "tool_choice"];
    check(Vec::new(), &[all, all], &[]).await;
    let rename = error(
        400,
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    );
    check(vec![rename.clone()], &[all, renamed, renamed], &["max_tokens_parameter: max_completion_tokens"]).await;
    let neither = error(400, "Unknown parameter: max_completion_tokens");
    let unlimited: &[&str] = &["temperature", "seed", "parallel_tool_calls", "tool_choice"];
    check(vec![rename.clone(), neither], &[all, renamed, unlimited, unlimited], &["omit: [max_tokens]"]).await;
    let cold: &[&str] = &["max_tokens", "seed", "parallel_tool_calls", "tool_choice"];
    check(vec![named("temperature")], &[all, cold, cold], &["omit: [temperature]"]).await;
    let pydantic = json!({"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]});
    let seedless: &[&str] = &["temperature", "max_tokens", "parallel_tool_calls", "tool_choice"];
    check(vec![Reply::json(422, &pydantic)], &[all, seedless, seedless], &["omit: [seed]"]).await;
    let none: &[&str] = &["temperature", "max_completion_tokens", "seed"];
    check(
        vec![rename, error(400, "parallel_tool_calls is not supported"), error(400, "unrecognized: `tool_choice`")],
        &[all, renamed, &["temperature", "max_completion_tokens", "seed", "tool_choice"], none, none],
        &["max_tokens_parameter: max_completion_tokens", "omit: [parallel_tool_calls, tool_choice]"],
    )
    .await;
}

#[tokio::test]
async fn a_parameter_is_left_out_only_once() {
    // It goes on about what is not sent any more.
    let called = call(vec![error(400, "temperature is not supported")], unchanged, &question()).await;
    let (name, _) = failure(&called);
    assert_eq!((name, called.sent.len(), called.pauses.len()), ("refused", 2, 0));
    // It is not about a parameter.
    let called = call(vec![error(400, "the message about temperatures is invalid")], unchanged, &question()).await;
    assert_eq!(called.sent.len(), 1);
    // What the options leave out is not sent at all.
    let without = |config: &mut ModelConfig| {
        config.omit = [Parameter::Temperature].into();
        config.max_tokens_parameter = MaxTokensParameter::MaxCompletionTokens;
    };
    let called = call(vec![words("Yes.")], without, &question()).await;
    assert_eq!((called.sent[0].get("temperature"), called.sent[0].get("max_tokens")), (None, None));
    assert_eq!(called.sent[0]["max_completion_tokens"], 4096);
}
