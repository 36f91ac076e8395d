//! `sockpit live`: a scenario on a live cluster, with the same agents, conductor and score as in the twin, on the wall
//! clock.
//!
//! ```text
//! options ─▶ place: cluster, Prometheus ─▶ Guarded ─▶ Live ─▶ episode::play ─▶ log ─▶ score
//!                                            └─▶ FOLDER: audit log, snapshots, recoveries ─▶ sockpit undo
//! ```

mod place;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use agents::episode::{self, Log, Setup};
use agents::policy::chat::Past;
use anyhow::anyhow;
use bridge::guard::{Finding, Guarded, Guards, Mode, Proposal, Recoveries, Verdict};
use bridge::live::Live;
use bridge::{Cluster, Prometheus};
use datasets::scenarios::Loaded;
use sim::environment::{Unavailable, Write};
use sim::episode::Entry;
use sim::scenario::{Level, Scenario, Thinking};
use sim::score::{self, EpisodeScore, Judge, Reading, Trials};

use self::place::Place;
use crate::arguments::LiveOptions;
use crate::contender::Contender;
use crate::episodes::{Recorder, block_on, header};
use crate::output::{self, Failed};
use crate::progress;

pub(super) use self::place::{manifests, settings};

pub(crate) fn run(options: &LiveOptions) -> Result<(), Failed> {
    let mut loaded = super::load_scenario(&options.scenario, &options.set)?;
    let contender = super::run::contender(&options.models, options.strategy.as_deref(), options.model.as_deref())?;
    if contender.looks_ahead() {
        return Err(output::usage("--model oracle: it plays copies of the world, and a cluster cannot be copied"));
    }
    adapt(&mut loaded.scenario.value, options, &contender)?;
    let guards = guards(options)?;
    let place = Place::find(options, &loaded)?;
    let folder = folder(options)?;
    output::talk(&format!("{}; `sockpit undo {}{}` undoes it", place.description, folder.display(), place.typed));
    let started = Instant::now();
    let episode = Episode { options, loaded: &loaded, contender: &contender, guards, place: &place, folder: &folder };
    let played = block_on(episode.play()).map_err(Failed::Run)??;
    let trials = Trials {
        scenario: &loaded.scenario.value.name,
        model: &contender.name,
        seed: options.seed,
        void: 0,
        unplayed: 0,
        wall_s: Some(started.elapsed().as_secs_f64()),
    };
    let scores = [played.score];
    let summary = score::summarize(&trials, &scores);
    for (at, write) in &played.proposals {
        output::talk(&format!("proposed at {at:.0} s: {write}"));
    }
    if options.json { output::json(&summary) } else { output::data(&super::run::text(&summary, &scores)) }
}

/// Whether anything on the cluster may change.
fn may_change(options: &LiveOptions) -> bool {
    options.write || options.approve
}

/// The scenario as it is played here.
fn adapt(scenario: &mut Scenario, options: &LiveOptions, contender: &Contender) -> Result<(), Failed> {
    if contender.asks_a_model() {
        // The world has gone on while the model thought.
        scenario.thinking = Thinking::Measured;
    }
    if let Some(horizon) = options.horizon {
        let time = horizon.saturating_sub(scenario.hold);
        if time <= scenario.task.start {
            return Err(output::usage(format!(
                "--horizon {horizon}: the task begins at {} only, and {} are held at the end\n  help: ask for a longer \
                 one, or begin earlier with --set task.start=…",
                scenario.task.start, scenario.hold
            )));
        }
        scenario.budget.time = scenario.budget.time.min(time);
    }
    if !scenario.start.placement.is_empty() {
        output::talk("note: the scenario's placement of pods is not made: they lie where the cluster has put them");
    }
    if may_change(options) {
        return Ok(());
    }
    scenario.task.levels.retain(|level| *level != Level::L5);
    if !scenario.faults.is_empty() || !scenario.start.premises.is_empty() || !scenario.start.absent.is_empty() {
        output::talk(
            "note: without --write nothing on the cluster changes: the scenario's faults and premises are left out, and \
             what is wrong is what the cluster itself has",
        );
        scenario.task.levels.retain(|level| *level != Level::L4);
        (scenario.faults, scenario.root_causes) = (Vec::new(), None);
        (scenario.start.premises, scenario.start.absent) = (Vec::new(), Vec::new());
    }
    Ok(())
}

