//! Scrapes of a small shop, made by chance, with all that a real one has: counters that restart, gauges,
//! odd numbers, histograms in good and bad order, failed scrapes, series that vanish and return, targets
//! that go, and scrapes that are late.
//!
//! Most values are multiples of 1/1024 and small, so that they add up exactly in any order: Prometheus
//! has none.

use serde_json::{Value as Json, json};
use sim::telemetry::{ABSENT, SeriesIx, Store, TargetIx, is_stale};

use crate::dice::Dice;

/// The scrape interval, in milliseconds.
const INTERVAL_MS: i64 = 15_000;

/// How many scrapes a target has: 40 min, less than the hour that Prometheus lets a sample be late.
const SCRAPES: i64 = 160;

/// The samples and the times at which they begin and end.
pub(crate) struct World {
    pub(crate) store: Store,
    /// In milliseconds, a multiple of the scrape interval.
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
}

/// What a series shows from scrape to scrape.
enum Course {
    /// Grows; starts again from zero in so many of a hundred scrapes.
    Counter { value: f64, step: i64, restarts: usize },
    /// Anything between two bounds, in units of 1/1024 and different from all other series.
    Gauge { low: i64, high: i64, number: i64 },
    /// Numbers that few expect.
    Odd,
    /// Always the same.
    Constant(f64),
    /// The bucket of a histogram: so much of what the histogram counted.
    Bucket { histogram: usize, share: f64 },
}

struct Series {
    course: Course,
    /// Scrapes of a hundred that lack the series.
    gaps: usize,
    is_missing: bool,
}

struct Target {
    index: TargetIx,
    series: Vec<Series>,
    /// What each histogram counted.
    histograms: Vec<f64>,
    /// How late a scrape may be, in milliseconds.
    lateness: i64,
    /// The scrape from which on the target is gone.
    gone: i64,
}

pub(crate) fn world(dice: &mut Dice) -> World {
    let mut store = Store::new();
    let start_ms = if dice.percent(50) { 1_700_000_010_000 } else { 3_600_000 };
    for number in 0..4 {
        let mut target = target(&mut store, dice, number);
        for scrape in 0..SCRAPES.min(target.gone) {
            let late = if target.lateness > 0 { dice.between(0, target.lateness) } else { 0 };
            let row = target.scrape(dice);
            store.append(target.index, start_ms + scrape * INTERVAL_MS + late, &row);
        }
        if target.gone < SCRAPES {
            store.target_gone(target.index, start_ms + target.gone * INTERVAL_MS);
        }
    }
    World { store, start_ms, end_ms: start_ms + (SCRAPES - 1) * INTERVAL_MS }
}

fn target(store: &mut Store, dice: &mut Dice, number: i64) -> Target {
    let (job, zone) = [("cart", "a"), ("cart", "b"), ("user", "a"), ("user", "")][number as usize];
    let instance = format!("10.0.0.{number}:80");
    let index = store.add_target(&[("job", job), ("instance", &instance), ("zone", zone)]);
    let mut target = Target {
        index,
        series: Vec::new(),
        histograms: Vec::new(),
        lateness: if number % 2 == 0 { 0 } else { dice.between(1, 3_000) },
        gone: if number == 3 { dice.between(60, 130) } else { SCRAPES },
    };
    let mut add = |metric: &str, labels: &[(&str, &str)], course: Course, gaps: usize| -> SeriesIx {
        target.series.push(Series { course, gaps, is_missing: false });
        store.add_series(index, metric, labels)
    };
    add("up", &[], Course::Constant(1.0), 0);
    add("build_info", &[("version", ["1.0", "1.1", "2.0", "2.0"][number as usize])], Course::Constant(1.0), 0);
    for (place, code) in ["200", "404", "500"].into_iter().enumerate() {
        let counter = Course::Counter { value: 0.0, step: dice.between(1, 60), restarts: 2 + place };
        add("requests_total", &[("code", code), ("route", "/")], counter, 2 * place);
    }
    for (place, room) in ["hall", "cellar"].into_iter().enumerate() {
        let gauge = Course::Gauge { low: -30, high: 300, number: number * 2 + place as i64 };
        add("temperature", &[("room", room)], gauge, 4);
    }
    add("limit", &[], Course::Constant([100.0, 250.5, 0.0, -4.0][number as usize]), 1);
    add("odd", &[("kind", ["a", "b", "c", "d"][number as usize])], Course::Odd, 6);
    add("odd", &[("kind", "x")], Course::Odd, 20);
    histograms(&mut add, dice, number);
    target.histograms = vec![0.0; 3];
    target
}

