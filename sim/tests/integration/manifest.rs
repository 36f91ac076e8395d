//! Manifests: what loads, what is refused and in which words, and that no text is too strange.

mod broken;
mod environment;
mod mutated;
mod sock_shop;

use sim::diagnostic::{Diagnostic, Source};

fn source(path: &str, text: &str) -> Source {
    Source { path: path.into(), text: text.into() }
}

/// What every finding must have to be of use.
fn assert_helpful(finding: &Diagnostic, files: &[Source]) {
    let file = files.iter().find(|f| f.path == finding.path);
    let lines = file.map_or(0, |f| f.text.lines().count() as u32);
    assert!(finding.line >= 1 && finding.line <= lines.max(1) + 1, "no line: {finding:?}");
    assert!(!finding.message.is_empty() && !finding.help.is_empty(), "no words: {finding:?}");
}
