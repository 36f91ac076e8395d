//! Functions of the samples of a range: rates, regressions and statistics.
//!
//! Every formula is Prometheus' own (`promql/functions.go`, release 2.42; where 3.x differs, as
//! [`Dialect::Prometheus3`] says).

use super::Dialect;
use super::numeric::{equal, kahan_add, keeps_infinite_mean, quantile};
use super::plan::RangeFunction;
use crate::telemetry::Sample;

/// The samples of one series within a range.
pub(super) struct Window<'a> {
    /// Oldest first, not empty, without stale markers.
    pub(super) samples: &'a [Sample],
    /// Where the range begins and ends, in milliseconds.
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    /// The time of evaluation, which `offset` and `@` do not shift.
    pub(super) t_ms: i64,
}

/// The value of a function over a window; `None` where it has none, as the rate of a single sample.
/// `parameter` is the function's scalar argument where it has one.
pub(super) fn evaluate(function: &RangeFunction, parameter: f64, window: &Window<'_>, dialect: Dialect) -> Option<f64> {
    let samples = window.samples;
    match function {
        RangeFunction::Rate => window.extrapolated(Extrapolated::Rate, dialect),
        RangeFunction::Increase => window.extrapolated(Extrapolated::Increase, dialect),
        RangeFunction::Delta => window.extrapolated(Extrapolated::Delta, dialect),
        RangeFunction::Irate => last_step(samples, true),
        RangeFunction::Idelta => last_step(samples, false),
        RangeFunction::Deriv => regression(samples, samples[0].t_ms, dialect).map(|(slope, _)| slope),
        RangeFunction::PredictLinear(_) => {
            regression(samples, window.t_ms, dialect).map(|(slope, intercept)| slope * parameter + intercept)
        }
        RangeFunction::Resets => Some(count_steps(samples, |before, after| after < before)),
        RangeFunction::Changes => {
            Some(count_steps(samples, |before, after| !(equal(before, after) || before.is_nan() && after.is_nan())))
        }
        RangeFunction::Avg => Some(average(samples, dialect)),
        RangeFunction::Min => values(samples).reduce(|min, v| if v < min || min.is_nan() { v } else { min }),
        RangeFunction::Max => values(samples).reduce(|max, v| if v > max || max.is_nan() { v } else { max }),
        RangeFunction::Sum => Some(compensated_sum(values(samples), dialect)),
        RangeFunction::Count => Some(samples.len() as f64),
        RangeFunction::Last => samples.last().map(|sample| sample.value),
        RangeFunction::Quantile(_) => Some(quantile(parameter, &mut values(samples).collect::<Vec<_>>())),
        RangeFunction::Stddev => Some(variance(samples, dialect).sqrt()),
        RangeFunction::Stdvar => Some(variance(samples, dialect)),
        RangeFunction::Present => Some(1.0),
    }
}

fn values(samples: &[Sample]) -> impl Iterator<Item = f64> + '_ {
    samples.iter().map(|sample| sample.value)
}

fn count_steps(samples: &[Sample], counts: impl Fn(f64, f64) -> bool) -> f64 {
    samples.windows(2).filter(|pair| counts(pair[0].value, pair[1].value)).count() as f64
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Extrapolated {
    Rate,
    Increase,
    /// Of a gauge: no resets, no zero point.
    Delta,
}

impl Window<'_> {
    /// The change over the whole range, extrapolated from the samples in it (`extrapolatedRate`). A
    /// sample is expected at the range's ends too if the samples reach close enough to them; else the
    /// series is taken to begin or end half a sample distance beyond. A counter is not extrapolated
    /// below zero.
    fn extrapolated(&self, kind: Extrapolated, dialect: Dialect) -> Option<f64> {
        let [first, .., last] = self.samples else {
            return None;
        };
        let is_counter = kind != Extrapolated::Delta;
        let mut change = last.value - first.value;
        if is_counter {
            // What a counter had before it was reset is added back.
            for pair in self.samples.windows(2).filter(|pair| pair[1].value < pair[0].value) {
                change += pair[0].value;
            }
        }
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let sampled = seconds(last.t_ms - first.t_ms);
        let distance = sampled / (self.samples.len() - 1) as f64;
        let mut to_start = seconds(first.t_ms - self.start_ms);
        let to_end = seconds(self.end_ms - last.t_ms);

        let threshold = distance * 1.1;
        let limited = |gap: f64| if gap < threshold { gap } else { distance / 2.0 };
        if dialect == Dialect::Prometheus3 {
            to_start = limited(to_start);
        }
        if is_counter && change > 0.0 && first.value >= 0.0 {
            let to_zero = sampled * (first.value / change);
            if to_zero < to_start {
                to_start = to_zero;
            }
        }
        if dialect == Dialect::Prometheus2 {
            to_start = limited(to_start);
        }
        let mut factor = (sampled + to_start + limited(to_end)) / sampled;
        if kind == Extrapolated::Rate {
            factor /= seconds(self.end_ms - self.start_ms);
        }
        Some(change * factor)
    }
}

