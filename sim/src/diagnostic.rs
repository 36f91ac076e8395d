//! What is wrong with an input file, said so that the reader can mend it.
//!
//! Loaders collect every [`Diagnostic`] they can find before they give up, so that a user sees all
//! mistakes at once. Each names the file, the line where it is known, the field, what is wrong, and
//! what to do about it.

use std::fmt;

use serde::Serialize;

/// A file handed to a loader: `sim` reads no files itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The name shown in messages, usually a path relative to the app's folder.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// Whether the input can be used in spite of the finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The input is refused.
    Error,
    /// The input is used; the user should know.
    Warning,
}

/// One mistake in an input file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Whether the input is refused for it.
    pub severity: Severity,
    /// The file, as named in its [`Source`].
    pub path: String,
    /// Line, from 1; zero where it is not known (for example a missing file).
    pub line: u32,
    /// Where in the document, such as `spec.template.spec.containers[0].image`; may be empty.
    pub field: String,
    /// What is wrong: a lower-case fragment that names the offending value.
    pub message: String,
    /// What to do about it: an imperative fragment.
    pub help: String,
}

impl Diagnostic {
    /// A finding for which the input is refused.
    pub fn error(path: impl Into<String>, line: u32, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            path: path.into(),
            line,
            field: field.into(),
            message: message.into(),
            help: String::new(),
        }
    }

    /// A finding that does not keep the input from being used.
    pub fn warning(path: impl Into<String>, line: u32, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(path, line, field, message) }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

/// `error: file.yaml:12: spec.replicas: …` and, on a line of its own, `  help: …`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", self.path)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.message)?;
        if !self.help.is_empty() {
            write!(f, "\n  help: {}", self.help)?;
        }
        Ok(())
    }
}

/// All mistakes found in an input, as one error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Diagnostics(pub Vec<Diagnostic>);

/// The candidate closest to `word`, if it is close enough to have been meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|c| (edit_distance(word, c), c))
        .min()
        .filter(|(d, c)| *d <= 1 + c.len().min(word.len()) / 3)
        .map(|(_, c)| c)
}

/// Levenshtein distance in characters, with case ignored.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_its_word() {
        let words = ["replicas", "selector", "strategy"];
        assert_eq!(nearest("replcas", words), Some("replicas"));
        assert_eq!(nearest("Selektor", words), Some("selector"));
        assert_eq!(nearest("banana", words), None);
    }
}
