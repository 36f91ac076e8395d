//! What all objects have: names, labels and annotations, and selectors over labels.

use std::collections::BTreeMap;

use serde::Serialize;

/// Labels or annotations.
pub type Labels = BTreeMap<String, String>;

/// An object's `metadata`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectMeta {
    /// Unique among the objects of its kind and namespace.
    pub name: String,
    /// The namespace; for a [`Namespace`] its own name.
    pub namespace: String,
    /// What selectors look at.
    pub labels: Labels,
    /// Notes that selectors ignore, such as `prometheus.io/scrape`.
    pub annotations: Labels,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Namespace {
    /// Its name and labels.
    pub meta: ObjectMeta,
}

/// A set of labels, as `matchLabels` and `matchExpressions` describe it. All conditions must hold;
/// without any it selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels that must have just these values.
    pub match_labels: Labels,
    /// Further conditions.
    pub match_expressions: Vec<Requirement>,
}

/// One condition of a [`LabelSelector`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// What is asked of its value.
    pub operator: SelectorOperator,
    /// The values compared with; empty for `Exists` and `DoesNotExist`.
    pub values: Vec<String>,
}

/// What a [`Requirement`] asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SelectorOperator {
    /// The label is one of the values.
    In,
    /// The label is absent or none of the values.
    NotIn,
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl LabelSelector {
    /// Whether an object with these labels is selected
    /// (`k8s.io/apimachinery/pkg/labels/selector.go`, `Requirement.Matches`).
    pub fn matches(&self, labels: &Labels) -> bool {
        is_subset(&self.match_labels, labels) && self.match_expressions.iter().all(|r| r.matches(labels))
    }
}

impl Requirement {
    /// Whether it has values just if its operator compares with some.
    pub(super) fn is_complete(&self) -> bool {
        let compares = matches!(self.operator, SelectorOperator::In | SelectorOperator::NotIn);
        compares != self.values.is_empty()
    }

    fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            SelectorOperator::In => value.is_some_and(|v| self.values.contains(v)),
            SelectorOperator::NotIn => value.is_none_or(|v| !self.values.contains(v)),
            SelectorOperator::Exists => value.is_some(),
            SelectorOperator::DoesNotExist => value.is_none(),
        }
    }
}

/// Whether `labels` has every pair of `wanted`: how a Service's `selector` and a `nodeSelector` select.
pub fn is_subset(wanted: &Labels, labels: &Labels) -> bool {
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_match_as_in_kubernetes() {
        let labels = Labels::from([("app".into(), "carts".into()), ("tier".into(), "back".into())]);
        let selects = |key: &str, operator, values: &[&str]| {
            let values = values.iter().map(ToString::to_string).collect();
            let requirement = Requirement { key: key.into(), operator, values };
            LabelSelector { match_expressions: vec![requirement], ..LabelSelector::default() }.matches(&labels)
        };
        assert!(LabelSelector::default().matches(&labels));
        assert!(selects("app", SelectorOperator::In, &["orders", "carts"]));
        assert!(!selects("zone", SelectorOperator::In, &["a"]));
        assert!(selects("zone", SelectorOperator::NotIn, &["a"]), "an absent label is in no set");
        assert!(!selects("app", SelectorOperator::NotIn, &["carts"]));
        assert!(selects("tier", SelectorOperator::Exists, &[]));
        assert!(!selects("tier", SelectorOperator::DoesNotExist, &[]));
        let mut exact = LabelSelector { match_labels: labels.clone(), ..LabelSelector::default() };
        assert!(exact.matches(&labels));
        exact.match_labels.insert("zone".into(), "a".into());
        assert!(!exact.matches(&labels));
    }
}
