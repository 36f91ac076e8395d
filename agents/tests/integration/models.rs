//! Models on servers: what is sent, what is read, what is done about failures, and what is recorded. The servers are
//! scripts on loopback; no test sleeps.

mod budget;
mod cassettes;
mod config;
mod deviations;
mod failures;
mod limits;
mod probe;
mod requests;
mod secrets;
mod server;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use agents::model::clock::{Clock, Pausing};
use agents::model::config::ModelConfig;
use agents::model::openai::OpenAi;
use agents::model::{ChatModel, ChatRequest, Completion, Message, ModelFailure};
use agents::tools::{self, Tool};
use serde_json::{Value, json};
use sim::time::SimDuration;

use server::{Reply, Server};

/// A clock on which a pause takes no time, and nothing else does.
#[derive(Default)]
struct Counter {
    now: AtomicU64,
    pauses: Mutex<Vec<SimDuration>>,
}

impl Clock for Counter {
    fn now(&self) -> SimDuration {
        SimDuration(self.now.load(Ordering::SeqCst))
    }

    fn pause(&self, length: SimDuration) -> Pausing {
        self.now.fetch_add(length.0, Ordering::SeqCst);
        self.pauses.lock().unwrap().push(length);
        Box::pin(std::future::ready(()))
    }
}

/// What came of one call.
struct Called {
    result: Result<Completion, ModelFailure>,
    /// The bodies of the requests, in order.
    sent: Vec<Value>,
    pauses: Vec<SimDuration>,
}

/// Calls a model on a server that answers so, with options that are changed.
async fn call(replies: Vec<Reply>, change: impl FnOnce(&mut ModelConfig), request: &ChatRequest) -> Called {
    let server = Server::start(replies).await;
    let clock = Arc::new(Counter::default());
    let model = model_on(&server, clock.clone(), change);
    let result = model.complete(request).await;
    let pauses = clock.pauses.lock().unwrap().clone();
    Called { result, sent: server.bodies(), pauses }
}

/// A model on a server, without a key.
fn model_on(server: &Server, clock: Arc<Counter>, change: impl FnOnce(&mut ModelConfig)) -> OpenAi {
    let mut config = ModelConfig::new(server.url(), "m");
    change(&mut config);
    OpenAi::new("fake", config, &|_| None, clock).unwrap()
}

/// Options as they are.
fn unchanged(_: &mut ModelConfig) {}

/// A question without tools.
fn question() -> ChatRequest {
    ChatRequest { messages: vec![user("How are you?")], tools: Vec::new() }
}

/// A question to a model that has the tools `wait` and `scale`.
fn task() -> ChatRequest {
    ChatRequest { messages: vec![user("Scale carts.")], tools: some_tools() }
}

fn some_tools() -> Vec<Tool> {
    tools::typed::all().into_iter().filter(|tool| matches!(tool.name, "wait" | "scale")).collect()
}

fn user(text: &str) -> Message {
    Message::User { text: text.into() }
}

/// An answer of a server with this message.
fn answer(message: &Value) -> Value {
    json!({"choices": [{"message": message}], "usage": {"prompt_tokens": 11, "completion_tokens": 7}})
}

/// An answer in words.
fn words(text: &str) -> Reply {
    Reply::json(200, &answer(&json!({"role": "assistant", "content": text})))
}

/// An error as `OpenAI` sends it.
fn error(status: u16, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": null}}),
    )
}
