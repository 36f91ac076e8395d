//! The connection to a cluster.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use kube::{Api, Client};
use serde_json::Value;
use sim::environment::Component;

use crate::credentials::{Access, Credentials, Renewable};
use crate::error::Error;

/// How long an answer may take, retries included. Watches and `exec` have their own ends.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// One namespace of a live cluster.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    /// What [`CreateDeployment`](sim::environment::Write::CreateDeployment) creates.
    pub(crate) manifests: BTreeMap<Component, Value>,
    /// Where the client's come from; none for a client that was handed in.
    credentials: Option<Arc<Credentials>>,
}

impl Cluster {
    /// Connects with a kubeconfig's current context and asks the API server for its version. The namespace need not
    /// exist yet.
    pub async fn connect(kubeconfig: &Path, namespace: &str) -> Result<Self, Error> {
        Self::connect_to(&Access::current(kubeconfig), namespace).await
    }

    /// The same for whoever has more to say about how.
    pub async fn connect_to(access: &Access, namespace: &str) -> Result<Self, Error> {
        let (credentials, server) = Credentials::read(access).await?;
        let client = Client::new(Renewable(Arc::clone(&credentials)), namespace);
        let cluster = Self { credentials: Some(credentials), ..Self::new(client, namespace) };
        let unreachable = |reason| Error::Unreachable { server: server.clone(), reason };
        match cluster.bounded("read the server's version", cluster.client.apiserver_version()).await {
            Ok(_) => Ok(cluster),
            Err(error @ (Error::Unauthorized(_) | Error::Refused(_))) => Err(error),
            Err(error) => Err(unreachable(error.to_string())),
        }
    }

    /// Reads the kubeconfig again, for this and all its clones: the credentials in it may have been replaced.
    pub async fn renew(&self) -> Result<(), Error> {
        match &self.credentials {
            Some(credentials) => credentials.renew().await,
            None => Ok(()),
        }
    }

    pub(crate) fn new(client: Client, namespace: &str) -> Self {
        Self { client, namespace: namespace.to_owned(), manifests: BTreeMap::new(), credentials: None }
    }

    /// The same with the manifests that [`CreateDeployment`](sim::environment::Write::CreateDeployment) finds its
    /// Deployments in: YAML of any number of objects, of which only Deployments are kept.
    ///
    /// # Errors
    /// The text is not YAML.
    pub fn with_manifests(mut self, yaml: &str) -> Result<Self, Error> {
        let objects: Vec<Value> = serde_saphyr::from_multiple(yaml)
            .map_err(|error| Error::Malformed { what: "a manifest".to_owned(), reason: error.to_string() })?;
        for object in objects.into_iter().filter(|object| object["kind"] == "Deployment") {
            if let Some(name) = object["metadata"]["name"].as_str() {
                self.manifests.insert(name.to_owned(), object);
            }
        }
        Ok(self)
    }

    /// The namespace that everything happens in.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Where a Service answers inside the cluster: its cluster IP and first port. From outside, that needs a route.
    pub async fn service_address(&self, service: &str) -> Result<SocketAddr, Error> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), &self.namespace);
        let spec = self.bounded("read a Service", services.get(service)).await?.spec.unwrap_or_default();
        let refused = |why: &str| Error::Refused(format!("service \"{service}\" {why}"));
        let ip =
            spec.cluster_ip.as_deref().and_then(|ip| ip.parse().ok()).ok_or_else(|| refused("has no cluster IP"))?;
        let ports = spec.ports.unwrap_or_default();
        let port =
            ports.first().and_then(|port| u16::try_from(port.port).ok()).ok_or_else(|| refused("has no port"))?;
        Ok(SocketAddr::new(ip, port))
    }

    /// Waits for an answer, but not for ever.
    pub(crate) async fn bounded<T>(
        &self,
        what: &str,
        answer: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Error::TimedOut { what: what.to_owned(), after: ANSWER_TIMEOUT }),
        }
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
