use std::collections::BTreeSet;

use super::*;
use crate::scenarios;
use sim::scenario::Script;

fn faults() -> Suite {
    Suite::load("faults").unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn first(suite: &Suite, seed: u64, n: usize) -> Vec<Made> {
    Draws::new(suite, seed).take(n).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// Whatever is drawn is a scenario with lists of actions; whether they pass is for the checks to say.
#[test]
fn what_the_templates_make_loads() {
    let suite = faults();
    for made in first(&suite, 5, 3 * suite.templates().len()) {
        let loaded = scenarios::load_source(&made.source(), &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        assert_eq!(loaded.scenario.value.name, made.name);
        for script in made.scripts.keys() {
            Script::load(&made.script(script).unwrap()).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        }
        assert_eq!(Origin::of(&made.scenario), Some(made.origin));
    }
}

#[test]
fn the_same_seed_draws_the_same_and_another_seed_does_not() {
    let suite = faults();
    assert_eq!(first(&suite, 1, 60), first(&suite, 1, 60));
    assert_ne!(first(&suite, 1, 60), first(&suite, 2, 60));
    // What was dropped is not drawn again, and leaves the draws of the other templates as they were.
    let mut draws = Draws::new(&suite, 1);
    let all = draws.take(60).unwrap();
    draws.drop(&all[0]);
    let other = draws.take(1).unwrap();
    assert!(!all.contains(&other[0]));
}

#[test]
fn templates_have_their_shares_and_axes_are_used_evenly() {
    let suite = faults();
    let shares: u32 = suite.templates().values().map(|template| template.share).sum();
    let made = first(&suite, 3, shares as usize);
    for (name, template) in suite.templates() {
        let of_it = made.iter().filter(|made| made.origin.template == *name).count();
        assert_eq!(of_it, template.share as usize, "{name}");
    }
    let template = &suite.templates()["cpu-stress"];
    let components = template.axes["component"].len() as u64;
    let used = |n| draws::parameters(3, "cpu-stress", template, n)["component"].to_string();
    let round: BTreeSet<String> = (components..2 * components).map(used).collect();
    assert_eq!(round.len() as u64, components, "each comes once in a round");
}

#[test]
fn what_is_wrong_with_a_suite_is_said() {
    let said = Suite::load("fault").err().unwrap().to_string();
    assert!(said.contains("did you mean `faults`?"), "{said}");
    let suite = faults();
    let said = suite.render("cpu-stress", &Parameters::new()).unwrap_err().to_string();
    assert!(said.contains("suite/faults/cpu-stress.yaml: name: the template does not render: undefined"), "{said}");
}
