//! What can be typed: a file for each command, and here what several of them share.

mod calibrate;
mod cluster;
mod compare;
mod lab;
mod lists;
mod live;
mod load;
mod replay;
mod report;
mod run;
mod scenario;
mod simulate;
mod workload;

use std::path::PathBuf;

use agents::mechanism::Mechanism;
use clap::{Args, Parser, Subcommand};
use sim::time::{SimDuration, parse_duration};

pub(crate) use self::calibrate::CalibrateOptions;
pub(crate) use self::cluster::{DoctorOptions, UndoOptions};
pub(crate) use self::compare::{Ceiling, CompareOptions, Format};
pub(crate) use self::lab::{
    LabCommand, LabCompareOptions, LabConformanceOptions, LabDeployOptions, LabRecordOptions, LabReplayOptions,
    LabStatusOptions, LabUpOptions,
};
pub(crate) use self::lists::{FaultsOptions, ScenariosOptions, StrategiesOptions};
pub(crate) use self::live::LiveOptions;
pub(crate) use self::load::LoadOptions;
pub(crate) use self::replay::ReplayOptions;
pub(crate) use self::report::{ReportCommand, SimToRealOptions};
pub(crate) use self::run::RunOptions;
pub(crate) use self::scenario::{CheckOptions, GenerateOptions, ScenarioCommand};
pub(crate) use self::simulate::SimulateOptions;
pub(crate) use self::workload::WorkloadOptions;

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

/// One thread per core unless told otherwise.
#[derive(Debug, Args)]
pub(crate) struct Threads {
    /// Episodes played at once [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
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
