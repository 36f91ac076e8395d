//! The evaluator beside a real Prometheus, on the same samples.
//!
//! `promql/samples.json` holds half an hour of scrapes of four targets: histograms, counters that reset,
//! gauges with NaN and infinities, failed scrapes, a series that vanishes and returns, a target that
//! goes, a gap longer than the lookback. They were written to Prometheus 2.42.0 (Debian
//! 2.42.0+ds-5+deb12u1) through its remote-write receiver, stale markers included, and
//! `promql/answers.jsonl` holds what its HTTP API answered to some 260 queries, each at one time and
//! over a range.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use serde_json::Value as Json;
use sim::promql::{Query, Settings};
use sim::telemetry::{ABSENT, Store};

fn recorded_store() -> Store {
    let samples: Json = serde_json::from_str(include_str!("promql/samples.json")).unwrap();
    let mut store = Store::new();
    for target in samples["targets"].as_array().unwrap() {
        let index = store.add_target(&labels(&target["labels"]));
        for series in target["series"].as_array().unwrap() {
            store.add_series(index, series[0].as_str().unwrap(), &labels(&series[1]));
        }
        for row in target["rows"].as_array().unwrap() {
            let number = |value: &Json| value.as_str().map_or(ABSENT, |text| text.parse().unwrap());
            let values: Vec<f64> = row[1].as_array().unwrap().iter().map(number).collect();
            store.append(index, row[0].as_i64().unwrap(), &values);
        }
        if let Some(gone) = target["gone"].as_i64() {
            store.target_gone(index, gone);
        }
    }
    store
}

fn labels(object: &Json) -> Vec<(&str, &str)> {
    let pairs = object.as_object().unwrap().iter();
    pairs.map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect()
}

fn millis(seconds: &Json) -> i64 {
    (seconds.as_f64().unwrap() * 1000.0).round() as i64
}

fn answer(store: &Store, record: &Json) -> Json {
    let settings = Settings::default();
    let answer = Query::parse(record["query"].as_str().unwrap()).and_then(|query| {
        if record["time"].is_null() {
            let [start, end, step] = ["start", "end", "step"].map(|name| millis(&record[name]));
            query.range(store, start, end, step, settings)
        } else {
            query.instant(store, millis(&record["time"]), settings)
        }
    });
    match answer {
        Ok(value) => serde_json::to_value(value).unwrap(),
        Err(error) => serde_json::json!({ "error": error.to_string() }),
    }
}

/// The points of each element or series: milliseconds and text.
fn points(answer: &Json) -> BTreeMap<String, Vec<(i64, &str)>> {
    let mut found = BTreeMap::new();
    for element in answer["result"].as_array().unwrap() {
        let pairs = match element["values"].as_array() {
            Some(pairs) => pairs.iter().collect(),
            None => vec![&element["value"]],
        };
        let pairs = pairs.iter().map(|pair| (millis(&pair[0]), pair[1].as_str().unwrap()));
        let is_new = found.insert(element["metric"].to_string(), pairs.collect()).is_none();
        assert!(is_new, "two elements with the same labels: {answer}");
    }
    found
}

/// Is the last bit of a value that of another implementation of `exp`, `log` or `pow`?
fn is_transcendental(query: &str) -> bool {
    ["exp(", "ln(", "log2(", "log10(", "^"].iter().any(|name| query.contains(name))
}

fn same_value(query: &str, expected: &str, found: &str) -> bool {
    let close = || {
        let (a, b): (f64, f64) = (expected.parse().unwrap(), found.parse().unwrap());
        (a - b).abs() <= 4.0 * f64::EPSILON * a.abs()
    };
    expected == found || is_transcendental(query) && close()
}

fn check(store: &Store, record: &Json) {
    let query = record["query"].as_str().unwrap();
    let (expected, found) = (&record["answer"], answer(store, record));
    let context = format!("{record}\nbut got {found}");
    if let Some(error) = expected["error"].as_str() {
        // The HTTP API says the kind of error beside the message or in front of it.
        let error = error.strip_prefix("invalid parameter \"query\": ").unwrap_or(error);
        let message = found["error"].as_str().unwrap_or_else(|| panic!("{context}"));
        // Which of several duplicates is met first is chance in Prometheus.
        let error = error.split(" for the match group").next().unwrap_or(error);
        return assert!(message.contains(error), "{context}");
    }
    assert_eq!(expected["resultType"], found["resultType"], "{context}");
    if matches!(expected["resultType"].as_str(), Some("scalar" | "string")) {
        return assert_eq!(expected["result"], found["result"], "{context}");
    }
    let (expected_points, found_points) = (points(expected), points(&found));
    assert!(expected_points.keys().eq(found_points.keys()), "{context}");
    for (metric, expected) in &expected_points {
        let found = &found_points[metric];
        let same = |((t, a), (u, b)): (&(i64, &str), &(i64, &str))| t == u && same_value(query, a, b);
        assert!(expected.len() == found.len() && expected.iter().zip(found).all(same), "{metric} in {context}");
    }
    if ["sort", "topk", "bottomk"].iter().any(|name| query.starts_with(name)) {
        let values = |answer: &Json| -> Vec<String> {
            answer["result"].as_array().unwrap().iter().map(|element| element["value"].to_string()).collect()
        };
        assert!(record["time"].is_null() || values(expected) == values(&found), "order of {context}");
    }
}

#[test]
fn answers_are_those_of_prometheus_2_42() {
    let store = recorded_store();
    let records = include_str!("promql/answers.jsonl").lines();
    let mut count = 0;
    for record in records {
        check(&store, &serde_json::from_str(record).unwrap());
        count += 1;
    }
    assert!(count > 500, "only {count} answers were recorded");
}
