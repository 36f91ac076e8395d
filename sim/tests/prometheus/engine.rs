//! Prometheus 3's engine: the Go program in `engine/`.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};
use sim::promql::Settings;
use sim::telemetry::Store;

use crate::compare::Case;
use crate::samples::as_json;

/// One answer per case.
pub(crate) fn answers(program: &str, store: &Store, cases: &[Case]) -> Vec<Json> {
    let settings = Settings::default();
    let query =
        |case: &Case| json!({ "query": case.query, "start": case.start_ms, "end": case.end_ms, "step": case.step_ms });
    let input = json!({
        "lookback": settings.lookback_ms,
        "subquery_step": settings.subquery_step_ms,
        "series": as_json(store),
        "queries": cases.iter().map(query).collect::<Vec<_>>(),
    });
    let mut process = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    // The program reads all before it writes anything.
    process.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{program}: {}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
