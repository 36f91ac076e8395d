//! What can be typed after `sockpit compare`.

use agents::mechanism::Mechanism;
use clap::{Args, ValueEnum};

use super::{Threads, mechanism};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockpit compare --suite acv/low --model runbook --trials 10
  sockpit compare --suite faults --model restart --model hpa --model runbook --trials 10 --markdown > faults.md
  sockpit compare --scenario acv/low/cpu-stress --scenario my.yaml --model script:mine.yaml --json

All contenders see the same worlds: the same users, demands and delays, seed by seed. `noop` is always there as the
floor and, unless --ceiling says otherwise, `oracle` as the ceiling; it plays copies of the world ahead and so takes
most of the time.")]
pub(crate) struct CompareOptions {
    /// Every shipped scenario whose name begins so, such as `acv`, `acv/low` or `faults`; may be repeated
    #[arg(long, value_name = "PREFIX")]
    pub(crate) suite: Vec<String>,
    /// A shipped scenario or a scenario file; may be repeated
    #[arg(long, value_name = "SCENARIO")]
    pub(crate) scenario: Vec<String>,
    /// A contender: noop, random, restart, hpa, runbook, oracle, or script:FILE; may be repeated
    #[arg(long, value_name = "POLICY")]
    pub(crate) model: Vec<String>,
    /// How the agents work together: solo, managed or peers [default: managed for a group's task, else solo]
    #[arg(long, value_name = "MECHANISM", value_parser = mechanism)]
    pub(crate) mechanism: Option<Mechanism>,
    /// Whether the ceiling is played
    #[arg(long, value_enum, default_value_t = Ceiling::Oracle)]
    pub(crate) ceiling: Ceiling,
    /// How many episodes of each scenario and contender, each with the next seed
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) trials: u32,
    /// Seed of the first episode
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) threads: Threads,
    /// Print an array with an object for each scenario and contender, each as `run --json` prints it
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) json: bool,
    /// Print the tables as Markdown
    #[arg(long)]
    pub(crate) markdown: bool,
}

/// What stands at the top of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ceiling {
    /// The policy that looks ahead.
    Oracle,
    /// Nothing.
    None,
}
