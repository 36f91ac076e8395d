//! The twin's CPU model against Linux: a stream of requests with known CPU demands in a real control
//! group with a real quota, and the same stream replayed in [`sim::cpu::NodeCpu`].
//!
//! `cpu_quota` (as root) runs the whole grid, 54 cells of a minute. `--cells 100m/1t,2h` picks those
//! whose name contains one of the words, `--seconds 10` shortens them, `--repeat 4` plays each with four
//! seeds and pools them, `--record DIR` keeps what Linux did, `--replay DIR` compares what was kept with
//! the twin of today, without root.

mod cell;
mod cgroup;
mod replay;
mod report;
mod server;
mod stream;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::cell::{Cell, Recording};
use crate::report::{Report, warn};

/// A patient run begins a cell when this part of the machine is idle.
const QUIET: f64 = 0.7;

#[derive(Debug, Parser)]
#[command(about = "Compares the twin's CPU quotas with those of the running kernel")]
struct Options {
    #[command(subcommand)]
    inside: Option<Inside>,
    /// Only cells whose name (such as 100m/1t/0.3/0h) contains one of these.
    #[arg(long, value_delimiter = ',')]
    cells: Vec<String>,
    /// Length of each cell.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Mean CPU demand of a request in microseconds.
    #[arg(long, default_value_t = 3000.0)]
    demand_us: f64,
    /// Seed of arrivals and demands.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Play each cell so often, with as many seeds.
    #[arg(long, default_value_t = 1)]
    repeat: u64,
    /// For this many minutes wait with each cell until the machine is quiet, and repeat void cells.
    #[arg(long, default_value_t = 0)]
    patience: u64,
    /// Keep what Linux did, one file per cell.
    #[arg(long)]
    record: Option<PathBuf>,
    /// Compare recordings instead of running anything.
    #[arg(long, conflicts_with = "record")]
    replay: Option<PathBuf>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Inside {
    /// The process inside the control group; started by the command itself.
    #[command(hide = true)]
    Serve(server::ServerConfig),
}

fn main() -> Result<()> {
    let options = Options::parse();
    if let Some(Inside::Serve(config)) = options.inside {
        return server::serve(config);
    }
    let recordings = match &options.replay {
        Some(directory) => load(directory, &options)?,
        None => record(&options)?,
    };
    let report = Report::new(&recordings);
    let mut out = std::io::stdout().lock();
    if options.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
    } else {
        report.print(&mut out)?;
    }
    Ok(())
}

fn chosen(options: &Options) -> Vec<Cell> {
    let mut cells = Cell::grid();
    if !options.cells.is_empty() {
        cells.retain(|cell| options.cells.iter().any(|word| cell.name().contains(word)));
    }
    cells
}

fn record(options: &Options) -> Result<Vec<Recording>> {
    let layout = cgroup::Layout::detect()?;
    if let Some(directory) = &options.record {
        std::fs::create_dir_all(directory)?;
    }
    let end = Instant::now() + Duration::from_secs(options.patience * 60);
    let seeds = options.seed..options.seed + options.repeat;
    let mut cells: VecDeque<(Cell, u64)> =
        seeds.flat_map(|seed| chosen(options).into_iter().map(move |cell| (cell, seed))).collect();
    let mut recordings = Vec::new();
    while let Some((cell, seed)) = cells.pop_front() {
        while Instant::now() < end && cell::idle_now()? < QUIET {}
        let recording = cell.record(layout, options.seconds, options.demand_us, seed)?;
        let idle = 100.0 * recording.idle;
        warn(&format!("{} done, machine {idle:.0} % idle", cell.name()));
        if recording.is_void() && Instant::now() < end {
            cells.push_back((cell, seed));
            continue;
        }
        if let Some(directory) = &options.record {
            std::fs::write(directory.join(file(&cell, seed)), serde_json::to_vec(&recording)?)?;
        }
        recordings.push(recording);
    }
    Ok(recordings)
}

/// What was kept, in the order of the grid.
fn load(directory: &Path, options: &Options) -> Result<Vec<Recording>> {
    let mut recordings: Vec<Recording> = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let path = entry?.path();
        let text = std::fs::read(&path)?;
        recordings
            .push(serde_json::from_slice(&text).with_context(|| format!("{} is not a recording", path.display()))?);
    }
    let cells: Vec<String> = chosen(options).iter().map(Cell::name).collect();
    let place = |recording: &Recording| cells.iter().position(|cell| *cell == recording.cell.name());
    recordings.retain(|recording| place(recording).is_some());
    recordings.sort_by_key(|recording| (place(recording), recording.stream.seed));
    Ok(recordings)
}

fn file(cell: &Cell, seed: u64) -> String {
    format!("{}_{seed}.json", cell.name().replace('/', "_"))
}
