//! `sockpit scenario check` and `scenario schema`: a user's own scenarios, or those that ship.
//!
//! Several are played at once, and only what failed is printed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use datasets::scenarios::{self, Loaded};
use rayon::prelude::*;
use sim::diagnostic::Diagnostics;

use crate::arguments::CheckOptions;
use crate::checks::{self, Candidate, Report};
use crate::output::{self, Failed};
use crate::progress;

/// Prints the JSON schema of scenario files.
pub(crate) fn schema() -> Result<(), Failed> {
    output::json(&sim::scenario::json_schema())
}

/// A scenario with the lists of actions that are tried on it.
struct Asked {
    loaded: Loaded,
    scripts: Vec<Candidate>,
}

pub(crate) fn run(options: &CheckOptions) -> Result<(), Failed> {
    let asked = load_all(&names(options)?, &options.witness)?;
    let reports = if options.no_play {
        asked.iter().map(|asked| unplayed(&asked.loaded, options.seed)).collect()
    } else {
        play_all(&asked, options)?
    };
    if options.json {
        output::json(&reports)?;
    } else {
        let is_whole = options.verbose || reports.len() == 1;
        let printed = reports.iter().filter(|report| is_whole || !report.ok).map(|report| text(report, is_whole));
        let summary = (reports.len() > 1).then(|| summary(&reports));
        output::data(&printed.chain(summary).collect::<Vec<_>>().join("\n"))?;
    }
    let failed: Vec<&str> = reports.iter().filter(|report| !report.ok).map(|report| &*report.scenario).collect();
    match (failed.as_slice(), reports.as_slice()) {
        ([], _) => Ok(()),
        (_, [report]) => {
            let failed = report.checks.iter().filter(|check| !check.passed).count();
            let of = report.checks.len();
            Err(Failed::Run(anyhow::anyhow!("{failed} of {of} checks of {} failed", report.scenario)))
        }
        (_, reports) => {
            Err(Failed::Run(anyhow::anyhow!("checks of {} of {} scenarios failed", failed.len(), reports.len())))
        }
    }
}

/// Every scenario that was named, each once, in order.
fn names(options: &CheckOptions) -> Result<Vec<String>, Failed> {
    let mut names = Vec::new();
    for file in &options.files {
        if Path::new(file).is_dir() {
            names.extend(below(file)?);
        } else {
            names.push(file.clone());
        }
    }
    if let Some(suite) = &options.suite {
        let of_suite = scenarios::of_suite(suite);
        if of_suite.is_empty() {
            let shipped = scenarios::shipped();
            let suites: BTreeSet<&str> = shipped.iter().filter_map(|name| name.split('/').next()).collect();
            let suites = Vec::from_iter(suites).join(", ");
            return Err(output::usage(format!("--suite {suite}: no such suite ships\n  help: these do: {suites}")));
        }
        names.extend(of_suite);
    }
    if options.witness.is_empty() || names.len() == 1 {
        return Ok(names);
    }
    Err(output::usage("--witness FILE: there are several scenarios\n  help: check the one that it is for by itself"))
}

/// The scenario files below a folder: all YAML files in its `scenarios`, or, if it has none, in itself.
fn below(folder: &str) -> Result<Vec<String>, Failed> {
    let inner = Path::new(folder).join("scenarios");
    let mut folders = vec![if inner.is_dir() { inner } else { PathBuf::from(folder) }];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let unreadable =
            |why: std::io::Error| output::usage(format!("{}: {why}\n  help: name a readable folder", folder.display()));
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                files.push(path.to_string_lossy().into_owned());
            }
        }
    }
    files.sort();
    match files.as_slice() {
        [] => Err(output::usage(format!("{folder}: no scenario lies there\n  help: name a folder of YAML files"))),
        _ => Ok(files),
    }
}

/// Loads all, or says every mistake in any of them.
fn load_all(names: &[String], witnesses: &[String]) -> Result<Vec<Asked>, Failed> {
    let mut asked = Vec::new();
    let mut mistakes = Vec::new();
    let mut warned = BTreeSet::new();
    for name in names {
        match scenarios::load(name, &[]).and_then(|loaded| Ok((loaded, scripts(name)?))) {
            Ok((loaded, scripts)) => {
                let warnings = loaded.warnings.iter().map(ToString::to_string);
                warnings.filter(|warning| warned.insert(warning.clone())).for_each(|warning| output::talk(&warning));
                asked.push(Asked { loaded, scripts });
            }
            Err(found) => mistakes.extend(found.0),
        }
    }
    if !mistakes.is_empty() {
        return Err(Diagnostics(mistakes).into());
    }
    for file in witnesses {
        let script = super::load_script(file)?;
        // There is one scenario if there is a witness.
        asked[0].scripts.push(Candidate { name: file.clone(), is_witness: true, script });
    }
    Ok(asked)
}

/// The lists of actions that ship with a shipped scenario, or that lie beside a file: those of `…/scenarios/X.yaml` in
/// `…/scripts/X/`.
fn scripts(name: &str) -> Result<Vec<Candidate>, Diagnostics> {
    let beside = match name.strip_suffix(".yaml").and_then(|path| path.rsplit_once("scenarios/")) {
        Some((root, path)) => scenarios::scripts_in(&Path::new(root).join("scripts").join(path))?,
        None => scenarios::scripts(name)?,
    };
    let candidates = beside.into_iter().map(|shipped| Candidate {
        is_witness: shipped.is_witness(),
        name: shipped.name.rsplit('/').next().unwrap_or_default().to_owned(),
        script: shipped.script,
    });
    Ok(candidates.collect())
}

/// Plays each scenario's checks in a thread; the reports are in the order of the scenarios.
fn play_all(asked: &[Asked], options: &CheckOptions) -> Result<Vec<Report>, Failed> {
    let pool = options.threads.pool()?;
    let bar = progress::bar(asked.len() as u64, "scenarios");
    let reports = pool.install(|| {
        let played = asked.par_iter().map(|asked| {
            let report = checks::play(&asked.loaded, &asked.scripts, options.seed);
            bar.inc(1);
            report
        });
        played.collect::<anyhow::Result<Vec<_>>>()
    });
    bar.finish_and_clear();
    reports.map_err(Failed::Run)
}

fn unplayed(loaded: &Loaded, seed: u64) -> Report {
    Report {
        scenario: loaded.scenario.value.name.clone(),
        seed,
        ok: true,
        checks: Vec::new(),
        notes: vec!["nothing was played: the file is free of mistakes, no more".into()],
    }
}

/// A report; of one among many only what failed.
fn text(report: &Report, is_whole: bool) -> String {
    let mut lines = vec![match report.checks.len() {
        0 => format!("{}: the file is right", report.scenario),
        _ => format!("{}: the file is right; played with seed {}", report.scenario, report.seed),
    }];
    for check in report.checks.iter().filter(|check| is_whole || !check.passed) {
        let mark = if check.passed { "ok" } else { "FAILED" };
        lines.push(format!("{mark:<8}{:<12}{}", check.name, check.found));
    }
    if is_whole {
        lines.extend(report.notes.iter().map(|note| format!("{:<20}{note}", "note")));
    }
    lines.join("\n")
}

fn summary(reports: &[Report]) -> String {
    let passed = reports.iter().filter(|report| report.ok).count();
    let witnessed = reports.iter().filter(|report| report.checks.iter().any(|check| check.name == "witness")).count();
    let checks: usize = reports.iter().map(|report| report.checks.len()).sum();
    let of = reports.len();
    format!("{passed} of {of} scenarios are right ({checks} checks played); {witnessed} have a witness")
}
