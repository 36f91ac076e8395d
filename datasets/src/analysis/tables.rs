//! The tables of a comparison: by contender, by level, by what is wrong, by scenario.

use std::collections::{BTreeMap, BTreeSet};

use sim::chance::Key;
use sim::scenario::Level;
use sim::score::statistics::{Mean, MedianTime, Rate, Waited, bootstrap_stratified, kaplan_meier_median, wilson};
use sim::score::{EpisodeFigures, Summary, Trials, summarize_figures};

use super::columns::{Row, Scored, rows};
use super::{Episodes, counts};
use crate::published::Share;

/// What was played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// How many scenarios.
    pub scenarios: usize,
    /// How many contenders.
    pub contenders: usize,
    /// How many different seeds.
    pub seeds: usize,
    /// The first of them, if they count up from it without gaps.
    pub first_seed: Option<u64>,
    /// How many episodes were asked for.
    pub episodes: usize,
    /// How many of them are void.
    pub void: usize,
    /// How many of them were not played.
    pub unplayed: usize,
}

/// One contender over all its episodes. Missing figures say that there was nothing to compute them from.
#[derive(Clone, Debug, PartialEq)]
pub struct ContenderRow {
    /// Its name.
    pub contender: String,
    /// Scored episodes.
    pub scored: u32,
    /// Episodes whose world failed.
    pub void: u32,
    /// Episodes that were not played.
    pub unplayed: u32,
    /// How often each level was passed, in parts of one, L1 first: each scenario as heavy as the others.
    pub levels: [Option<Mean>; 5],
    /// The same, each episode as heavy as the others.
    pub rates: [Option<Rate>; 5],
    /// Total reward, each scenario as heavy as the others.
    pub reward: Option<Mean>,
    /// Time to detect.
    pub detect: MedianTime,
    /// Time to mitigate.
    pub mitigate: MedianTime,
    /// Mean steps of an episode.
    pub steps: Option<f64>,
    /// Mean rounds of delegation of an episode.
    pub rounds: Option<f64>,
    /// Mean accepted changes of an episode.
    pub changes: Option<f64>,
    /// Right delegations.
    pub delegations: Option<Share>,
    /// How often something was called wrong, or changed, where nothing was.
    pub false_alarms: Option<Rate>,
    /// Mean credit of all decisions of an episode, in points, of those whose branches were played.
    pub credit: Option<f64>,
    /// Mean tokens read in an episode.
    pub tokens_in: f64,
    /// Mean tokens written in an episode.
    pub tokens_out: f64,
    /// Mean time charged for thinking in an episode, in seconds.
    pub think_s: f64,
    /// Price of all episodes in US dollars.
    pub cost_usd: f64,
}

impl ContenderRow {
    /// Whether it asked a model.
    pub fn asked_a_model(&self) -> bool {
        self.tokens_in > 0.0 || self.tokens_out > 0.0 || self.cost_usd > 0.0
    }
}

/// What is wrong, over the scenarios in which it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRow {
    /// A kind of fault, or the paper's name of a task.
    pub group: String,
    /// How many scenarios.
    pub scenarios: u32,
    /// For each contender how often each level was passed, L1 first.
    pub contenders: Vec<[Option<Share>; 5]>,
}

/// One scenario and one contender.
#[derive(Clone, Debug, PartialEq)]
pub struct ScenarioRow {
    /// The first part of the scenario's name.
    pub suite: Option<String>,
    /// What is wrong in it.
    pub group: String,
    /// To which part of the paper's tables it belongs.
    pub part: String,
    /// Whether nothing is wrong in it.
    pub is_decoy: bool,
    /// Scored episodes.
    pub scored: u32,
    /// Mean accepted changes of an episode.
    pub changes: Option<f64>,
    /// Right delegations.
    pub delegations: Option<Share>,
    /// The rest.
    pub summary: Summary,
}

impl Episodes {
    /// What was played.
    pub fn overview(&self) -> Overview {
        let rows = rows(self.frame());
        let seeds: BTreeSet<u64> = rows.iter().map(|row| row.seed).collect();
        let first = seeds.first().copied();
        let is_contiguous = first.zip(seeds.last()).is_some_and(|(first, last)| last - first + 1 == seeds.len() as u64);
        Overview {
            scenarios: rows.iter().map(|row| row.scenario).collect::<BTreeSet<_>>().len(),
            contenders: self.contenders().len(),
            seeds: seeds.len(),
            first_seed: first.filter(|_| is_contiguous),
            episodes: rows.len(),
            void: rows.iter().filter(|row| row.is_void).count(),
            unplayed: rows.iter().filter(|row| !row.is_void && row.scored.is_none()).count(),
        }
    }

    /// The table by contender, and by level.
    pub fn by_contender(&self) -> Vec<ContenderRow> {
        let counts = counts::by(self.frame(), &["contender"]);
        let rows = rows(self.frame());
        let seed = first_seed(&rows);
        let row = |name: &String| {
            let own: Vec<&Row<'_>> = rows.iter().filter(|row| row.contender == name).collect();
            let group = counts.find(&[("contender", name.as_str())])?;
            Some(contender_row(&counts, group, &own, Key::root(seed).with_str(name)))
        };
        self.contenders().iter().filter_map(row).collect()
    }

