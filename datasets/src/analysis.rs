//! The tables of comparisons, computed with polars from what was played.
//!
//! ```text
//! run folders ──read──▶ Episode ─┐                                ┌─▶ by contender, level, kind of what is wrong,
//! played just now ────▶ Episode ─┴─▶ Episodes: a DataFrame with ──┤   scenario; beside the paper; paired by seed
//!                                    one row for each episode     └─▶ tables/episodes.parquet
//! logs ──▶ telemetry.parquet, for each scenario and contender
//! ```
//!
//! A comparison that has no folder goes through the same code as one that is read from its own, so that both give the
//! same tables. Every episode that was asked for has its row: a void one with the reason, one that was not played as such.
//!
//! Counts are polars' (`group_by` and `agg`): whole numbers do not depend on the order in which they are added. What does,
//! means and intervals, is computed in [`sim::score::statistics`] from the columns in the order of the rows, so that the
//! same episodes give the same bytes. Of polars only 32- and 64-bit numbers, Booleans and texts are used: its other types
//! are features that cost minutes to build.

mod columns;
mod counts;
mod episodes;
mod keep;
mod paired;
mod paper;
mod parquet;
mod read;
mod tables;
mod telemetry;
#[cfg(test)]
mod tests;

use polars::prelude::DataFrame;

pub use episodes::{About, Episode};
pub use keep::keep;
pub use paired::{Difference, LevelDifference};
pub use read::{Only, asked_in, folders};
pub use tables::{ContenderRow, GroupRow, Overview, ScenarioRow};

/// The contender that does nothing: the floor of every comparison.
pub const FLOOR: &str = "noop";
/// The one that looks ahead: its ceiling.
pub const CEILING: &str = "oracle";

/// The episodes of a comparison, one row for each.
#[derive(Clone)]
pub struct Episodes {
    /// In the order of scenarios by name, contenders as in `contenders`, and seeds.
    frame: DataFrame,
    contenders: Vec<String>,
}

impl Episodes {
    /// The table of episodes, in whatever order they come. `contenders` says in which order tables show them.
    pub fn new(contenders: &[String], mut episodes: Vec<Episode>) -> Self {
        let place = |name: &String| contenders.iter().position(|contender| contender == name);
        episodes.sort_by(|a, b| {
            let place_of = |episode: &Episode| place(&episode.contender).unwrap_or(contenders.len());
            let names = a.about.name.cmp(&b.about.name);
            names.then_with(|| place_of(a).cmp(&place_of(b))).then_with(|| a.seed.cmp(&b.seed))
        });
        let played = contenders.iter().filter(|name| episodes.iter().any(|episode| episode.contender == **name));
        Self { contenders: played.cloned().collect(), frame: columns::frame(&episodes) }
    }

    /// The table itself.
    pub const fn frame(&self) -> &DataFrame {
        &self.frame
    }

    /// The contenders, in the order of tables.
    pub fn contenders(&self) -> &[String] {
        &self.contenders
    }

    /// The contender with which the others are compared if none is named: the first that is neither floor nor ceiling.
    pub fn reference(&self) -> Option<&str> {
        self.contenders.iter().map(String::as_str).find(|name| ![FLOOR, CEILING].contains(name))
    }
}
