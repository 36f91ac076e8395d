//! `sockpit replay`: recorded episodes are identical when played again, and what is not says where.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{failure, sockpit, stdout};

const SCENARIO: &str = "acv/low/pod-failure";

/// A folder with one recorded episode.
fn record(folder: &Path, more: &[&str]) -> PathBuf {
    let path = folder.join("run");
    let arguments = [&["run", SCENARIO, "--record", path.to_str().unwrap()], more].concat();
    stdout(&arguments);
    path
}

/// The exit code and the rows.
fn replay(path: &Path) -> (i32, Vec<Value>) {
    let output = sockpit(&["replay", path.to_str().unwrap(), "--json"]);
    let rows = serde_json::from_slice(&output.stdout);
    let rows: Vec<Value> = rows.unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), rows)
}

/// The one row of a replay that is not identical, and what it notes.
fn spoilt(path: &Path) -> (Value, String) {
    let (code, mut rows) = replay(path);
    assert_eq!((code, rows.len()), (1, 1), "{rows:?}");
    let row = rows.remove(0);
    let notes = row["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect::<Vec<_>>();
    let notes = notes.join("\n");
    (row, notes)
}

fn all_identical(path: &Path, episodes: usize) {
    let (code, rows) = replay(path);
    assert!(rows.iter().all(|row| row["outcome"] == "identical" && row["difference"].is_null()), "{rows:?}");
    assert_eq!((code, rows.len()), (0, episodes), "{rows:?}");
}

/// The file of a folder whose name begins so.
fn file(folder: &Path, beginning: &str) -> PathBuf {
    let mut paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(beginning)).unwrap()
}

fn edit(path: &Path, change: impl FnOnce(String) -> String) {
    let before = fs::read_to_string(path).unwrap();
    let after = change(before.clone());
    assert_ne!(before, after, "{}", path.display());
    fs::write(path, after).unwrap();
}

#[test]
fn what_was_recorded_is_identical_whoever_played() {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path(), &["--model", "runbook", "--trials", "2", "--credit", "2"]);
    all_identical(&path, 2);
    let text = stdout(&["replay", path.to_str().unwrap()]);
    let first = text.lines().next().unwrap();
    assert!(first.starts_with("acv/low/pod-failure   runbook, seed 1   identical, "), "{text}");
    all_identical(&path.join("seed-2.jsonl"), 1);
    // Another scenario with another contender joins them.
    let script = format!("script:{}/../datasets/scripts/{SCENARIO}/witness.yaml", env!("CARGO_MANIFEST_DIR"));
    let more = ["--model", &script, "--seed", "9", "--set", "hold=30s", "--mechanism", "peers"];
    record(folder.path(), &more);
    all_identical(&path, 3);
}

