//! From the parser's syntax tree to a plan, with an error at the right place for what is not supported.
//!
//! The tree is walked in the order of the text, and each node takes the next place of its kind from
//! the query's outline.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{
    self, AggregateExpr, AtModifier, BinModifier, BinaryExpr, LabelModifier, Offset, SubqueryExpr,
    VectorMatchCardinality, token,
};

use super::error::{Error, Position};
use super::outline::{Item, Outline, Place};
use super::plan::{
    Aggregation, AggregationOp, ArithmeticOp, Cardinality, ComparisonOp, Counts, Expr, FixedTime, LabelChoice,
    Matching, RangeExpr, Renaming, ScalarExpr, Selector, SetOp, TimeShift, VectorExpr, VectorOp,
};
use crate::telemetry::METRIC_NAME;

mod functions;
mod invariant;

/// Lowers a whole query.
pub(super) fn lower(text: &str, outline: &Outline, tree: &parser::Expr) -> Result<(Expr, Counts), Error> {
    let places = outline.places.iter().copied();
    let mut lowering = Lowering { text, places, pluses: &outline.pluses, counts: Counts::default() };
    let expr = lowering.expr(tree)?.expr;
    Ok((expr, lowering.counts))
}

struct Lowering<'a, Places> {
    text: &'a str,
    places: Places,
    /// Where operands begin that have a `+` in front of them.
    pluses: &'a BTreeSet<usize>,
    counts: Counts,
}

/// An expression and the offset at which it begins.
struct Placed {
    expr: Expr,
    start: usize,
}

