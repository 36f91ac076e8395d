//! Evaluation of a plan at one time.

use std::collections::BTreeMap;
use std::mem;
use std::rc::Rc;

use super::error::Error;
use super::over_time::{self, Window};
use super::plan::{
    Aggregation, AggregationOp, Counts, FixedTime, RangeExpr, RangeFunction, Renaming, ScalarExpr, Selector, TimeShift,
    VectorExpr,
};
use super::value::{Element, SeriesValues};
use super::{Dialect, Settings, aggregate, binary, elementwise, histogram};
use crate::telemetry::{Labels, Sample, SeriesIx, Store, is_stale};

/// Evaluates one query over one store.
///
/// Steps of a range query are evaluated one after the other, but a subquery once for all of them, at every
/// multiple of its step between the first and the last: as in Prometheus, what is wrong at one that no
/// window holds is wrong all the same.
pub(super) struct Evaluator<'a> {
    store: &'a Store,
    settings: Settings,
    /// First and last evaluation time of the query: what `@ start()` and `@ end()` mean.
    span_ms: (i64, i64),
    /// What each selector selects, found at its first use.
    selected: Vec<Option<Rc<[SeriesIx]>>>,
    /// First and last time at which the expression at hand is evaluated: those of the query or, within a
    /// subquery, all of its steps.
    context_ms: (i64, i64),
    /// What each subquery gives, found at its first use.
    subqueries: Vec<Option<Rc<[SeriesValues]>>>,
    /// For each renaming, the series that got some labels. Two series may not get the same, be it at
    /// different times.
    renamed: Vec<BTreeMap<Labels, Labels>>,
    /// Samples and steps that may still be touched.
    budget: usize,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(store: &'a Store, settings: Settings, counts: Counts, span_ms: (i64, i64)) -> Self {
        Self {
            store,
            settings,
            span_ms,
            selected: vec![None; counts.selectors],
            context_ms: span_ms,
            subqueries: vec![None; counts.subqueries],
            renamed: vec![BTreeMap::new(); counts.renamings],
            budget: settings.max_samples,
        }
    }

    pub(super) fn scalar(&mut self, expr: &ScalarExpr, t_ms: i64) -> Result<f64, Error> {
        Ok(match expr {
            ScalarExpr::Number(number) => *number,
            ScalarExpr::Time => t_ms as f64 / 1000.0,
            ScalarExpr::OnlyElement(vector) => match self.vector(vector, t_ms)?.as_slice() {
                [element] => element.value,
                _ => f64::NAN,
            },
            ScalarExpr::Negated(operand) => -self.scalar(operand, t_ms)?,
            ScalarExpr::Arithmetic(op, left, right) => {
                binary::arithmetic(*op, self.scalar(left, t_ms)?, self.scalar(right, t_ms)?)
            }
            ScalarExpr::Comparison(op, left, right) => {
                f64::from(u8::from(binary::holds(*op, self.scalar(left, t_ms)?, self.scalar(right, t_ms)?)))
            }
        })
    }

    pub(super) fn vector(&mut self, expr: &VectorExpr, t_ms: i64) -> Result<Vec<Element>, Error> {
        let unique = elementwise::unique;
        match expr {
            VectorExpr::Selector(selector) => self.instant(selector, t_ms, |sample| sample.value),
            VectorExpr::SampleTimes(selector) => {
                let times = self.instant(selector, t_ms, |sample| sample.t_ms as f64 / 1000.0)?;
                elementwise::without_names(times)
            }
            VectorExpr::OverRange { function, range, renaming } => {
                let values = self.over_range(function, range, t_ms)?;
                self.rename(*renaming, &values)?;
                if matches!(function, RangeFunction::Last) { Ok(values) } else { elementwise::without_names(values) }
            }
            VectorExpr::Map(function, vector) => {
                let vector = self.vector(vector, t_ms)?;
                let map = elementwise::map(function, t_ms, |scalar| self.scalar(scalar, t_ms))?;
                map.map_or(Ok(Vec::new()), |map| elementwise::apply(vector, map))
            }
            VectorExpr::Constant(scalar) => {
                Ok(vec![Element { metric: Labels::empty(), value: self.scalar(scalar, t_ms)? }])
            }
            VectorExpr::Negated(vector, renaming) => {
                let vector = self.vector(vector, t_ms)?;
                self.rename(Some(*renaming), &vector)?;
                elementwise::apply(vector, |value| -value)
            }
            VectorExpr::Sorted { descending, vector } => {
                let mut vector = self.vector(vector, t_ms)?;
                aggregate::sort_by_value(&mut vector, *descending);
                Ok(vector)
            }
            VectorExpr::Absent(labels, vector) => {
                let is_absent = self.vector(vector, t_ms)?.is_empty();
                Ok(elementwise::one_if(is_absent, labels))
            }
            VectorExpr::AbsentOverTime(labels, range) => {
                let mut is_absent = true;
                self.for_each_window(range, t_ms, |_, _| is_absent = false)?;
                Ok(elementwise::one_if(is_absent, labels))
            }
            VectorExpr::LabelReplace { target, replacement, source, pattern, vector } => {
                let vector = self.vector(vector, t_ms)?;
                elementwise::label_replace(vector, target, replacement, source, pattern, self.settings.dialect)
            }
            VectorExpr::LabelJoin { target, separator, sources, vector } => {
                let vector = self.vector(vector, t_ms)?;
                elementwise::label_join(vector, target, separator, sources, self.settings.dialect)
            }
            VectorExpr::HistogramQuantile(quantile, buckets) => {
                let q = self.scalar(quantile, t_ms)?;
                let buckets = self.vector(buckets, t_ms)?;
                unique(histogram::quantiles(q, &buckets, self.settings.dialect))
            }
            VectorExpr::Aggregation(aggregation) => self.aggregation(aggregation, t_ms),
            VectorExpr::WithScalar { op, vector, scalar, scalar_first } => {
                let vector = self.vector(vector, t_ms)?;
                let scalar = self.scalar(scalar, t_ms)?;
                unique(binary::with_scalar(*op, vector, scalar, *scalar_first, self.settings.dialect))
            }
            VectorExpr::Matched { op, left, right, matching } => {
                let (left, right) = (self.vector(left, t_ms)?, self.vector(right, t_ms)?);
                unique(binary::matched(*op, &left, &right, matching, self.settings.dialect)?)
            }
            VectorExpr::Set { op, left, right, on } => {
                let (left, right) = (self.vector(left, t_ms)?, self.vector(right, t_ms)?);
                unique(binary::set(*op, left, right, on))
            }
        }
    }

    /// The samples of a range vector, series by series.
    pub(super) fn range(&mut self, range: &RangeExpr, t_ms: i64) -> Result<Vec<SeriesValues>, Error> {
        let mut result = Vec::new();
        self.for_each_window(range, t_ms, |metric, window| {
            result.push(SeriesValues { metric: metric.clone(), samples: window.samples.to_vec() });
        })?;
        Ok(result)
    }

    fn aggregation(&mut self, aggregation: &Aggregation, t_ms: i64) -> Result<Vec<Element>, Error> {
        let parameter = match &aggregation.op {
            AggregationOp::TopK(scalar) | AggregationOp::BottomK(scalar) | AggregationOp::Quantile(scalar) => {
                self.scalar(scalar, if aggregation.has_fixed_parameter { self.context_ms.0 } else { t_ms })?
            }
            _ => 0.0,
        };
        let vector = self.vector(&aggregation.vector, t_ms)?;
        aggregate::aggregate(&aggregation.op, parameter, &aggregation.by, vector, self.settings.dialect)
    }

    fn over_range(&mut self, function: &RangeFunction, range: &RangeExpr, t_ms: i64) -> Result<Vec<Element>, Error> {
        let parameter = match function {
            RangeFunction::PredictLinear(scalar) | RangeFunction::Quantile(scalar) => self.scalar(scalar, t_ms)?,
            _ => 0.0,
        };
        let dialect = self.settings.dialect;
        let mut result = Vec::new();
        self.for_each_window(range, t_ms, |metric, window| {
            if let Some(value) = over_time::evaluate(function, parameter, window, dialect) {
                result.push(Element { metric: metric.clone(), value });
            }
        })?;
        Ok(result)
    }

    /// Refuses series that differ only in the name that they are about to lose. Prometheus looks at the
    /// whole of a range query, not at each of its steps.
    fn rename(&mut self, renaming: Option<Renaming>, vector: &[Element]) -> Result<(), Error> {
        let Some(Renaming(number)) = renaming.filter(|_| self.context_ms.0 < self.context_ms.1) else {
            return Ok(());
        };
        let renamed = &mut self.renamed[number];
        let is_new = |element: &Element| {
            let before = renamed.entry(element.metric.without_metric()).or_insert_with(|| element.metric.clone());
            *before == element.metric
        };
        if vector.iter().all(is_new) { Ok(()) } else { Err(elementwise::same_labels()) }
    }

    /// The newest sample of each series, if it is at most the lookback old and no stale marker.
    fn instant(
        &mut self,
        selector: &Selector,
        t_ms: i64,
        value: impl Fn(Sample) -> f64,
    ) -> Result<Vec<Element>, Error> {
        let to_ms = self.shifted(selector.time, t_ms);
        let from_ms = self.first_included(to_ms - self.settings.lookback_ms);
        let series = self.select(selector);
        self.spend(series.len())?;
        let newest = series.iter().filter_map(|&series| {
            let sample = self.store.samples(series, from_ms, to_ms).next_back()?;
            let is_live = !is_stale(sample.value);
            is_live.then(|| Element { metric: self.store.labels(series).clone(), value: value(sample) })
        });
        Ok(newest.collect())
    }

    /// Calls `visit` with each series that has samples in the range.
    fn for_each_window(
        &mut self,
        range: &RangeExpr,
        t_ms: i64,
        mut visit: impl FnMut(&Labels, &Window<'_>),
    ) -> Result<(), Error> {
        match range {
            RangeExpr::Selector { selector, range_ms } => {
                let end_ms = self.shifted(selector.time, t_ms);
                let start_ms = end_ms - range_ms;
                let from_ms = self.first_included(start_ms);
                let mut samples = Vec::new();
                for &series in &*self.select(selector) {
                    samples.clear();
                    samples.extend(self.store.samples(series, from_ms, end_ms).filter(|s| !is_stale(s.value)));
                    self.spend(1 + samples.len())?;
                    if !samples.is_empty() {
                        visit(self.store.labels(series), &Window { samples: &samples, start_ms, end_ms, t_ms });
                    }
                }
            }
            RangeExpr::Subquery { number, vector, range_ms, step_ms, time } => {
                let end_ms = self.shifted(*time, t_ms);
                let start_ms = end_ms - range_ms;
                if self.subqueries[*number].is_none() {
                    let step_ms = step_ms.unwrap_or(self.settings.subquery_step_ms);
                    let first_ms = self.first_included(self.shifted(*time, self.context_ms.0) - range_ms);
                    let last_ms = self.shifted(*time, self.context_ms.1);
                    self.subqueries[*number] = Some(self.steps(vector, (first_ms, last_ms), step_ms)?.into());
                }
                let from_ms = self.first_included(start_ms);
                for series in &*self.subqueries[*number].clone().unwrap_or_default() {
                    let first = series.samples.partition_point(|sample| sample.t_ms < from_ms);
                    let end = series.samples.partition_point(|sample| sample.t_ms <= end_ms);
                    if first < end {
                        let samples = &series.samples[first..end];
                        self.spend(1 + samples.len())?;
                        visit(&series.metric, &Window { samples, start_ms, end_ms, t_ms });
                    }
                }
            }
        }
        Ok(())
    }

    /// The values of an instant vector at the multiples of the step between two times.
    fn steps(&mut self, vector: &VectorExpr, (from, to): (i64, i64), step_ms: i64) -> Result<Vec<SeriesValues>, Error> {
        let mut collected = super::Collected::default();
        let mut t_ms = from + (-from).rem_euclid(step_ms);
        let outer_ms = mem::replace(&mut self.context_ms, (t_ms, to));
        while t_ms <= to {
            self.spend(1)?;
            collected.add(t_ms, self.vector(vector, t_ms)?);
            t_ms += step_ms;
        }
        self.context_ms = outer_ms;
        Ok(collected.into_series())
    }

    fn select(&mut self, selector: &Selector) -> Rc<[SeriesIx]> {
        let selected = &mut self.selected[selector.number];
        Rc::clone(selected.get_or_insert_with(|| self.store.select(&selector.matchers).into()))
    }

    /// The time that a selector looks at.
    fn shifted(&self, time: TimeShift, t_ms: i64) -> i64 {
        let t_ms = match time.at {
            None => t_ms,
            Some(FixedTime::Millis(at)) => at,
            Some(FixedTime::QueryStart) => self.span_ms.0,
            Some(FixedTime::QueryEnd) => self.span_ms.1,
        };
        t_ms.saturating_sub(time.offset_ms)
    }

    /// The first millisecond of a range that begins at `start_ms`.
    fn first_included(&self, start_ms: i64) -> i64 {
        match self.settings.dialect {
            Dialect::Prometheus2 => start_ms,
            Dialect::Prometheus3 => start_ms + 1,
        }
    }

    /// Counts samples and steps, so that a query cannot run for ever.
    pub(super) fn spend(&mut self, samples: usize) -> Result<(), Error> {
        let message = "query processing would load too many samples into memory in query execution";
        self.budget = self.budget.checked_sub(samples).ok_or_else(|| Error::Execution(message.into()))?;
        Ok(())
    }
}
