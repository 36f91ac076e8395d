//! The reward: what each decision interval cost, term by term. All terms are negative or zero.
//!
//! Its unit is the point: one second in which one clause of weight 1 is violated costs one.
//!
//! Everybody is charged for the same time, from where the episode is scored to its horizon
//! ([`Scenario::horizon`](crate::scenario::Scenario::horizon)), however early its agent was done.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::conduct::{Severity, component_of, severity};
use super::{Judge, Reading};
use crate::environment::Write;
use crate::episode::{ComponentTruth, Truth};
use crate::slo::{self, ClauseName};
use crate::time::SimTime;

/// The terms of a reward.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Violation seconds times weight, clause by clause. A clause counts once, however many components violate it.
    pub violations: BTreeMap<ClauseName, f64>,
    /// Requested core-seconds and GiB-seconds, and those of limits, at their prices.
    pub resources: f64,
    /// Actions, by what they do to what runs.
    pub actions: f64,
    /// Requests that clients saw fail, and actions on components of others.
    pub harm: f64,
}

impl Terms {
    /// Their sum.
    pub fn sum(&self) -> f64 {
        self.violations.values().sum::<f64>() + self.resources + self.actions + self.harm
    }

    /// Term by term.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for (clause, points) in &other.violations {
            *self.violations.entry(*clause).or_insert(0.0) += points;
        }
        self.resources += other.resources;
        self.actions += other.actions;
        self.harm += other.harm;
        self
    }

    /// Each term so many times.
    #[must_use]
    fn times(mut self, factor: f64) -> Self {
        for points in self.violations.values_mut() {
            *points *= factor;
        }
        self.resources *= factor;
        self.actions *= factor;
        self.harm *= factor;
        self
    }
}

/// The reward of one decision interval: from one decision to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntervalReward {
    /// The decision that it begins with; none before the first, and in the projected one.
    pub step: Option<u32>,
    /// Its beginning.
    pub from: SimTime,
    /// Its end.
    pub to: SimTime,
    /// It was not played: what stood in the hold time is charged from the end of the episode to the horizon.
    #[serde(default)]
    pub projected: bool,
    /// What it cost.
    pub terms: Terms,
}

/// Every decision interval of an episode, from where it is scored to its end, and from there to the horizon.
pub(super) fn by_interval(judge: &Judge<'_>, reading: &Reading<'_>) -> Vec<IntervalReward> {
    let start = judge.scored_from();
    let mut begun: Vec<(SimTime, Vec<u32>)> = vec![(start, Vec::new())];
    for &(at, step) in &reading.decisions {
        match begun.last_mut() {
            // Decisions before the scored time, and several at one time, belong together.
            Some(last) if at <= last.0 => last.1.push(step),
            _ => begun.push((at, vec![step])),
        }
    }
    let end = reading.end.max(start);
    let ends: Vec<SimTime> = begun.iter().skip(1).map(|(at, _)| *at).chain([end]).collect();
    let mut intervals: Vec<IntervalReward> = begun
        .iter()
        .zip(ends)
        .map(|((from, steps), to)| {
            // A write is carried out when the thinking is over, and yet it is the price of the step that decided on it.
            let writes = reading.writes.iter().filter(|(_, step, _)| steps.contains(step)).map(|(_, _, write)| *write);
            let observed = observed(judge, &reading.truths, reading.fault_free_per_s, *from, to);
            let terms = observed.plus(&prices(judge, writes));
            IntervalReward { step: steps.last().copied(), from: *from, to, projected: false, terms }
        })
        .collect();
    let horizon = judge.scenario.horizon();
    if horizon > end {
        let terms = projected(judge, &reading.truths, reading.fault_free_per_s, end);
        intervals.push(IntervalReward { step: None, from: end, to: horizon, projected: true, terms });
    }
    intervals
}

/// What a world costs from `from` to the horizon, if it was played until `end`, with the changes that were made in it
/// since then.
pub fn return_of<'w>(
    judge: &Judge<'_>,
    truths: &[&Truth],
    writes: impl Iterator<Item = &'w Write>,
    fault_free_per_s: Option<f64>,
    from: SimTime,
    end: SimTime,
) -> Terms {
    observed(judge, truths, fault_free_per_s, from, end).plus(&prices(judge, writes)).plus(&projected(
        judge,
        truths,
        fault_free_per_s,
        end,
    ))
}

/// What was seen of a stretch of a world. An interval of the judge that reaches beyond it counts in proportion.
fn observed(judge: &Judge<'_>, truths: &[&Truth], fault_free_per_s: Option<f64>, from: SimTime, to: SimTime) -> Terms {
    let mut terms = Terms::default();
    for (ix, truth) in truths.iter().enumerate().filter(|(_, truth)| truth.to > from && truth.from < to) {
        let whole = truth.to.since(truth.from).as_secs_f64();
        let part = truth.to.min(to).since(truth.from.max(from)).as_secs_f64();
        if whole > 0.0 {
            terms = terms.plus(&of_interval(judge, &truths[..=ix], fault_free_per_s, part, part / whole));
        }
    }
    terms
}

/// What is charged for the time from the end of an episode to the horizon: the rates of the hold time at its end.
///
/// An agent says when its task is over, and must not choose thereby for how long its world is charged. What it leaves
/// behind stands for the rest of the time that everybody has.
fn projected(judge: &Judge<'_>, truths: &[&Truth], fault_free_per_s: Option<f64>, end: SimTime) -> Terms {
    let rest = judge.scenario.horizon().since(end).as_secs_f64();
    let from = end - judge.scenario.hold;
    let seen: f64 = truths.iter().map(|truth| truth.to.min(end).since(truth.from.max(from)).as_secs_f64()).sum();
    if rest <= 0.0 || seen <= 0.0 {
        return Terms::default();
    }
    observed(judge, truths, fault_free_per_s, from, end).times(rest / seen)
}

/// What changes cost by themselves, whatever they brought.
fn prices<'w>(judge: &Judge<'_>, writes: impl Iterator<Item = &'w Write>) -> Terms {
    let prices = &judge.scenario.prices;
    let mut terms = Terms::default();
    for write in writes {
        terms.actions -= match severity(write) {
            Severity::Light => prices.light_action,
            Severity::Rollout => prices.rollout_action,
            Severity::Destructive => prices.destructive_action,
        };
        if component_of(write).is_some_and(|component| !judge.scenario.task.members().contains(&component)) {
            terms.harm -= prices.foreign_action;
        }
    }
    terms
}

/// `seconds` of the last interval that was seen, which are the share `part` of it.
fn of_interval(judge: &Judge<'_>, seen: &[&Truth], fault_free_per_s: Option<f64>, seconds: f64, part: f64) -> Terms {
    let slos = &judge.scenario.slos;
    let prices = &judge.scenario.prices;
    let mut terms = Terms::default();
    let Some(truth) = seen.last() else { return terms };
    for result in slo::evaluate(slos, seen, fault_free_per_s) {
        if result.state.is_violated() {
            terms.violations.insert(result.clause, -slos.weight_of(result.clause) * seconds);
        }
    }
    let sum = |of: fn(&ComponentTruth) -> f64| truth.components.iter().map(of).sum::<f64>() * part;
    terms.resources = -(prices.core_request_s * sum(|c| c.cpu_request_core_s)
        + prices.core_limit_s * sum(|c| c.cpu_limit_core_s)
        + prices.gib_request_s * sum(|c| c.memory_request_gib_s)
        + prices.gib_limit_s * sum(|c| c.memory_limit_gib_s));
    terms.harm = -prices.failed_request * truth.client_failed as f64 * part;
    terms
}
