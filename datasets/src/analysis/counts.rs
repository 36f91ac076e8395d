//! Groups of episodes, counted.

use polars::prelude::{DataFrame, DataType, Expr, IntoLazy, col};
use sim::scenario::Level;

use super::columns::{LEVELS, OWN, texts};
use crate::published::Share;

/// Columns that are summed over the scored episodes of a group.
const SUMMED: [&str; 6] = ["steps", "evaluations", "rounds", "delegations", "right_delegations", "changes"];

/// One row for each group of episodes, in the order in which the groups come.
pub(super) struct Counts(DataFrame);

/// Counts episodes by the texts in some columns: how many there are, how many were scored, how often each level was asked
/// for and passed, and sums.
pub(super) fn by(episodes: &DataFrame, keys: &[&str]) -> Counts {
    let keys: Vec<Expr> = keys.iter().map(|key| col(*key)).collect();
    let mut figures = vec![
        // A seed stands in every row, a reward in those that were scored, a reason in void ones.
        col("seed").count().alias("episodes"),
        col("reward").count().alias("scored"),
        col("why").count().alias("void"),
    ];
    for level in LEVELS {
        figures.push(col(level).count().alias(asked(level).as_str()));
        figures.push(col(level).sum().alias(passed(level).as_str()));
    }
    figures.extend(SUMMED.map(|name| col(name).sum()));
    let counted = episodes.clone().lazy().group_by_stable(keys).agg(figures).collect();
    Counts(counted.expect("whole numbers of columns that exist can be added"))
}

fn asked(level: &str) -> String {
    format!("{level}_asked")
}

fn passed(level: &str) -> String {
    format!("{level}_passed")
}

impl Counts {
    /// How many groups there are.
    pub(super) fn groups(&self) -> usize {
        self.0.height()
    }

    /// The group with these texts, by columns.
    pub(super) fn find(&self, texts: &[(&str, &str)]) -> Option<usize> {
        (0..self.groups()).find(|row| texts.iter().all(|(column, text)| self.text(column, *row) == Some(*text)))
    }

    /// What a group has in common; none where it has nothing in this column.
    pub(super) fn text(&self, column: &str, row: usize) -> Option<&str> {
        texts(&self.0, column).get(row)
    }

    /// A count or a sum of a group.
    pub(super) fn count(&self, column: &str, row: usize) -> u32 {
        let column = self.0.column(column).expect(OWN);
        let count = match column.dtype() {
            DataType::UInt64 => column.u64().expect(OWN).get(row).unwrap_or_default(),
            _ => column.u32().expect(OWN).get(row).unwrap_or_default().into(),
        };
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// A sum over the scored episodes of a group for each of them; none without any.
    pub(super) fn mean(&self, column: &str, row: usize) -> Option<f64> {
        let scored = self.count("scored", row);
        (scored > 0).then(|| f64::from(self.count(column, row)) / f64::from(scored))
    }

    /// How many of a group were asked for and not played.
    pub(super) fn unplayed(&self, row: usize) -> u32 {
        self.count("episodes", row) - self.count("scored", row) - self.count("void", row)
    }

    /// How often a level was passed in a group; none where it is not asked for.
    pub(super) fn level(&self, level: Level, row: usize) -> Option<Share> {
        let name = LEVELS[level as usize];
        self.share(&passed(name), &asked(name), row)
    }

    /// So many of so many; none of none.
    pub(super) fn share(&self, part: &str, of: &str, row: usize) -> Option<Share> {
        let of = self.count(of, row);
        (of > 0).then(|| (self.count(part, row), of))
    }
}