    /// The table by what is wrong, in the order of its words.
    pub fn by_group(&self) -> Vec<GroupRow> {
        let played = counts::by(self.frame(), &["group", "contender"]);
        let scenarios = counts::by(self.frame(), &["group", "scenario"]);
        let mut groups: BTreeMap<&str, u32> = BTreeMap::new();
        for row in 0..scenarios.groups() {
            *groups.entry(scenarios.text("group", row).unwrap_or_default()).or_default() += 1;
        }
        let row = |(group, scenarios): (&str, u32)| {
            let levels = |contender: &String| {
                let row = played.find(&[("group", group), ("contender", contender.as_str())]);
                Level::ALL.map(|level| played.level(level, row?))
            };
            GroupRow { group: group.to_owned(), scenarios, contenders: self.contenders().iter().map(levels).collect() }
        };
        groups.into_iter().map(row).collect()
    }

    /// The table by scenario and contender. `wall_s` is the time on the wall clock for all of it, if it is known.
    pub fn by_scenario(&self, wall_s: Option<f64>) -> Vec<ScenarioRow> {
        let counts = counts::by(self.frame(), &["scenario", "contender", "suite", "group", "part"]);
        let rows = rows(self.frame());
        // Episodes of the same lie together, so that both go through them in the same order.
        let same = |a: &Row<'_>, b: &Row<'_>| a.scenario == b.scenario && a.contender == b.contender;
        let row = |(group, own): (usize, &[Row<'_>])| {
            let figures: Vec<EpisodeFigures> =
                own.iter().filter_map(|row| row.scored.as_ref()).map(|scored| scored.figures).collect();
            let trials = Trials {
                scenario: own[0].scenario,
                model: own[0].contender,
                seed: own[0].seed,
                void: counts.count("void", group),
                unplayed: counts.unplayed(group),
                wall_s,
            };
            ScenarioRow {
                suite: counts.text("suite", group).map(str::to_owned),
                group: counts.text("group", group).unwrap_or_default().to_owned(),
                part: counts.text("part", group).unwrap_or_default().to_owned(),
                is_decoy: own[0].is_decoy,
                scored: counts.count("scored", group),
                changes: counts.mean("changes", group),
                delegations: counts.share("right_delegations", "delegations", group),
                summary: summarize_figures(&trials, &figures),
            }
        };
        rows.chunk_by(same).enumerate().map(row).collect()
    }
}

/// The seed from which the resamples of intervals are keyed.
pub(super) fn first_seed(rows: &[Row<'_>]) -> u64 {
    rows.iter().map(|row| row.seed).min().unwrap_or_default()
}

fn contender_row(counts: &counts::Counts, group: usize, own: &[&Row<'_>], key: Key) -> ContenderRow {
    let scored: Vec<&Scored> = own.iter().filter_map(|row| row.scored.as_ref()).collect();
    let mean = |of: &dyn Fn(&Scored) -> f64| scored.iter().map(|s| of(s)).sum::<f64>() / scored.len().max(1) as f64;
    let median = |of: &dyn Fn(&EpisodeFigures) -> Option<Waited>| {
        kaplan_meier_median(&scored.iter().filter_map(|s| of(&s.figures)).collect::<Vec<_>>())
    };
    let credits: Vec<f64> = scored.iter().filter_map(|s| s.credit).collect();
    ContenderRow {
        contender: counts.text("contender", group).unwrap_or_default().to_owned(),
        scored: counts.count("scored", group),
        void: counts.count("void", group),
        unplayed: counts.unplayed(group),
        levels: Level::ALL.map(|level| {
            let passed = |s: &Scored| Some(f64::from(u8::from(s.figures.level(level)?)));
            bootstrap(&strata(own, passed), key.with_str("level").with(level as u64))
        }),
        rates: Level::ALL.map(|level| counts.level(level, group).map(|(passed, of)| wilson(passed, of))),
        reward: bootstrap(&strata(own, |s| Some(s.figures.reward)), key.with_str("reward")),
        detect: median(&|figures| figures.detect),
        mitigate: median(&|figures| figures.mitigate),
        steps: counts.mean("steps", group),
        rounds: counts.mean("rounds", group),
        changes: counts.mean("changes", group),
        delegations: counts.share("right_delegations", "delegations", group),
        false_alarms: false_alarms(own),
        credit: (!credits.is_empty()).then(|| credits.iter().sum::<f64>() / credits.len() as f64),
        tokens_in: mean(&|s| s.figures.tokens_in as f64),
        tokens_out: mean(&|s| s.figures.tokens_out as f64),
        think_s: mean(&|s| s.think_s),
        cost_usd: scored.iter().map(|s| s.figures.cost_usd).sum(),
    }
}

/// None without a scored decoy.
fn false_alarms(own: &[&Row<'_>]) -> Option<Rate> {
    let decoys = own.iter().filter(|row| row.is_decoy).filter_map(|row| row.scored.as_ref());
    let alarms: Vec<bool> = decoys.map(Scored::is_alarm).collect();
    (!alarms.is_empty()).then(|| wilson(alarms.iter().filter(|alarm| **alarm).count() as u32, alarms.len() as u32))
}

/// A value of each scored episode, by scenario; without the scenarios that have none.
fn strata(own: &[&Row<'_>], value: impl Fn(&Scored) -> Option<f64>) -> Vec<Vec<f64>> {
    let scenarios = own.chunk_by(|a, b| a.scenario == b.scenario);
    let values = scenarios.map(|rows| rows.iter().filter_map(|row| value(row.scored.as_ref()?)).collect::<Vec<f64>>());
    values.filter(|values| !values.is_empty()).collect()
}

/// The mean over scenarios, each as heavy as the others, with its interval.
pub(super) fn bootstrap(strata: &[Vec<f64>], key: Key) -> Option<Mean> {
    let strata: Vec<&[f64]> = strata.iter().map(Vec::as_slice).collect();
    bootstrap_stratified(&strata, key)
}
