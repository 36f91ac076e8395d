//! Many trials of one scenario and one contender, with intervals.

use serde::{Deserialize, Serialize};

use super::EpisodeScore;
use super::statistics::{Mean, MedianTime, Rate, Waited, bootstrap_mean, kaplan_meier_median, wilson};
use crate::chance::Key;
use crate::scenario::Level;

/// What `run --json` prints: rates with Wilson's interval, means by bootstrap, medians by Kaplan and Meier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The scenario's name.
    pub scenario: String,
    /// What played.
    pub model: String,
    /// Episodes asked for.
    pub trials: u32,
    /// Seed of the first; the others count up from it.
    pub seed: u64,
    /// Each level; null where the scenario does not ask for it.
    pub levels: LevelRates,
    /// Total reward; null without a scored episode.
    pub reward: Option<Mean>,
    /// Time to detect, in seconds.
    pub ttd_s: MedianTime,
    /// Time to mitigate, in seconds.
    pub ttm_s: MedianTime,
    /// Mean steps per scored episode.
    pub steps: f64,
    /// Mean rounds of delegation per scored episode.
    pub rounds: f64,
    /// Mean tokens read per scored episode.
    pub tokens_in: f64,
    /// Mean tokens written per scored episode.
    pub tokens_out: f64,
    /// Price of all scored episodes in US dollars.
    pub cost_usd: f64,
    /// Episodes whose world failed: not scored.
    pub void: u32,
    /// Episodes that were asked for and not played, since a comparison was stopped.
    #[serde(default)]
    pub unplayed: u32,
    /// Time on the wall clock for all of it, in seconds; null where it is not known.
    pub wall_s: Option<f64>,
}

/// Rates by level.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct LevelRates {
    /// Follow a simple instruction.
    pub l1: Option<Rate>,
    /// Carry out a fixed task.
    pub l2: Option<Rate>,
    /// Notice.
    pub l3: Option<Rate>,
    /// Find the root cause.
    pub l4: Option<Rate>,
    /// Mend.
    pub l5: Option<Rate>,
}

/// Which trials a summary is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Trials<'a> {
    /// The scenario's name.
    pub scenario: &'a str,
    /// What played.
    pub model: &'a str,
    /// Seed of the first.
    pub seed: u64,
    /// Episodes whose world failed.
    pub void: u32,
    /// Episodes that were not played.
    pub unplayed: u32,
    /// Time on the wall clock, in seconds, if it is known.
    pub wall_s: Option<f64>,
}

/// What a summary takes from the score of one episode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpisodeFigures {
    /// Whether each level was passed, L1 first; none where it is not asked for.
    pub levels: [Option<bool>; 5],
    /// Total reward, in points.
    pub reward: f64,
    /// Time to detect.
    pub detect: Option<Waited>,
    /// Time to mitigate.
    pub mitigate: Option<Waited>,
    /// Calls to the policies.
    pub steps: u32,
    /// Rounds of delegation.
    pub rounds: u32,
    /// Tokens read.
    pub tokens_in: u64,
    /// Tokens written.
    pub tokens_out: u64,
    /// Price in US dollars.
    pub cost_usd: f64,
}

impl EpisodeFigures {
    /// Whether a level was passed; none where it is not asked for.
    pub const fn level(&self, level: Level) -> Option<bool> {
        self.levels[level as usize]
    }
}

impl From<&EpisodeScore> for EpisodeFigures {
    fn from(score: &EpisodeScore) -> Self {
        Self {
            levels: Level::ALL.map(|level| Some(score.levels.get(level)?.passed)),
            reward: score.total.sum(),
            detect: score.times.detect,
            mitigate: score.times.mitigate,
            steps: score.conduct.steps,
            rounds: score.conduct.rounds,
            tokens_in: score.conduct.tokens_in,
            tokens_out: score.conduct.tokens_out,
            cost_usd: score.conduct.cost_usd,
        }
    }
}

/// Sums up the scored episodes of one scenario and contender.
pub fn summarize(trials: &Trials<'_>, scores: &[EpisodeScore]) -> Summary {
    summarize_figures(trials, &scores.iter().map(EpisodeFigures::from).collect::<Vec<_>>())
}

/// The same from what a summary takes of each score.
pub fn summarize_figures(trials: &Trials<'_>, episodes: &[EpisodeFigures]) -> Summary {
    let rate = |level| {
        let outcomes: Vec<bool> = episodes.iter().filter_map(|episode| episode.level(level)).collect();
        (!outcomes.is_empty()).then(|| wilson(outcomes.iter().filter(|p| **p).count() as u32, outcomes.len() as u32))
    };
    let mean =
        |of: &dyn Fn(&EpisodeFigures) -> f64| episodes.iter().map(of).sum::<f64>() / (episodes.len().max(1)) as f64;
    let median = |of: &dyn Fn(&EpisodeFigures) -> Option<Waited>| {
        kaplan_meier_median(&episodes.iter().filter_map(of).collect::<Vec<_>>())
    };
    let totals: Vec<f64> = episodes.iter().map(|e| e.reward).collect();
    Summary {
        scenario: trials.scenario.to_owned(),
        model: trials.model.to_owned(),
        trials: episodes.len() as u32 + trials.void + trials.unplayed,
        seed: trials.seed,
        levels: LevelRates {
            l1: rate(Level::L1),
            l2: rate(Level::L2),
            l3: rate(Level::L3),
            l4: rate(Level::L4),
            l5: rate(Level::L5),
        },
        reward: bootstrap_mean(&totals, Key::root(trials.seed).with_str(trials.scenario)),
        ttd_s: median(&|e| e.detect),
        ttm_s: median(&|e| e.mitigate),
        steps: mean(&|e| f64::from(e.steps)),
        rounds: mean(&|e| f64::from(e.rounds)),
        tokens_in: mean(&|e| e.tokens_in as f64),
        tokens_out: mean(&|e| e.tokens_out as f64),
        cost_usd: episodes.iter().map(|e| e.cost_usd).sum(),
        void: trials.void,
        unplayed: trials.unplayed,
        wall_s: trials.wall_s,
    }
}

/// How often a fault was mended, split by whether its cause was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conditional {
    /// P(mitigated | diagnosed).
    pub diagnosed: Rate,
    /// P(mitigated | not diagnosed).
    pub not_diagnosed: Rate,
}

/// How often the episodes that ask for both L4 and L5 were mended, with and without a right diagnosis. A
/// high rate without one says that the action is found by luck or habit.
pub fn mitigation_by_diagnosis(scores: &[EpisodeScore]) -> Conditional {
    let rate = |diagnosed: bool| {
        let of: Vec<bool> = scores
            .iter()
            .filter_map(|s| Some((s.levels.l4.as_ref()?.passed, s.levels.l5.as_ref()?.passed)))
            .filter(|(found, _)| *found == diagnosed)
            .map(|(_, mended)| mended)
            .collect();
        wilson(of.iter().filter(|mended| **mended).count() as u32, of.len() as u32)
    };
    Conditional { diagnosed: rate(true), not_diagnosed: rate(false) }
}
