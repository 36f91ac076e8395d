//! Tables of made-up episodes, against figures worked out by hand.

#![expect(clippy::float_cmp, reason = "figures that are exact by construction")]

use std::sync::Arc;

use polars::prelude::Column;
use serde_json::json;
use sim::scenario::Scenario;
use sim::score::EpisodeScore;
use sim::score::statistics::{Mean, MedianTime, Paired};

use super::{About, Episode, Episodes};
use crate::published::Part;
use crate::runs::Played;
use crate::scenarios;

fn about(name: &str, is_decoy: bool) -> Arc<About> {
    Arc::new(About {
        name: name.into(),
        suite: Some("acv".into()),
        form: "high",
        group: "slow".into(),
        part: Part::Faults,
        is_decoy,
    })
}

/// A score in which L3 was asked for and passed or not.
fn score(l3: bool, reward: f64) -> EpisodeScore {
    let value = json!({
        "levels": {"L3": {"passed": l3, "why": ""}},
        "judgements": [],
        "times": {"detect": {"seconds": 30.0, "censored": !l3}, "mitigate": null},
        "reward": [],
        "total": {"violations": {"cpu": reward}, "resources": 0.0, "actions": 0.0, "harm": 0.0},
        "credit": [],
        "regret": [],
        "conduct": {
            "steps": 6, "evaluations": 3, "rounds": 2, "delegations": 4, "right_delegations": 3, "tokens_in": 100,
            "tokens_out": 10, "cost_usd": 0.25, "think_s": 8.0, "actions": 1, "rejected": 0, "foreign": 0,
            "destructive": 0, "worse_than_nothing": 0, "over_budget": false
        }
    });
    serde_json::from_value(value).unwrap()
}