impl<Places: Iterator<Item = Place>> Lowering<'_, Places> {
    /// Where the next node of this kind stands.
    fn place(&mut self, item: Item) -> usize {
        self.places.find(|place| place.item == item).map_or(0, |place| place.start)
    }

    fn unsupported(&self, start: usize, construct: impl Into<String>) -> Error {
        Error::Unsupported { at: Position::of(self.text, start), construct: construct.into() }
    }

    fn wrong_type(&self, start: usize, message: impl Into<String>) -> Error {
        Error::Type { at: Position::of(self.text, start), message: message.into() }
    }

    fn expr(&mut self, tree: &parser::Expr) -> Result<Placed, Error> {
        let placed = self.operand(tree)?;
        if matches!(placed.expr, Expr::Range(_) | Expr::Text(_)) && self.pluses.contains(&placed.start) {
            return Err(self.wrong_sign(&placed));
        }
        Ok(placed)
    }

    fn operand(&mut self, tree: &parser::Expr) -> Result<Placed, Error> {
        let placed = |start, expr| Ok(Placed { expr, start });
        match tree {
            parser::Expr::NumberLiteral(number) => {
                let start = self.place(Item::Number);
                placed(start, Expr::Scalar(ScalarExpr::Number(number.val)))
            }
            parser::Expr::StringLiteral(text) => {
                let start = self.place(Item::Text);
                placed(start, Expr::Text(text.val.clone()))
            }
            parser::Expr::VectorSelector(selector) => {
                let start = self.place(Item::Selector);
                placed(start, Expr::Vector(VectorExpr::Selector(self.selector(selector, start)?)))
            }
            parser::Expr::MatrixSelector(matrix) => {
                let start = self.place(Item::Selector);
                let range_ms = millis(matrix.range);
                let selector = self.selector(&matrix.vs, start)?;
                placed(start, Expr::Range(RangeExpr::Selector { selector, range_ms }))
            }
            parser::Expr::Paren(paren) => {
                let start = self.place(Item::Paren);
                placed(start, self.expr(&paren.expr)?.expr)
            }
            parser::Expr::Unary(unary) => self.negated(&unary.expr),
            parser::Expr::Subquery(subquery) => self.subquery(subquery),
            parser::Expr::Call(call) => self.call(call),
            parser::Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            parser::Expr::Binary(binary) => self.binary(binary),
            parser::Expr::Extension(_) => Err(self.unsupported(0, "an extension of the language")),
        }
    }

    fn scalar(&mut self, tree: &parser::Expr) -> Result<ScalarExpr, Error> {
        match self.expr(tree)? {
            Placed { expr: Expr::Scalar(scalar), .. } => Ok(scalar),
            other => Err(self.wrong_type(other.start, format!("expected type scalar, got {}", other.expr.type_name()))),
        }
    }

    fn vector(&mut self, tree: &parser::Expr) -> Result<VectorExpr, Error> {
        match self.expr(tree)? {
            Placed { expr: Expr::Vector(vector), .. } => Ok(vector),
            other => {
                Err(self
                    .wrong_type(other.start, format!("expected type instant vector, got {}", other.expr.type_name())))
            }
        }
    }

    fn range(&mut self, tree: &parser::Expr) -> Result<RangeExpr, Error> {
        match self.expr(tree)? {
            Placed { expr: Expr::Range(range), .. } => Ok(range),
            other => {
                Err(self.wrong_type(other.start, format!("expected type range vector, got {}", other.expr.type_name())))
            }
        }
    }

    fn string(&mut self, tree: &parser::Expr) -> Result<String, Error> {
        match self.expr(tree)? {
            Placed { expr: Expr::Text(text), .. } => Ok(text),
            other => Err(self.wrong_type(other.start, format!("expected type string, got {}", other.expr.type_name()))),
        }
    }

    fn selector(&mut self, selector: &parser::VectorSelector, start: usize) -> Result<Selector, Error> {
        if !selector.matchers.or_matchers.is_empty() {
            return Err(self.unsupported(start, "`or` between label matchers"));
        }
        let name = selector.name.as_ref().map(|name| Matcher::new(MatchOp::Equal, METRIC_NAME, name));
        let number = next(&mut self.counts.selectors);
        Ok(Selector {
            number,
            matchers: name.into_iter().chain(selector.matchers.matchers.iter().cloned()).collect(),
            time: time_shift(selector.offset.as_ref(), selector.at.as_ref()),
        })
    }

    fn negated(&mut self, operand: &parser::Expr) -> Result<Placed, Error> {
        let operand = self.expr(operand)?;
        let expr = match operand.expr {
            Expr::Scalar(scalar) => Expr::Scalar(ScalarExpr::Negated(Box::new(scalar))),
            Expr::Vector(vector) => Expr::Vector(VectorExpr::Negated(Box::new(vector), self.renaming())),
            Expr::Range(_) | Expr::Text(_) => return Err(self.wrong_sign(&operand)),
        };
        Ok(Placed { expr, ..operand })
    }

    fn renaming(&mut self) -> Renaming {
        Renaming(next(&mut self.counts.renamings))
    }

    /// A sign in front of what has none.
    fn wrong_sign(&self, operand: &Placed) -> Error {
        let message = "unary expression only allowed on expressions of type scalar or instant vector";
        self.wrong_type(operand.start, format!("{message}, got {:?}", operand.expr.type_name()))
    }

    fn subquery(&mut self, subquery: &SubqueryExpr) -> Result<Placed, Error> {
        let Placed { expr, start } = self.expr(&subquery.expr)?;
        let Expr::Vector(vector) = expr else {
            let message = format!("subquery is only allowed on instant vector, got {} instead", expr.type_name());
            return Err(self.wrong_type(start, message));
        };
        let range = RangeExpr::Subquery {
            number: next(&mut self.counts.subqueries),
            vector: Box::new(vector),
            range_ms: millis(subquery.range),
            step_ms: subquery.step.map(millis),
            time: time_shift(subquery.offset.as_ref(), subquery.at.as_ref()),
        };
        Ok(Placed { expr: Expr::Range(range), start })
    }

    fn aggregate(&mut self, aggregate: &AggregateExpr) -> Result<Placed, Error> {
        let start = self.place(Item::Aggregate);
        let parameter = aggregate.param.as_deref();
        let no_parameter = || self.wrong_type(start, "the aggregation needs a parameter");
        let parameter_tree = parameter.ok_or_else(no_parameter);
        let op = match aggregate.op.id() {
            token::T_SUM => AggregationOp::Sum,
            token::T_AVG => AggregationOp::Avg,
            token::T_MIN => AggregationOp::Min,
            token::T_MAX => AggregationOp::Max,
            token::T_COUNT => AggregationOp::Count,
            token::T_GROUP => AggregationOp::Group,
            token::T_STDDEV => AggregationOp::Stddev,
            token::T_STDVAR => AggregationOp::Stdvar,
            token::T_TOPK => AggregationOp::TopK(self.scalar(parameter_tree?)?),
            token::T_BOTTOMK => AggregationOp::BottomK(self.scalar(parameter_tree?)?),
            token::T_QUANTILE => AggregationOp::Quantile(self.scalar(parameter_tree?)?),
            token::T_COUNT_VALUES => AggregationOp::CountValues(self.string(parameter_tree?)?),
            _ => return Err(self.unsupported(start, format!("the aggregation {}", aggregate.op))),
        };
        let by = match &aggregate.modifier {
            None => LabelChoice::Only(Vec::new()),
            Some(modifier) => label_choice(modifier),
        };
        let vector = self.vector(&aggregate.expr)?;
        let has_fixed_parameter = invariant::is_invariant(&aggregate.expr);
        let aggregation = Aggregation { op, has_fixed_parameter, by, vector };
        Ok(Placed { expr: Expr::Vector(VectorExpr::Aggregation(Box::new(aggregation))), start })
    }

    fn binary(&mut self, binary: &BinaryExpr) -> Result<Placed, Error> {
        let left = self.expr(&binary.lhs)?;
        let operator = self.place(Item::Operator);
        let right = self.expr(&binary.rhs)?;
        let modifier = binary.modifier.clone().unwrap_or_default();
        if modifier.fill_values.lhs.or(modifier.fill_values.rhs).is_some() {
            return Err(self.unsupported(operator, "the `fill` modifier"));
        }
        if let Some(op) = set_op(binary.op.id()) {
            return self.set_expr(op, left, right, modifier.matching.as_ref());
        }
        let Some(op) = vector_op(binary.op.id(), modifier.return_bool) else {
            return Err(self.unsupported(operator, format!("the operator {}", binary.op)));
        };
        let start = left.start;
        let expr = match (left.expr, right.expr) {
            (Expr::Scalar(left), Expr::Scalar(right)) => {
                let (left, right) = (Box::new(left), Box::new(right));
                Expr::Scalar(match op {
                    VectorOp::Arithmetic(op) => ScalarExpr::Arithmetic(op, left, right),
                    VectorOp::Filter(op) | VectorOp::Compare(op) => ScalarExpr::Comparison(op, left, right),
                })
            }
            (Expr::Vector(vector), Expr::Scalar(scalar)) => {
                Expr::Vector(VectorExpr::WithScalar { op, vector: Box::new(vector), scalar, scalar_first: false })
            }
            (Expr::Scalar(scalar), Expr::Vector(vector)) => {
                Expr::Vector(VectorExpr::WithScalar { op, vector: Box::new(vector), scalar, scalar_first: true })
            }
            (Expr::Vector(left), Expr::Vector(right)) => {
                let matching = matching(&modifier);
                Expr::Vector(VectorExpr::Matched { op, left: Box::new(left), right: Box::new(right), matching })
            }
            _ => {
                return Err(
                    self.wrong_type(start, "binary expression must contain only scalar and instant vector types")
                );
            }
        };
        Ok(Placed { expr, start })
    }

    fn set_expr(
        &mut self,
        op: SetOp,
        left: Placed,
        right: Placed,
        on: Option<&LabelModifier>,
    ) -> Result<Placed, Error> {
        let (Expr::Vector(l), Expr::Vector(r)) = (left.expr, right.expr) else {
            return Err(self.wrong_type(left.start, "set operators are only allowed between instant vectors"));
        };
        let on = on.map_or(LabelChoice::Except(Vec::new()), label_choice);
        let expr = Expr::Vector(VectorExpr::Set { op, left: Box::new(l), right: Box::new(r), on });
        Ok(Placed { expr, start: left.start })
    }
}

