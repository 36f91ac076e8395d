//! A world, from the folder of what was played in it.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context;
use datasets::runs::{self, Manifest, Played, RunFolder};
use datasets::scenarios::Loaded;
use rayon::prelude::*;
use sim::episode::Entry;
use sim::score::{self, Course, EpisodeFigures, Judge};

use super::Sides;
use super::side::Side;
use crate::commands::compare;
use crate::output::{self, Failed};

/// What was played in one world.
pub(super) struct World {
    /// By name, the digest of each scenario as it was resolved.
    pub(super) scenarios: BTreeMap<String, String>,
    pub(super) sides: Sides,
}

/// What is set beside others of an episode.
pub(super) struct Episode {
    pub(super) seed: u64,
    pub(super) figures: EpisodeFigures,
    pub(super) course: Course,
}

impl Episode {
    /// An episode from its log.
    pub(super) fn of(loaded: &Loaded, seed: u64, entries: &[Entry]) -> Self {
        let distance = |a: &str, b: &str| loaded.app.distance(a, b);
        let judge = Judge::new(&loaded.scenario.value, &loaded.words, &distance);
        let figures = EpisodeFigures::from(&score::score(&judge, entries));
        Self { seed, figures, course: score::course(&judge, entries) }
    }
}

impl World {
    /// Reads a folder, on as many threads as the pool has.
    ///
    /// # Errors
    /// No comparison is kept there, or a file is missing or broken.
    pub(super) fn read(folder: &RunFolder) -> Result<Self, Failed> {
        let manifest = folder.manifest()?.ok_or_else(|| {
            output::usage(format!(
                "{}: nothing that was played is kept there\n  help: name a folder that `sockpit live --to` or `sockpit \
                 compare --to` has made",
                folder.path().display()
            ))
        })?;
        let mut sides = Sides::new();
        for name in manifest.scenarios.keys() {
            let loaded = compare::folder::scenario(folder, name)?;
            let contenders: Vec<&String> = manifest.contenders.keys().collect();
            let read = |contender: &&String| of_contender(folder, &manifest, &loaded, contender);
            let found = contenders.par_iter().map(read).collect::<Result<Vec<_>, Failed>>()?;
            for (contender, side) in contenders.into_iter().zip(found) {
                sides.extend(side.map(|side| ((name.clone(), contender.clone()), side)));
            }
        }
        Ok(Self { scenarios: manifest.scenarios, sides })
    }
}

/// None where no episode was scored.
fn of_contender(
    folder: &RunFolder,
    manifest: &Manifest,
    loaded: &Loaded,
    contender: &str,
) -> Result<Option<Side>, Failed> {
    let name = &loaded.scenario.value.name;
    let files = folder.episodes(name, contender);
    let mut seeds = manifest.seeds(name, contender);
    seeds.extend(runs::seeds(&files)?);
    let (mut episodes, mut void) = (Vec::new(), 0);
    for seed in seeds {
        match runs::played(&files, seed)? {
            Played::Scored(_) => {
                let path = runs::log_file(&files, seed);
                let broken = || format!("{}: take its score away to have it played again", path.display());
                let text = fs::read_to_string(&path).with_context(broken).map_err(Failed::Input)?;
                let recording = sim::episode::read(&text).with_context(broken).map_err(Failed::Input)?;
                episodes.push(Episode::of(loaded, seed, &recording.entries));
            }
            Played::Void(_) => void += 1,
            Played::Unplayed => {}
        }
    }
    Ok((!episodes.is_empty()).then(|| Side::of(name, contender, &episodes, void)))
}
