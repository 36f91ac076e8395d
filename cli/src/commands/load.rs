//! `sockpit load`: an application's users against a real system.
//!
//! ```text
//! WHAT, --url ─▶ plan ──▶ load::start ──▶ Report ──▶ report
//! ```

mod plan;
mod report;

use std::time::Duration;

use anyhow::Context;
use load::{Options, Report, Running};
use tokio::time::{MissedTickBehavior, interval};

use crate::arguments::LoadOptions;
use crate::output::{self, Failed};
use crate::progress;

pub(super) use plan::targets;

pub(crate) fn run(options: &LoadOptions) -> Result<(), Failed> {
    let planned = plan::plan(options)?;
    let times = Options { warm_up: options.warm_up, duration: Some(options.duration), every: options.every };
    let report = play(planned.plan, times).map_err(Failed::Run)?;
    if report.is_cut_short {
        output::talk("note: stopped before its time; these are the figures so far");
    }
    for warning in report.warnings() {
        output::talk(&format!("warning: {warning}"));
    }
    if options.json { output::json(&report) } else { output::data(&report::text(&planned.load, &report)) }
}

/// Plays the load to its end, or until Ctrl-C.
fn play(plan: load::Plan, options: Options) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let total = options.warm_up + options.duration.unwrap_or_default();
    let bar = progress::bar(total.0 / 1_000_000_000, "seconds");
    let running = load::start(plan, options).context("cannot start the load")?;
    runtime.block_on(async {
        tokio::select! {
            () = watch(&running, &bar) => {}
            // Without a signal handler Ctrl-C ends the program, and there is nothing to wait for.
            Ok(()) = tokio::signal::ctrl_c() => running.stop(),
        }
    });
    bar.finish_and_clear();
    running.wait().context("the load ended too early")
}

/// Shows how a run stands until it is over.
async fn watch(running: &Running, bar: &indicatif::ProgressBar) {
    let mut ticks = interval(Duration::from_millis(200));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while !running.is_finished() {
        ticks.tick().await;
        let snapshot = running.snapshot();
        bar.set_position(snapshot.elapsed.as_secs());
        bar.set_message(format!(
            "{} users, {} requests, {} failed",
            snapshot.users, snapshot.finished, snapshot.failed
        ));
    }
}
