//! The lab: a real Kubernetes of two nodes on one Linux machine, without Docker, and an application's stand-in on
//! it. The twin is held against it.
//!
//! ```text
//!  host ── 10.200.0.2 ─┐
//!                      │ bridge, in the network namespace of the control plane
//!  sockpit-control-plane (10.200.0.1): etcd, API server, controllers, scheduler, CoreDNS, metrics-server,
//!                      │               kube-state-metrics, Prometheus, registry
//!      ┌───────────────┴───────────────┐
//!  sockpit-node-1 (10.200.0.11)    sockpit-node-2 (10.200.0.12): containerd, kubelet, kube-proxy, pods
//! ```
//!
//! | module | what it does |
//! | --- | --- |
//! | [`mod@checks`] | what the machine lacks, all at once, each with its cure |
//! | `programs` | builds Kubernetes and its add-ons from Go modules, once |
//! | `network`, `cgroups` | namespaces, addresses and routes; control groups |
//! | `credentials` | certificates, tokens, kubeconfigs |
//! | `component` | one daemon: start, watch, stop, its log |
//! | `control_plane`, `node`, `add_ons` | which daemons there are, and how they are configured |
//! | `image`, `registry`, `deploy` | an application's images, and the application |
//! | `sequence`, `record`, `trace` | what is done to a cluster step by step, and what it does then, as data |
//! | `twin`, `agreement` | the twin plays the same sequences, and how far it does what Kubernetes did |
//! | `cleanup` | takes everything away again, whatever state it is in |
//! | `status`, `usage` | what runs, and what the pods use |
//!
//! Invariants.
//! - Whatever the lab makes is found again without its memory: processes by their control group, namespaces, links
//!   and mounts by their names and paths. So a lab whose every process was killed can still be taken down.
//! - Nothing listens on an address of the host's own network namespace, and nothing here leaves the machine.
//! - A lab is disposable: one that is not whole is taken down and built anew, never mended.

mod add_ons;
mod agreement;
mod cgroups;
pub mod checks;
mod cleanup;
mod component;
mod control_plane;
mod credentials;
mod deploy;
mod directories;
mod error;
mod http;
mod image;
mod layout;
mod network;
mod node;
mod programs;
mod record;
mod registry;
mod run;
mod sequence;
mod stand_in;
mod status;
mod trace;
mod twin;
mod up;
mod usage;

pub use agreement::{Agreement, Difference, Traces};
pub use cgroups::Calm;
pub use deploy::{Application, Deployed};
pub use directories::Directories;
pub use error::LabError;
pub use image::sha256;
pub use layout::{cluster, nodes};
pub use record::Recording;
pub use sequence::{Sequence, Step, names as sequences};
pub use status::{ComponentStatus, NodeStatus, Status};
pub use up::{Lab, Options};
pub use usage::PodUsage;

/// What the user hears while something takes longer than a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// A step begins.
    Step(&'a str),
    /// Where the step is: replaces the detail before it.
    Detail(&'a str),
}

/// Who is told.
pub type Watcher<'a> = &'a mut dyn FnMut(Progress<'_>);
