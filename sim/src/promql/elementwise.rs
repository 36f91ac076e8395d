//! Functions that look at one element at a time, and the rule that labels stay unique.

use std::collections::BTreeSet;

use promql_parser::label::MatchOp;

use super::Dialect;
use super::error::Error;
use super::numeric::{go_max, go_min};
use super::plan::{MapFunction, ScalarExpr};
use super::value::Element;
use crate::telemetry::Labels;

/// A function of one value.
type ValueMap = Box<dyn Fn(f64) -> f64>;

/// The function of one value that `function` stands for at a time, its arguments found by `scalar`;
/// `None` if it gives no elements at all.
pub(super) fn map(
    function: &MapFunction,
    t_ms: i64,
    mut scalar: impl FnMut(&ScalarExpr) -> Result<f64, Error>,
) -> Result<Option<ValueMap>, Error> {
    Ok(Some(match function {
        MapFunction::Of(function) => Box::new(*function),
        MapFunction::Round(to) => {
            // Ties are rounded up; the inverse is used since it is the more accurate.
            let inverse = 1.0 / to.as_ref().map_or(Ok(1.0), scalar)?;
            Box::new(move |value| (value * inverse + 0.5).floor() / inverse)
        }
        MapFunction::Clamp(min, max) => {
            let (min, max) = (scalar(min)?, scalar(max)?);
            if max < min {
                return Ok(None);
            }
            Box::new(move |value| go_max(min, go_min(max, value)))
        }
        MapFunction::ClampMin(min) => {
            let min = scalar(min)?;
            Box::new(move |value| go_max(min, value))
        }
        MapFunction::ClampMax(max) => {
            let max = scalar(max)?;
            Box::new(move |value| go_min(max, value))
        }
        MapFunction::Timestamp => Box::new(move |_| t_ms as f64 / 1000.0),
    }))
}

/// Maps each value and drops the metric's name.
pub(super) fn apply(mut vector: Vec<Element>, map: impl Fn(f64) -> f64) -> Result<Vec<Element>, Error> {
    for element in &mut vector {
        element.value = map(element.value);
    }
    without_names(vector)
}

/// Drops the metric's name of each element.
pub(super) fn without_names(mut vector: Vec<Element>) -> Result<Vec<Element>, Error> {
    // Elements of one metric differ in their other labels, so they stay different.
    let is_one_metric = vector.windows(2).all(|pair| pair[0].metric.metric() == pair[1].metric.metric());
    for element in &mut vector {
        element.metric = element.metric.without_metric();
    }
    if is_one_metric { Ok(vector) } else { unique(vector) }
}

/// Refuses a vector in which two elements have the same labels.
pub(super) fn unique(vector: Vec<Element>) -> Result<Vec<Element>, Error> {
    let is_ascending = vector.windows(2).all(|pair| pair[0].metric < pair[1].metric);
    let mut seen = BTreeSet::new();
    if is_ascending || vector.iter().all(|element| seen.insert(&element.metric)) {
        Ok(vector)
    } else {
        Err(same_labels())
    }
}

/// Why a vector in which two elements have the same labels is refused.
pub(super) fn same_labels() -> Error {
    Error::Execution("vector cannot contain metrics with the same labelset".into())
}

/// Is this what a label may be called? Prometheus 3 allows any UTF-8.
pub(super) fn is_label_name(name: &str, dialect: Dialect) -> bool {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_plain = name.starts_with(is_first) && name.chars().all(|c| is_first(c) || c.is_ascii_digit());
    is_plain || dialect == Dialect::Prometheus3 && !name.is_empty()
}

/// Refuses a label that cannot be made; `role` is what the function `function` wants it for.
fn check_label_name(name: &str, role: &str, function: &str, dialect: Dialect) -> Result<(), Error> {
    let refused = || Error::Execution(format!("invalid {role} label name in {function}(): {name}"));
    is_label_name(name, dialect).then_some(()).ok_or_else(refused)
}

/// One element of the value 1, or none.
pub(super) fn one_if(is_there: bool, labels: &Labels) -> Vec<Element> {
    is_there.then(|| Element { metric: labels.clone(), value: 1.0 }).into_iter().collect()
}

/// Sets the label `target` to the expanded replacement where the pattern, which comes as text and compiled, matches the
/// label `source`.
pub(super) fn label_replace(
    mut vector: Vec<Element>,
    target: &str,
    replacement: &str,
    source: &str,
    (text, pattern): &(String, Option<MatchOp>),
    dialect: Dialect,
) -> Result<Vec<Element>, Error> {
    let no_pattern = || Error::Execution(format!("invalid regular expression in label_replace(): {text}"));
    let pattern = pattern.as_ref().ok_or_else(no_pattern)?;
    check_label_name(target, "destination", "label_replace", dialect)?;
    let (MatchOp::Re(pattern) | MatchOp::NotRe(pattern)) = pattern else {
        return unique(vector);
    };
    for element in &mut vector {
        if let Some(captures) = pattern.captures(element.metric.get(source)) {
            let mut value = String::new();
            captures.expand(replacement, &mut value);
            element.metric = element.metric.with(target, &value);
        }
    }
    unique(vector)
}

/// Sets the label `target` to the values of others, joined.
pub(super) fn label_join(
    mut vector: Vec<Element>,
    target: &str,
    separator: &str,
    sources: &[String],
    dialect: Dialect,
) -> Result<Vec<Element>, Error> {
    let check = |name, role| check_label_name(name, role, "label_join", dialect);
    sources.iter().try_for_each(|name| check(name, "source"))?;
    check(target, "destination")?;
    let joined = |labels: &Labels| sources.iter().map(|name| labels.get(name)).collect::<Vec<_>>().join(separator);
    for element in &mut vector {
        element.metric = element.metric.with(target, &joined(&element.metric));
    }
    unique(vector)
}
