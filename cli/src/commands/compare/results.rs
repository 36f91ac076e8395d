//! All scores of a comparison, and what is computed from them.

use datasets::published::Part;
use datasets::scenarios::Loaded;
use sim::chance::Key;
use sim::scenario::Level;
use sim::score::statistics::{Mean, MedianTime, Rate, Waited, bootstrap_stratified, kaplan_meier_median, wilson};
use sim::score::{self, EpisodeScore, Summary, Trials};

/// The scores of contenders over scenarios and seeds.
pub(super) struct Results {
    scenarios: Vec<Played>,
    pub(super) contenders: Vec<String>,
    seed: u64,
    trials: u32,
    /// By scenario, contender and seed; none where the world failed.
    scores: Vec<Option<EpisodeScore>>,
    wall_s: f64,
}

/// A scenario, as far as the tables go.
struct Played {
    name: String,
    group: String,
    part: Part,
    is_decoy: bool,
}

impl Results {
    pub(super) fn new(
        scenarios: &[Loaded],
        contenders: Vec<String>,
        seed: u64,
        trials: u32,
        scores: Vec<Option<EpisodeScore>>,
        wall_s: f64,
    ) -> Self {
        let played = |loaded: &Loaded| {
            let scenario = &loaded.scenario.value;
            let causes = scenario.accepted_root_causes(|fault| loaded.words.component_of(fault));
            let kind = causes.first().and_then(|cause| cause.kinds.first());
            let is_decoy = scenario.is_decoy();
            let asks_for_cause = scenario.task.levels.contains(&Level::L4);
            let paper = scenario.name.strip_prefix("acv/");
            let group = match kind {
                // The paper's tasks are told by name, in both forms.
                _ if paper.is_some() => paper.unwrap_or_default().to_owned(),
                Some(kind) if asks_for_cause => kind.name().to_owned(),
                None if is_decoy && asks_for_cause => "nothing (decoy)".to_owned(),
                _ => scenario.name.rsplit('/').next().unwrap_or_default().to_owned(),
            };
            Played { name: scenario.name.clone(), group, part: Part::of(&scenario.task.levels), is_decoy }
        };
        Self { scenarios: scenarios.iter().map(played).collect(), contenders, seed, trials, scores, wall_s }
    }

    /// One line that says what was played.
    pub(super) fn title(&self) -> String {
        format!(
            "{} scenarios, {} contenders, {} seeds from {}: {} episodes in {:.0} s",
            self.scenarios.len(),
            self.contenders.len(),
            self.trials,
            self.seed,
            self.scores.len(),
            self.wall_s
        )
    }

    /// The scored episodes of a scenario and contender, by their places.
    fn of(&self, scenario: usize, contender: usize) -> impl Iterator<Item = &EpisodeScore> {
        let trials = self.trials as usize;
        let first = (scenario * self.contenders.len() + contender) * trials;
        self.scores[first..first + trials].iter().flatten()
    }

    /// An object for each scenario and contender.
    pub(super) fn summaries(&self) -> Vec<Summary> {
        let pairs = (0..self.scenarios.len()).flat_map(|s| (0..self.contenders.len()).map(move |c| (s, c)));
        let summary = |(scenario, contender): (usize, usize)| {
            let scores: Vec<EpisodeScore> = self.of(scenario, contender).cloned().collect();
            let trials = Trials {
                scenario: &self.scenarios[scenario].name,
                model: &self.contenders[contender],
                seed: self.seed,
                void: self.trials - scores.len() as u32,
                wall_s: self.wall_s,
            };
            score::summarize(&trials, &scores)
        };
        pairs.map(summary).collect()
    }

    /// How often a contender passed a level, in parts of one, over the scenarios that ask for it.
    pub(super) fn level(&self, contender: usize, level: Level) -> Option<Mean> {
        let strata = self.strata(contender, |score| Some(f64::from(u8::from(score.levels.get(level)?.passed))));
        bootstrap(&strata, self.key(contender, "level").with(level as u64))
    }

    /// Its mean reward.
    pub(super) fn reward(&self, contender: usize) -> Option<Mean> {
        let strata = self.strata(contender, |score| Some(score.total.sum()));
        bootstrap(&strata, self.key(contender, "reward"))
    }

    /// A median time over all its episodes.
    pub(super) fn median(&self, contender: usize, time: impl Fn(&EpisodeScore) -> Option<Waited>) -> MedianTime {
        let times: Vec<Waited> = self.all(contender).filter_map(time).collect();
        kaplan_meier_median(&times)
    }

