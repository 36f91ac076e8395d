//! `histogram_quantile` over classic histograms: counters of `le` buckets.

use std::collections::BTreeMap;

use super::Dialect;
use super::numeric::equal;
use super::value::Element;
use crate::telemetry::{Labels, METRIC_NAME};

/// The label with a bucket's upper bound.
const BUCKET: &str = "le";

/// Counts closer than this, relative to each other, are the same in [`Dialect::Prometheus3`].
const SMALL_DELTA: f64 = 1e-12;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    upper_bound: f64,
    /// Observations up to the bound: cumulative.
    count: f64,
}

/// The quantile of each histogram in the vector. Elements without a readable `le` are left out.
pub(super) fn quantiles(q: f64, buckets: &[Element], dialect: Dialect) -> Vec<Element> {
    let mut order: BTreeMap<Labels, usize> = BTreeMap::new();
    let mut histograms: Vec<(Labels, Vec<Bucket>)> = Vec::new();
    for element in buckets {
        let Ok(upper_bound) = element.metric.get(BUCKET).parse::<f64>() else {
            continue;
        };
        let key = element.metric.filtered(|name| name != BUCKET);
        let index = *order.entry(key).or_insert_with_key(|key| {
            histograms.push((key.filtered(|name| name != METRIC_NAME), Vec::new()));
            histograms.len() - 1
        });
        histograms[index].1.push(Bucket { upper_bound, count: element.value });
    }
    let quantile = |(metric, buckets)| Element { metric, value: bucket_quantile(q, buckets, dialect) };
    histograms.into_iter().map(quantile).collect()
}

/// The quantile, interpolated within its bucket (`bucketQuantile` in Prometheus'
/// `promql/quantile.go`). The first bucket begins at zero if its bound is positive; a quantile in the
/// last one, which must be `+Inf`, is the bound before.
fn bucket_quantile(q: f64, mut buckets: Vec<Bucket>, dialect: Dialect) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    buckets.sort_by(|a, b| a.upper_bound.total_cmp(&b.upper_bound));
    if buckets.last().is_none_or(|last| last.upper_bound != f64::INFINITY) {
        return f64::NAN;
    }
    let mut buckets = coalesced(&buckets);
    make_monotonic(&mut buckets, dialect);

    let last = buckets.len() - 1;
    let observations = buckets[last].count;
    if last == 0 || observations == 0.0 {
        return f64::NAN;
    }
    let rank = q * observations;
    // With NaN counts the comparison fails everywhere, and the last bucket is taken.
    let found = buckets[..last].partition_point(|bucket| !at_least(bucket.count, rank));
    if found == last {
        return buckets[last - 1].upper_bound;
    }
    let Bucket { upper_bound: end, count } = buckets[found];
    if found > 0 {
        let before = buckets[found - 1];
        let share = (rank - before.count) / (count - before.count);
        return before.upper_bound + (end - before.upper_bound) * share;
    }
    if end <= 0.0 { end } else { end * (rank / count) }
}

fn at_least(count: f64, rank: f64) -> bool {
    count >= rank
}

/// Buckets with the same bound (from several histograms) are one.
fn coalesced(sorted: &[Bucket]) -> Vec<Bucket> {
    let mut merged: Vec<Bucket> = Vec::with_capacity(sorted.len());
    for &bucket in sorted {
        match merged.last_mut() {
            Some(last) if equal(last.upper_bound, bucket.upper_bound) => last.count += bucket.count,
            _ => merged.push(bucket),
        }
    }
    merged
}

/// A rate over buckets that were not scraped equally often may fall with the bound; counts are raised
/// to their predecessor's then.
fn make_monotonic(buckets: &mut [Bucket], dialect: Dialect) {
    let mut highest = buckets[0].count;
    for bucket in &mut buckets[1..] {
        let is_same = dialect == Dialect::Prometheus3 && almost_equal(highest, bucket.count);
        if bucket.count > highest && !is_same {
            highest = bucket.count;
        } else if bucket.count < highest || is_same {
            bucket.count = highest;
        }
    }
}

/// Equal up to a relative difference (`util/almost` in Prometheus).
fn almost_equal(a: f64, b: f64) -> bool {
    let difference = (a - b).abs();
    let magnitude = a.abs() + b.abs();
    if a == 0.0 || b == 0.0 || magnitude < f64::MIN_POSITIVE {
        difference < SMALL_DELTA * f64::MIN_POSITIVE
    } else {
        difference / magnitude.min(f64::MAX) < SMALL_DELTA
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the values are exact")]
mod tests {
    use super::*;

    fn quantile(q: f64, buckets: &[(f64, f64)]) -> f64 {
        let buckets = buckets.iter().map(|&(upper_bound, count)| Bucket { upper_bound, count }).collect();
        bucket_quantile(q, buckets, Dialect::Prometheus2)
    }

    const INF: f64 = f64::INFINITY;

    #[test]
    fn quantiles_interpolate_within_their_bucket() {
        let buckets = [(0.1, 50.0), (0.2, 75.0), (1.0, 100.0), (INF, 100.0)];
        for (q, expected) in [(0.0, 0.0), (0.25, 0.05), (0.5, 0.1), (0.625, 0.15), (0.875, 0.6), (1.0, 1.0)] {
            assert!((quantile(q, &buckets) - expected).abs() < 1e-12, "{q}");
        }
        assert_eq!((quantile(-0.1, &buckets), quantile(1.1, &buckets)), (f64::NEG_INFINITY, INF));
    }

    #[test]
    fn edge_cases_are_those_of_prometheus() {
        assert!(quantile(0.5, &[(0.1, 1.0), (0.2, 2.0)]).is_nan(), "no +Inf bucket");
        assert!(quantile(0.5, &[(INF, 2.0)]).is_nan(), "only the +Inf bucket");
        assert!(quantile(0.5, &[(0.1, 0.0), (INF, 0.0)]).is_nan(), "no observations");
        assert!(quantile(f64::NAN, &[(0.1, 1.0), (INF, 1.0)]).is_nan());
        assert_eq!(quantile(0.99, &[(0.1, 1.0), (INF, 9.0)]), 0.1, "beyond the last bound");
        assert_eq!(quantile(0.5, &[(-1.0, 9.0), (INF, 9.0)]), -1.0, "no interpolation below zero");
        assert_eq!(quantile(0.5, &[(INF, 5.0), (0.2, 2.0), (0.2, 2.0)]), 0.125, "same bound, any order");
        assert_eq!(quantile(0.5, &[(1.0, 6.0), (2.0, 4.0), (3.0, 10.0), (INF, 10.0)]), 5.0 / 6.0, "not monotonic");
    }

    #[test]
    fn only_prometheus_3_ignores_tiny_decreases_and_increases() {
        let quantile = |dialect| {
            let counts = [(1.0, 1.0), (2.0, 1.0 + 1e-13), (INF, 1.0 + 1e-13)];
            let buckets = counts.map(|(upper_bound, count)| Bucket { upper_bound, count });
            bucket_quantile(1.0, buckets.to_vec(), dialect)
        };
        assert_eq!(quantile(Dialect::Prometheus3), 1.0);
        assert_eq!(quantile(Dialect::Prometheus2), 2.0);
    }
}
