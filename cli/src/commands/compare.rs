//! `sockpit compare`: contenders over the same scenarios and seeds.
//!
//! ```text
//! scenarios × contenders × seeds ──played in parallel──▶ Episodes ──▶ tables: text, Markdown, CSV, JSON
//!                                        │                  ▲
//!                                        └──▶ run folder ───┘  --to, and later again with --from
//! ```
//!
//! A comparison that keeps a folder makes its tables from what lies there, not from what it remembers
//! ([`datasets::analysis`]).

mod csv;
pub(super) mod folder;
mod like;
mod paired;
mod paper;
pub(super) mod report;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use agents::policy::chat::Past;
use datasets::analysis::{self, About, CEILING, Episode, Episodes, FLOOR, Only};
use datasets::runs::{self, Asked, Played, RunFolder};
use datasets::scenarios::{self, Loaded};
use rayon::prelude::*;
use sim::diagnostic::nearest;
use sim::scenario::Trigger;
use sim::score::EpisodeScore;

use crate::arguments::{Ceiling, CompareOptions, Format};
use crate::contender::{Contender, Models};
use crate::episodes::{self, Outcome, Plan};
use crate::output::{self, Failed};
use crate::progress;

pub(crate) fn run(options: &CompareOptions) -> Result<(), Failed> {
    if !options.from.is_empty() {
        return again(options);
    }
    let scenarios = chosen(options)?;
    let models = Models::load(options.models.models.as_deref(), options.max_cost)?;
    let contenders = contenders(options, &models)?;
    if options.dry_run {
        return output::data(&forecast(options, &scenarios, &contenders));
    }
    let asked = Asked {
        scenarios: scenarios.iter().map(|loaded| loaded.scenario.value.name.clone()).collect(),
        contenders: contenders.iter().map(|contender| contender.name.clone()).collect(),
        seed: options.seed,
        trials: options.trials,
    };
    check_reference(options.against.as_deref(), &asked.contenders)?;
    let folder = match &options.to {
        Some(path) => Some(folder::open(path, &scenarios, &contenders, &asked)?),
        None => None,
    };
    let started = Instant::now();
    let played = play(options, &scenarios, &contenders, &models, folder.as_ref())?;
    let wall_s = Some(started.elapsed().as_secs_f64());
    let Some(folder) = folder else {
        return show(&Episodes::new(&asked.contenders, played), options, wall_s);
    };
    drop(played);
    show(&analysis::asked_in(&folder, &asked)?, options, wall_s)?;
    keep(&folder)
}

/// Shows the tables of what a command asked for, as they lie in its folder, and keeps them there.
pub(super) fn tables(folder: &RunFolder, asked: &Asked, wall_s: f64) -> Result<(), Failed> {
    let episodes = analysis::asked_in(folder, asked)?;
    output::data(&report::text(&episodes, episodes.reference(), Some(wall_s), false))?;
    keep(folder)
}

/// Makes the tables of what is kept in folders, and plays nothing.
fn again(options: &CompareOptions) -> Result<(), Failed> {
    let folders: Vec<RunFolder> = options.from.iter().map(RunFolder::new).collect();
    let only = Only { scenarios: options.only_scenario.clone(), contenders: options.only_contender.clone() };
    let episodes = analysis::folders(&folders, &only)?;
    check_reference(options.against.as_deref(), episodes.contenders())?;
    show(&episodes, options, None)?;
    for folder in &folders {
        // A folder that one may only read still has its tables.
        if let Err(Failed::Input(why) | Failed::Run(why)) = keep(folder) {
            output::talk(&format!("warning: the tables are not kept as Parquet: {why:#}"));
        }
    }
    Ok(())
}

