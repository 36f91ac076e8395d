//! Which cluster is meant: a context of a kubeconfig.

use std::path::Path;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::cluster::Cluster;
use crate::error::{Error, chain};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

impl Cluster {
    /// Connects as `kubectl --context` does: without a kubeconfig with that which `KUBECONFIG` names, or the one in the
    /// home folder; without a context with the current one. The namespace need not exist yet.
    pub async fn connect_as(kubeconfig: Option<&Path>, context: Option<&str>, namespace: &str) -> Result<Self, Error> {
        let path = kubeconfig.unwrap_or(Path::new("KUBECONFIG")).to_owned();
        let unusable = |reason: String| Error::Kubeconfig { path: path.clone(), reason };
        let file = kubeconfig.map_or_else(Kubeconfig::read, Kubeconfig::read_from);
        let file = file.map_err(|error| unusable(chain(&error)))?;
        let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(file, &options).await;
        let mut config = config.map_err(|error| unusable(chain(&error)))?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        let server = config.cluster_url.to_string();
        let client = Client::try_from(config).map_err(|error| unusable(chain(&error)))?;
        let cluster = Self::new(client, namespace);
        match cluster.bounded("read the server's version", cluster.client.apiserver_version()).await {
            Ok(_) => Ok(cluster),
            Err(error @ (Error::Unauthorized(_) | Error::Refused(_))) => Err(error),
            Err(error) => Err(Error::Unreachable { server, reason: error.to_string() }),
        }
    }
}
