//! Episodes from run folders: of one command, or everything in several.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use sim::diagnostic::{Diagnostics, nearest};
use sim::scenario::Scenario;

use super::episodes::{About, Episode};
use super::{CEILING, Episodes, FLOOR};
use crate::runs::{self, Asked, Manifest, Played, RunFolder};

/// Which episodes are looked at; all where nothing is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Only {
    /// Beginnings of the names of scenarios.
    pub scenarios: Vec<String>,
    /// Names of contenders.
    pub contenders: Vec<String>,
}

impl Only {
    fn has_scenario(&self, name: &str) -> bool {
        self.scenarios.is_empty() || self.scenarios.iter().any(|prefix| name.starts_with(prefix))
    }

    fn has_contender(&self, name: &str) -> bool {
        self.contenders.is_empty() || self.contenders.iter().any(|contender| contender == name)
    }

    /// Refuses what nothing is found for: it is a slip of the keyboard more often than not.
    fn check(&self, scenarios: &BTreeSet<&str>, contenders: &BTreeSet<&str>) -> Result<(), Diagnostics> {
        let shown = |names: &BTreeSet<&str>| names.iter().copied().take(12).collect::<Vec<_>>().join(", ");
        for prefix in &self.scenarios {
            if !scenarios.iter().any(|name| name.starts_with(prefix.as_str())) {
                let option = format!("--only-scenario {prefix}");
                let help = format!("there are {}", shown(scenarios));
                return Err(runs::mistake(Path::new(&option), "no scenario's name begins so", help));
            }
        }
        for contender in &self.contenders {
            if !contenders.contains(contender.as_str()) {
                let option = format!("--only-contender {contender}");
                let help = match nearest(contender, contenders.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there are {}", shown(contenders)),
                };
                return Err(runs::mistake(Path::new(&option), "there is no such contender", help));
            }
        }
        Ok(())
    }
}

/// The episodes that one command asked for, from its folder.
///
/// # Errors
/// A file of the folder is missing or broken.
pub fn asked_in(folder: &RunFolder, asked: &Asked) -> Result<Episodes, Diagnostics> {
    let mut episodes = Vec::new();
    for scenario in &asked.scenarios {
        let about = about(folder, scenario)?;
        for contender in &asked.contenders {
            episodes.extend(of(folder, &about, contender, asked.seeds())?);
        }
    }
    Ok(Episodes::new(&asked.contenders, episodes))
}

/// Everything in a folder that was ever asked for or played.
///
/// # Errors
/// No comparison is kept there, or a file is missing or broken.
pub(super) fn everything(folder: &RunFolder) -> Result<(Manifest, Vec<Episode>), Diagnostics> {
    let manifest = manifest(folder)?;
    let episodes = all_of(folder, &manifest, &Only::default())?;
    Ok((manifest, episodes))
}

/// The episodes of several folders together.
///
/// # Errors
/// No comparison is kept in one, a file is missing or broken, the same name stands for different things in two of them,
/// one episode was played in both and ended differently, or nothing is left of them.
pub fn folders(folders: &[RunFolder], only: &Only) -> Result<Episodes, Diagnostics> {
    let manifests = folders.iter().map(manifest).collect::<Result<Vec<_>, _>>()?;
    agree(folders, &manifests)?;
    let names = |of: fn(&Manifest) -> &BTreeMap<String, String>| {
        manifests.iter().flat_map(move |manifest| of(manifest).keys().map(String::as_str)).collect::<BTreeSet<&str>>()
    };
    only.check(&names(|manifest| &manifest.scenarios), &names(|manifest| &manifest.contenders))?;
    let mut merged: BTreeMap<(String, String, u64), Episode> = BTreeMap::new();
    for (folder, manifest) in folders.iter().zip(&manifests) {
        for episode in all_of(folder, manifest, only)? {
            merge(&mut merged, episode, folder)?;
        }
    }
    Ok(Episodes::new(&order(&manifests), merged.into_values().collect()))
}

fn manifest(folder: &RunFolder) -> Result<Manifest, Diagnostics> {
    let nothing = || {
        let help = "name a folder that `sockpit compare --to FOLDER` has made";
        runs::mistake(folder.path(), "no comparison is kept there", help)
    };
    folder.manifest()?.ok_or_else(nothing)
}

