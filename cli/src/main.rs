//! The one program that users see: `sockpit`.
//!
//! Data goes to stdout, talk and progress to stderr. Exit codes: 0 done, 1 the run failed, 2 usage
//! or invalid input.

mod arguments;
mod checks;
mod commands;
mod contender;
mod episodes;
mod output;
mod progress;
mod recorded;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command, ScenarioCommand};
use output::Failed;

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output::failure(&failure),
    }
}

fn run(arguments: Arguments) -> Result<(), Failed> {
    match arguments.command {
        Command::Scenarios(options) => commands::scenarios::run(&options),
        Command::Strategies(options) => commands::strategies::run(&options),
        Command::Faults(options) => commands::faults::run(&options),
        Command::Simulate(options) => commands::simulate::run(&options),
        Command::Load(options) => commands::load::run(&options),
        Command::Run(options) => commands::run::run(&options),
        Command::Compare(options) => commands::compare::run(&options),
        Command::Replay(options) => commands::replay::run(&options),
        Command::Live(options) => commands::live::run(&options),
        Command::Report { command } => commands::report::run(&command),
        Command::Calibrate(options) => commands::calibrate::run(&options),
        Command::Doctor(options) => commands::doctor::run(&options),
        Command::Undo(options) => commands::undo::run(&options),
        Command::Scenario { command: ScenarioCommand::Check(options) } => commands::check::run(&options),
        Command::Scenario { command: ScenarioCommand::Generate(options) } => commands::generate::run(&options),
        Command::Scenario { command: ScenarioCommand::Schema } => commands::check::schema(),
        Command::Lab { command } => commands::lab::run(&command),
    }
}
