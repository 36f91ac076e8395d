//! `sockpit run`: a scenario, a policy, one episode per seed, a summary.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use agents::policy::chat::Past;
use agents::render::Table;
use rayon::prelude::*;
use sim::scenario::Thinking;
use sim::score::statistics::{Mean, MedianTime};
use sim::score::{self, EpisodeScore, LevelRates, Summary, Terms, Trials, mitigation_by_diagnosis};
use sim::slo::ClauseName;

use crate::arguments::{ModelsOptions, RunOptions};
use crate::contender::{Contender, Models};
use crate::episodes::{Outcome, Plan};
use crate::output::{self, Failed};
use crate::progress;

pub(crate) fn run(options: &RunOptions) -> Result<(), Failed> {
    let loaded = super::load_scenario(&options.scenario, &options.set)?;
    if loaded.scenario.value.thinking == Thinking::Measured {
        return Err(output::usage(
            "thinking: `measured` is for live runs only: a twin that waited for the machine's clock would play another \
             episode each time\n  help: write `tokens`, `fixed` or `zero`",
        ));
    }
    let contender = contender(&options.models, options.strategy.as_deref(), options.model.as_deref())?;
    let plan = Plan {
        loaded: &loaded,
        scenario: Arc::new(loaded.scenario.value.clone()),
        contender: &contender,
        mechanism: options.mechanism,
        credit: options.credit,
        record: options.record.clone(),
    };
    let started = Instant::now();
    let outcomes = play_all(&plan, options)?;
    let mut scores = Vec::new();
    let mut void = 0;
    for outcome in outcomes {
        match outcome {
            Outcome::Scored(score) => scores.push(*score),
            Outcome::Void(why) => {
                void += 1;
                output::talk(&format!("warning: an episode is void and not scored: {why}"));
            }
        }
    }
    let trials = Trials {
        scenario: &loaded.scenario.value.name,
        model: &contender.name,
        seed: options.seed,
        void,
        unplayed: 0,
        wall_s: Some(started.elapsed().as_secs_f64()),
    };
    let summary = score::summarize(&trials, &scores);
    if options.json {
        return output::json(&summary);
    }
    output::data(&text(&summary, &scores))
}

/// Who plays: the strategy that was named, or the default one with the policy or model.
pub(super) fn contender(
    models: &ModelsOptions,
    strategy: Option<&Path>,
    model: Option<&str>,
) -> Result<Contender, Failed> {
    let models = Models::load(models.models.as_deref(), None)?;
    match strategy {
        Some(file) => models.strategist(&file.display().to_string(), file, model),
        None => models.contender(model.unwrap_or("runbook")),
    }
}

/// Plays the trials, each in a world of its own: in parallel, if none has to remember those before it. The result is in the
/// order of seeds.
fn play_all(plan: &Plan<'_>, options: &RunOptions) -> Result<Vec<Outcome>, Failed> {
    let pool = options.threads.pool()?;
    let bar = progress::bar(options.trials.into(), "episodes");
    let seeds: Vec<u64> = (0..options.trials).map(|n| options.seed.wrapping_add(n.into())).collect();
    let outcomes = pool.install(|| {
        let played = seeds.par_chunks(plan.in_a_row(seeds.len())).map(|seeds| {
            let mut past = Past::default();
            let outcomes = seeds.iter().map(|seed| {
                let outcome = plan.play(*seed, &mut past);
                bar.inc(1);
                outcome
            });
            outcomes.collect::<anyhow::Result<Vec<_>>>()
        });
        played.collect::<anyhow::Result<Vec<_>>>()
    });
    bar.finish_and_clear();
    Ok(outcomes.map_err(Failed::Run)?.into_iter().flatten().collect())
}

pub(super) fn text(summary: &Summary, scores: &[EpisodeScore]) -> String {
    let mut lines = vec![
        format!(
            "{}   {}, {} episodes from seed {}, {:.1} s",
            summary.scenario,
            summary.model,
            summary.trials,
            summary.seed,
            summary.wall_s.unwrap_or_default()
        ),
        String::new(),
        levels(&summary.levels),
        String::new(),
    ];
    if let Some(reward) = summary.reward {
        lines.push(format!("Reward             {}   {}", points(&reward), terms(scores)));
        lines.extend(projected(scores));
    }
    lines.push(format!("Time to detect     {}", median(&summary.ttd_s)));
    lines.push(format!("Time to mitigate   {}", median(&summary.ttm_s)));
    lines.push(conduct(summary, scores));
    let mended = mitigation_by_diagnosis(scores);
    let (found, not) = (mended.diagnosed, mended.not_diagnosed);
    if found.of + not.of > 0 {
        lines.push(format!(
            "Mended             {} of {} where the cause was found, {} of {} where it was not",
            found.passed, found.of, not.passed, not.of
        ));
    }
    lines.extend(credit(scores));
    if summary.void > 0 {
        lines.push(format!("warning: {} episodes are void: the world failed", summary.void));
    }
    lines.join("\n")
}

