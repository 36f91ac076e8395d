//! `sockpit replay`: recorded episodes played again, and whether each is identical.
//!
//! ```text
//! folder ─▶ logs ─▶ Recorded ──scenario, contender, seed──▶ Plan ──plays──▶ lines ──┐
//!             └───────────────────────── recorded lines ───────────────────────────┴─▶ first difference ─▶ row
//! ```
//!
//! Models answer from their cassettes; nothing is asked over a network. A log is identical if every line after its
//! header is, byte by byte; the header names scenario, seed and policy, which are looked up by it.

mod difference;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agents::policy::chat::Past;
use anyhow::{Context, anyhow};
use datasets::scenarios::Loaded;
use rayon::prelude::*;
use serde::Serialize;
use sim::episode::{self, Entry, EpisodeEvent, Header, SCHEMA_VERSION};

use crate::arguments::ReplayOptions;
use crate::episodes::Plan;
use crate::output::{self, Failed};
use crate::progress;
use crate::recorded::Recorded;
use difference::Difference;

/// What came of one episode.
#[derive(Serialize)]
struct Row {
    /// The log that was recorded.
    log: String,
    /// Null where the log's header cannot be read.
    scenario: Option<String>,
    contender: Option<String>,
    seed: u64,
    outcome: Outcome,
    /// How many events were recorded.
    events: usize,
    difference: Option<Difference>,
    /// What else there is to know: why it could not be played, and what is not as it was then.
    notes: Vec<String>,
}

/// How a replay stands to its recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Identical,
    Differs,
    /// The recording ends before the episode does; up to there it is identical.
    BreaksOff,
    /// It could not be played again.
    Unplayable,
}

/// Scenarios that were loaded, by the digests that logs have: a comparison plays each hundreds of times.
#[derive(Default)]
struct Shelf(Mutex<BTreeMap<String, Arc<Loaded>>>);

pub(crate) fn run(options: &ReplayOptions) -> Result<(), Failed> {
    let episodes = find(&options.recorded)?;
    let pool = options.threads.pool()?;
    let bar = progress::bar(episodes.len() as u64, "episodes");
    let shelf = Shelf::default();
    let rows: Vec<Row> = pool.install(|| {
        let played = episodes.par_iter().map(|episode| {
            let row = row(episode, &shelf);
            bar.inc(1);
            row
        });
        played.collect()
    });
    bar.finish_and_clear();
    if options.json {
        output::json(&rows)?;
    } else {
        output::data(&rows.iter().map(text).collect::<Vec<_>>().join("\n"))?;
    }
    match rows.iter().filter(|row| row.outcome != Outcome::Identical).count() {
        0 => Ok(()),
        others => Err(Failed::Run(anyhow!("{others} of {} episodes are not identical", rows.len()))),
    }
}

/// The recorded episodes that are meant, in the order of folders and seeds.
fn find(path: &Path) -> Result<Vec<Recorded>, Failed> {
    let mut episodes = Vec::new();
    if path.is_file() {
        episodes.extend(Recorded::of_log(path));
    } else {
        collect(path, &mut episodes)
            .map_err(|why| output::usage(format!("{}: the recording cannot be read: {why}", path.display())))?;
    }
    if episodes.is_empty() {
        return Err(output::usage(format!(
            "{}: there is no log of an episode (seed-N.jsonl)\n  help: name a folder that `sockpit run --record` or \
             `sockpit compare --to` has left",
            path.display()
        )));
    }
    episodes.sort();
    Ok(episodes)
}

fn collect(folder: &Path, episodes: &mut Vec<Recorded>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Links are not followed: they could lead round in a circle.
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), episodes)?;
        } else {
            episodes.extend(Recorded::of_log(&entry.path()));
        }
    }
    Ok(())
}

/// Plays an episode again and sets it beside its recording.
fn row(episode: &Recorded, shelf: &Shelf) -> Row {
    let mut row = Row {
        log: episode.log().display().to_string(),
        scenario: None,
        contender: None,
        seed: episode.seed,
        outcome: Outcome::Unplayable,
        events: 0,
        difference: None,
        notes: Vec::new(),
    };
    if let Err(why) = fill(&mut row, episode, shelf) {
        row.notes.push(format!("{why:#}"));
    }
    row
}

