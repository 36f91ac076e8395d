//! Aggregations over groups of elements.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::Dialect;
use super::elementwise::is_label_name;
use super::error::Error;
use super::numeric::{kahan_add, keeps_infinite_mean, quantile};
use super::plan::{AggregationOp, LabelChoice};
use super::value::{Element, format_plain, format_value};
use crate::telemetry::Labels;

/// The elements of one group, in the order of the vector.
struct Group {
    labels: Labels,
    elements: Vec<Element>,
}

/// Aggregates a vector. `parameter` is the operator's scalar argument where it has one. Groups come in
/// the order of their first elements.
pub(super) fn aggregate(
    op: &AggregationOp,
    parameter: f64,
    by: &LabelChoice,
    vector: Vec<Element>,
    dialect: Dialect,
) -> Result<Vec<Element>, Error> {
    if let AggregationOp::CountValues(label) = op {
        if !is_label_name(label, dialect) {
            return Err(Error::Execution(format!("invalid label name {label:?}")));
        }
        return Ok(count_values(label, by, vector));
    }
    let largest_first = matches!(op, AggregationOp::TopK(_));
    if largest_first || matches!(op, AggregationOp::BottomK(_)) {
        return extremes(parameter, largest_first, grouped(by, vector), dialect);
    }
    let value = |group: &Group| {
        let values = group.elements.iter().map(|element| element.value);
        match op {
            AggregationOp::Sum => sum(values, dialect),
            AggregationOp::Avg if dialect == Dialect::Prometheus3 => direct_mean(values),
            AggregationOp::Avg => incremental_mean(values),
            AggregationOp::Min => values.fold(f64::NAN, |min, v| if v < min || min.is_nan() { v } else { min }),
            AggregationOp::Max => values.fold(f64::NAN, |max, v| if v > max || max.is_nan() { v } else { max }),
            AggregationOp::Count => group.elements.len() as f64,
            AggregationOp::Stddev => variance(values, dialect).sqrt(),
            AggregationOp::Stdvar => variance(values, dialect),
            AggregationOp::Quantile(_) => quantile(parameter, &mut values.collect::<Vec<_>>()),
            AggregationOp::Group
            | AggregationOp::TopK(_)
            | AggregationOp::BottomK(_)
            | AggregationOp::CountValues(_) => 1.0,
        }
    };
    let groups = grouped(by, vector);
    Ok(groups.into_iter().map(|group| Element { value: value(&group), metric: group.labels }).collect())
}

fn grouped(by: &LabelChoice, vector: Vec<Element>) -> Vec<Group> {
    if let LabelChoice::Only(names) = by
        && names.is_empty()
    {
        let all = Group { labels: Labels::empty(), elements: vector };
        return if all.elements.is_empty() { Vec::new() } else { vec![all] };
    }
    let includes = |name: &str| by.includes(name);
    let mut groups: Vec<Group> = Vec::new();
    let mut index: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for element in vector {
        let candidates = index.entry(element.metric.fingerprint(includes)).or_default();
        let is_same = |at: &usize| element.metric.equals_filtered(includes, &groups[*at].labels);
        let known = candidates.iter().copied().find(is_same);
        let at = known.unwrap_or_else(|| {
            candidates.push(groups.len());
            groups.push(Group { labels: element.metric.filtered(includes), elements: Vec::new() });
            groups.len() - 1
        });
        groups[at].elements.push(element);
    }
    groups
}

fn sum(values: impl Iterator<Item = f64>, dialect: Dialect) -> f64 {
    match dialect {
        Dialect::Prometheus2 => values.reduce(|sum, value| sum + value).unwrap_or(0.0),
        Dialect::Prometheus3 => {
            let (sum, compensation) = values.fold((0.0, 0.0), |(sum, c), value| kahan_add(value, sum, c, dialect));
            sum + compensation
        }
    }
}

