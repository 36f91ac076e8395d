//! What a model on a server can do, found out by asking it: `sockpit doctor --model M`.
//!
//! Each probe is one small conversation whose right answer is known. A weak model may fail one by chance, so that a
//! finding says what was seen and what to set, and nothing is set by itself.

use serde::Serialize;
use serde_json::{Value, json};

use super::config::ToolCalling;
use super::openai::OpenAi;
use super::{ChatModel, ChatRequest, Completion, Message, ModelFailure};
use crate::tools::Tool;

/// Length of the prompt that looks for silent truncation, in tokens, where `context_tokens` does not say how much the
/// model should read: more than the 4096 at which Ollama cuts by default.
pub const LONG_PROMPT: u32 = 6_000;

/// What one probe found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was probed.
    pub name: &'static str,
    /// Whether it is there.
    pub outcome: Outcome,
    /// What was seen.
    pub detail: String,
    /// What to do; empty if there is nothing to do.
    pub cure: String,
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is there.
    Passed,
    /// It is not.
    Failed,
    /// The answer did not tell.
    Unknown,
}

impl Finding {
    fn passed(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Passed, detail: detail.into(), cure: String::new() }
    }

    fn failed(name: &'static str, detail: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Failed, detail: detail.into(), cure: cure.into() }
    }

    fn unknown(name: &'static str, detail: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Unknown, detail: detail.into(), cure: cure.into() }
    }
}

/// Probes a model: about seven requests, one of them with a prompt of `long_prompt` tokens ([`LONG_PROMPT`]). If it
/// cannot be reached, that is the only finding.
pub async fn probe(model: &OpenAi, long_prompt: u32) -> Vec<Finding> {
    let (reachable, first) = reachable(model).await;
    let mut findings = vec![reachable];
    let Some(first) = first else { return findings };
    findings.push(usage(&first));
    findings.push(tools(&model.with_tool_calling(ToolCalling::Native)).await);
    findings.push(parallel_calls(&model.with_tool_calling(ToolCalling::Native)).await);
    findings.push(json_schema(&model.with_tool_calling(ToolCalling::JsonSchema)).await);
    findings.push(context(model, long_prompt).await);
    findings.push(parameters(model));
    findings
}

async fn reachable(model: &OpenAi) -> (Finding, Option<Completion>) {
    const NAME: &str = "reachable";
    match ask(model, &[user("Answer with the single word: ready")], Vec::new()).await {
        Ok(completion) => {
            let detail = format!("answered in {}: {}", completion.usage.took, quoted(&completion.text));
            if completion.text.is_empty() {
                let cure = "raise `max_tokens`: a reasoning model may have used all of them before its answer";
                return (Finding::unknown(NAME, detail, cure), Some(completion));
            }
            (Finding::passed(NAME, detail), Some(completion))
        }
        Err(failure) => {
            let cure = match &failure {
                ModelFailure::TimedOut(_) => "raise `timeout`, or look whether the server is still loading the model",
                ModelFailure::Busy(_) => "try again later, or lower `requests_per_minute` and `max_concurrent`",
                ModelFailure::Unreachable(_) => "start the server, and check the host and port of `base_url`",
                ModelFailure::Unreadable(_) => {
                    "check `base_url`: it ends where `/chat/completions` begins, often in `/v1`"
                }
                _ => "do what the server says",
            };
            (Finding::failed(NAME, failure.to_string(), cure), None)
        }
    }
}

fn usage(first: &Completion) -> Finding {
    const NAME: &str = "usage";
    let tokens = first.usage.tokens;
    let counted = format!("{} tokens read, {} written", tokens.input, tokens.output);
    if first.usage.estimated {
        let cure = "take tokens and cost for estimates, from a quarter of the characters; `--max-cost` is only as good";
        return Finding::failed(NAME, format!("the server told none; estimated: {counted}"), cure);
    }
    Finding::passed(NAME, counted)
}

async fn tools(model: &OpenAi) -> Finding {
    const NAME: &str = "tool calls";
    const CURE: &str = "set `tool_calling: json-schema`, or start the server with its option for tool calls (llama.cpp: \
                        `--jinja`; vLLM: `--enable-auto-tool-choice --tool-call-parser …`)";
    let prompt = user("Call the tool set_replicas with replicas 7. Do not write anything else.");
    match ask(model, &[prompt], vec![set_replicas()]).await {
        Err(failure) => Finding::failed(NAME, failure.to_string(), CURE),
        Ok(Completion { calls, text, .. }) => match calls.first() {
            Some(call) if call.name == "set_replicas" && number(&call.arguments, "replicas") == Some(7) => {
                Finding::passed(NAME, format!("called {} with {}", call.name, call.arguments))
            }
            Some(call) => {
                let detail = format!("called {} with {}, not as it was told", call.name, quoted(&call.arguments));
                Finding::unknown(NAME, detail, "expect little of this model, or try a larger one")
            }
            None => Finding::failed(NAME, format!("answered in words: {}", quoted(&text)), CURE),
        },
    }
}

async fn parallel_calls(model: &OpenAi) -> Finding {
    const NAME: &str = "parallel calls";
    const CURE: &str = "set `parallel_calls: false`; nothing is lost but time: each call is an answer of its own";
    let prompt = user(
        "Call the tool get_logs twice in one answer: once for the pod carts, and once for the pod orders. Do not write \
         anything else.",
    );
    match ask(model, &[prompt], vec![get_logs()]).await {
        Err(failure) => Finding::unknown(NAME, failure.to_string(), CURE),
        Ok(completion) => match completion.calls.len() {
            0 => Finding::unknown(NAME, "made no call", CURE),
            1 => Finding::failed(NAME, "made one call where two were asked for", CURE),
            n => Finding::passed(NAME, format!("made {n} calls in one answer")),
        },
    }
}

