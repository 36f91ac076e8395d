//! What can be typed after `sockpit replay`.

use std::path::PathBuf;

use clap::Args;

use super::Threads;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockpit run acv/low/pod-failure --model runbook --trials 20 --record runs/mine
  sockpit replay runs/mine                            every episode that lies there
  sockpit replay comparison --json                    all that `compare --to comparison` has played
  sockpit replay runs/mini/seed-3.jsonl               one of them

An episode is identical if its log is, byte by byte. What models answered comes from their recordings: no server is
asked, and no key is needed. Exit code 1 if an episode differs, breaks off before its end, or cannot be played.")]
pub(crate) struct ReplayOptions {
    /// A folder that `run --record` or `compare --to` has left, a folder below it, or the log of one episode
    #[arg(value_name = "RUN")]
    pub(crate) recorded: PathBuf,
    #[command(flatten)]
    pub(crate) threads: Threads,
    /// Print an array with an object for each episode
    #[arg(long)]
    pub(crate) json: bool,
}
