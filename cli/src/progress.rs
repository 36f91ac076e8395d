//! Progress on anything longer than a second, on stderr, and only where somebody looks at it.

use indicatif::{ProgressBar, ProgressStyle};

/// A line that says what goes on now; invisible when stderr is not a terminal.
pub(crate) fn line() -> ProgressBar {
    let line = ProgressBar::new_spinner();
    line.set_style(ProgressStyle::with_template("  {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
    line
}

/// A bar over `length` units of work, such as episodes; invisible when stderr is not a terminal.
pub(crate) fn bar(length: u64, unit: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    let template = format!("{{bar:40}} {{pos}}/{{len}} {unit}, {{eta}} left  {{msg}}");
    // The template is a constant but for a plain word; the default style is as good as any.
    bar.set_style(ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
