//! The folder of a comparison: everything that was played, so that one that was stopped goes on where it was and its tables
//! can be made again.
//!
//! ```text
//! FOLDER/comparison.json                  who is in it: scenarios and contenders by the digest of their content
//!        scenarios/NAME.json              as resolved
//!        contenders/NAME.json             strategy, and prompts by their digest
//!        episodes/SCENARIO/CONTENDER/     seed-N.jsonl, seed-N.score.json or seed-N.void.json, recordings of models,
//!                                         telemetry.parquet
//!        tables/episodes.parquet          one row for each episode
//! ```
//!
//! An episode is finished when it has its score, which is written whole or not at all. One that is void says why, and is
//! played again. What is below `tables`, and telemetry, is computed from the rest ([`crate::analysis`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sim::diagnostic::{Diagnostic, Diagnostics};
use sim::score::EpisodeScore;

/// Version of the folder's form:
///
/// - 1: the first;
/// - 2: it says in which order contenders stand in tables, what each command asked for, and why an episode is void.
pub const VERSION: u32 = 2;

/// Who is in a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// By name, the digest of the resolved scenario.
    pub scenarios: BTreeMap<String, String>,
    /// By name, the digest of what makes it.
    pub contenders: BTreeMap<String, String>,
    /// The contenders in the order in which tables show them; empty in version 1.
    #[serde(default)]
    pub order: Vec<String>,
    /// What each command asked for, the same only once; empty in version 1.
    #[serde(default)]
    pub asked: Vec<Asked>,
}

impl Manifest {
    /// Every contender, in the order of tables; those of whose order nothing is known stand behind the others, by name.
    pub fn contenders_in_order(&self) -> Vec<String> {
        let known = self.order.iter().filter(|name| self.contenders.contains_key(*name));
        let others = self.contenders.keys().filter(|name| !self.order.contains(name));
        known.chain(others).cloned().collect()
    }

    /// Takes in what a command asks for.
    pub fn ask(&mut self, asked: &Asked) {
        for contender in &asked.contenders {
            if !self.order.contains(contender) {
                self.order.push(contender.clone());
            }
        }
        if !self.asked.contains(asked) {
            self.asked.push(asked.clone());
        }
    }

    /// The seeds that were asked for of a scenario and a contender.
    pub fn seeds(&self, scenario: &str, contender: &str) -> BTreeSet<u64> {
        self.asked.iter().filter(|asked| asked.is_about(scenario, contender)).flat_map(Asked::seeds).collect()
    }
}

/// What one command asks for: every scenario with every contender and every seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Names of scenarios, in order.
    pub scenarios: Vec<String>,
    /// Names of contenders, in the order in which tables show them.
    pub contenders: Vec<String>,
    /// The first seed.
    pub seed: u64,
    /// How many seeds.
    pub trials: u32,
}

impl Asked {
    /// The seeds, counting up from the first.
    pub fn seeds(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.seed;
        (0..self.trials).map(move |n| first.wrapping_add(n.into()))
    }

    /// Whether it asks for a scenario with a contender.
    pub fn is_about(&self, scenario: &str, contender: &str) -> bool {
        self.scenarios.iter().any(|name| name == scenario) && self.contenders.iter().any(|name| name == contender)
    }
}

/// What became of an episode.
#[derive(Clone, Debug, PartialEq)]
pub enum Played {
    /// It was played and scored.
    Scored(Box<EpisodeScore>),
    /// The world failed, for this reason; nothing is scored.
    Void(String),
    /// It was asked for and not played.
    Unplayed,
}

/// The file of a void episode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Void {
    /// How the world failed.
    pub why: String,
}

/// The folder of a comparison.
#[derive(Clone, Debug)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// The folder at a path, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The file that says who is in it.
    pub fn manifest_file(&self) -> PathBuf {
        self.0.join("comparison.json")
    }

    /// The file of a resolved scenario.
    pub fn scenario_file(&self, name: &str) -> PathBuf {
        self.0.join("scenarios").join(format!("{}.json", slug(name)))
    }

    /// The file of what makes a contender.
    pub fn contender_file(&self, name: &str) -> PathBuf {
        self.0.join("contenders").join(format!("{}.json", slug(name)))
    }

    /// Where the episodes of a contender in a scenario lie.
    pub fn episodes(&self, scenario: &str, contender: &str) -> PathBuf {
        self.0.join("episodes").join(slug(scenario)).join(slug(contender))
    }

    /// The table with one row for each episode.
    pub fn episodes_table(&self) -> PathBuf {
        self.0.join("tables").join("episodes.parquet")
    }

    /// Who is in it; none where no comparison was begun.
    ///
    /// # Errors
    /// It cannot be read, is something else, or is of a version that is not known.
    pub fn manifest(&self) -> Result<Option<Manifest>, Diagnostics> {
        let path = self.manifest_file();
        let broken = |why: String| mistake(&path, why, "name another folder, or take this one away");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(broken(format!("it cannot be read: {why}"))),
        };
        let manifest: Manifest =
            serde_json::from_str(&text).map_err(|why| broken(format!("not a comparison: {why}")))?;
        if !(1..=VERSION).contains(&manifest.version) {
            let version = manifest.version;
            return Err(broken(format!("a comparison of version {version}, and only those up to {VERSION} are known")));
        }
        Ok(Some(manifest))
    }
}

/// The log of an episode, in the folder of a scenario's and contender's episodes.
pub fn log_file(episodes: &Path, seed: u64) -> PathBuf {
    episodes.join(format!("seed-{seed}.jsonl"))
}

