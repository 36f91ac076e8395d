//! `sockpit scenario generate`: a suite of scenarios from its templates, each of which passes its checks.
//!
//! Candidates are drawn in rounds: as many as are missing, played at once, and taken over in the order in which they
//! were drawn. What is made depends on the seed and the templates alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use datasets::scenarios::{self, ShippedScript};
use datasets::suite::{Draws, Made, Parameters, Suite};
use rayon::prelude::*;
use serde::Serialize;
use sim::scenario::Script;

use crate::arguments::GenerateOptions;
use crate::checks::{self, Candidate};
use crate::output::{self, Failed};
use crate::progress;

/// One line of what was made.
#[derive(Serialize)]
struct Listed<'m> {
    scenario: &'m str,
    template: &'m str,
    parameters: &'m Parameters,
    file: PathBuf,
    scripts: Vec<&'m str>,
}

pub(crate) fn run(options: &GenerateOptions) -> Result<(), Failed> {
    let suite = Suite::load(&options.suite)?;
    let (made, dropped) = make(&suite, options)?;
    for made in &made {
        write(made, &options.out).map_err(Failed::Run)?;
    }
    let mut by_template: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for made in &made {
        by_template.entry(&made.origin.template).or_default().0 += 1;
    }
    for made in &dropped {
        by_template.entry(&made.origin.template).or_default().1 += 1;
    }
    if options.json {
        let listed = made.iter().map(|made| Listed {
            scenario: &made.name,
            template: &made.origin.template,
            parameters: &made.origin.parameters,
            file: place(made, &options.out),
            scripts: made.scripts.keys().map(String::as_str).collect(),
        });
        output::json(&listed.collect::<Vec<_>>())?;
    } else {
        let lines = by_template.iter().map(|(template, (made, dropped))| match dropped {
            0 => format!("{made:>4}  {template}"),
            _ => format!("{made:>4}  {template} ({dropped} dropped)"),
        });
        output::data(&lines.collect::<Vec<_>>().join("\n"))?;
    }
    let (n, wanted) = (made.len(), options.count as usize);
    output::talk(&format!("{n} scenarios lie in {}; {} candidates were dropped", options.out.display(), dropped.len()));
    if n < wanted {
        return Err(Failed::Run(anyhow::anyhow!(
            "the templates gave {n} of {wanted} scenarios: ask for fewer, or add axes"
        )));
    }
    Ok(())
}

/// What passed and what was dropped, in the order in which it was drawn.
fn make(suite: &Suite, options: &GenerateOptions) -> Result<(Vec<Made>, Vec<Made>), Failed> {
    let pool = options.threads.pool()?;
    let bar = progress::bar(options.count.into(), "scenarios");
    let mut draws = Draws::new(suite, options.seed);
    let (mut kept, mut dropped) = (Vec::new(), Vec::new());
    while kept.len() < options.count as usize {
        let batch = draws.take(options.count as usize - kept.len())?;
        if batch.is_empty() {
            break;
        }
        let verdicts: Vec<anyhow::Result<Option<String>>> = pool.install(|| {
            let judged = batch.par_iter().map(|made| {
                let verdict = mistake(made, if options.no_check { 0 } else { options.trials });
                bar.inc(u64::from(matches!(verdict, Ok(None))));
                verdict
            });
            judged.collect()
        });
        for (made, verdict) in batch.into_iter().zip(verdicts) {
            match verdict.map_err(Failed::Run)? {
                None => kept.push(made),
                Some(why) => {
                    bar.suspend(|| output::talk(&format!("dropped {}: {why}", made.name)));
                    draws.drop(&made);
                    dropped.push(made);
                }
            }
        }
    }
    bar.finish_and_clear();
    Ok((kept, dropped))
}

/// What is wrong with a candidate: a mistake in its texts, or the first check that it fails in so many worlds.
fn mistake(made: &Made, trials: u32) -> anyhow::Result<Option<String>> {
    let loaded = match scenarios::load_source(&made.source(), &[]) {
        Ok(loaded) => loaded,
        Err(mistakes) => return Ok(Some(mistakes.to_string())),
    };
    let mut scripts = Vec::new();
    for name in made.scripts.keys() {
        let source = made.script(name).context("a script has its text")?;
        match Script::load(&source) {
            Ok(script) => {
                let shipped = ShippedScript { name: name.clone(), script: script.value };
                scripts.push(Candidate {
                    name: name.clone(),
                    is_witness: shipped.is_witness(),
                    script: shipped.script,
                });
            }
            Err(mistakes) => return Ok(Some(mistakes.to_string())),
        }
    }
    for seed in 1..=trials {
        let report = checks::play(&loaded, &scripts, seed.into())?;
        if let Some(failed) = report.checks.iter().find(|check| !check.passed) {
            return Ok(Some(format!("with seed {seed} {}: {}", failed.name, failed.found)));
        }
    }
    Ok(None)
}

/// Where a scenario's file lies: as in `datasets`, so that a suite can be made in its place.
fn place(made: &Made, out: &Path) -> PathBuf {
    out.join("scenarios").join(format!("{}.yaml", made.name))
}

fn write(made: &Made, out: &Path) -> anyhow::Result<()> {
    put(&place(made, out), &made.scenario)?;
    for (name, text) in &made.scripts {
        put(&out.join("scripts").join(&made.name).join(format!("{name}.yaml")), text)?;
    }
    Ok(())
}

fn put(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
