//! `sockpit faults`: what can go wrong, how it shows, what mends it and what does not.

use std::fmt::Write;

use agents::render::Table;
use datasets::faults::{self, Entry, Signature};
use serde::Serialize;
use sim::fault::Survival;

use crate::arguments::FaultsOptions;
use crate::output::{self, Failed};

/// One fault of the list.
#[derive(Serialize)]
struct Listed {
    kind: &'static str,
    does: &'static str,
    written: &'static str,
    bound_to: &'static str,
    /// What becomes of it when something is done about it.
    survival: Survival,
    scenario: String,
    shows: Vec<Shown>,
    mends: Vec<Deed>,
    does_not_mend: Vec<Deed>,
    /// Why nothing mends it, if that is so.
    unsolvable: Option<String>,
}

#[derive(Serialize)]
struct Shown {
    within_s: f64,
    seen: String,
}

/// What somebody does about it.
#[derive(Serialize)]
struct Deed {
    script: String,
    writes: String,
}

pub(crate) fn run(options: &FaultsOptions) -> Result<(), Failed> {
    let listed: Vec<Listed> = faults::catalogue()?.into_iter().map(listed).collect();
    if options.json {
        return output::json(&listed);
    }
    if options.markdown {
        return output::data(markdown(&listed).trim_end());
    }
    let mut table = Table::new(["KIND", "BOUND TO", "WRITTEN AS", "SHOWS", "WITHIN", "MENDED BY", "NOT BY"]);
    for fault in listed {
        let first = fault.shows.first();
        table.row([
            fault.kind.to_owned(),
            fault.bound_to.to_owned(),
            fault.written.to_owned(),
            first.map_or_else(String::new, |shown| cut(&shown.seen)),
            first.map_or_else(String::new, |shown| format!("{} s", shown.within_s)),
            done(&fault.mends, fault.unsolvable.as_deref()),
            done(&fault.does_not_mend, None),
        ]);
    }
    output::data(&table.text("no fault ships"))
}

fn listed(entry: Entry) -> Listed {
    let facts = entry.kind.facts();
    let deed = |script: &datasets::scenarios::ShippedScript| Deed {
        script: script.name.clone(),
        writes: faults::deeds(script),
    };
    let shown = |signature: Signature| Shown { within_s: signature.within.as_secs_f64(), seen: signature.seen.text() };
    Listed {
        kind: facts.name,
        does: facts.does,
        written: facts.written,
        bound_to: facts.bound_to.name(),
        survival: facts.bound_to.survival(),
        mends: entry.scripts.iter().filter(|script| script.is_witness()).map(deed).collect(),
        does_not_mend: entry.scripts.iter().filter(|script| !script.is_witness()).map(deed).collect(),
        shows: entry.shows.into_iter().map(shown).collect(),
        unsolvable: entry.loaded.scenario.value.unsolvable,
        scenario: entry.name,
    }
}

/// What was done, each once.
fn done(deeds: &[Deed], unsolvable: Option<&str>) -> String {
    let mut writes: Vec<&str> = Vec::new();
    for deed in deeds {
        if !writes.contains(&deed.writes.as_str()) {
            writes.push(&deed.writes);
        }
    }
    if writes.is_empty() && unsolvable.is_some() { "nothing".to_owned() } else { writes.join(", ") }
}

/// So much of a text that a table stays readable.
fn cut(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST - 1).chain(['…']).collect()
}

fn markdown(listed: &[Listed]) -> String {
    let mut out = String::from(
        "| kind | what it does | written as | bound to | shows, within | mended by | not by | scenario |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for fault in listed {
        // A bar would end the cell.
        let shown = |shown: &Shown| format!("{} s: `{}`", shown.within_s, shown.seen.replace('|', "\\|"));
        let shows: Vec<String> = fault.shows.iter().map(shown).collect();
        let cells = [
            format!("`{}`", fault.kind),
            fault.does.to_owned(),
            format!("`{}`", fault.written),
            fault.bound_to.to_owned(),
            shows.join("<br>"),
            done(&fault.mends, fault.unsolvable.as_deref()),
            done(&fault.does_not_mend, None),
            format!("`{}`", fault.scenario),
        ];
        writeln!(out, "| {} |", cells.join(" | ")).expect("writing to a string");
    }
    out
}
