//! The folder of a comparison: everything that was played, so that one that was stopped goes on where it was.
//!
//! ```text
//! FOLDER/comparison.json                  who is in it: scenarios and contenders by the digest of their content
//!        scenarios/NAME.json              as resolved
//!        contenders/NAME.json             strategy, and prompts by their digest
//!        episodes/SCENARIO/CONTENDER/     seed-N.jsonl, seed-N.score.json, recordings of models
//! ```
//!
//! An episode is finished when it has its score, which is written whole or not at all. Nothing is played twice, and what
//! is there under another content is never mixed with what is asked for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use datasets::scenarios::Loaded;
use serde::{Deserialize, Serialize};
use sim::score::EpisodeScore;

use crate::contender::Contender;
use crate::episodes::digest;
use crate::output::{self, Failed};

/// Version of the folder's form.
const VERSION: u32 = 1;

/// Who is in a comparison.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    version: u32,
    /// By name, the digest of the resolved scenario.
    scenarios: BTreeMap<String, String>,
    /// By name, the digest of what makes it.
    contenders: BTreeMap<String, String>,
}

/// The folder of a comparison.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Opens a folder for these scenarios and contenders, new or begun before.
    ///
    /// # Errors
    /// It cannot be written, or holds something else under one of their names.
    pub(super) fn open(path: &Path, scenarios: &[Loaded], contenders: &[Contender]) -> Result<Self, Failed> {
        let folder = Self(path.to_owned());
        let mut manifest = folder.manifest()?;
        for loaded in scenarios {
            let scenario = &loaded.scenario.value;
            let text = json(scenario)?;
            folder.enter("scenarios", &scenario.name, &text, &mut manifest.scenarios)?;
        }
        for contender in contenders {
            let text = json(&contender.description())?;
            folder.enter("contenders", &contender.name, &text, &mut manifest.contenders)?;
        }
        manifest.version = VERSION;
        let text = json(&manifest)?;
        folder.write(&folder.0.join("comparison.json"), &text)?;
        Ok(folder)
    }

    /// What was in it before.
    fn manifest(&self) -> Result<Manifest, Failed> {
        let path = self.0.join("comparison.json");
        let Ok(text) = fs::read_to_string(&path) else { return Ok(Manifest::default()) };
        let broken = |why: String| {
            output::usage(format!("{}: {why}\n  help: name another folder, or take this one away", path.display()))
        };
        let manifest: Manifest =
            serde_json::from_str(&text).map_err(|why| broken(format!("not a comparison: {why}")))?;
        if manifest.version != VERSION {
            return Err(broken(format!("a comparison of version {}, and only {VERSION} is known", manifest.version)));
        }
        Ok(manifest)
    }

    /// Takes one thing in, if its name does not stand for something else already.
    fn enter(&self, of: &str, name: &str, text: &str, known: &mut BTreeMap<String, String>) -> Result<(), Failed> {
        let now = format!("{:016x}", digest(text.as_bytes()));
        match known.get(name) {
            Some(before) if *before == now => return Ok(()),
            Some(_) => {
                return Err(output::usage(format!(
                    "{}: {name} was another one when this comparison was begun ({of}/{}.json)\n  help: name another \
                     folder, or give it another name",
                    self.0.display(),
                    slug(name)
                )));
            }
            None => {}
        }
        self.write(&self.0.join(of).join(slug(name)).with_extension("json"), text)?;
        known.insert(name.to_owned(), now);
        Ok(())
    }

    /// Whole or not at all.
    fn write(&self, path: &Path, text: &str) -> Result<(), Failed> {
        let partial = path.with_extension("partial");
        let folder = path.parent().unwrap_or(&self.0);
        let written = fs::create_dir_all(folder)
            .and_then(|()| fs::write(&partial, text))
            .and_then(|()| fs::rename(&partial, path));
        written.with_context(|| format!("cannot write {}", path.display())).map_err(Failed::Run)
    }

    /// Where the episodes of a contender in a scenario lie.
    pub(super) fn episodes(&self, scenario: &str, contender: &str) -> PathBuf {
        self.0.join("episodes").join(slug(scenario)).join(slug(contender))
    }
}

fn json(value: &impl Serialize) -> Result<String, Failed> {
    serde_json::to_string_pretty(value).context("cannot write as JSON what is compared").map_err(Failed::Run)
}

/// The score of an episode that was finished before.
///
/// # Errors
/// Its score is there and cannot be read.
pub(super) fn finished(episodes: &Path, seed: u64) -> anyhow::Result<Option<EpisodeScore>> {
    let path = episodes.join(format!("seed-{seed}.score.json"));
    let Ok(text) = fs::read_to_string(&path) else { return Ok(None) };
    let score = serde_json::from_str(&text);
    score
        .map(Some)
        .with_context(|| format!("{} is not a score: take it away to have its seed played again", path.display()))
}

/// A name as the name of a file: what else it may hold is replaced, and its digest keeps such names apart.
fn slug(name: &str) -> String {
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
    }
}
