//! Label sets: sorted, shared, cheap to clone.

use std::fmt;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};

/// The label that holds the name of a metric.
pub const METRIC_NAME: &str = "__name__";

/// One name and value. Ordered by name, then value, as Prometheus compares labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// The name; `__name__` for the metric's.
    pub name: Arc<str>,
    /// The value, never empty: an empty value means that the label is absent.
    pub value: Arc<str>,
}

/// A label set, the metric name included. Sorted by name; a clone is one reference count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labels(Arc<[Label]>);

impl Labels {
    /// The set without labels.
    pub fn empty() -> Self {
        Self(Arc::from([]))
    }

    /// Is there no label at all?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a label; empty if it is absent, which Prometheus does not tell apart.
    pub fn get(&self, name: &str) -> &str {
        self.0
            .binary_search_by(|label| (*label.name).cmp(name))
            .map_or("", |at| &self.0[at].value)
    }

    /// The metric's name; empty if it was dropped.
    pub fn metric(&self) -> &str {
        self.get(METRIC_NAME)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + '_ {
        self.0.iter().map(|label| (&*label.name, &*label.value))
    }

    /// The labels for which `keep` holds.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        if self.0.iter().all(|label| keep(&label.name)) {
            return self.clone();
        }
        Self(
            self.0
                .iter()
                .filter(|label| keep(&label.name))
                .cloned()
                .collect(),
        )
    }

    /// The labels without the metric's name.
    #[must_use]
    pub fn without_metric(&self) -> Self {
        self.filtered(|name| name != METRIC_NAME)
    }

    /// The labels with one set to `value`, or removed if the value is empty.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let others = self.0.iter().filter(|label| &*label.name != name).cloned();
        others
            .chain([Label {
                name: name.into(),
                value: value.into(),
            }])
            .collect()
    }
}

impl FromIterator<Label> for Labels {
    /// Sorts, drops empty values, and keeps the last of two labels with the same name.
    fn from_iter<I: IntoIterator<Item = Label>>(labels: I) -> Self {
        let mut sorted: Vec<Label> = labels.into_iter().collect();
        sorted.sort_by(|a, b| a.name.cmp(&b.name));
        sorted.reverse();
        sorted.dedup_by(|later, kept| later.name == kept.name);
        sorted.reverse();
        sorted.retain(|label| !label.value.is_empty());
        Self(sorted.into())
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Labels {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(labels: I) -> Self {
        labels
            .into_iter()
            .map(|(name, value)| Label {
                name: name.into(),
                value: value.into(),
            })
            .collect()
    }
}

impl fmt::Display for Labels {
    /// As Prometheus prints a series: `name{label="value", …}`, `{}` for the empty set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metric = self.metric();
        f.write_str(metric)?;
        let others: Vec<String> = self
            .iter()
            .filter(|(name, _)| *name != METRIC_NAME)
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        if metric.is_empty() || !others.is_empty() {
            write!(f, "{{{}}}", others.join(", "))?;
        }
        Ok(())
    }
}

impl Serialize for Labels {
    /// As a JSON object, names sorted.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_name_wins_and_empty_values_vanish() {
        let labels: Labels = [("b", "1"), ("a", "2"), ("b", "3"), ("c", "4"), ("c", "")]
            .into_iter()
            .collect();
        assert_eq!(labels.to_string(), r#"{a="2", b="3"}"#);
        assert_eq!(labels.with("b", "").to_string(), r#"{a="2"}"#);
        assert_eq!(
            labels.with(METRIC_NAME, "m").to_string(),
            r#"m{a="2", b="3"}"#
        );
        assert_eq!(labels.with(METRIC_NAME, "m").without_metric(), labels);
        assert_eq!((labels.get("b"), labels.get("z")), ("3", ""));
        assert_eq!(Labels::empty().to_string(), "{}");
    }
}
