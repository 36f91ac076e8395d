//! What can be typed.

mod calibrate;
mod cluster;
mod compare;
mod live;
mod replay;
mod report;
mod scenario;

use std::path::PathBuf;

use agents::mechanism::Mechanism;
pub(crate) use calibrate::CalibrateOptions;
use clap::{Args, Parser, Subcommand};
pub(crate) use cluster::{DoctorOptions, UndoOptions};
pub(crate) use compare::{Ceiling, CompareOptions, Format};
pub(crate) use live::LiveOptions;
use sim::time::{SimDuration, parse_duration};

pub(crate) use replay::ReplayOptions;
pub(crate) use report::{ReportCommand, SimToRealOptions};
pub(crate) use scenario::{CheckOptions, GenerateOptions, ScenarioCommand};

/// A flight simulator for autonomic agents: a Kubernetes application simulated request by request,
/// a fault, an agent that operates it, a score.
#[derive(Debug, Parser)]
#[command(name = "sockpit", version, propagate_version = true, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  sockpit scenarios                                   what ships
  sockpit faults                                      what can go wrong, and how it shows
  sockpit run acv/low/pod-failure --model runbook --trials 20
  sockpit compare --suite acv/low --model runbook --trials 10
  sockpit replay runs/mine                            recorded episodes again: are they identical?
  sockpit simulate --level heavy --target front-end   the twin alone, without an agent
  sockpit simulate acv/low/cpu-stress --every 15s     watch a fault, window by window
  sockpit live acv/low/pod-failure --lab --write      the same on a real cluster
  sockpit scenario check my-scenario.yaml
  sockpit load --url http://127.0.0.1:30001           the same users, against a real system

Exit codes: 0 done, 1 the run failed, 2 usage or invalid input.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the scenarios that ship, by suite and level
    Scenarios(ScenariosOptions),
    /// List the strategies that ship: how chat models play
    Strategies(StrategiesOptions),
    /// List the kinds of fault: how each is written, how it shows, what mends it and what does not
    Faults(FaultsOptions),
    /// Simulate an application or a scenario without an agent
    Simulate(SimulateOptions),
    /// Send an application's load to a real system over HTTP
    Load(LoadOptions),
    /// Play a scenario with a policy, once per seed, and score it
    Run(RunOptions),
    /// Play several policies on the same scenarios and seeds, and set their results side by side
    Compare(CompareOptions),
    /// Play recorded episodes again, models from their recordings, and say whether they are identical
    Replay(ReplayOptions),
    /// Play a scenario on a live cluster, and score it
    Live(Box<LiveOptions>),
    /// Set what was played in one world beside another
    Report {
        #[command(subcommand)]
        command: ReportCommand,
    },
    /// Fit an application's profile to a running system, from what Prometheus knows of it
    Calibrate(CalibrateOptions),
    /// Say whether a chat model or a cluster has what it takes, and what to do where not
    Doctor(DoctorOptions),
    /// Put back what a session on a cluster changed, also after a crash
    Undo(UndoOptions),
    /// Check scenarios, make a suite of them, or print the schema of their files
    Scenario {
        #[command(subcommand)]
        command: ScenarioCommand,
    },
    /// A real Kubernetes on this machine, to hold the twin against
    Lab {
        #[command(subcommand)]
        command: LabCommand,
    },
}

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

#[derive(Debug, Args)]
pub(crate) struct FaultsOptions {
    /// Print one JSON array
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) json: bool,
    /// Print a table for a document
    #[arg(long)]
    pub(crate) markdown: bool,
}

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

