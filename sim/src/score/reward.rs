//! The reward: what each decision interval cost, term by term. All terms are negative or zero.
//!
//! Its unit is the point: one second in which one clause of weight 1 is violated costs one.

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
}

/// The reward of one decision interval: from one decision to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntervalReward {
    /// The decision that it begins with; none before the first.
    pub step: Option<u32>,
    /// Its beginning.
    pub from: SimTime,
    /// Its end.
    pub to: SimTime,
    /// What it cost.
    pub terms: Terms,
}

/// Every decision interval of an episode, from where it is scored to its end.
pub(super) fn by_interval(judge: &Judge<'_>, reading: &Reading<'_>) -> Vec<IntervalReward> {
    let start = judge.scored_from();
    let writes: Vec<(SimTime, &Write)> = reading.writes.iter().map(|(at, _, write)| (*at, *write)).collect();
    let mut bounds: Vec<(SimTime, Option<u32>)> = vec![(start, None)];
    for &(at, step) in &reading.decisions {
        match bounds.last_mut() {
            // Decisions before the scored time, and several at one time, belong together.
            Some(last) if at <= last.0 => last.1 = Some(step),
            _ => bounds.push((at, Some(step))),
        }
    }
    let ends = bounds.iter().skip(1).map(|(at, _)| *at).chain([reading.end.max(start)]);
    bounds
        .iter()
        .zip(ends)
        .map(|(&(from, step), to)| IntervalReward {
            step,
            from,
            to,
            terms: return_of(judge, &reading.truths, &writes, reading.fault_free_per_s, from, to),
        })
        .collect()
}

/// What a stretch of a world cost, with the changes that were made in it. An interval of the judge that
/// reaches beyond the stretch counts in proportion. Writes exactly at `to` belong to the stretch if it is the
/// world's last, which is told by no interval ending later.
pub fn return_of(
    judge: &Judge<'_>,
    truths: &[&Truth],
    writes: &[(SimTime, &Write)],
    fault_free_per_s: Option<f64>,
    from: SimTime,
    to: SimTime,
) -> Terms {
    let mut terms = Terms::default();
    for (ix, truth) in truths.iter().enumerate().filter(|(_, truth)| truth.to > from && truth.from < to) {
        let whole = truth.to.since(truth.from).as_secs_f64();
        let part = truth.to.min(to).since(truth.from.max(from)).as_secs_f64();
        if whole > 0.0 {
            terms = terms.plus(&of_interval(judge, &truths[..=ix], fault_free_per_s, part, part / whole));
        }
    }
    let is_last = truths.last().is_none_or(|truth| truth.to <= to);
    for (_, write) in writes.iter().filter(|(at, _)| *at >= from && (*at < to || (is_last && *at == to))) {
        let prices = &judge.scenario.prices;
        terms.actions -= match severity(write) {
            Severity::Light => prices.light_action,
            Severity::Rollout => prices.rollout_action,
            Severity::Destructive => prices.destructive_action,
        };
        if component_of(write).is_some_and(|component| component != judge.scenario.task.agent) {
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