/// The change between the last two samples, per second for a counter (`instantValue`).
fn last_step(samples: &[Sample], is_rate: bool) -> Option<f64> {
    let [.., before, last] = samples else {
        return None;
    };
    let change = if is_rate && last.value < before.value { last.value } else { last.value - before.value };
    if is_rate { Some(change / ((last.t_ms - before.t_ms) as f64 / 1000.0)) } else { Some(change) }
}

/// Slope per second and value at `intercept_ms` of the least-squares line (`linearRegression`).
fn regression(samples: &[Sample], intercept_ms: i64, dialect: Dialect) -> Option<(f64, f64)> {
    if samples.len() < 2 {
        return None;
    }
    let first = samples[0].value;
    if samples.iter().all(|sample| equal(sample.value, first)) {
        return Some(if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) });
    }
    let n = samples.len() as f64;
    let x = |sample: &Sample| (sample.t_ms - intercept_ms) as f64 / 1e3;
    let sum = |term: &dyn Fn(&Sample) -> f64| {
        let (sum, compensation) = samples.iter().fold((0.0, 0.0), |(sum, c), s| kahan_add(term(s), sum, c, dialect));
        sum + compensation
    };
    let sum_x = sum(&x);
    let sum_y = sum(&|s| s.value);
    let covariance = sum(&|s| x(s) * s.value) - sum_x * sum_y / n;
    let variance = sum(&|s| x(s) * x(s)) - sum_x * sum_x / n;
    let slope = covariance / variance;
    Some((slope, sum_y / n - slope * sum_x / n))
}

/// A sum with compensation, except that an infinite one stays infinite.
fn compensated_sum(values: impl Iterator<Item = f64>, dialect: Dialect) -> f64 {
    let (sum, compensation) = values.fold((0.0, 0.0), |(sum, c), value| kahan_add(value, sum, c, dialect));
    if sum.is_infinite() { sum } else { sum + compensation }
}

fn average(samples: &[Sample], dialect: Dialect) -> f64 {
    match dialect {
        Dialect::Prometheus2 => incremental_mean(samples),
        Dialect::Prometheus3 => super::aggregate::direct_mean(values(samples)),
    }
}

fn incremental_mean(samples: &[Sample]) -> f64 {
    let (mut mean, mut compensation) = (0.0, 0.0);
    for (index, value) in values(samples).enumerate() {
        let count = (index + 1) as f64;
        if !keeps_infinite_mean(mean, value) {
            (mean, compensation) = kahan_add(value / count - mean / count, mean, compensation, Dialect::Prometheus2);
        }
    }
    if mean.is_infinite() { mean } else { mean + compensation }
}

/// The population variance, by Welford's method with compensation.
fn variance(samples: &[Sample], dialect: Dialect) -> f64 {
    let (mut mean, mut mean_c, mut squares, mut squares_c) = (0.0, 0.0, 0.0, 0.0);
    for (index, value) in values(samples).enumerate() {
        let delta = value - (mean + mean_c);
        (mean, mean_c) = kahan_add(delta / (index + 1) as f64, mean, mean_c, dialect);
        (squares, squares_c) = kahan_add(delta * (value - (mean + mean_c)), squares, squares_c, dialect);
    }
    (squares + squares_c) / samples.len() as f64
}