/// Whether no name stands for one thing in one folder and for another in the next.
fn agree(folders: &[RunFolder], manifests: &[Manifest]) -> Result<(), Diagnostics> {
    let mut known: BTreeMap<(&str, &str), (&str, &RunFolder)> = BTreeMap::new();
    for (folder, manifest) in folders.iter().zip(manifests) {
        let scenarios = manifest.scenarios.iter().map(|(name, digest)| ("scenario", name.as_str(), digest.as_str()));
        let contenders = manifest.contenders.iter().map(|(name, digest)| ("contender", name.as_str(), digest.as_str()));
        for (what, name, digest) in scenarios.chain(contenders) {
            match known.get(&(what, name)) {
                Some((before, other)) if *before != digest => {
                    let other = other.path().display();
                    let help = "look at them one by one, or play one of them again under another name";
                    let message = format!("the {what} {name} is another one than in {other}");
                    return Err(runs::mistake(folder.path(), message, help));
                }
                Some(_) => {}
                None => {
                    known.insert((what, name), (digest, folder));
                }
            }
        }
    }
    Ok(())
}

/// Floor, then contenders as they come, ceiling.
fn order(manifests: &[Manifest]) -> Vec<String> {
    let mut order: Vec<String> = Vec::new();
    for name in manifests.iter().flat_map(Manifest::contenders_in_order) {
        if !order.contains(&name) {
            order.push(name);
        }
    }
    order.sort_by_key(|name| match name.as_str() {
        FLOOR => 0,
        CEILING => 2,
        _ => 1,
    });
    order
}

/// Takes one in. What was played stands for what was not.
fn merge(
    merged: &mut BTreeMap<(String, String, u64), Episode>,
    episode: Episode,
    folder: &RunFolder,
) -> Result<(), Diagnostics> {
    let key = (episode.about.name.clone(), episode.contender.clone(), episode.seed);
    let weight = |episode: &Episode| match episode.played {
        Played::Scored(_) => 2,
        Played::Void(_) => 1,
        Played::Unplayed => 0,
    };
    match merged.get(&key) {
        Some(before) if weight(before) > weight(&episode) => return Ok(()),
        Some(before) if weight(before) == 2 && *before != episode => {
            let (scenario, contender, seed) = key;
            let message = format!("seed {seed} of {scenario} with {contender} ended otherwise than in another folder");
            let help = "look at the folders one by one";
            return Err(runs::mistake(folder.path(), message, help));
        }
        _ => {}
    }
    merged.insert(key, episode);
    Ok(())
}

fn all_of(folder: &RunFolder, manifest: &Manifest, only: &Only) -> Result<Vec<Episode>, Diagnostics> {
    let mut episodes = Vec::new();
    for scenario in manifest.scenarios.keys().filter(|name| only.has_scenario(name)) {
        let about = about(folder, scenario)?;
        for contender in manifest.contenders.keys().filter(|name| only.has_contender(name)) {
            let mut seeds = manifest.seeds(scenario, contender);
            seeds.extend(runs::seeds(&folder.episodes(scenario, contender))?);
            episodes.extend(of(folder, &about, contender, seeds)?);
        }
    }
    Ok(episodes)
}

/// The episodes of a contender in a scenario.
fn of(
    folder: &RunFolder,
    about: &Arc<About>,
    contender: &str,
    seeds: impl IntoIterator<Item = u64>,
) -> Result<Vec<Episode>, Diagnostics> {
    let files = folder.episodes(&about.name, contender);
    let episode = |seed: u64| -> Result<Episode, Diagnostics> {
        Ok(Episode::new(about, contender, seed, runs::played(&files, seed)?))
    };
    seeds.into_iter().map(episode).collect()
}

/// What a scenario is, from its file as resolved.
fn about(folder: &RunFolder, name: &str) -> Result<Arc<About>, Diagnostics> {
    let path = folder.scenario_file(name);
    let broken = |why: String| runs::mistake(&path, why, "play the comparison again, in another folder");
    let text = fs::read_to_string(&path).map_err(|why| broken(format!("the scenario cannot be read: {why}")))?;
    let scenario: Scenario = serde_json::from_str(&text).map_err(|why| broken(format!("not a scenario: {why}")))?;
    Ok(Arc::new(About::of(&scenario)))
}
