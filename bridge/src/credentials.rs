//! A connection whose credentials can be renewed under everybody who uses it.
//!
//! ```text
//!   Cluster, its clones ──▶ Client ──▶ Renewable ──▶ the client of the kubeconfig as it was read last
//! ```
//!
//! A kubeconfig may hold a token that somebody replaces in the file now and then. Whoever is told that the credentials are
//! not accepted asks for the file to be read again; all clones of the [`Cluster`](crate::Cluster) then use what it says.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::{Request, Response};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tower_service::Service;

use crate::error::{Error, chain};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The kubeconfig; none is that which `KUBECONFIG` names, or the one in the home folder.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; none is its current one.
    pub context: Option<String>,
    /// Whether requests that the server was too busy for (429, 503, 504) are sent again by themselves. Not for changes
    /// whose outcome matters: after a 504 nobody knows whether one was made.
    pub retries: bool,
}

impl Access {
    /// With a kubeconfig's current context, and retries.
    pub fn current(kubeconfig: &Path) -> Self {
        Self { kubeconfig: Some(kubeconfig.to_owned()), context: None, retries: true }
    }

    /// Reads the kubeconfig: a client, and the server that it is for.
    async fn client(&self) -> Result<(Client, String), Error> {
        let path = self.kubeconfig.as_deref();
        let named = path.unwrap_or(Path::new("KUBECONFIG"));
        let unusable = |reason: String| Error::Kubeconfig { path: named.to_owned(), reason };
        let file = path.map_or_else(Kubeconfig::read, Kubeconfig::read_from);
        let file = file.map_err(|error| unusable(chain(&error)))?;
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let mut config =
            Config::from_custom_kubeconfig(file, &options).await.map_err(|error| unusable(chain(&error)))?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.default_retry = self.retries;
        let server = config.cluster_url.to_string();
        let client = Client::try_from(config).map_err(|error| unusable(chain(&error)))?;
        Ok((client, server))
    }
}

/// What a kubeconfig said when it was read last.
pub(crate) struct Credentials {
    access: Access,
    current: Mutex<Client>,
}

impl Credentials {
    /// Reads them; beside them comes the server's address.
    pub(crate) async fn read(access: &Access) -> Result<(Arc<Self>, String), Error> {
        let (client, server) = access.client().await?;
        Ok((Arc::new(Self { access: access.clone(), current: Mutex::new(client) }), server))
    }

    /// Reads them again.
    pub(crate) async fn renew(&self) -> Result<(), Error> {
        let (client, _) = self.access.client().await?;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = client;
        Ok(())
    }

    fn client(&self) -> Client {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Sends requests with the credentials of now.
#[derive(Clone)]
pub(crate) struct Renewable(pub(crate) Arc<Credentials>);

impl Service<Request<Body>> for Renewable {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, kube::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), kube::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let client = self.0.client();
        Box::pin(async move { client.send(request).await })
    }
}
