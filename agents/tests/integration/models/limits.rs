//! Rate limit, concurrency, and conversations that are too long to be sent.

use std::sync::Arc;

use agents::model::config::ModelConfig;
use agents::model::{ChatModel, ModelFailure};
use serde_json::json;
use sim::time::SimDuration;
use tokio::sync::Barrier;

use super::server::{Reply, Server};
use super::{Counter, answer, call, model_on, question, words};

#[tokio::test]
async fn requests_are_evenly_spaced() {
    let server = Server::start(vec![words("Yes.")]).await;
    let clock = Arc::new(Counter::default());
    let model = model_on(&server, clock.clone(), |config| config.requests_per_minute = Some(30));
    let question = question();
    for _ in 0..3 {
        let completion = model.complete(&question).await.unwrap();
        assert_eq!(completion.usage.took, SimDuration::ZERO, "waiting for one's turn is not thinking");
    }
    assert_eq!(*clock.pauses.lock().unwrap(), [SimDuration::from_secs(2); 2]);
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_allowed() {
    let text = answer(&json!({"content": "Yes."})).to_string();
    let server = Server::start(vec![Reply::Gather(Arc::new(Barrier::new(2)), text)]).await;
    let model = model_on(&server, Arc::default(), |config| config.max_concurrent = 2);
    let question = question();
    let ask = || async { model.complete(&question).await.unwrap().text };
    let answers = tokio::join!(ask(), ask(), ask(), ask());
    assert_eq!(<[String; 4]>::from(answers), ["Yes."; 4]);
    assert_eq!((server.most_under_way(), server.bodies().len()), (2, 4));
}

#[tokio::test]
async fn what_the_model_cannot_read_is_not_sent() {
    let small = |config: &mut ModelConfig| config.context_tokens = Some(512);
    let mut request = question();
    let called = call(vec![words("Yes.")], small, &request).await;
    assert_eq!(called.result.unwrap().text, "Yes.");
    assert_eq!(called.sent[0]["max_tokens"], 128, "a quarter of the context");

    request.messages.push(super::user(&"word ".repeat(400)));
    let called = call(vec![words("Yes.")], small, &request).await;
    assert!(matches!(called.result, Err(ModelFailure::TooLong(_))), "{:?}", called.result);
    assert_eq!(called.sent.len(), 0);
}
