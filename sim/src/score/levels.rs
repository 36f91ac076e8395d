//! The levels of autonomy (arXiv 2407.14402, section 2), each passed or not, with the reason.

use serde::{Deserialize, Serialize};

use super::{Judge, Reading, checks};
use crate::fault::{Binding, Fault, FaultKind};
use crate::scenario::{Level, Trigger};
use crate::slo::{self, ClauseName};
use crate::time::SimTime;

/// Whether a level was passed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// It was.
    pub passed: bool,
    /// Why not, or what was found.
    pub why: String,
}

/// The levels that the scenario asks for; none for the others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct LevelScores {
    /// Follow a simple instruction.
    pub l1: Option<Outcome>,
    /// Carry out a fixed task.
    pub l2: Option<Outcome>,
    /// Notice.
    pub l3: Option<Outcome>,
    /// Find the root cause.
    pub l4: Option<Outcome>,
    /// Mend.
    pub l5: Option<Outcome>,
}

impl LevelScores {
    /// The outcome of a level.
    pub fn get(&self, level: Level) -> Option<&Outcome> {
        match level {
            Level::L1 => self.l1.as_ref(),
            Level::L2 => self.l2.as_ref(),
            Level::L3 => self.l3.as_ref(),
            Level::L4 => self.l4.as_ref(),
            Level::L5 => self.l5.as_ref(),
        }
    }
}

/// One judgement of health: a declaration or a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// When.
    pub at: SimTime,
    /// What the agent said: all objectives hold.
    pub healthy: bool,
    /// Whether that was so at that time.
    pub right: bool,
}

/// How near a diagnosis is to the cause.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Localization {
    /// Calls between the named component and the nearest accepted one; none if there is no way.
    pub distance: Option<u32>,
    /// Whether the kind is right as well.
    pub kind: bool,
    /// From 0 to 1: half for the kind at the right place, half falling with the distance d as 1 / (1 + d).
    pub score: f64,
}

pub(super) fn all(judge: &Judge<'_>, reading: &Reading<'_>) -> LevelScores {
    let asks = |level| judge.scenario.task.levels.contains(&level);
    LevelScores {
        l1: asks(Level::L1).then(|| checks::all(judge, reading)),
        l2: asks(Level::L2).then(|| checks::all(judge, reading)),
        l3: asks(Level::L3).then(|| noticed(judge, reading)),
        l4: asks(Level::L4).then(|| diagnosed(judge, reading)),
        l5: asks(Level::L5).then(|| mended(judge, reading)),
    }
}

pub(super) fn outcome(passed: bool, why: impl Into<String>) -> Outcome {
    Outcome { passed, why: why.into() }
}

/// Every judgement of health, in order of time. One that falls before the judge's first look cannot be right.
pub(super) fn judgements(judge: &Judge<'_>, reading: &Reading<'_>) -> Vec<Judged> {
    let declared = reading.declarations.iter().map(|(at, declaration)| (*at, declaration.healthy));
    let reported = reading.reports.iter().map(|(at, report)| (*at, report.healthy));
    let mut said: Vec<(SimTime, bool)> = declared.chain(reported).collect();
    said.sort_by_key(|(at, _)| *at);
    said.into_iter()
        .map(|(at, healthy)| {
            let truth = slo::judge(&judge.scenario.slos, &reading.truths, reading.fault_free_per_s, at);
            Judged { at, healthy, right: truth.is_some_and(|truth| truth.accepts(healthy)) }
        })
        .collect()
}

/// L3: every evaluation that the trigger promises began and was judged, and every judgement was right at its time.
fn noticed(judge: &Judge<'_>, reading: &Reading<'_>) -> Outcome {
    let judged = judgements(judge, reading);
    if reading.evaluations.is_empty() {
        return outcome(false, "the agent was never asked");
    }
    let begun = reading.evaluations.len();
    if let Some(missed) = (0..begun).find(|evaluation| !reading.judged.contains(evaluation)) {
        return outcome(false, format!("evaluation {} ended without a judgement", missed + 1));
    }
    let promised = match &judge.scenario.task.trigger {
        Trigger::Once | Trigger::Alert(_) => 1,
        Trigger::Heartbeat(heartbeat) => heartbeat.times as usize,
    };
    if begun < promised {
        return outcome(false, format!("only {begun} of {promised} evaluations began before time was up"));
    }
    match judged.iter().find(|judgement| !judgement.right) {
        Some(wrong) => {
            let said = if wrong.healthy { "healthy" } else { "unhealthy" };
            outcome(false, format!("said {said} at {}, which was not so", wrong.at))
        }
        None => outcome(true, format!("{} judgements, all right", judged.len())),
    }
}