/// Writes what is in a folder as Parquet.
fn keep(folder: &RunFolder) -> Result<(), Failed> {
    let bar = progress::bar(0, "telemetry files");
    let kept = analysis::keep(folder, |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    kept.map_err(|why| Failed::Run(why.into()))
}

fn show(episodes: &Episodes, options: &CompareOptions, wall_s: Option<f64>) -> Result<(), Failed> {
    let reference = options.against.as_deref().or_else(|| episodes.reference());
    match options.format() {
        Format::Text => output::data(&report::text(episodes, reference, wall_s, false)),
        Format::Markdown => output::data(&report::text(episodes, reference, wall_s, true)),
        Format::Csv => output::data(&csv::text(&episodes.by_scenario(wall_s))),
        Format::Json => {
            let summaries: Vec<_> = episodes.by_scenario(wall_s).into_iter().map(|row| row.summary).collect();
            output::json(&summaries)
        }
    }
}

/// Refuses to compare with somebody who is not there.
fn check_reference(reference: Option<&str>, contenders: &[String]) -> Result<(), Failed> {
    let Some(name) = reference.filter(|name| contenders.iter().all(|contender| contender != name)) else {
        return Ok(());
    };
    let help = match nearest(name, contenders.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", contenders.join(", ")),
    };
    Err(output::usage(format!("--against {name}: there is no such contender\n  help: {help}")))
}

/// The scenarios that are asked for, each once, in the order of their names.
fn chosen(options: &CompareOptions) -> Result<Vec<Loaded>, Failed> {
    if let Some(path) = &options.like {
        return like::scenarios(&RunFolder::new(path));
    }
    let mut names = options.scenario.clone();
    for suite in &options.suite {
        let of_suite = scenarios::of_suite(suite);
        if of_suite.is_empty() {
            return Err(output::usage(format!(
                "--suite {suite}: no shipped scenario's name begins so\n  help: `sockpit scenarios` lists them"
            )));
        }
        names.extend(of_suite);
    }
    names.sort();
    names.dedup();
    if names.is_empty() {
        return Err(output::usage(
            "nothing to play\n  help: name a suite (--suite acv) or scenarios (--scenario NAME)",
        ));
    }
    let scenarios = names.iter().map(|name| super::load_scenario(name, &[])).collect::<Result<Vec<_>, _>>()?;
    check_names(&scenarios)?;
    Ok(scenarios)
}

/// Refuses scenarios that tables could not tell apart.
pub(super) fn check_names(scenarios: &[Loaded]) -> Result<(), Failed> {
    for (at, loaded) in scenarios.iter().enumerate() {
        let name = &loaded.scenario.value.name;
        if scenarios[..at].iter().any(|other| other.scenario.value.name == *name) {
            return Err(output::usage(format!(
                "two of the scenarios are named {name}: tables could not tell them apart\n  help: give one of them \
                 another name"
            )));
        }
    }
    Ok(())
}

/// Floor, contenders in the order in which they were named, ceiling; each once.
fn contenders(options: &CompareOptions, models: &Models) -> Result<Vec<Contender>, Failed> {
    if let Some(path) = &options.like {
        return like::contenders(&RunFolder::new(path), models);
    }
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
    Ok(each_once(found))
}

/// The first of each name.
pub(super) fn each_once(mut contenders: Vec<Contender>) -> Vec<Contender> {
    let mut seen = BTreeSet::new();
    contenders.retain(|contender| seen.insert(contender.name.clone()));
    contenders
}

/// `NAME=FILE` or `NAME=FILE,model=MODEL`.
pub(super) fn by_strategy(text: &str, models: &Models) -> Result<Contender, Failed> {
    let malformed = || output::usage(format!("--contender {text}: write it as NAME=FILE or NAME=FILE,model=MODEL"));
    let (name, rest) = text.split_once('=').ok_or_else(malformed)?;
    let (file, model) = match rest.split_once(',') {
        Some((file, model)) => (file, Some(model.strip_prefix("model=").ok_or_else(malformed)?)),
        None => (rest, None),
    };
    models.strategist(name, Path::new(file), model)
}

/// A scenario, as far as tables go, and how a contender plays it.
type Contest<'a> = (Arc<About>, Plan<'a>);

/// Every episode that is asked for: played, void, or unplayed since the money was spent.
fn play(
    options: &CompareOptions,
    scenarios: &[Loaded],
    contenders: &[Contender],
    models: &Models,
    folder: Option<&RunFolder>,
) -> Result<Vec<Episode>, Failed> {
    let pool = options.threads.pool()?;
    let plans: Vec<Contest<'_>> = scenarios
        .iter()
        .flat_map(|loaded| {
            let scenario = Arc::new(loaded.scenario.value.clone());
            let about = Arc::new(About::of(&scenario));
            contenders.iter().map(move |contender| {
                let plan = Plan {
                    loaded,
                    scenario: Arc::clone(&scenario),
                    contender,
                    mechanism: options.mechanism,
                    credit: options.credit,
                    record: folder.map(|folder| folder.episodes(&about.name, &contender.name)),
                };
                (Arc::clone(&about), plan)
            })
        })
        .collect();
    let seeds: Vec<u64> = (0..options.trials).map(|n| options.seed.wrapping_add(n.into())).collect();
    // The trials of whoever remembers are played one after the other, those of others all at once.
    let jobs: Vec<(&Contest<'_>, &[u64])> =
        plans.iter().flat_map(|of| seeds.chunks(of.1.in_a_row(seeds.len())).map(move |trials| (of, trials))).collect();
    let bar = progress::bar((plans.len() * seeds.len()) as u64, "episodes");
    let episodes = pool.install(|| {
        let played = jobs.par_iter().map(|((about, plan), trials)| {
            let mut past = Past::default();
            let episodes = trials.iter().map(|seed| {
                let played = outcome(plan, *seed, models, &mut past);
                bar.inc(1);
                Ok(Episode::new(about, &plan.contender.name, *seed, played?))
            });
            episodes.collect::<anyhow::Result<Vec<_>>>()
        });
        played.collect::<anyhow::Result<Vec<_>>>()
    });
    bar.finish_and_clear();
    if models.are_spent() {
        output::talk("warning: --max-cost is reached: episodes that were not played by then are not scored");
    }
    Ok(episodes.map_err(Failed::Run)?.into_iter().flatten().collect())
}

/// Whether credit was played where it is asked for; an episode without changes has none.
fn has_credit(score: &EpisodeScore, futures: u32) -> bool {
    futures == 0 || !score.credit.is_empty() || score.conduct.actions == 0
}

/// What comes of one episode, which is played if it was not finished before.
fn outcome(plan: &Plan<'_>, seed: u64, models: &Models, past: &mut Past) -> anyhow::Result<Played> {
    if let Some(folder) = &plan.record {
        let before = runs::played(folder, seed)?;
        if matches!(&before, Played::Scored(score) if has_credit(score, plan.credit)) {
            plan.recall(seed, past)?;
            return Ok(before);
        }
    }
    if models.are_spent() && plan.contender.asks_a_model() {
        return Ok(Played::Unplayed);
    }
    if let Some(folder) = &plan.record {
        // It tells of the episodes that were finished before.
        episodes::remove(&runs::telemetry_file(folder))?;
    }
    Ok(match plan.play(seed, past)? {
        Outcome::Scored(score) => Played::Scored(score),
        Outcome::Void(why) => {
            output::talk(&format!("warning: an episode is void and not scored: {why}"));
            Played::Void(why.to_string())
        }
    })
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
