//! Two answers to one question.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use sim::promql::{Dialect, Error, Query, Settings, Value};
use sim::telemetry::Store;

use crate::grammar::Grammar;

/// How far two numbers may lie apart, relative to the larger.
const TOLERANCE: f64 = 1e-9;

/// A question: an expression at one time, where the step is 0, or over a range.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) query: String,
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    pub(crate) step_ms: i64,
    /// Only whether the expression is accepted counts: a mistake was put into it, and if it still means
    /// something, nobody knows how exactly.
    is_faulty: bool,
}

impl Case {
    pub(crate) fn instant(query: impl Into<String>, t_ms: i64) -> Self {
        Self { query: query.into(), start_ms: t_ms, end_ms: t_ms, step_ms: 0, is_faulty: false }
    }

    pub(crate) fn range(query: impl Into<String>, start_ms: i64, end_ms: i64, step_ms: i64) -> Self {
        Self { query: query.into(), start_ms, end_ms, step_ms, is_faulty: false }
    }

    pub(crate) fn faulty(query: String, t_ms: i64) -> Self {
        Self { is_faulty: true, ..Self::instant(query, t_ms) }
    }

    /// The twin's answer.
    pub(crate) fn ask(&self, store: &Store, dialect: Dialect) -> Result<Value, Error> {
        let settings = Settings { dialect, ..Settings::default() };
        let query = Query::parse(&self.query)?;
        match self.step_ms {
            0 => query.instant(store, self.start_ms, settings),
            step_ms => query.range(store, self.start_ms, self.end_ms, step_ms, settings),
        }
    }
}

/// What was compared.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) expressions: BTreeSet<String>,
    pub(crate) with_values: usize,
    numbers: usize,
    empty: usize,
    refused: usize,
    pub(crate) differences: Vec<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "compared {} expressions: {} answers with {} numbers, {} empty answers, {} errors, {} differences",
            self.expressions.len(),
            self.with_values,
            self.numbers,
            self.empty,
            self.refused,
            self.differences.len()
        )
    }
}

impl Tally {
    pub(crate) fn count(&mut self, case: &Case, expected: &Json, found: &Result<Value, Error>) {
        self.expressions.insert(case.query.clone());
        if let Err(difference) = self.compare(case, expected, found) {
            let found = match found {
                Ok(value) => serde_json::to_string(value).unwrap(),
                Err(error) => error.to_string(),
            };
            let Case { query, start_ms, end_ms, step_ms, .. } = case;
            self.differences.push(format!(
                "{difference}\n  {query}\n  from {start_ms} to {end_ms} by {step_ms}\n  expected {}\n  found    {}",
                shortened(&expected.to_string()),
                shortened(&found)
            ));
        }
    }

    fn compare(&mut self, case: &Case, expected: &Json, found: &Result<Value, Error>) -> Result<(), String> {
        let expected_class = expected["errorType"].as_str();
        let class = found.as_ref().err().map(class);
        if case.is_faulty {
            let is_accepted = |class: Option<&str>| matches!(class, None | Some("execution"));
            self.refused += usize::from(class.is_some());
            return same("accepted", &is_accepted(expected_class), &is_accepted(class));
        }
        same("kind of error", &expected_class, &class)?;
        match found {
            Err(error) => {
                self.refused += 1;
                error_text(case, expected["error"].as_str().unwrap_or_default(), error)
            }
            Ok(value) => {
                let found = serde_json::to_value(value).unwrap();
                let count = answer(case, &expected["data"], &found)?;
                self.numbers += count;
                self.with_values += usize::from(count > 0);
                self.empty += usize::from(count == 0);
                Ok(())
            }
        }
    }
}

/// The kind of an error as the HTTP API calls it.
fn class(error: &Error) -> &'static str {
    match error {
        Error::Parse { .. } | Error::Type { .. } | Error::Range(_) => "bad_data",
        Error::Execution(_) => "execution",
        Error::Unsupported { .. } => "unsupported",
    }
}

