//! The lab's side of a comparison in a file: what a twin that has changed is held against, without a lab.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use datasets::apps::AppFiles;
use datasets::comparisons;
use serde::{Deserialize, Serialize};
use sim::diagnostic::{Diagnostics, Source};
use sim::time::SimDuration;

use super::case::Case;
use super::live::Live;
use crate::output::{self, Failed};

/// What the file of one comparison holds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) name: String,
    pub(super) warm_up: SimDuration,
    pub(super) duration: SimDuration,
    /// The digest of each file that made it: what was played on the lab is what was in them.
    files: BTreeMap<String, String>,
    pub(super) live: Live,
}

impl Kept {
    /// The lab's side of a case that was just played.
    pub(super) fn new(case: &Case, live: &Live) -> Result<Self, Failed> {
        Ok(Self {
            name: case.name.clone(),
            warm_up: case.warm_up,
            duration: case.duration,
            files: digests(&case.name)?,
            live: live.clone(),
        })
    }

    /// Writes it into a folder, whole or not at all.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Failed> {
        let path = file(folder, &self.name);
        let write = || -> anyhow::Result<()> {
            fs::create_dir_all(folder)?;
            let half = path.with_extension("json.half");
            fs::write(&half, serde_json::to_string_pretty(self)? + "\n")?;
            Ok(fs::rename(half, &path)?)
        };
        write().with_context(|| format!("cannot keep {}", path.display())).map_err(Failed::Run)
    }

    /// Reads the file of a comparison.
    pub(super) fn read(folder: &Path, name: &str) -> Result<Self, Failed> {
        let path = file(folder, name);
        let unusable = |why: &dyn std::fmt::Display| {
            let help = format!("keep it with `sockpit lab compare {name} --to {}`", folder.display());
            output::usage(format!("{}: {why}\n  help: {help}", path.display()))
        };
        let text = fs::read_to_string(&path).map_err(|why| unusable(&why))?;
        let kept: Self = serde_json::from_str(&text).map_err(|why| unusable(&why))?;
        let is_unknown = |name: &&String| kept.live.nodes.iter().all(|node| node.name != **name);
        match kept.live.placement.values().flatten().find(is_unknown) {
            Some(node) => Err(unusable(&format!("a pod lies on `{node}`, which is none of its nodes"))),
            None => Ok(kept),
        }
    }

    /// The names of what a folder keeps, in order; one of a scenario file is its path.
    pub(super) fn names(folder: &Path) -> Result<Vec<String>, Failed> {
        let unreadable = |why| output::usage(format!("{}: {why}", folder.display()));
        let entries = fs::read_dir(folder).map_err(unreadable)?;
        let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        let kept = paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        let stem = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let names = kept.map(|path| Ok(Self::read(folder, &stem(path))?.name));
        let mut names = names.collect::<Result<Vec<_>, Failed>>()?;
        names.sort();
        if names.is_empty() {
            let help = format!("keep some with `sockpit lab compare --to {}`", folder.display());
            return Err(output::usage(format!("{}: no comparison is kept there\n  help: {help}", folder.display())));
        }
        Ok(names)
    }

    /// The files that have changed since: the lab would do something else today.
    pub(super) fn outdated(&self) -> Result<Vec<String>, Failed> {
        let now = digests(&self.name)?;
        let names = self.files.keys().chain(now.keys().filter(|name| !self.files.contains_key(*name)));
        Ok(names.filter(|name| self.files.get(*name) != now.get(*name)).cloned().collect())
    }
}

/// Its file's name is the comparison's, or that of the scenario's file.
fn file(folder: &Path, name: &str) -> PathBuf {
    let stem = Path::new(name).file_stem().unwrap_or_default();
    folder.join(stem).with_extension("json")
}

/// Every file that says what is played.
fn digests(name: &str) -> Result<BTreeMap<String, String>, Diagnostics> {
    let comparison = comparisons::find(name)?;
    let app = datasets::scenarios::load_source(&comparison.scenario, &[])?.scenario.value.app;
    let mut app = AppFiles::find(&app.name)?;
    let overlay = app.overlays.into_values().flatten();
    let own = [Some(comparison.scenario), comparison.actions].into_iter().flatten();
    let files = own.chain(app.manifests.drain(..)).chain(overlay).chain(app.profile);
    let digest = |file: Source| (file.path, lab::sha256(file.text.as_bytes()));
    Ok(files.map(digest).collect())
}
