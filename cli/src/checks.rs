//! The checks of a scenario, each played: it means what it says if all of them pass.
//!
//! - *healthy*: without its faults its world meets its objectives, so that what an agent is asked can be done;
//! - *premise*: with its premise the target that the task asks for is missed at first;
//! - *noop*: whoever does nothing does not pass, or, where nothing is wrong, passes;
//! - *witness*: some list of actions passes;
//! - *wrong-move*: plausible wrong actions do not.

use std::sync::Arc;

use agents::policy::chat::Past;
use datasets::scenarios::Loaded;
use serde::Serialize;
use sim::environment::Goal;
use sim::episode::{Entry, Truth};
use sim::scenario::{Level, Scenario, Script, StartState};
use sim::score::{EpisodeScore, Judge};
use sim::slo::{ClauseResult, ClauseState};

use crate::contender::Contender;
use crate::episodes::{Outcome, Plan};

/// What was found out about a scenario.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) scenario: String,
    pub(crate) seed: u64,
    /// Whether every check passed.
    pub(crate) ok: bool,
    pub(crate) checks: Vec<Check>,
    /// What could not be checked, and why.
    pub(crate) notes: Vec<String>,
}

/// One check that was played.
#[derive(Serialize)]
pub(crate) struct Check {
    /// `healthy`, `premise`, `noop`, `witness` or `wrong-move`.
    #[serde(rename = "check")]
    pub(crate) name: &'static str,
    pub(crate) passed: bool,
    /// What was asked and what was found.
    pub(crate) found: String,
}

/// A list of actions to be tried.
pub(crate) struct Candidate {
    pub(crate) name: String,
    /// It should pass; the others should not.
    pub(crate) is_witness: bool,
    pub(crate) script: Script,
}

/// Plays all checks of a scenario in worlds of one seed.
///
/// # Errors
/// A world failed.
pub(crate) fn play(loaded: &Loaded, scripts: &[Candidate], seed: u64) -> anyhow::Result<Report> {
    let scenario = &loaded.scenario.value;
    let mut checks = vec![healthy(loaded, seed)?];
    let idle = score(loaded, &Contender::built_in("noop"), seed)?;
    if asks_for_improvement(scenario) && !scenario.start.premises.is_empty() {
        checks.push(premise(scenario, &idle));
    }
    checks.push(noop(scenario, &idle));
    for candidate in scripts {
        checks.push(script(loaded, candidate, seed)?);
    }
    let mut notes = Vec::new();
    if !scripts.iter().any(|candidate| candidate.is_witness) {
        notes.push(match &scenario.unsolvable {
            Some(why) => format!("it has no witness: {why}"),
            None => "it has no witness: give a list of actions that passes with --witness FILE, or say in the file \
                     why there can be none (unsolvable)"
                .into(),
        });
    }
    Ok(Report { scenario: scenario.name.clone(), seed, ok: checks.iter().all(|check| check.passed), checks, notes })
}

fn asks_for_improvement(scenario: &Scenario) -> bool {
    matches!(scenario.task.goal, Goal::ReduceLatency { .. } | Goal::ReduceTotalLatency { .. } | Goal::ReduceCpu { .. })
}

/// The world without what goes wrong in it meets its own objectives through the hold time.
fn healthy(loaded: &Loaded, seed: u64) -> anyhow::Result<Check> {
    let mut loaded = loaded.clone();
    let scenario = &mut loaded.scenario.value;
    scenario.faults.clear();
    scenario.start.absent.clear();
    if asks_for_improvement(scenario) {
        scenario.start = StartState::default();
    }
    let noop = Contender::built_in("noop");
    let plan = plan(&loaded, &noop);
    let entries = plan.entries(seed, &mut |_: &Entry| {})?.map_err(anyhow::Error::new)?;
    let distance = |a: &str, b: &str| loaded.app.distance(a, b);
    let judge = Judge::new(&loaded.scenario.value, &loaded.words, &distance);
    let truths: Vec<&Truth> = entries.iter().filter_map(Entry::truth).collect();
    let fault_free = judge.fault_free_per_s(&truths);
    let passed = judge.held(&truths, fault_free);
    let hold = judge.scenario.hold;
    let found = if passed {
        format!("without what goes wrong the objectives are met through the last {hold}")
    } else {
        let red = violated(&judge, &truths, fault_free);
        format!("without what goes wrong the objectives are not met through the last {hold}: {red}")
    };
    Ok(Check { name: "healthy", passed, found })
}

