//! What can be wrong with a query.

use std::fmt;

/// A place in the text of a query, printed as `line:column`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
}

impl Position {
    /// The position of the byte `offset` of `text`.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self { line: before.matches('\n').count() as u32 + 1, column: before[line_start..].chars().count() as u32 + 1 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Why a query has no answer. The texts follow Prometheus' own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not PromQL.
    #[error("{at}: parse error: {message}")]
    Parse {
        /// The first token that does not fit.
        at: Position,
        /// What was found and what would fit.
        message: String,
    },
    /// The text is PromQL, but an operand or argument has the wrong type or value.
    #[error("{at}: parse error: {message}")]
    Type {
        /// The operand, or the expression that holds it where the parser does not say which.
        at: Position,
        /// Which type was expected and which was found.
        message: String,
    },
    /// Prometheus could answer the query, this evaluator cannot.
    #[error("{at}: {construct} is not supported")]
    Unsupported {
        /// Where the construct begins.
        at: Position,
        /// The function, operator or modifier.
        construct: String,
    },
    /// The query is well-formed, but the series at hand do not allow it (such as many-to-many
    /// matching), or it needs too many samples.
    #[error("execution: {0}")]
    Execution(String),
    /// Start, end or step of a range query, or the type of its expression, is of no use.
    #[error("{0}")]
    Range(String),
}
