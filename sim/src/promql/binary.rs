//! Operators between scalars and vectors.

use std::collections::{BTreeMap, BTreeSet};

use super::Dialect;
use super::error::Error;
use super::numeric::equal;
use super::plan::{ArithmeticOp, Cardinality, ComparisonOp, LabelChoice, Matching, SetOp, VectorOp};
use super::value::Element;
use crate::telemetry::{Labels, METRIC_NAME};

/// An arithmetic operator between numbers.
pub(super) fn arithmetic(op: ArithmeticOp, left: f64, right: f64) -> f64 {
    match op {
        ArithmeticOp::Add => left + right,
        ArithmeticOp::Subtract => left - right,
        ArithmeticOp::Multiply => left * right,
        ArithmeticOp::Divide => left / right,
        ArithmeticOp::Modulo => left % right,
        ArithmeticOp::Power => libm::pow(left, right),
        ArithmeticOp::Atan2 => libm::atan2(left, right),
    }
}

/// Does the comparison hold?
pub(super) fn holds(op: ComparisonOp, left: f64, right: f64) -> bool {
    match op {
        ComparisonOp::Equal => equal(left, right),
        ComparisonOp::NotEqual => !equal(left, right),
        ComparisonOp::Greater => left > right,
        ComparisonOp::Less => left < right,
        ComparisonOp::GreaterOrEqual => left >= right,
        ComparisonOp::LessOrEqual => left <= right,
    }
}

impl VectorOp {
    /// The value for one pair of numbers; `None` where a filter does not hold. A filter keeps
    /// `vector_side`.
    fn apply(self, left: f64, right: f64, vector_side: f64) -> Option<f64> {
        match self {
            Self::Arithmetic(op) => Some(arithmetic(op, left, right)),
            Self::Filter(op) => holds(op, left, right).then_some(vector_side),
            Self::Compare(op) => Some(f64::from(u8::from(holds(op, left, right)))),
        }
    }

    /// Filters keep the metric's name, all else drops it, except that Prometheus 2 forgot `atan2`
    /// (`shouldDropMetricName` in `promql/engine.go`).
    fn keeps_name(self, dialect: Dialect) -> bool {
        match self {
            Self::Filter(_) => true,
            Self::Arithmetic(ArithmeticOp::Atan2) => dialect == Dialect::Prometheus2,
            Self::Arithmetic(_) | Self::Compare(_) => false,
        }
    }
}

/// An operator between each element of a vector and a scalar.
pub(super) fn with_scalar(
    op: VectorOp,
    vector: Vec<Element>,
    scalar: f64,
    scalar_first: bool,
    dialect: Dialect,
) -> Vec<Element> {
    let apply = |element: Element| {
        let (left, right) = if scalar_first { (scalar, element.value) } else { (element.value, scalar) };
        let value = op.apply(left, right, element.value)?;
        let metric = if op.keeps_name(dialect) { element.metric } else { element.metric.without_metric() };
        Some(Element { metric, value })
    };
    vector.into_iter().filter_map(apply).collect()
}

/// The labels by which elements match.
fn signature(labels: &Labels, on: &LabelChoice) -> Labels {
    labels.filtered(|name| on.includes(name))
}

