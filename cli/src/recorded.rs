//! What is kept of an episode beside its log, so that it can be played again, and how it is found again.
//!
//! ```text
//! Plan ──keep──▶ scenario-DIGEST.json, seed-N.setup.json ──Recorded──▶ Loaded, Setup ──▶ Plan (commands::replay)
//! ```
//!
//! Recordings that were made before there were such files stay readable: those of a comparison have scenarios and
//! contenders at its top, and those of a run the name of a scenario and of a policy in the header of each log.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agents::mechanism::Mechanism;
use agents::policy::chat::Past;
use anyhow::{Context, anyhow, bail};
use datasets::scenarios::{self, Loaded};
use serde::{Deserialize, Serialize};
use sim::diagnostic::Source;
use sim::episode::Header;

use crate::contender::{Contender, Description};
use crate::episodes::{Plan, digest_of, resolved};

/// Version of `seed-N.setup.json`.
const VERSION: u32 = 1;

/// Who played, and how.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    contender: Description,
    /// How the agents worked together, if the command said so.
    mechanism: Option<Mechanism>,
    /// Futures per decision.
    credit: u32,
}

/// What every version's setup begins with.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Keeps what is needed to play an episode again. `scenario` is the text of the resolved one.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn keep(folder: &Path, seed: u64, scenario: &str, plan: &Plan<'_>) -> anyhow::Result<()> {
    let path = scenario_file(folder, &digest_of(scenario));
    let is_kept = fs::read_to_string(&path).is_ok_and(|kept| kept == scenario);
    if !is_kept {
        write_whole(&path, seed, scenario)?;
    }
    let kept = Kept {
        version: VERSION,
        contender: plan.contender.for_the_record(),
        mechanism: plan.mechanism,
        credit: plan.credit,
    };
    let text = serde_json::to_string_pretty(&kept).context("cannot write who plays as JSON")?;
    write_whole(&setup_file(folder, seed), seed, &text)
}

fn scenario_file(folder: &Path, digest: &str) -> PathBuf {
    folder.join(format!("scenario-{digest}.json"))
}

fn setup_file(folder: &Path, seed: u64) -> PathBuf {
    folder.join(format!("seed-{seed}.setup.json"))
}

/// Whole or not at all. Episodes that are played at once share a scenario: each writes it by another name first.
fn write_whole(path: &Path, seed: u64, text: &str) -> anyhow::Result<()> {
    let partial = path.with_extension(format!("{seed}.partial"));
    let written = fs::write(&partial, text).and_then(|()| fs::rename(&partial, path));
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Adds what models noted in an episode.
///
/// # Errors
/// Its log cannot be read.
pub(crate) fn recall(log: &Path, past: &mut Past) -> anyhow::Result<()> {
    let text = fs::read_to_string(log).with_context(|| format!("cannot read {}", log.display()))?;
    let recording = sim::episode::read(&text).with_context(|| format!("{} is not a log", log.display()))?;
    past.add(&recording.entries);
    Ok(())
}

/// An episode that was recorded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Recorded {
    pub(crate) folder: PathBuf,
    pub(crate) seed: u64,
}

/// What it was played with, beside its scenario.
pub(crate) struct Setup {
    pub(crate) contender: Contender,
    pub(crate) mechanism: Option<Mechanism>,
    pub(crate) credit: u32,
    /// What is not as it was then.
    pub(crate) notes: Vec<String>,
}

impl Recorded {
    /// The episode whose log this is; none if the name is not that of a log.
    pub(crate) fn of_log(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let seed = name.strip_prefix("seed-")?.strip_suffix(".jsonl")?.parse().ok()?;
        Some(Self { folder: path.parent()?.to_owned(), seed })
    }

