//! `sockpit scenario …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Threads;

#[derive(Debug, Subcommand)]
pub(crate) enum ScenarioCommand {
    /// Report every mistake in scenario files, and play their checks
    Check(CheckOptions),
    /// Make a suite of scenarios from templates, with a seed of your own
    Generate(GenerateOptions),
    /// Print the JSON schema of scenario files
    Schema,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockpit scenario check my-scenario.yaml --witness mends-it.yaml
  sockpit scenario check --suite faults               all that ships of it, several at once
  sockpit scenario check held-out                     a folder, such as `scenario generate` makes

Played, each with the result and why:
  healthy      without its faults (and premises, where the task asks for an improvement) the objectives are met
  premise      with its premise the target is missed at first
  noop         whoever does nothing does not pass, or, where nothing is wrong, passes
  witness      a list of actions passes: yours, or those that lie in scripts/X/ for scenarios/X.yaml
  wrong-move   plausible wrong actions do not pass: the others there

Of several scenarios only what failed is printed, and a summary.

Exit codes: 0 all is well, 1 a check failed, 2 mistakes in a file.")]
pub(crate) struct CheckOptions {
    /// Scenario files, folders of them, or shipped scenarios
    #[arg(required_unless_present = "suite")]
    pub(crate) files: Vec<String>,
    /// All shipped scenarios of a suite, such as `faults`
    #[arg(long, value_name = "NAME")]
    pub(crate) suite: Option<String>,
    /// Only read the file; do not play the scenario
    #[arg(long, conflicts_with_all = ["witness", "seed"])]
    pub(crate) no_play: bool,
    /// A list of actions that should pass; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) witness: Vec<String>,
    /// Seed of all chance
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) threads: Threads,
    /// Print every check of every scenario
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Print one JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockpit scenario generate --suite faults --seed 7 --count 50 --out held-out
  sockpit scenario check held-out
  sockpit run held-out/scenarios/faults/decoy/NAME.yaml --model runbook

Candidates are drawn evenly over templates, components, severities and loads. Each is played as
`scenario check` does it, in several worlds; those that do not pass are dropped, with the reason,
and others take their place. The same seed makes the same files. They lie in OUT/scenarios and
OUT/scripts, as those that ship lie in datasets.")]
pub(crate) struct GenerateOptions {
    /// The suite whose templates are used
    #[arg(long, value_name = "NAME", default_value = "faults")]
    pub(crate) suite: String,
    /// Seed of what is drawn; 1 made what ships
    #[arg(long)]
    pub(crate) seed: u64,
    /// How many scenarios
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) count: u32,
    /// The folder that they are written into
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// In how many worlds each must pass its checks
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) trials: u32,
    /// Play nothing: some of them will not pass their checks
    #[arg(long, conflicts_with = "trials")]
    pub(crate) no_check: bool,
    #[command(flatten)]
    pub(crate) threads: Threads,
    /// Print one JSON array of what was made
    #[arg(long)]
    pub(crate) json: bool,
}
