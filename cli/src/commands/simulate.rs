//! `sockpit simulate`: the twin alone, measured; nobody operates it.
//!
//! ```text
//! WHAT ─▶ plan ──▶ play ──▶ figures ──▶ report
//!         an app under a load, measured once it has settled and warmed up,
//!         or a scenario with its loads and faults at their own times
//! ```

pub(super) mod figures;
pub(super) mod plan;
pub(super) mod play;
mod report;

use crate::arguments::SimulateOptions;
use crate::output::{self, Failed};

pub(crate) fn run(options: &SimulateOptions) -> Result<(), Failed> {
    let plan = plan::plan(options)?;
    let played = play::play(&plan, options.seed)?;
    for warning in report::warnings(&plan, &played) {
        output::talk(&warning);
    }
    let figures = figures::Figures::of(&plan, &played, options.seed);
    if options.json { output::json(&figures) } else { output::data(&report::text(&plan, &figures)) }
}
