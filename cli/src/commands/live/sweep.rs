//! `sockpit live --to FOLDER`: scenarios × contenders × seeds on one cluster, one episode after the other.
//!
//! ```text
//! FOLDER/comparison.json, scenarios, contenders, episodes, tables    as of `sockpit compare` (datasets::runs)
//!        sessions/SCENARIO/CONTENDER/seed-N.TRY/                     how each episode is undone; put-back once it is
//!        standing.json                                               how many replicas there were at the beginning
//! ```
//!
//! Seeds are the outer loop: a sweep that is stopped has as much of everybody.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use agents::policy::chat::Past;
use anyhow::anyhow;
use bridge::guard::Guards;
use datasets::runs::{self, Asked, Played, RunFolder};
use datasets::scenarios::Loaded;

use super::episode::{Episode, Outcome};
use super::place::Place;
use super::{adapt, guards, may_change, refuse_to_look_ahead, reset};
use crate::arguments::LiveOptions;
use crate::commands::compare;
use crate::contender::{Contender, Models};
use crate::episodes::{self, block_on};
use crate::output::{self, Failed};
use crate::recorded;

pub(super) fn run(options: &LiveOptions, to: &Path) -> Result<(), Failed> {
    let contenders = contenders(options)?;
    let mut scenarios = options
        .scenario
        .iter()
        .map(|name| crate::commands::load_scenario(name, &options.set))
        .collect::<Result<Vec<_>, _>>()?;
    compare::check_names(&scenarios)?;
    let asks_a_model = contenders.iter().any(Contender::asks_a_model);
    for loaded in &mut scenarios {
        adapt(&mut loaded.scenario.value, options, asks_a_model)?;
    }
    let guards = guards(options)?;
    let mut places = Vec::new();
    for loaded in &mut scenarios {
        let place = Place::find(options, loaded)?;
        place.fit(&mut loaded.scenario.value)?;
        places.push(place);
    }
    let asked = Asked {
        scenarios: scenarios.iter().map(|loaded| loaded.scenario.value.name.clone()).collect(),
        contenders: contenders.iter().map(|contender| contender.name.clone()).collect(),
        seed: options.seed,
        trials: options.trials,
    };
    let folder = compare::folder::open(to, &scenarios, &contenders, &asked)?;
    let started = Instant::now();
    let sweep = Sweep { options, guards, folder: &folder };
    let jobs = jobs(&asked, &scenarios, &places, &contenders);
    let stopped = sweep.play(&jobs);
    compare::tables(&folder, &asked, started.elapsed().as_secs_f64())?;
    stopped
}

/// Those that were named, each once; the runbook if nobody was.
fn contenders(options: &LiveOptions) -> Result<Vec<Contender>, Failed> {
    let models = Models::load(options.models.models.as_deref(), None)?;
    let by_model = options.model.iter().map(|name| models.contender(name));
    let by_strategy = options.contender.iter().map(|text| compare::by_strategy(text, &models));
    let found = by_model.chain(by_strategy).collect::<Result<Vec<_>, _>>()?;
    found.iter().try_for_each(refuse_to_look_ahead)?;
    if found.is_empty() {
        return Ok(vec![Contender::built_in("runbook")]);
    }
    Ok(compare::each_once(found))
}

/// One episode that is asked for.
struct Job<'a> {
    loaded: &'a Loaded,
    place: &'a Place,
    contender: &'a Contender,
    seed: u64,
}

fn jobs<'a>(asked: &Asked, scenarios: &'a [Loaded], places: &'a [Place], contenders: &'a [Contender]) -> Vec<Job<'a>> {
    let mut jobs = Vec::new();
    for seed in asked.seeds() {
        for (loaded, place) in scenarios.iter().zip(places) {
            jobs.extend(contenders.iter().map(|contender| Job { loaded, place, contender, seed }));
        }
    }
    jobs
}

impl Job<'_> {
    fn scenario(&self) -> &str {
        &self.loaded.scenario.value.name
    }
}

struct Sweep<'a> {
    options: &'a LiveOptions,
    guards: Guards,
    folder: &'a RunFolder,
}

