//! What a Prometheus server keeps: samples of labelled series, scraped target by target.
//!
//! Terms, as in Prometheus:
//! - *target*: one scraped endpoint (a pod's `/metrics`, a node's cAdvisor) with its labels.
//! - *series*: one metric name with one label set on one target; a *column* of its target.
//! - *scrape*: one reading of a whole target; a *row* of one time and one value per column.
//! - *stale marker*: a special NaN ([`STALE`]) that ends a series: from there on an instant selector
//!   does not see its older samples. It is written when a series is missing from a scrape that
//!   followed one that had it, and on every series of a target that is gone.
//!
//! A world is forked hundreds of times in an episode and each fork carries the whole history, so a
//! [`Store`] shares it: a clone costs three reference counts per target. The rows of a target lie in
//! blocks of at most 16; full blocks never change, and the newest one is copied by the first append
//! after a fork.
//!
//! Invariants:
//! - Times are milliseconds since the start of the world and rise strictly within a target.
//! - A label set is sorted by name, holds no empty value and contains the metric name as `__name__`.
//! - Everything is listed in a fixed order: targets as they were added, series by label set.

mod labels;
mod rows;
mod select;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

pub use labels::{Label, Labels, METRIC_NAME};
use rows::Rows;
pub use rows::{ABSENT, STALE, Sample, is_stale};

/// A target of one [`Store`]; stays valid when the target is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetIx(pub u32);

/// A series of one [`Store`]: a column of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesIx {
    /// The target that exposes the series.
    pub target: TargetIx,
    /// Its place in the rows of that target, from 0 in the order in which series were added.
    pub column: u32,
}

/// All samples that were ever scraped. Cheap to clone; see the module's description.
#[derive(Clone, Default)]
pub struct Store {
    targets: Vec<Target>,
    /// One copy of each string that occurs in a label set.
    strings: Arc<BTreeSet<Arc<str>>>,
}

#[derive(Clone)]
struct Target {
    schema: Arc<Schema>,
    rows: Rows,
}

/// Names and labels of a target's columns. Grows when a series appears for the first time.
#[derive(Clone)]
struct Schema {
    target: Labels,
    columns: Vec<Labels>,
    /// The columns by metric name, then by label set.
    by_name: BTreeMap<Arc<str>, BTreeMap<Labels, u32>>,
}

impl Store {
    /// A store without targets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a target with the labels that its series get besides their own (`job`, `instance`
    /// and what relabelling adds). A target with the same labels is the same target: it resumes its
    /// series.
    pub fn add_target(&mut self, labels: &[(&str, &str)]) -> TargetIx {
        let target = self.intern(labels);
        if let Some(known) = self.targets.iter().position(|t| t.schema.target == target) {
            return TargetIx(known as u32);
        }
        let schema = Schema { target, columns: Vec::new(), by_name: BTreeMap::new() };
        self.targets.push(Target { schema: Arc::new(schema), rows: Rows::default() });
        TargetIx(self.targets.len() as u32 - 1)
    }

    /// Registers a series of a target; the same name and labels give the same series again. A label
    /// that the target has too is renamed to `exported_…`, as Prometheus does without `honor_labels`.
    pub fn add_series(&mut self, target: TargetIx, metric: &str, labels: &[(&str, &str)]) -> SeriesIx {
        let of_target = self.target_labels(target).clone();
        let exported: Vec<String> = labels.iter().map(|(name, _)| format!("exported_{name}")).collect();
        let own = labels.iter().zip(&exported).map(|(&(name, value), exported)| {
            let name = if of_target.get(name).is_empty() { name } else { exported.as_str() };
            (name, value)
        });
        let all: Vec<(&str, &str)> = of_target.iter().chain(own).chain([(METRIC_NAME, metric)]).collect();
        let labels = self.intern(&all);
        let name = self.intern_str(metric);

        let schema = &mut self.targets[target.0 as usize].schema;
        if let Some(&column) = schema.by_name.get(&name).and_then(|of_name| of_name.get(&labels)) {
            return SeriesIx { target, column };
        }
        let schema = Arc::make_mut(schema);
        let column = schema.columns.len() as u32;
        schema.columns.push(labels.clone());
        schema.by_name.entry(name).or_default().insert(labels, column);
        SeriesIx { target, column }
    }

