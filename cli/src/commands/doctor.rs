//! `sockpit doctor`: whether a chat model can play, and what to do where it cannot.

use agents::model::probe::{self, Finding, Outcome};
use agents::render::Table;
use anyhow::anyhow;

use crate::arguments::DoctorOptions;
use crate::contender::Models;
use crate::episodes::block_on;
use crate::output::{self, Failed};

pub(crate) fn run(options: &DoctorOptions) -> Result<(), Failed> {
    let model = Models::load(options.models.models.as_deref(), None)?.open(&options.model)?;
    let findings = block_on(probe::probe(&model, probe::LONG_PROMPT)).map_err(Failed::Run)?;
    if options.json {
        output::json(&findings)?;
    } else {
        output::data(&text(&findings))?;
    }
    let failed = findings.iter().filter(|finding| finding.outcome == Outcome::Failed).count();
    if failed > 0 {
        return Err(Failed::Run(anyhow!("{failed} of {} checks failed", findings.len())));
    }
    Ok(())
}

fn text(findings: &[Finding]) -> String {
    let mut table = Table::new(["CHECK", "OUTCOME", "FOUND", "WHAT TO DO"]);
    for Finding { name, outcome, detail, cure } in findings {
        let outcome = match outcome {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::Unknown => "unknown",
        };
        table.row([(*name).to_owned(), outcome.to_owned(), detail.clone(), cure.clone()]);
    }
    table.text("nothing was checked")
}
