//! `sockpit lab replay`: recorded sequences played in the twin, and what it does otherwise.

use std::path::Path;

use agents::render::Table;
use lab::{Agreement, Difference, Sequence, Traces};
use rayon::prelude::*;

use super::sequences;
use crate::arguments::LabReplayOptions;
use crate::output::{self, Failed};

pub(super) fn run(options: &LabReplayOptions) -> Result<(), Failed> {
    play(&sequences(&options.sequences)?, &options.traces, options.seed, options.json)
}

/// Plays sequences in the twin, sets them beside the traces of a folder, and prints how far they agree.
pub(super) fn play(sequences: &[(String, Sequence)], folder: &Path, seed: u64, as_json: bool) -> Result<(), Failed> {
    let replay = |(name, sequence): &(String, Sequence)| {
        let traces = Traces::find(folder, name)?;
        let replayed = traces.map(|traces| traces.replay(name, sequence, seed)).transpose()?;
        Ok::<_, Failed>((name.clone(), replayed))
    };
    let replayed = sequences.par_iter().map(replay).collect::<Result<Vec<_>, _>>()?;
    for (name, _) in replayed.iter().filter(|(_, replayed)| replayed.is_none()) {
        output::talk(&format!("{name}: not recorded twice in {}", folder.display()));
    }
    let agreements: Vec<_> = replayed.into_iter().filter_map(|(_, replayed)| replayed).collect();
    if agreements.is_empty() {
        return Err(output::usage(format!(
            "no traces in {}\n  help: name the folder with `--traces`, or record them with `sockpit lab record --to FOLDER`",
            folder.display()
        )));
    }
    if as_json { output::json(&agreements) } else { output::data(&text(&agreements)) }
}

fn text(agreements: &[Agreement]) -> String {
    let mut table = Table::new(["SEQUENCE", "TRANSITIONS", "ORDERS", "MISSING", "EXTRA", "TIME", "ORDER"]);
    for agreement in agreements {
        let count = |is_meant: fn(&Difference) -> bool| {
            agreement.differences.iter().filter(|difference| is_meant(difference)).count().to_string()
        };
        table.row([
            agreement.sequence.clone(),
            agreement.transitions.to_string(),
            agreement.orders.to_string(),
            count(|d| matches!(d, Difference::Missing { .. })),
            count(|d| matches!(d, Difference::Extra { .. })),
            count(|d| matches!(d, Difference::Time { .. })),
            count(|d| matches!(d, Difference::Order { .. })),
        ]);
    }
    let full = agreements.iter().filter(|agreement| agreement.is_full()).count();
    let mut lines = vec![table.text("no sequences"), String::new(), format!("{full} of {} agree", agreements.len())];
    // Of a few sequences somebody wants to know everything.
    if agreements.len() <= 3 {
        lines.extend(agreements.iter().flat_map(|agreement| &agreement.differences).map(ToString::to_string));
    }
    lines.join("\n")
}
