//! The recorded traces of Kubernetes, replayed against the twin. Those on which it does not agree yet are listed with their
//! reasons in `differences.yaml` beside the traces.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use lab::{Sequence, Traces};
use sim::diagnostic::Source;

/// Plays all sequences in the twin; what is not as `differences.yaml` of the folder says.
fn replayed(folder: &Path, sequences: impl IntoIterator<Item = (String, Sequence)>) -> String {
    let text = fs::read_to_string(folder.join("differences.yaml")).unwrap();
    let list = Source { path: "differences.yaml".into(), text };
    let mut listed: BTreeMap<String, String> = sim::input::parse(&list).unwrap().value;
    let mut wrong = String::new();
    for (name, sequence) in sequences {
        let Some(traces) = Traces::find(folder, &name).unwrap() else { continue };
        let agreement = traces.replay(&name, &sequence, 1).unwrap();
        match (agreement.is_full(), listed.remove(&name)) {
            (true, None) | (false, Some(_)) => {}
            (true, Some(_)) => writeln!(wrong, "{name} agrees now: take it off the list").unwrap(),
            (false, None) => {
                writeln!(wrong, "{name} does not agree any more:").unwrap();
                for difference in &agreement.differences {
                    writeln!(wrong, "  {difference}").unwrap();
                }
            }
        }
    }
    for name in listed.keys() {
        writeln!(wrong, "{name} is listed and not recorded").unwrap();
    }
    wrong
}

#[test]
fn the_twin_does_what_kubernetes_did() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/traces");
    let shipped = lab::sequences().map(|name| (name.to_owned(), Sequence::shipped(name).unwrap()));
    let wrong = replayed(&folder, shipped);
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn it_does_so_in_sequences_that_were_made_by_chance() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/traces/random");
    let mut sequences = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap().to_owned();
        if path.extension().is_some_and(|extension| extension == "yaml") && name != "differences" {
            let source = Source { path: name.clone(), text: fs::read_to_string(&path).unwrap() };
            sequences.push((name, Sequence::load(&source).unwrap()));
        }
    }
    sequences.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert_eq!(sequences.len(), 10);
    let wrong = replayed(&folder, sequences);
    assert!(wrong.is_empty(), "{wrong}");
}
