//! Contenders against one of them, paired by scenario and seed.
//!
//! Both played in the same world, with the same users, demands and delays, so that what differs between them is their own
//! doing. Of a level the two rates are compared: Newcombe's interval of the difference (method 10 of Statistics in
//! Medicine 17, 1998, p. 2635) and `McNemar`'s exact test, whose P values are corrected for the number of contenders
//! (S. Holm, Scandinavian Journal of Statistics 6, 1979). Both count every pair alike, whatever its scenario. Of the reward
//! the differences are resampled within scenarios, each as heavy as the others.

use std::collections::BTreeMap;

use sim::chance::Key;
use sim::scenario::Level;
use sim::score::statistics::{Mean, Paired, holm, mcnemar_exact, newcombe_paired};

use super::Episodes;
use super::columns::{Row, Scored, rows};
use super::tables::{bootstrap, first_seed};

/// A contender against the one that it is compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The contender.
    pub contender: String,
    /// Scenarios and seeds in which both were scored.
    pub pairs: u32,
    /// How often each level was passed, L1 first; none where it was not asked for.
    pub levels: [Option<LevelDifference>; 5],
    /// Its reward minus that of the other.
    pub reward: Option<Mean>,
}

/// One level of two contenders.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LevelDifference {
    /// Who passed: the contender is the first, the one that it is compared with the second.
    pub counts: Paired,
    /// Its rate minus that of the other, in parts of one.
    pub difference: Mean,
    /// P value that both pass equally often.
    pub p: f64,
    /// The same, corrected for the number of contenders.
    pub p_adjusted: f64,
}

/// The scored episodes of two contenders in the same world, by scenario.
type Pairs<'r> = BTreeMap<&'r str, Vec<(&'r Scored, &'r Scored)>>;

impl Episodes {
    /// Every other contender against this one, in the order of tables.
    pub fn against(&self, reference: &str) -> Vec<Difference> {
        let rows = rows(self.frame());
        let seed = first_seed(&rows);
        let others = self.contenders().iter().filter(|name| *name != reference);
        let difference = |contender: &String| {
            let pairs = pairs(&rows, contender, reference);
            let key = Key::root(seed).with_str(contender).with_str(reference).with_str("difference");
            Difference {
                contender: contender.clone(),
                pairs: pairs.values().map(|pairs| pairs.len() as u32).sum(),
                levels: Level::ALL.map(|level| level_difference(&pairs, level)),
                reward: reward_difference(&pairs, key),
            }
        };
        let mut differences: Vec<Difference> = others.map(difference).collect();
        for level in Level::ALL {
            correct(&mut differences, level);
        }
        differences
    }
}

fn pairs<'r>(rows: &'r [Row<'_>], contender: &str, reference: &str) -> Pairs<'r> {
    let of = |name: &str| {
        let own = rows.iter().filter(move |row| row.contender == name);
        own.filter_map(|row| Some(((row.scenario, row.seed), row.scored.as_ref()?))).collect::<BTreeMap<_, _>>()
    };
    let other = of(reference);
    let mut pairs = Pairs::new();
    for ((scenario, seed), own) in of(contender) {
        if let Some(theirs) = other.get(&(scenario, seed)) {
            pairs.entry(scenario).or_default().push((own, *theirs));
        }
    }
    pairs
}

fn level_difference(pairs: &Pairs<'_>, level: Level) -> Option<LevelDifference> {
    let outcomes = pairs.values().flatten();
    let counts =
        Paired::count(outcomes.filter_map(|(own, theirs)| own.figures.level(level).zip(theirs.figures.level(level))));
    let p = mcnemar_exact(counts);
    newcombe_paired(counts).map(|difference| LevelDifference { counts, difference, p, p_adjusted: p })
}

fn reward_difference(pairs: &Pairs<'_>, key: Key) -> Option<Mean> {
    let difference = |(own, theirs): &(&Scored, &Scored)| own.figures.reward - theirs.figures.reward;
    let strata: Vec<Vec<f64>> = pairs.values().map(|pairs| pairs.iter().map(difference).collect()).collect();
    bootstrap(&strata, key)
}

/// Corrects the P values of a level for how many contenders there are.
fn correct(differences: &mut [Difference], level: Level) {
    let asked: Vec<&mut LevelDifference> =
        differences.iter_mut().filter_map(|difference| difference.levels[level as usize].as_mut()).collect();
    let adjusted = holm(&asked.iter().map(|difference| difference.p).collect::<Vec<_>>());
    for (difference, p) in asked.into_iter().zip(adjusted) {
        difference.p_adjusted = p;
    }
}
