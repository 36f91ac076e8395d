//! The columns of the table of episodes, and the table seen as rows again.

use polars::prelude::{
    BooleanChunked, Column, DataFrame, Float64Chunked, NamedFrom, Series, StringChunked, UInt32Chunked, UInt64Chunked,
};
use sim::scenario::Level;
use sim::score::statistics::Waited;
use sim::score::{EpisodeFigures, EpisodeScore};
use sim::slo::ClauseName;

use super::episodes::Episode;
use crate::runs::Played;

/// The columns of levels: whether it was passed; null where it is not asked for, or nothing was scored.
pub(super) const LEVELS: [&str; 5] = ["l1", "l2", "l3", "l4", "l5"];

/// What the code promises itself of a table that it made.
pub(super) const OWN: &str = "a table of our own has the columns that it was made with";

/// A column of one value for each row. All columns have one chunk, and null where there is no value.
pub(super) fn column<R, T>(rows: &[R], name: &str, of: impl Fn(&R) -> Option<T>) -> Column
where
    Series: NamedFrom<Vec<Option<T>>, [Option<T>]>,
{
    let values: Vec<Option<T>> = rows.iter().map(of).collect();
    Column::new::<Vec<Option<T>>, [Option<T>]>(name.into(), values)
}

/// The same of what only a scored episode has.
fn figure<T>(episodes: &[Episode], name: &str, of: impl Fn(&EpisodeScore) -> Option<T>) -> Column
where
    Series: NamedFrom<Vec<Option<T>>, [Option<T>]>,
{
    column(episodes, name, |episode: &Episode| match &episode.played {
        Played::Scored(score) => of(score),
        Played::Void(_) | Played::Unplayed => None,
    })
}

/// The table of episodes, in their order. Times are in seconds, rewards and credit in points, prices in US dollars.
pub(super) fn frame(episodes: &[Episode]) -> DataFrame {
    let mut columns = identity(episodes);
    columns.extend(LEVELS.into_iter().zip(Level::ALL).map(|(name, level)| {
        figure(episodes, name, |score: &EpisodeScore| score.levels.get(level).map(|outcome| outcome.passed))
    }));
    columns.extend(reward(episodes));
    columns.extend(times(episodes));
    columns.extend(conduct(episodes));
    DataFrame::new(episodes.len(), columns).expect("columns are of one length and have names of their own")
}

/// Which episode it is, and what became of it.
fn identity(episodes: &[Episode]) -> Vec<Column> {
    let text = |name: &str, of: &dyn Fn(&Episode) -> Option<String>| column(episodes, name, of);
    vec![
        text("scenario", &|episode| Some(episode.about.name.clone())),
        text("suite", &|episode| episode.about.suite.clone()),
        text("form", &|episode| Some(episode.about.form.to_owned())),
        text("group", &|episode| Some(episode.about.group.clone())),
        text("part", &|episode| Some(episode.about.part.name().to_owned())),
        column(episodes, "decoy", |episode: &Episode| Some(episode.about.is_decoy)),
        text("contender", &|episode| Some(episode.contender.clone())),
        column(episodes, "seed", |episode: &Episode| Some(episode.seed)),
        text("state", &|episode| Some(state(&episode.played).to_owned())),
        text("why", &|episode| match &episode.played {
            Played::Void(why) => Some(why.clone()),
            Played::Scored(_) | Played::Unplayed => None,
        }),
    ]
}

const fn state(played: &Played) -> &'static str {
    match played {
        Played::Scored(_) => "scored",
        Played::Void(_) => "void",
        Played::Unplayed => "unplayed",
    }
}

