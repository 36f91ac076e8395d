//! `sockpit faults`: the kinds of fault.

use datasets::faults::NOT_IN_SOCK_SHOP;
use sim::fault::FaultKind;

use super::{json, keys, stdout};

#[test]
fn every_kind_is_listed_with_what_mends_it_and_what_does_not() {
    let listed = json(&["faults", "--json"]);
    let listed = listed.as_array().unwrap();
    assert!(listed.len() >= FaultKind::ALL.len());
    let fields = [
        "bound_to",
        "does",
        "does_not_mend",
        "kind",
        "mends",
        "scenario",
        "shows",
        "survival",
        "unsolvable",
        "written",
    ];
    assert_eq!(keys(&listed[0]), fields);
    let text = stdout(&["faults"]);
    assert!(text.starts_with("KIND "), "{text}");
    for &kind in FaultKind::ALL.iter().filter(|kind| !NOT_IN_SOCK_SHOP.contains(kind)) {
        assert!(text.lines().any(|line| line.split(' ').next() == Some(kind.name())), "{kind}");
    }
}

/// `sockpit faults --markdown` makes the table in `datasets/faults/README.md`.
#[test]
fn the_documented_table_is_the_printed_one() {
    let documented = include_str!("../../../datasets/faults/README.md");
    let printed = stdout(&["faults", "--markdown"]);
    assert!(documented.contains(printed.trim_end()), "the table should be:\n{printed}");
}
