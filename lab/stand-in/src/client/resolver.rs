//! From a service's DNS name to an address.
//!
//! A Kubernetes Service keeps its cluster IP, and kube-proxy chooses the pod behind it per connection, so an answer
//! is remembered for as long as CoreDNS lets it be.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sim::traffic::Failure;

use super::Way;

/// `ttl` of CoreDNS's kubernetes plugin in kubeadm's Corefile.
const TIME_TO_LIVE: Duration = Duration::from_secs(30);

/// The address of one service.
#[derive(Debug)]
pub(crate) struct Resolver {
    /// `host:port`.
    query: String,
    known: Mutex<Option<(SocketAddr, Instant)>>,
}

impl Resolver {
    /// `query` is `host:port`.
    pub(crate) fn new(query: String) -> Self {
        Self { query, known: Mutex::default() }
    }

    /// `host:port`.
    pub(crate) fn query(&self) -> &str {
        &self.query
    }

    /// Looks the name up, or remembers it.
    pub(crate) async fn resolve(&self, way: Way) -> Result<SocketAddr, Failure> {
        if let Some((address, until)) = *self.known.lock().expect("nobody panics while he holds it")
            && Instant::now() < until
        {
            return Ok(address);
        }
        let query = self.query.clone();
        let look_up = move || query.to_socket_addrs().ok()?.next();
        let found = match way {
            Way::Thread => look_up(),
            Way::Task => tokio::task::spawn_blocking(look_up).await.expect("looking up does not panic"),
        };
        let address = found.ok_or(Failure::UnknownHost)?;
        let entry = (address, Instant::now() + TIME_TO_LIVE);
        *self.known.lock().expect("nobody panics while he holds it") = Some(entry);
        Ok(address)
    }
}
