//! Small answers, worked out by hand: staleness, lookback, boundaries, resets, matching, forks.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sim::promql::{Dialect, Query, Settings, Value, query, query_range};
use sim::telemetry::{ABSENT, Store};

/// The scrape interval of the stores below, in milliseconds.
const INTERVAL_MS: usize = 15_000;

/// One target: its `instance`, a metric, the metric's labels, and a value per scrape (`_` for none).
type Line<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

/// A store with one target per line, scraped at 0 s, 15 s, 30 s, … A final `gone` ends the target.
fn store(lines: &[Line<'_>]) -> Store {
    let mut store = Store::new();
    for (instance, metric, labels, values) in lines {
        let target = store.add_target(&[("instance", instance)]);
        store.add_series(target, metric, labels);
        for (t_ms, value) in (0..).step_by(INTERVAL_MS).zip(values.split_whitespace()) {
            match value {
                "gone" => store.target_gone(target, t_ms),
                "_" => store.append(target, t_ms, &[ABSENT]),
                number => store.append(target, t_ms, &[number.parse().unwrap()]),
            }
        }
    }
    store
}

fn one(values: &str) -> Store {
    store(&[("a", "m", &[], values)])
}

/// The answer as text: `labels value`, comma-separated.
fn text(answer: Value) -> String {
    match answer {
        Value::Scalar(sample) => sample.value.to_string(),
        Value::String { text, .. } => text,
        Value::Vector { elements, .. } => {
            let element = |e: &sim::promql::Element| format!("{} {}", e.metric, e.value);
            elements.iter().map(element).collect::<Vec<_>>().join(", ")
        }
        Value::Matrix(series) => {
            let point = |s: &sim::telemetry::Sample| format!("{}@{}", s.value, s.t_ms as f64 / 1e3);
            let points = |s: &sim::promql::SeriesValues| s.samples.iter().map(point).collect::<Vec<_>>().join(" ");
            series.iter().map(|s| format!("{} {}", s.metric, points(s))).collect::<Vec<_>>().join(", ")
        }
    }
}

fn check(store: &Store, expr: &str, seconds: f64, expected: &str) {
    let found = query(store, expr, (seconds * 1e3) as i64).map_or_else(|error| error.to_string(), text);
    assert_eq!(found, expected, "{expr} at {seconds} s");
}

#[test]
fn an_instant_selector_looks_back_until_a_stale_marker() {
    let m = one("1 2 _ _ 5");
    check(&m, "m", 0.0, r#"m{instance="a"} 1"#);
    check(&m, "m", 29.999, r#"m{instance="a"} 2"#);
    check(&m, "m", 30.0, "");
    check(&m, "m", 59.0, "");
    check(&m, "m", 60.0, r#"m{instance="a"} 5"#);
    check(&m, "m", 360.0, r#"m{instance="a"} 5"#);
    check(&m, "m", 360.001, "");
    check(&m, "timestamp(m)", 360.0, r#"{instance="a"} 60"#);
    check(&m, "m", -0.001, "");

    let gone = one("1 2 gone");
    check(&gone, "m", 29.0, r#"m{instance="a"} 2"#);
    check(&gone, "m", 30.0, "");
    check(&gone, "m offset 1s", 30.0, r#"m{instance="a"} 2"#);
}

#[test]
fn a_range_skips_stale_markers_and_includes_both_ends() {
    let m = one("1 2 _ _ 5");
    check(&m, "m[1m]", 60.0, r#"m{instance="a"} 1@0 2@15 5@60"#);
    check(&m, "m[59s]", 60.0, r#"m{instance="a"} 2@15 5@60"#);
    check(&m, "count_over_time(m[45s])", 60.0, r#"{instance="a"} 2"#);
    check(&m, "count_over_time(m[44s])", 60.0, r#"{instance="a"} 1"#);
}

#[test]
fn prometheus_3_opens_ranges_and_lookback_on_the_left() {
    let m = one("0 10 20 30 40");
    let check = |expr: &str, seconds: i64, expected: [&str; 2]| {
        let query = Query::parse(expr).unwrap();
        let answers = [Dialect::Prometheus2, Dialect::Prometheus3].map(|dialect| {
            let settings = Settings { dialect, ..Settings::default() };
            text(query.instant(&m, seconds * 1000, settings).unwrap())
        });
        assert_eq!(answers, expected, "{expr} at {seconds} s");
    };
    check("count_over_time(m[1m])", 60, [r#"{instance="a"} 5"#, r#"{instance="a"} 4"#]);
    check("sum_over_time(m[15s])", 30, [r#"{instance="a"} 30"#, r#"{instance="a"} 20"#]);
    check("increase(m[15s])", 30, [r#"{instance="a"} 10"#, ""]);
    check("count_over_time(m[30s:15s])", 60, [r#"{instance="a"} 3"#, r#"{instance="a"} 2"#]);
    check("m", 360, [r#"m{instance="a"} 40"#, ""]);
}

#[test]
fn a_rate_is_extrapolated_to_the_ends_of_its_range() {
    // 2 per second; samples at both ends, none beyond.
    let steady = one("30 60 90 120 150");
    check(&steady, "rate(m[1m])", 60.0, r#"{instance="a"} 2"#);
    check(&steady, "increase(m[1m])", 60.0, r#"{instance="a"} 120"#);
    // 45 s between first and last sample and 8 s + 7 s to the ends: all 60 s count.
    check(&steady, "increase(m[1m])", 67.0, r#"{instance="a"} 120"#);
    // Two samples 15 s apart, 5 s after the range begins and 40 s before it ends: half a sample
    // distance, 7.5 s, is added at the end, so that 27.5 s count.
    check(&steady, "increase(m[1m])", 100.0, r#"{instance="a"} 55"#);
    // One sample has no rate.
    check(&steady, "rate(m[1m])", 115.0, "");
}

#[test]
fn a_counter_is_not_extrapolated_below_zero_but_a_gauge_is() {
    // 10 s before the first sample the counter was zero, although the range begins 14 s before it.
    let young = one("10 25 40");
    check(&young, "increase(m[44s])", 30.0, r#"{instance="a"} 40"#);
    check(&young, "delta(m[44s])", 30.0, r#"{instance="a"} 44"#);
}

#[test]
fn the_zero_point_counts_before_or_after_the_distance_of_the_samples() {
    // First sample 40 s into the range, zero point 16 s before it, samples 15 s apart: Prometheus 2
    // takes the 16 s (below 1.1 distances), Prometheus 3 half a distance, 7.5 s.
    let young = one("16 31 46");
    let answer = |dialect| {
        let settings = Settings { dialect, ..Settings::default() };
        text(Query::parse("increase(m[70s])").unwrap().instant(&young, 30_000, settings).unwrap())
    };
    assert_eq!(answer(Dialect::Prometheus2), r#"{instance="a"} 46"#);
    assert_eq!(answer(Dialect::Prometheus3), r#"{instance="a"} 37.5"#);
}

#[test]
fn resets_are_added_back() {
    let m = one("5 10 2 4 1");
    check(&m, "resets(m[1m])", 60.0, r#"{instance="a"} 2"#);
    check(&m, "changes(m[1m])", 60.0, r#"{instance="a"} 4"#);
    check(&m, "increase(m[1m])", 60.0, r#"{instance="a"} 10"#);
    check(&m, "delta(m[1m])", 60.0, r#"{instance="a"} -4"#);
    check(&m, "irate(m[1m])", 60.0, r#"{instance="a"} 0.06666666666666667"#);
    check(&m, "idelta(m[1m])", 60.0, r#"{instance="a"} -3"#);
}

#[test]
fn vectors_match_by_their_labels() {
    let shop = store(&[
        ("a", "used", &[("pod", "p")], "3"),
        ("b", "used", &[("pod", "q")], "5"),
        ("c", "limit", &[("pod", "p"), ("node", "n1")], "4"),
        ("d", "limit", &[("pod", "q"), ("node", "n2")], "4"),
        ("e", "phase", &[("pod", "q")], "1"),
        ("f", "phase", &[("pod", "q")], "0"),
    ]);
    let check = |expr: &str, expected: &str| check(&shop, expr, 0.0, expected);
    check("used / on(pod) limit", r#"{pod="p"} 0.75, {pod="q"} 1.25"#);
    check("used > on(pod) limit", r#"{pod="q"} 5"#);
    check("used > bool on(pod) limit", r#"{pod="p"} 0, {pod="q"} 1"#);
    check("used + limit", "");
    check(
        "used - on(pod) group_left(node) limit",
        r#"{instance="a", node="n1", pod="p"} -1, {instance="b", node="n2", pod="q"} 1"#,
    );
    check("used and on(pod) phase == 1", r#"used{instance="b", pod="q"} 5"#);
    check("used unless on(pod) phase", r#"used{instance="a", pod="p"} 3"#);
    check("sum(used) or sum(limit)", "{} 8");
    check(
        "used * on(pod) phase",
        r#"execution: found duplicate series for the match group {pod="q"} on the right hand-side of the operation: [{__name__="phase", instance="f", pod="q"}, {__name__="phase", instance="e", pod="q"}];many-to-many matching not allowed: matching labels must be unique on one side"#,
    );
    check(
        "phase * on(pod) used",
        "execution: multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
    );
    check(
        r#"label_replace(used, "instance", "x", "pod", ".*") * on() group_right vector(2)"#,
        r#"execution: found duplicate series for the match group {} on the left hand-side of the operation: [{__name__="used", instance="x", pod="q"}, {__name__="used", instance="x", pod="p"}];many-to-many matching not allowed: matching labels must be unique on one side"#,
    );
    check("nothing * on(pod) phase", "");
    check(r#"label_replace(used, "pod", "x", "pod", ".*") and label_replace(used, "instance", "x", "", "")"#, "");
    check("sum by (pod) (used) + on() group_left vector(1)", r#"{pod="p"} 4, {pod="q"} 6"#);
    check(
        r#"label_replace(label_replace(used, "pod", "x", "", ""), "instance", "x", "", "")"#,
        "execution: vector cannot contain metrics with the same labelset",
    );
}

#[test]
fn what_prometheus_checks_only_when_it_answers_is_no_syntax_error() {
    let m = one("1 2 3");
    let answers = |expr: &str, expected: [&str; 2]| {
        let found = [Dialect::Prometheus2, Dialect::Prometheus3].map(|dialect| {
            let settings = Settings { dialect, ..Settings::default() };
            let answer = Query::parse(expr).unwrap().instant(&m, 30_000, settings);
            answer.map_or_else(|error| error.to_string(), text)
        });
        assert_eq!(found, expected, "{expr}");
    };
    let pattern = "execution: invalid regular expression in label_replace(): (";
    answers("label_replace(m, 'a', '', 'c', '(')", [pattern, pattern]);
    let target = "execution: invalid destination label name in label_replace(): a-b";
    answers("label_replace(m, 'a-b', 'x', 'c', '')", [target, r#"m{a-b="x", instance="a"} 3"#]);
    let source = "execution: invalid source label name in label_join(): b-c";
    answers("label_join(m, 'a', '', 'b-c')", [source, r#"m{instance="a"} 3"#]);
    answers("count_values('a-b', m)", [r#"execution: invalid label name "a-b""#, r#"{a-b="3"} 1"#]);
    answers("count_over_time(m[60])", ["1:19: parse error: missing unit character in duration", r#"{instance="a"} 3"#]);
    answers("m atan2 0 > 1", [r#"m{instance="a"} 1.5707963267948966"#, r#"{instance="a"} 1.5707963267948966"#]);
}

#[test]
fn series_that_lose_their_names_may_not_meet_at_different_times_either() {
    let mut both = Store::new();
    let target = both.add_target(&[("instance", "a")]);
    both.add_series(target, "m", &[]);
    both.add_series(target, "n", &[]);
    for (t_ms, row) in (0..).step_by(INTERVAL_MS).zip([[1.0, ABSENT], [2.0, ABSENT], [ABSENT, 3.0], [ABSENT, 4.0]]) {
        both.append(target, t_ms, &row);
    }
    let refused = Err("execution: vector cannot contain metrics with the same labelset".to_owned());
    let range = |expr| query_range(&both, expr, 0, 45_000, 15_000).map(text).map_err(|error| error.to_string());
    assert_eq!(range("-{instance='a'}"), refused);
    assert_eq!(range("sum_over_time({instance='a'}[10s])"), refused);
    assert_eq!(range("abs({instance='a'})"), Ok(r#"{instance="a"} 1@0 2@15 3@30 4@45"#.to_owned()));
    check(&both, "-{instance='a'}", 30.0, r#"{instance="a"} -3"#);
}

#[test]
fn aggregations_group_rank_and_count() {
    let shop = store(&[
        ("a", "m", &[("pod", "p")], "1"),
        ("b", "m", &[("pod", "p")], "NaN"),
        ("c", "m", &[("pod", "q")], "7"),
        ("d", "m", &[("pod", "q")], "7"),
    ]);
    let check = |expr: &str, expected: &str| check(&shop, expr, 0.0, expected);
    check("topk by (pod) (1, m)", r#"m{instance="a", pod="p"} 1, m{instance="c", pod="q"} 7"#);
    check("bottomk(1, m)", r#"m{instance="a", pod="p"} 1"#);
    check("topk(0.9, m)", "");
    check("max by (pod) (m)", r#"{pod="p"} 1, {pod="q"} 7"#);
    check(r#"sum without (instance) (m{pod="q"})"#, r#"{pod="q"} 14"#);
    check(r#"count_values("v", m)"#, r#"{v="1"} 1, {v="NaN"} 1, {v="7"} 2"#);
    check(r#"quantile(0.5, m{pod="q"})"#, "{} 7");
    check(r#"stdvar(m{instance=~"a|c"})"#, "{} 9");
    check("count(absent(m))", "");
}

#[test]
fn a_range_query_evaluates_at_each_step() {
    let m = one("1 2 _ _ 5");
    let answer = query_range(&m, "m * 2", 0, 60_000, 20_000).map(text);
    assert_eq!(answer.as_deref(), Ok(r#"{instance="a"} 2@0 4@20 10@60"#));
    let answer = query_range(&m, "time()", 0, 3_000, 2_000).map(text);
    assert_eq!(answer.as_deref(), Ok("{} 0@0 2@2"));
    let refused = |start, end, step| query_range(&m, "m", start, end, step).unwrap_err().to_string();
    assert!(refused(10, 0, 1).starts_with("end timestamp must not be before start time"));
    assert!(refused(0, 10, 0).starts_with("zero or negative query resolution step widths"));
    assert!(refused(0, 11_001, 1).starts_with("exceeded maximum resolution of 11,000 points"));
}

#[test]
fn a_query_that_would_never_end_is_refused() {
    let m = one("1 2 3");
    let expected = "execution: query processing would load too many samples into memory in query execution";
    check(&m, "max_over_time(m[10y:1ms])", 60.0, expected);
    check(&m, "max_over_time(max_over_time(vector(1)[1d:1ms])[1d:1ms])", 60.0, expected);
}

#[test]
fn a_fork_answers_from_its_own_future() {
    let mut world = one("1 2 3");
    let query = Query::parse("sum_over_time(m[1h])").unwrap();
    let mut fork = world.clone();
    let target = world.targets().next().unwrap();
    world.append(target, 45_000, &[10.0]);
    fork.append(target, 45_000, &[100.0]);
    let answer = |store: &Store| text(query.instant(store, 45_000, Settings::default()).unwrap());
    assert_eq!((answer(&world), answer(&fork)), (r#"{instance="a"} 16"#.into(), r#"{instance="a"} 106"#.into()));
}
