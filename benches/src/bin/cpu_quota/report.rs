//! The comparison as a table and as JSON.

use std::io::Write;

use anyhow::Result;

use crate::cell::Recording;
use crate::replay::{measured, phase, predicted};

/// One row.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Row {
    cell: String,
    finished_linux: usize,
    finished_twin: usize,
    linux_mean_ms: f64,
    linux_p99_ms: f64,
    twin_mean_ms: f64,
    twin_p99_ms: f64,
    /// Relative error of the twin's mean.
    error: f64,
    p99_error: f64,
    linux_throttled_periods: f64,
    twin_throttled_periods: f64,
    linux_periods: f64,
    twin_periods: f64,
    linux_throttled_s: f64,
    twin_throttled_s: f64,
    /// Mean CPU time of a request really used, in milliseconds.
    demand_ms: f64,
    /// Phase of the period timer in milliseconds, where it could be seen.
    phase_ms: Option<f64>,
    idle: f64,
    lateness_ms: f64,
    void: bool,
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

pub(crate) fn row(recording: &Recording) -> Row {
    let (linux, twin) = (measured(recording), predicted(recording));
    let served = &recording.observation.served;
    let phases = if phase(recording).is_some() { 1 } else { 20 };
    Row {
        cell: recording.cell.name(),
        finished_linux: linux.responses.len(),
        finished_twin: twin.responses.len() / phases,
        linux_mean_ms: linux.mean(),
        linux_p99_ms: linux.quantile(0.99),
        twin_mean_ms: twin.mean(),
        twin_p99_ms: twin.quantile(0.99),
        error: twin.mean() / linux.mean() - 1.0,
        p99_error: twin.quantile(0.99) / linux.quantile(0.99) - 1.0,
        linux_throttled_periods: linux.nr_throttled,
        twin_throttled_periods: twin.nr_throttled,
        linux_periods: linux.nr_periods,
        twin_periods: twin.nr_periods,
        linux_throttled_s: linux.throttled_s,
        twin_throttled_s: twin.throttled_s,
        demand_ms: served.iter().map(|request| request.cpu as f64 / 1e6).sum::<f64>() / served.len() as f64,
        phase_ms: phase(recording).map(sim::time::SimDuration::as_millis_f64),
        idle: recording.idle,
        lateness_ms: recording.lateness_ms,
        void: recording.is_void(),
    }
}

impl Report {
    pub(crate) fn new(recordings: &[Recording]) -> Self {
        let rows: Vec<Row> = recordings.iter().map(row).collect();
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
            "| cell | finished | Linux mean ms | p99 | twin mean ms | p99 | error | p99 error | frozen periods | idle | late ms |"
        )?;
        writeln!(out, "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")?;
        for r in &self.rows {
            writeln!(
                out,
                "| {} | {} / {} | {:.1} | {:.1} | {:.1} | {:.1} | {:+.1} % | {:+.1} % | {:.0} / {:.0} | {:.0} % | {:.2}{} |",
                r.cell,
                r.finished_linux,
                r.finished_twin,
                r.linux_mean_ms,
                r.linux_p99_ms,
                r.twin_mean_ms,
                r.twin_p99_ms,
                r.error * 100.0,
                r.p99_error * 100.0,
                r.linux_throttled_periods,
                r.twin_throttled_periods,
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
