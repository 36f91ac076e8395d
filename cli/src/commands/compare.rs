//! `sockpit lab compare`: scenarios played in the twin and on the lab, side by side.
//!
//! ```text
//!            ┌─▶ live: the stand-in on Kubernetes, under the load generator ─▶ Side ─┐
//! WHAT ─▶ case                                                                       ├─▶ report: text, Markdown, JSON
//!            └─▶ twin: the same, as old, on the same nodes ──────────────────▶ Side ─┘
//! ```
//!
//! Both begin when the manifests are applied, and do the same at the same times. The twin plays after the lab,
//! so that it is as old as the lab was when the load began.

mod case;
mod live;
mod report;
mod side;

use case::Case;
use report::Compared;

use crate::arguments::CompareOptions;
use crate::commands::lab::failed;
use crate::commands::simulate::figures::Figures;
use crate::commands::simulate::play;
use crate::output::{self, Failed};

pub(crate) fn run(options: &CompareOptions) -> Result<(), Failed> {
    let names = if options.what.is_empty() { datasets::comparisons::shipped() } else { options.what.clone() };
    // Mistakes in the last file are said before minutes are spent on the first.
    let cases = names.iter().map(|name| Case::load(name, options)).collect::<Result<Vec<_>, Failed>>()?;
    let mut stage = live::Stage::open(options.seed)?;
    let mut compared = Vec::new();
    for case in &cases {
        output::talk(&format!("{}: {}", case.name, case.load));
        let live = stage.play(case).map_err(Failed::Run)?;
        let plan = case.plan(&live.ages, lab::cluster().map_err(failed)?);
        let twin = Figures::of(&plan, &play::play(&plan, options.seed)?, options.seed);
        let one = Compared::new(case, live, &twin);
        if !options.json && !options.markdown {
            output::data(&report::text(&one))?;
        }
        compared.push(one);
    }
    if options.json {
        output::json(&compared)
    } else if options.markdown {
        output::data(&report::markdown(&compared))
    } else {
        output::data(&report::summary(&compared))
    }
}
