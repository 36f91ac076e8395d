//! Why the lab cannot do what was asked, and what helps.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use sim::diagnostic::Diagnostics;
use thiserror::Error;

/// Something about the machine that is in the way, with its cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub cure: String,
}

impl Obstacle {
    pub(crate) fn new(problem: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { problem: problem.into(), cure: cure.into() }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  help: {}", self.problem, self.cure)
    }
}

/// Why the lab cannot do what was asked.
#[derive(Debug, Error)]
pub enum LabError {
    /// The machine cannot hold a lab as it is.
    #[error("{}", Obstacles(.0))]
    Unfit(Vec<Obstacle>),
    /// There is no lab, or it is not whole.
    #[error("{problem}\n  help: {cure}")]
    NotUp {
        /// What is missing.
        problem: String,
        /// What to do about it.
        cure: String,
    },
    /// A program of the system did not do what it was run for.
    #[error("`{command}` failed: {output}\n  help: {help}")]
    Command {
        /// As one would type it.
        command: String,
        /// The last lines that it printed.
        output: String,
        /// What to do about it.
        help: String,
    },
    /// A daemon did not come up in time.
    #[error(
        "{component} is not ready after {seconds} s: {reason}; the end of its log ({}):\n{tail}\n  help: see the whole \
         log; `sockpit lab down` clears what was started", log.display()
    )]
    NotReady {
        /// Its name, such as `node-1/kubelet`.
        component: String,
        /// How long it was waited for.
        seconds: u64,
        /// What was waited for.
        reason: String,
        /// Its log.
        log: PathBuf,
        /// The last lines of its log.
        tail: String,
    },
    /// A file or folder could not be used.
    #[error("{}: {cause}\n  help: check that it may be written and that the disk is not full", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A server of the lab did not answer as it should.
    #[error("{url}: {problem}\n  help: `sockpit lab status` shows what runs")]
    Http {
        /// What was asked.
        url: String,
        /// What came instead of an answer.
        problem: String,
    },
    /// Something of the lab cannot be taken away.
    #[error("this is left of the lab:\n{}\n  help: run `sockpit lab down` again; if it stays, see who uses it", .0.join("\n"))]
    Left(Vec<String>),
    /// The application has mistakes.
    #[error(transparent)]
    Application(#[from] Diagnostics),
}

impl LabError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::File { path, cause }
    }
}

struct Obstacles<'a>(&'a [Obstacle]);

impl fmt::Display for Obstacles<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, obstacle) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\nerror: " };
            write!(f, "{separator}{obstacle}")?;
        }
        Ok(())
    }
}
