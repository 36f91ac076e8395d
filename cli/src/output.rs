//! Data to stdout, talk to stderr, and how a command fails.

use std::io::{self, Write};
use std::process::ExitCode;

use sim::diagnostic::Diagnostics;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The input cannot be used: exit code 2.
    Input(anyhow::Error),
    /// The run failed: exit code 1.
    Run(anyhow::Error),
}

impl From<Diagnostics> for Failed {
    fn from(mistakes: Diagnostics) -> Self {
        Self::Input(mistakes.into())
    }
}

/// A mistake in what was typed.
pub(crate) fn usage(message: impl std::fmt::Display) -> Failed {
    Failed::Input(anyhow::anyhow!("{message}"))
}

/// Says what went wrong and turns it into an exit code.
pub(crate) fn failure(failure: &Failed) -> ExitCode {
    let (error, code) = match failure {
        Failed::Input(error) => (error, 2),
        Failed::Run(error) => (error, 1),
    };
    let text = format!("{error:#}");
    // Diagnostics begin with their own severity.
    if text.starts_with("error:") || text.starts_with("warning:") {
        talk(&text);
    } else {
        talk(&format!("error: {text}"));
    }
    ExitCode::from(code)
}

/// Prints data.
///
/// # Errors
/// Stdout cannot be written to. A reader that has gone away (`| head`) is not an error.
pub(crate) fn data(text: &str) -> Result<(), Failed> {
    match writeln!(io::stdout(), "{text}") {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failed::Run(anyhow::Error::new(e).context("cannot write to stdout")))
        }
        _ => Ok(()),
    }
}

/// Prints one JSON value.
///
/// # Errors
/// As [`data`].
pub(crate) fn json(value: &impl serde::Serialize) -> Result<(), Failed> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| Failed::Run(anyhow::Error::new(e).context("cannot write the result as JSON")))?;
    data(&text)
}

/// Talks to the person at the terminal.
pub(crate) fn talk(text: &str) {
    #[expect(clippy::print_stderr, reason = "the one place where the program talks")]
    {
        eprintln!("{text}");
    }
}
