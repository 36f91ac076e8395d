//! Telemetry of a contender in a scenario, from the logs of its episodes: what the judge saw, interval by interval.
//!
//! ```text
//! seed-1.jsonl ─┐  lines of kind `truth`
//! seed-2.jsonl ─┴─▶ one row for each interval and component, and one without component for what clients saw
//! ```
//!
//! Only one episode is held at a time. The file is made again when other episodes are finished than those that are in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use polars::prelude::{Column, DataFrame, NamedFrom, Series};
use sim::diagnostic::Diagnostics;
use sim::episode::{self, ComponentTruth, Truth};

use super::columns::column;
use super::parquet::{self, Writer};
use crate::runs;

/// What tells the lines of a log that hold what the judge saw. It cannot stand so within a text: quotes have a backslash
/// before them there.
const MARK: &str = r#""kind":"truth""#;

/// Writes the telemetry of these episodes, if it is not there already. Says whether it was written.
///
/// # Errors
/// A log is missing or broken, or the file cannot be written.
pub(super) fn write(episodes: &Path, seeds: &BTreeSet<u64>) -> Result<bool, Diagnostics> {
    let path = runs::telemetry_file(episodes);
    if seeds.is_empty() || is_of(&path, seeds) {
        return Ok(false);
    }
    let mut writer = Writer::begin(&path, table(0, &[]).schema())?;
    for seed in seeds {
        writer.add(&table(*seed, &truths(&runs::log_file(episodes, *seed))?))?;
    }
    writer.end()?;
    Ok(true)
}

/// Whether a file holds just these episodes. One that cannot be read does not.
fn is_of(path: &Path, seeds: &BTreeSet<u64>) -> bool {
    if !path.exists() {
        return false;
    }
    parquet::read(path, Some(&["seed"][..])).is_ok_and(|table| {
        let found = table
            .column("seed")
            .and_then(Column::u64)
            .map(|column| (0..table.height()).filter_map(|row| column.get(row)).collect::<BTreeSet<u64>>());
        found.is_ok_and(|found| found == *seeds)
    })
}

/// What the judge saw in an episode, from its log.
fn truths(path: &Path) -> Result<Vec<Truth>, Diagnostics> {
    let help = "take this seed's score away, and it is played again";
    let text = fs::read_to_string(path)
        .map_err(|why| runs::mistake(path, format!("the log of a scored episode cannot be read: {why}"), help))?;
    let first = text.split_inclusive('\n').next().unwrap_or_default();
    // Of the header only whether its version is known; to read every entry would take many times as long.
    episode::read(first).map_err(|why| runs::mistake(path, why.to_string(), help))?;
    let lines = text.lines().enumerate().filter(|(_, line)| line.contains(MARK));
    let truth = |(at, line): (usize, &str)| {
        serde_json::from_str::<Truth>(line).map_err(|why| runs::mistake(path, format!("line {}: {why}", at + 1), help))
    };
    lines.map(truth).collect()
}

/// One row: a component over an interval, or, without one, what clients saw.
struct Look<'t> {
    truth: &'t Truth,
    component: Option<&'t ComponentTruth>,
}

impl Look<'_> {
    /// A figure of a component.
    fn of<T>(&self, figure: impl Fn(&ComponentTruth) -> T) -> Option<T> {
        self.component.map(figure)
    }

    /// A figure that clients have too.
    fn count(&self, component: impl Fn(&ComponentTruth) -> u64, clients: impl Fn(&Truth) -> u64) -> u64 {
        self.component.map_or_else(|| clients(self.truth), component)
    }
}

/// Times are in seconds since the world was prepared, latencies in seconds, CPU in cores, memory in bytes.
fn table(seed: u64, truths: &[Truth]) -> DataFrame {
    let looks: Vec<Look<'_>> = truths
        .iter()
        .flat_map(|truth| {
            let components = truth.components.iter().map(Some);
            std::iter::once(None).chain(components).map(move |component| Look { truth, component })
        })
        .collect();
    let columns = [interval(seed, &looks), requests(&looks), pods(&looks), resources(&looks)].concat();
    DataFrame::new(looks.len(), columns).expect("columns are of one length and have names of their own")
}

fn interval(seed: u64, looks: &[Look<'_>]) -> Vec<Column> {
    vec![
        column(looks, "seed", |_: &Look<'_>| Some(seed)),
        column(looks, "t_s", |look: &Look<'_>| Some(look.truth.to.0 as f64 / 1e9)),
        column(looks, "from_s", |look: &Look<'_>| Some(look.truth.from.0 as f64 / 1e9)),
        column(looks, "component", |look: &Look<'_>| look.of(|c| c.component.clone())),
    ]
}

/// Requests that were answered, of clients those that were sent; errors; and the ends of latencies.
fn requests(looks: &[Look<'_>]) -> Vec<Column> {
    vec![
        column(looks, "requests", |look: &Look<'_>| Some(look.count(|c| c.requests, |t| t.client_sent))),
        column(looks, "errors", |look: &Look<'_>| Some(look.count(|c| c.errors, |t| t.client_failed))),
        figure(looks, "misdirected", |c| c.misdirected),
        column(looks, "p99_s", |look: &Look<'_>| match look.component {
            Some(component) => component.p99_s,
            None => look.truth.client_p99_s,
        }),
        column(looks, "caller_p99_s", |look: &Look<'_>| look.component?.caller_p99_s),
    ]
}

fn pods(looks: &[Look<'_>]) -> Vec<Column> {
    vec![
        figure(looks, "replicas", |c| c.replicas),
        figure(looks, "pods", |c| c.pods),
        figure(looks, "ready", |c| c.ready),
        figure(looks, "available", |c| c.available),
    ]
}

/// What its pods used, what they may use, and what they asked for.
fn resources(looks: &[Look<'_>]) -> Vec<Column> {
    vec![
        figure(looks, "cpu_total", |c| c.cpu_total),
        figure(looks, "cpu_worst_pod", |c| c.cpu_worst_pod),
        column(looks, "cpu_limit", |look: &Look<'_>| look.component?.cpu_limit),
        figure(looks, "memory_worst_pod", |c| c.memory_worst_pod),
        column(looks, "memory_limit", |look: &Look<'_>| look.component?.memory_limit),
        figure(looks, "periods", |c| c.periods),
        figure(looks, "throttled_periods", |c| c.throttled_periods),
        figure(looks, "cpu_request_core_s", |c| c.cpu_request_core_s),
        figure(looks, "cpu_limit_core_s", |c| c.cpu_limit_core_s),
        figure(looks, "memory_request_gib_s", |c| c.memory_request_gib_s),
        figure(looks, "memory_limit_gib_s", |c| c.memory_limit_gib_s),
    ]
}

/// A column of what only components have.
fn figure<T>(looks: &[Look<'_>], name: &str, of: impl Fn(&ComponentTruth) -> T) -> Column
where
    Series: NamedFrom<Vec<Option<T>>, [Option<T>]>,
{
    column(looks, name, |look: &Look<'_>| look.of(&of))
}
