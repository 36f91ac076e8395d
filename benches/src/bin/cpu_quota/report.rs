//! The comparison as a table and as JSON.

use std::io::Write;

use anyhow::Result;

use crate::cell::Recording;
use crate::replay::{Outcome, measured, predicted};

/// One row: a cell, all repetitions together.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Row {
    cell: String,
    repetitions: usize,
    linux: Side,
    twin: Side,
    /// Relative error of the twin's mean.
    error: f64,
    p99_error: f64,
    /// Mean CPU time of a request really used, in milliseconds.
    demand_ms: f64,
    idle: f64,
    lateness_ms: f64,
    void: bool,
}

/// What one side did; counts are per repetition.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Side {
    finished: f64,
    mean_ms: f64,
    /// Lowest and highest mean of one play: how far the side agrees with itself.
    lowest_mean_ms: f64,
    highest_mean_ms: f64,
    p99_ms: f64,
    periods: f64,
    throttled_periods: f64,
    throttled_s: f64,
}

impl Side {
    fn new(plays: &[Outcome]) -> Self {
        let (all, count) = (Outcome::pooled(plays), plays.len() as f64);
        let means = plays.iter().map(Outcome::mean).filter(|mean| mean.is_finite());
        Self {
            finished: all.responses.len() as f64 / count,
            mean_ms: all.mean(),
            lowest_mean_ms: means.clone().fold(f64::INFINITY, f64::min),
            highest_mean_ms: means.fold(0.0, f64::max),
            p99_ms: all.quantile(0.99),
            periods: all.nr_periods / count,
            throttled_periods: all.nr_throttled / count,
            throttled_s: all.throttled_s / count,
        }
    }

    fn mean(&self) -> String {
        format!("{:.1} ({:.1} … {:.1})", self.mean_ms, self.lowest_mean_ms, self.highest_mean_ms)
    }
}

/// All rows and their summary.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Report {
    kernel: String,
    layout: String,
    median_error: f64,
    worst_error: f64,
    void: usize,
    rows: Vec<Row>,
}

fn row(repetitions: &[&Recording]) -> Row {
    let linux = Side::new(&repetitions.iter().map(|one| measured(one)).collect::<Vec<_>>());
    let twin = Side::new(&repetitions.iter().flat_map(|one| predicted(one)).collect::<Vec<_>>());
    let mean =
        |of: &dyn Fn(&Recording) -> f64| repetitions.iter().map(|one| of(one)).sum::<f64>() / repetitions.len() as f64;
    Row {
        cell: repetitions[0].cell.name(),
        repetitions: repetitions.len(),
        error: twin.mean_ms / linux.mean_ms - 1.0,
        p99_error: twin.p99_ms / linux.p99_ms - 1.0,
        linux,
        twin,
        demand_ms: mean(&Recording::demand_ms),
        idle: mean(&|one| one.idle),
        lateness_ms: mean(&|one| one.lateness_ms),
        void: repetitions.iter().any(|one| one.is_void()),
    }
}

impl Report {
    pub(crate) fn new(recordings: &[Recording]) -> Self {
        let mut cells: Vec<Vec<&Recording>> = Vec::new();
        for recording in recordings {
            match cells.iter_mut().find(|cell| cell[0].cell.name() == recording.cell.name()) {
                Some(cell) => cell.push(recording),
                None => cells.push(vec![recording]),
            }
        }
        let rows: Vec<Row> = cells.iter().map(|cell| row(cell)).collect();
        let mut errors: Vec<f64> = rows.iter().filter(|row| !row.void).map(|row| row.error.abs()).collect();
        errors.sort_by(f64::total_cmp);
        let middle = errors.len() / 2;
        let median = match errors.len() {
            0 => f64::NAN,
            even if even % 2 == 0 => f64::midpoint(errors[middle - 1], errors[middle]),
            _ => errors[middle],
        };
        Self {
            kernel: recordings.first().map_or_else(String::new, |first| first.kernel.clone()),
            layout: recordings.first().map_or_else(String::new, |first| format!("{:?}", first.layout)),
            median_error: median,
            worst_error: errors.last().copied().unwrap_or(f64::NAN),
            void: rows.iter().filter(|row| row.void).count(),
            rows,
        }
    }

    pub(crate) fn print(&self, out: &mut impl Write) -> Result<()> {
        writeln!(out, "Kernel {}, cgroup {}\n", self.kernel, self.layout)?;
        writeln!(
            out,
            "| cell | runs | finished | Linux mean ms (runs) | p99 | twin mean ms (replays) | p99 | error | p99 error | frozen periods | idle | late ms |"
        )?;
        writeln!(out, "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")?;
        for r in &self.rows {
            writeln!(
                out,
                "| {} | {} | {:.0} / {:.0} | {} | {:.1} | {} | {:.1} | {:+.1} % | {:+.1} % | {:.0} / {:.0} | {:.0} % | {:.2}{} |",
                r.cell,
                r.repetitions,
                r.linux.finished,
                r.twin.finished,
                r.linux.mean(),
                r.linux.p99_ms,
                r.twin.mean(),
                r.twin.p99_ms,
                r.error * 100.0,
                r.p99_error * 100.0,
                r.linux.throttled_periods,
                r.twin.throttled_periods,
                r.idle * 100.0,
                r.lateness_ms,
                if r.void { " void" } else { "" },
            )?;
        }
        writeln!(
            out,
            "\n{} cells, {} void: error of the mean {:.1} % in the median, {:.1} % at worst",
            self.rows.len(),
            self.void,
            self.median_error * 100.0,
            self.worst_error * 100.0
        )?;
        Ok(())
    }
}

/// A remark on standard error.
#[expect(clippy::print_stderr, reason = "progress and warnings of a command")]
pub(crate) fn warn(text: &str) {
    eprintln!("{text}");
}
