//! `sockpit compare`: contenders over the same scenarios and seeds.
//!
//! ```text
//! scenarios × contenders × seeds ──played in parallel──▶ Results ──▶ tables (text, Markdown) or JSON
//! ```

mod paper;
mod report;
mod results;

use std::sync::Arc;
use std::time::Instant;

use datasets::scenarios::{self, Loaded};
use rayon::prelude::*;
use sim::score::EpisodeScore;

use crate::arguments::{Ceiling, CompareOptions};
use crate::episodes::{Model, Outcome, Plan};
use crate::output::{self, Failed};
use crate::progress;
use results::Results;

/// The contender that is always there.
const FLOOR: &str = "noop";
/// The one that looks ahead.
const CEILING: &str = "oracle";

pub(crate) fn run(options: &CompareOptions) -> Result<(), Failed> {
    let scenarios = chosen(options)?;
    let contenders = contenders(options)?;
    let started = Instant::now();
    let scores = play(options, &scenarios, &contenders)?;
    let names = contenders.into_iter().map(|(name, _)| name).collect();
    let wall_s = started.elapsed().as_secs_f64();
    let results = Results::new(&scenarios, names, options.seed, options.trials, scores, wall_s);
    if options.json {
        return output::json(&results.summaries());
    }
    output::data(&report::text(&results, options.markdown))
}

/// The scenarios that are asked for, each once, in the order of their names.
fn chosen(options: &CompareOptions) -> Result<Vec<Loaded>, Failed> {
    let shipped = scenarios::shipped();
    let mut names = options.scenario.clone();
    for suite in &options.suite {
        let prefix = format!("{}/", suite.trim_end_matches('/'));
        let of_suite: Vec<&String> = shipped.iter().filter(|name| name.starts_with(&prefix)).collect();
        if of_suite.is_empty() {
            return Err(output::usage(format!(
                "--suite {suite}: no shipped scenario's name begins so\n  help: `sockpit scenarios` lists them"
            )));
        }
        names.extend(of_suite.into_iter().cloned());
    }
    names.sort();
    names.dedup();
    if names.is_empty() {
        return Err(output::usage(
            "nothing to play\n  help: name a suite (--suite acv) or scenarios (--scenario NAME)",
        ));
    }
    names.iter().map(|name| super::load_scenario(name, &[])).collect()
}

/// Floor, contenders in the order in which they were named, ceiling; each once.
fn contenders(options: &CompareOptions) -> Result<Vec<(String, Model)>, Failed> {
    let mut names = vec![FLOOR.to_owned()];
    names.extend(options.model.iter().filter(|name| *name != FLOOR && *name != CEILING).cloned());
    if options.ceiling == Ceiling::Oracle || options.model.iter().any(|name| name == CEILING) {
        names.push(CEILING.to_owned());
    }
    let mut seen: Vec<(String, Model)> = Vec::new();
    for name in names {
        if seen.iter().all(|(other, _)| *other != name) {
            let model = Model::parse(&name)?;
            seen.push((name, model));
        }
    }
    Ok(seen)
}

/// The scores by scenario, contender and seed, in this order; none where the world failed.
fn play(
    options: &CompareOptions,
    scenarios: &[Loaded],
    contenders: &[(String, Model)],
) -> Result<Vec<Option<EpisodeScore>>, Failed> {
    let pool = options.threads.pool()?;
    let plans: Vec<Plan<'_>> = scenarios
        .iter()
        .flat_map(|loaded| {
            let scenario = Arc::new(loaded.scenario.value.clone());
            contenders.iter().map(move |(name, model)| Plan {
                loaded,
                scenario: Arc::clone(&scenario),
                model: model.clone(),
                model_name: name,
                mechanism: options.mechanism,
                credit: 0,
                record: None,
            })
        })
        .collect();
    let seeds: Vec<u64> = (0..options.trials).map(|n| options.seed.wrapping_add(n.into())).collect();
    let jobs: Vec<(&Plan<'_>, u64)> =
        plans.iter().flat_map(|plan| seeds.iter().map(move |seed| (plan, *seed))).collect();
    let bar = progress::bar(jobs.len() as u64, "episodes");
    let scores = pool.install(|| {
        let played = jobs.par_iter().map(|(plan, seed)| {
            let score = scored(plan, *seed);
            bar.inc(1);
            score
        });
        played.collect::<anyhow::Result<Vec<_>>>()
    });
    bar.finish_and_clear();
    scores.map_err(Failed::Run)
}

fn scored(plan: &Plan<'_>, seed: u64) -> anyhow::Result<Option<EpisodeScore>> {
    match plan.play(seed)? {
        // Thousands of episodes are held at once: what no table shows is let go.
        Outcome::Scored(score) => Ok(Some(EpisodeScore { reward: Vec::new(), judgements: Vec::new(), ..*score })),
        Outcome::Void(why) => {
            output::talk(&format!("warning: an episode is void and not scored: {why}"));
            Ok(None)
        }
    }
}
