//! Recorded answers, played again.

use std::io;
use std::sync::{Arc, Mutex};

use agents::model::cassette::{Cassette, Recorder, Replayer};
use agents::model::{ChatModel, ChatRequest, Completing, Completion, Message, ModelFailure, ToolCall, Usage};
use agents::policy::Tokens;
use futures_util::future::join_all;
use sim::diagnostic::Source;
use sim::time::SimDuration;

use super::{some_tools, user};

/// A model that says how often it was asked, and fails at the third call.
#[derive(Default)]
struct Counting(Mutex<u64>);

impl ChatModel for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn complete<'a>(&'a self, _: &'a ChatRequest) -> Completing<'a> {
        Box::pin(async move {
            let n = {
                let mut n = self.0.lock().expect("no test holds it and panics");
                *n += 1;
                *n
            };
            if n == 3 {
                return Err(ModelFailure::Busy("three".into()));
            }
            Ok(Completion {
                text: format!("answer {n}"),
                calls: vec![ToolCall { id: format!("call_{n}"), name: "wait".into(), arguments: "{}".into() }],
                usage: Usage {
                    tokens: Tokens { input: n, output: 2 * n },
                    estimated: n == 2,
                    cost_micro_usd: n,
                    took: SimDuration::from_millis(1_234 * n),
                },
            })
        })
    }
}

fn request(texts: &[&str]) -> ChatRequest {
    ChatRequest { messages: texts.iter().map(|text| user(text)).collect(), tools: some_tools() }
}

/// Four requests, of which the first two are equal.
fn requests() -> Vec<ChatRequest> {
    vec![request(&["a"]), request(&["a"]), request(&["a", "b"]), request(&["a", "b", "c"])]
}

type Results = Vec<Result<Completion, ModelFailure>>;

async fn ask(model: &dyn ChatModel, requests: &[ChatRequest]) -> Results {
    let mut results = Vec::new();
    for request in requests {
        results.push(model.complete(request).await);
    }
    results
}

/// What a model answered to the four requests, and the recording of it.
async fn recorded() -> (Results, String) {
    let tape = Arc::new(Mutex::new(String::new()));
    let sink = tape.clone();
    let recorder = Recorder::new(
        Counting::default(),
        Box::new(move |line| {
            assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "{line}");
            sink.lock().expect("no test holds it and panics").push_str(line);
            Ok(())
        }),
    )
    .expect("the sink takes all");
    let results = ask(&recorder, &requests()).await;
    let text = tape.lock().expect("no test holds it and panics").clone();
    (results, text)
}