/// The number, and one more for the next.
fn next(count: &mut usize) -> usize {
    *count += 1;
    *count - 1
}

impl Expr {
    /// As Prometheus calls the type in its messages.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Scalar(_) => "scalar",
            Self::Vector(_) => "instant vector",
            Self::Range(_) => "range vector",
            Self::Text(_) => "string",
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn time_shift(offset: Option<&Offset>, at: Option<&AtModifier>) -> TimeShift {
    let offset_ms = match offset {
        None => 0,
        Some(Offset::Pos(duration)) => millis(*duration),
        Some(Offset::Neg(duration)) => -millis(*duration),
    };
    let at = at.map(|at| match at {
        AtModifier::Start => FixedTime::QueryStart,
        AtModifier::End => FixedTime::QueryEnd,
        AtModifier::At(time) => FixedTime::Millis(match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => millis(after),
            Err(before) => -millis(before.duration()),
        }),
    });
    TimeShift { offset_ms, at }
}

fn label_choice(modifier: &LabelModifier) -> LabelChoice {
    match modifier {
        LabelModifier::Include(labels) => LabelChoice::Only(labels.labels.clone()),
        LabelModifier::Exclude(labels) => LabelChoice::Except(labels.labels.clone()),
    }
}

fn matching(modifier: &BinModifier) -> Matching {
    Matching {
        on: modifier.matching.as_ref().map_or(LabelChoice::Except(Vec::new()), label_choice),
        cardinality: match &modifier.card {
            VectorMatchCardinality::ManyToOne(include) => Cardinality::ManyToOne(include.labels.clone()),
            VectorMatchCardinality::OneToMany(include) => Cardinality::OneToMany(include.labels.clone()),
            VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany => Cardinality::OneToOne,
        },
    }
}