fn fill(row: &mut Row, episode: &Recorded, shelf: &Shelf) -> anyhow::Result<()> {
    let text = fs::read_to_string(episode.log()).context("the log cannot be read")?;
    let header = header(&text, episode)?;
    row.scenario = Some(header.scenario.clone());
    row.contender = Some(header.policy.clone());
    let mut recorded: Vec<&str> = text.split_terminator('\n').skip(1).collect();
    row.events = recorded.len();
    let setup = episode.setup(&header, credit(&recorded))?;
    row.notes.extend(setup.notes);
    if header.schema != SCHEMA_VERSION {
        row.notes.push(format!(
            "its log has the form of version {}, and this sockpit writes version {SCHEMA_VERSION}",
            header.schema
        ));
    }
    let loaded = shelf.scenario(episode, &header)?;
    let plan = Plan {
        loaded: &loaded,
        scenario: Arc::new(loaded.scenario.value.clone()),
        contender: &setup.contender,
        mechanism: setup.mechanism,
        credit: setup.credit,
        record: None,
    };
    let mut replayed = Vec::new();
    let mut sink = |entry: &Entry| replayed.push(serde_json::to_string(entry));
    let mut past = Past::default();
    if setup.contender.remembers() {
        episode.recall(&mut past)?;
    }
    let played = plan.entries_after(header.seed, &past, &mut sink)?;
    let replayed = replayed.into_iter().collect::<Result<Vec<String>, _>>().context("cannot write an event as JSON")?;
    if let Err(failure) = played {
        row.notes.push(format!("the replay broke off after {} events: {failure}", replayed.len()));
    }
    drop_torn(&mut recorded, &text, &replayed);
    row.events = recorded.len();
    let has_ended = recorded.last().is_some_and(|line| matches!(event(line), Some(EpisodeEvent::Ended { .. })));
    row.difference = difference::first(&recorded, &replayed);
    row.outcome = match &row.difference {
        None if has_ended => Outcome::Identical,
        // Nothing is missing but its end.
        Some(difference) if difference.recorded.is_some() || has_ended => Outcome::Differs,
        None | Some(_) => Outcome::BreaksOff,
    };
    Ok(())
}

/// The first line of a log, which must be of the seed that its file is named after.
fn header(text: &str, episode: &Recorded) -> anyhow::Result<Header> {
    let first = text.split_inclusive('\n').next().unwrap_or_default();
    let header = episode::read(first).context("the log is damaged")?.header;
    if header.seed != episode.seed {
        return Err(anyhow!("the log is of seed {}, and its name says {}", header.seed, episode.seed));
    }
    Ok(header)
}

/// Takes away a last line in which the writer was killed, if what there is of it is right.
fn drop_torn(recorded: &mut Vec<&str>, text: &str, replayed: &[String]) {
    if text.ends_with('\n') {
        return;
    }
    let Some(torn) = recorded.pop() else { return };
    let is_right = replayed.get(recorded.len()).is_some_and(|line| line.len() > torn.len() && line.starts_with(torn));
    if !is_right {
        recorded.push(torn);
    }
}

fn event(line: &str) -> Option<EpisodeEvent> {
    serde_json::from_str::<Entry>(line).ok().map(|entry| entry.event)
}

/// How many futures of each decision were played, as far as the log says.
fn credit(recorded: &[&str]) -> u32 {
    // They stand together at the end.
    let last = recorded.iter().rev().skip(1).map_while(|line| match event(line) {
        Some(EpisodeEvent::Branch(branch)) => Some(branch),
        _ => None,
    });
    let of_decisions = last.filter(|branch| branch.without_step.is_some() || branch.without_task.is_some());
    of_decisions.map(|branch| branch.future + 1).max().unwrap_or(0)
}

impl Shelf {
    fn scenario(&self, episode: &Recorded, header: &Header) -> anyhow::Result<Arc<Loaded>> {
        let known = self.lock().get(&header.scenario_digest).cloned();
        if let Some(loaded) = known {
            return Ok(loaded);
        }
        let loaded = episode.scenario(header)?;
        self.lock().insert(header.scenario_digest.clone(), Arc::clone(&loaded));
        Ok(loaded)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Loaded>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text(row: &Row) -> String {
    let who = match (&row.scenario, &row.contender) {
        (Some(scenario), Some(contender)) => format!("{scenario}   {contender}, seed {}", row.seed),
        _ => row.log.clone(),
    };
    let what = match (row.outcome, &row.difference) {
        (Outcome::Identical, _) => format!("identical, {} events", row.events),
        (Outcome::Unplayable, _) => "cannot be played again".to_owned(),
        (Outcome::BreaksOff, _) => {
            format!("the recording breaks off after {} events, identical up to there", row.events)
        }
        (Outcome::Differs, Some(difference)) => difference.to_string(),
        (Outcome::Differs, None) => "differs".to_owned(),
    };
    let notes = row.notes.iter().map(|note| format!("\n  {}", note.replace('\n', "\n  ")));
    format!("{who}   {what}{}", notes.collect::<String>())
}
