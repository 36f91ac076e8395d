//! Reads that outlive a restart of the API server, a busy one, credentials that expired, a connection that broke.
//!
//! ```text
//!   ask ──fails in passing──▶ wait 0.25 s, 0.5 s, … 5 s ──▶ ask again ──▶ … until 60 s are over: the world has failed
//!    └──credentials refused──▶ read the kubeconfig again, once ──▶ ask again
//! ```
//!
//! What happened to the link is kept for the log of the episode, once when it is lost and once when it is back.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::Cluster;
use crate::error::Error;

/// How long it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Before the second try; each wait is twice the one before.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// After so long nothing more is tried.
    pub total: Duration,
}

impl Default for Patience {
    /// An API server is back within seconds of its death, a control plane of several within a minute.
    fn default() -> Self {
        Self { first: Duration::from_millis(250), longest: Duration::from_secs(5), total: Duration::from_mins(1) }
    }
}

/// Something happened to the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// When.
    pub(super) at: Instant,
    /// In one word, as an event's reason.
    pub(super) reason: &'static str,
    /// In words.
    pub(super) message: String,
}

/// The way to a cluster.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) cluster: Cluster,
    patience: Patience,
    notices: Vec<Notice>,
}

impl Link {
    pub(super) fn new(cluster: Cluster, patience: Patience) -> Self {
        Self { cluster, patience, notices: Vec::new() }
    }

    /// What happened since the last call.
    pub(super) fn drain(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Asks until there is an answer, or for as long as there is patience. Only for what may be asked twice.
    ///
    /// # Errors
    /// What the server refuses, and what did not pass in time.
    pub(super) async fn patiently<T>(&mut self, ask: impl AsyncFn(&Cluster) -> Result<T, Error>) -> Result<T, Error> {
        let began = Instant::now();
        let (mut wait, mut is_lost, mut has_renewed) = (self.patience.first, false, false);
        loop {
            let answer = ask(&self.cluster).await;
            let error = match answer {
                Ok(answer) => {
                    if is_lost {
                        let seconds = began.elapsed().as_secs_f64();
                        self.note("ConnectionRegained", format!("there is an answer again, after {seconds:.1} s"));
                    }
                    return Ok(answer);
                }
                Err(error) => error,
            };
            if matches!(error, Error::Unauthorized(_)) && !has_renewed {
                has_renewed = true;
                self.note("CredentialsRenewed", format!("the kubeconfig is read again: {error}"));
                self.cluster.renew().await?;
                continue;
            }
            if !error.is_passing() || began.elapsed() + wait > self.patience.total {
                return Err(error);
            }
            if !is_lost {
                is_lost = true;
                self.note("ConnectionLost", error.to_string());
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(self.patience.longest);
        }
    }

    /// All objects of a list, in the order of their names, asked for [patiently](Self::patiently).
    pub(super) async fn items(&mut self, what: &str, path: &str) -> Result<Vec<Value>, Error> {
        self.patiently(async |cluster: &Cluster| cluster.items(what, path).await).await
    }

    fn note(&mut self, reason: &'static str, message: String) {
        self.notices.push(Notice { at: Instant::now(), reason, message });
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use hyper::{Request, Response};
    use kube::Client;
    use kube::client::Body;

    use super::*;

    /// Nobody asks it anything.
    #[derive(Clone)]
    struct Silent;

    impl tower_service::Service<Request<Body>> for Silent {
        type Response = Response<Body>;
        type Error = kube::Error;
        type Future = std::future::Ready<Result<Response<Body>, kube::Error>>;

        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), kube::Error>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            std::future::ready(Err(kube::Error::LinesCodecMaxLineLengthExceeded))
        }
    }

    /// Fails as often as told, each time with the same error: how it ended, how often it was asked, what was noted.
    fn check(failures: u32, error: fn() -> Error) -> (bool, u32, Vec<&'static str>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let short = Duration::from_millis(1);
            let patience = Patience { first: short, longest: short * 2, total: short * 200 };
            let mut link = Link::new(Cluster::new(Client::new(Silent, "test"), "test"), patience);
            let asked = Cell::new(0);
            let answer = link
                .patiently(async |_| {
                    asked.set(asked.get() + 1);
                    if asked.get() > failures { Ok(()) } else { Err(error()) }
                })
                .await;
            (answer.is_ok(), asked.get(), link.drain().into_iter().map(|notice| notice.reason).collect())
        })
    }

    #[test]
    fn what_passes_is_waited_for_and_said_once() {
        let lost = || Error::Connection("connection refused".to_owned());
        assert_eq!(check(0, lost), (true, 1, vec![]));
        assert_eq!(check(3, lost), (true, 4, vec!["ConnectionLost", "ConnectionRegained"]));
        let (answered, asked, noted) = check(u32::MAX, lost);
        assert!(!answered && asked > 10, "{asked} tries in 200 ms");
        assert_eq!(noted, ["ConnectionLost"]);
    }

    #[test]
    fn what_is_refused_is_not_asked_again() {
        assert_eq!(check(1, || Error::Refused("pods \"x\" not found".to_owned())), (false, 1, vec![]));
    }

    #[test]
    fn credentials_are_read_again_once() {
        let expired = || Error::Unauthorized("token expired".to_owned());
        assert_eq!(check(1, expired), (true, 2, vec!["CredentialsRenewed"]));
        assert_eq!(check(2, expired), (false, 2, vec!["CredentialsRenewed"]));
    }
}
