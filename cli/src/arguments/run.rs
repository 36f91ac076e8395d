//! What can be typed after `sockpit run`.

use std::path::PathBuf;

use agents::mechanism::Mechanism;
use clap::Args;

use super::{ModelsOptions, Threads, mechanism};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockpit run acv/low/pod-failure --model runbook --trials 20
  sockpit run acv/low/cpu-stress --model noop --json
  sockpit run my-scenario.yaml --model script:actions.yaml --record runs/mine
  sockpit run acv/low/cpu-stress --model runbook --set fault.severity=0.3 --credit 8
  sockpit run acv/high/pod-failure --model openai:gpt-4o-mini --record runs/mini    a manager and two agents
  sockpit run acv/high/pod-failure --model replay:runs/mini                         the same without the server")]
pub(crate) struct RunOptions {
    /// A shipped scenario or a scenario file
    pub(crate) scenario: String,
    /// Who plays: noop, random, restart, hpa, runbook, oracle, script:FILE, a chat model such as openai:gpt-4o-mini, or
    /// replay:FOLDER for what models answered in a recorded run [default: runbook]
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// How it plays: mechanism, tool form, prompts, critic, memory, budgets, and models by role; a file, or the name of one
    /// that ships (`sockpit strategies`)
    #[arg(long, value_name = "STRATEGY")]
    pub(crate) strategy: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) models: ModelsOptions,
    /// How the agents work together: solo, managed or peers [default: managed for a group's task, else solo]
    #[arg(long, value_name = "MECHANISM", value_parser = mechanism)]
    pub(crate) mechanism: Option<Mechanism>,
    /// How many episodes, each with the next seed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) trials: u32,
    /// Seed of the first episode
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Change a field of the scenario, such as `--set fault.severity=0.3`; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
    /// Futures per decision for credit by branches; 0 for none
    #[arg(long, value_name = "K", default_value_t = 0)]
    pub(crate) credit: u32,
    /// Write each episode's log and score into this folder, and all that `sockpit replay` needs
    #[arg(long, value_name = "FOLDER")]
    pub(crate) record: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) threads: Threads,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