fn scored(l3: bool, reward: f64) -> Played {
    Played::Scored(Box::new(score(l3, reward)))
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn every_episode_has_its_row_also_those_without_a_score() {
    let scenario = about("acv/high/slow", false);
    let of = |seed, played| Episode::new(&scenario, "noop", seed, played);
    let episodes = vec![of(3, Played::Unplayed), of(2, Played::Void("no world".into())), of(1, scored(true, -4.0))];
    let table = Episodes::new(&names(&["noop", "absent"]), episodes);
    assert_eq!(table.contenders(), ["noop"]);
    let frame = table.frame();
    let texts = |name: &str| -> Vec<Option<String>> {
        let column = frame.column(name).and_then(Column::str).unwrap();
        (0..frame.height()).map(|row| column.get(row).map(str::to_owned)).collect()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(texts("state"), [some("scored"), some("void"), some("unplayed")], "in the order of seeds");
    assert_eq!(texts("why"), [None, some("no world"), None]);
    let passed = frame.column("l3").and_then(Column::bool).unwrap();
    assert_eq!([0, 1, 2].map(|row| passed.get(row)), [Some(true), None, None]);
    assert_eq!(frame.column("l4").unwrap().null_count(), 3, "it was not asked for");
    let reward = frame.column("reward_cpu").and_then(Column::f64).unwrap();
    assert_eq!([0, 1, 2].map(|row| reward.get(row)), [Some(-4.0), None, None]);
    let overview = table.overview();
    assert_eq!((overview.episodes, overview.void, overview.unplayed, overview.first_seed), (3, 1, 1, Some(1)));
}

#[test]
fn a_contender_is_summed_up_over_what_was_scored() {
    let (slow, nothing) = (about("acv/high/slow", false), about("acv/high/nothing", true));
    let episodes = vec![
        Episode::new(&slow, "a", 1, scored(true, -10.0)),
        Episode::new(&slow, "a", 2, scored(false, -30.0)),
        Episode::new(&slow, "a", 3, Played::Void("no world".into())),
        Episode::new(&nothing, "a", 1, scored(true, -4.0)),
        Episode::new(&nothing, "a", 2, Played::Unplayed),
    ];
    let rows = Episodes::new(&names(&["a"]), episodes.clone()).by_contender();
    let row = &rows[0];
    assert_eq!((row.scored, row.void, row.unplayed), (3, 1, 1));
    // One of two in the one scenario, one of one in the other: 3/4, and 2/3 of the episodes.
    assert_eq!(row.levels[2], Some(Mean { mean: 0.75, low: None, high: None }), "a single trial has no spread");
    assert_eq!(row.rates[2].map(|rate| (rate.passed, rate.of)), Some((2, 3)));
    assert_eq!(row.levels[3], None);
    assert_eq!(row.reward.map(|reward| reward.mean), Some(-12.0));
    assert_eq!((row.steps, row.rounds, row.changes), (Some(6.0), Some(2.0), Some(1.0)));
    assert_eq!(row.delegations, Some((9, 12)));
    assert_eq!(row.false_alarms.map(|alarms| (alarms.passed, alarms.of)), Some((1, 1)), "it changed something");
    assert_eq!((row.tokens_in, row.tokens_out, row.cost_usd, row.think_s), (100.0, 10.0, 0.75, 8.0));
    assert_eq!((row.detect.median, row.detect.censored), (Some(30.0), 1));
    assert_eq!(row.mitigate, MedianTime { median: None, low: None, high: None, censored: 0 });
    assert_eq!(row.credit, None);

    let table = Episodes::new(&names(&["a"]), episodes);
    let groups = table.by_group();
    assert_eq!(groups.len(), 1);
    assert_eq!((groups[0].group.as_str(), groups[0].scenarios), ("slow", 2));
    assert_eq!(groups[0].contenders, [[None, None, Some((2, 3)), None, None]]);

    let scenarios = table.by_scenario(None);
    let found: Vec<_> = scenarios
        .iter()
        .map(|row| {
            (row.summary.scenario.as_str(), row.scored, row.summary.trials, row.summary.void, row.summary.unplayed)
        })
        .collect();
    assert_eq!(found, [("acv/high/nothing", 1, 2, 0, 1), ("acv/high/slow", 2, 3, 1, 0)]);
    assert!(scenarios[0].is_decoy && !scenarios[1].is_decoy);
    assert_eq!(scenarios[1].delegations, Some((6, 8)));

    assert!(table.is_beside_the_paper());
    let paper = &table.paper("high")[0];
    assert_eq!(paper.levels.values().copied().collect::<Vec<_>>(), [(2, 3)]);
    assert_eq!(paper.steps[&Part::Faults], 2.0, "six steps in three evaluations");
    assert_eq!((paper.rounds[&Part::Faults], paper.delegation[&Part::Faults]), (2.0, (9, 12)));
    assert!(table.paper("low")[0].levels.is_empty());
}

/// The summary that is read from the table is the one that the scores themselves give.
#[test]
fn a_summary_does_not_depend_on_how_it_is_made() {
    let slow = about("acv/high/slow", false);
    let scores: Vec<EpisodeScore> = (0..8_u32).map(|n| score(n % 3 == 0, -1.5 * f64::from(n))).collect();
    let episodes = scores
        .iter()
        .zip(5..)
        .map(|(score, seed)| Episode::new(&slow, "a", seed, Played::Scored(Box::new(score.clone()))));
    let table = Episodes::new(&names(&["a"]), episodes.collect());
    let trials =
        sim::score::Trials { scenario: "acv/high/slow", model: "a", seed: 5, void: 0, unplayed: 0, wall_s: Some(2.0) };
    assert_eq!(table.by_scenario(Some(2.0))[0].summary, sim::score::summarize(&trials, &scores));
}

/// Counts of Altman et al. (Statistics with Confidence, 2000, table 6.2): 14 times both, 5 times only the first, 22 times
/// neither. `McNemar`'s exact P value is 2 / 2^5; of two contenders Holm doubles it.
#[test]
fn contenders_are_compared_pair_by_pair() {
    let slow = about("acv/high/slow", false);
    let mut episodes = Vec::new();
    for seed in 1..=41 {
        episodes.push(Episode::new(&slow, "first", seed, scored(seed <= 19, -10.0)));
        episodes.push(Episode::new(&slow, "second", seed, scored(seed <= 14, -30.0)));
        episodes.push(Episode::new(&slow, "third", seed, scored(seed <= 14, -30.0)));
    }
    // Without its other half an episode is no pair.
    episodes.push(Episode::new(&slow, "first", 42, scored(true, 0.0)));
    episodes.push(Episode::new(&slow, "second", 42, Played::Void("no world".into())));
    let table = Episodes::new(&names(&["first", "second", "third"]), episodes);
    assert_eq!(table.reference(), Some("first"));
    let differences = table.against("second");
    let found: Vec<_> = differences.iter().map(|row| (row.contender.as_str(), row.pairs)).collect();
    assert_eq!(found, [("first", 41), ("third", 41)]);
    let first = differences[0].levels[2].unwrap();
    assert_eq!(first.counts, Paired { both: 14, only_first: 5, only_second: 0, neither: 22 });
    let near = |found: f64, expected: f64| (found - expected).abs() < 5e-5;
    assert!(near(first.difference.mean, 5.0 / 41.0), "{first:?}");
    assert!(near(first.difference.low.unwrap(), 0.0115) && near(first.difference.high.unwrap(), 0.2265), "{first:?}");
    assert_eq!((first.p, first.p_adjusted), (0.0625, 0.125));
    let third = differences[1].levels[2].unwrap();
    assert_eq!((third.difference.mean, third.p, third.p_adjusted), (0.0, 1.0, 1.0));
    assert_eq!(differences[0].reward, Some(Mean { mean: 20.0, low: Some(20.0), high: Some(20.0) }));
    assert_eq!(differences[0].levels[3], None);
}

#[test]
fn floor_and_ceiling_are_no_reference() {
    let slow = about("acv/high/slow", false);
    let of = |contenders: &[&str]| {
        let episodes = contenders.iter().map(|name| Episode::new(&slow, name, 1, Played::Unplayed)).collect();
        Episodes::new(&names(contenders), episodes)
    };
    assert_eq!(of(&["noop", "hpa", "runbook", "oracle"]).reference(), Some("hpa"));
    assert_eq!(of(&["noop", "oracle"]).reference(), None);
}

/// A run folder holds scenarios as resolved: what is read from there is what was played.
#[test]
fn every_shipped_scenario_reads_back_from_its_resolved_form() {
    for name in scenarios::sample(20) {
        let loaded = scenarios::load(&name, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let text = serde_json::to_string_pretty(&loaded.scenario.value).unwrap();
        let back: Scenario = serde_json::from_str(&text).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(loaded.scenario.value, back, "{name}");
    }
}

#[test]
fn scenarios_are_grouped_by_what_is_wrong_in_them() {
    let about = |name: &str| About::of(&scenarios::load(name, &[]).unwrap().scenario.value);
    let stress = about("acv/low/cpu-stress");
    assert_eq!((stress.group.as_str(), stress.form, stress.part), ("low/cpu-stress", "low", Part::Faults));
    assert_eq!(stress.suite.as_deref(), Some("acv"));
    let fault = about("faults/bad-tag");
    assert_eq!((fault.group.as_str(), fault.is_decoy), ("bad-tag", false));
    for name in scenarios::shipped().iter().filter(|name| name.starts_with("acv/")) {
        assert!(name.starts_with(&format!("acv/{}/", about(name).form)), "{name}");
    }
}
