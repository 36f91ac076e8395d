//! The recorded traces of Kubernetes, replayed against the twin. Those on which it does not agree yet are listed with their
//! reasons in `differences.yaml` beside the traces.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use lab::{Sequence, Traces};
use sim::diagnostic::Source;

#[test]
fn the_twin_does_what_kubernetes_did() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/traces");
    let text = std::fs::read_to_string(folder.join("differences.yaml")).unwrap();
    let list = Source { path: "differences.yaml".into(), text };
    let mut listed: BTreeMap<String, String> = sim::input::parse(&list).unwrap().value;
    let mut wrong = String::new();
    for name in lab::sequences() {
        let Some(traces) = Traces::find(&folder, name).unwrap() else { continue };
        let agreement = traces.replay(name, &Sequence::shipped(name).unwrap(), 1).unwrap();
        match (agreement.is_full(), listed.remove(name)) {
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
    assert!(wrong.is_empty(), "{wrong}");
}
