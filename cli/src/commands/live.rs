//! `sockpit live`: a scenario on a live cluster, with the same agents, conductor and score as in the twin, on the wall
//! clock; or, with `--to`, several, one after the other.
//!
//! ```text
//! options ─▶ place: cluster, Prometheus ─▶ Guarded ─▶ Live ─▶ episode::play ─▶ log ─▶ score
//!                                            └─▶ FOLDER: audit log, snapshots, recoveries ─▶ sockpit undo
//! --to ─▶ sweep: episode ─▶ reset ─▶ episode ─▶ … ─▶ the folder of a comparison
//! ```

mod episode;
mod place;
mod reset;
mod sweep;

use std::fs;
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use agents::policy::chat::Past;
use anyhow::anyhow;
use bridge::guard::{Guards, Mode, Proposal};
use sim::environment::Write;
use sim::scenario::{Level, Scenario, Thinking};
use sim::score::{self, Trials};

use self::episode::{Episode, Outcome, Played};
use self::place::Place;
use crate::arguments::LiveOptions;
use crate::contender::Contender;
use crate::episodes::block_on;
use crate::output::{self, Failed};

pub(super) use self::place::{manifests, settings};

pub(crate) fn run(options: &LiveOptions) -> Result<(), Failed> {
    match &options.to {
        Some(folder) => sweep::run(options, folder),
        None => once(options),
    }
}

/// One scenario, one contender, one episode.
fn once(options: &LiveOptions) -> Result<(), Failed> {
    let ([scenario], [] | [_]) = (&options.scenario[..], &options.model[..]) else {
        return Err(output::usage(
            "several scenarios or models are played one after the other\n  help: name a folder for them with --to",
        ));
    };
    let mut loaded = super::load_scenario(scenario, &options.set)?;
    let model = options.model.first().map(String::as_str);
    let contender = super::run::contender(&options.models, options.strategy.as_deref(), model)?;
    refuse_to_look_ahead(&contender)?;
    adapt(&mut loaded.scenario.value, options, contender.asks_a_model())?;
    let guards = guards(options)?;
    let place = Place::find(options, &loaded)?;
    place.fit(&mut loaded.scenario.value)?;
    let folder = folder(options)?;
    output::talk(&format!("{}; `sockpit undo {}{}` undoes it", place.description, folder.display(), place.typed));
    let started = Instant::now();
    let episode = Episode {
        options,
        loaded: &loaded,
        contender: &contender,
        guards,
        place: &place,
        seed: options.seed,
        past: &Past::default(),
        session: &folder,
        record: &folder,
    };
    let played = match block_on(episode.play()).map_err(Failed::Run)?? {
        Outcome::Scored(played) => *played,
        Outcome::Void { why, .. } => {
            return Err(Failed::Run(anyhow!("the episode is void and not scored: {why}")));
        }
    };
    say(&played, options, &loaded.scenario.value.name, &contender, started.elapsed().as_secs_f64())?;
    if options.beside_twin {
        output::data(&super::report::beside_twin(
            &loaded,
            &contender,
            options.mechanism,
            options.seed,
            &played.entries,
        )?)?;
    }
    Ok(())
}

fn say(
    played: &Played,
    options: &LiveOptions,
    scenario: &str,
    contender: &Contender,
    wall_s: f64,
) -> Result<(), Failed> {
    let trials =
        Trials { scenario, model: &contender.name, seed: options.seed, void: 0, unplayed: 0, wall_s: Some(wall_s) };
    let scores = std::slice::from_ref(&played.score);
    let summary = score::summarize(&trials, scores);
    for (at, write) in &played.proposals {
        output::talk(&format!("proposed at {at:.0} s: {write}"));
    }
    if options.json { output::json(&summary) } else { output::data(&super::run::text(&summary, scores)) }
}

/// Whether anything on the cluster may change.
fn may_change(options: &LiveOptions) -> bool {
    options.write || options.approve
}

fn refuse_to_look_ahead(contender: &Contender) -> Result<(), Failed> {
    if contender.looks_ahead() {
        return Err(output::usage("--model oracle: it plays copies of the world, and a cluster cannot be copied"));
    }
    Ok(())
}

/// The scenario as it is played here.
fn adapt(scenario: &mut Scenario, options: &LiveOptions, asks_a_model: bool) -> Result<(), Failed> {
    if asks_a_model {
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
