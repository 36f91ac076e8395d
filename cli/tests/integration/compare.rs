//! `sockpit compare`: contenders on the same scenarios and seeds.

use super::{failure, json, keys, stdout};

const SHORT: [&str; 6] = ["compare", "--scenario", "acv/low/cpu-stress", "--trials", "2", "--seed"];

#[test]
fn floor_and_ceiling_stand_around_the_contenders_and_the_order_is_as_it_must_be() {
    let arguments = [&SHORT[..], &["5", "--model", "restart", "--model", "runbook", "--json"]].concat();
    let summaries = json(&arguments);
    let summaries = summaries.as_array().unwrap();
    let names: Vec<&str> = summaries.iter().map(|summary| summary["model"].as_str().unwrap()).collect();
    assert_eq!(names, ["noop", "restart", "runbook", "oracle"]);
    let passed = |contender: usize, level: &str| summaries[contender]["levels"][level]["passed"].as_u64().unwrap();
    assert_eq!([0, 1, 2, 3].map(|contender| passed(contender, "L3")), [0, 2, 2, 2]);
    assert_eq!([0, 1, 2, 3].map(|contender| passed(contender, "L4")), [0, 0, 2, 2]);
    assert_eq!(passed(3, "L5"), 2, "who looks ahead mends");
    let single = json(&["run", "acv/low/cpu-stress", "--model", "runbook", "--trials", "2", "--seed", "5", "--json"]);
    assert_eq!(keys(&summaries[2]), keys(&single));
    assert_eq!(summaries[2]["reward"], single["reward"], "the same episodes, however they are asked for");
}

#[test]
fn the_tables_name_contenders_levels_and_kinds() {
    let arguments = [&SHORT[..], &["1", "--model", "hpa", "--ceiling", "none"]].concat();
    let text = stdout(&arguments);
    for expected in
        ["1 scenarios, 2 contenders, 2 seeds from 1: 4 episodes", "CONTENDER", "L5", "TTM", "\nlow/cpu-stress"]
    {
        assert!(text.contains(expected), "{expected} is missing:\n{text}");
    }
    assert!(!text.contains("oracle"), "{text}");
    let markdown = stdout(&[&arguments[..], &["--markdown"]].concat());
    assert!(markdown.contains("| CONTENDER |") && markdown.contains("| --- | ---: |"), "{markdown}");
}

#[test]
fn what_cannot_be_compared_is_refused_with_a_cure() {
    insta::assert_snapshot!(failure(&["compare", "--model", "runbook"]), @r"
    exit 2
    error: nothing to play
      help: name a suite (--suite acv) or scenarios (--scenario NAME)
    ");
    insta::assert_snapshot!(failure(&["compare", "--suite", "avc"]), @r"
    exit 2
    error: --suite avc: no shipped scenario's name begins so
      help: `sockpit scenarios` lists them
    ");
    let unknown = failure(&["compare", "--suite", "acv", "--model", "runbok"]);
    assert!(unknown.starts_with("exit 2\n") && unknown.contains("did you mean `runbook`?"), "{unknown}");
}

/// The folder of a comparison holds what was finished: it is not played again, and what is missing is.
#[test]
fn a_comparison_goes_on_where_it_was_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comparison");
    let arguments =
        [&SHORT[..], &["1", "--model", "hpa", "--ceiling", "none", "--to", path.to_str().unwrap()]].concat();
    let whole = [&arguments[..], &["--json"]].concat();
    let without_wall = |mut summaries: serde_json::Value| {
        for summary in summaries.as_array_mut().unwrap() {
            summary.as_object_mut().unwrap().remove("wall_s");
        }
        summaries
    };
    let first = without_wall(json(&whole));
    let episodes: Vec<_> = walk(&path.join("episodes")).filter(|path| path.ends_with("score.json")).collect();
    assert_eq!(episodes.len(), 4, "{episodes:?}");
    // One was not finished when it was killed; another one is marked, to see that it is read and not played.
    std::fs::remove_file(&episodes[0]).unwrap();
    let marked = std::fs::read_to_string(&episodes[1]).unwrap();
    std::fs::write(&episodes[1], marked.replace("\"steps\": ", "\"steps\": 1000")).unwrap();
    let second = without_wall(json(&whole));
    assert!(std::path::Path::new(&episodes[0]).exists(), "it was played");
    let steps = |summaries: &serde_json::Value| {
        summaries.as_array().unwrap().iter().map(|summary| summary["steps"].as_f64().unwrap()).sum::<f64>()
    };
    assert!(steps(&second) > steps(&first) + 400.0, "a finished episode is not played again");
    let manifest = std::fs::read_to_string(path.join("comparison.json")).unwrap();
    let digest = manifest.split("\"hpa\": \"").nth(1).unwrap().split('"').next().unwrap();
    std::fs::write(path.join("comparison.json"), manifest.replace(digest, "0")).unwrap();
    let other = failure(&arguments);
    assert!(other.starts_with("exit 2\n") && other.contains("hpa was another one"), "{other}");
    std::fs::write(path.join("comparison.json"), "{}").unwrap();
    let broken = failure(&arguments);
    assert!(broken.starts_with("exit 2\n") && broken.contains("not a comparison"), "{broken}");
}

/// All files below a folder, in the order of their names.
fn walk(folder: &std::path::Path) -> impl Iterator<Item = String> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path.to_str().unwrap().to_owned()) }
        }
    }
    files.sort();
    files.into_iter()
}
