//! Function calls.

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{self, Call, token};

use super::{Item, Lowering, Place, Placed};
use crate::promql::dates;
use crate::promql::error::Error;
use crate::promql::plan::{Expr, MapFunction, RangeExpr, RangeFunction, ScalarExpr, VectorExpr};
use crate::telemetry::{Labels, METRIC_NAME};

impl<Places: Iterator<Item = Place>> Lowering<'_, Places> {
    pub(super) fn call(&mut self, call: &Call) -> Result<Placed, Error> {
        let start = self.place(Item::Call);
        let name = call.func.name;
        let arguments: Vec<&parser::Expr> = call.args.args.iter().map(AsRef::as_ref).collect();
        let expr = match (name, arguments.as_slice()) {
            ("time", []) => Expr::Scalar(ScalarExpr::Time),
            ("pi", []) => Expr::Scalar(ScalarExpr::Number(std::f64::consts::PI)),
            ("scalar", [vector]) => Expr::Scalar(ScalarExpr::OnlyElement(Box::new(self.vector(vector)?))),
            (_, arguments) => match self.vector_call(name, arguments)? {
                Some(vector) => Expr::Vector(vector),
                None => return Err(self.unsupported(start, format!("the function {name}()"))),
            },
        };
        Ok(Placed { expr, start })
    }

    /// Lowers the arguments in the order of the text; `None` for a function that is not supported.
    fn vector_call(&mut self, name: &str, arguments: &[&parser::Expr]) -> Result<Option<VectorExpr>, Error> {
        let sorted = |descending, vector| VectorExpr::Sorted { descending, vector: Box::new(vector) };
        Ok(Some(match (name, arguments) {
            ("vector", [scalar]) => VectorExpr::Constant(self.scalar(scalar)?),
            ("sort", [vector]) => sorted(false, self.vector(vector)?),
            ("sort_desc", [vector]) => sorted(true, self.vector(vector)?),
            ("absent", [vector]) => VectorExpr::Absent(absent_labels(vector), Box::new(self.vector(vector)?)),
            ("absent_over_time", [range]) => VectorExpr::AbsentOverTime(absent_labels(range), self.range(range)?),
            ("histogram_quantile", [quantile, buckets]) => {
                let quantile = self.scalar(quantile)?;
                VectorExpr::HistogramQuantile(quantile, Box::new(self.vector(buckets)?))
            }
            ("timestamp", [vector]) => match self.vector(vector)? {
                VectorExpr::Selector(selector) => VectorExpr::SampleTimes(selector),
                vector => VectorExpr::Map(MapFunction::Timestamp, Box::new(vector)),
            },
            ("label_replace", [vector, target, replacement, source, pattern]) => {
                self.label_replace(vector, target, replacement, source, pattern)?
            }
            ("label_join", [vector, target, separator, sources @ ..]) => {
                self.label_join(vector, target, separator, sources)?
            }
            (name, arguments) => match self.map_call(name, arguments)? {
                Some(map) => map,
                None => return self.range_call(name, arguments),
            },
        }))
    }

    fn map_call(&mut self, name: &str, arguments: &[&parser::Expr]) -> Result<Option<VectorExpr>, Error> {
        let (vector, function) = match (name, arguments) {
            ("round", [vector]) => (self.vector(vector)?, MapFunction::Round(None)),
            ("round", [vector, to]) => (self.vector(vector)?, MapFunction::Round(Some(self.scalar(to)?))),
            ("clamp", [vector, min, max]) => {
                (self.vector(vector)?, MapFunction::Clamp(self.scalar(min)?, self.scalar(max)?))
            }
            ("clamp_min", [vector, min]) => (self.vector(vector)?, MapFunction::ClampMin(self.scalar(min)?)),
            ("clamp_max", [vector, max]) => (self.vector(vector)?, MapFunction::ClampMax(self.scalar(max)?)),
            (_, [vector]) => match number_function(name).or_else(|| date_function(name)) {
                Some(function) => (self.vector(vector)?, MapFunction::Of(function)),
                None => return Ok(None),
            },
            (_, []) => match date_function(name) {
                Some(function) => (VectorExpr::Constant(ScalarExpr::Time), MapFunction::Of(function)),
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        Ok(Some(VectorExpr::Map(function, Box::new(vector))))
    }

    fn range_call(&mut self, name: &str, arguments: &[&parser::Expr]) -> Result<Option<VectorExpr>, Error> {
        match (name, arguments) {
            ("quantile_over_time", [quantile, range]) => {
                let function = RangeFunction::Quantile(self.scalar(quantile)?);
                let range = self.range(range)?;
                return Ok(Some(self.over_range(function, range)));
            }
            ("predict_linear", [range, ahead]) => {
                let range = self.range(range)?;
                let function = RangeFunction::PredictLinear(self.scalar(ahead)?);
                return Ok(Some(self.over_range(function, range)));
            }
            _ => {}
        }
        let function = match name {
            "rate" => RangeFunction::Rate,
            "irate" => RangeFunction::Irate,
            "increase" => RangeFunction::Increase,
            "delta" => RangeFunction::Delta,
            "idelta" => RangeFunction::Idelta,
            "deriv" => RangeFunction::Deriv,
            "resets" => RangeFunction::Resets,
            "changes" => RangeFunction::Changes,
            "avg_over_time" => RangeFunction::Avg,
            "min_over_time" => RangeFunction::Min,
            "max_over_time" => RangeFunction::Max,
            "sum_over_time" => RangeFunction::Sum,
            "count_over_time" => RangeFunction::Count,
            "last_over_time" => RangeFunction::Last,
            "stddev_over_time" => RangeFunction::Stddev,
            "stdvar_over_time" => RangeFunction::Stdvar,
            "present_over_time" => RangeFunction::Present,
            _ => return Ok(None),
        };
        match arguments {
            [range] => {
                let range = self.range(range)?;
                Ok(Some(self.over_range(function, range)))
            }
            _ => Ok(None),
        }
    }

    fn over_range(&mut self, function: RangeFunction, range: RangeExpr) -> VectorExpr {
        let keeps_names = matches!(function, RangeFunction::Last);
        let is_one_metric = match &range {
            RangeExpr::Selector { selector, .. } => {
                selector.matchers.iter().any(|matcher| matcher.name == METRIC_NAME && matcher.op == MatchOp::Equal)
            }
            RangeExpr::Subquery { .. } => false,
        };
        let renaming = (!keeps_names && !is_one_metric).then(|| self.renaming());
        VectorExpr::OverRange { function, range, renaming }
    }

    fn label_replace(
        &mut self,
        vector: &parser::Expr,
        target: &parser::Expr,
        replacement: &parser::Expr,
        source: &parser::Expr,
        pattern: &parser::Expr,
    ) -> Result<VectorExpr, Error> {
        let vector = Box::new(self.vector(vector)?);
        let (target, replacement, source) = (self.string(target)?, self.string(replacement)?, self.string(source)?);
        let pattern = self.string(pattern)?;
        // The parser compiles regular expressions of matchers, anchored as Prometheus wants them here.
        let matcher = Matcher::new_matcher(token::T_EQL_REGEX, String::new(), pattern.clone());
        let compiled = matcher.ok().map(|matcher| matcher.op);
        Ok(VectorExpr::LabelReplace { target, replacement, source, pattern: (pattern, compiled), vector })
    }

    fn label_join(
        &mut self,
        vector: &parser::Expr,
        target: &parser::Expr,
        separator: &parser::Expr,
        sources: &[&parser::Expr],
    ) -> Result<VectorExpr, Error> {
        let vector = Box::new(self.vector(vector)?);
        let (target, separator) = (self.string(target)?, self.string(separator)?);
        let sources = sources.iter().map(|source| self.string(source)).collect::<Result<_, _>>()?;
        Ok(VectorExpr::LabelJoin { target, separator, sources, vector })
    }
}

/// A function of one number.
fn number_function(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "ceil" => f64::ceil,
        "floor" => f64::floor,
        "sqrt" => f64::sqrt,
        "exp" => libm::exp,
        "ln" => libm::log,
        "log2" => libm::log2,
        "log10" => libm::log10,
        "sgn" => |value| {
            if value < 0.0 {
                -1.0
            } else if value > 0.0 {
                1.0
            } else {
                value
            }
        },
        "sin" => libm::sin,
        "cos" => libm::cos,
        "tan" => libm::tan,
        "asin" => libm::asin,
        "acos" => libm::acos,
        "atan" => libm::atan,
        "sinh" => libm::sinh,
        "cosh" => libm::cosh,
        "tanh" => libm::tanh,
        "asinh" => libm::asinh,
        // libm's is wrong below -2.
        "acosh" => |value| if value < 1.0 { f64::NAN } else { libm::acosh(value) },
        "atanh" => libm::atanh,
        "deg" => |value| value * 180.0 / std::f64::consts::PI,
        "rad" => |value| value * std::f64::consts::PI / 180.0,
        _ => return None,
    })
}

