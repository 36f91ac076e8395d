//! sockpit's engine beside other simulators, on the same queueing models in one run.
//!
//! ```text
//! cargo run --release -p sockpit-benches --features peers --bin peers [-- --json]
//! ```
//!
//! Every engine simulates the same [`Network`] with its own usual random numbers and records the
//! waiting time of every visit; the mean must agree with theory. An event is an arrival from outside
//! or the end of a service, however many entries an engine's own queue needs for it. Repetitions are
//! interleaved, so that a busy moment of the machine falls on all; the median counts.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people to read")]

mod desque_network;
mod simcore_network;
mod simpy_network;
mod sockpit_network;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use benches::queueing::{Network, theory};
use clap::Parser;
use serde::Serialize;

/// Compares sockpit's event engine with desque, simcore and `SimPy`.
#[derive(Parser)]
struct Options {
    /// Runs of each engine on each model.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..))]
    repetitions: u64,
    /// Events of a run, in millions (`SimPy`: a fortieth of them).
    #[arg(long, default_value_t = 10.0)]
    millions: f64,
    /// A Python that has `SimPy`.
    #[arg(long, default_value = "target/peers-venv/bin/python")]
    python: PathBuf,
    /// Print one JSON array instead of tables.
    #[arg(long)]
    json: bool,
}

/// What one run of one engine did.
pub(crate) struct Outcome {
    pub(crate) events: u64,
    pub(crate) wall_seconds: f64,
    pub(crate) visits: u64,
    pub(crate) mean_wait: f64,
}

/// Runs `network` for so many simulated seconds from this seed.
type Run = Box<dyn Fn(&Network, f64, u64) -> Result<Outcome>>;

struct Engine {
    name: &'static str,
    /// Of the simulated time that the fastest gets.
    share: f64,
    run: Run,
}

/// One row of the result.
#[derive(Serialize)]
struct Row {
    model: &'static str,
    engine: &'static str,
    /// Median over the repetitions, with the extremes.
    events_per_second: f64,
    slowest: f64,
    fastest: f64,
    /// How many times faster sockpit is.
    ratio: f64,
    repetitions: u64,
    /// Over all repetitions, in simulated seconds.
    mean_wait: f64,
    mean_wait_by_theory: f64,
}

/// Share of the time that every server is busy.
const LOAD: f64 = 0.7;

/// The largest difference from theory that can be chance at the sizes used here; a wrong model is
/// off by far more.
const TOLERANCE: f64 = 0.05;

fn main() -> Result<()> {
    let options = Options::parse();
    let engines = engines(&options);
    let models = [("M/M/1", Network::single(1, LOAD)), ("12 nodes", Network::twelve(LOAD))];
    let mut rows = Vec::new();
    for (model, network) in &models {
        rows.extend(compare(model, network, &engines, &options)?);
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        print_table(&rows, &options);
    }
    for row in &rows {
        let off = row.mean_wait / row.mean_wait_by_theory - 1.0;
        ensure!(
            off.abs() < TOLERANCE,
            "{} on {}: the mean wait is {:+.1} % off theory",
            row.engine,
            row.model,
            off * 100.0
        );
    }
    Ok(())
}

fn engines(options: &Options) -> Vec<Engine> {
    let mut engines = vec![
        Engine {
            name: "sockpit",
            share: 1.0,
            run: Box::new(|network, seconds, seed| Ok(sockpit_network::run(network, seconds, seed))),
        },
        Engine { name: "desque 0.4", share: 1.0, run: Box::new(desque_network::run) },
        Engine {
            name: "simcore 0.1",
            share: 1.0,
            run: Box::new(|network, seconds, seed| Ok(simcore_network::run(network, seconds, seed))),
        },
    ];
    let python = options.python.clone();
    if simpy_network::is_installed(&python) {
        let run = move |network: &Network, seconds, seed| simpy_network::run(&python, network, seconds, seed);
        engines.push(Engine { name: "SimPy 4.1", share: 1.0 / 40.0, run: Box::new(run) });
    } else {
        eprintln!("SimPy is left out: {} does not have it. To install it:", python.display());
        eprintln!("  python3 -m venv target/peers-venv");
        eprintln!("  target/peers-venv/bin/pip install simpy==4.1.2");
    }
    engines
}

/// One row per engine, sockpit's first.
fn compare(model: &'static str, network: &Network, engines: &[Engine], options: &Options) -> Result<Vec<Row>> {
    let entering: f64 = network.stations.iter().map(|station| station.arrival_rate).sum();
    let events_per_simulated_second = entering * (1.0 + theory::visits_per_job(network));
    let seconds = options.millions * 1e6 / events_per_simulated_second;
    let mut outcomes: Vec<Vec<Outcome>> = engines.iter().map(|_| Vec::new()).collect();
    for seed in 1..=options.repetitions {
        eprintln!("{model}: repetition {seed} of {}", options.repetitions);
        for (engine, outcomes) in engines.iter().zip(&mut outcomes) {
            let outcome = (engine.run)(network, seconds * engine.share, seed)
                .with_context(|| format!("{} on {model}", engine.name))?;
            outcomes.push(outcome);
        }
    }
    let reference = median_rate(&outcomes[0]);
    let rows = engines.iter().zip(&outcomes).map(|(engine, outcomes)| {
        let rates = sorted_rates(outcomes);
        let visits: u64 = outcomes.iter().map(|o| o.visits).sum();
        let waited: f64 = outcomes.iter().map(|o| o.mean_wait * o.visits as f64).sum();
        Row {
            model,
            engine: engine.name,
            events_per_second: median_rate(outcomes),
            slowest: rates[0],
            fastest: rates[rates.len() - 1],
            ratio: reference / median_rate(outcomes),
            repetitions: options.repetitions,
            mean_wait: waited / visits as f64,
            mean_wait_by_theory: theory::mean_wait_per_visit(network),
        }
    });
    Ok(rows.collect())
}

fn sorted_rates(outcomes: &[Outcome]) -> Vec<f64> {
    let mut rates: Vec<_> = outcomes.iter().map(|o| o.events as f64 / o.wall_seconds).collect();
    rates.sort_by(f64::total_cmp);
    rates
}

fn median_rate(outcomes: &[Outcome]) -> f64 {
    let rates = sorted_rates(outcomes);
    rates.len().checked_sub(1).map_or(f64::NAN, |last| f64::midpoint(rates[last / 2], rates[last.div_ceil(2)]))
}

fn print_table(rows: &[Row], options: &Options) {
    println!("load {LOAD}, {} repetitions, million events per second", options.repetitions);
    println!(
        "{:<10} {:<12} {:>8} {:>8} {:>8} {:>10} {:>12} {:>8}",
        "model", "engine", "median", "min", "max", "sockpit is", "mean wait", "theory"
    );
    for row in rows {
        println!(
            "{:<10} {:<12} {:>8.3} {:>8.3} {:>8.3} {:>9.1}x {:>10.4} s {:>6.4} s",
            row.model,
            row.engine,
            row.events_per_second / 1e6,
            row.slowest / 1e6,
            row.fastest / 1e6,
            row.ratio,
            row.mean_wait,
            row.mean_wait_by_theory
        );
    }
}
