//! What can be typed after `sockpit report`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Threads;

#[derive(Debug, Subcommand)]
pub(crate) enum ReportCommand {
    /// Set what was played live beside the same in the twin
    SimToReal(SimToRealOptions),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockpit live acv/low/pod-failure acv/low/cpu-stress --lab --write --model noop --model runbook --trials 2 --to runs/lab
  sockpit compare --like runs/lab --trials 30 --to runs/twin
  sockpit report sim-to-real runs/lab runs/twin --markdown > sim-to-real.md

By scenario and contender: levels, reward, times, objectives, CPU, throttling and replicas over time, actions, and what
differs, the largest first; then whether both worlds order the contenders in the same way. Needs no cluster.")]
pub(crate) struct SimToRealOptions {
    /// The folder of `sockpit live --to`
    #[arg(value_name = "LIVE")]
    pub(crate) live: PathBuf,
    /// The folder of `sockpit compare --to`
    #[arg(value_name = "TWIN")]
    pub(crate) twin: PathBuf,
    #[command(flatten)]
    pub(crate) threads: Threads,
    /// Print one JSON object
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) json: bool,
    /// Print Markdown
    #[arg(long)]
    pub(crate) markdown: bool,
}
