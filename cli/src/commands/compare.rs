//! `sockpit compare`: contenders over the same scenarios and seeds.
//!
//! ```text
//! scenarios × contenders × seeds ──played in parallel──▶ Results ──▶ tables (text, Markdown) or JSON
//! ```

mod folder;
mod paper;
mod report;
mod results;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use agents::policy::chat::Past;
use datasets::scenarios::{self, Loaded};
use rayon::prelude::*;
use sim::scenario::Trigger;
use sim::score::EpisodeScore;

use crate::arguments::{Ceiling, CompareOptions};
use crate::contender::{Contender, Models};
use crate::episodes::{Outcome, Plan};
use crate::output::{self, Failed};
use crate::progress;
use folder::Folder;
use results::Results;

/// The contender that is always there.
const FLOOR: &str = "noop";
/// The one that looks ahead.
const CEILING: &str = "oracle";

pub(crate) fn run(options: &CompareOptions) -> Result<(), Failed> {
    let scenarios = chosen(options)?;
    let models = Models::load(options.models.models.as_deref(), options.max_cost)?;
    let contenders = contenders(options, &models)?;
    if options.dry_run {
        return output::data(&forecast(options, &scenarios, &contenders));
    }
    let folder = match &options.to {
        Some(path) => Some(Folder::open(path, &scenarios, &contenders)?),
        None => None,
    };
    let started = Instant::now();
    let scores = play(options, &scenarios, &contenders, &models, folder.as_ref())?;
    let names = contenders.into_iter().map(|contender| contender.name).collect();
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
fn contenders(options: &CompareOptions, models: &Models) -> Result<Vec<Contender>, Failed> {
    let mut found = vec![Contender::built_in(FLOOR)];
    for name in options.model.iter().filter(|name| *name != FLOOR && *name != CEILING) {
        found.push(models.contender(name)?);
    }
    for text in &options.contender {
        found.push(by_strategy(text, models)?);
    }
    if options.ceiling == Ceiling::Oracle || options.model.iter().any(|name| name == CEILING) {
        found.push(Contender::built_in(CEILING));
    }
    let mut seen: Vec<Contender> = Vec::new();
    for contender in found {
        if seen.iter().all(|other| other.name != contender.name) {
            seen.push(contender);
        }
    }
    Ok(seen)
}

/// `NAME=FILE` or `NAME=FILE,model=MODEL`.
fn by_strategy(text: &str, models: &Models) -> Result<Contender, Failed> {
    let malformed = || output::usage(format!("--contender {text}: write it as NAME=FILE or NAME=FILE,model=MODEL"));
    let (name, rest) = text.split_once('=').ok_or_else(malformed)?;
    let (file, model) = match rest.split_once(',') {
        Some((file, model)) => (file, Some(model.strip_prefix("model=").ok_or_else(malformed)?)),
        None => (rest, None),
    };
    models.strategist(name, Path::new(file), model)
}

/// The scores by scenario, contender and seed, in this order; none where the world failed or the money was spent.
fn play(
    options: &CompareOptions,
    scenarios: &[Loaded],
    contenders: &[Contender],
    models: &Models,
    folder: Option<&Folder>,
) -> Result<Vec<Option<EpisodeScore>>, Failed> {
    let pool = options.threads.pool()?;
    let plans: Vec<Plan<'_>> = scenarios
        .iter()
        .flat_map(|loaded| {
            let scenario = Arc::new(loaded.scenario.value.clone());
            contenders.iter().map(move |contender| Plan {
                loaded,
                scenario: Arc::clone(&scenario),
                contender,
                mechanism: options.mechanism,
                credit: 0,
                record: folder.map(|folder| folder.episodes(&loaded.scenario.value.name, &contender.name)),
            })
        })
        .collect();
    let seeds: Vec<u64> = (0..options.trials).map(|n| options.seed.wrapping_add(n.into())).collect();
    // The trials of whoever remembers are played one after the other, those of others all at once.
    let jobs: Vec<(&Plan<'_>, &[u64])> = plans
        .iter()
        .flat_map(|plan| seeds.chunks(plan.in_a_row(seeds.len())).map(move |trials| (plan, trials)))
        .collect();
    let bar = progress::bar((plans.len() * seeds.len()) as u64, "episodes");
    let scores = pool.install(|| {
        let played = jobs.par_iter().map(|(plan, trials)| {
            let mut past = Past::default();
            let scores = trials.iter().map(|seed| {
                let may_play = !models.are_spent() || !plan.contender.asks_a_model();
                let score = if may_play { scored(plan, *seed, &mut past) } else { Ok(None) };
                bar.inc(1);
                score
            });
            scores.collect::<anyhow::Result<Vec<_>>>()
        });
        played.collect::<anyhow::Result<Vec<_>>>()
    });
    bar.finish_and_clear();
    if models.are_spent() {
        output::talk("warning: --max-cost is reached: episodes that were not played by then are not scored");
    }
    Ok(scores.map_err(Failed::Run)?.into_iter().flatten().collect())
}

/// The score of one episode, which is played if it was not finished before.
fn scored(plan: &Plan<'_>, seed: u64, past: &mut Past) -> anyhow::Result<Option<EpisodeScore>> {
    // Thousands of episodes are held at once: what no table shows is let go.
    let shown = |score: EpisodeScore| Some(EpisodeScore { reward: Vec::new(), judgements: Vec::new(), ..score });
    if let Some(folder) = &plan.record
        && let Some(score) = folder::finished(folder, seed)?
    {
        plan.recall(seed, past)?;
        return Ok(shown(score));
    }
    match plan.play(seed, past)? {
        Outcome::Scored(score) => Ok(shown(*score)),
        Outcome::Void(why) => {
            output::talk(&format!("warning: an episode is void and not scored: {why}"));
            Ok(None)
        }
    }
}

/// What would be played, and how often models would be asked at most.
fn forecast(options: &CompareOptions, scenarios: &[Loaded], contenders: &[Contender]) -> String {
    let trials = u64::from(options.trials);
    let mut lines = vec![format!(
        "{} scenarios, {} contenders, {trials} seeds: {} episodes",
        scenarios.len(),
        contenders.len(),
        scenarios.len() as u64 * contenders.len() as u64 * trials
    )];
    for contender in contenders.iter().filter(|contender| contender.asks_a_model()) {
        let calls: u64 = scenarios.iter().map(|loaded| most_calls(loaded, contender) * trials).sum();
        lines.push(format!("{}: at most {calls} calls of models, as far as the budgets of steps go", contender.name));
    }
    if let Some(usd) = options.max_cost {
        lines.push(format!("models are asked no more once they have cost {usd} USD"));
    }
    lines.join("\n")
}

/// The most calls of a model in one episode: every step of every evaluation of everybody who takes part.
fn most_calls(loaded: &Loaded, contender: &Contender) -> u64 {
    let scenario = &loaded.scenario.value;
    let evaluations = match &scenario.task.trigger {
        Trigger::Heartbeat(heartbeat) => heartbeat.times,
        Trigger::Once | Trigger::Alert(_) => 1,
    };
    let steps = u64::from(contender.steps().unwrap_or(scenario.budget.steps));
    // A manager's steps may each be a round in which every agent uses up its own.
    let rounds = if scenario.task.group.is_empty() { 0 } else { steps * scenario.task.group.len() as u64 };
    u64::from(evaluations) * steps * (1 + rounds)
}