/// A sound histogram, one with few buckets in a strange order, and one that no quantile can be read off.
fn histograms(add: &mut impl FnMut(&str, &[(&str, &str)], Course, usize) -> SeriesIx, dice: &mut Dice, number: i64) {
    let bounds = [("0.1", 0.25), ("0.5", 0.5), ("1", 0.75), ("2.5", 0.875), ("+Inf", 1.0)];
    for (bound, share) in bounds {
        add("latency_bucket", &[("le", bound), ("route", "/")], Course::Bucket { histogram: 0, share }, 1);
    }
    let odd = ["-1", "0", "1", "1.0", "1e1", "Inf", "nonsense"];
    for bound in dice.some(&odd).into_iter().chain(["5", "+Inf"]) {
        let share = dice.between(0, 9) as f64 / 8.0;
        add("size_bucket", &[("le", bound)], Course::Bucket { histogram: 1, share }, 3);
    }
    if number < 2 {
        add("broken_bucket", &[("le", "1")], Course::Bucket { histogram: 2, share: 0.5 }, 0);
        add("broken_bucket", &[], Course::Bucket { histogram: 2, share: 1.0 }, 0);
    }
}

impl Target {
    /// One value per series; a failed scrape has nothing but `up`.
    fn scrape(&mut self, dice: &mut Dice) -> Vec<f64> {
        let failed = dice.percent(4);
        for counted in &mut self.histograms {
            *counted += 8.0 * dice.between(0, 4) as f64;
        }
        let row = self.series.iter_mut().enumerate().map(|(place, series)| {
            if place == 0 {
                return f64::from(u8::from(!failed));
            }
            // A series that is missing stays so for a while: five scrapes, in the mean.
            series.is_missing = dice.percent(if series.is_missing { 80 } else { series.gaps });
            let value = series.course.next(dice, &self.histograms);
            if failed || series.is_missing { ABSENT } else { value }
        });
        row.collect()
    }
}

impl Course {
    fn next(&mut self, dice: &mut Dice, histograms: &[f64]) -> f64 {
        match self {
            Self::Counter { value, step, restarts } => {
                let before = if dice.percent(*restarts) { 0.0 } else { *value };
                *value = before + dice.between(0, *step) as f64 / 8.0;
                *value
            }
            Self::Gauge { low, high, number } => dice.between(*low, *high) as f64 + *number as f64 / 1024.0,
            Self::Odd => match dice.below(12) {
                0 => f64::NAN,
                1 => f64::INFINITY,
                2 => f64::NEG_INFINITY,
                3 => -0.0,
                4 => 1e300,
                5 => 1e-7,
                6 => 123_456_789.0,
                _ => dice.between(-4, 5) as f64 / 2.0,
            },
            Self::Constant(value) => *value,
            Self::Bucket { histogram, share } => (histograms[*histogram] * *share).floor(),
        }
    }
}

/// Every series with its samples, in the order of the label sets: in this order Prometheus numbers its
/// series and the twin lists them.
pub(crate) fn by_labels(store: &Store) -> Vec<SeriesIx> {
    let mut all: Vec<SeriesIx> =
        store.series().filter(|&series| store.samples(series, i64::MIN, i64::MAX).count() > 0).collect();
    all.sort_by(|&a, &b| store.labels(a).cmp(store.labels(b)));
    all
}

/// The samples as the Go program reads them.
pub(crate) fn as_json(store: &Store) -> Json {
    let text = |value: f64| if is_stale(value) { "stale".to_owned() } else { sim::promql::format_value(value) };
    let series = by_labels(store).into_iter().map(|series| {
        let samples = store.samples(series, i64::MIN, i64::MAX).map(|s| json!([s.t_ms, text(s.value)]));
        json!({ "labels": store.labels(series), "samples": samples.collect::<Vec<_>>() })
    });
    series.collect()
}
