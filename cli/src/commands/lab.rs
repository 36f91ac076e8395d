//! `sockpit lab`: a real Kubernetes on this machine, and an application's stand-in on it.

mod compare;
mod conformance;
mod replay;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use agents::render::Table;
use anyhow::Context;
use datasets::apps::AppFiles;
use indicatif::ProgressBar;
use lab::{Application, Lab, LabError, Options, Progress, Recording, Sequence, Status};
use sim::diagnostic::{Diagnostic, Diagnostics, Source};

use crate::arguments::{LabCommand, LabDeployOptions, LabRecordOptions, LabStatusOptions, LabUpOptions};
use crate::output::{self, Failed};
use crate::progress;

/// Sock Shop's own probes wait up to 300 s before they look.
pub(super) const PATIENCE: Duration = Duration::from_mins(7);

pub(crate) fn run(command: &LabCommand) -> Result<(), Failed> {
    match command {
        LabCommand::Up(options) => up(options),
        LabCommand::Down => down(),
        LabCommand::Status(options) => status(options),
        LabCommand::Deploy(options) => deploy(options),
        LabCommand::Record(options) => record(options),
        LabCommand::Replay(options) => replay::run(options),
        LabCommand::Compare(options) => compare::run(options),
        LabCommand::Conformance(options) => conformance::run(options),
    }
}

fn up(options: &LabUpOptions) -> Result<(), Failed> {
    let start = Instant::now();
    // Mistakes in an application are said before minutes are spent.
    let files = options.app.as_deref().map(AppFiles::find).transpose()?;
    if let Some(files) = &files {
        files.load(options.overlay.as_deref())?;
    }
    let lab = watched(|watcher| Lab::up(&Options { install: options.install }, watcher))?;
    if let (Some(files), Some(name)) = (&files, &options.app) {
        deploy_files(&lab, files, name, options.overlay.as_deref())?;
    }
    output::talk(&format!("the lab is up, {:.1} s", start.elapsed().as_secs_f64()));
    output::data(&format!("export KUBECONFIG={}", lab.kubeconfig().display()))
}

fn down() -> Result<(), Failed> {
    watched(Lab::down)
}

fn deploy(options: &LabDeployOptions) -> Result<(), Failed> {
    let files = AppFiles::find(&options.app)?;
    let lab = Lab::find().map_err(failed)?;
    deploy_files(&lab, &files, &options.app, options.overlay.as_deref())
}

fn record(options: &LabRecordOptions) -> Result<(), Failed> {
    let mut sequences = match (&options.sequences[..], options.random) {
        // Whoever asks for chance does not ask for all that ship as well.
        ([], Some(_)) => Vec::new(),
        (named, _) => sequences(named)?,
    };
    sequences.extend(random(options)?);
    let recording = Recording { runs: options.runs, parallel: options.parallel.into() };
    let lab = Lab::find().map_err(failed)?;
    watched(|watcher| lab.record(&sequences, recording, &options.to, watcher))?;
    if options.replay { replay::play(&sequences, &options.to, options.seed, false) } else { Ok(()) }
}

/// Sequences made by chance, which are written beside their traces.
fn random(options: &LabRecordOptions) -> Result<Vec<(String, Sequence)>, Failed> {
    let make = |number| {
        let name = format!("random-{}-{number}", options.seed);
        let (text, sequence) = Sequence::random(options.seed, number)?;
        let path = options.to.join(&name).with_extension("yaml");
        let write = || {
            fs::create_dir_all(&options.to)?;
            fs::write(&path, text)
        };
        write().with_context(|| format!("cannot write {}", path.display())).map_err(Failed::Run)?;
        Ok((name, sequence))
    };
    (1..=u64::from(options.random.unwrap_or(0))).map(make).collect()
}

/// Sequences by name or file, all that ship if there are none, with the names that their traces get.
fn sequences(names: &[String]) -> Result<Vec<(String, Sequence)>, Failed> {
    if names.is_empty() {
        lab::sequences().map(sequence).collect()
    } else {
        names.iter().map(|n| sequence(n)).collect()
    }
}

