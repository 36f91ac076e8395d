//! `sockpit scenario check`: a scenario file of one's own.

use std::fs;

use serde_json::Value;

use super::{failure, json, sockpit, stdout};

/// A shipped scenario with a change, as a file.
fn changed(from: &str, to: &str) -> (tempfile::TempDir, String) {
    let text = datasets::scenarios::find("acv/low/pod-failure").unwrap().text;
    assert!(text.contains(from), "{from}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.yaml");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn of(report: &Value, check: &str) -> Vec<bool> {
    let checks = report["checks"].as_array().unwrap().iter();
    checks.filter(|c| c["check"] == check).map(|c| c["passed"].as_bool().unwrap()).collect()
}

#[test]
fn a_shipped_scenario_passes_its_checks() {
    let reports = json(&["scenario", "check", "acv/low/pod-failure", "--json"]);
    let report = &reports[0];
    assert_eq!(report["ok"], true, "{report:#}");
    assert_eq!((of(report, "healthy"), of(report, "noop")), (vec![true], vec![true]));
    assert!(!of(report, "witness").is_empty() && !of(report, "wrong-move").is_empty());
}

#[test]
fn every_mistake_of_a_file_is_said_at_once() {
    let (_folder, path) = changed("agent: catalogue", "agent: cataloge");
    let text = fs::read_to_string(&path).unwrap().replace("start: 180s", "start: soon");
    fs::write(&path, text).unwrap();
    let said = failure(&["scenario", "check", &path]);
    assert!(said.starts_with("exit 2\nerror: ") && said.contains("mine.yaml:") && said.contains("soon"), "{said}");
}

#[test]
fn without_playing_only_the_file_is_checked() {
    let (_folder, path) = changed("agent: catalogue", "agent: catalogue");
    let text = stdout(&["scenario", "check", &path, "--no-play"]);
    assert!(text.contains("the file is right") && text.contains("nothing was played"), "{text}");
}

/// Objectives that nothing can meet: the check says which, and by how much.
#[test]
fn a_scenario_whose_objectives_cannot_be_met_fails() {
    let (_folder, path) =
        changed("slos: {components: [catalogue]}", "slos: {components: [catalogue], latency: {below: 1us}}");
    let output = sockpit(&["scenario", "check", &path, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let reports: Value = serde_json::from_slice(&output.stdout).unwrap();
    let report = &reports[0];
    assert_eq!((&report["ok"], of(report, "healthy")), (&Value::Bool(false), vec![false]));
    assert!(report["checks"][0]["found"].as_str().unwrap().contains("latency of catalogue: "), "{report:#}");
}

/// Of several only what failed is said, and how many are right.
#[test]
fn several_are_checked_at_once() {
    let (_folder, path) =
        changed("slos: {components: [catalogue]}", "slos: {components: [catalogue], latency: {below: 1us}}");
    let output = sockpit(&["scenario", "check", "acv/low/check-health", &path]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("FAILED  healthy") && !said.contains("ok      "), "{said}");
    assert!(said.ends_with("1 of 2 scenarios are right (6 checks played); 1 have a witness\n"), "{said}");
}

#[test]
fn a_suite_is_checked_by_its_name() {
    let reports = json(&["scenario", "check", "--suite", "faults", "--no-play", "--json"]);
    assert!(reports.as_array().unwrap().len() >= 200);
    let said = failure(&["scenario", "check", "--suite", "fault"]);
    assert!(said.contains("these do: acv, faults"), "{said}");
    let said = failure(&["scenario", "check", "--suite", "faults", "--witness", "mine.yaml"]);
    assert!(said.contains("there are several scenarios"), "{said}");
}

#[test]
fn the_schema_is_printed() {
    let schema = json(&["scenario", "schema"]);
    assert_eq!(schema["title"], "Scenario");
}
