//! PromQL over the samples of a [`Store`].
//!
//! [`Query::parse`] turns a text into a plan or an error with its place in the text;
//! [`Query::instant`] and [`Query::range`] answer it. Data flow: text → tokens and `outline` (places,
//! syntax errors) and `promql-parser` (syntax tree) → `lower` → `plan` (types right by construction)
//! → `eval` → [`Value`].
//!
//! Terms, as in Prometheus: an *instant vector* is one value for each of some series at one time; a
//! *range vector* is several samples for each; the *lookback* is how old the newest sample of a series
//! may be before an instant selector no longer sees it; a *stale marker* ends a series at once.
//!
//! Answers are those of Prometheus on the same samples, to the last bit of all arithmetic but the
//! transcendental functions, which come from `libm` so that they are the same on every machine.
//! [`Dialect`] says of which release. What is different, on purpose:
//! - Vectors come in the order of their label sets, where Prometheus has no order: a `sum` adds in that
//!   order, and among equal values `topk` and `bottomk` prefer the first.
//! - A range fixed by `@` is the same at every step of a range query; in `predict_linear`, and in
//!   `quantile_over_time` with a quantile that changes, Prometheus 2.42 moves it.
//! - `timestamp` of a selector with both `@` and `offset` heeds both; Prometheus forgets the offset.
//! - A subquery of what `@` fixes altogether has no value where no step lies in its range; in Prometheus
//!   2.42 it has one. If its first step is the time of the query, Prometheus misses the fixed time by the
//!   subquery's offset.
//! - `count_values … by` keeps all grouping labels at every step; Prometheus 2.42 may lose one that sorts
//!   behind the new label.
//! - Expressions of durations (`[5m + 1m]`, `offset - -5m`) and unquoted label names other than
//!   `[a-zA-Z_][a-zA-Z0-9_]*` are refused, which Prometheus 3 takes.
//! - A query that touches more than [`Settings::max_samples`] samples and steps is refused, where
//!   Prometheus bounds memory and time.
//! - Native histograms, what Prometheus 3 has as experiments (`double_exponential_smoothing`, `limitk`,
//!   `mad_over_time`, `info`, `fill`, …), the `holt_winters` of Prometheus 2 and `or` between label matchers
//!   are refused.
//!
//! `tests/prometheus` holds all this against Prometheus 2.42 and 3.13, on expressions made by chance.

mod aggregate;
mod binary;
mod dates;
mod elementwise;
mod error;
mod eval;
mod histogram;
mod locate;
mod lower;
mod numeric;
mod outline;
mod over_time;
mod plan;
mod tokens;
mod value;

use std::collections::BTreeMap;

pub use error::{Error, Position};
use eval::Evaluator;
use plan::{Counts, Expr};
pub use value::{Element, SeriesValues, Value, format_value};

use crate::telemetry::{Labels, Sample, Store};

/// The release of Prometheus whose answers are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Release 2.42: a range and the lookback include a sample at their very beginning; `sum` adds
    /// plainly; a counter's zero point limits the extrapolation of `rate` before the distance of the
    /// samples does.
    #[default]
    Prometheus2,
    /// Releases from 3.0: ranges and lookback are open on the left; `sum` and `avg` compensate
    /// rounding; the zero point limits after the distance (since 2.51); `histogram_quantile` ignores
    /// relative differences below 1e-12 (since 2.50).
    Prometheus3,
}

/// What a Prometheus server has in its configuration.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Whose answers are given.
    pub dialect: Dialect,
    /// How old a sample may be for an instant selector, in milliseconds; Prometheus' default is 5 min.
    pub lookback_ms: i64,
    /// The step of a subquery that does not state one, in milliseconds: Prometheus' evaluation
    /// interval, by default 1 min.
    pub subquery_step_ms: i64,
    /// How many samples and subquery steps one query may touch.
    pub max_samples: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { dialect: Dialect::default(), lookback_ms: 300_000, subquery_step_ms: 60_000, max_samples: 10_000_000 }
    }
}

/// More points than this per series are refused, as by Prometheus' HTTP API.
const MAX_POINTS: i64 = 11_000;

/// A query that has been parsed and checked, ready to be answered at any time over any store.
#[derive(Clone, Debug)]
pub struct Query {
    expr: Expr,
    counts: Counts,
    /// Why it is no query in [`Dialect::Prometheus2`].
    newer: Option<Error>,
}

