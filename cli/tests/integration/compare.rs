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