/// The last root cause that the agent named, in a declaration or a report.
fn named<'a>(reading: &Reading<'a>) -> Option<(&'a str, Option<&'a str>)> {
    let declared =
        reading.declarations.iter().filter_map(|(at, d)| Some((*at, (d.component.as_deref()?, d.kind.as_deref()))));
    let reported = reading
        .reports
        .iter()
        .filter_map(|(at, r)| Some((*at, (r.root_cause_component.as_deref()?, r.root_cause_kind.as_deref()))));
    // Of equal times the report, which comes later in the chain, counts.
    declared.chain(reported).max_by_key(|(at, _)| *at).map(|(_, cause)| cause)
}

pub(super) fn localize(judge: &Judge<'_>, reading: &Reading<'_>) -> Option<Localization> {
    if judge.root_causes.is_empty() {
        return None;
    }
    let none = Localization { distance: None, kind: false, score: 0.0 };
    let Some((component, kind)) = named(reading) else { return Some(none) };
    let kind = kind.and_then(FaultKind::from_name);
    let of_cause = |cause: &crate::fault::RootCause| {
        let distance =
            if cause.component == component { Some(0) } else { (judge.distance)(component, &cause.component) };
        let right = distance == Some(0) && kind.is_some_and(|kind| cause.kinds.contains(&kind));
        let near = distance.map_or(0.0, |d| 0.5 / (1.0 + f64::from(d)));
        Localization { distance, kind: right, score: near + if right { 0.5 } else { 0.0 } }
    };
    judge.root_causes.iter().map(of_cause).max_by(|a, b| a.score.total_cmp(&b.score))
}

/// L4: component and kind, exactly. Where there is no cause to find, naming none is right.
fn diagnosed(judge: &Judge<'_>, reading: &Reading<'_>) -> Outcome {
    let said = match named(reading) {
        None => "no cause was named".to_owned(),
        Some((component, kind)) => format!("named {component}, {}", kind.unwrap_or("no kind")),
    };
    match localize(judge, reading) {
        None => outcome(named(reading).is_none(), said),
        Some(localization) => outcome(localization.kind, said),
    }
}

/// L5: all objectives green through the hold time, by the agent's doing.
fn mended(judge: &Judge<'_>, reading: &Reading<'_>) -> Outcome {
    if !judge.held(&reading.truths, reading.fault_free_per_s) {
        return outcome(false, what_failed(judge, reading));
    }
    if reading.idle_branches.is_empty() {
        let end = reading.end;
        if let Some(over) = judge.scenario.faults.iter().filter_map(Fault::ends_at).find(|at| *at <= end) {
            return outcome(false, format!("green, but a fault ended by itself at {over}"));
        }
        if is_over_at_once(judge) {
            return outcome(false, "green, but what happened was over at once, and Kubernetes replaces what it ended");
        }
        if reading.writes.is_empty() {
            return outcome(false, "green, but the agent changed nothing");
        }
    } else if reading.idle_branches.iter().any(|branch| branch.green_at_end) {
        return outcome(false, "green, but so is the world in which the agent did nothing");
    }
    outcome(true, format!("green through the last {}", judge.scenario.hold))
}

/// Whether all faults are blows: they persist in nothing, so that a world without the agent would have mended as well.
fn is_over_at_once(judge: &Judge<'_>) -> bool {
    let is_blow = |fault: &Fault| fault.kind().is_some_and(|kind| kind.binding() == Binding::Moment);
    !judge.scenario.faults.is_empty() && judge.scenario.faults.iter().all(is_blow)
}

/// The clauses that were not green in the hold time, in the order of the report.
fn what_failed(judge: &Judge<'_>, reading: &Reading<'_>) -> String {
    if reading.truths.is_empty() {
        return "the world was never looked at".into();
    }
    let looks = judge.through_hold(&reading.truths, reading.fault_free_per_s);
    let failed: Vec<_> = slo::red(looks.flat_map(|look| look.clauses)).into_iter().map(ClauseName::name).collect();
    if failed.is_empty() { "the hold time is not over".into() } else { format!("not green: {}", failed.join(", ")) }
}
