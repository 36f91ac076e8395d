//! What `sockpit live` refuses before a cluster is asked, and what it says where there is none.

use super::failure;

/// It is refused as usage, and says this.
fn check(typed: &[&str], part: &str) {
    let said = failure(&[&["live", "acv/low/pod-failure"], typed].concat());
    assert!(said.starts_with("exit 2\n") && said.contains(part), "{typed:?}: {said}");
}

#[test]
fn what_cannot_be_played_is_refused_before_a_cluster_is_asked() {
    check(&["--model", "oracle"], "a cluster cannot be copied");
    check(&["--write", "--horizon", "1m"], "the task begins at");
    check(&["--write", "--approve"], "cannot be used with");
    check(&["--lab", "--context", "x"], "cannot be used with");
    check(&["--guards", "/nonexistent/guards.yaml"], "cannot be read");
    check(&["--context", "nowhere"], "there is no Prometheus");
    check(&["acv/low/cpu-stress"], "name a folder for them with --to");
    check(&["--model", "noop", "--model", "runbook"], "name a folder for them with --to");
    check(&["--trials", "2"], "--to");
    check(&["--to", "x", "--model", "noop", "--model", "oracle"], "a cluster cannot be copied");
    check(&["--to", "x", "acv/low/pod-failure"], "two of the scenarios are named");
    check(&["--to", "x", "--record", "y"], "cannot be used with");
}

#[test]
fn without_a_cluster_nothing_is_played() {
    let folder = tempfile::tempdir().unwrap();
    let (missing, record) = (folder.path().join("kubeconfig"), folder.path().join("record"));
    let said = failure(&[
        "live",
        "acv/low/pod-failure",
        "--kubeconfig",
        missing.to_str().unwrap(),
        "--prometheus",
        "http://127.0.0.1:1",
        "--record",
        record.to_str().unwrap(),
    ]);
    assert!(said.starts_with("exit 1\n") && said.contains("cannot be used"), "{said}");
    assert!(said.contains("without --write nothing on the cluster changes"), "{said}");
    assert!(!record.exists(), "no session has begun");
}
