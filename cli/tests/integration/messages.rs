//! What the program says: help, lists, and the answers to mistakes in what was typed.

use super::{failure, json, stdout};

#[test]
fn help_says_what_there_is_and_how_it_ends() {
    insta::assert_snapshot!("help", stdout(&["--help"]));
    for command in
        [&["simulate"][..], &["load"], &["run"], &["scenarios"], &["scenario", "check"], &["scenario", "generate"]]
    {
        let arguments: Vec<&str> = command.iter().copied().chain(["--help"]).collect();
        insta::assert_snapshot!(format!("help_{}", command.join("_")), stdout(&arguments));
    }
}

#[test]
fn what_ships_is_listed_by_suite_and_level() {
    let shipped = datasets::scenarios::shipped();
    let text = stdout(&["scenarios"]);
    assert_eq!(text.lines().count(), 1 + shipped.len(), "{text}");
    let listed = json(&["scenarios", "--json"]);
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    for name in &shipped {
        assert!(text.contains(name.as_str()) && names.contains(&name.as_str()), "{name}: {text}");
    }
}

#[test]
fn mistakes_are_answered_with_their_cure_and_exit_code_2() {
    let mistakes: &[&[&str]] = &[
        &["run", "acv/low/pod-failur"],
        &["run", "no/such/thing.yaml"],
        &["run", "acv/low/pod-failure", "--model", "runbok"],
        &["run", "acv/low/pod-failure", "--model", "script:missing.yaml"],
        &["run", "acv/low/pod-failure", "--set", "hold"],
        &["run", "acv/low/pod-failure", "--set", "hold=soon"],
        &["run", "acv/low/pod-failure", "--set", "fault.sevrity=1"],
        &["run", "acv/low/pod-failure", "--set", "thinking=measured"],
        &["simulate", "sock-shp"],
        &["simulate", "--level", "haevy"],
        &["simulate", "--user-class", "shoper", "--users", "5"],
        &["simulate", "--target", "catalog"],
        &["simulate", "--overlay", "acw"],
        &["simulate", "--set", "hold=10s"],
        &["simulate", "acv/low/pod-failure", "--users", "5"],
        &["scenario", "check", "acv/low/pod-failur"],
        &["load", "--url", "https://shop.test"],
        &["load", "--url", "http://127.0.0.1:1", "--url", "http://127.0.0.1:2"],
        &["load", "--url", "http://127.0.0.1:1", "--user-class", "shoper"],
        &["load", "--url", "http://127.0.0.1:1", "--users", "0"],
        &["load", "--url", "front-end=http://127.0.0.1:1", "--target", "catalogue"],
        &["load", "--url", "http://127.0.0.1:1", "--profile", "missing.yaml"],
        &["load", "acv/low/pod-failure", "--url", "http://127.0.0.1:1", "--users", "5"],
    ];
    let said: Vec<String> =
        mistakes.iter().map(|typed| format!("$ sockpit {}\n{}", typed.join(" "), failure(typed))).collect();
    for answer in &said {
        assert!(answer.contains("\nexit 2\nerror: ") && answer.contains("\n  help: "), "{answer}");
    }
    insta::assert_snapshot!("mistakes", said.join("\n"));
}

/// Those that clap answers in its own words.
#[test]
fn values_out_of_range_are_usage_errors() {
    let mistakes: &[&[&str]] = &[
        &["run"],
        &["run", "acv/low/pod-failure", "--trials", "0"],
        &["simulate", "--rate", "-1"],
        &["simulate", "--rate", "5", "--users", "5"],
        &["simulate", "--node-speed", "0"],
        &["simulate", "--duration", "0s"],
        &["simulate", "--duration", "ten"],
    ];
    for typed in mistakes {
        let said = failure(typed);
        assert!(said.starts_with("exit 2\nerror: "), "{typed:?}: {said}");
    }
}
