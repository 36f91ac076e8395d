//! `sockpit report sim-to-real`: what was played live beside the same in the twin.
//!
//! ```text
//! LIVE ─┐                                              ┌─▶ side by side, by scenario and contender
//!       ├─▶ read: logs, scores ─▶ side: both worlds ───┼─▶ differences, the largest first
//! TWIN ─┘                                              └─▶ order: Kendall's tau-b of the contenders
//! ```
//!
//! `sockpit live --beside-twin` sets one episode beside the twin's of the same scenario, strategy and seed.

mod differences;
mod order;
mod read;
mod side;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use agents::mechanism::Mechanism;
use anyhow::anyhow;
use datasets::runs::RunFolder;
use datasets::scenarios::Loaded;
use serde::Serialize;
use sim::episode::Entry;
use sim::scenario::Thinking;

use self::differences::Difference;
use self::order::Order;
use self::read::World;
use self::side::Side;
use crate::arguments::{ReportCommand, SimToRealOptions};
use crate::contender::Contender;
use crate::episodes::Plan;
use crate::output::{self, Failed};

/// Times to Ready and throttled ratios should agree within this share of the larger one.
const TOLERANCE: f64 = 0.2;

/// A scenario with a contender in both worlds.
#[derive(Debug, Serialize)]
struct Compared {
    scenario: String,
    contender: String,
    twin: Side,
    live: Side,
    /// The largest first.
    differences: Vec<Difference>,
}

/// Everything that was played in both worlds.
#[derive(Debug, Serialize)]
struct Report {
    compared: Vec<Compared>,
    order: Order,
    /// Times to Ready and throttled ratios.
    held: Held,
    /// What is in one world only, and what differs in how both were played.
    notes: Vec<String>,
}

/// How many figures agree within the tolerance.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Held {
    within: usize,
    of: usize,
    /// Those that do not.
    beyond: Vec<String>,
}

pub(crate) fn run(command: &ReportCommand) -> Result<(), Failed> {
    let ReportCommand::SimToReal(options) = command;
    let report = sim_to_real(options)?;
    if options.json { output::json(&report) } else { output::data(&text::report(&report, options.markdown)) }
}

fn sim_to_real(options: &SimToRealOptions) -> Result<Report, Failed> {
    let pool = options.threads.pool()?;
    let (live, twin) = pool.install(|| -> Result<_, Failed> {
        let live = World::read(&RunFolder::new(&options.live))?;
        Ok((live, World::read(&RunFolder::new(&options.twin))?))
    })?;
    let mut compared = Vec::new();
    for (of, live_side) in &live.sides {
        let Some(twin_side) = twin.sides.get(of) else { continue };
        compared.push(Compared::new(of.0.clone(), of.1.clone(), twin_side.clone(), live_side.clone()));
    }
    if compared.is_empty() {
        return Err(output::usage(format!(
            "no scenario was played with the same contender in both folders\n  help: play what {} holds in the twin with \
             `sockpit compare --like {} --trials 30 --to {}`",
            options.live.display(),
            options.live.display(),
            options.twin.display()
        )));
    }
    let notes = notes(&live, &twin);
    Ok(Report { order: Order::of(&compared), held: Held::of(&compared), compared, notes })
}

/// What the reader has to know of how both were played.
fn notes(live: &World, twin: &World) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, digest) in &live.scenarios {
        match twin.scenarios.get(name) {
            Some(other) if other != digest => notes.push(format!(
                "{name} is not the same in both folders: budgets, nodes or thinking differ (`sockpit compare --like` plays \
                 the same)"
            )),
            _ => {}
        }
    }
    let keys = |world: &World| world.sides.keys().cloned().collect::<BTreeSet<_>>();
    let (of_live, of_twin) = (keys(live), keys(twin));
    for (only, where_) in [(of_live.difference(&of_twin), "live"), (of_twin.difference(&of_live), "in the twin")] {
        notes.extend(only.map(|(scenario, contender)| format!("{scenario} with {contender} was played {where_} only")));
    }
    notes
}

impl Compared {
    fn new(scenario: String, contender: String, twin: Side, live: Side) -> Self {
        let differences = differences::of(&twin, &live);
        Self { scenario, contender, twin, live, differences }
    }
}

impl Held {
    fn of(compared: &[Compared]) -> Self {
        let mut held = Self::default();
        for one in compared {
            for (what, twin, live) in differences::held_figures(&one.twin, &one.live) {
                held.of += 1;
                if differences::relative(twin, live) <= TOLERANCE {
                    held.within += 1;
                } else {
                    let figures = format!("{what}: {} in the twin, {} live", text::figure(twin), text::figure(live));
                    held.beyond.push(format!("{} with {}, {figures}", one.scenario, one.contender));
                }
            }
        }
        held
    }
}

/// An episode that was played live beside the twin's of the same scenario, contender and seed.
///
/// # Errors
/// The twin fails.
pub(in crate::commands) fn beside_twin(
    loaded: &Loaded,
    contender: &Contender,
    mechanism: Option<Mechanism>,
    seed: u64,
    live: &[Entry],
) -> Result<String, Failed> {
    let mut loaded = loaded.clone();
    if loaded.scenario.value.thinking == Thinking::Measured {
        // A twin does not wait for the clock of this machine.
        loaded.scenario.value.thinking = Thinking::default();
    }
    let plan = Plan {
        loaded: &loaded,
        scenario: Arc::new(loaded.scenario.value.clone()),
        contender,
        mechanism,
        credit: 0,
        record: None,
    };
    let twin = plan.entries(seed, &mut |_: &Entry| {}).map_err(Failed::Run)?;
    let twin = twin.map_err(|why| Failed::Run(anyhow!("the twin's episode is void: {why}")))?;
    let side = |entries: &[Entry]| {
        let episode = read::Episode::of(&loaded, seed, entries);
        Side::of(&loaded.scenario.value.name, &contender.name, &[episode], 0)
    };
    let name = loaded.scenario.value.name.clone();
    let compared = Compared::new(name, contender.name.clone(), side(&twin), side(live));
    Ok(text::one(&compared, false))
}

/// By scenario and contender.
type Sides = BTreeMap<(String, String), Side>;
