//! What can be typed after `sockpit lab`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sim::time::{SimDuration, parse_duration};

use super::at_least_a_second;

#[derive(Debug, Subcommand)]
#[command(after_help = "\
The lab keeps its files in /var/lib/sockpit-lab (SOCKPIT_LAB_DIR) and built programs in /var/cache/sockpit-lab
(SOCKPIT_LAB_CACHE).")]
pub(crate) enum LabCommand {
    /// Bring up a Kubernetes of two nodes, and an application on it if one is named
    Up(LabUpOptions),
    /// Take away everything that the lab made, whatever state it is in
    Down,
    /// Say what runs
    Status(LabStatusOptions),
    /// Deploy an application's stand-in on the lab, anew
    Deploy(LabDeployOptions),
    /// Play sequences on the lab, and record what Kubernetes does
    Record(LabRecordOptions),
    /// Play recorded sequences in the twin, and say what it does otherwise than Kubernetes
    Replay(LabReplayOptions),
    /// Play loads, faults and actions on the lab and in the twin, side by side
    Compare(LabCompareOptions),
    /// Hold a live cluster, the lab, against the rules that every world keeps and the twin passes in every test run
    Conformance(LabConformanceOptions),
}

#[derive(Debug, Default, Args)]
#[command(after_help = "\
Examples:
  sudo sockpit lab compare moderate-front-end
  sudo sockpit lab compare --markdown > comparison.md          everything that ships
  sudo sockpit lab compare my-scenario.yaml --duration 2m --json
  sudo sockpit lab compare --to kept                           keeps what the lab did
  sockpit lab compare --from datasets/comparisons/kept         the twin of today beside a lab of then; needs no lab

A scenario's loads, faults and premises are played, its task is not; nobody operates it. The lab must be up. What
stands in front of a slash is the twin's, behind it the lab's. A comparison is void where the machine itself was the
bottleneck.")]
pub(crate) struct LabCompareOptions {
    /// Comparisons that ship, or scenario files [default: all that ship]
    #[arg(value_name = "WHAT")]
    pub(crate) what: Vec<String>,
    /// Time under load before the measurement [default: until all users are there, and 15s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) warm_up: Option<SimDuration>,
    /// Time that is measured [default: 60s]
    #[arg(long, value_name = "DURATION", value_parser = at_least_a_second)]
    pub(crate) duration: Option<SimDuration>,
    /// Keep what the lab did in this folder, as NAME.json
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to: Option<PathBuf>,
    /// Set the twin beside what this folder keeps, without a lab [default for WHAT: all that it keeps]
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["to", "warm_up", "duration"])]
    pub(crate) from: Option<PathBuf>,
    /// Seed of all chance
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print one JSON array
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) json: bool,
    /// Print Markdown
    #[arg(long)]
    pub(crate) markdown: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo sockpit lab up --install                       a fresh machine
  sudo sockpit lab up --app sock-shop
  kubectl --kubeconfig /var/lib/sockpit-lab/kubeconfig get pods --all-namespaces

Needs root, Go and control groups of version 1. The first time it builds Kubernetes, which takes about twenty
minutes on two cores.")]
pub(crate) struct LabUpOptions {
    /// Install Debian's packages that are missing
    #[arg(long)]
    pub(crate) install: bool,
    /// Deploy this application as well: a shipped app or the folder of an app
    #[arg(long, value_name = "APP")]
    pub(crate) app: Option<String>,
    /// Apply an overlay of the app, such as `acv`
    #[arg(long, value_name = "NAME", requires = "app")]
    pub(crate) overlay: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct LabStatusOptions {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockpit lab record --to traces                      all, twice each: about half an hour
  sockpit lab record rollout-default bad-tag --to traces --runs 1
  sockpit lab record --random 10 --seed 7 --replay --to traces    what nobody has thought of, twin beside lab")]
pub(crate) struct LabRecordOptions {
    /// Shipped sequences, or files of your own [default: all that ship, if none are made by chance]
    pub(crate) sequences: Vec<String>,
    /// Make so many sequences by chance, and write them into the folder too, as random-SEED-1.yaml and so on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) random: Option<u32>,
    /// Seed of what is made by chance, and of the twin's chance
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Then play them in the twin, and say what it does otherwise
    #[arg(long)]
    pub(crate) replay: bool,
    /// Write each run's trace into this folder, as NAME.RUN.jsonl
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to: PathBuf,
    /// How often each is played
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) runs: u32,
    /// How many are played at once; those that disturb others run alone
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=20))]
    pub(crate) parallel: u8,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockpit lab replay                                  all that are recorded, as a table
  sockpit lab replay rollout-default                  with every difference
  sockpit lab replay --traces my-traces --json

Every transition that all recorded runs have must be in the twin's, within 20 % or 1 s of where they lie, and in the same
order where they agree on one. Needs no lab.")]
pub(crate) struct LabReplayOptions {
    /// Shipped sequences, or files of your own [default: all that ship]
    pub(crate) sequences: Vec<String>,
    /// Where the traces are, two of each sequence at least
    #[arg(long, value_name = "FOLDER", default_value = "datasets/traces")]
    pub(crate) traces: PathBuf,
    /// Seed of the twin's chance
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print one JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo sockpit lab conformance
  sudo sockpit lab conformance --settle 10m           on a slow machine

Deploys the application of the scenario anew, makes seven checks on it, one after the other, and leaves it as the last one
left it: `sockpit lab deploy` makes it new.")]
pub(crate) struct LabConformanceOptions {
    /// The scenario whose world is checked; its first fault is injected and taken back
    #[arg(long, value_name = "SCENARIO", default_value = "acv/low/pod-failure")]
    pub(crate) scenario: String,
    /// An image of the scenario's component, other than the one that runs, that serves
    #[arg(long, value_name = "IMAGE", default_value = "weaveworksdemos/catalogue:0.3.4")]
    pub(crate) image: String,
    /// How long a rollout, or a start of the whole world, takes at most
    #[arg(long, value_name = "DURATION", value_parser = at_least_a_second, default_value = "5m")]
    pub(crate) settle: SimDuration,
}

#[derive(Debug, Args)]
pub(crate) struct LabDeployOptions {
    /// A shipped app or the folder of an app
    #[arg(default_value = datasets::apps::DEFAULT_APP)]
    pub(crate) app: String,
    /// Apply an overlay of the app, such as `acv`
    #[arg(long, value_name = "NAME")]
    pub(crate) overlay: Option<String>,
}
