//! Which expressions are the same at every step of a range query.

use promql_parser::parser::Expr;

/// Functions that look at the time of evaluation (`AtModifierUnsafeFunctions` in Prometheus'
/// `promql/functions.go`).
const TIMELY: [&str; 11] = [
    "days_in_month",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "hour",
    "minute",
    "month",
    "year",
    "predict_linear",
    "time",
    "timestamp",
];

/// Does Prometheus evaluate the expression only once (`preprocessExprHelper` in `promql/engine.go`)? As
/// there, the parameter of an aggregation does not count.
pub(super) fn is_invariant(tree: &Expr) -> bool {
    match tree {
        Expr::VectorSelector(selector) => selector.at.is_some(),
        Expr::MatrixSelector(matrix) => matrix.vs.at.is_some(),
        Expr::Subquery(subquery) => subquery.at.is_some(),
        Expr::Aggregate(aggregate) => is_invariant(&aggregate.expr),
        Expr::Binary(binary) => is_invariant(&binary.lhs) && is_invariant(&binary.rhs),
        Expr::Call(call) => {
            !TIMELY.contains(&call.func.name) && call.args.args.iter().all(|argument| is_invariant(argument))
        }
        Expr::Paren(paren) => is_invariant(&paren.expr),
        Expr::Unary(unary) => is_invariant(&unary.expr),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => true,
        Expr::Extension(_) => false,
    }
}