    /// Keeps one scrape: a value for each column of the target, [`ABSENT`] for a series that was not
    /// exposed. Columns beyond the end of `values` count as absent too. A series that was present in
    /// the row before and is absent now gets a stale marker, so a failed scrape is a row that holds
    /// nothing but `up` and `scrape_duration_seconds`.
    ///
    /// # Panics
    /// If `t_ms` is not later than the target's last row, or there are more values than columns.
    pub fn append(&mut self, target: TargetIx, t_ms: i64, values: &[f64]) {
        let Target { schema, rows } = &mut self.targets[target.0 as usize];
        assert!(values.len() <= schema.columns.len(), "a scrape has more values than the target has series");
        rows.append(t_ms, values, schema.columns.len());
    }

    /// Ends a target: every series that is still alive gets a stale marker. Prometheus stamps them
    /// with the time at which the next scrape would have been. Does nothing to a target that has no
    /// live series. A later [`append`](Self::append) revives the target.
    ///
    /// # Panics
    /// If `t_ms` is not later than the target's last row.
    pub fn target_gone(&mut self, target: TargetIx, t_ms: i64) {
        let Target { schema, rows } = &mut self.targets[target.0 as usize];
        if rows.any_alive() {
            rows.append(t_ms, &[], schema.columns.len());
        }
    }

    /// All targets in the order in which they were added, gone ones included.
    pub fn targets(&self) -> impl Iterator<Item = TargetIx> + use<> {
        (0..self.targets.len() as u32).map(TargetIx)
    }

    /// The labels that all series of a target share.
    pub fn target_labels(&self, target: TargetIx) -> &Labels {
        &self.targets[target.0 as usize].schema.target
    }

    /// The series of a target, in the order of their columns.
    pub fn series_of(&self, target: TargetIx) -> impl Iterator<Item = SeriesIx> + use<> {
        let columns = self.targets[target.0 as usize].schema.columns.len() as u32;
        (0..columns).map(move |column| SeriesIx { target, column })
    }