/// The mean as Prometheus 2 updates it with each value.
fn incremental_mean(values: impl Iterator<Item = f64>) -> f64 {
    let mut mean = 0.0;
    for (index, value) in values.enumerate() {
        let count = (index + 1) as f64;
        if index == 0 {
            mean = value;
        } else if !keeps_infinite_mean(mean, value) {
            mean += value / count - mean / count;
        }
    }
    mean
}

/// The mean as Prometheus 3 computes it: the compensated sum through the count, updated incrementally
/// from where the sum would overflow.
pub(super) fn direct_mean(mut values: impl Iterator<Item = f64>) -> f64 {
    let Some(mut sum) = values.next() else {
        return f64::NAN;
    };
    let (mut compensation, mut count) = (0.0, 1.0);
    let mut running_mean = None;
    for value in values {
        count += 1.0;
        let mean = if let Some(mean) = running_mean {
            mean
        } else {
            let (next, next_compensation) = kahan_add(value, sum, compensation, Dialect::Prometheus3);
            if !next.is_infinite() {
                (sum, compensation) = (next, next_compensation);
                continue;
            }
            compensation /= count - 1.0;
            sum / (count - 1.0)
        };
        let share = (count - 1.0) / count;
        let (next, next_compensation) =
            kahan_add(value / count, share * mean, share * compensation, Dialect::Prometheus3);
        (running_mean, compensation) = (Some(next), next_compensation);
    }
    match running_mean {
        Some(mean) => mean + compensation,
        None => sum / count + compensation / count,
    }
}

/// The population variance by Welford's method. In Prometheus 3 an infinite first value gives NaN.
fn variance(mut values: impl Iterator<Item = f64>, dialect: Dialect) -> f64 {
    let Some(mut mean) = values.next() else {
        return f64::NAN;
    };
    let starts_as_nan = dialect == Dialect::Prometheus3 && !mean.is_finite();
    let (mut squares, mut count) = (if starts_as_nan { f64::NAN } else { 0.0 }, 1.0);
    for value in values {
        count += 1.0;
        let delta = value - mean;
        mean += delta / count;
        squares += delta * (value - mean);
    }
    squares / count
}

/// `topk` and `bottomk`: the elements themselves, best first within each group; NaN is worst.
fn extremes(k: f64, largest_first: bool, groups: Vec<Group>, dialect: Dialect) -> Result<Vec<Element>, Error> {
    if k.is_nan() && dialect == Dialect::Prometheus3 {
        return Err(Error::Execution("Parameter value is NaN".into()));
    }
    // The bounds of `convertibleToInt64` in Prometheus' `promql/engine.go`.
    if !(-9_223_372_036_854_775_808.0..=9_223_372_036_854_774_784.0).contains(&k) {
        return Err(Error::Execution(format!("Scalar value {} overflows int64", format_value(k))));
    }
    let keep = k as usize;
    let mut kept = Vec::new();
    for mut group in groups {
        sort_by_value(&mut group.elements, largest_first);
        group.elements.truncate(keep);
        kept.append(&mut group.elements);
    }
    Ok(kept)
}

/// Sorts by value, NaN last in either direction; equal values stay in order.
pub(super) fn sort_by_value(elements: &mut [Element], descending: bool) {
    elements.sort_by(|a, b| {
        let order = a.value.partial_cmp(&b.value).unwrap_or(Ordering::Equal);
        let order = if descending { order.reverse() } else { order };
        a.value.is_nan().cmp(&b.value.is_nan()).then(order)
    });
}

/// Counts the elements of each value; the value becomes a label.
fn count_values(label: &str, by: &LabelChoice, vector: Vec<Element>) -> Vec<Element> {
    let mut by = by.clone();
    if let LabelChoice::Only(names) = &mut by {
        names.push(label.to_owned());
    }
    let labelled = vector.into_iter().map(|element| {
        let value = format_plain(element.value);
        Element { metric: element.metric.with(label, &value), ..element }
    });
    let groups = grouped(&by, labelled.collect());
    groups.into_iter().map(|group| Element { value: group.elements.len() as f64, metric: group.labels }).collect()
}
