//! Plays episodes of a scenario: one world, one policy, one log and one score each.
//!
//! What is recorded of an episode is enough to play it again without anything else (`sockpit replay`):
//!
//! ```text
//! FOLDER/scenario-DIGEST.json              the scenario as resolved, by its digest, which the logs name
//!        seed-N.setup.json                 who played, and how: strategy, policies by role, mechanism (crate::recorded)
//!        seed-N.jsonl                      the log
//!        seed-N.ROLE.cassette.jsonl        what a model answered in a role
//!        seed-N.score.json                 the score of an episode that was finished
//! ```

use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use agents::episode::{self, Forks, Log, Setup, Sink};
use agents::mechanism::Mechanism;
use agents::policy::chat::Past;
use anyhow::{Context, anyhow};
use datasets::runs::{self, Void, digest};
use datasets::scenarios::Loaded;
use sim::environment::Unavailable;
use sim::episode::{Entry, Header, SCHEMA_VERSION};
use sim::scenario::Scenario;
use sim::score::{self, EpisodeScore, Judge};
use sim::world::Twin;
use tokio::runtime::Runtime;

use crate::contender::Contender;
use crate::recorded;

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
    /// How many of so many trials are played one after the other: those of whoever remembers the ones before, all.
    pub(crate) fn in_a_row(&self, trials: usize) -> usize {
        if self.contender.remembers() { trials.max(1) } else { 1 }
    }

    /// Plays one episode and scores it. What its models noted in the trials before is told, and what they note now is added.
    ///
    /// # Errors
    /// Its recording cannot be written.
    pub(crate) fn play(&self, seed: u64, past: &mut Past) -> anyhow::Result<Outcome> {
        let mut recorder = match &self.record {
            Some(folder) => {
                let scenario = resolved(&self.scenario)?;
                let recorder = Recorder::create(folder, &header(&self.scenario, &self.contender.name, seed)?)?;
                recorded::keep(folder, seed, &scenario, self)?;
                Some(recorder)
            }
            None => None,
        };
        let mut sink = |entry: &Entry| {
            if let Some(recorder) = &mut recorder {
                recorder.line(entry);
            }
        };
        let entries = match self.entries_after(seed, past, &mut sink)? {
            Ok(entries) => entries,
            Err(failure) => {
                if let Some(recorder) = recorder {
                    recorder.give_up(&failure)?;
                }
                return Ok(Outcome::Void(failure));
            }
        };
        if self.contender.remembers() {
            past.add(&entries);
        }
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
        self.entries_after(seed, &Past::default(), sink)
    }

    /// Adds what models noted in a trial that was played and recorded before.
    ///
    /// # Errors
    /// Its log cannot be read.
    pub(crate) fn recall(&self, seed: u64, past: &mut Past) -> anyhow::Result<()> {
        let Some(folder) = self.record.as_ref().filter(|_| self.contender.remembers()) else { return Ok(()) };
        recorded::recall(&folder.join(format!("seed-{seed}.jsonl")), past)
            .context("take its score away to have it played again")
    }

    /// The same of an episode whose models remember some before it.
    ///
    /// # Errors
    /// Those of [`Plan::entries`].
    pub(crate) fn entries_after(
        &self,
        seed: u64,
        past: &Past,
        sink: Sink<'_>,
    ) -> anyhow::Result<Result<Vec<Entry>, Unavailable>> {
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
        let cast = self.contender.cast(seed, setup.mechanism, self.record.as_deref(), past)?;
        let mut twin = Twin::new(app, &self.scenario, seed);
        let mut log = Log::new(Some(sink));
        let forks = Some(Forks::<Twin>::of_world());
        let played = block_on(episode::play(&mut twin, &setup, cast, forks, &mut log))?;
        let entries = log.into_entries();
        Ok(played.map(|()| entries))
    }
}

/// The first line of an episode's log.
///
/// # Errors
/// The scenario cannot be written as JSON.
pub(crate) fn header(scenario: &Scenario, policy: &str, seed: u64) -> anyhow::Result<Header> {
    Ok(Header {
        schema: SCHEMA_VERSION,
        scenario: scenario.name.clone(),
        scenario_digest: digest_of(&resolved(scenario)?),
        seed,
        policy: policy.to_owned(),
    })
}

/// A scenario with all its defaults, as it is kept and digested.
///
/// # Errors
/// It cannot be written as JSON.
pub(crate) fn resolved(scenario: &Scenario) -> anyhow::Result<String> {
    serde_json::to_string(scenario).context("cannot write the scenario as JSON")
}

/// The digest of a text, as headers of logs have it.
pub(crate) fn digest_of(text: &str) -> String {
    format!("{:016x}", digest(text.as_bytes()))
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

/// Writes the log of one episode line by line, and at the end its score, or why it is void. A killed run leaves the
/// lines that were written; only a finished episode has a score file.
pub(crate) struct Recorder {
    log: BufWriter<File>,
    folder: PathBuf,
    seed: u64,
    failure: Option<std::io::Error>,
}

impl Recorder {
    pub(crate) fn create(folder: &Path, header: &Header) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let path = runs::log_file(folder, header.seed);
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let log = BufWriter::new(file);
        let mut recorder = Self { log, folder: folder.to_owned(), seed: header.seed, failure: None };
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

    /// The score stands for a finished episode, which is not void any more if it was before.
    pub(crate) fn finish(mut self, score: &EpisodeScore) -> anyhow::Result<()> {
        self.check_log()?;
        write(&runs::score_file(&self.folder, self.seed), score)?;
        remove(&runs::void_file(&self.folder, self.seed))
    }

    /// The world failed: what was seen until then is kept, and why. A score of before is of another episode.
    pub(crate) fn give_up(mut self, failure: &Unavailable) -> anyhow::Result<()> {
        self.check_log()?;
        remove(&runs::score_file(&self.folder, self.seed))?;
        write(&runs::void_file(&self.folder, self.seed), &Void { why: failure.to_string() })
    }

    fn check_log(&mut self) -> anyhow::Result<()> {
        let Some(failure) = self.failure.take() else { return Ok(()) };
        Err(anyhow!(failure).context(format!(
            "cannot write {}: the lines before are kept; free some space and run this seed again",
            runs::log_file(&self.folder, self.seed).display()
        )))
    }
}

/// Writes a value as JSON, whole or not at all.
fn write(path: &Path, value: &impl serde::Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_vec_pretty(value).context("cannot write the outcome of an episode as JSON")?;
    runs::write_whole(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Takes a file away, if it is there.
pub(crate) fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(why) if why.kind() != ErrorKind::NotFound => {
            Err(anyhow!(why).context(format!("cannot take {} away", path.display())))
        }
        _ => Ok(()),
    }
}