#[test]
fn a_line_that_was_changed_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path(), &["--model", "runbook"]);
    let log = path.join("seed-1.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    let line = text.lines().position(|line| line.contains(r#""kind":"decision""#)).unwrap();
    let decision = text.lines().nth(line).unwrap();
    let changed = decision.replacen(r#""step":1,"#, r#""step":7,"#, 1);
    edit(&log, |text| text.replacen(decision, &changed, 1));
    let (row, notes) = spoilt(&path);
    assert_eq!((&row["outcome"], notes.as_str()), (&json!("differs"), ""));
    let difference = &row["difference"];
    assert_eq!((&difference["seq"], &difference["line"]), (&json!(line), &json!(line + 1)));
    assert_eq!(difference["kind"], "decision");
    assert!(difference["recorded"].as_str().unwrap().contains(r#""step":7"#), "{difference}");
    assert!(difference["replayed"].as_str().unwrap().contains(r#""step":1"#), "{difference}");
    let output = sockpit(&["replay", path.to_str().unwrap()]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains(&format!("differs at event {line} (line {}, at ", line + 1)), "{printed}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "error: 1 of 1 episodes are not identical\n");
    // What cannot be read any more is shown as it is.
    edit(&log, |text| text.replacen(&changed, "}{", 1));
    let (row, _) = spoilt(&path);
    assert_eq!((&row["difference"]["seq"], &row["difference"]["recorded"]), (&json!(line), &json!("}{")));
}

#[test]
fn a_log_that_breaks_off_is_identical_up_to_there_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path(), &["--model", "noop"]);
    let log = path.join("seed-1.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    let whole = text.split_inclusive('\n').take(11).collect::<String>();
    for (cut, events) in [(whole.clone(), 10), (whole[..whole.len() - 5].to_owned(), 9)] {
        fs::write(&log, &cut).unwrap();
        let (row, notes) = spoilt(&path);
        assert_eq!((&row["outcome"], &row["events"]), (&json!("breaks-off"), &json!(events)), "{row}");
        assert_eq!(notes, "");
    }
    let table = [
        (String::new(), "the log is damaged: the log is empty"),
        ("hello\n".to_owned(), "the log is damaged: line 1: no header of a log"),
        (text.replacen(r#""seed":1"#, r#""seed":2"#, 1), "the log is of seed 2, and its name says 1"),
    ];
    for (text, said) in table {
        fs::write(&log, text).unwrap();
        let (row, notes) = spoilt(&path);
        assert_eq!(row["outcome"], "unplayable");
        assert!(notes.contains(said), "{notes}");
    }
}

#[test]
fn a_scenario_that_was_changed_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path(), &["--model", "noop", "--set", "hold=30s"]);
    let scenario = file(&path, "scenario-");
    let text = fs::read_to_string(&scenario).unwrap();
    edit(&scenario, |text| text.replacen("catalogue", "carts", 1));
    let (row, notes) = spoilt(&path);
    assert_eq!(row["outcome"], "unplayable");
    assert!(notes.contains("the scenario was changed since it was played"), "{notes}");
    // Recordings of earlier versions have the name only, which stands for something else now.
    fs::remove_file(&scenario).unwrap();
    let (_, notes) = spoilt(&path);
    assert!(notes.contains("acv/low/pod-failure: this is not the scenario that was played"), "{notes}");
    fs::write(&scenario, text).unwrap();
    all_identical(&path, 1);
}

#[test]
fn recordings_of_earlier_versions_are_found_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path(), &["--model", "runbook", "--credit", "2"]);
    fs::remove_file(file(&path, "scenario-")).unwrap();
    fs::remove_file(path.join("seed-1.setup.json")).unwrap();
    let (code, rows) = replay(&path);
    assert_eq!((code, &rows[0]["outcome"]), (0, &json!("identical")), "{rows:?}");
    assert!(rows[0]["notes"][0].as_str().unwrap().contains("recorded by an earlier sockpit"), "{rows:?}");
}

#[test]
fn a_comparison_is_replayed_whole_or_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comparison");
    let script = format!("script:{}/../datasets/scripts/{SCENARIO}/witness.yaml", env!("CARGO_MANIFEST_DIR"));
    let to = path.to_str().unwrap();
    stdout(&["compare", "--scenario", SCENARIO, "--model", &script, "--ceiling", "none", "--trials", "1", "--to", to]);
    all_identical(&path, 2);
    let of_scenario = file(&path.join("episodes"), "acv_low_pod-failure");
    let of_script = file(&of_scenario, "script_");
    all_identical(&of_script, 1);
    // The first version kept scenarios and contenders at the top only.
    fs::remove_file(file(&of_script, "scenario-")).unwrap();
    fs::remove_file(of_script.join("seed-1.setup.json")).unwrap();
    all_identical(&of_script, 1);
    let kept = file(&path.join("scenarios"), "acv_low_pod-failure");
    edit(&kept, |text| text.replacen("\"hold\": \"", "\"hold\": \"1", 1));
    let (_, notes) = spoilt(&of_script);
    assert!(notes.contains("this is not the scenario that was played"), "{notes}");
}

/// A model's server that ends each task at once; how often it was asked.
fn server() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("server:quick@http://{}/v1", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            count.fetch_add(1, Ordering::Relaxed);
            answer(stream.unwrap());
        }
    });
    (address, asked)
}

