//! The command line. In an image of the lab it means nothing unless it begins with a subcommand of ours: manifests
//! give the arguments of the program that is played.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use sim::diagnostic::{Diagnostic, Diagnostics, Source};
use sim::ids::ServiceIx;
use sim::input::Located;
use sim::profile::Profile;
use sim::program::Programs;

use crate::burn::Burner;
use crate::concurrency::{self, Stage};
use crate::config::Config;
use crate::cost::Costs;
use crate::identity::{Identity, identify};
use crate::process::Process;
use crate::{background, calibrate, consumer, features, life, round_trip, say, server, start_up, stress};

/// Plays any service of a sockpit profile for real. Without a subcommand it plays the service that the environment
/// names: `SOCKPIT_PROFILE` with `SOCKPIT_SERVICE`, or `SOCKPIT_IMAGE` in an image of the lab.
#[derive(Parser)]
#[command(name = "stand-in", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Uses up CPU time or memory, as a fault does.
    Burn(stress::Burn),
    /// Says how true bursts are on this machine, and what a request costs beside them.
    Calibrate(calibrate::Calibrate),
    /// Does nothing until SIGTERM.
    Pause,
    /// Sends back what comes, for `round-trips`.
    Echo(round_trip::Echo),
    /// Says how long messages take to an `echo` and back.
    RoundTrips(round_trip::RoundTrips),
    /// Says what of a profile is not played.
    Check(Check),
}

#[derive(Args)]
struct Check {
    /// Path of the profile.
    profile: String,
}

/// Why the program ends early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Something that somebody wrote is wrong.
    #[error(transparent)]
    Input(#[from] Diagnostics),
    /// Something that the system does not do.
    #[error("{what}: {source}\n  help: {help}")]
    System { what: String, source: io::Error, help: &'static str },
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Input(Diagnostics(vec![diagnostic]))
    }
}

/// Names of our own subcommands, which count in an image too.
const OWN: [&str; 6] = ["burn", "calibrate", "pause", "echo", "round-trips", "check"];

/// Does what the command line says.
///
/// # Errors
/// Whatever ends it early.
pub(crate) fn run() -> Result<(), Failure> {
    let is_own = std::env::args().nth(1).is_some_and(|first| OWN.contains(&first.as_str()));
    if std::env::var_os("SOCKPIT_IMAGE").is_some() && !is_own {
        // The first process of a container plays. Any other was started beside it by an `exec` probe.
        return if std::process::id() == 1 { play() } else { probe() };
    }
    match CommandLine::parse().command {
        None => play(),
        Some(Command::Burn(burn)) => {
            burn.run();
            Ok(())
        }
        Some(Command::Calibrate(calibrate)) => calibrate.run(),
        Some(Command::Pause) => life::idle().map_err(|source| system("cannot wait for SIGTERM", source)),
        Some(Command::Echo(echo)) => echo.run(),
        Some(Command::RoundTrips(round_trips)) => round_trips.run(),
        Some(Command::Check(check)) => {
            let profile = load(&check.profile)?;
            refuse_unplayed(&profile, None)?;
            say(&format!("{}: everything in it is played", check.profile));
            Ok(())
        }
    }
}

/// Whether the service of this container accepts a connection, whatever the command of an `exec` probe was.
fn probe() -> Result<(), Failure> {
    let config = Config::from_environment()?;
    let profile = load(&config.profile)?.value;
    let Identity::Service(name) = identify(&profile, &config)? else { return Ok(()) };
    let address = config.listen.unwrap_or_else(|| ([127, 0, 0, 1], profile.services[&name].port).into());
    let connected = TcpStream::connect(address);
    connected.map(drop).map_err(|source| system(&format!("{name} does not accept a connection"), source))
}