/// The reward, its terms, and credit, the sum over an episode's decisions, where branches were played.
fn reward(episodes: &[Episode]) -> Vec<Column> {
    let points = |name: &str, of: &dyn Fn(&EpisodeScore) -> Option<f64>| figure(episodes, name, of);
    let mut columns = vec![points("reward", &|score| Some(score.total.sum()))];
    for clause in ClauseName::ALL {
        let violations = |score: &EpisodeScore| Some(score.total.violations.get(&clause).copied().unwrap_or_default());
        columns.push(points(&format!("reward_{}", clause.name()), &violations));
    }
    columns.extend([
        points("reward_resources", &|score| Some(score.total.resources)),
        points("reward_actions", &|score| Some(score.total.actions)),
        points("reward_harm", &|score| Some(score.total.harm)),
        points("credit", &|score| {
            (!score.credit.is_empty()).then(|| score.credit.iter().map(|credit| credit.value.mean).sum())
        }),
    ]);
    columns
}

fn times(episodes: &[Episode]) -> [Column; 4] {
    let seconds = |name: &str, of: &dyn Fn(&EpisodeScore) -> Option<f64>| figure(episodes, name, of);
    let yes = |name: &str, of: &dyn Fn(&EpisodeScore) -> Option<bool>| figure(episodes, name, of);
    [
        seconds("ttd_s", &|score| Some(score.times.detect?.seconds)),
        yes("ttd_censored", &|score| Some(score.times.detect?.censored)),
        seconds("ttm_s", &|score| Some(score.times.mitigate?.seconds)),
        yes("ttm_censored", &|score| Some(score.times.mitigate?.censored)),
    ]
}

/// What it took and what it risked.
fn conduct(episodes: &[Episode]) -> Vec<Column> {
    let count =
        |name: &str, of: &dyn Fn(&EpisodeScore) -> u32| figure(episodes, name, |score: &EpisodeScore| Some(of(score)));
    vec![
        count("steps", &|score| score.conduct.steps),
        count("missteps", &|score| score.conduct.missteps),
        count("evaluations", &|score| score.conduct.evaluations),
        count("rounds", &|score| score.conduct.rounds),
        count("delegations", &|score| score.conduct.delegations),
        count("right_delegations", &|score| score.conduct.right_delegations),
        count("changes", &|score| score.conduct.actions),
        count("rejected", &|score| score.conduct.rejected),
        count("foreign", &|score| score.conduct.foreign),
        count("cluster_wide", &|score| score.conduct.cluster_wide),
        count("destructive", &|score| score.conduct.destructive),
        count("worse_than_nothing", &|score| score.conduct.worse_than_nothing),
        figure(episodes, "over_budget", |score: &EpisodeScore| Some(score.conduct.over_budget)),
        figure(episodes, "tokens_in", |score: &EpisodeScore| Some(score.conduct.tokens_in)),
        figure(episodes, "tokens_out", |score: &EpisodeScore| Some(score.conduct.tokens_out)),
        figure(episodes, "cost_usd", |score: &EpisodeScore| Some(score.conduct.cost_usd)),
        figure(episodes, "think_s", |score: &EpisodeScore| Some(score.conduct.think_s)),
    ]
}

/// A row of the table of episodes, as far as statistics go.
pub(super) struct Row<'f> {
    pub(super) scenario: &'f str,
    pub(super) contender: &'f str,
    pub(super) seed: u64,
    pub(super) is_decoy: bool,
    pub(super) is_void: bool,
    /// None if it was not scored.
    pub(super) scored: Option<Scored>,
}

/// The figures of a scored episode.
pub(super) struct Scored {
    pub(super) figures: EpisodeFigures,
    pub(super) changes: u32,
    pub(super) think_s: f64,
    pub(super) credit: Option<f64>,
}

impl Scored {
    /// Whether something was called wrong, or changed.
    pub(super) fn is_alarm(&self) -> bool {
        let failed = |level| self.figures.level(level) == Some(false);
        failed(Level::L3) || failed(Level::L4) || self.changes > 0
    }
}

