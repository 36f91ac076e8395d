//! `sockpit run --record`: what is on disk, whatever happens to the run or the disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use sim::episode::{EpisodeEvent, read};

use super::{failure, stdout};

const SCENARIO: &str = "acv/low/pod-failure";

/// The files of a folder with what is in them.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect()
}

fn record(folder: &Path, more: &[&str]) -> BTreeMap<String, String> {
    let folder_text = folder.to_str().unwrap();
    let arguments = [&["run", SCENARIO, "--model", "runbook", "--trials", "3", "--record", folder_text], more].concat();
    stdout(&arguments);
    files(folder)
}

#[test]
fn logs_are_whole_and_the_same_to_the_byte_on_one_thread_and_two() {
    let folder = tempfile::tempdir().unwrap();
    let one = record(&folder.path().join("one"), &["--threads", "1"]);
    let two = record(&folder.path().join("two"), &["--threads", "2"]);
    let names: Vec<&str> = one.keys().map(String::as_str).collect();
    assert!(names[0].starts_with("scenario-"), "{names:?}");
    let of_seed = |seed| ["jsonl", "score.json", "setup.json"].map(|kind| format!("seed-{seed}.{kind}"));
    assert_eq!(names[1..], [1, 2, 3].map(of_seed).concat());
    assert!(one == two, "the files differ");
    for seed in 1..=3_u64 {
        let recording = read(&one[&format!("seed-{seed}.jsonl")]).unwrap();
        assert!(!recording.truncated);
        assert_eq!((recording.header.seed, recording.header.scenario.as_str()), (seed, SCENARIO));
        assert!(matches!(recording.entries.last().unwrap().event, EpisodeEvent::Ended { .. }));
        let score: sim::score::EpisodeScore = serde_json::from_str(&one[&format!("seed-{seed}.score.json")]).unwrap();
        assert!(score.levels.l5.is_some());
    }
}

/// What was written before the death of the program can be read; only finished episodes have a score.
#[test]
fn a_killed_run_leaves_what_it_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("sockpit"))
        .args(["run", SCENARIO, "--model", "runbook", "--trials", "100000", "--threads", "2", "--record"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let is_score = |entry: fs::DirEntry| entry.file_name().to_string_lossy().ends_with(".score.json");
    while !fs::read_dir(folder.path()).unwrap().map(Result::unwrap).any(is_score) {
        assert_eq!(child.try_wait().unwrap(), None, "the run ended by itself");
        std::thread::yield_now();
    }
    // SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    let files = files(folder.path());
    let mut finished = 0;
    let is_log = |name: &str| Path::new(name).extension().is_some_and(|extension| extension == "jsonl");
    for (name, text) in files.iter().filter(|(name, _)| is_log(name) && !text_is_empty(&files, name)) {
        let recording = read(text).unwrap();
        let last = recording.entries.last().map(|entry| &entry.event);
        let has_ended = !recording.truncated && matches!(last, Some(EpisodeEvent::Ended { .. }));
        if files.contains_key(&name.replace(".jsonl", ".score.json")) {
            assert!(has_ended, "{name} has a score, but did not end");
            finished += 1;
        }
    }
    assert!(finished > 0);
    let scores = files.keys().filter(|name| name.ends_with(".score.json")).count();
    assert_eq!(scores, finished, "every score has its log");
}

/// Killed between the creation of a log and its first line.
fn text_is_empty(files: &BTreeMap<String, String>, name: &str) -> bool {
    files[name].is_empty()
}

#[test]
fn a_folder_that_cannot_be_made_is_said() {
    let said = failure(&["run", SCENARIO, "--model", "noop", "--record", "/proc/sockpit"]);
    assert!(said.starts_with("exit 1\nerror: cannot make the folder /proc/sockpit: "), "{said}");
}

#[test]
fn a_full_disk_is_said_and_leaves_no_score() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join("seed-1.jsonl")).unwrap();
    let said = failure(&["run", SCENARIO, "--model", "noop", "--record", folder.path().to_str().unwrap()]);
    assert!(said.starts_with("exit 1\nerror: cannot write "), "{said}");
    assert!(said.contains("free some space") && said.contains("No space left on device"), "{said}");
    assert!(!folder.path().join("seed-1.score.json").exists());
}