/// Plays the service that the environment names, until the end of the process.
fn play() -> Result<(), Failure> {
    let mut config = Config::from_environment()?;
    let profile = load(&config.profile)?;
    let name = match identify(&profile.value, &config)? {
        Identity::Service(name) => name,
        Identity::Idle => return life::idle().map_err(|source| system("cannot wait for SIGTERM", source)),
    };
    refuse_unplayed(&profile, Some(&name))?;
    let programs = Programs::compile(&profile.value)?;
    // It is large, and counts in the memory that the service is to occupy.
    drop(profile);
    let service = programs.service(&name).expect("an identity is one of the profile's services");
    configure(&mut config, &programs, service)?;
    let settings = programs.services[service.index()].runtime.clone();
    let costs = Arc::new(Costs::new(&settings, Burner::calibrated(config.absorbs), config.speed));
    let runtime = concurrency::runtime(&settings, &costs).map_err(|source| system("cannot start threads", source))?;
    runtime.block_on(async {
        let process = Arc::new(Process::new(config, programs, service, Stage::new(&settings), costs));
        serve(process).await
    })
}

/// Does what the profile says about the container's environment variables.
fn configure(config: &mut Config, programs: &Programs, service: ServiceIx) -> Result<(), Failure> {
    let variables: Vec<(String, String)> = std::env::vars().collect();
    let settings: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), Some(value.as_str()))).collect();
    let made = programs.environment(service, &settings);
    if let Some(code) = made.exits {
        say("its environment is wrong: it exits");
        life::exit(i32::from(code));
    }
    if made.never_listens || made.listens_on == Some(None) {
        say("its environment is wrong: it never listens");
        life::idle().map_err(|source| system("cannot wait for SIGTERM", source))?;
        life::exit(0);
    }
    if let Some(Some(port)) = made.listens_on {
        config.listen = config.listen.or_else(|| Some(([0, 0, 0, 0], port).into()));
    }
    for (other, address) in made.addresses {
        let other = &programs.services[other.index()];
        let port = address.port.unwrap_or(other.port);
        config.hosts.entry(other.address.clone()).or_insert_with(|| format!("{}:{port}", address.host));
    }
    Ok(())
}

async fn serve(process: Arc<Process>) -> Result<(), Failure> {
    life::watch(&process).map_err(|source| system("cannot catch SIGTERM", source))?;
    let starting = process.clone();
    tokio::task::spawn_blocking(move || start_up::start_up(&starting)).await.expect("starting up does not panic");
    let listener = server::listen(&process).map_err(|source| {
        let what = format!("{} cannot listen on port {}", process.service().name, process.service().port);
        let help = "ports below 1024 need NET_BIND_SERVICE or containerd's `enable_unprivileged_ports`; is it in use?";
        Failure::System { what, source, help }
    })?;
    let address = listener.local_addr().map_or_else(|_| "its port".to_owned(), |address| address.to_string());
    say(&format!("{} listens on {address}", process.service().name));
    background::start(&process);
    consumer::start(&process);
    // As a task: beside workers the main thread would be one more than the runtime that is played has, and nobody would
    // book what it uses.
    tokio::spawn(server::serve(process, listener)).await.expect("serving does not panic");
    Ok(())
}

/// Reads a profile and checks it.
fn load(path: &str) -> Result<Located<Profile>, Failure> {
    let text = fs::read_to_string(path).map_err(|source| Failure::System {
        what: format!("cannot read the profile {path}"),
        source,
        help: "set SOCKPIT_PROFILE to the path of a profile",
    })?;
    let (profile, _warnings) = Profile::load(&Source { path: path.to_owned(), text })?;
    Ok(profile)
}

fn refuse_unplayed(profile: &Located<Profile>, service: Option<&str>) -> Result<(), Failure> {
    let unplayed = features::unplayed(profile, service);
    if unplayed.is_empty() { Ok(()) } else { Err(Diagnostics(unplayed).into()) }
}

pub(crate) fn system(what: &str, source: io::Error) -> Failure {
    Failure::System { what: what.to_owned(), source, help: "look at the limits of this container" }
}