fn read(text: &str) -> Cassette {
    let source = Source { path: "cassette.jsonl".into(), text: text.into() };
    Cassette::read(&source).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

#[tokio::test]
async fn what_was_recorded_is_played() {
    let (results, text) = recorded().await;
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
    let cassette = read(&text);
    assert_eq!((cassette.len(), cassette.is_torn, cassette.model.as_str()), (4, false, "counting"));
    let replayer = Replayer::new(cassette.clone());
    assert_eq!(replayer.name(), "counting");
    assert_eq!(ask(&replayer, &requests()).await, results);
    assert_eq!(replayer.divergences(), Vec::<String>::new());
    // The same calls give the same bytes, and only what is equal is counted together.
    assert_eq!(recorded().await.1, text);
    let replayer = Replayer::new(cassette);
    let requests = requests();
    let later = ask(&replayer, &requests[3..]).await;
    assert_eq!(later[0], results[3]);
}

#[tokio::test]
async fn equal_requests_are_told_apart_by_the_order_in_which_they_are_made() {
    let (results, text) = recorded().await;
    let replayer = Replayer::new(read(&text));
    let requests = requests();
    let under_way: Vec<_> = requests[..2].iter().map(|request| replayer.complete(request)).collect();
    // They are answered in the opposite order.
    let backwards = join_all(under_way.into_iter().rev()).await;
    assert_eq!(backwards, [results[1].clone(), results[0].clone()]);
}

#[tokio::test]
async fn a_divergence_says_where() {
    let (_, text) = recorded().await;
    let check = async |requests: &[ChatRequest], part: &str| {
        let replayer = Replayer::new(read(&text));
        let last = ask(&replayer, requests).await.pop().unwrap();
        let Err(ModelFailure::Diverged(why)) = &last else { panic!("{last:?}") };
        assert!(why.contains(part), "{why}");
        assert!(last.unwrap_err().is_final());
        assert_eq!(replayer.divergences().len(), 1);
    };
    check(&[request(&["z"])], "call 1 (request ").await;
    check(&[request(&["z"])], "message 1 (user) differs").await;
    check(&[request(&["a"]), request(&["a", "b", "z"])], "call 2 (request ").await;
    check(&[request(&["a", "b", "z"])], "message 3 (user) differs").await;
    check(&[request(&["a", "b", "c", "d"])], "message 4 (user) is new").await;
    check(&[ChatRequest { tools: Vec::new(), ..request(&["a"]) }], "the tools differ").await;
    check(&[request(&["a"]), request(&["a"]), request(&["a"])], "it is asked 3 times").await;
    check(&[request(&[])], "message 1 (user) is missing").await;
    let spoken = Message::Assistant { text: "b".into(), calls: Vec::new() };
    let other_role = ChatRequest { messages: vec![user("a"), spoken], tools: some_tools() };
    check(&[other_role], "message 2 (assistant, and user then) differs").await;
}

#[tokio::test]
async fn a_live_model_takes_over() {
    let (results, text) = recorded().await;
    let replayer = Replayer::new(read(&text)).with_fallback(Box::new(Counting::default()));
    let answers = ask(&replayer, &[request(&["a"]), request(&["z"]), request(&["a", "b", "c"])]).await;
    assert_eq!((&answers[0], &answers[2]), (&results[0], &results[3]));
    assert_eq!(answers[1].as_ref().unwrap().text, "answer 1");
    assert_eq!(replayer.divergences().len(), 1);
}

#[tokio::test]
async fn a_torn_cassette_plays_up_to_its_tear() {
    let (results, text) = recorded().await;
    // Wherever the run was killed after its first line.
    let header = text.find('\n').unwrap() + 1;
    for end in header..text.len() {
        let cassette = read(&text[..end]);
        let part = &text[header..end];
        let whole = part.matches('\n').count();
        // A line that lacks nothing but its end is whole, too.
        assert!(cassette.len() == whole || (cassette.len() == whole + 1 && !cassette.is_torn), "{end}");
        assert_eq!(cassette.is_torn, cassette.len() == whole && !part.is_empty() && !part.ends_with('\n'), "{end}");
    }
    let replayer = Replayer::new(read(&text[..text.len() - 10]));
    let answers = ask(&replayer, &requests()).await;
    assert_eq!(answers[..3], results[..3]);
    let Err(ModelFailure::Diverged(why)) = &answers[3] else { panic!("{:?}", answers[3]) };
    assert!(why.ends_with("the recording breaks off before its end"), "{why}");
}

#[tokio::test]
async fn every_broken_line_is_told() {
    let (_, text) = recorded().await;
    let check = |text: String, expected: &[&str]| {
        let mistakes = Cassette::read(&Source { path: "c".into(), text }).unwrap_err().to_string();
        let mistakes: Vec<&str> = mistakes.lines().filter(|line| line.starts_with("error")).collect();
        assert_eq!(mistakes.len(), expected.len(), "{mistakes:?}");
        for (mistake, part) in mistakes.iter().zip(expected) {
            assert!(mistake.contains(part), "{mistake}: {part}");
        }
    };
    let lines: Vec<&str> = text.lines().collect();
    check(String::new(), &["c:1: the first line is not that of a cassette"]);
    check(format!("{}\n", lines[1]), &["c:1: the first line"]);
    check(format!("{}\n", lines[0].replace(":1,", ":2,")), &["it has version 2"]);
    let broken = [lines[0], "{}", lines[1], "nonsense", lines[1]].map(|line| format!("{line}\n")).concat();
    check(broken, &["c:2: not a line of a cassette", "c:4: not a line", "c:5: this request was recorded before"]);
}

/// The reader of version 1: cassettes that were written once are read for ever.
#[tokio::test]
async fn version_1_is_read() {
    let text = "{\"cassette\":1,\"model\":\"old\"}\n\
        {\"request\":\"00\",\"ordinal\":0,\"tools\":\"00\",\"messages\":[\"user 00\"],\"answer\":{\"completion\":{\"text\":\"t\",\
        \"calls\":[{\"id\":\"call_1\",\"name\":\"wait\",\"arguments\":\"{}\"}],\"usage\":{\"tokens\":{\"input\":1,\"output\":2},\
        \"estimated\":true,\"cost_micro_usd\":3,\"took\":\"4ms\"}}}}\n\
        {\"request\":\"01\",\"ordinal\":0,\"tools\":\"00\",\"messages\":[],\"answer\":{\"failure\":{\"failure\":\"timed_out\",\
        \"detail\":\"2m\"}}}\n";
    let cassette = read(text);
    assert_eq!((cassette.len(), cassette.is_empty()), (2, false));
}

#[tokio::test]
async fn an_answer_that_cannot_be_recorded_is_no_answer() {
    let mut lines = 0;
    let full = Box::new(move |_: &str| {
        lines += 1;
        if lines > 2 { Err(io::Error::other("the disk is full")) } else { Ok(()) }
    });
    let recorder = Recorder::new(Counting::default(), full).unwrap();
    let answers = ask(&recorder, &requests()[..2]).await;
    assert!(answers[0].is_ok());
    assert_eq!(answers[1], Err(ModelFailure::Unrecorded("the disk is full".into())));
    assert!(Recorder::new(Counting::default(), Box::new(|_| Err(io::Error::other("no")))).is_err());
}
