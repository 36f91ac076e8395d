//! What models note in one trial is told in the next: in the order of seeds, whatever the threads, also after a break.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::stdout;

const SCENARIO: &str = "acv/low/check-health";
/// How a note of another trial begins.
const NOTE: &str = "in an earlier trial";

/// A server of a model that reports at once, and says which trial it is by the notes that it is told.
struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&seen);
        // It ends with the test.
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || answer(stream, &shared));
            }
        });
        Self { port, seen }
    }

    fn model(&self) -> String {
        format!("server:m@http://127.0.0.1:{}/v1", self.port)
    }

    /// The conversations that it was asked with so far, each as JSON.
    fn asked(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|request| request["messages"].to_string()).collect()
    }
}

fn answer(stream: TcpStream, seen: &Mutex<Vec<Value>>) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 {
            return;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let request: Value = serde_json::from_slice(&body).unwrap();
    let trial = request["messages"].to_string().matches(NOTE).count() + 1;
    seen.lock().unwrap().push(request);
    let report = json!({"healthy": true, "actions_taken": format!("noted in trial {trial}")});
    let call = json!({"id": "c", "type": "function", "function": {"name": "report", "arguments": report.to_string()}});
    let message = json!({"role": "assistant", "content": "", "tool_calls": [call]});
    let usage = json!({"prompt_tokens": 11, "completion_tokens": 7});
    let body = json!({"choices": [{"message": message}], "usage": usage}).to_string();
    let length = body.len();
    let head = format!("content-type: application/json\r\ncontent-length: {length}\r\nconnection: close");
    write!(reader.into_inner(), "HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}").unwrap();
}

/// The logs of a folder, in the order of seeds.
fn logs(folder: &Path, trials: u32) -> Vec<String> {
    (1..=trials).map(|seed| fs::read_to_string(folder.join(format!("seed-{seed}.jsonl"))).unwrap()).collect()
}

/// The trials of which each of these conversations tells.
fn told(asked: &[String]) -> Vec<Vec<usize>> {
    let trials = |text: &String| (1..=9).filter(|trial| text.contains(&format!("noted in trial {trial};"))).collect();
    asked.iter().map(trials).collect()
}

#[test]
fn each_trial_is_told_of_those_before_it_on_one_thread_and_on_four() {
    let folder = tempfile::tempdir().unwrap();
    let play = |strategy: &str, threads: &str| {
        let server = Server::start();
        let to = folder.path().join(format!("{strategy}-{threads}"));
        let (model, path) = (server.model(), to.to_str().unwrap());
        stdout(&[
            "run",
            SCENARIO,
            "--strategy",
            strategy,
            "--model",
            &model,
            "--trials",
            "3",
            "--threads",
            threads,
            "--record",
            path,
        ]);
        (server.asked(), logs(&to, 3))
    };
    let (one, one_logs) = play("solo-critic-memory", "1");
    let (four, four_logs) = play("solo-critic-memory", "4");
    assert_eq!(told(&one), [vec![], vec![1], vec![1, 2]]);
    assert_eq!(told(&four), told(&one));
    assert!(one_logs == four_logs, "the logs depend on the number of threads");
    // Without a memory no trial knows of another.
    let (forgetful, _) = play("kubectl", "1");
    assert_eq!(told(&forgetful), vec![Vec::<usize>::new(); 3]);
    assert!(forgetful.iter().all(|text| !text.contains(NOTE)));
}

#[test]
fn a_comparison_that_goes_on_remembers_what_was_played_before() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let contender = format!("mine=solo-critic-memory,model={}", server.model());
    let compare = |trials: &str| {
        let to = folder.path().to_str().unwrap();
        let scenarios = ["--scenario", SCENARIO, "--scenario", "acv/low/scale"];
        let arguments = ["--ceiling", "none", "--trials", trials, "--threads", "4", "--to", to];
        stdout(&[&["compare", "--contender", &contender][..], &scenarios, &arguments].concat());
        let mut asked = told(&server.asked());
        asked.sort();
        asked
    };
    // Each scenario has a memory of its own: its first trial is told nothing.
    assert_eq!(compare("2"), [vec![], vec![], vec![1], vec![1]]);
    assert_eq!(compare("3"), [vec![], vec![], vec![1], vec![1], vec![1, 2], vec![1, 2]]);
}
