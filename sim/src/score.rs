//! The score of an episode: a pure function of its scenario and its recorded log.
//!
//! ```text
//! log ──▶ Reading ──┬─▶ levels   L1 … L5, each with the reason where it failed
//! scenario ──▶ Judge┼─▶ times    TTD, TTM (never is censored, not infinite)
//!                   ├─▶ reward   per decision interval, every term shown
//!                   ├─▶ credit   per decision, from the branches in the log
//!                   └─▶ conduct  what it took (efficiency) and what it risked (safety)
//! many scores ──▶ Summary        with intervals
//! log ──▶ Course                  what it looked like over time, to be set beside another world's
//! ```
//!
//! The counterfactual branches are played by the runner and read from the log here, so that the same
//! code scores a live run: its log has none, and credit and regret are then missing.

mod checks;
mod conduct;
mod course;
mod credit;
mod delegation;
mod levels;
mod reading;
mod reward;
pub mod statistics;
mod summary;
#[cfg(test)]
mod testing;
mod timing;
#[cfg(test)]
mod victories;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use conduct::{Conduct, Severity, component_of, is_cluster_wide, severity};
pub use course::{ActionAt, ComponentCourse, Course, Status, course};
pub use credit::{Better, Credit, DelegationCredit, Regret, menu};
pub use levels::{Judged, LevelScores, Localization, Outcome};
pub use reading::Reading;
pub use reward::{IntervalReward, Terms, return_of};
pub use summary::{
    Conditional, EpisodeFigures, LevelRates, Summary, Trials, mitigation_by_diagnosis, summarize, summarize_figures,
};
pub use timing::Times;

use crate::episode::{Entry, Truth};
use crate::fault::RootCause;
use crate::scenario::{AppWords, Scenario};
use crate::slo::{self, ClauseResult};
use crate::time::SimTime;

/// What an episode is judged by.
pub struct Judge<'a> {
    /// The scenario as it was played.
    pub scenario: &'a Scenario,
    /// The right answers to "where and what"; empty when there is no cause to find.
    pub root_causes: Vec<RootCause>,
    /// From when on the load has its full strength.
    pub warm_at: SimTime,
    /// The image of each component in its manifest.
    pub images: BTreeMap<String, String>,
    /// Calls between two components in the service graph, whoever calls; none if they are not connected.
    pub distance: &'a dyn Fn(&str, &str) -> Option<u32>,
}

impl<'a> Judge<'a> {
    /// The judge of a scenario of an application.
    pub fn new(scenario: &'a Scenario, words: &AppWords, distance: &'a dyn Fn(&str, &str) -> Option<u32>) -> Self {
        Self {
            scenario,
            root_causes: scenario.accepted_root_causes(|fault| words.component_of(fault)),
            warm_at: scenario.warm_at(|load| words.ramp(load)),
            images: words.images_by_component(),
            distance,
        }
    }

    /// From when on the episode is scored: the first fault or the task, whichever comes first.
    pub fn scored_from(&self) -> SimTime {
        let task = SimTime::ZERO + self.scenario.task.start;
        self.scenario.first_fault_at().map_or(task, |fault| fault.min(task))
    }

    /// Answered requests per second in the warm world before anything went wrong; none if it was not looked at.
    pub fn fault_free_per_s(&self, truths: &[&Truth]) -> Option<f64> {
        let until = self.scored_from();
        let healthy = truths.iter().filter(|truth| truth.from >= self.warm_at && truth.to <= until);
        let (answered, seconds) = healthy.fold((0, 0.0), |(answered, seconds), truth| {
            (answered + truth.client_ok, seconds + truth.to.since(truth.from).as_secs_f64())
        });
        (seconds > 0.0).then(|| answered as f64 / seconds)
    }

