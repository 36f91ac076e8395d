//! The evaluator beside slow, obviously right computations on random samples.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use sim::promql::{Query, Settings, Value};
use sim::telemetry::{ABSENT, Store};

/// Times and values of one series.
type Samples = Vec<(i64, f64)>;

fn counter() -> impl Strategy<Value = Samples> {
    // Gaps of 1 ms to 40 s; now and then the counter starts again.
    let step = (1_i64..40_000, 0_u32..50, prop::bool::weighted(0.1));
    vec(step, 1..40).prop_map(|steps| {
        let (mut t_ms, mut value) = (0, 0.0);
        let advance = |(gap, growth, resets): (i64, u32, bool)| {
            t_ms += gap;
            value = if resets { 0.0 } else { value } + f64::from(growth);
            (t_ms, value)
        };
        steps.into_iter().map(advance).collect()
    })
}

fn store_of(samples: &Samples) -> Store {
    let mut store = Store::new();
    let target = store.add_target(&[("instance", "a")]);
    store.add_series(target, "m", &[]);
    for &(t_ms, value) in samples {
        store.append(target, t_ms, &[value]);
    }
    store
}

fn evaluate(store: &Store, expr: &str, t_ms: i64) -> Option<f64> {
    match Query::parse(expr).unwrap().instant(store, t_ms, Settings::default()).unwrap() {
        Value::Vector { elements, .. } => elements.first().map(|element| element.value),
        other => panic!("{other:?}"),
    }
}

