//! `sockpit compare --like` and `sockpit report sim-to-real`, with the twin in the place of a cluster.

use super::{failure, json, stdout};

#[test]
fn what_one_folder_keeps_is_played_again_and_set_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (live, twin) = (path("live"), path("twin"));
    let scenario = ["--scenario", "acv/low/pod-failure", "--model", "runbook", "--ceiling", "none"];
    stdout(&[&["compare"], &scenario[..], &["--trials", "2", "--to", live.as_str()]].concat());
    stdout(&["compare", "--like", &live, "--trials", "3", "--to", &twin]);

    let report = json(&["report", "sim-to-real", &live, &twin, "--json"]);
    let compared = report["compared"].as_array().unwrap();
    let contenders: Vec<&str> = compared.iter().map(|one| one["contender"].as_str().unwrap()).collect();
    assert_eq!(contenders, ["noop", "runbook"], "neither floor nor ceiling is added to what is kept");
    assert_eq!(compared[1]["live"]["summary"]["trials"], 2);
    assert_eq!(compared[1]["twin"]["summary"]["trials"], 3);
    assert_eq!(report["notes"].as_array().unwrap().len(), 0, "{}", report["notes"]);
    // The same world twice: the runbook mends the outage, doing nothing does not.
    assert_eq!(
        (&report["order"]["apart"]["concordant"], &report["order"]["apart"]["discordant"]),
        (&1.into(), &0.into())
    );
    assert!(compared[1]["live"]["ready_after_s"].is_number(), "{}", compared[1]["live"]["ready_after_s"]);
    assert!(compared[0]["live"]["ready_after_s"].is_null());

    let text = stdout(&["report", "sim-to-real", &live, &twin]);
    for part in
        ["acv/low/pod-failure   runbook, 3 episodes in the twin, 2 live", "Kendall's tau-b", "agree within 20 %"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn folders_without_anything_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = folder.path().to_str().unwrap();
    for typed in [&["report", "sim-to-real", nothing, nothing][..], &["compare", "--like", nothing]] {
        let said = failure(typed);
        assert!(said.starts_with("exit 2\n") && said.contains("is kept there"), "{typed:?}: {said}");
    }
    let said = failure(&["calibrate", "--prometheus", "http://127.0.0.1:1", "--window", "90s", "--to", "x.yaml"]);
    assert!(said.starts_with("exit 2\n") && said.contains("write whole minutes"), "{said}");
    let to = folder.path().join("profile.yaml");
    let said = failure(&["calibrate", "--prometheus", "http://127.0.0.1:1", "--to", to.to_str().unwrap()]);
    assert!(said.starts_with("exit 1\n") && said.contains("Prometheus at http://127.0.0.1:1"), "{said}");
    assert!(!to.exists());
}
