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
    let tables: Vec<_> = walk(&path).filter(|path| path.ends_with(".parquet")).collect();
    assert_eq!(tables.len(), 3, "episodes, and telemetry of each contender: {tables:?}");
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

/// What a folder keeps can be looked at again, in parts and with others.
#[test]
fn the_tables_of_a_folder_are_made_again_without_playing() {
    let root = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| root.path().join(name).to_str().unwrap().to_owned());
    let kept = |seed: &str, folder: &str| {
        let rest = [seed, "--model", "hpa", "--ceiling", "none", "--to", folder, "--json"];
        json(&[&SHORT[..], &rest].concat())
    };
    let played = kept("1", &one);
    let again = json(&["compare", "--from", &one, "--json"]);
    assert_eq!(again[0]["wall_s"], serde_json::Value::Null, "nobody knows how long it took");
    let figures = |summaries: &serde_json::Value| {
        let mut summaries = summaries.clone();
        for summary in summaries.as_array_mut().unwrap() {
            summary.as_object_mut().unwrap().remove("wall_s");
        }
        summaries
    };
    assert_eq!(figures(&again), figures(&played));

    // An episode whose world failed is in every table, with those of another folder.
    kept("8", &other);
    let episodes = std::path::Path::new(&one).join("episodes");
    let score = walk(&episodes).filter(|path| path.ends_with("hpa/seed-2.score.json")).last().unwrap();
    std::fs::remove_file(&score).unwrap();
    std::fs::write(score.replace(".score.json", ".void.json"), r#"{"why": "the cluster is gone"}"#).unwrap();
    let merged = ["compare", "--from", &one, "--from", &other];
    let text = stdout(&merged);
    for expected in
        ["1 scenarios, 2 contenders, 4 seeds: 8 episodes, 1 void\n", "VOID", "Against hpa, paired by scenario and seed"]
    {
        assert!(text.contains(expected), "{expected} is missing:\n{text}");
    }
    let csv = stdout(&[&merged[..], &["--only-contender", "hpa", "--format", "csv"]].concat());
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!((rows.len(), rows[0][8], rows[1][8], rows[1][9]), (2, "scored", "3", "1"), "{csv}");

    let unknown = failure(&["compare", "--from", &one, "--against", "hpb"]);
    assert!(unknown.starts_with("exit 2\n") && unknown.contains("did you mean `hpa`?"), "{unknown}");
    let nothing = failure(&["compare", "--from", root.path().to_str().unwrap()]);
    assert!(nothing.starts_with("exit 2\n") && nothing.contains("no comparison is kept there"), "{nothing}");
    let both = failure(&["compare", "--from", &one, "--suite", "acv"]);
    assert!(both.starts_with("exit 2\n") && both.contains("--suite"), "{both}");
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

/// Credit that is asked for later is played then, and is there from then on.
#[test]
fn credit_is_played_where_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comparison");
    let arguments =
        [&SHORT[..], &["1", "--model", "runbook", "--ceiling", "none", "--to", path.to_str().unwrap()]].concat();
    let (without, with) = (stdout(&arguments), stdout(&[&arguments[..], &["--credit", "1"]].concat()));
    assert!(!without.contains("CREDIT") && with.contains("CREDIT"), "{without}\n{with}");
    assert!(stdout(&arguments).contains("CREDIT"), "what is kept is shown");
}