fn close(found: Option<f64>, expected: Option<f64>) -> bool {
    match (found, expected) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * b.abs().max(1.0),
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// The increase as the documentation tells it: undo the resets, draw the line through first and last
/// sample, and read it off at the ends of what the series covers of the range: up to its ends if they
/// are less than `threshold` sample distances away.
fn naive_increase(window: &Samples, start_ms: i64, end_ms: i64, threshold: f64) -> Option<f64> {
    let (first, last) = (window.first()?, window.last()?);
    if window.len() < 2 {
        return None;
    }
    let mut total = 0.0;
    for i in 1..window.len() {
        total += if window[i].1 < window[i - 1].1 { window[i].1 } else { window[i].1 - window[i - 1].1 };
    }
    let sampled = (last.0 - first.0) as f64;
    let slope = total / sampled;
    let spacing = sampled / (window.len() - 1) as f64;
    let zero_ms = if slope > 0.0 { first.0 as f64 - first.1 / slope } else { f64::NEG_INFINITY };
    let mut begins = (start_ms as f64).max(zero_ms);
    if first.0 as f64 - begins >= threshold * spacing {
        begins = first.0 as f64 - spacing / 2.0;
    }
    let mut ends = end_ms as f64;
    if ends - last.0 as f64 >= threshold * spacing {
        ends = last.0 as f64 + spacing / 2.0;
    }
    Some(slope * (ends - begins))
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn increase_and_rate(samples in counter(), range_s in 1_i64..300, late_ms in -100_000_i64..100_000) {
        let t_ms = samples.last().unwrap().0 + late_ms;
        let start_ms = t_ms - range_s * 1000;
        let window: Samples = samples.iter().copied().filter(|(t, _)| (start_ms..=t_ms).contains(t)).collect();
        let store = store_of(&samples);
        let check = |function: &str, expected: Option<f64>| {
            let found = evaluate(&store, &format!("{function}(m[{range_s}s])"), t_ms);
            prop_assert!(close(found, expected), "{} gives {:?}, not {:?}", function, found, expected);
            Ok(())
        };
        let [increase, other] =
            [1.1 - 1e-9, 1.1 + 1e-9].map(|threshold| naive_increase(&window, start_ms, t_ms, threshold));
        prop_assume!(increase == other, "a gap at the threshold may be rounded to either side");
        check("increase", increase)?;
        check("rate", increase.map(|increase| increase / range_s as f64))?;
    }

    #[test]
    fn statistics_over_time(values in vec(prop::option::weighted(0.9, -1e3_f64..1e3), 1..60), range_s in 1_i64..600) {
        let mut store = Store::new();
        let target = store.add_target(&[("instance", "a")]);
        store.add_series(target, "m", &[]);
        let scrapes: Vec<(i64, Option<f64>)> = (0..).step_by(15_000).zip(values).collect();
        for (t_ms, value) in &scrapes {
            store.append(target, *t_ms, &[value.unwrap_or(ABSENT)]);
        }
        let t_ms = scrapes.last().unwrap().0;
        let all = scrapes.iter().filter(|(t, _)| *t >= t_ms - range_s * 1000);
        let mut window: Vec<f64> = all.filter_map(|(_, value)| *value).collect();
        let last = window.last().copied();
        window.sort_by(f64::total_cmp);

        let n = window.len() as f64;
        let some = |value: f64| (!window.is_empty()).then_some(value);
        let mean = window.iter().sum::<f64>() / n;
        let variance = window.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
        let median = window.get(window.len() / 2).map(|upper| (upper + window[(window.len() - 1) / 2]) / 2.0);
        let check = |function: &str, expected| {
            let found = evaluate(&store, &format!("{function}m[{range_s}s])"), t_ms);
            prop_assert!(close(found, expected), "{} gives {:?}, not {:?}", function, found, expected);
            Ok(())
        };
        check("count_over_time(", some(n))?;
        check("sum_over_time(", some(mean * n))?;
        check("avg_over_time(", some(mean))?;
        check("min_over_time(", window.first().copied())?;
        check("max_over_time(", window.last().copied())?;
        check("last_over_time(", last)?;
        check("stdvar_over_time(", some(variance))?;
        check("stddev_over_time(", some(variance.sqrt()))?;
        check("present_over_time(", some(1.0))?;
        check("quantile_over_time(0.5, ", median)?;
        check("quantile_over_time(1, ", window.last().copied())?;
    }

    #[test]
    fn histogram_quantiles(counts in vec(0_u32..100, 2..12), q in 0.0_f64..=1.0) {
        let mut store = Store::new();
        let target = store.add_target(&[("instance", "a")]);
        let mut cumulative = Vec::new();
        let mut total = 0.0;
        for (bucket, count) in counts.iter().enumerate() {
            let bound = if bucket + 1 == counts.len() { "+Inf".to_owned() } else { (bucket + 1).to_string() };
            store.add_series(target, "m", &[("le", &bound)]);
            total += f64::from(*count);
            cumulative.push(total);
        }
        store.append(target, 0, &cumulative);
        let found = evaluate(&store, &format!("histogram_quantile({q}, m)"), 0).unwrap();

        // Walk through the buckets, of width one, until the wanted number of observations is passed.
        let mut wanted = q * total;
        let mut expected = (counts.len() - 1) as f64;
        for (bucket, count) in counts[..counts.len() - 1].iter().enumerate() {
            if f64::from(*count) >= wanted {
                // An empty first bucket reached with nothing wanted gives 0/0 in Prometheus.
                expected = bucket as f64 + if *count == 0 { f64::NAN } else { wanted / f64::from(*count) };
                break;
            }
            wanted -= f64::from(*count);
        }
        let both_nan = found.is_nan() && (total == 0.0 || expected.is_nan());
        prop_assert!(both_nan || (found - expected).abs() < 1e-6, "{} instead of {}", found, expected);
    }

    #[test]
    fn no_text_makes_the_parser_panic(words in vec(prop::sample::select(WORDS.to_vec()), 0..30)) {
        for text in [words.concat(), words.join(" ")] {
            if let Err(error) = Query::parse(&text) {
                let message = error.to_string();
                let position = message.split(' ').next().unwrap_or_default();
                prop_assert!(position.trim_end_matches(':').split(':').all(|part| part.parse::<u32>().is_ok_and(|n| n > 0)), "{}", message);
            }
        }
    }
}

const WORDS: [&str; 56] = [
    "up",
    "sum",
    "rate",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "bool",
    "offset",
    "and",
    "or",
    "unless",
    "topk",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "[5m]",
    "[5m:1m]",
    ",",
    "=",
    "==",
    "=~",
    "!~",
    "!=",
    "<",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "@",
    ":",
    "1",
    "0x1f",
    "1e400",
    "5m",
    "99999999999y",
    "inf",
    "nan",
    "'a'",
    "\"é\"",
    "'\\",
    "`",
    "#",
    "\n",
    "é",
    "start()",
    "end",
    "label_replace",
    "job",
    "fill",
];

#[test]
fn the_deepest_accepted_nesting_is_survived() {
    let parens = format!("{}up{}", "(".repeat(499), ")".repeat(499));
    let signs = format!("{}up", "-".repeat(998));
    let sums = vec!["up"; 499].join("+");
    let calls = format!("{}up{}", "abs(".repeat(333), ")".repeat(333));
    for text in [parens, signs, sums, calls] {
        let query = Query::parse(&text).unwrap();
        let answer = query.instant(&Store::new(), 0, Settings::default()).unwrap();
        assert!(matches!(answer, Value::Vector { elements, .. } if elements.is_empty()));
        assert!(Query::parse(&format!("{text}+{text}")).is_err(), "twice as long is refused");
    }
}
