//! Plays episodes of a scenario: one world, one policy, one log and one score each.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use agents::episode::{self, Forks, Log, Setup, Sink};
use agents::mechanism::Mechanism;
use anyhow::{Context, anyhow};
use datasets::scenarios::Loaded;
use sim::environment::Unavailable;
use sim::episode::{Entry, Header, SCHEMA_VERSION};
use sim::scenario::Scenario;
use sim::score::{self, EpisodeScore, Judge};
use sim::world::Twin;
use tokio::runtime::Runtime;

use crate::contender::Contender;

/// What all episodes of a run have in common.
pub(crate) struct Plan<'a> {
    pub(crate) loaded: &'a Loaded,
    /// The scenario, shared by all worlds.
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) contender: &'a Contender,
    /// How its agents work together, if not as the contender or the scenario says.
    pub(crate) mechanism: Option<Mechanism>,
    /// Futures per decision.
    pub(crate) credit: u32,
    /// Where logs and scores go.
    pub(crate) record: Option<PathBuf>,
}

/// How an episode ended.
pub(crate) enum Outcome {
    Scored(Box<EpisodeScore>),
    /// The world failed; nothing is scored.
    Void(Unavailable),
}

impl Plan<'_> {
    /// Plays one episode and scores it.
    ///
    /// # Errors
    /// Its recording cannot be written.
    pub(crate) fn play(&self, seed: u64) -> anyhow::Result<Outcome> {
        let mut recorder = match &self.record {
            Some(folder) => Some(Recorder::create(folder, &header(&self.scenario, &self.contender.name, seed)?)?),
            None => None,
        };
        let mut sink = |entry: &Entry| {
            if let Some(recorder) = &mut recorder {
                recorder.line(entry);
            }
        };
        let entries = match self.entries(seed, &mut sink)? {
            Ok(entries) => entries,
            Err(failure) => return Ok(Outcome::Void(failure)),
        };
        let distance = |a: &str, b: &str| self.loaded.app.distance(a, b);
        let judge = Judge::new(&self.loaded.scenario.value, &self.loaded.words, &distance);
        let score = score::score(&judge, &entries);
        if let Some(recorder) = recorder {
            recorder.finish(&score)?;
        }
        Ok(Outcome::Scored(Box::new(score)))
    }

    /// The log of one episode; every entry also goes to `sink` as it happens.
    ///
    /// # Errors
    /// The runtime cannot be started; or, inside, the world failed.
    pub(crate) fn entries(&self, seed: u64, sink: Sink<'_>) -> anyhow::Result<Result<Vec<Entry>, Unavailable>> {
        let Loaded { scenario, app, words, .. } = self.loaded;
        let distance = |a: &str, b: &str| app.distance(a, b);
        let judge = Judge::new(&scenario.value, words, &distance);
        let own = Setup::new(&judge, app, self.mechanism.or(self.contender.mechanism()));
        let setup = Setup {
            credit: self.credit,
            oracle: self.contender.looks_ahead(),
            steps: self.contender.steps().unwrap_or(own.steps),
            ..own
        };
        let cast = self.contender.cast(seed, setup.mechanism, self.record.as_deref())?;
        let mut twin = Twin::new(app, &self.scenario, seed);
        let mut log = Log::new(Some(sink));
        let forks = Some(Forks::<Twin>::of_world());
        let played = block_on(episode::play(&mut twin, &setup, cast, forks, &mut log))?;
        let entries = log.into_entries();
        Ok(played.map(|()| entries))
    }
}

/// The first line of an episode's log.
pub(crate) fn header(scenario: &Scenario, policy: &str, seed: u64) -> anyhow::Result<Header> {
    let resolved = serde_json::to_string(scenario).context("cannot write the scenario as JSON")?;
    Ok(Header {
        schema: SCHEMA_VERSION,
        scenario: scenario.name.clone(),
        scenario_digest: format!("{:016x}", digest(resolved.as_bytes())),
        seed,
        policy: policy.to_owned(),
    })
}

/// FNV-1a, 64 bits: names a content, guards against nothing.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Waits for a world or a policy: the twin's futures are always ready, a model's are not.
///
/// There is one runtime: connections to a model's server outlive an episode.
///
/// # Errors
/// The runtime cannot be started.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let start = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().ok();
    let runtime = RUNTIME.get_or_init(start).as_ref().context("cannot start the runtime: too many threads?")?;
    Ok(runtime.block_on(future))
}

/// Writes the log of one episode line by line, and its score at the end. A killed run leaves the
/// lines that were written; only a finished episode has a score file.
pub(crate) struct Recorder {
    log: BufWriter<File>,
    log_path: PathBuf,
    score_path: PathBuf,
    failure: Option<std::io::Error>,
}

impl Recorder {
    pub(crate) fn create(folder: &Path, header: &Header) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let log_path = folder.join(format!("seed-{}.jsonl", header.seed));
        let file = File::create(&log_path).with_context(|| format!("cannot write {}", log_path.display()))?;
        let mut recorder = Self {
            log: BufWriter::new(file),
            log_path,
            score_path: folder.join(format!("seed-{}.score.json", header.seed)),
            failure: None,
        };
        recorder.line(header);
        Ok(recorder)
    }

    /// A full disk must not stop the episode in the middle; it is said at the end.
    pub(crate) fn line(&mut self, value: &impl serde::Serialize) {
        if self.failure.is_none() {
            let written = serde_json::to_writer(&mut self.log, value).map_err(Into::into);
            self.failure = written.and_then(|()| self.log.write_all(b"\n")).and_then(|()| self.log.flush()).err();
        }
    }

    pub(crate) fn finish(mut self, score: &EpisodeScore) -> anyhow::Result<()> {
        if let Some(failure) = self.failure.take() {
            return Err(anyhow!(failure).context(format!(
                "cannot write {}: the lines before are kept; free some space and run this seed again",
                self.log_path.display()
            )));
        }
        let text = serde_json::to_vec_pretty(score).context("cannot write the score as JSON")?;
        // Whole or not at all: a score file stands for a finished episode.
        let partial = self.score_path.with_extension("partial");
        fs::write(&partial, text)
            .and_then(|()| fs::rename(&partial, &self.score_path))
            .with_context(|| format!("cannot write {}", self.score_path.display()))?;
        Ok(())
    }
}
