//! One episode on a live cluster.

use std::path::Path;
use std::sync::Arc;

use agents::episode::{self, Log, Setup};
use agents::policy::chat::Past;
use anyhow::anyhow;
use bridge::guard::{Finding, Guarded, Guards, Recoveries, Verdict};
use bridge::live::Live;
use bridge::{Cluster, Prometheus};
use datasets::scenarios::Loaded;
use sim::environment::Unavailable;
use sim::episode::Entry;
use sim::scenario::Scenario;
use sim::score::{self, EpisodeScore, Judge, Reading};

use super::place::Place;
use super::{ask, in_words, manifests, may_change, run_failed, settings};
use crate::arguments::LiveOptions;
use crate::contender::Contender;
use crate::episodes::{Recorder, header};
use crate::output::{self, Failed};
use crate::progress;

/// One episode.
pub(super) struct Episode<'a> {
    pub(super) options: &'a LiveOptions,
    pub(super) loaded: &'a Loaded,
    pub(super) contender: &'a Contender,
    pub(super) guards: Guards,
    pub(super) place: &'a Place,
    pub(super) seed: u64,
    /// What models noted in the episodes before it.
    pub(super) past: &'a Past,
    /// Where everything about undoing it is kept.
    pub(super) session: &'a Path,
    /// Where log and score are kept.
    pub(super) record: &'a Path,
}

/// What came of it.
pub(super) enum Outcome {
    Scored(Box<Played>),
    /// The world failed; nothing is scored.
    Void {
        why: Unavailable,
        /// Whether that was a person with Ctrl-C.
        is_stopped: bool,
    },
}

/// An episode that was scored.
pub(super) struct Played {
    pub(super) score: EpisodeScore,
    pub(super) entries: Vec<Entry>,
    /// What was advised and not done: when, in seconds, and what.
    pub(super) proposals: Vec<(f64, String)>,
}

/// Why an episode is void.
struct Stopped {
    why: Unavailable,
    is_stopped: bool,
}

impl Episode<'_> {
    /// Plays it, and puts the stage's own doings back whatever became of it; what agents changed stays.
    pub(super) async fn play(&self) -> Result<Outcome, Failed> {
        let scenario = Arc::new(self.loaded.scenario.value.clone());
        let Place { access, namespace, prometheus, .. } = self.place;
        let cluster = Cluster::connect_to(access, namespace).await.map_err(run_failed)?;
        let cluster = cluster.with_manifests(&manifests(&scenario.app)?).map_err(run_failed)?;
        let guarded = Guarded::open(cluster.clone(), self.guards.clone(), self.session).map_err(run_failed)?;
        let guarded = if self.options.approve { guarded.with_person(Arc::new(ask)) } else { guarded };
        let (app, settings) = (&self.loaded.app, settings(self.options.label.as_deref(), &self.loaded.app));
        let settings = bridge::live::Settings {
            targets: crate::commands::load::targets(&self.options.urls)?,
            seed: self.seed,
            ..settings
        };
        let prometheus = Prometheus::new(prometheus);
        let recoveries = Recoveries::open(self.session).map_err(run_failed)?;
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
        let outcome = match played? {
            Ok((entries, recorder)) => Outcome::Scored(Box::new(self.score(&scenario, entries, recorder)?)),
            Err(Stopped { why, is_stopped }) => Outcome::Void { why, is_stopped },
        };
        put_back.map(|()| outcome)
    }

    /// Plays it; its log, and what writes that down, or why the world failed.
    async fn entries(
        &self,
        world: &mut Live<Guarded<Cluster>>,
        scenario: &Scenario,
    ) -> Result<Result<(Vec<Entry>, Recorder), Stopped>, Failed> {
        let Loaded { app, words, .. } = self.loaded;
        let distance = |a: &str, b: &str| app.distance(a, b);
        let judge = Judge::new(scenario, words, &distance);
        let own = Setup::new(&judge, app, self.options.mechanism.or(self.contender.mechanism()));
        let setup = Setup { steps: self.contender.steps().unwrap_or(own.steps), ..own };
        let seed = self.seed;
        let header = header(scenario, &self.contender.name, seed).map_err(Failed::Run)?;
        let mut recorder = Recorder::create(self.record, &header).map_err(Failed::Run)?;
        let cast = self.contender.cast(seed, setup.mechanism, Some(self.record), self.past).map_err(Failed::Run)?;
        let (line, horizon) = (progress::line(), scenario.horizon().as_secs_f64());
        let mut sink = |entry: &Entry| {
            recorder.line(entry);
            line.set_message(format!("{:.0} s of {horizon:.0} s at most", entry.t_ns.as_secs_f64()));
            line.tick();
        };
        let mut log = Log::new(Some(&mut sink));
        let (played, is_stopped) = tokio::select! {
            played = episode::play(world, &setup, cast, None, &mut log) => (played, false),
            // Without a signal handler Ctrl-C ends the program, and `sockpit undo` does the rest.
            Ok(()) = tokio::signal::ctrl_c() => (Err(Unavailable("it was stopped with Ctrl-C".to_owned())), true),
        };
        let entries = log.into_entries();
        line.finish_and_clear();
        match played {
            Ok(()) => Ok(Ok((entries, recorder))),
            Err(why) => {
                recorder.give_up(&why).map_err(Failed::Run)?;
                Ok(Err(Stopped { why, is_stopped }))
            }
        }
    }

    fn score(&self, scenario: &Scenario, entries: Vec<Entry>, recorder: Recorder) -> Result<Played, Failed> {
        let Loaded { app, words, .. } = self.loaded;
        let distance = |a: &str, b: &str| app.distance(a, b);
        let judge = Judge::new(scenario, words, &distance);
        let score = score::score(&judge, &entries);
        recorder.finish(&score).map_err(Failed::Run)?;
        let advised = if may_change(self.options) { Vec::new() } else { Reading::new(&judge, &entries).writes };
        let proposals = advised.into_iter().map(|(at, _, write)| (at.as_secs_f64(), in_words(write))).collect();
        Ok(Played { score, entries, proposals })
    }

    fn say_what_was_put_back(&self, put_back: Result<Vec<Finding>, Unavailable>) -> Result<(), Failed> {
        let again = format!("`sockpit undo {}{}` tries it again", self.session.display(), self.place.typed);
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
