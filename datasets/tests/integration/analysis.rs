//! Run folders on disk: what is read from them, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datasets::analysis::{self, About, Episode, Episodes, Only};
use datasets::runs::{self, Asked, Manifest, Played, RunFolder};
use datasets::scenarios;
use polars::prelude::{Column, DataFrame};
use polars_io::prelude::{ParquetReader, SerReader};
use serde_json::{Value, json};
use sim::score::EpisodeScore;

const SCENARIO: &str = "acv/low/cpu-stress";

/// An empty folder for a test.
fn fresh(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("analysis").join(name);
    if path.exists() {
        fs::remove_dir_all(&path).unwrap();
    }
    path
}

fn score(passed: bool, reward: f64) -> Value {
    json!({
        "levels": {"L3": {"passed": passed, "why": ""}, "L5": {"passed": passed, "why": ""}},
        "judgements": [],
        "times": {"detect": {"seconds": 30.0, "censored": false}, "mitigate": {"seconds": 200.0, "censored": !passed}},
        "reward": [],
        "total": {"violations": {"latency": reward}, "resources": -1.5, "actions": -0.5, "harm": 0.0},
        "credit": [],
        "regret": [],
        "conduct": {
            "steps": 7, "rounds": 0, "tokens_in": 0, "tokens_out": 0, "cost_usd": 0.0, "think_s": 3.5, "actions": 2,
            "rejected": 1, "foreign": 0, "destructive": 0, "worse_than_nothing": 0, "over_budget": false
        }
    })
}

/// What became of a seed: a score, a reason, or nothing.
type Outcome<'a> = (&'a str, u64, Option<Result<Value, &'a str>>);

const SCORED: fn(bool, f64) -> Option<Result<Value, &'static str>> = |passed, reward| Some(Ok(score(passed, reward)));

/// Three scores, a void episode and one that was never played.
fn outcomes() -> Vec<Outcome<'static>> {
    vec![
        ("noop", 1, SCORED(false, -40.0)),
        ("noop", 2, Some(Err("no world"))),
        ("hpa", 1, SCORED(true, -12.5)),
        ("hpa", 2, SCORED(false, -20.25)),
        ("hpa", 3, None),
    ]
}