fn set_op(id: token::TokenId) -> Option<SetOp> {
    match id {
        token::T_LAND => Some(SetOp::And),
        token::T_LOR => Some(SetOp::Or),
        token::T_LUNLESS => Some(SetOp::Unless),
        _ => None,
    }
}

fn vector_op(id: token::TokenId, returns_bool: bool) -> Option<VectorOp> {
    let arithmetic = |op| Some(VectorOp::Arithmetic(op));
    let comparison = |op| Some(if returns_bool { VectorOp::Compare(op) } else { VectorOp::Filter(op) });
    match id {
        token::T_ADD => arithmetic(ArithmeticOp::Add),
        token::T_SUB => arithmetic(ArithmeticOp::Subtract),
        token::T_MUL => arithmetic(ArithmeticOp::Multiply),
        token::T_DIV => arithmetic(ArithmeticOp::Divide),
        token::T_MOD => arithmetic(ArithmeticOp::Modulo),
        token::T_POW => arithmetic(ArithmeticOp::Power),
        token::T_ATAN2 => arithmetic(ArithmeticOp::Atan2),
        token::T_EQLC => comparison(ComparisonOp::Equal),
        token::T_NEQ => comparison(ComparisonOp::NotEqual),
        token::T_GTR => comparison(ComparisonOp::Greater),
        token::T_LSS => comparison(ComparisonOp::Less),
        token::T_GTE => comparison(ComparisonOp::GreaterOrEqual),
        token::T_LTE => comparison(ComparisonOp::LessOrEqual),
        _ => None,
    }
}
