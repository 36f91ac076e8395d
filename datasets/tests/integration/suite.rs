//! The suite of faults as it ships: what its templates make, and enough of everything.

use std::collections::{BTreeMap, BTreeSet};

use datasets::embedded;
use datasets::faults::NOT_IN_SOCK_SHOP;
use datasets::scenarios::{self, Loaded, ShippedScript};
use datasets::suite::{Origin, Suite};
use sim::fault::FaultKind;

const SUITE: &str = "faults";

fn shipped() -> Vec<(String, Loaded)> {
    let names = scenarios::shipped().into_iter().filter(|name| name.starts_with("faults/"));
    let load = |name: &str| scenarios::load(name, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    names.map(|name| (name.clone(), load(&name))).collect()
}

/// `at_least` of a hundred.
fn is_share(part: usize, whole: usize, at_least: usize) {
    assert!(part * 100 >= whole * at_least, "{part} of {whole} are less than {at_least} %");
}

/// Whoever changes a template makes the suite anew; whoever changes a made file has to change the template.
#[test]
fn every_made_file_is_what_its_template_renders() {
    let suite = Suite::load(SUITE).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let mut made_files = 0;
    for name in scenarios::shipped() {
        let text = scenarios::find(&name).unwrap().text;
        let Some(origin) = Origin::of(&text) else { continue };
        let made = suite.render(&origin.template, &origin.parameters).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        assert_eq!((&made.name, &made.scenario), (&name, &text));
        let scripts: BTreeMap<String, String> = embedded::below(&format!("scripts/{name}"))
            .map(|file| (file.path.strip_suffix(".yaml").unwrap().to_owned(), file.text))
            .collect();
        assert_eq!(made.scripts, scripts, "{name}");
        made_files += 1;
    }
    assert!(made_files >= 180, "{made_files}");
}

/// Design, section 6: every kind on what it makes sense on, decoys among them, most with a witness.
#[test]
fn the_suite_has_enough_of_everything() {
    let suite = shipped();
    assert!(suite.len() >= 200, "{}", suite.len());
    let decoys = suite.iter().filter(|(_, loaded)| loaded.scenario.value.is_decoy()).count();
    is_share(decoys, suite.len(), 15);
    let has_witness = |name: &str| scenarios::scripts(name).unwrap().iter().any(ShippedScript::is_witness);
    is_share(suite.iter().filter(|(name, _)| has_witness(name)).count(), suite.len(), 80);
    let mut kinds = BTreeSet::new();
    let mut elsewhere = 0;
    for (_, Loaded { scenario, words, .. }) in &suite {
        let scenario = &scenario.value;
        let causes = scenario.accepted_root_causes(|fault| words.component_of(fault));
        elsewhere += usize::from(!causes.is_empty() && causes.iter().all(|c| c.component != scenario.task.agent));
        kinds.extend(causes.into_iter().flat_map(|cause| cause.kinds));
    }
    let missing: Vec<&FaultKind> =
        FaultKind::ALL.iter().filter(|kind| !NOT_IN_SOCK_SHOP.contains(kind) && !kinds.contains(kind)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    is_share(elsewhere, suite.len(), 8);
}
