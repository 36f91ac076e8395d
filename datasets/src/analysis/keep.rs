//! The tables of a run folder as Parquet, for whoever wants to look at it with other tools.

use std::collections::{BTreeMap, BTreeSet};

use sim::diagnostic::Diagnostics;

use super::episodes::Episode;
use super::{Episodes, parquet, read, telemetry};
use crate::runs::{Played, RunFolder};

/// Writes what is in a folder as Parquet: the table of all its episodes, and the telemetry of each contender in each
/// scenario, if it is not there already. `done` is told how many of how many have theirs.
///
/// # Errors
/// A file of the folder is missing or broken, or nothing can be written there.
pub fn keep(folder: &RunFolder, mut done: impl FnMut(usize, usize)) -> Result<(), Diagnostics> {
    let (manifest, episodes) = read::everything(folder)?;
    let played = scored_seeds(&episodes);
    let table = Episodes::new(&manifest.contenders_in_order(), episodes);
    parquet::write(&folder.episodes_table(), table.frame())?;
    for (at, ((scenario, contender), seeds)) in played.iter().enumerate() {
        telemetry::write(&folder.episodes(scenario, contender), seeds)?;
        done(at + 1, played.len());
    }
    Ok(())
}

/// The seeds that were scored, by scenario and contender.
fn scored_seeds(episodes: &[Episode]) -> BTreeMap<(String, String), BTreeSet<u64>> {
    let mut scored: BTreeMap<(String, String), BTreeSet<u64>> = BTreeMap::new();
    for episode in episodes.iter().filter(|episode| matches!(episode.played, Played::Scored(_))) {
        let key = (episode.about.name.clone(), episode.contender.clone());
        scored.entry(key).or_default().insert(episode.seed);
    }
    scored
}
