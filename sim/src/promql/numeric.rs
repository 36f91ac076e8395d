//! Arithmetic as Go and Prometheus do it.

use super::Dialect;

/// Adds `increment` to a sum with its running compensation (Kahan's summation as improved by
/// Neumaier; `kahanSumInc` in Prometheus' `promql/functions.go`, `kahansum.Inc` in Prometheus 3, where
/// an infinite sum stays infinite). Returns both anew.
pub(super) fn kahan_add(increment: f64, sum: f64, compensation: f64, dialect: Dialect) -> (f64, f64) {
    let total = sum + increment;
    if dialect == Dialect::Prometheus3 && total.is_infinite() {
        return (total, 0.0);
    }
    let lost = if sum.abs() >= increment.abs() { (sum - total) + increment } else { (increment - total) + sum };
    (total, compensation + lost)
}

/// Are two numbers exactly the same? NaN is never.
#[expect(clippy::float_cmp, reason = "the language compares exactly")]
pub(super) fn equal(a: f64, b: f64) -> bool {
    a == b
}

/// Go's `math.Max`: unlike Rust's, NaN wins over all but +Inf.
pub(super) fn go_max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.max(b)
    }
}

/// Go's `math.Min`: unlike Rust's, NaN wins over all but -Inf.
pub(super) fn go_min(a: f64, b: f64) -> f64 {
    -go_max(-a, -b)
}

/// The quantile of some values, interpolated between neighbours; NaN counts as the smallest value
/// (`quantile` in Prometheus' `promql/quantile.go`). Sorts the values.
pub(super) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(|a, b| b.is_nan().cmp(&a.is_nan()).then(a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal)));
    let rank = q * (values.len() - 1) as f64;
    let lower = rank.floor() as usize;
    let upper = (lower + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

/// A mean that cannot overflow: `mean += value/count - mean/count`, except that an infinite mean stays
/// as it is unless a NaN or the opposite infinity arrives.
pub(super) fn keeps_infinite_mean(mean: f64, value: f64) -> bool {
    let same_infinity = value.is_infinite() && (mean > 0.0) == (value > 0.0);
    mean.is_infinite() && (same_infinity || value.is_finite())
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the values are exact")]
mod tests {
    use super::*;

    #[test]
    fn compensation_keeps_what_a_plain_sum_loses() {
        let (mut sum, mut compensation) = (0.0, 0.0);
        for value in [1e100, 1.0, -1e100, 1.0] {
            (sum, compensation) = kahan_add(value, sum, compensation, Dialect::Prometheus2);
        }
        assert_eq!(sum + compensation, 2.0);
    }

    #[test]
    fn nan_wins_over_all_but_infinity() {
        assert!(go_max(f64::NAN, 1.0).is_nan() && go_min(1.0, f64::NAN).is_nan());
        assert_eq!(go_max(f64::NAN, f64::INFINITY), f64::INFINITY);
        assert_eq!(go_min(f64::NEG_INFINITY, f64::NAN), f64::NEG_INFINITY);
        assert_eq!((go_max(1.0, 2.0), go_min(1.0, 2.0)), (2.0, 1.0));
    }

    #[test]
    fn quantiles_interpolate() {
        let q = |q: f64| quantile(q, &mut [3.0, 1.0, 2.0]);
        assert_eq!((q(0.0), q(0.25), q(0.5), q(1.0)), (1.0, 1.5, 2.0, 3.0));
        assert_eq!((q(-0.1), q(1.1)), (f64::NEG_INFINITY, f64::INFINITY));
        assert!(q(f64::NAN).is_nan() && quantile(0.5, &mut []).is_nan());
        assert_eq!(quantile(1.0, &mut [1.0, f64::NAN]), 1.0);
    }
}