/// What goes wrong first in a range query is chance, and the parser's words are its own.
fn error_text(case: &Case, expected: &str, found: &Error) -> Result<(), String> {
    if case.step_ms > 0 || !matches!(found, Error::Execution(_)) {
        return Ok(());
    }
    // Which of several duplicates is met first is chance too.
    let expected = expected.split(" for the match group").next().unwrap_or(expected);
    if found.to_string().contains(expected) { Ok(()) } else { Err(format!("the error is not {expected:?}")) }
}

/// How many numbers are the same.
fn answer(case: &Case, expected: &Json, found: &Json) -> Result<usize, String> {
    same("type", &expected["resultType"], &found["resultType"])?;
    if expected["resultType"] == "string" {
        return same("text", &expected["result"], &found["result"]).map(|()| 1);
    }
    if expected["resultType"] == "scalar" {
        return points(&[point(&expected["result"])], &[point(&found["result"])]);
    }
    if case.step_ms == 0 && Grammar::is_ranked(&case.query) {
        points(&in_order(expected), &in_order(found)).map_err(|difference| format!("order: {difference}"))?;
    }
    let (expected, found) = (by_metric(expected)?, by_metric(found)?);
    same("labels", &expected.keys().collect::<Vec<_>>(), &found.keys().collect::<Vec<_>>())?;
    let counts = expected.iter().map(|(metric, expected)| {
        points(expected, &found[metric]).map_err(|difference| format!("{metric}: {difference}"))
    });
    counts.sum()
}

/// Milliseconds and a number as text.
type Point<'a> = (i64, &'a str);

fn point(pair: &Json) -> Point<'_> {
    let (Some(seconds), Some(text)) = (pair[0].as_f64(), pair[1].as_str()) else {
        panic!("not a time and a number: {pair}");
    };
    ((seconds * 1_000.0).round() as i64, text)
}

fn element_points(element: &Json) -> Vec<Point<'_>> {
    match element["values"].as_array() {
        Some(pairs) => pairs.iter().map(point).collect(),
        // Prometheus 2.42 lists a series of `absent()` in a subquery without steps, but without a value.
        None if element["value"].is_null() => Vec::new(),
        None => vec![point(&element["value"])],
    }
}

fn in_order(answer: &Json) -> Vec<Point<'_>> {
    answer["result"].as_array().into_iter().flatten().flat_map(element_points).collect()
}

fn by_metric(answer: &Json) -> Result<BTreeMap<String, Vec<Point<'_>>>, String> {
    let mut all = BTreeMap::new();
    for element in answer["result"].as_array().into_iter().flatten() {
        let points = element_points(element);
        if !points.is_empty() && all.insert(element["metric"].to_string(), points).is_some() {
            return Err(format!("two elements are {}", element["metric"]));
        }
    }
    Ok(all)
}

fn points(expected: &[Point<'_>], found: &[Point<'_>]) -> Result<usize, String> {
    let times = |points: &[Point<'_>]| points.iter().map(|(t_ms, _)| *t_ms).collect::<Vec<_>>();
    same("times", &times(expected), &times(found))?;
    for ((t_ms, expected), (_, found)) in expected.iter().zip(found) {
        if !is_close(expected.parse().unwrap(), found.parse().unwrap()) {
            return Err(format!("at {t_ms}: {expected} is not {found}"));
        }
    }
    Ok(expected.len())
}

#[expect(clippy::float_cmp, reason = "infinities and zeros are equal or not")]
fn is_close(a: f64, b: f64) -> bool {
    a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()) && (a - b).is_finite()
}

fn same<T: PartialEq + fmt::Debug>(what: &str, expected: &T, found: &T) -> Result<(), String> {
    if expected == found { Ok(()) } else { Err(shortened(&format!("{what}: {expected:?} is not {found:?}"))) }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(1_500) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A folder of one test's own, removed when this is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sockpit-promql-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed stays in the machine's folder for such things.
        std::fs::remove_dir_all(&self.0).ok();
    }
}