impl Query {
    /// Parses and checks a query.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let outline = outline::Outline::read(text)
            .map_err(|(offset, message)| Error::Parse { at: Position::of(text, offset), message })?;
        let tree = promql_parser::parser::parse(text).map_err(|message| locate::located(text, &outline, &message))?;
        let (expr, counts) = lower::lower(text, &outline, &tree)?;
        let newer = outline.newer.map(|(offset, message)| Error::Parse { at: Position::of(text, offset), message });
        Ok(Self { expr, counts, newer })
    }

    /// Answers the query at one time, in milliseconds.
    pub fn instant(&self, store: &Store, t_ms: i64, settings: Settings) -> Result<Value, Error> {
        self.check_dialect(settings)?;
        let mut evaluator = Evaluator::new(store, settings, self.counts, (t_ms, t_ms));
        Ok(match &self.expr {
            Expr::Scalar(scalar) => Value::Scalar(Sample { t_ms, value: evaluator.scalar(scalar, t_ms)? }),
            Expr::Vector(vector) => Value::Vector { t_ms, elements: evaluator.vector(vector, t_ms)? },
            Expr::Range(range) => Value::Matrix(evaluator.range(range, t_ms)?),
            Expr::Text(text) => Value::String { t_ms, text: text.clone() },
        })
    }

    /// Answers the query at `start_ms`, `start_ms + step_ms`, … up to and including `end_ms`, as a
    /// [`Value::Matrix`] ordered by label sets.
    pub fn range(
        &self,
        store: &Store,
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
        settings: Settings,
    ) -> Result<Value, Error> {
        self.check_dialect(settings)?;
        check_range(start_ms, end_ms, step_ms)?;
        let mut evaluator = Evaluator::new(store, settings, self.counts, (start_ms, end_ms));
        let mut collected = Collected::default();
        let mut t_ms = start_ms;
        while t_ms <= end_ms {
            evaluator.spend(1)?;
            let elements = match &self.expr {
                Expr::Vector(vector) => evaluator.vector(vector, t_ms)?,
                Expr::Scalar(scalar) => {
                    vec![Element { metric: Labels::empty(), value: evaluator.scalar(scalar, t_ms)? }]
                }
                Expr::Range(_) | Expr::Text(_) => {
                    let found = self.expr.type_name();
                    let message =
                        format!("invalid expression type {found:?} for range query, must be Scalar or instant Vector");
                    return Err(Error::Range(message));
                }
            };
            collected.add(t_ms, elements);
            t_ms += step_ms;
        }
        Ok(Value::Matrix(collected.into_series()))
    }

    /// The text is parsed before it is known whose answer is wanted.
    fn check_dialect(&self, settings: Settings) -> Result<(), Error> {
        match &self.newer {
            Some(error) if settings.dialect == Dialect::Prometheus2 => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

fn check_range(start_ms: i64, end_ms: i64, step_ms: i64) -> Result<(), Error> {
    let refused = |message: &str| Err(Error::Range(message.to_owned()));
    if end_ms < start_ms {
        return refused("end timestamp must not be before start time");
    }
    if step_ms <= 0 {
        return refused("zero or negative query resolution step widths are not accepted. Try a positive integer");
    }
    if end_ms.saturating_sub(start_ms) / step_ms > MAX_POINTS {
        return refused(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        );
    }
    Ok(())
}

/// Parses a query and answers it at one time, with default settings.
pub fn query(store: &Store, text: &str, t_ms: i64) -> Result<Value, Error> {
    Query::parse(text)?.instant(store, t_ms, Settings::default())
}

/// Parses a query and answers it at several times, with default settings.
pub fn query_range(store: &Store, text: &str, start_ms: i64, end_ms: i64, step_ms: i64) -> Result<Value, Error> {
    Query::parse(text)?.range(store, start_ms, end_ms, step_ms, Settings::default())
}

/// Instant vectors of successive times, sorted into series.
#[derive(Default)]
struct Collected {
    series: Vec<SeriesValues>,
    by_labels: BTreeMap<Labels, usize>,
}

impl Collected {
    fn add(&mut self, t_ms: i64, elements: Vec<Element>) {
        for (at, Element { metric, value }) in elements.into_iter().enumerate() {
            let sample = Sample { t_ms, value };
            // Vectors of successive times mostly have the same elements in the same order.
            match self.series.get_mut(at) {
                Some(series) if series.metric == metric => series.samples.push(sample),
                _ => self.add_out_of_order(metric, sample),
            }
        }
    }

    fn add_out_of_order(&mut self, metric: Labels, sample: Sample) {
        let known = *self.by_labels.entry(metric).or_insert_with_key(|metric| {
            let metric = metric.clone();
            self.series.push(SeriesValues { metric, samples: Vec::new() });
            self.series.len() - 1
        });
        self.series[known].samples.push(sample);
    }

    fn into_series(mut self) -> Vec<SeriesValues> {
        self.series.sort_by(|a, b| a.metric.cmp(&b.metric));
        self.series
    }
}
