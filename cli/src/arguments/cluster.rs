//! What can be typed about a live cluster.

use std::path::PathBuf;

use bridge::guard::permissions::Grant;
use clap::{ArgGroup, Args};

use super::ModelsOptions;

/// Which cluster is meant.
#[derive(Debug, Default, Args)]
pub(crate) struct ClusterOptions {
    /// The context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "CONTEXT")]
    pub(crate) context: Option<String>,
    /// The kubeconfig [default: KUBECONFIG, or ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("what").required(true).multiple(true).args(["model", "context", "kubeconfig", "rbac"])),
    after_help = "\
Examples:
  sockpit doctor --model openai:gpt-4o-mini           needs OPENAI_API_KEY
  sockpit doctor --model server:smollm2@http://127.0.0.1:8080/v1
  sockpit doctor --models models.yaml --model mine --json
  sockpit doctor --context kind-kind --prometheus http://127.0.0.1:9090
  sockpit doctor --rbac namespace --namespace shop | kubectl apply -f -

A model is asked a few short questions and one long one, which cost what its server charges for them. Of a cluster all
that is looked at is read; nothing is changed. --rbac needs no cluster.

Exit codes: 0 all that is needed is there, 1 something is missing, 2 usage."
)]
pub(crate) struct DoctorOptions {
    /// The chat model to examine
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["context", "kubeconfig", "rbac"])]
    pub(crate) model: Option<String>,
    #[command(flatten)]
    pub(crate) models: ModelsOptions,
    #[command(flatten)]
    pub(crate) cluster: ClusterOptions,
    /// The namespace of the application
    #[arg(long, value_name = "NAME", default_value = "sock-shop")]
    pub(crate) namespace: String,
    /// The application that should be there: a shipped app or the folder of an app
    #[arg(long, value_name = "APP", default_value = "sock-shop")]
    pub(crate) app: String,
    /// The Prometheus that scrapes the cluster
    #[arg(long, value_name = "URL")]
    pub(crate) prometheus: Option<String>,
    /// Print the manifest that grants sockpit what it needs: namespace, nodes, node-actions or chaos-mesh
    #[arg(long, value_name = "GRANT", value_parser = grant, conflicts_with_all = ["context", "kubeconfig", "json"])]
    pub(crate) rbac: Option<Grant>,
    /// Print an array with an object for each finding
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockpit undo runs/live-1 --dry-run                  what would be done, tried on the server
  sockpit undo runs/live-1 --context kind-kind

The folder is the one that a session wrote its audit log into. What still holds the value that sockpit wrote gets back
the one before; what somebody else has changed since is a conflict, is named and stays. Restarts are not undone, since
that would be another rollout, nor are deleted pods, since there are others. It can be done again at any time, also after
a crash of the session or of itself.

Exit codes: 0 all is as it was, 1 a conflict stays or something failed, 2 usage or a folder without a session.")]
pub(crate) struct UndoOptions {
    /// The session's folder
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// Change nothing: say what would be done, and try it as server dry runs
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) cluster: ClusterOptions,
    /// Print an array with an object for each part of a change
    #[arg(long)]
    pub(crate) json: bool,
}

/// A manifest of permissions by its name.
fn grant(text: &str) -> Result<Grant, String> {
    let names = Grant::ALL.map(Grant::name).join(", ");
    Grant::ALL.into_iter().find(|grant| grant.name() == text).ok_or(format!("write one of {names}"))
}
