//! `sockpit scenario generate`: a suite from its templates.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{failure, json, stdout};

/// Every file below a folder, by its path in it.
fn files(root: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

fn made(seed: &str, more: &[&str]) -> (tempfile::TempDir, serde_json::Value) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap().to_owned();
    let arguments = ["scenario", "generate", "--seed", seed, "--out", &out, "--json"];
    let listed = json(&arguments.iter().chain(more).copied().collect::<Vec<_>>());
    (folder, listed)
}

#[test]
fn the_same_seed_makes_the_same_files() {
    let (first, listed) = made("11", &["--count", "30", "--no-check"]);
    assert_eq!(listed.as_array().unwrap().len(), 30);
    let (again, _) = made("11", &["--count", "30", "--no-check"]);
    let (other, _) = made("12", &["--count", "30", "--no-check"]);
    assert_eq!(files(first.path()), files(again.path()));
    assert_ne!(files(first.path()), files(other.path()));
    for scenario in listed.as_array().unwrap() {
        assert!(Path::new(scenario["file"].as_str().unwrap()).is_file(), "{scenario:#}");
    }
}

/// What was played and passed passes when it is checked as a folder, with the scripts beside it.
#[test]
fn what_was_made_passes_its_checks() {
    let (folder, _) = made("1", &["--count", "4", "--trials", "1"]);
    let said = stdout(&["scenario", "check", folder.path().to_str().unwrap()]);
    assert!(said.starts_with("4 of 4 scenarios are right") && said.ends_with("4 have a witness\n"), "{said}");
}

#[test]
fn mistakes_are_usage_errors() {
    assert!(failure(&["scenario", "generate", "--seed", "1"]).contains("--out"));
    let said = failure(&["scenario", "generate", "--suite", "fault", "--seed", "1", "--out", "nowhere"]);
    assert!(said.starts_with("exit 2\nerror: fault: ") && said.contains("did you mean `faults`?"), "{said}");
}
