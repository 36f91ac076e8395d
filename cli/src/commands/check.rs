//! `sockpit scenario check` and `scenario schema`: a user's own scenario.
//!
//! A scenario that means what it says passes four checks, each played:
//! - *healthy*: without its faults its world meets its objectives, so that what an agent is asked can be done;
//! - *premise*: with its premise the target that the task asks for is missed at first;
//! - *noop*: whoever does nothing does not pass, unless nothing is wrong;
//! - *witness*: some list of actions passes.

use std::sync::Arc;

use datasets::scenarios::{self, Loaded};
use serde::Serialize;
use sim::environment::Goal;
use sim::episode::{Entry, EpisodeEvent, Truth};
use sim::scenario::{Level, Scenario, Script, StartState};
use sim::score::{EpisodeScore, Judge};
use sim::slo::{self, ClauseResult, ClauseState};

use crate::arguments::CheckOptions;
use crate::episodes::{Model, Outcome, Plan};
use crate::output::{self, Failed};
use crate::progress;

/// What was found out about a scenario.
#[derive(Serialize)]
struct Report {
    scenario: String,
    seed: u64,
    /// Whether every check passed.
    ok: bool,
    checks: Vec<Check>,
    /// What could not be checked, and why.
    notes: Vec<String>,
}

/// One check that was played.
#[derive(Serialize)]
struct Check {
    /// `healthy`, `premise`, `noop`, `witness` or `wrong-move`.
    #[serde(rename = "check")]
    name: &'static str,
    passed: bool,
    /// What was asked and what was found.
    found: String,
}

/// Prints the JSON schema of scenario files.
pub(crate) fn schema() -> Result<(), Failed> {
    output::json(&sim::scenario::json_schema())
}

pub(crate) fn run(options: &CheckOptions) -> Result<(), Failed> {
    let loaded = super::load_scenario(&options.file, &[])?;
    let mut scripts = shipped_scripts(&options.file)?;
    for file in &options.witness {
        let script = super::load_script(file)?;
        scripts.push(Candidate { name: file.clone(), is_witness: true, script });
    }
    let mut report = Report {
        scenario: loaded.scenario.value.name.clone(),
        seed: options.seed,
        ok: true,
        checks: Vec::new(),
        notes: Vec::new(),
    };
    if options.no_play {
        report.notes.push("nothing was played: the file is free of mistakes, no more".into());
    } else {
        play(&loaded, &scripts, &mut report).map_err(Failed::Run)?;
    }
    report.ok = report.checks.iter().all(|check| check.passed);
    if options.json {
        output::json(&report)?;
    } else {
        output::data(&text(&report))?;
    }
    let failed = report.checks.iter().filter(|check| !check.passed).count();
    if failed > 0 {
        let of = report.checks.len();
        return Err(Failed::Run(anyhow::anyhow!("{failed} of {of} checks of {} failed", options.file)));
    }
    Ok(())
}

/// A list of actions to be tried.
struct Candidate {
    name: String,
    is_witness: bool,
    script: Script,
}

/// The lists of actions that ship with a shipped scenario.
fn shipped_scripts(name: &str) -> Result<Vec<Candidate>, Failed> {
    let shipped = scenarios::scripts(name)?;
    let candidates = shipped.into_iter().map(|shipped| Candidate {
        is_witness: shipped.is_witness(),
        name: shipped.name.rsplit('/').next().unwrap_or_default().to_owned(),
        script: shipped.script,
    });
    Ok(candidates.collect())
}