    /// A mean over all its episodes.
    pub(super) fn mean(&self, contender: usize, of: impl Fn(&EpisodeScore) -> f64) -> f64 {
        let (sum, n) = self.all(contender).fold((0.0, 0.0), |(sum, n), score| (sum + of(score), n + 1.0));
        if n > 0.0 { sum / n } else { f64::NAN }
    }

    /// How often it saw something wrong, or changed something, where nothing was; none without a decoy.
    pub(super) fn false_alarms(&self, contender: usize) -> Option<Rate> {
        let decoys = (0..self.scenarios.len()).filter(|scenario| self.scenarios[*scenario].is_decoy);
        let is_alarm = |score: &EpisodeScore| {
            let failed = |level| score.levels.get(level).is_some_and(|outcome| !outcome.passed);
            failed(Level::L3) || failed(Level::L4) || score.conduct.actions > 0
        };
        let alarms: Vec<bool> = decoys.flat_map(|scenario| self.of(scenario, contender)).map(is_alarm).collect();
        (!alarms.is_empty()).then(|| wilson(alarms.iter().filter(|alarm| **alarm).count() as u32, alarms.len() as u32))
    }

    /// The groups of scenarios, such as kinds of fault, in order of their names, with how many there are of each.
    pub(super) fn groups(&self) -> Vec<(&str, usize)> {
        let mut names: Vec<&str> = self.scenarios.iter().map(|played| played.group.as_str()).collect();
        names.sort_unstable();
        let mut groups: Vec<(&str, usize)> = Vec::new();
        for name in names {
            match groups.last_mut() {
                Some((last, n)) if *last == name => *n += 1,
                _ => groups.push((name, 1)),
            }
        }
        groups
    }

    /// How often a contender passed a level in a group, in parts of one; none where it is not asked.
    pub(super) fn in_group(&self, group: &str, contender: usize, level: Level) -> Option<f64> {
        let members = (0..self.scenarios.len()).filter(|scenario| self.scenarios[*scenario].group == group);
        let outcomes = members.flat_map(|scenario| self.of(scenario, contender));
        let passed: Vec<bool> = outcomes.filter_map(|score| Some(score.levels.get(level)?.passed)).collect();
        let share = passed.iter().filter(|passed| **passed).count() as f64 / passed.len() as f64;
        (!passed.is_empty()).then_some(share)
    }

    /// The scored episodes of a contender in the scenarios whose names begin so.
    pub(super) fn of_prefix<'r>(&'r self, prefix: &'r str, contender: usize) -> impl Iterator<Item = &'r EpisodeScore> {
        let members =
            (0..self.scenarios.len()).filter(move |scenario| self.scenarios[*scenario].name.starts_with(prefix));
        members.flat_map(move |scenario| self.of(scenario, contender))
    }

    /// The same, of one part of them.
    pub(super) fn of_part<'r>(
        &'r self,
        prefix: &'r str,
        part: Part,
        contender: usize,
    ) -> impl Iterator<Item = &'r EpisodeScore> {
        let is_of_part = move |played: &Played| played.part == part && played.name.starts_with(prefix);
        let members = (0..self.scenarios.len()).filter(move |scenario| is_of_part(&self.scenarios[*scenario]));
        members.flat_map(move |scenario| self.of(scenario, contender))
    }

    /// Whether a scenario was played that the paper has too.
    pub(super) fn is_beside_the_paper(&self) -> bool {
        self.scenarios.iter().any(|played| played.name.starts_with("acv/"))
    }

    fn all(&self, contender: usize) -> impl Iterator<Item = &EpisodeScore> {
        (0..self.scenarios.len()).flat_map(move |scenario| self.of(scenario, contender))
    }

    /// A value of each of a contender's episodes, by scenario; without the scenarios that have none.
    fn strata(&self, contender: usize, value: impl Fn(&EpisodeScore) -> Option<f64>) -> Vec<Vec<f64>> {
        let scenarios = 0..self.scenarios.len();
        let values = scenarios.map(|scenario| self.of(scenario, contender).filter_map(&value).collect::<Vec<_>>());
        values.filter(|values| !values.is_empty()).collect()
    }

    fn key(&self, contender: usize, what: &str) -> Key {
        Key::root(self.seed).with_str(&self.contenders[contender]).with_str(what)
    }
}

fn bootstrap(strata: &[Vec<f64>], key: Key) -> Option<Mean> {
    let strata: Vec<&[f64]> = strata.iter().map(Vec::as_slice).collect();
    bootstrap_stratified(&strata, key)
}
