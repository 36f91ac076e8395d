//! What a type did not accept, with the place and the path of the node: the error type of
//! [`Reader`](super::de::Reader).

use std::fmt;

use serde::de::{Expected, Unexpected};

use super::tree::{FieldPath, Kind, Node, Place, Segment, Value};
use crate::diagnostic::{Diagnostic, nearest};

/// At most so many names are listed in a help.
const MAX_LISTED: usize = 24;

#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(super) what: Box<What>,
    pub(super) at: Option<Spot>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    UnknownField {
        field: String,
        known: &'static [&'static str],
    },
    MissingField(&'static str),
    UnknownVariant {
        variant: String,
        known: &'static [&'static str],
    },
    /// A value of another type than expected.
    Wrong {
        found: String,
        expected: String,
        help: String,
    },
    /// What a type's own check says: `what is wrong: what to do`.
    Other(String),
}

/// Where a failure happened. The path is built from its end while the error travels up.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) place: Place,
    pub(super) reversed: Vec<Segment>,
}

impl Failure {
    fn new(what: What) -> Self {
        Self { what: Box::new(what), at: None }
    }

    /// `node` is not an `expected`.
    pub(super) fn wrong(node: &Node, expected: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(What::Wrong { found: describe(node), expected: expected.into(), help: help.into() })
    }

    /// Notes the node at which it happened, unless a node below already did.
    pub(super) fn at(mut self, node: &Node) -> Self {
        self.at.get_or_insert_with(|| Spot { place: node.place.clone(), reversed: Vec::new() });
        self
    }

    /// Notes that it happened below `segment`.
    pub(super) fn within(mut self, segment: Segment) -> Self {
        if let Some(spot) = &mut self.at {
            spot.reversed.push(segment);
        }
        self
    }

    pub(super) fn path(&self) -> FieldPath {
        let reversed = self.at.iter().flat_map(|spot| spot.reversed.iter().rev());
        FieldPath(reversed.cloned().collect())
    }

    /// The diagnostic for it. `root` is the document that it happened in.
    pub(super) fn diagnostic(&self, root: &Node) -> Diagnostic {
        let place = self.at.as_ref().map_or(&root.place, |spot| &spot.place);
        let (mut path, mut line) = (self.path(), place.line);
        let (message, help) = match &*self.what {
            What::UnknownField { field, known } => (format!("unknown field `{field}`"), suggestion(field, known)),
            What::MissingField(field) => {
                let parent = root.nearest(&path);
                let written_empty = parent.get(field).filter(|n| n.is_null());
                path.0.push(Segment::Key((*field).to_owned()));
                if let Some(empty) = written_empty {
                    line = empty.place.line;
                    (format!("`{field}` is empty"), format!("write a value for `{field}`"))
                } else {
                    (format!("missing field `{field}`"), format!("add `{field}` here"))
                }
            }
            What::UnknownVariant { variant, known } => {
                (format!("unknown value `{variant}`"), suggestion(variant, known))
            }
            What::Wrong { found, expected, help } => (format!("expected {expected}, found {found}"), help.clone()),
            What::Other(text) => split_help(text),
        };
        Diagnostic::error(&*place.path, line, path.to_string(), message).help(help)
    }
}

/// `did you mean …? Allowed here: …`.
fn suggestion(word: &str, known: &[&str]) -> String {
    let listed = known.iter().take(MAX_LISTED).map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
    let more = if known.len() > MAX_LISTED { ", …" } else { "" };
    match nearest(word, known.iter().copied()) {
        Some(meant) if known.len() > MAX_LISTED => format!("did you mean `{meant}`?"),
        Some(meant) => format!("did you mean `{meant}`? Allowed here: {listed}"),
        None if known.is_empty() => "remove it: nothing is allowed here".to_owned(),
        None => format!("use one of {listed}{more}"),
    }
}

/// Splits `what is wrong: what to do` at the first colon outside backticks.
fn split_help(text: &str) -> (String, String) {
    let mut quoted = false;
    for (i, c) in text.char_indices() {
        match c {
            '`' => quoted = !quoted,
            ':' if !quoted && text[i + 1..].starts_with(' ') => {
                return (text[..i].to_owned(), text[i + 2..].to_owned());
            }
            _ => {}
        }
    }
    (text.to_owned(), "correct the value".to_owned())
}

/// A node as messages name it.
pub(super) fn describe(node: &Node) -> String {
    match &node.value {
        Value::Hole => "nothing".to_owned(),
        Value::Sequence(_) => "a sequence".to_owned(),
        Value::Mapping(_) => "a mapping".to_owned(),
        Value::Scalar { text, kind } => {
            let text = shortened(text);
            match kind {
                Kind::Null => "nothing".to_owned(),
                Kind::Bool(_) => format!("the boolean `{text}`"),
                Kind::Unsigned(_) | Kind::Negative(_) | Kind::Float(_) => format!("the number `{text}`"),
                Kind::Text => format!("the text `{text}`"),
            }
        }
    }
}

/// The first line of a text, cut to what a message can hold.
fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None if line.len() < text.trim_end().len() => format!("{line}…"),
        None => line.to_owned(),
    }
}

/// What serde found, as messages name it.
fn found(unexpected: &Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(b) => format!("the boolean `{b}`"),
        Unexpected::Unsigned(n) => format!("the number `{n}`"),
        Unexpected::Signed(n) => format!("the number `{n}`"),
        Unexpected::Float(n) => format!("the number `{n}`"),
        Unexpected::Str(text) => format!("the text `{}`", shortened(text)),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a sequence".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        other => other.to_string(),
    }
}

/// What serde expected, in the words of somebody who writes YAML, and what to do.
fn wanted(expected: &dyn Expected) -> (String, String) {
    let text = expected.to_string();
    let whole = |low: &str, high: String| {
        let range = format!("a whole number from {low} to {high}");
        (range.clone(), format!("write {range}"))
    };
    match text.as_str() {
        "u8" => whole("0", u8::MAX.to_string()),
        "u16" => whole("0", u16::MAX.to_string()),
        "u32" => whole("0", u32::MAX.to_string()),
        "a nonzero u8" => whole("1", u8::MAX.to_string()),
        "a nonzero u16" => whole("1", u16::MAX.to_string()),
        "a nonzero u32" => whole("1", u32::MAX.to_string()),
        "i32" => whole(&i32::MIN.to_string(), i32::MAX.to_string()),
        "u64" | "usize" => ("a whole number from 0".into(), "write a whole number from 0".into()),
        "i64" | "isize" => ("a whole number".into(), "write a whole number".into()),
        "f32" | "f64" => ("a number".into(), "write a number".into()),
        "a string" => ("a text".into(), "write a text".into()),
        "a boolean" => ("true or false".into(), "write true or false".into()),
        _ => (text.clone(), format!("write {text}")),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.what)
    }
}

impl std::error::Error for Failure {}

impl serde::de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(What::Other(message.to_string()))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let (expected, help) = wanted(expected);
        Self::new(What::Wrong { found: found(&unexpected), expected, help })
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let (expected, help) = wanted(expected);
        Self::new(What::Wrong { found: format!("{length} items"), expected, help })
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::UnknownVariant { variant: variant.to_owned(), known })
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::UnknownField { field: field.to_owned(), known })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(What::MissingField(field))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(What::Other(format!("`{field}` is written twice: remove one of the two")))
    }
}