fn play(loaded: &Loaded, scripts: &[Candidate], report: &mut Report) -> anyhow::Result<()> {
    let scenario = &loaded.scenario.value;
    let bar = progress::bar(2 + scripts.len() as u64, "checks");
    let seed = report.seed;
    report.checks.push(healthy(loaded, seed)?);
    bar.inc(1);
    let noop = score(loaded, Model::parse("noop").map_err(|_| anyhow::anyhow!("noop is built in"))?, seed)?;
    bar.inc(1);
    if asks_for_improvement(scenario) && !scenario.start.premises.is_empty() {
        report.checks.push(premise(scenario, &noop));
    }
    if is_decoy(scenario) {
        report.notes.push("nothing is wrong in it, so whoever does nothing may pass".into());
    } else {
        let passed = highest_level_passed(scenario, &noop);
        report.checks.push(Check {
            name: "noop",
            passed: !passed,
            found: format!("whoever does nothing {}: {}", does_pass(passed), levels(scenario, &noop)),
        });
    }
    for candidate in scripts {
        report.checks.push(script(loaded, candidate, seed)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    if !scripts.iter().any(|candidate| candidate.is_witness) {
        report.notes.push(match &scenario.unsolvable {
            Some(why) => format!("it has no witness: {why}"),
            None => "it has no witness: give a list of actions that passes with --witness FILE, or say in the file \
                     why there can be none (unsolvable)"
                .into(),
        });
    }
    Ok(())
}

fn asks_for_improvement(scenario: &Scenario) -> bool {
    matches!(scenario.task.goal, Goal::ReduceLatency { .. } | Goal::ReduceCpu { .. })
}

/// Whether there is nothing to do but to say so.
fn is_decoy(scenario: &Scenario) -> bool {
    let only_looks = matches!(scenario.task.goal, Goal::Maintain | Goal::CheckHealth | Goal::CheckPerformance);
    scenario.faults.is_empty() && only_looks
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
    let plan = plan(&loaded, Model::parse("noop").map_err(|_| anyhow::anyhow!("noop is built in"))?);
    let entries = plan.entries(seed, &mut |_: &Entry| {})?.map_err(anyhow::Error::new)?;
    let distance = |a: &str, b: &str| loaded.app.distance(a, b);
    let judge = Judge::new(&loaded.scenario.value, &loaded.words, &distance);
    let truths: Vec<&Truth> = entries.iter().filter_map(truth_of).collect();
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

fn truth_of(entry: &Entry) -> Option<&Truth> {
    match &entry.event {
        EpisodeEvent::Truth(truth) => Some(truth),
        _ => None,
    }
}

/// The first interval of the hold time in which a clause was not green, and how it stood.
fn violated(judge: &Judge<'_>, truths: &[&Truth], fault_free_per_s: Option<f64>) -> String {
    let Some(last) = truths.last() else { return "the world was never looked at".into() };
    let from = last.to - judge.scenario.hold;
    for (ix, truth) in truths.iter().enumerate().filter(|(_, truth)| truth.to > from) {
        let results = slo::evaluate(&judge.scenario.slos, &truths[..=ix], fault_free_per_s);
        let red: Vec<String> = results.iter().filter_map(stands).collect();
        if !red.is_empty() {
            return format!("at {} {}", truth.to, red.join(", "));
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
fn premise(scenario: &Scenario, noop: &EpisodeScore) -> Check {
    let target = [Level::L1, Level::L2].into_iter().filter_map(|level| noop.levels.get(level));
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

fn script(loaded: &Loaded, candidate: &Candidate, seed: u64) -> anyhow::Result<Check> {
    let scenario = &loaded.scenario.value;
    let score = score(loaded, Model::Script(Box::new(candidate.script.clone())), seed)?;
    let passed = if candidate.is_witness {
        scenario.task.levels.iter().all(|level| score.levels.get(*level).is_some_and(|o| o.passed))
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

fn plan(loaded: &Loaded, model: Model) -> Plan<'_> {
    Plan {
        loaded,
        scenario: Arc::new(loaded.scenario.value.clone()),
        model,
        model_name: "check",
        credit: 0,
        record: None,
    }
}

fn score(loaded: &Loaded, model: Model, seed: u64) -> anyhow::Result<EpisodeScore> {
    match plan(loaded, model).play(seed)? {
        Outcome::Scored(score) => Ok(*score),
        Outcome::Void(failure) => Err(anyhow::Error::new(failure)),
    }
}

fn text(report: &Report) -> String {
    let mut lines = vec![match report.checks.len() {
        0 => format!("{}: the file is right", report.scenario),
        _ => format!("{}: the file is right; played with seed {}", report.scenario, report.seed),
    }];
    for check in &report.checks {
        let mark = if check.passed { "ok" } else { "FAILED" };
        lines.push(format!("{mark:<8}{:<12}{}", check.name, check.found));
    }
    lines.extend(report.notes.iter().map(|note| format!("{:<20}{note}", "note")));
    lines.join("\n")
}