async fn json_schema(model: &OpenAi) -> Finding {
    const NAME: &str = "JSON schema";
    // Nothing but the schema keeps a model from saying what it is asked to say.
    let prompt = user("Say hello in one friendly sentence, in plain words.");
    match ask(model, &[prompt], vec![set_replicas()]).await {
        Err(failure) => {
            Finding::failed(NAME, failure.to_string(), "use `tool_calling: native`, or `none-text` if that fails, too")
        }
        Ok(completion) if !completion.calls.is_empty() => {
            Finding::passed(NAME, "answered in the form that it was given")
        }
        Ok(completion) => Finding::failed(
            NAME,
            format!("the form was not enforced: {}", quoted(&completion.text)),
            "use `tool_calling: native`; with `json-schema` this model answers in words at times",
        ),
    }
}

async fn context(model: &OpenAi, long_prompt: u32) -> Finding {
    const NAME: &str = "context";
    const CURE: &str = "raise the server's context (Ollama: `OLLAMA_CONTEXT_LENGTH`; llama.cpp: `--ctx-size`; vLLM: \
                        `--max-model-len`), and set `context_tokens` to what it is";
    let config = model.config();
    let most = config.context_tokens.map(|context| context.saturating_sub(config.answer_tokens()).saturating_sub(512));
    let length = most.map_or(long_prompt, |most| most.min(long_prompt)).max(256);
    match ask(model, &haystack(length), Vec::new()).await {
        // To refuse is right: nothing is lost without a word.
        Err(ModelFailure::TooLong(why)) => {
            Finding::passed(NAME, format!("refuses a prompt of about {length} tokens openly: {why}"))
        }
        Err(failure) => Finding::unknown(NAME, failure.to_string(), CURE),
        Ok(completion) => {
            let read = completion.usage.tokens.input;
            let is_short = !completion.usage.estimated && read < u64::from(length) / 2;
            match (completion.text.contains(NEEDLE), is_short) {
                (true, _) => Finding::passed(NAME, format!("remembers the first of about {length} tokens")),
                (false, true) => {
                    let detail = format!("of about {length} tokens the server read {read}, and cut the rest silently");
                    Finding::failed(NAME, detail, CURE)
                }
                (false, false) => Finding::unknown(
                    NAME,
                    format!("does not remember the first of about {length} tokens: {}", quoted(&completion.text)),
                    CURE,
                ),
            }
        }
    }
}

fn parameters(model: &OpenAi) -> Finding {
    const NAME: &str = "parameters";
    let adaptations = model.adaptations();
    if adaptations.is_empty() {
        return Finding::passed(NAME, "the server takes all that is sent");
    }
    let cure =
        format!("put `{}` into its entry in the models file, which saves a request per run", adaptations.join("`, `"));
    Finding::failed(NAME, "the server refuses some of what is sent; it was left out", cure)
}

/// What a model has to remember.
const NEEDLE: &str = "KESTREL-4711";

/// A conversation of about so many tokens, whose first message has what its last asks for. It is made of turns, since
/// servers that cut leave out the oldest of them.
fn haystack(tokens: u32) -> Vec<Message> {
    // With the words around it about 300 tokens, or fewer.
    let page = "The pod was scheduled, its image was there, and its probes passed at the first try. ".repeat(12);
    let mut messages = vec![user(&format!("Remember this code word: {NEEDLE}.")), assistant("I shall remember it.")];
    for n in 1..=(tokens / 320).max(1) {
        messages.push(user(&format!("Page {n} of the log. {page}")));
        messages.push(assistant("Read."));
    }
    messages.push(user("Which code word did I tell you at the beginning? Answer with the code word alone."));
    messages
}

async fn ask(model: &OpenAi, messages: &[Message], tools: Vec<Tool>) -> Result<Completion, ModelFailure> {
    model.complete(&ChatRequest { messages: messages.to_vec(), tools }).await
}

fn user(text: &str) -> Message {
    Message::User { text: text.to_owned() }
}

fn assistant(text: &str) -> Message {
    Message::Assistant { text: text.to_owned(), calls: Vec::new() }
}

fn set_replicas() -> Tool {
    let replicas = json!({"type": "integer", "description": "How many."});
    tool("set_replicas", "Set the number of replicas.", "replicas", &replicas)
}

fn get_logs() -> Tool {
    let pod = json!({"type": "string", "description": "The pod."});
    tool("get_logs", "Get the log of one pod.", "pod", &pod)
}

fn tool(name: &'static str, description: &'static str, argument: &str, schema: &Value) -> Tool {
    let parameters = json!({
        "type": "object",
        "properties": {argument: schema},
        "required": [argument],
        "additionalProperties": false,
    });
    Tool { name, description, parameters }
}

fn number(arguments: &str, name: &str) -> Option<i64> {
    serde_json::from_str::<Value>(arguments).ok()?.get(name)?.as_i64()
}

/// The beginning of an answer.
fn quoted(text: &str) -> String {
    let beginning: String = text.chars().take(120).collect();
    let dots = if beginning.len() < text.len() { "…" } else { "" };
    format!("{beginning:?}{dots}")
}
