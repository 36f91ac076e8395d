//! Everything that the bridge does, against a real cluster: the lab (`sockpit lab up`), and no other.
//!
//! Run with `cargo test -p sockpit-bridge --test cluster -- --ignored`. The kubeconfig is the lab's, or that which
//! `SOCKPIT_TEST_KUBECONFIG` names; a cluster without the lab's marker is refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod actions;
mod commands;
mod harness;
mod looks;
mod recording;
mod rights;
mod undo;
mod writes;