/// What agents may change.
fn guards(options: &LiveOptions) -> Result<Guards, Failed> {
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path)
            .map_err(|why| output::usage(format!("--guards {}: it cannot be read: {why}", path.display())))?;
        Guards::read(&text).map_err(|why| output::usage(format!("--guards {}: {why}", path.display())))
    };
    let guards = options.guards.as_ref().map(read).transpose()?.unwrap_or_default();
    // What a file says never changes more than what was typed.
    let mode = match (options.write, options.approve) {
        (true, _) => Mode::Write,
        (false, true) => Mode::Approve,
        (false, false) => Mode::Advisory,
    };
    Ok(Guards { mode, ..guards })
}

/// Where everything about the episode is kept.
fn folder(options: &LiveOptions) -> Result<PathBuf, Failed> {
    if let Some(folder) = &options.record {
        return Ok(folder.clone());
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).or_else(home);
    let state = state.ok_or_else(|| output::usage("there is no home folder\n  help: name a folder with --record"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(state.join("sockpit").join(format!("live-{}", now.as_secs())))
}

/// One episode.
struct Episode<'a> {
    options: &'a LiveOptions,
    loaded: &'a Loaded,
    contender: &'a Contender,
    guards: Guards,
    place: &'a Place,
    folder: &'a Path,
}

/// What came of it.
struct Played {
    score: EpisodeScore,
    /// What was advised and not done: when, in seconds, and what.
    proposals: Vec<(f64, String)>,
}

impl Episode<'_> {
    async fn play(&self) -> Result<Played, Failed> {
        let scenario = Arc::new(self.loaded.scenario.value.clone());
        let Place { access, namespace, prometheus, .. } = self.place;
        let cluster = Cluster::connect_to(access, namespace).await.map_err(run_failed)?;
        let cluster = cluster.with_manifests(&manifests(&scenario.app)?).map_err(run_failed)?;
        let guarded = Guarded::open(cluster.clone(), self.guards.clone(), self.folder).map_err(run_failed)?;
        let guarded = if self.options.approve { guarded.with_person(Arc::new(ask)) } else { guarded };
        let (app, settings) = (&self.loaded.app, settings(self.options.label.as_deref(), &self.loaded.app));
        let settings = bridge::live::Settings {
            targets: super::load::targets(&self.options.urls)?,
            seed: self.options.seed,
            ..settings
        };
        let prometheus = Prometheus::new(prometheus);
        let recoveries = Recoveries::open(self.folder).map_err(run_failed)?;
        let mut world = Live::new(cluster, guarded, prometheus, Arc::clone(app), Arc::clone(&scenario), settings)
            .keeping(recoveries);
        let refused = world.refusals().await.map_err(run_failed)?;
        if !refused.is_empty() {
            return Err(output::usage(format!(
                "the scenario cannot be played live: {}\n  help: play it in the twin with `sockpit run`",
                refused.join("; ")
            )));
        }
        let played = self.entries(&mut world, &scenario).await;
        // Whatever became of it, the cluster is put back.
        let put_back = world.finish().await;
        drop(world);
        let put_back = self.say_what_was_put_back(put_back);
        let (entries, recorder) = played?;
        let score = self.score(&scenario, &entries, recorder)?;
        put_back.map(|()| score)
    }

    /// Plays it; its log, and what writes that down.
    async fn entries(
        &self,
        world: &mut Live<Guarded<Cluster>>,
        scenario: &Scenario,
    ) -> Result<(Vec<Entry>, Recorder), Failed> {
        let Loaded { app, words, .. } = self.loaded;
        let distance = |a: &str, b: &str| app.distance(a, b);
        let judge = Judge::new(scenario, words, &distance);
        let own = Setup::new(&judge, app, self.options.mechanism.or(self.contender.mechanism()));
        let setup = Setup { steps: self.contender.steps().unwrap_or(own.steps), ..own };
        let seed = self.options.seed;
        let header = header(scenario, &self.contender.name, seed).map_err(Failed::Run)?;
        let mut recorder = Recorder::create(self.folder, &header).map_err(Failed::Run)?;
        let cast =
            self.contender.cast(seed, setup.mechanism, Some(self.folder), &Past::default()).map_err(Failed::Run)?;
        let (line, horizon) = (progress::line(), scenario.horizon().as_secs_f64());
        let mut sink = |entry: &Entry| {
            recorder.line(entry);
            line.set_message(format!("{:.0} s of {horizon:.0} s at most", entry.t_ns.as_secs_f64()));
            line.tick();
        };
        let mut log = Log::new(Some(&mut sink));
        let played = tokio::select! {
            played = episode::play(world, &setup, cast, None, &mut log) => played,
            // Without a signal handler Ctrl-C ends the program, and `sockpit undo` does the rest.
            Ok(()) = tokio::signal::ctrl_c() => Err(Unavailable("it was stopped with Ctrl-C".to_owned())),
        };
        let entries = log.into_entries();
        line.finish_and_clear();
        match played {
            Ok(()) => Ok((entries, recorder)),
            Err(why) => {
                recorder.give_up(&why).map_err(Failed::Run)?;
                Err(Failed::Run(anyhow!("the episode is void and not scored: {why}")))
            }
        }
    }

    fn score(&self, scenario: &Scenario, entries: &[Entry], recorder: Recorder) -> Result<Played, Failed> {
        let Loaded { app, words, .. } = self.loaded;
        let distance = |a: &str, b: &str| app.distance(a, b);
        let judge = Judge::new(scenario, words, &distance);
        let score = score::score(&judge, entries);
        recorder.finish(&score).map_err(Failed::Run)?;
        let advised = if may_change(self.options) { Vec::new() } else { Reading::new(&judge, entries).writes };
        let proposals = advised.into_iter().map(|(at, _, write)| (at.as_secs_f64(), in_words(write)));
        Ok(Played { score, proposals: proposals.collect() })
    }

    fn say_what_was_put_back(&self, put_back: Result<Vec<Finding>, Unavailable>) -> Result<(), Failed> {
        let again = format!("`sockpit undo {}{}` tries it again", self.folder.display(), self.place.typed);
        match put_back {
            Ok(findings) => {
                for finding in findings {
                    match finding.verdict {
                        Verdict::Restored(_) => {}
                        Verdict::Conflict(why) | Verdict::Left(why) => {
                            output::talk(&format!("warning: {}: {why}", finding.what));
                        }
                    }
                }
                Ok(())
            }
            Err(why) => {
                let message = format!("what was done to the cluster is not all taken back: {why}. {again}");
                output::talk(&format!("warning: {message}"));
                Err(Failed::Run(anyhow!(message)))
            }
        }
    }
}

fn in_words(write: &Write) -> String {
    serde_json::to_string(write).unwrap_or_else(|_| format!("{write:?}"))
}

/// Asks the person at the terminal about a change; whoever does not say yes has said no.
fn ask(proposal: &Proposal) -> bool {
    let effect = serde_json::to_string_pretty(&proposal.effect).unwrap_or_default();
    output::talk(&format!("{} of {}:\n{effect}\nmake this change? [y/N]", in_words(&proposal.write), proposal.object));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

fn run_failed(error: bridge::Error) -> Failed {
    Failed::Run(error.into())
}