/// One thread per core unless told otherwise.
#[derive(Debug, Args)]
pub(crate) struct Threads {
    /// Episodes played at once [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockpit simulate                                          the app's default load
  sockpit simulate --level heavy --target front-end
  sockpit simulate --user-class shopper --users 50 --duration 20m
  sockpit simulate ./my-app --rate 100 --target web --node-speed 0.5
  sockpit simulate acv/low/rising-traffic --every 15s

An app settles without load, then the load starts, then it is measured. A scenario is played on its own clock
with its own loads and faults, and nobody mends anything.

Latencies of a service are those of its handler (p50_ms …), without the wait to be accepted; what callers
wait, connecting included, stands beside them (caller_p50_ms, caller_p99_ms). Requests per second (rps) leave
out probes and scrapes; rps_all has them, as Prometheus counts them.")]
pub(crate) struct SimulateOptions {
    /// A shipped app, the folder of an app, a shipped scenario or a scenario file
    #[arg(default_value = "sock-shop")]
    pub(crate) what: String,
    /// Apply an overlay of the app, such as `acv`
    #[arg(long, value_name = "NAME")]
    pub(crate) overlay: Option<String>,
    #[command(flatten)]
    pub(crate) workload: WorkloadOptions,
    /// Simulated time before the load: pods become ready, JVMs warm [default: 15m]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) settle: Option<SimDuration>,
    /// Simulated time under load before the measurement [default: 60s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) warm_up: Option<SimDuration>,
    /// Simulated time that is measured [default: 10m; a scenario: from its start to 5m after its last fault]
    #[arg(long, value_name = "DURATION", value_parser = at_least_a_second)]
    pub(crate) duration: Option<SimDuration>,
    /// Also print each window of this length [default for a scenario: 15s]
    #[arg(long, value_name = "DURATION", value_parser = at_least_a_second)]
    pub(crate) every: Option<SimDuration>,
    /// Speed of the nodes relative to the machine that the profile's costs were measured on
    #[arg(long, value_name = "FACTOR", value_parser = positive)]
    pub(crate) node_speed: Option<f64>,
    /// Number of nodes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) nodes: Option<u32>,
    /// Cores of each node
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) cores: Option<u32>,
    /// Change a field of the scenario, such as `--set fault.severity=0.3`; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
    /// Seed of all chance
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// A load on an app.
#[derive(Debug, Default, Args)]
pub(crate) struct WorkloadOptions {
    /// A load level of the app, such as light, moderate, heavy, rising [default: the app's]
    #[arg(long, visible_alias = "load", value_name = "LEVEL", conflicts_with_all = ["users", "rate"])]
    pub(crate) level: Option<String>,
    /// A number of users instead of a level; 0 for none
    #[arg(long, value_name = "N", conflicts_with = "rate", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(crate) users: Option<u32>,
    /// Users started per second [default: all within a second]
    #[arg(long, value_name = "N", requires = "users", value_parser = positive)]
    pub(crate) spawn_rate: Option<f64>,
    /// Poisson arrivals per second instead of users; each does one task
    #[arg(long, value_name = "PER_SECOND", value_parser = positive)]
    pub(crate) rate: Option<f64>,
    /// What the users do: a user class of the app [default: the app's]
    #[arg(long, value_name = "NAME")]
    pub(crate) user_class: Option<String>,
    /// The wait between two tasks of a user, instead of the class's own
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "rate")]
    pub(crate) wait: Option<SimDuration>,
    /// The service that the load goes to [default: the app's]
    #[arg(long, value_name = "SERVICE")]
    pub(crate) target: Option<String>,
    /// Whether users keep their connections [default: as the user class says]
    #[arg(long, value_name = "BOOL")]
    pub(crate) keep_alive: Option<bool>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockpit load --url http://127.0.0.1:30001 --users 50          the app's default users
  sockpit load --url http://shop.test --level heavy --duration 5m --every 10s
  sockpit load --url http://shop.test --user-class shopper --rate 20 --json
  sockpit load --profile shop.yaml --user-class buyer --target web --rate 9 --url http://[::1]:80
  sockpit load acv/low/rising-traffic --url http://shop.test    the loads of a scenario

The users are those of `simulate`: with the same seed they do the same tasks with the same waits
and attributes (sent as headers `x-sockpit-<attribute>`). Latencies (p50_ms …) begin with the
sending of a request. Those that begin when the request was due stand beside them (DUE, from_due):
they are free of coordinated omission. Ctrl-C ends the measurement and prints what there is.

Send load only to systems that are yours.")]
pub(crate) struct LoadOptions {
    /// Whose users: a shipped app, the folder of an app, a shipped scenario or a scenario file
    #[arg(default_value = "sock-shop")]
    pub(crate) what: String,
    /// A profile file instead of an app
    #[arg(long, value_name = "FILE", conflicts_with = "what")]
    pub(crate) profile: Option<String>,
    /// Where the target is; as SERVICE=URL, where another service is; may be repeated
    #[arg(long = "url", value_name = "URL", required = true)]
    pub(crate) urls: Vec<String>,
    #[command(flatten)]
    pub(crate) workload: WorkloadOptions,
    /// Time under load before the measurement
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "10s")]
    pub(crate) warm_up: SimDuration,
    /// Time that is measured
    #[arg(long, value_name = "DURATION", value_parser = at_least_a_second, default_value = "60s")]
    pub(crate) duration: SimDuration,
    /// Also print each window of this length
    #[arg(long, value_name = "DURATION", value_parser = at_least_a_second)]
    pub(crate) every: Option<SimDuration>,
    /// Seed of all chance
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

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

/// Where chat models are described.
#[derive(Debug, Default, Args)]
pub(crate) struct ModelsOptions {
    /// A file of chat models by name: servers, parameters, prices; keys stay in environment variables
    #[arg(long, value_name = "FILE")]
    pub(crate) models: Option<PathBuf>,
}

/// A working mechanism by its name.
fn mechanism(text: &str) -> Result<Mechanism, String> {
    let names = Mechanism::ALL.map(Mechanism::name).join(", ");
    Mechanism::ALL.into_iter().find(|mechanism| mechanism.name() == text).ok_or(format!("write one of {names}"))
}

/// A number above zero.
fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= 1e6 => Ok(number),
        _ => Err("write a number above 0 and at most 1000000".into()),
    }
}

/// A duration of a second or more.
fn at_least_a_second(text: &str) -> Result<SimDuration, String> {
    match parse_duration(text)? {
        duration if duration >= SimDuration::SECOND => Ok(duration),
        duration => Err(format!("{duration} is too short: write 1s or more")),
    }
}