    /// All series, target by target.
    pub fn series(&self) -> impl Iterator<Item = SeriesIx> + '_ {
        self.targets().flat_map(|target| self.series_of(target))
    }

    /// Metric name and labels of a series.
    pub fn labels(&self, series: SeriesIx) -> &Labels {
        &self.targets[series.target.0 as usize].schema.columns[series.column as usize]
    }

    /// The samples of a series from `from_ms` to `to_ms`, both included, oldest first; stale markers
    /// are among them.
    pub fn samples(&self, series: SeriesIx, from_ms: i64, to_ms: i64) -> impl DoubleEndedIterator<Item = Sample> + '_ {
        self.targets[series.target.0 as usize].rows.column(series.column as usize, from_ms, to_ms)
    }

    /// How many samples are kept, stale markers included. Walks over everything.
    pub fn sample_count(&self) -> usize {
        self.series().map(|series| self.samples(series, i64::MIN, i64::MAX).count()).sum()
    }

    fn intern(&mut self, labels: &[(&str, &str)]) -> Labels {
        labels
            .iter()
            .map(|(name, value)| Label { name: self.intern_str(name), value: self.intern_str(value) })
            .collect()
    }

    fn intern_str(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.strings.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        Arc::make_mut(&mut self.strings).insert(Arc::clone(&new));
        new
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let series: usize = self.targets.iter().map(|t| t.schema.columns.len()).sum();
        write!(f, "Store({} targets, {series} series)", self.targets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: (i64, i64) = (i64::MIN, i64::MAX);

    /// The samples of a series as text: `t=value`, `t=stale`.
    fn dump(store: &Store, series: SeriesIx) -> String {
        let text = |s: Sample| {
            let value = if is_stale(s.value) { "stale".to_owned() } else { s.value.to_string() };
            format!("{}={value}", s.t_ms)
        };
        store.samples(series, ALL.0, ALL.1).map(text).collect::<Vec<_>>().join(" ")
    }

    fn one_target() -> (Store, TargetIx) {
        let mut store = Store::new();
        let target = store.add_target(&[("job", "shop"), ("instance", "10.0.0.1:80")]);
        (store, target)
    }

    #[test]
    fn a_vanished_series_gets_one_stale_marker_and_may_come_back() {
        let (mut store, target) = one_target();
        let a = store.add_series(target, "a", &[]);
        let b = store.add_series(target, "b", &[]);
        store.append(target, 1, &[1.0, 2.0]);
        store.append(target, 2, &[1.5, ABSENT]);
        store.append(target, 3, &[2.0]);
        store.append(target, 4, &[2.5, 9.0]);
        assert_eq!(dump(&store, a), "1=1 2=1.5 3=2 4=2.5");
        assert_eq!(dump(&store, b), "1=2 2=stale 4=9");
    }

    #[test]
    fn series_may_appear_at_any_scrape() {
        let (mut store, target) = one_target();
        store.add_series(target, "a", &[]);
        for t in 0..40 {
            store.append(target, t, &[1.0]);
        }
        let late = store.add_series(target, "late", &[]);
        store.append(target, 40, &[1.0, 7.0]);
        assert_eq!(dump(&store, late), "40=7");
    }

    #[test]
    fn a_target_that_is_gone_ends_all_its_live_series_once() {
        let (mut store, target) = one_target();
        let a = store.add_series(target, "a", &[]);
        let never = store.add_series(target, "never", &[]);
        store.append(target, 1, &[1.0]);
        store.target_gone(target, 2);
        store.target_gone(target, 3);
        assert_eq!(dump(&store, a), "1=1 2=stale");
        assert_eq!(dump(&store, never), "");

        let again = store.add_target(&[("instance", "10.0.0.1:80"), ("job", "shop")]);
        assert_eq!(again, target);
        store.append(again, 4, &[5.0]);
        assert_eq!(dump(&store, a), "1=1 2=stale 4=5");
    }

    #[test]
    fn labels_are_merged_sorted_and_renamed_on_conflict() {
        let (mut store, target) = one_target();
        let series = store.add_series(target, "m", &[("route", "/"), ("job", "inner"), ("empty", "")]);
        assert_eq!(
            store.labels(series).to_string(),
            r#"m{exported_job="inner", instance="10.0.0.1:80", job="shop", route="/"}"#
        );
        assert_eq!(store.add_series(target, "m", &[("job", "inner"), ("route", "/")]), series);
        assert_ne!(store.add_series(target, "m", &[("job", "inner")]), series);
    }

    #[test]
    fn a_fork_shares_history_and_then_diverges() {
        let (mut store, target) = one_target();
        let a = store.add_series(target, "a", &[]);
        for t in 0..100 {
            store.append(target, t, &[t as f64]);
        }
        let mut fork = store.clone();
        fork.append(target, 100, &[-1.0]);
        fork.add_series(target, "only_in_fork", &[]);
        store.append(target, 200, &[1.0]);
        assert_eq!(store.samples(a, 99, 300).map(|s| s.t_ms).collect::<Vec<_>>(), [99, 200]);
        assert_eq!(fork.samples(a, 99, 300).map(|s| s.t_ms).collect::<Vec<_>>(), [99, 100]);
        assert_eq!((store.series().count(), fork.series().count()), (1, 2));
        assert_eq!(fork.sample_count(), 101);
    }

    #[test]
    fn samples_are_cut_at_both_ends_and_run_backwards() {
        let (mut store, target) = one_target();
        let a = store.add_series(target, "a", &[]);
        for t in 0..100 {
            store.append(target, t * 10, &[t as f64]);
        }
        for (from, to) in [(0, 990), (155, 165), (160, 160), (161, 169), (-5, 35), (985, 5000), (320, 310)] {
            let expected: Vec<i64> = (0..100).map(|t| t * 10).filter(|t| (from..=to).contains(t)).collect();
            let forwards: Vec<i64> = store.samples(a, from, to).map(|s| s.t_ms).collect();
            let mut backwards: Vec<i64> = store.samples(a, from, to).rev().map(|s| s.t_ms).collect();
            backwards.reverse();
            assert_eq!((&forwards, &backwards), (&expected, &expected), "{from}..{to}");
        }
    }

    #[test]
    #[should_panic(expected = "not later than its last row")]
    fn a_row_out_of_order_is_a_bug() {
        let (mut store, target) = one_target();
        store.append(target, 5, &[]);
        store.append(target, 5, &[]);
    }
}