/// Writes a folder as `compare --to` does.
fn write(folder: &RunFolder, outcomes: &[Outcome<'_>], digest: &str) {
    let scenario = scenarios::load(SCENARIO, &[]).unwrap().scenario.value;
    runs::write_whole(&folder.scenario_file(SCENARIO), serde_json::to_vec_pretty(&scenario).unwrap()).unwrap();
    let asked = |contender: &str, trials| Asked {
        scenarios: vec![SCENARIO.into()],
        contenders: vec![contender.into()],
        seed: 1,
        trials,
    };
    let mut manifest = Manifest {
        version: runs::VERSION,
        scenarios: [(SCENARIO.to_owned(), digest.to_owned())].into(),
        contenders: ["hpa", "noop"].map(|name| (name.to_owned(), "1".to_owned())).into(),
        ..Manifest::default()
    };
    manifest.ask(&asked("noop", 2));
    manifest.ask(&asked("hpa", 3));
    runs::write_whole(&folder.manifest_file(), serde_json::to_vec_pretty(&manifest).unwrap()).unwrap();
    for (contender, seed, outcome) in outcomes {
        let episodes = folder.episodes(SCENARIO, contender);
        let written = match outcome {
            Some(Ok(score)) => runs::write_whole(&runs::score_file(&episodes, *seed), score.to_string()),
            Some(Err(why)) => runs::write_whole(&runs::void_file(&episodes, *seed), json!({"why": why}).to_string()),
            None => Ok(()),
        };
        written.unwrap();
        runs::write_whole(&runs::log_file(&episodes, *seed), log(*seed)).unwrap();
    }
}

/// A log of two looks of the judge at one component, and a line of another kind.
fn log(seed: u64) -> String {
    let header = json!({"schema": 3, "scenario": SCENARIO, "scenario_digest": "0", "seed": seed, "policy": "hpa"});
    let look = |seq: u64, from_s: u64| {
        json!({
            "seq": seq, "t_ns": (from_s + 5) * 1_000_000_000, "kind": "truth", "from": from_s * 1_000_000_000,
            "to": (from_s + 5) * 1_000_000_000, "client_sent": 10 + seed, "client_ok": 9, "client_failed": 1,
            "client_waiting": 0, "client_p99_s": 0.5,
            "components": [{
                "component": "catalogue", "replicas": 1, "exists": true, "pods": 1, "ready": 1, "available": 1,
                "requests": 8, "errors": 2, "p99_s": null, "caller_p99_s": 0.25, "cpu_worst_pod": 0.1, "cpu_total": 0.1,
                "cpu_limit": 0.2, "cpu_limit_written": 0.2, "memory_worst_pod": 1000, "memory_limit": null,
                "memory_limit_written": null, "periods": 50, "throttled_periods": 5, "cpu_request_core_s": 0.5,
                "cpu_limit_core_s": 1.0, "memory_request_gib_s": 0.1, "memory_limit_gib_s": 0.0
            }]
        })
    };
    // As the recorder writes it: the kind's mark without a space.
    let told = json!({"seq": 2, "t_ns": 5_000_000_000_u64, "kind": "declared", "agent": "\"kind\":\"truth\""});
    let lines = [header, look(1, 0), told, look(3, 5)].map(|line| line.to_string());
    lines.join("\n") + "\n"
}

fn read(path: &Path) -> DataFrame {
    ParquetReader::new(fs::File::open(path).unwrap()).set_rechunk(true).finish().unwrap()
}

fn assert_equal(found: &DataFrame, expected: &DataFrame) {
    assert_eq!(found.get_column_names(), expected.get_column_names());
    for (found, expected) in found.columns().iter().zip(expected.columns()) {
        assert!(found.equals_missing(expected), "{}", expected.name());
    }
}

#[test]
fn a_folder_gives_the_same_tables_as_the_episodes_in_memory() {
    let folder = RunFolder::new(fresh("same"));
    write(&folder, &outcomes(), "1");
    let from_disk = analysis::folders(std::slice::from_ref(&folder), &Only::default()).unwrap();
    let about = Arc::new(About::of(&scenarios::load(SCENARIO, &[]).unwrap().scenario.value));
    let episodes = outcomes().into_iter().map(|(contender, seed, outcome)| {
        let played = match outcome {
            Some(Ok(score)) => Played::Scored(Box::new(serde_json::from_value::<EpisodeScore>(score).unwrap())),
            Some(Err(why)) => Played::Void(why.to_owned()),
            None => Played::Unplayed,
        };
        Episode::new(&about, contender, seed, played)
    });
    let in_memory = Episodes::new(&["noop".to_owned(), "hpa".to_owned()], episodes.collect());
    assert_eq!(from_disk.contenders(), ["noop", "hpa"], "as asked for, not by name");
    assert_equal(from_disk.frame(), in_memory.frame());
    assert_eq!(from_disk.by_contender(), in_memory.by_contender());
    assert_eq!(from_disk.by_scenario(None), in_memory.by_scenario(None));
    assert_eq!(from_disk.against("hpa"), in_memory.against("hpa"));
    let overview = from_disk.overview();
    assert_eq!((overview.episodes, overview.void, overview.unplayed), (5, 1, 1));

    let asked = Asked { scenarios: vec![SCENARIO.into()], contenders: vec!["hpa".into()], seed: 1, trials: 1 };
    let overview = analysis::asked_in(&folder, &asked).unwrap().overview();
    assert_eq!((overview.episodes, overview.contenders), (1, 1), "only what this command asked for");
}

#[test]
fn episodes_and_telemetry_go_to_parquet_and_back() {
    let folder = RunFolder::new(fresh("parquet"));
    write(&folder, &outcomes(), "1");
    analysis::keep(&folder, |_, _| {}).unwrap();
    let table = analysis::folders(std::slice::from_ref(&folder), &Only::default()).unwrap();
    assert_equal(&read(&folder.episodes_table()), table.frame());

    let path = runs::telemetry_file(&folder.episodes(SCENARIO, "hpa"));
    let telemetry = read(&path);
    // Two seeds, two looks each, the clients' row and that of one component.
    assert_eq!(telemetry.height(), 8);
    let seeds = telemetry.column("seed").and_then(Column::u64).unwrap();
    assert_eq!([0, 3, 4, 7].map(|row| seeds.get(row)), [Some(1), Some(1), Some(2), Some(2)]);
    let components = telemetry.column("component").and_then(Column::str).unwrap();
    assert_eq!([0, 1].map(|row| components.get(row)), [None, Some("catalogue")]);
    let requests = telemetry.column("requests").and_then(Column::u64).unwrap();
    assert_eq!([0, 1, 4].map(|row| requests.get(row)), [Some(11), Some(8), Some(12)]);
    let ends = telemetry.column("t_s").and_then(Column::f64).unwrap();
    assert_eq!([0, 2].map(|row| ends.get(row)), [Some(5.0), Some(10.0)]);
    let limits = telemetry.column("memory_limit").unwrap();
    assert_eq!(limits.null_count(), 8, "there is none");

    // What is there is not made again, until another episode is finished.
    fs::remove_file(runs::log_file(&folder.episodes(SCENARIO, "hpa"), 1)).unwrap();
    analysis::keep(&folder, |_, _| {}).unwrap();
    fs::remove_file(&path).unwrap();
    let missing = analysis::keep(&folder, |_, _| {}).unwrap_err().to_string();
    assert!(missing.contains("seed-1.jsonl") && missing.contains("help: "), "{missing}");
    assert!(!path.exists(), "a file that is not whole is not there");
}

#[test]
fn folders_are_filtered_and_merged() {
    let (one, other) = (RunFolder::new(fresh("one")), RunFolder::new(fresh("other")));
    write(&one, &outcomes(), "1");
    write(&other, &[("hpa", 3, SCORED(true, -1.0)), ("noop", 9, SCORED(true, -2.0))], "1");
    let folders = [one, other];
    let merged = analysis::folders(&folders, &Only::default()).unwrap().overview();
    assert_eq!((merged.episodes, merged.void, merged.unplayed), (6, 1, 0), "what was played stands for what was not");
    assert_eq!((merged.seeds, merged.first_seed), (4, None));
    let only = |scenarios: &[&str], contenders: &[&str]| Only {
        scenarios: scenarios.iter().map(|name| (*name).to_owned()).collect(),
        contenders: contenders.iter().map(|name| (*name).to_owned()).collect(),
    };
    let hpa = analysis::folders(&folders, &only(&["acv/low"], &["hpa"])).unwrap();
    assert_eq!((hpa.contenders(), hpa.overview().episodes), (&["hpa".to_owned()][..], 3));
    let said = |only: &Only| analysis::folders(&folders, only).err().unwrap().to_string();
    assert_eq!(
        said(&only(&[], &["hpb"])),
        "error: --only-contender hpb: there is no such contender\n  help: did you mean `hpa`?"
    );
    assert_eq!(
        said(&only(&["acv/high"], &[])),
        "error: --only-scenario acv/high: no scenario's name begins so\n  help: there are acv/low/cpu-stress"
    );
}

#[test]
fn what_contradicts_itself_or_is_broken_is_refused() {
    let said = |folders: &[RunFolder]| analysis::folders(folders, &Only::default()).err().unwrap().to_string();
    let (one, other) = (RunFolder::new(fresh("whole")), RunFolder::new(fresh("changed")));
    write(&one, &outcomes(), "1");
    write(&other, &outcomes(), "2");
    let changed = said(&[one.clone(), other.clone()]);
    assert!(changed.contains("the scenario acv/low/cpu-stress is another one than in "), "{changed}");

    write(&other, &[("hpa", 1, SCORED(false, -1.0))], "1");
    let twice = said(&[one.clone(), other]);
    assert!(twice.contains("seed 1 of acv/low/cpu-stress with hpa ended otherwise"), "{twice}");

    let score = runs::score_file(&one.episodes(SCENARIO, "hpa"), 1);
    fs::write(&score, "{").unwrap();
    let broken = said(std::slice::from_ref(&one));
    assert!(broken.starts_with(&format!("error: {}: not a score: ", score.display())), "{broken}");
    assert!(broken.ends_with("\n  help: take it away to have its seed played again"), "{broken}");

    let nothing = said(&[RunFolder::new(fresh("nothing"))]);
    assert!(nothing.contains("no comparison is kept there\n  help: "), "{nothing}");
}
