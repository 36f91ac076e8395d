//! The program as its users run it. One binary; one file per subject.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod check;
mod cluster;
mod compare;
mod faults;
mod generate;
mod lab_compare;
mod live;
mod load;
mod memory;
mod messages;
mod record;
mod replay;
mod report;
mod run;
mod simulate;
mod strategies;

use std::process::Output;

use serde_json::Value;

/// Runs sockpit with these arguments.
fn sockpit(arguments: &[&str]) -> Output {
    assert_cmd::Command::cargo_bin("sockpit").unwrap().args(arguments).output().unwrap()
}

/// What it printed as data; it must have succeeded.
fn stdout(arguments: &[&str]) -> String {
    let output = sockpit(arguments);
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "sockpit {arguments:?}: {talk}");
    String::from_utf8(output.stdout).unwrap()
}

/// The same as JSON.
fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&stdout(arguments)).unwrap()
}

/// The names of an object's fields, in order.
fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// How it failed: exit code and what it said. It must have printed no data.
fn failure(arguments: &[&str]) -> String {
    let output = sockpit(arguments);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "sockpit {arguments:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    format!("exit {}\n{said}", output.status.code().unwrap())
}