/// The score of a finished one.
pub fn score_file(episodes: &Path, seed: u64) -> PathBuf {
    episodes.join(format!("seed-{seed}.score.json"))
}

/// Why a void one is void.
pub fn void_file(episodes: &Path, seed: u64) -> PathBuf {
    episodes.join(format!("seed-{seed}.void.json"))
}

/// Telemetry of all finished ones.
pub fn telemetry_file(episodes: &Path) -> PathBuf {
    episodes.join("telemetry.parquet")
}

/// What became of an episode, in the folder of a scenario's and contender's episodes.
///
/// # Errors
/// Its score, or why it is void, is there and cannot be read.
pub fn played(episodes: &Path, seed: u64) -> Result<Played, Diagnostics> {
    let score = score_file(episodes, seed);
    if let Some(text) = read_if_there(&score)? {
        let broken = |why: serde_json::Error| {
            mistake(&score, format!("not a score: {why}"), "take it away to have its seed played again")
        };
        return serde_json::from_str(&text).map(Played::Scored).map_err(broken);
    }
    let void = void_file(episodes, seed);
    match read_if_there(&void)? {
        Some(text) => match serde_json::from_str::<Void>(&text) {
            Ok(void) => Ok(Played::Void(void.why)),
            Err(why) => Err(mistake(&void, format!("not what a void episode leaves: {why}"), "take it away")),
        },
        None => Ok(Played::Unplayed),
    }
}

/// The seeds of which a score, or why they are void, is there.
///
/// # Errors
/// The folder is there and cannot be read.
pub fn seeds(episodes: &Path) -> Result<BTreeSet<u64>, Diagnostics> {
    let unreadable = |why: io::Error| mistake(episodes, format!("it cannot be read: {why}"), "make it readable");
    let entries = match fs::read_dir(episodes) {
        Ok(entries) => entries,
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(why) => return Err(unreadable(why)),
    };
    let mut seeds = BTreeSet::new();
    for entry in entries {
        let name = entry.map_err(unreadable)?.file_name();
        let seed = name.to_str().and_then(|name| name.strip_prefix("seed-")).and_then(|rest| {
            let seed = rest.strip_suffix(".score.json").or_else(|| rest.strip_suffix(".void.json"))?;
            seed.parse::<u64>().ok()
        });
        seeds.extend(seed);
    }
    Ok(seeds)
}

/// The text of a file; none if it does not exist.
fn read_if_there(path: &Path) -> Result<Option<String>, Diagnostics> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(None),
        Err(why) => Err(mistake(path, format!("it cannot be read: {why}"), "make it readable")),
    }
}

/// What is wrong with a file of a folder, and what to do about it.
pub(crate) fn mistake(path: &Path, what: impl Into<String>, help: impl Into<String>) -> Diagnostics {
    Diagnostics(vec![Diagnostic::error(path.display().to_string(), 0, "", what).help(help)])
}

/// Writes a file whole or not at all, and makes the folders on its way.
///
/// # Errors
/// The disk is full, or it may not be written there.
pub fn write_whole(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let partial = partial(path);
    make_folder_of(path)?;
    fs::write(&partial, bytes)?;
    fs::rename(&partial, path)
}

/// Where a file is written before it is whole.
pub(crate) fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

pub(crate) fn make_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

/// FNV-1a, 64 bits: names a content, guards against nothing.
pub fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A name as the name of a file: what else it may hold is replaced, and its digest keeps such names apart.
pub fn slug(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let slug: String = name.chars().map(plain).collect();
    if slug == name && !name.starts_with('.') { slug } else { format!("{slug}-{:08x}", digest(name.as_bytes()) as u32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_plain_and_differ() {
        assert_eq!(slug("runbook"), "runbook");
        for name in ["acv/low/restart", "script:a/b.yaml", "..", "openai:gpt-4o@http://h/v1"] {
            let slug = slug(name);
            assert!(!slug.contains('/') && slug != ".." && slug.ends_with(|c: char| c.is_ascii_hexdigit()), "{slug}");
        }
        assert_ne!(slug("a/b"), slug("a:b"));
        let folder = RunFolder::new("x");
        assert_ne!(folder.contender_file("gpt-4.1"), folder.contender_file("gpt-4.5"), "a dot begins no ending");
    }

    #[test]
    fn a_folder_of_version_1_is_read() {
        let text = r#"{"version": 1, "scenarios": {"a": "1"}, "contenders": {"noop": "2", "hpa": "3"}}"#;
        let manifest: Manifest = serde_json::from_str(text).unwrap();
        assert_eq!(manifest.contenders_in_order(), ["hpa", "noop"]);
        assert!(manifest.seeds("a", "hpa").is_empty());
    }

    #[test]
    fn what_is_asked_for_is_kept_once_and_added_up() {
        let asked = |contenders: &[&str], seed, trials| Asked {
            scenarios: vec!["a".into()],
            contenders: contenders.iter().map(|name| (*name).to_owned()).collect(),
            seed,
            trials,
        };
        let mut manifest = Manifest::default();
        for command in [asked(&["noop", "hpa"], 1, 2), asked(&["noop", "hpa"], 1, 2), asked(&["noop", "runbook"], 2, 3)]
        {
            manifest.ask(&command);
        }
        assert_eq!(manifest.asked.len(), 2);
        assert_eq!(manifest.order, ["noop", "hpa", "runbook"]);
        assert_eq!(manifest.seeds("a", "noop"), BTreeSet::from([1, 2, 3, 4]));
        assert_eq!(manifest.seeds("a", "hpa"), BTreeSet::from([1, 2]));
        assert!(manifest.seeds("b", "noop").is_empty());
    }
}