/// A function of a time in seconds, which without an argument is the evaluation time.
fn date_function(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "minute" => dates::minute,
        "hour" => dates::hour,
        "day_of_week" => dates::day_of_week,
        "day_of_month" => dates::day_of_month,
        "day_of_year" => dates::day_of_year,
        "days_in_month" => dates::days_in_month,
        "month" => dates::month,
        "year" => dates::year,
        _ => return None,
    })
}

/// The labels that `absent()` can tell from its argument: those of a selector that must equal one
/// value (`createLabelsForAbsentFunction` in Prometheus' `promql/functions.go`).
fn absent_labels(argument: &parser::Expr) -> Labels {
    let mut argument = argument;
    while let parser::Expr::Paren(paren) = argument {
        argument = &paren.expr;
    }
    let selector = match argument {
        parser::Expr::VectorSelector(selector) => selector,
        parser::Expr::MatrixSelector(matrix) => &matrix.vs,
        _ => return Labels::empty(),
    };
    let mut known: Vec<(&str, &str)> = Vec::new();
    for matcher in selector.matchers.matchers.iter().filter(|matcher| matcher.name != METRIC_NAME) {
        let is_new = known.iter().all(|(name, value)| *name != matcher.name || value.is_empty());
        let value = if matcher.op == MatchOp::Equal && is_new { matcher.value.as_str() } else { "" };
        known.push((&matcher.name, value));
    }
    known.into_iter().collect()
}
