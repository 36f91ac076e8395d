//! The network in `SimPy`, by the script `benches/peers/simpy_network.py` in a Python of its own: the
//! network goes in and the outcome comes out as JSON.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use benches::queueing::Network;
use serde::{Deserialize, Serialize};

use crate::Outcome;

const SCRIPT: &str = include_str!("../../../peers/simpy_network.py");

#[derive(Serialize)]
struct Input {
    stations: Vec<Station>,
    seconds: f64,
    seed: u64,
}

#[derive(Serialize)]
struct Station {
    arrival_rate: f64,
    servers: u32,
    service_time: f64,
    onward: Vec<f64>,
}

#[derive(Deserialize)]
struct Output {
    events: u64,
    wall_seconds: f64,
    visits: u64,
    mean_wait: f64,
}

pub(crate) fn is_installed(python: &Path) -> bool {
    let check = Command::new(python).args(["-c", "import simpy"]).stderr(Stdio::null()).status();
    check.is_ok_and(|status| status.success())
}

pub(crate) fn run(python: &Path, network: &Network, seconds: f64, seed: u64) -> Result<Outcome> {
    let stations = network.stations.iter().map(|station| Station {
        arrival_rate: station.arrival_rate,
        servers: station.servers,
        service_time: station.service_time,
        onward: station.onward(),
    });
    let input = Input { stations: stations.collect(), seconds, seed };
    let mut child = Command::new(python)
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", python.display()))?;
    let mut stdin = child.stdin.take().context("the child has a standard input")?;
    stdin.write_all(serde_json::to_string(&input)?.as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "the script ended with {}", output.status);
    let Output { events, wall_seconds, visits, mean_wait } = serde_json::from_slice(&output.stdout)?;
    Ok(Outcome { events, wall_seconds, visits, mean_wait })
}
