//! The key is in the header of a request and nowhere else.

use std::sync::{Arc, Mutex};

use agents::model::cassette::Recorder;
use agents::model::config::ModelConfig;
use agents::model::openai::{OpenAi, SetupError};
use agents::model::{ChatModel, ModelFailure};
use serde_json::json;

use super::server::{Reply, Server};
use super::{Counter, answer, task};

/// As keys look, with a `/` that JSON may escape.
const CANARY: &str = "sk-canary/4711-abcdef";

fn config(url: String) -> ModelConfig {
    ModelConfig { api_key_env: Some("CANARY_KEY".into()), retries: 0, ..ModelConfig::new(url, "m") }
}

/// The key as its file has it, with a line break at its end.
#[expect(clippy::unnecessary_wraps, reason = "an environment has some variables and others not")]
fn key(variable: &str) -> Option<String> {
    assert_eq!(variable, "CANARY_KEY");
    Some(format!("{CANARY}\n"))
}

#[tokio::test]
async fn a_server_that_quotes_the_key_tells_nobody() {
    let echo = |status: u16, body: String| Reply::Echo { status, headers: Vec::new(), body };
    let replies = [
        echo(200, answer(&json!({"content": "You sent {key}."})).to_string()),
        echo(
            200,
            answer(&json!({"content": "", "tool_calls": [{"function": {"name": "wait", "arguments": "{key}"}}]}))
                .to_string(),
        ),
        echo(200, "<title>{key}</title>".into()),
        echo(200, json!({"choices": "{key}"}).to_string()),
        echo(200, json!({"error": {"message": "{key}", "code": 401}}).to_string()),
        echo(200, answer(&json!({"content": CANARY})).to_string().replace('/', "\\/")),
        echo(400, json!({"error": {"message": "odd header {key}", "param": "{key}"}}).to_string()),
        echo(401, json!({"error": {"message": "Incorrect API key provided: {key}"}}).to_string()),
        echo(404, "<html><title>{key}</title>".into()),
        echo(500, "{key}".into()),
        Reply::Echo { status: 302, headers: vec![("location", "https://x/?k={key}".into())], body: String::new() },
    ];
    for reply in replies {
        let server = Server::start(vec![reply]).await;
        let model = OpenAi::new("fake", config(server.url()), &key, Arc::new(Counter::default())).unwrap();
        assert!(!format!("{model:?}").contains("canary"), "{model:?}");
        let tape = Arc::new(Mutex::new(String::new()));
        let sink = tape.clone();
        let recorder = Recorder::new(
            model,
            Box::new(move |line| {
                sink.lock().unwrap().push_str(line);
                Ok(())
            }),
        )
        .unwrap();
        let result = recorder.complete(&task()).await;
        let told = format!("{result:?} {}", tape.lock().unwrap());
        assert!(!told.contains("canary"), "{told}");
        assert!(told.contains("[key]"), "{told}");
        assert_eq!(server.seen()[0].authorization, Some(format!("Bearer {CANARY}")));
        assert_eq!(server.seen()[0].path, "/v1/chat/completions");
    }
}

#[tokio::test]
async fn without_a_key_none_is_sent() {
    let server = Server::start(vec![super::words("Yes.")]).await;
    let model = super::model_on(&server, Arc::default(), super::unchanged);
    model.complete(&task()).await.unwrap();
    assert_eq!(server.seen()[0].authorization, None);
}

#[test]
fn a_key_that_cannot_be_sent_is_refused() {
    let check = |key: Option<&str>, expected: &SetupError| {
        let config = config("http://127.0.0.1:1/v1".into());
        let lookup = |_: &str| key.map(ToOwned::to_owned);
        let error = OpenAi::new("mine", config, &lookup, Arc::new(Counter::default())).unwrap_err();
        assert_eq!(&error, expected);
        assert!(!error.to_string().contains("secret"), "{error}");
    };
    let missing = SetupError::NoKey { model: "mine".into(), variable: "CANARY_KEY".into() };
    check(None, &missing);
    check(Some(" \n"), &missing);
    check(Some("secret\nsecret"), &SetupError::BadKey { variable: "CANARY_KEY".into() });
}

#[test]
fn addresses_are_checked_before_the_first_call() {
    let check = |url: &str| OpenAi::new("m", ModelConfig::new(url, "m"), &|_| None, Arc::new(Counter::default()));
    assert!(matches!(check("127.0.0.1"), Err(SetupError::Address { .. })));
    let secure = check("https://example.org/v1");
    assert_eq!(matches!(secure, Err(SetupError::NoTls { .. })), !cfg!(feature = "tls"), "{secure:?}");
    assert!(check("http://example.org/v1").is_ok());
}

#[test]
fn failures_survive_a_cassette() {
    let all = [
        ModelFailure::TimedOut(sim::time::SimDuration::from_millis(1_500)),
        ModelFailure::Busy("a".into()),
        ModelFailure::Unreachable("b".into()),
        ModelFailure::Unreadable("c".into()),
        ModelFailure::TooLong("d".into()),
        ModelFailure::Refused("e".into()),
        ModelFailure::Diverged("f".into()),
        ModelFailure::Spent("g".into()),
        ModelFailure::Unrecorded("h".into()),
    ];
    for failure in all {
        let text = serde_json::to_string(&failure).unwrap();
        assert_eq!(serde_json::from_str::<ModelFailure>(&text).unwrap(), failure, "{text}");
    }
}