fn answer(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(number) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = number.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let call =
        json!({"id": "a", "type": "function", "function": {"name": "report", "arguments": "{\"healthy\":true}"}});
    let message = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let answer = json!({
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    });
    let answer = answer.to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length";
    write!(stream, "{head}: {}\r\n\r\n{answer}", answer.len()).unwrap();
}

#[test]
fn a_model_is_replayed_from_its_cassette_and_never_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (model, asked) = server();
    let path = record(folder.path(), &["--model", &model]);
    let then = asked.load(Ordering::Relaxed);
    assert!(then > 0);
    all_identical(&path, 1);
    let cassette = path.join("seed-1.agent.cassette.jsonl");
    let text = fs::read_to_string(&cassette).unwrap();
    // Killed in the middle of its first answer, it does not say what came next.
    fs::write(&cassette, &text[..text.find('\n').unwrap() + 20]).unwrap();
    let (row, notes) = spoilt(&path);
    assert_eq!(row["outcome"], "differs");
    assert!(notes.contains("the replay broke off after"), "{notes}");
    assert!(notes.contains("the cassette diverges: call 1 ") && notes.contains("breaks off before its end"), "{notes}");
    assert_eq!(row["difference"]["kind"], "model_call", "{row}");
    for (text, said) in [("hello\n", "the first line is not that of a cassette"), ("", "not that of a cassette")] {
        fs::write(&cassette, text).unwrap();
        let (row, notes) = spoilt(&path);
        assert_eq!(row["outcome"], "unplayable");
        assert!(notes.contains(said), "{notes}");
    }
    fs::remove_file(&cassette).unwrap();
    let (_, notes) = spoilt(&path);
    assert!(notes.contains("nobody knows what `server:quick@http://127.0.0.1:"), "{notes}");
    fs::write(&cassette, text).unwrap();
    edit(&path.join("seed-1.setup.json"), |text| text.replacen("\"version\": 1", "\"version\": 99", 1));
    let (_, notes) = spoilt(&path);
    assert!(notes.contains("a setup of version 99, and only 1 is known"), "{notes}");
    assert_eq!(asked.load(Ordering::Relaxed), then);
}

/// Prompts of one's own are in the recording: it does not need the folder that they came from.
#[test]
fn a_strategy_is_replayed_without_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let (model, _) = server();
    let prompts = folder.path().join("terse/agent");
    fs::create_dir_all(&prompts).unwrap();
    fs::write(prompts.join("task.j2"), "Do this: {{ text }}").unwrap();
    let strategy = folder.path().join("strategy.yaml");
    let text =
        "apiVersion: sockpit/v1alpha1\nkind: Strategy\ntool_form: script\nagent: {prompts: terse}\nmemory: true\n";
    fs::write(&strategy, text).unwrap();
    let path = record(folder.path(), &["--model", &model, "--strategy", strategy.to_str().unwrap()]);
    fs::remove_dir_all(folder.path().join("terse")).unwrap();
    fs::remove_file(&strategy).unwrap();
    all_identical(&path, 1);
    edit(&path.join("seed-1.setup.json"), |text| text.replacen("Do this:", "Do that:", 1));
    let (row, notes) = spoilt(&path);
    assert_eq!(row["outcome"], "differs");
    assert!(notes.contains("the agent's prompts are others now"), "{notes}");
    assert!(notes.contains("the cassette diverges: call 1 ") && notes.contains("message 2 (user) differs"), "{notes}");
}

#[test]
fn what_is_no_recording_is_refused_with_a_cure() {
    let folder = tempfile::tempdir().unwrap();
    let said = failure(&["replay", folder.path().to_str().unwrap()]);
    assert!(said.starts_with("exit 2\nerror: ") && said.contains("there is no log of an episode"), "{said}");
    assert!(said.contains("\n  help: name a folder that `sockpit run --record`"), "{said}");
    let missing = folder.path().join("missing");
    let said = failure(&["replay", missing.to_str().unwrap()]);
    assert!(said.starts_with("exit 2\nerror: ") && said.contains("the recording cannot be read: "), "{said}");
}
