//! Label sets: sorted, shared, cheap to clone.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};

/// The label that holds the name of a metric.
pub const METRIC_NAME: &str = "__name__";

/// One name and value. Ordered by name, then value, as Prometheus compares labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The name; `__name__` for the metric's.
    pub name: Arc<str>,
    /// The value, never empty: an empty value means that the label is absent.
    pub value: Arc<str>,
}

impl Label {
    fn pair(&self) -> (&str, &str) {
        (&self.name, &self.value)
    }
}

/// A label set, the metric name included. Sorted by name; a clone, and dropping the metric name,
/// costs a reference count or two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    metric: Option<Arc<str>>,
    others: Arc<[Label]>,
}

impl Labels {
    /// The set without labels.
    pub fn empty() -> Self {
        Self { metric: None, others: Arc::from([]) }
    }

    /// Is there no label at all?
    pub fn is_empty(&self) -> bool {
        self.metric.is_none() && self.others.is_empty()
    }

    /// The value of a label; empty if it is absent, which Prometheus does not tell apart.
    pub fn get(&self, name: &str) -> &str {
        if name == METRIC_NAME {
            return self.metric();
        }
        let at = self.others.binary_search_by(|label| (*label.name).cmp(name));
        at.map_or("", |at| &self.others[at].value)
    }

    /// The metric's name; empty if it was dropped.
    pub fn metric(&self) -> &str {
        self.metric.as_deref().unwrap_or_default()
    }

    /// Names and values, sorted by name, `__name__` among them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + '_ {
        let (before, after) = self.others.split_at(self.others.partition_point(|l| *l.name < *METRIC_NAME));
        let metric = self.metric.as_deref().map(|metric| (METRIC_NAME, metric));
        before.iter().map(Label::pair).chain(metric).chain(after.iter().map(Label::pair))
    }

    /// The labels for whose name `keep` holds.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        let metric = self.metric.clone().filter(|_| keep(METRIC_NAME));
        let kept = self.others.iter().filter(|label| keep(&label.name));
        Self { metric, others: kept.cloned().collect() }
    }

    /// A hash of the labels for whose name `keep` holds: equal for equal ones (FNV-1a).
    pub(crate) fn fingerprint(&self, keep: impl Fn(&str) -> bool) -> u64 {
        let kept = self.iter().filter(|(name, _)| keep(name));
        kept.fold(0xcbf2_9ce4_8422_2325, |hash, (name, value)| {
            // 0xff is in no UTF-8 text and keeps name and value apart.
            let bytes = name.bytes().chain([0xff]).chain(value.bytes()).chain([0xff]);
            bytes.fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        })
    }

    /// Would [`filtered`](Self::filtered) give these labels?
    pub(crate) fn equals_filtered(&self, keep: impl Fn(&str) -> bool, filtered: &Self) -> bool {
        self.iter().filter(|(name, _)| keep(name)).eq(filtered.iter())
    }

    /// The labels without the metric's name.
    #[must_use]
    pub fn without_metric(&self) -> Self {
        Self { metric: None, others: Arc::clone(&self.others) }
    }

    /// The labels with one set to `value`, or removed if the value is empty.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        self.iter().chain([(name, value)]).collect()
    }
}

/// Strings of one store are interned, so most comparisons find the same one.
fn compare(a: &Arc<str>, b: &Arc<str>) -> Ordering {
    if Arc::ptr_eq(a, b) { Ordering::Equal } else { a.cmp(b) }
}

impl Ord for Label {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.name, &other.name).then_with(|| compare(&self.value, &other.value))
    }
}

impl PartialOrd for Label {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Labels {
    /// As sequences of labels, `__name__` at its place among them.
    fn cmp(&self, other: &Self) -> Ordering {
        // Where `__name__` comes first in both and is equal, the others decide.
        let leads = |labels: &Self| match labels.others.first() {
            Some(first) => *first.name > *METRIC_NAME,
            None => true,
        };
        if self.metric == other.metric && leads(self) && leads(other) {
            self.others.cmp(&other.others)
        } else {
            self.iter().cmp(other.iter())
        }
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
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
        let metric = sorted.iter().position(|label| &*label.name == METRIC_NAME);
        let metric = metric.map(|at| sorted.remove(at).value);
        Self { metric, others: sorted.into() }
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Labels {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(labels: I) -> Self {
        labels.into_iter().map(|(name, value)| Label { name: name.into(), value: value.into() }).collect()
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
        let mut map = serializer.serialize_map(None)?;
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
    fn label_sets_are_ordered_as_sequences_of_labels() {
        let set = |pairs: &[(&'static str, &'static str)]| pairs.iter().copied().collect::<Labels>();
        let ascending = [
            set(&[]),
            set(&[("A", "1"), (METRIC_NAME, "z")]),
            set(&[("A", "2"), (METRIC_NAME, "a")]),
            set(&[(METRIC_NAME, "a")]),
            set(&[(METRIC_NAME, "a"), ("b", "1")]),
            set(&[(METRIC_NAME, "b")]),
            set(&[("b", "1")]),
        ];
        assert!(ascending.is_sorted_by(|a, b| a < b), "{ascending:?}");
    }

    #[test]
    fn the_last_value_of_a_name_wins_and_empty_values_vanish() {
        let labels: Labels = [("b", "1"), ("a", "2"), ("b", "3"), ("c", "4"), ("c", "")].into_iter().collect();
        assert_eq!(labels.to_string(), r#"{a="2", b="3"}"#);
        assert_eq!(labels.with("b", "").to_string(), r#"{a="2"}"#);
        assert_eq!(labels.with(METRIC_NAME, "m").to_string(), r#"m{a="2", b="3"}"#);
        assert_eq!(labels.with(METRIC_NAME, "m").without_metric(), labels);
        assert_eq!((labels.get("b"), labels.get("z")), ("3", ""));
        assert_eq!(Labels::empty().to_string(), "{}");
    }
}