/// The first interval of the hold time in which a clause was not green, and how it stood.
fn violated(judge: &Judge<'_>, truths: &[&Truth], fault_free_per_s: Option<f64>) -> String {
    if truths.is_empty() {
        return "the world was never looked at".into();
    }
    for look in judge.through_hold(truths, fault_free_per_s) {
        let red: Vec<String> = look.clauses.iter().filter_map(stands).collect();
        if !red.is_empty() {
            return format!("at {} {}", look.truth.to, red.join(", "));
        }
    }
    "the hold time is longer than the episode".into()
}

/// How a clause stands that is not green.
fn stands(result: &ClauseResult) -> Option<String> {
    let how = match result.state {
        ClauseState::Violated { value, bound } => format!("{value:.3} with a bound of {bound:.3}"),
        ClauseState::NoData => "no data".into(),
        ClauseState::Green { .. } | ClauseState::NotApplicable => return None,
    };
    let whose = result.component.as_deref().unwrap_or("clients");
    Some(format!("{} of {whose}: {how}", result.clause.name()))
}

/// With the premise the target is missed at the start.
fn premise(scenario: &Scenario, idle: &EpisodeScore) -> Check {
    let target = [Level::L1, Level::L2].into_iter().filter_map(|level| idle.levels.get(level));
    let met: Vec<&str> = target.clone().filter(|o| o.passed).map(|o| o.why.as_str()).collect();
    let missed: Vec<&str> = target.filter(|o| !o.passed).map(|o| o.why.as_str()).collect();
    let changed: Vec<&str> = scenario.start.premises.iter().map(|p| p.component.as_str()).collect();
    let found = if met.is_empty() {
        format!("with the premise on {} the target is missed: {}", changed.join(", "), missed.join("; "))
    } else {
        format!("with the premise on {} the target is met already: {}", changed.join(", "), met.join("; "))
    };
    Check { name: "premise", passed: met.is_empty(), found }
}

/// Doing nothing is right where nothing is wrong, and nowhere else.
fn noop(scenario: &Scenario, idle: &EpisodeScore) -> Check {
    let is_decoy = scenario.is_decoy();
    let passed = if is_decoy { every_level_passed(scenario, idle) } else { highest_level_passed(scenario, idle) };
    let reason = if is_decoy { ", where nothing is wrong," } else { "" };
    let found = format!("whoever does nothing{reason} {}: {}", does_pass(passed), levels(scenario, idle));
    Check { name: "noop", passed: passed == is_decoy, found }
}

fn script(loaded: &Loaded, candidate: &Candidate, seed: u64) -> anyhow::Result<Check> {
    let scenario = &loaded.scenario.value;
    let score = score(loaded, &Contender::script(&candidate.script), seed)?;
    let passed = if candidate.is_witness {
        every_level_passed(scenario, &score)
    } else {
        highest_level_passed(scenario, &score)
    };
    let found = format!("{} {}: {}", candidate.name, does_pass(passed), levels(scenario, &score));
    let check = if candidate.is_witness { "witness" } else { "wrong-move" };
    Ok(Check { name: check, passed: passed == candidate.is_witness, found })
}

fn does_pass(passed: bool) -> &'static str {
    if passed { "passes" } else { "does not pass" }
}

fn every_level_passed(scenario: &Scenario, score: &EpisodeScore) -> bool {
    scenario.task.levels.iter().all(|level| score.levels.get(*level).is_some_and(|outcome| outcome.passed))
}

/// What passing comes down to: to have mended, where that is asked.
fn highest_level_passed(scenario: &Scenario, score: &EpisodeScore) -> bool {
    let highest = scenario.task.levels.iter().max();
    highest.and_then(|level| score.levels.get(*level)).is_some_and(|outcome| outcome.passed)
}

/// Each level with its reason.
fn levels(scenario: &Scenario, score: &EpisodeScore) -> String {
    let said = scenario.task.levels.iter().filter_map(|level| {
        let outcome = score.levels.get(*level)?;
        let passed = if outcome.passed { "passed" } else { "not passed" };
        Some(format!("{level:?} {passed} ({})", outcome.why))
    });
    said.collect::<Vec<_>>().join(", ")
}

fn plan<'a>(loaded: &'a Loaded, contender: &'a Contender) -> Plan<'a> {
    Plan {
        loaded,
        scenario: Arc::new(loaded.scenario.value.clone()),
        contender,
        mechanism: None,
        credit: 0,
        record: None,
    }
}

fn score(loaded: &Loaded, contender: &Contender, seed: u64) -> anyhow::Result<EpisodeScore> {
    match plan(loaded, contender).play(seed, &mut Past::default())? {
        Outcome::Scored(score) => Ok(*score),
        Outcome::Void(failure) => Err(anyhow::Error::new(failure)),
    }
}
