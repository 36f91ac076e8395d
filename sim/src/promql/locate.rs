//! Finds the place of an error that `promql-parser` reports without one.
//!
//! The parser checks types bottom-up, so the smallest operand whose own text gives the same error is
//! the culprit. Within it an operator is found as the first that gives the error together with the
//! operands before and after it.

use promql_parser::parser::parse;

use super::error::{Error, Position};
use super::outline::{Item, Outline, Place};

/// The parser's error at its place, in Prometheus' words.
pub(super) fn located(text: &str, outline: &Outline, message: &str) -> Error {
    let gives_error = |start: usize, end: usize| parse(&text[start..end]).is_err_and(|found| found == message);
    let mut operands: Vec<&Place> = outline.places.iter().filter(|p| p.item != Item::Operator).collect();
    operands.sort_by_key(|place| place.end - place.start);
    let culprit = operands.into_iter().find(|place| gives_error(place.start, place.end));

    let operator = |start, end| operator_at_fault(outline, start, end, gives_error);
    let at = match culprit {
        Some(place) => match place.item {
            Item::Call | Item::Aggregate => argument_at_fault(text, outline, place, message),
            Item::Paren => operator(place.start + 1, place.end - 1),
            _ => operator(place.start, place.end),
        }
        .unwrap_or(place.start),
        None => operator(0, text.len()).unwrap_or(0),
    };
    Error::Type { at: Position::of(text, at), message: in_prometheus_words(message) }
}

/// The only argument of a call or aggregation that has the type which the message complains of.
fn argument_at_fault(text: &str, outline: &Outline, call: &Place, message: &str) -> Option<usize> {
    let found = message.rsplit_once(", got ")?.1;
    let mut after = call.start;
    let is_own = |place: &&Place| {
        let is_own = place.item == Item::Argument && place.start >= after && place.end <= call.end;
        after = if is_own { place.end } else { after };
        is_own
    };
    let own: Vec<&Place> = outline.places.iter().filter(is_own).collect();
    let has_type =
        |place: &&&Place| parse(&text[place.start..place.end]).is_ok_and(|tree| tree.value_type().to_string() == found);
    let suspects: Vec<&&Place> = own.iter().filter(has_type).collect();
    match suspects.as_slice() {
        [suspect] => Some(suspect.start),
        _ => None,
    }
}

/// The first operator inside a span whose text up to the next operator gives the error.
fn operator_at_fault(
    outline: &Outline,
    start: usize,
    end: usize,
    gives_error: impl Fn(usize, usize) -> bool,
) -> Option<usize> {
    let inside = |p: &&Place| p.item == Item::Operator && p.start >= start && p.end <= end;
    let operators: Vec<usize> = outline.places.iter().filter(inside).map(|p| p.start).collect();
    let ends = operators.iter().skip(1).copied().chain([end]);
    operators.iter().copied().zip(ends).find(|&(_, end)| gives_error(start, end)).map(|(operator, _)| operator)
}

/// The parser names types by their keywords and quotes names singly; Prometheus does not.
fn in_prometheus_words(message: &str) -> String {
    let type_name = |word: &str| match word {
        "vector" => "instant vector".to_owned(),
        "matrix" => "range vector".to_owned(),
        other => other.to_owned(),
    };
    let message = message.replace('\'', "\"").replace("allowed on vector", "allowed on instant vector");
    let parts = message.strip_prefix("expected type ").and_then(|rest| {
        let (expected, rest) = rest.split_once(" in ")?;
        let (context, found) = rest.rsplit_once(", got ")?;
        Some((type_name(expected), context.to_owned(), type_name(found)))
    });
    match parts {
        Some((expected, context, found)) => {
            format!("expected type {expected} in {context}, got {found}")
        }
        None => message,
    }
}
