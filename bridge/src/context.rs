//! Which cluster is meant: a context of a kubeconfig.

use std::path::Path;

use crate::cluster::Cluster;
use crate::credentials::Access;
use crate::error::Error;

impl Cluster {
    /// Connects as `kubectl --context` does: without a kubeconfig with that which `KUBECONFIG` names, or the one in the
    /// home folder; without a context with the current one. The namespace need not exist yet.
    pub async fn connect_as(kubeconfig: Option<&Path>, context: Option<&str>, namespace: &str) -> Result<Self, Error> {
        let (kubeconfig, context) = (kubeconfig.map(Path::to_owned), context.map(str::to_owned));
        Self::connect_to(&Access { kubeconfig, context, retries: true }, namespace).await
    }
}
