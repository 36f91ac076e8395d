//! What can go wrong with a cluster, with its cure.

use std::path::PathBuf;
use std::time::Duration;

use sim::environment::{Failure, Rejected, Unavailable};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No kubeconfig that makes sense is there.
    #[error("the kubeconfig {} cannot be used: {reason}. `sockpit lab up` writes one for the lab", path.display())]
    Kubeconfig {
        /// Where it was looked for.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers.
    #[error("the API server {server} does not answer: {reason}. Is the cluster up? (`sockpit lab status`)")]
    Unreachable {
        /// Its address.
        server: String,
        /// What was seen.
        reason: String,
    },
    /// The API server does not know who asks.
    #[error("the API server does not accept the credentials ({0}). They have expired, or belong to another cluster")]
    Unauthorized(String),
    /// What was asked for is wrong, in the API server's words.
    #[error("{0}")]
    Refused(String),
    /// The API server could not do it, in its words.
    #[error("the API server failed: {0}")]
    Server(String),
    /// The way to the API server broke, or was never there.
    #[error("the connection to the API server failed: {0}")]
    Connection(String),
    /// No answer came in time.
    #[error("no answer within {} s while trying to {what}", after.as_secs())]
    TimedOut {
        /// What was tried.
        what: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The object was changed by somebody else each time before it could be written.
    #[error("an object keeps being changed by somebody else ({0}). Stop the other controller, or try again")]
    Conflict(String),
    /// An answer makes no sense.
    #[error("{what} cannot be understood: {reason}")]
    Malformed {
        /// Whose answer.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A command could not be run in a container.
    #[error("the command could not be run in {container} of pod {pod}: {reason}")]
    Exec {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// Why.
        reason: String,
    },
    /// A file of a session's folder cannot be written or read.
    #[error(
        "the record {} cannot be kept or read: {reason}. Nothing is changed without it: make room, or name another folder",
        path.display()
    )]
    Record {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Prometheus does not answer as it should.
    #[error("Prometheus at {url}: {reason}. Is it up? (`sockpit lab status`)")]
    Prometheus {
        /// Its address.
        url: String,
        /// What was seen.
        reason: String,
    },
}

/// HTTP status codes that say that the request itself is wrong. Too many requests (429) is not: the server has not
/// looked at it.
const REQUEST_IS_WRONG: [u16; 8] = [400, 403, 404, 405, 409, 410, 415, 422];

impl Error {
    /// Whether the same request may work in a moment: the way to the server is broken, it is busy, or somebody else was
    /// faster.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Server(_)
            | Self::Connection(_)
            | Self::TimedOut { .. }
            | Self::Conflict(_)
            | Self::Prometheus { .. } => true,
            Self::Kubeconfig { .. }
            | Self::Unauthorized(_)
            | Self::Refused(_)
            | Self::Malformed { .. }
            | Self::Exec { .. }
            | Self::Record { .. } => false,
        }
    }

    /// The same as a port of a world words it: whose fault it is.
    pub fn into_failure(self) -> Failure {
        match self {
            Self::Refused(message) => Failure::Rejected(Rejected(message)),
            other => Failure::Unavailable(Unavailable(other.to_string())),
        }
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 401 => Self::Unauthorized(status.message),
            kube::Error::Api(status) if status.is_conflict() => Self::Conflict(status.message),
            kube::Error::Api(status) if REQUEST_IS_WRONG.contains(&status.code) => Self::Refused(status.message),
            kube::Error::Api(status) => Self::Server(format!("{} ({})", status.message, status.code)),
            kube::Error::Auth(error) => Self::Unauthorized(error.to_string()),
            // It has answered, and not with a web socket.
            kube::Error::UpgradeConnection(error) => Self::Server(chain(&error)),
            other => Self::Connection(chain(&other)),
        }
    }
}

/// An error and what caused it, each said once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn check(code: u16, is_rejected: bool) {
        let status = Status::failure("because", "Reason").with_code(code);
        let failure = Error::from(kube::Error::Api(status.boxed())).into_failure();
        assert_eq!(matches!(failure, Failure::Rejected(_)), is_rejected, "{code}: {failure}");
        assert!(failure.to_string().contains("because"), "{code}: {failure}");
    }

    #[test]
    fn the_asker_s_mistakes_and_the_cluster_s_failures_are_kept_apart() {
        for code in [400, 403, 404, 409, 422] {
            check(code, true);
        }
        for code in [401, 408, 429, 500, 502, 503, 504] {
            check(code, false);
        }
    }
}
