//! A live Kubernetes cluster in the words of the twin.
//!
//! ```text
//!   Write ──▶ plan (pure) ──▶ calls ──dry run, then for good──▶ API server
//!   PodView, NodeView, Recorder ◀──lists and watches─────────── API server
//!   exec ──────────────────────────────────────websocket──────▶ kubelet ──▶ container
//!   Live: Environment, Stage ──▶ all of these, load      Changes ◀── the port that a guard is put in
//!   Prometheus ◀──────────────────────────────HTTP API──────── Prometheus
//! ```
//!
//! Invariants:
//! - A [`Write`](sim::environment::Write) means what it means in the twin: what `kubectl` would do, with its answer.
//! - Every write is first tried as a server dry run, so that what the API server refuses changes nothing; the evictions of
//!   a drain are not, since each is an answer by itself.
//! - What the asker did wrong ([`Rejected`](sim::environment::Rejected)) and what the cluster failed to do
//!   ([`Unavailable`](sim::environment::Unavailable)) are never mixed: [`Error::into_failure`] is the one place that
//!   decides.
//! - Every change of an agent goes through [`Changes`], which a [`guard`] implements as the cluster itself does: what is
//!   guarded is written down before it is made, and can be undone.
//! - One [`Cluster`] touches one namespace, and nodes; of the rest it reads what pods request. A drain evicts whatever runs
//!   on its node, as it does everywhere.

mod changes;
mod cluster;
mod context;
mod credentials;
pub mod doctor;
mod drain;
mod error;
mod exec;
pub mod guard;
mod http;
pub mod live;
mod nodes;
mod plan;
mod pods;
mod prometheus;
mod raw;
mod recorder;
mod standing;
mod write;

pub use changes::Changes;
pub use cluster::Cluster;
pub use credentials::Access;
pub use error::Error;
pub use exec::{ExecOutput, Execution};
pub use pods::PodView;
pub use prometheus::{Prometheus, Sample, Series};
pub use recorder::{Interruption, Recorder, Recording};
pub use standing::Standing;
