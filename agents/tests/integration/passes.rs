//! What passes a scenario and what does not: witnesses, wrong moves, the floor, the runbook.

use agents::episode::Cast;
use agents::policy::{Noop, group, runbook};
use datasets::scenarios::{self, ShippedScript};
use sim::scenario::Level;

use crate::play::{Episode, shipped};

/// The faults of the paper, each on one service and under a manager.
const FAULTS: [&str; 5] = ["pod-failure", "fake-image", "bad-tag", "cpu-stress", "rising-traffic"];

/// How many of the scenarios that are made of templates are played; `sockpit scenario check --suite faults` plays all.
const MADE: usize = 10;

/// Everything that is not as it should be, said at once.
fn check(mistakes: &[String]) {
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

fn scripts(scenario: &str) -> Vec<ShippedScript> {
    scenarios::scripts(scenario).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

#[test]
fn a_witness_passes_every_level_of_its_scenario() {
    let mut failed = Vec::new();
    for scenario in scenarios::sample(MADE) {
        let loaded = shipped(&scenario);
        for witness in scripts(&scenario).into_iter().filter(ShippedScript::is_witness) {
            for seed in 1..=3 {
                let episode = Episode::play_by(&loaded, seed, Cast::of_script(&witness.script));
                let wrong = episode.levels().filter(|(_, outcome)| !outcome.passed);
                failed.extend(wrong.map(|(level, outcome)| {
                    format!("{scenario} {} seed {seed}: {level:?}: {}", witness.name, outcome.why)
                }));
            }
        }
    }
    check(&failed);
}

#[test]
fn a_wrong_move_does_not_bring_the_result_that_was_asked_for() {
    let mut passed = Vec::new();
    let mut played = 0;
    for scenario in scenarios::sample(MADE) {
        let loaded = shipped(&scenario);
        for wrong in scripts(&scenario).into_iter().filter(|script| !script.is_witness()) {
            for seed in 1..=3 {
                let episode = Episode::play_by(&loaded, seed, Cast::of_script(&wrong.script));
                played += 1;
                let right = episode.results().filter(|(_, outcome)| outcome.passed);
                passed.extend(right.map(|(level, outcome)| {
                    format!("{scenario} {} seed {seed}: {level:?}: {}", wrong.name, outcome.why)
                }));
            }
        }
    }
    check(&passed);
    assert!(played >= 30, "only {played} wrong moves are played");
}

#[test]
fn doing_nothing_brings_no_result_but_in_a_decoy() {
    let mut wrong = Vec::new();
    for scenario in scenarios::sample(MADE) {
        let loaded = shipped(&scenario);
        let decoy = loaded.scenario.value.is_decoy();
        let episode = Episode::play_by(&loaded, 1, Cast::of_agents(|_| Box::new(Noop)).under(Noop));
        let found = episode.results().filter(|(_, outcome)| outcome.passed != decoy);
        wrong.extend(found.map(|(level, outcome)| format!("{scenario}: {level:?}: {}", outcome.why)));
    }
    check(&wrong);
}

#[test]
fn the_runbook_notices_finds_and_mends_the_papers_faults() {
    let mut failed = Vec::new();
    let both = |fault: &str| ["low", "high"].map(|form| format!("acv/{form}/{fault}"));
    for scenario in FAULTS.into_iter().flat_map(both) {
        let loaded = shipped(&scenario);
        for seed in 1..=5 {
            let cast = Cast::of_agents(|_| Box::new(runbook())).under(group::runbook());
            let episode = Episode::play_by(&loaded, seed, cast);
            let asked: Vec<Level> = episode.levels().map(|(level, _)| level).collect();
            assert_eq!(asked, [Level::L3, Level::L4, Level::L5], "{scenario}");
            let wrong = episode.levels().filter(|(_, outcome)| !outcome.passed);
            failed.extend(wrong.map(|(level, outcome)| format!("{scenario} seed {seed}: {level:?}: {}", outcome.why)));
        }
    }
    check(&failed);
}

/// Half a minute of health is too little to know how much CPU a request takes; the process that replaces the old one shows
/// it.
#[test]
fn the_runbook_knows_stress_in_hindsight() {
    let loaded = shipped("live/cpu-stress");
    let mut failed = Vec::new();
    for seed in 1..=5 {
        let episode = Episode::play(&loaded, seed, Box::new(runbook()));
        let wrong = episode.levels().filter(|(_, outcome)| !outcome.passed);
        failed.extend(wrong.map(|(level, outcome)| format!("seed {seed}: {level:?}: {}", outcome.why)));
    }
    check(&failed);
}