/// An operator between matching elements of two vectors.
pub(super) fn matched(
    op: VectorOp,
    left: &[Element],
    right: &[Element],
    matching: &Matching,
    dialect: Dialect,
) -> Result<Vec<Element>, Error> {
    if left.is_empty() || right.is_empty() {
        // Nothing matches, so that duplicates on the other side do no harm.
        return Ok(Vec::new());
    }
    let swapped = matches!(matching.cardinality, Cardinality::OneToMany(_));
    let (many, one) = if swapped { (right, left) } else { (left, right) };
    let one = index_one_side(one, matching, if swapped { "left" } else { "right" })?;

    let mut seen: BTreeMap<Labels, BTreeSet<Labels>> = BTreeMap::new();
    let mut result = Vec::new();
    for element in many {
        let key = signature(&element.metric, &matching.on);
        let Some(partner) = one.get(&key) else {
            continue;
        };
        let (l, r) = if swapped { (partner.value, element.value) } else { (element.value, partner.value) };
        let value = op.apply(l, r, l);
        if value.is_none() && dialect == Dialect::Prometheus2 {
            // From Prometheus 3 on, what a filter drops can still match twice.
            continue;
        }
        let metric = result_labels(op, &element.metric, &partner.metric, matching, dialect);
        let is_first = !seen.contains_key(&key);
        let is_new = seen.entry(key).or_default().insert(metric.clone());
        if matches!(matching.cardinality, Cardinality::OneToOne) {
            if !is_first {
                return Err(Error::Execution(
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                        .into(),
                ));
            }
        } else if !is_new {
            return Err(Error::Execution(
                "multiple matches for labels: grouping labels must ensure unique matches".into(),
            ));
        }
        result.extend(value.map(|value| Element { metric, value }));
    }
    Ok(result)
}

fn index_one_side<'a>(
    elements: &'a [Element],
    matching: &Matching,
    side: &str,
) -> Result<BTreeMap<Labels, &'a Element>, Error> {
    let mut index: BTreeMap<Labels, &Element> = BTreeMap::new();
    for element in elements {
        let key = signature(&element.metric, &matching.on);
        let group = quoted(&key);
        if let Some(other) = index.insert(key, element) {
            return Err(Error::Execution(format!(
                "found duplicate series for the match group {group} on the {side} hand-side of the operation: [{}, {}];\
                 many-to-many matching not allowed: matching labels must be unique on one side",
                quoted(&element.metric),
                quoted(&other.metric)
            )));
        }
    }
    Ok(index)
}

/// All labels in braces, the metric's name among them, as Prometheus prints them in errors.
fn quoted(labels: &Labels) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// The labels of a result (`resultMetric` in Prometheus' `promql/engine.go`): those of the many side,
/// reduced to the matching ones if both sides are one, plus what `group_left` or `group_right` include.
fn result_labels(op: VectorOp, many: &Labels, one: &Labels, matching: &Matching, dialect: Dialect) -> Labels {
    let keep_name = op.keeps_name(dialect);
    let kept = match (&matching.cardinality, &matching.on) {
        (Cardinality::OneToOne, LabelChoice::Only(names)) => {
            many.filtered(|name| names.iter().any(|n| n == name) && (keep_name || name != METRIC_NAME))
        }
        (Cardinality::OneToOne, LabelChoice::Except(names)) => {
            many.filtered(|name| !names.iter().any(|n| n == name) && (keep_name || name != METRIC_NAME))
        }
        _ => many.filtered(|name| keep_name || name != METRIC_NAME),
    };
    let included = match &matching.cardinality {
        Cardinality::OneToOne => return kept,
        Cardinality::ManyToOne(labels) | Cardinality::OneToMany(labels) => labels,
    };
    included.iter().fold(kept, |labels, name| labels.with(name, one.get(name)))
}

/// `and`, `or` and `unless`: elements of either side by whether the other has a match.
pub(super) fn set(op: SetOp, left: Vec<Element>, right: Vec<Element>, on: &LabelChoice) -> Vec<Element> {
    let signatures =
        |elements: &[Element]| elements.iter().map(|e| signature(&e.metric, on)).collect::<BTreeSet<Labels>>();
    match op {
        SetOp::And | SetOp::Unless => {
            let partners = signatures(&right);
            let wanted = matches!(op, SetOp::And);
            let is_kept = |e: &Element| partners.contains(&signature(&e.metric, on)) == wanted;
            left.into_iter().filter(is_kept).collect()
        }
        SetOp::Or => {
            let taken = signatures(&left);
            let rest = right.into_iter().filter(|e| !taken.contains(&signature(&e.metric, on)));
            left.into_iter().chain(rest).collect()
        }
    }
}
