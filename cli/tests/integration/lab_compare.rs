//! The twin of today beside what the lab did: how far apart they are is in the snapshots, so that no change moves it unseen.

use std::fs;
use std::path::Path;

use super::{failure, stdout};

/// What the lab did, recorded on a quiet machine.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../datasets/comparisons/kept");

#[test]
fn how_far_the_twin_is_from_the_lab_is_known() {
    let told = stdout(&["lab", "compare", "--from", KEPT]);
    let kept = fs::read_dir(KEPT).unwrap().count();
    let summary = &told[told.find(&format!("{kept} cases, ")).expect("the summary comes last")..];
    assert!(summary.contains(" 0 void"), "{summary}");
    insta::assert_snapshot!("compare_summary", summary);
}

#[test]
fn one_is_told_in_full() {
    insta::assert_snapshot!("compare_killed_pod", stdout(&["lab", "compare", "killed-pod", "--from", KEPT]));
}

#[test]
fn what_is_kept_and_cannot_be_used_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().to_str().unwrap();
    let said = |typed: &[&str]| failure(typed).replace(from, "FOLDER");
    let empty = said(&["lab", "compare", "--from", from]);
    let missing = said(&["lab", "compare", "idle", "--from", from]);
    fs::write(folder.path().join("idle.json"), "{\"name\": \"idle\"").unwrap();
    let cut = said(&["lab", "compare", "--from", from]);
    let kept = fs::read_to_string(Path::new(KEPT).join("idle.json")).unwrap();
    fs::write(folder.path().join("idle.json"), kept.replace("\"node-2\"\n", "\"node-3\"\n")).unwrap();
    let misplaced = said(&["lab", "compare", "--from", from]);
    insta::assert_snapshot!("compare_mistakes", [empty, missing, cut, misplaced].join("\n"));
    // Wherever a file is cut off.
    for end in (0..kept.len() - 2).step_by(kept.len() / 20) {
        fs::write(folder.path().join("idle.json"), &kept[..end]).unwrap();
        let said = failure(&["lab", "compare", "--from", from]);
        assert!(said.starts_with("exit 2\nerror: ") && said.contains("\n  help: "), "{end}: {said}");
    }
}