impl Sweep<'_> {
    /// Plays what was not finished before.
    ///
    /// # Errors
    /// It was stopped, or the cluster is not as it was. Episodes that are void end nothing.
    fn play(&self, jobs: &[Job<'_>]) -> Result<(), Failed> {
        let mut past: BTreeMap<(&str, &str), Past> = BTreeMap::new();
        let sessions = self.folder.path().join("sessions");
        for (number, job) in jobs.iter().enumerate() {
            let noted = past.entry((job.scenario(), job.contender.name.as_str())).or_default();
            let record = self.folder.episodes(job.scenario(), &job.contender.name);
            if matches!(runs::played(&record, job.seed)?, Played::Scored(_)) {
                if job.contender.remembers() {
                    recorded::recall(&runs::log_file(&record, job.seed), noted).map_err(Failed::Run)?;
                }
                continue;
            }
            output::talk(&format!(
                "{} of {}: {}, {}, seed {}",
                number + 1,
                jobs.len(),
                job.scenario(),
                job.contender.name,
                job.seed
            ));
            self.make_ready(job, &sessions)?;
            episodes::remove(&runs::telemetry_file(&record)).map_err(Failed::Run)?;
            let session = session_folder(&sessions, job);
            let episode = Episode {
                options: self.options,
                loaded: job.loaded,
                contender: job.contender,
                guards: self.guards.clone(),
                place: job.place,
                seed: job.seed,
                past: &*noted,
                session: &session,
                record: &record,
            };
            let outcome = block_on(episode.play()).map_err(Failed::Run)??;
            match outcome {
                Outcome::Scored(played) => {
                    if job.contender.remembers() {
                        noted.add(&played.entries);
                    }
                }
                Outcome::Void { why, is_stopped } => {
                    output::talk(&format!("warning: the episode is void and not scored: {why}"));
                    if is_stopped {
                        self.put_back(job, &sessions)?;
                        return Err(stopped());
                    }
                }
            }
            self.put_back(job, &sessions)?;
        }
        Ok(())
    }

    /// Puts back what is left of a sweep that was killed, and lets the application settle.
    fn make_ready(&self, job: &Job<'_>, sessions: &Path) -> Result<(), Failed> {
        self.put_back(job, sessions)?;
        let settle = std::time::Duration::from_nanos(self.options.settle.0);
        let waited = block_on(async {
            tokio::select! {
                () = tokio::time::sleep(settle) => Ok(()),
                Ok(()) = tokio::signal::ctrl_c() => Err(stopped()),
            }
        });
        waited.map_err(Failed::Run)?
    }

    /// Puts back what sessions changed, and waits until the application is as it was.
    fn put_back(&self, job: &Job<'_>, sessions: &Path) -> Result<(), Failed> {
        let open = reset::open_sessions(sessions).map_err(Failed::Run)?;
        if !may_change(self.options) && open.is_empty() {
            return Ok(());
        }
        let done = block_on(async {
            tokio::select! {
                done = reset::reset(self.folder.path(), job.place, &open) => done,
                Ok(()) = tokio::signal::ctrl_c() => Err(stopped()),
            }
        });
        done.map_err(Failed::Run)?.map_err(|failed| match failed {
            Failed::Run(why) => {
                Failed::Run(why.context("the sweep ends here, since the next episode would begin in another world"))
            }
            other @ Failed::Input(_) => other,
        })
    }
}

fn stopped() -> Failed {
    Failed::Run(anyhow!("it was stopped with Ctrl-C: the same command goes on where it was"))
}

/// A folder of its own for each try: what one try changed is not in the budget of the next.
fn session_folder(sessions: &Path, job: &Job<'_>) -> PathBuf {
    let folder = sessions.join(runs::slug(job.scenario())).join(runs::slug(&job.contender.name));
    let of_try = |number: u32| folder.join(format!("seed-{}.{number}", job.seed));
    let mut number = 1;
    while of_try(number).exists() {
        number += 1;
    }
    of_try(number)
}
