//! The load generator against a small server of this process. One binary; one file per subject.
//!
//! Nothing here says how long something takes on the wall clock: tests wait for counts.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod http;
mod server;
mod twin;

use std::time::{Duration, Instant};

use load::{Options, Plan, Report, Running, Targets};
use server::Server;
use sim::profile::Profile;
use sim::program::Programs;
use sim::workload::Workload;

/// A profile with these services and user classes.
fn programs(profile: &str) -> Programs {
    let text = format!("apiVersion: sockpit/v1alpha1\nkind: Profile\nimages: []\n{profile}");
    let profile: Profile = serde_saphyr::from_str(&text).unwrap();
    Programs::compile(&profile).unwrap()
}

fn workload(text: &str) -> Workload {
    serde_saphyr::from_str(text).unwrap()
}

fn start(programs: &Programs, workloads: &[Workload], server: &Server, seed: u64) -> Running {
    let targets = Targets::one(server.url().parse().unwrap());
    load::start(Plan::new(programs, workloads, &targets, seed).unwrap(), Options::default()).unwrap()
}

/// Waits until something is so; a generator that never gets there has failed.
fn wait_until(running: &Running, is_so: impl Fn(&Running) -> bool) {
    let began = Instant::now();
    while !is_so(running) {
        assert!(!running.is_finished() && began.elapsed() < Duration::from_mins(1), "{:?}", running.snapshot());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs until so many requests are over.
fn run_for(running: Running, requests: u64) -> Report {
    wait_until(&running, |running| running.snapshot().finished >= requests);
    running.stop();
    running.wait().unwrap()
}
