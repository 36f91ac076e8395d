//! What can be typed after `sockpit scenarios`, `sockpit strategies` and `sockpit faults`, which list what there is.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct ScenariosOptions {
    /// Print one JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockpit strategies
  sockpit run acv/high/pod-failure --strategy managed-typed --model openai:gpt-4o-mini
  sockpit compare --suite acv --contender mine=kubectl,model=openai:gpt-4o-mini

A name stands wherever a strategy file can be named. `datasets/strategies` has their text.")]
pub(crate) struct StrategiesOptions {
    /// Print one JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FaultsOptions {
    /// Print one JSON array
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) json: bool,
    /// Print a table for a document
    #[arg(long)]
    pub(crate) markdown: bool,
}
