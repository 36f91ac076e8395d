//! What can be typed after `sockpit compare`.

use std::path::PathBuf;

use agents::mechanism::Mechanism;
use clap::{Args, ValueEnum};

use super::{ModelsOptions, Threads, mechanism, positive};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockpit compare --suite acv/low --model runbook --trials 10
  sockpit compare --suite faults --model restart --model hpa --model runbook --trials 10 --markdown > faults.md
  sockpit compare --scenario acv/low/cpu-stress --scenario my.yaml --model script:mine.yaml --json
  sockpit compare --suite acv --model runbook --model openai:gpt-4o-mini --to runs/mini --max-cost 5
  sockpit compare --like runs/lab --trials 30 --to runs/twin      what `sockpit live --to runs/lab` played, in the twin
  sockpit compare --from runs/mini                    the same tables again; nothing is played
  sockpit compare --from runs/mini --from runs/other --only-scenario acv/low --against runbook --format csv

All contenders see the same worlds: the same users, demands and delays, seed by seed. `noop` is always there as the
floor and, unless --ceiling says otherwise, `oracle` as the ceiling; it plays copies of the world ahead and so takes
most of the time. What is kept in a folder is there as Parquet too: tables/episodes.parquet, one row for each episode, and a
telemetry.parquet beside the logs of each contender in each scenario.")]
pub(crate) struct CompareOptions {
    /// Every shipped scenario whose name begins so, such as `acv`, `acv/low` or `faults`; may be repeated
    #[arg(long, value_name = "PREFIX")]
    pub(crate) suite: Vec<String>,
    /// A shipped scenario or a scenario file; may be repeated
    #[arg(long, value_name = "SCENARIO")]
    pub(crate) scenario: Vec<String>,
    /// A contender: noop, random, restart, hpa, runbook, oracle, script:FILE, or a chat model such as openai:gpt-4o-mini;
    /// may be repeated
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Vec<String>,
    /// A contender by a strategy, a file or one that ships, as NAME=STRATEGY or NAME=STRATEGY,model=MODEL; may be repeated
    #[arg(long, value_name = "NAME=STRATEGY")]
    pub(crate) contender: Vec<String>,
    /// The scenarios and contenders that this folder keeps, as they were played there, such as live ones in the twin; neither
    /// floor nor ceiling is added
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["suite", "scenario", "model", "contender", "ceiling"])]
    pub(crate) like: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) models: ModelsOptions,
    /// Keep everything in this folder: logs, scores, recordings of models; what is finished there is not played again
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to: Option<PathBuf>,
    /// Make the tables of what this folder keeps and play nothing; of several together, if repeated
    #[arg(
        long,
        value_name = "FOLDER",
        conflicts_with_all = [
            "suite", "scenario", "model", "contender", "like", "models", "to", "dry_run", "max_cost", "mechanism", "ceiling",
            "credit", "trials", "seed", "threads",
        ]
    )]
    pub(crate) from: Vec<PathBuf>,
    /// Of what is kept, only scenarios whose name begins so; may be repeated
    #[arg(long, value_name = "PREFIX", requires = "from")]
    pub(crate) only_scenario: Vec<String>,
    /// Of what is kept, only this contender; may be repeated
    #[arg(long, value_name = "NAME", requires = "from")]
    pub(crate) only_contender: Vec<String>,
    /// Compare the others with this contender, pair by pair [default: the first that is neither floor nor ceiling]
    #[arg(long, value_name = "NAME")]
    pub(crate) against: Option<String>,
    /// Say how many episodes would be played and what models may cost at most, and play nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Ask models no more once they have cost this much in US dollars; what was played by then is scored
    #[arg(long, value_name = "USD", value_parser = positive)]
    pub(crate) max_cost: Option<f64>,
    /// How the agents work together: solo, managed or peers [default: managed for a group's task, else solo]
    #[arg(long, value_name = "MECHANISM", value_parser = mechanism)]
    pub(crate) mechanism: Option<Mechanism>,
    /// Whether the ceiling is played
    #[arg(long, value_enum, default_value_t = Ceiling::Oracle)]
    pub(crate) ceiling: Ceiling,
    /// Futures per decision for credit by branches, which take most of the time then; 0 for none. What is kept without it is
    /// played again
    #[arg(long, value_name = "K", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub(crate) credit: u32,
    /// How many episodes of each scenario and contender, each with the next seed
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) trials: u32,
    /// Seed of the first episode
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) threads: Threads,
    /// How to print: tables as text or Markdown, one row for each scenario and contender as CSV, or as JSON [default: text]
    #[arg(long, value_enum, conflicts_with_all = ["json", "markdown"])]
    pub(crate) format: Option<Format>,
    /// Print an array with an object for each scenario and contender, each as `run --json` prints it
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) json: bool,
    /// Print the tables as Markdown
    #[arg(long)]
    pub(crate) markdown: bool,
}

impl CompareOptions {
    /// How to print; the two shorthands are the older ones.
    pub(crate) fn format(&self) -> Format {
        match self.format {
            Some(format) => format,
            None if self.json => Format::Json,
            None if self.markdown => Format::Markdown,
            None => Format::Text,
        }
    }
}

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables for the terminal.
    Text,
    /// The same as Markdown.
    Markdown,
    /// One row for each scenario and contender.
    Csv,
    /// An array with an object for each scenario and contender.
    Json,
}

/// What stands at the top of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ceiling {
    /// The policy that looks ahead.
    Oracle,
    /// Nothing.
    None,
}