    /// Its log.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join(format!("seed-{}.jsonl", self.seed))
    }

    /// Adds what models noted in the episodes that were played before it: those of earlier seeds in its folder.
    ///
    /// # Errors
    /// One of their logs cannot be read.
    pub(crate) fn recall(&self, past: &mut Past) -> anyhow::Result<()> {
        let seeds = datasets::runs::seeds(&self.folder)?;
        seeds
            .range(..self.seed)
            .try_for_each(|seed| recall(&Self { folder: self.folder.clone(), seed: *seed }.log(), past))
    }

    /// Who played, and how. `credit` is what the log says of it, where nothing else does.
    ///
    /// # Errors
    /// A file that cannot be read, or a contender that cannot be made again.
    pub(crate) fn setup(&self, header: &Header, credit: u32) -> anyhow::Result<Setup> {
        let path = setup_file(&self.folder, self.seed);
        if path.exists() {
            let kept = read_setup(&path)?;
            let (contender, notes) = Contender::recorded(&header.policy, kept.contender, &self.folder, self.seed)
                .with_context(|| path.display().to_string())?;
            return Ok(Setup { contender, mechanism: kept.mechanism, credit: kept.credit, notes });
        }
        let old = "it was recorded by an earlier sockpit: how it was played is taken from its log";
        if let Some(path) = self.of_comparison("contenders", 0) {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let description = serde_json::from_str(&text).map_err(|why| broken(&path, &why))?;
            let (contender, mut notes) = Contender::recorded(&header.policy, description, &self.folder, self.seed)
                .with_context(|| path.display().to_string())?;
            notes.push(old.to_owned());
            return Ok(Setup { contender, mechanism: None, credit, notes });
        }
        let contender = Contender::recorded_by_name(&header.policy, &self.folder)?;
        Ok(Setup { contender, mechanism: None, credit, notes: vec![old.to_owned()] })
    }

    /// The scenario that was played.
    ///
    /// # Errors
    /// It is not there any more, or not the same.
    pub(crate) fn scenario(&self, header: &Header) -> anyhow::Result<Arc<Loaded>> {
        let then = header.scenario_digest.as_str();
        let path = scenario_file(&self.folder, then);
        if path.exists() {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let now = digest_of(&text);
            if now != then {
                bail!(
                    "{}: the scenario was changed since it was played: its digest is {now}, and the log says {then}\n  \
                     help: put back the file that was recorded",
                    path.display()
                );
            }
            return Ok(Arc::new(scenarios::load_resolved(&Source { path: path.display().to_string(), text })?));
        }
        let (from, loaded) = match self.of_comparison("scenarios", 1) {
            Some(path) => {
                let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                let path = path.display().to_string();
                (path.clone(), scenarios::load_resolved(&Source { path, text })?)
            }
            None => (header.scenario.clone(), scenarios::load(&header.scenario, &[])?),
        };
        let now = digest_of(&resolved(&loaded.scenario.value)?);
        if now != then {
            bail!(
                "{from}: this is not the scenario that was played: its digest is {now}, and the log says {then}\n  help: \
                 it was changed since, or by --set, or this sockpit fills in other defaults; record the episode again"
            );
        }
        Ok(Arc::new(loaded))
    }

    /// If the episode lies in a comparison, as `TOP/episodes/SCENARIO/CONTENDER`: the file in `TOP` that tells what the
    /// folder so many levels up is named after.
    fn of_comparison(&self, what: &str, levels: usize) -> Option<PathBuf> {
        let folder = fs::canonicalize(&self.folder).ok()?;
        let top = folder.ancestors().nth(3)?;
        if !top.join("comparison.json").is_file() {
            return None;
        }
        let name = folder.ancestors().nth(levels)?.file_name()?.to_str()?;
        let path = top.join(what).join(format!("{name}.json"));
        // The first version lost what follows the last dot of a name.
        let old = top.join(what).join(name).with_extension("json");
        [path, old].into_iter().find(|path| path.is_file())
    }
}

fn read_setup(path: &Path) -> anyhow::Result<Kept> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let Version { version } = serde_json::from_str(&text).map_err(|why| broken(path, &why))?;
    if version != VERSION {
        bail!(
            "{}: a setup of version {version}, and only {VERSION} is known\n  help: use a newer sockpit",
            path.display()
        );
    }
    serde_json::from_str(&text).map_err(|why| broken(path, &why))
}

fn broken(path: &Path, why: &serde_json::Error) -> anyhow::Error {
    anyhow!("{}: it does not say who played: {why}\n  help: put back the file that was recorded", path.display())
}
