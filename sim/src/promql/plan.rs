//! A query in the form in which it is evaluated: types are right by construction, names are resolved,
//! times are milliseconds.

use promql_parser::label::{MatchOp, Matcher};

use crate::telemetry::Labels;

/// An expression of any type.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    Scalar(ScalarExpr),
    Vector(VectorExpr),
    Range(RangeExpr),
    Text(String),
}

/// What gives one number.
#[derive(Clone, Debug)]
pub(super) enum ScalarExpr {
    Number(f64),
    /// `time()`: the evaluation time in seconds.
    Time,
    /// `scalar(v)`: the value of a vector's only element, else NaN.
    OnlyElement(Box<VectorExpr>),
    Negated(Box<Self>),
    Arithmetic(ArithmeticOp, Box<Self>, Box<Self>),
    /// With `bool`: 1 or 0.
    Comparison(ComparisonOp, Box<Self>, Box<Self>),
}

/// What gives an instant vector.
#[derive(Clone, Debug)]
pub(super) enum VectorExpr {
    Selector(Selector),
    /// `timestamp(selector)`: the times of the samples themselves.
    SampleTimes(Selector),
    OverRange {
        function: RangeFunction,
        range: RangeExpr,
        renaming: Option<Renaming>,
    },
    Map(MapFunction, Box<Self>),
    /// `vector(s)`: one element without labels.
    Constant(ScalarExpr),
    Negated(Box<Self>, Renaming),
    Sorted {
        descending: bool,
        vector: Box<Self>,
    },
    /// `absent(v)`: one element with these labels if the vector is empty.
    Absent(Labels, Box<Self>),
    /// `absent_over_time(range)`: the same if no series has a sample in the range.
    AbsentOverTime(Labels, RangeExpr),
    LabelReplace {
        target: String,
        replacement: String,
        source: String,
        /// As text and, if it is a regular expression, compiled.
        pattern: (String, Option<MatchOp>),
        vector: Box<Self>,
    },
    LabelJoin {
        target: String,
        separator: String,
        sources: Vec<String>,
        vector: Box<Self>,
    },
    HistogramQuantile(ScalarExpr, Box<Self>),
    Aggregation(Box<Aggregation>),
    /// An operator between a vector and a scalar, in either order.
    WithScalar {
        op: VectorOp,
        vector: Box<Self>,
        scalar: ScalarExpr,
        scalar_first: bool,
    },
    /// An operator between the matching elements of two vectors.
    Matched {
        op: VectorOp,
        left: Box<Self>,
        right: Box<Self>,
        matching: Matching,
    },
    /// A set operator.
    Set {
        op: SetOp,
        left: Box<Self>,
        right: Box<Self>,
        on: LabelChoice,
    },
}

/// What gives a range vector.
#[derive(Clone, Debug)]
pub(super) enum RangeExpr {
    /// The samples of the last `range_ms`.
    Selector { selector: Selector, range_ms: i64 },
    /// The values of an instant vector at the multiples of a step within the last `range_ms`.
    Subquery {
        /// Which subquery of the query this is, from 0.
        number: usize,
        vector: Box<VectorExpr>,
        range_ms: i64,
        step_ms: Option<i64>,
        time: TimeShift,
    },
}

/// An expression that drops the names of series of several metrics, numbered from 0 in its query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Renaming(pub(super) usize);

/// How many there are of what a query's evaluation keeps something for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) selectors: usize,
    pub(super) subqueries: usize,
    pub(super) renamings: usize,
}

/// Series by their labels.
#[derive(Clone, Debug)]
pub(super) struct Selector {
    /// Which selector of the query this is, from 0.
    pub(super) number: usize,
    /// The metric name's matcher among them.
    pub(super) matchers: Vec<Matcher>,
    pub(super) time: TimeShift,
}

/// The `offset` and `@` modifiers.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeShift {
    pub(super) offset_ms: i64,
    pub(super) at: Option<FixedTime>,
}

/// The argument of `@`.
#[derive(Clone, Copy, Debug)]
pub(super) enum FixedTime {
    Millis(i64),
    QueryStart,
    QueryEnd,
}

/// A function of the samples of a range.
#[derive(Clone, Debug)]
pub(super) enum RangeFunction {
    Rate,
    Irate,
    Increase,
    Delta,
    Idelta,
    Deriv,
    /// Seconds to look ahead.
    PredictLinear(ScalarExpr),
    Resets,
    Changes,
    Avg,
    Min,
    Max,
    Sum,
    Count,
    Last,
    Quantile(ScalarExpr),
    Stddev,
    Stdvar,
    Present,
}

/// A function of each element on its own.
#[derive(Clone, Debug)]
pub(super) enum MapFunction {
    /// Of the value alone.
    Of(fn(f64) -> f64),
    /// To the nearest multiple.
    Round(Option<ScalarExpr>),
    Clamp(ScalarExpr, ScalarExpr),
    ClampMin(ScalarExpr),
    ClampMax(ScalarExpr),
    /// The evaluation time: `timestamp()` of anything but a selector.
    Timestamp,
}

/// An aggregation over the elements of each group.
#[derive(Clone, Debug)]
pub(super) struct Aggregation {
    pub(super) op: AggregationOp,
    /// The operator's argument is what it is at the first step, since the vector is the same at each.
    pub(super) has_fixed_parameter: bool,
    pub(super) by: LabelChoice,
    pub(super) vector: VectorExpr,
}

#[derive(Clone, Debug)]
pub(super) enum AggregationOp {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    TopK(ScalarExpr),
    BottomK(ScalarExpr),
    Quantile(ScalarExpr),
    /// The label that gets the value.
    CountValues(String),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum ArithmeticOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Atan2,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum ComparisonOp {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
}

/// An operator with a vector operand.
#[derive(Clone, Copy, Debug)]
pub(super) enum VectorOp {
    Arithmetic(ArithmeticOp),
    /// Keeps the elements for which it holds.
    Filter(ComparisonOp),
    /// `bool`: 1 or 0 for each element.
    Compare(ComparisonOp),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum SetOp {
    And,
    Or,
    Unless,
}

/// Which labels count: some, or all but some.
#[derive(Clone, Debug)]
pub(super) enum LabelChoice {
    /// `by`, `on`.
    Only(Vec<String>),
    /// `without`, `ignoring`; the metric's name never counts.
    Except(Vec<String>),
}

/// Which elements of two vectors belong together.
#[derive(Clone, Debug)]
pub(super) struct Matching {
    pub(super) on: LabelChoice,
    pub(super) cardinality: Cardinality,
}

#[derive(Clone, Debug)]
pub(super) enum Cardinality {
    OneToOne,
    /// `group_left` with the labels to take from the right side.
    ManyToOne(Vec<String>),
    /// `group_right` with the labels to take from the left side.
    OneToMany(Vec<String>),
}

impl LabelChoice {
    /// Does the label with this name count?
    pub(super) fn includes(&self, name: &str) -> bool {
        match self {
            Self::Only(names) => names.iter().any(|n| n == name),
            Self::Except(names) => name != crate::telemetry::METRIC_NAME && !names.iter().any(|n| n == name),
        }
    }
}