    /// Whether all objectives were green in every interval of the hold time before the last look.
    ///
    /// `fault_free_per_s` as [`Judge::fault_free_per_s`] measured it; a branch takes that of the world it left.
    pub fn held(&self, truths: &[&Truth], fault_free_per_s: Option<f64>) -> bool {
        let Some(last) = truths.last() else { return false };
        let from = last.to - self.scenario.hold;
        let covered = self.in_hold(truths).first().is_some_and(|first| first.from <= from);
        covered && self.through_hold(truths, fault_free_per_s).all(|look| look.is_green())
    }

    /// The intervals of the hold time before the last look, and how the objectives stood in each.
    pub fn through_hold<'t>(
        &self,
        truths: &[&'t Truth],
        fault_free_per_s: Option<f64>,
    ) -> impl Iterator<Item = Look<'t>> {
        self.looks(truths, fault_free_per_s, truths.len() - self.in_hold(truths).len())
    }

    /// The intervals of the hold time before the last look.
    fn in_hold<'t, 'r>(&self, truths: &'t [&'r Truth]) -> &'t [&'r Truth] {
        let Some(last) = truths.last() else { return &[] };
        let from = last.to - self.scenario.hold;
        &truths[truths.partition_point(|truth| truth.to <= from)..]
    }

    /// The end of the last interval in which an objective was not green.
    pub fn last_red(&self, truths: &[&Truth], fault_free_per_s: Option<f64>) -> Option<SimTime> {
        self.looks(truths, fault_free_per_s, 0).rev().find(|look| !look.is_green()).map(|look| look.truth.to)
    }

    /// The intervals from the one with the number `first` on, and how the objectives stood in each.
    fn looks<'t>(
        &self,
        truths: &[&'t Truth],
        fault_free_per_s: Option<f64>,
        first: usize,
    ) -> impl DoubleEndedIterator<Item = Look<'t>> {
        (first..truths.len()).map(move |ix| Look {
            truth: truths[ix],
            clauses: slo::evaluate(&self.scenario.slos, &truths[..=ix], fault_free_per_s),
        })
    }
}

/// An interval, and how the objectives stood in it.
#[derive(Clone, Debug)]
pub struct Look<'t> {
    /// The interval.
    pub truth: &'t Truth,
    /// Every clause that is asked for, for each of its components.
    pub clauses: Vec<ClauseResult>,
}

impl Look<'_> {
    /// Whether all objectives were green.
    pub fn is_green(&self) -> bool {
        slo::is_green(&self.clauses)
    }
}

/// The score of one episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpisodeScore {
    /// The levels that the scenario asks for.
    pub levels: LevelScores,
    /// Each judgement of health and whether it was right.
    pub judgements: Vec<Judged>,
    /// How near the named root cause is, where there is one to find.
    pub localization: Option<Localization>,
    /// Times to detect and to mitigate.
    pub times: Times,
    /// The reward, interval by interval, up to the horizon.
    pub reward: Vec<IntervalReward>,
    /// Their sum.
    pub total: Terms,
    /// What each decision changed; empty without branches.
    pub credit: Vec<Credit>,
    /// What each delegation of a manager changed, of those that changed anything; empty without branches.
    #[serde(default)]
    pub delegation_credit: Vec<DelegationCredit>,
    /// What each decision fell short of the best alternative, doing nothing included; empty without alternatives.
    pub regret: Vec<Regret>,
    /// What it took and what it risked.
    pub conduct: Conduct,
}

/// Scores an episode.
pub fn score(judge: &Judge<'_>, entries: &[Entry]) -> EpisodeScore {
    let reading = Reading::new(judge, entries);
    let reward = reward::by_interval(judge, &reading);
    let credit = credit::of_decisions(entries);
    EpisodeScore {
        levels: levels::all(judge, &reading),
        judgements: levels::judgements(judge, &reading),
        localization: levels::localize(judge, &reading),
        times: timing::times(judge, &reading),
        total: reward.iter().fold(Terms::default(), |sum, interval| sum.plus(&interval.terms)),
        conduct: conduct::conduct(judge, &reading, &credit),
        regret: credit::regret(entries, &credit),
        delegation_credit: credit::of_delegations(entries),
        reward,
        credit,
    }
}