fn levels(levels: &LevelRates) -> String {
    let mut table = Table::new(["LEVEL", "PASSED", "RATE", "95 % INTERVAL"]).numbers_from(1);
    let rows = [("L1", levels.l1), ("L2", levels.l2), ("L3", levels.l3), ("L4", levels.l4), ("L5", levels.l5)];
    for (name, rate) in rows {
        if let Some(rate) = rate {
            let share = f64::from(rate.passed) / f64::from(rate.of.max(1));
            table.row([
                name.to_owned(),
                format!("{}/{}", rate.passed, rate.of),
                format!("{:.0} %", share * 100.0),
                format!("{:.0} … {:.0} %", rate.low * 100.0, rate.high * 100.0),
            ]);
        }
    }
    table.text("no episode was scored")
}

/// Every term of the reward as a mean over the episodes.
fn terms(scores: &[EpisodeScore]) -> String {
    let n = scores.len().max(1) as f64;
    let sum = scores.iter().fold(Terms::default(), |sum, score| sum.plus(&score.total));
    let clauses = ClauseName::ALL.iter().filter_map(|clause| {
        let points = sum.violations.get(clause).copied().unwrap_or_default() / n;
        (points < 0.0).then(|| format!("{} {points:.1}", clause.name()))
    });
    let others = [("resources", sum.resources), ("actions", sum.actions), ("harm", sum.harm)];
    let others = others.iter().map(|(name, points)| format!("{name} {:.1}", points / n));
    clauses.chain(others).collect::<Vec<_>>().join(", ")
}

/// A mean with its interval, if there are several values to tell one from.
fn points(mean: &Mean) -> String {
    match mean.low.zip(mean.high) {
        Some((low, high)) => format!("{:.1}   (95 %: {low:.1} … {high:.1})", mean.mean),
        None => format!("{:.1}", mean.mean),
    }
}

/// What of it was charged for the time that early episodes did not play.
fn projected(scores: &[EpisodeScore]) -> Option<String> {
    let n = scores.len().max(1) as f64;
    let rest = || scores.iter().flat_map(|score| &score.reward).filter(|interval| interval.projected);
    let seconds = rest().map(|interval| interval.to.since(interval.from).as_secs_f64()).sum::<f64>() / n;
    let charged = rest().map(|interval| interval.terms.sum()).sum::<f64>() / n;
    (seconds > 0.0)
        .then(|| format!("                   {charged:.1} of it for {seconds:.0} s from the end to the horizon"))
}

fn median(time: &MedianTime) -> String {
    let seconds = |value: Option<f64>| value.map_or_else(|| "never".to_owned(), |s| format!("{s:.0} s"));
    let never = match time.censored {
        0 => String::new(),
        n => format!("   never in {n}"),
    };
    match time.median {
        None if time.censored == 0 => "nothing to time".into(),
        _ => format!("{}   (95 %: {} … {}){never}", seconds(time.median), seconds(time.low), seconds(time.high)),
    }
}

fn conduct(summary: &Summary, scores: &[EpisodeScore]) -> String {
    let total = |of: fn(&EpisodeScore) -> u32| -> u32 { scores.iter().map(of).sum() };
    let notes = [
        (total(|s| s.conduct.rejected), "rejected"),
        (total(|s| s.conduct.foreign), "on other components"),
        (total(|s| s.conduct.cluster_wide), "on what is shared"),
        (total(|s| s.conduct.destructive), "destructive"),
        (total(|s| s.conduct.worse_than_nothing), "worse than nothing"),
        (total(|s| u32::from(s.conduct.over_budget)), "over budget"),
    ];
    let notes = notes.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!(", {n} {what}"));
    format!(
        "Conduct            {:.1} steps an episode, {} changes in all{}",
        summary.steps,
        total(|s| s.conduct.actions),
        notes.collect::<String>()
    )
}

/// One line per decision of the first episode that has credit.
fn credit(scores: &[EpisodeScore]) -> Vec<String> {
    let Some(first) = scores.iter().find(|s| !s.credit.is_empty()) else { return Vec::new() };
    let lines = first.credit.iter().map(|c| {
        format!(
            "Credit             step {}: {:+.1}   ({}{} futures, first episode)",
            c.step,
            c.value.mean,
            c.value
                .low
                .zip(c.value.high)
                .map_or(String::new(), |(low, high)| format!("95 %: {low:+.1} … {high:+.1}, ")),
            c.futures
        )
    });
    lines.collect()
}