/// A sequence by name or file, with the name that its traces get.
fn sequence(name: &str) -> Result<(String, Sequence), Failed> {
    let path = Path::new(name);
    if !path.is_file() {
        return Ok((name.to_owned(), Sequence::shipped(name)?));
    }
    let text = fs::read_to_string(path)
        .map_err(|why| output::usage(format!("{name}: it cannot be read: {why}\n  help: save it as UTF-8 text")))?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok((stem, Sequence::load(&Source { path: name.to_owned(), text })?))
}

fn deploy_files(lab: &Lab, files: &AppFiles, name: &str, overlay: Option<&str>) -> Result<(), Failed> {
    let start = Instant::now();
    files.load(overlay)?;
    let application = application(files, name, overlay)?;
    let deployed = watched(|watcher| {
        let deployed = lab.deploy(&application, watcher)?;
        lab.wait_until_ready(&deployed, PATIENCE, watcher)?;
        Ok(deployed)
    })?;
    let (pods, images) = (deployed.deployments.len(), deployed.images);
    output::talk(&format!("{name}: {pods} deployments ready, {images} images, {:.1} s", start.elapsed().as_secs_f64()));
    Ok(())
}

/// What of an app's files the lab deploys.
pub(super) fn application<'a>(
    files: &'a AppFiles,
    name: &str,
    overlay: Option<&str>,
) -> Result<Application<'a>, Failed> {
    let profile = files.profile.as_ref().ok_or_else(|| {
        let help = "add a profile.yaml: the stand-in plays what it says";
        Diagnostics(vec![Diagnostic::error(name, 0, "", "the app has no profile").help(help)])
    })?;
    let overlay = overlay.and_then(|overlay| files.overlays.get(overlay)).map_or(&[][..], Vec::as_slice);
    Ok(Application { manifests: &files.manifests, overlay, profile })
}

fn status(options: &LabStatusOptions) -> Result<(), Failed> {
    let status = Lab::status().map_err(failed)?;
    if options.json { output::json(&status) } else { output::data(&text(&status)) }
}

fn text(status: &Status) -> String {
    if !status.up && status.components.iter().all(|component| !component.alive) {
        let left =
            if status.leftovers.is_empty() { String::new() } else { format!("\n{}", status.leftovers.join("\n")) };
        return format!("no lab is up{left}");
    }
    let mut components = Table::new(["COMPONENT", "ALIVE", "MEMORY"]);
    for component in &status.components {
        let alive = if component.alive { "yes" } else { "no" };
        let memory = format!("{:.0} Mi", component.memory.mebibytes());
        components.row([component.name.clone(), alive.to_owned(), memory]);
    }
    let mut nodes = Table::new(["NODE", "READY", "CPU", "MEMORY"]);
    for node in &status.nodes {
        let ready = if node.ready { "yes" } else { "no" };
        nodes.row([node.name.clone(), ready.to_owned(), node.cpu.clone(), node.memory.clone()]);
    }
    let (components, nodes) = (components.text("no components"), nodes.text("the API server does not answer"));
    format!(
        "{}\n\n{components}\n\n{nodes}\n\nkubeconfig  {}\nPrometheus  {}",
        if status.up { "the lab is up" } else { "the lab is not whole: `sockpit lab up` builds it anew" },
        status.kubeconfig.display(),
        status.prometheus
    )
}

/// Runs something of the lab, and says what it does: steps as lines, details where somebody looks.
pub(super) fn watched<T>(run: impl FnOnce(lab::Watcher<'_>) -> Result<T, LabError>) -> Result<T, Failed> {
    let line: ProgressBar = progress::line();
    let result = run(&mut |progress| match progress {
        Progress::Step(text) => line.suspend(|| output::talk(text)),
        Progress::Detail(text) => {
            line.set_message(text.to_owned());
            line.tick();
        }
    });
    line.finish_and_clear();
    result.map_err(failed)
}

pub(super) fn failed(error: LabError) -> Failed {
    match error {
        LabError::Application(mistakes) => mistakes.into(),
        error => Failed::Run(error.into()),
    }
}