/// The rows of the table, in its order.
pub(super) fn rows(frame: &DataFrame) -> Vec<Row<'_>> {
    let (scenario, contender, why) = (texts(frame, "scenario"), texts(frame, "contender"), texts(frame, "why"));
    let (seed, decoy) = (large_counts(frame, "seed"), booleans(frame, "decoy"));
    let scored = Figures::of(frame);
    let row = |at: usize| Row {
        scenario: scenario.get(at).expect(OWN),
        contender: contender.get(at).expect(OWN),
        seed: seed.get(at).expect(OWN),
        is_decoy: decoy.get(at).expect(OWN),
        is_void: why.get(at).is_some(),
        scored: scored.get(at),
    };
    (0..frame.height()).map(row).collect()
}

/// The columns of what a scored episode has.
struct Figures<'f> {
    levels: [&'f BooleanChunked; 5],
    reward: &'f Float64Chunked,
    credit: &'f Float64Chunked,
    detect: (&'f Float64Chunked, &'f BooleanChunked),
    mitigate: (&'f Float64Chunked, &'f BooleanChunked),
    steps: &'f UInt32Chunked,
    rounds: &'f UInt32Chunked,
    changes: &'f UInt32Chunked,
    tokens_in: &'f UInt64Chunked,
    tokens_out: &'f UInt64Chunked,
    cost_usd: &'f Float64Chunked,
    think_s: &'f Float64Chunked,
}

impl<'f> Figures<'f> {
    fn of(frame: &'f DataFrame) -> Self {
        Self {
            levels: LEVELS.map(|level| booleans(frame, level)),
            reward: floats(frame, "reward"),
            credit: floats(frame, "credit"),
            detect: (floats(frame, "ttd_s"), booleans(frame, "ttd_censored")),
            mitigate: (floats(frame, "ttm_s"), booleans(frame, "ttm_censored")),
            steps: counts(frame, "steps"),
            rounds: counts(frame, "rounds"),
            changes: counts(frame, "changes"),
            tokens_in: large_counts(frame, "tokens_in"),
            tokens_out: large_counts(frame, "tokens_out"),
            cost_usd: floats(frame, "cost_usd"),
            think_s: floats(frame, "think_s"),
        }
    }

    fn get(&self, at: usize) -> Option<Scored> {
        let waited = |(seconds, censored): (&Float64Chunked, &BooleanChunked)| {
            Some(Waited { seconds: seconds.get(at)?, censored: censored.get(at)? })
        };
        Some(Scored {
            figures: EpisodeFigures {
                levels: self.levels.map(|level| level.get(at)),
                reward: self.reward.get(at)?,
                detect: waited(self.detect),
                mitigate: waited(self.mitigate),
                steps: self.steps.get(at)?,
                rounds: self.rounds.get(at)?,
                tokens_in: self.tokens_in.get(at)?,
                tokens_out: self.tokens_out.get(at)?,
                cost_usd: self.cost_usd.get(at)?,
            },
            changes: self.changes.get(at)?,
            think_s: self.think_s.get(at)?,
            credit: self.credit.get(at),
        })
    }
}

pub(super) fn texts<'f>(frame: &'f DataFrame, name: &str) -> &'f StringChunked {
    frame.column(name).and_then(Column::str).expect(OWN)
}

fn booleans<'f>(frame: &'f DataFrame, name: &str) -> &'f BooleanChunked {
    frame.column(name).and_then(Column::bool).expect(OWN)
}

fn floats<'f>(frame: &'f DataFrame, name: &str) -> &'f Float64Chunked {
    frame.column(name).and_then(Column::f64).expect(OWN)
}

fn counts<'f>(frame: &'f DataFrame, name: &str) -> &'f UInt32Chunked {
    frame.column(name).and_then(Column::u32).expect(OWN)
}

fn large_counts<'f>(frame: &'f DataFrame, name: &str) -> &'f UInt64Chunked {
    frame.column(name).and_then(Column::u64).expect(OWN)
}
