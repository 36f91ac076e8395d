//! `sockpit run`: the summary of an episode or several.

use serde_json::Value;

use super::{json, keys, stdout};

#[test]
fn the_json_summary_has_exactly_the_promised_fields() {
    let summary = json(&["run", "acv/low/pod-failure", "--model", "noop", "--trials", "2", "--seed", "7", "--json"]);
    let mut promised = [
        "scenario",
        "model",
        "trials",
        "seed",
        "levels",
        "reward",
        "ttd_s",
        "ttm_s",
        "steps",
        "rounds",
        "tokens_in",
        "tokens_out",
        "cost_usd",
        "void",
        "unplayed",
        "wall_s",
    ];
    let mut found = keys(&summary);
    promised.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, promised);
    assert_eq!((&summary["trials"], &summary["seed"], &summary["void"]), (&2.into(), &7.into(), &0.into()));
    assert_eq!((&summary["scenario"], &summary["model"]), (&"acv/low/pod-failure".into(), &"noop".into()));
    assert_eq!(keys(&summary["levels"]), ["L1", "L2", "L3", "L4", "L5"]);
    assert_eq!((&summary["levels"]["L1"], &summary["levels"]["L2"]), (&Value::Null, &Value::Null));
    for asked in ["L3", "L4", "L5"] {
        let mut level = keys(&summary["levels"][asked]);
        level.sort_unstable();
        assert_eq!(level, ["high", "low", "of", "passed"], "{asked}");
    }
    assert_eq!(summary["levels"]["L5"]["passed"], 0, "whoever does nothing mends nothing");
    for (field, expected) in [
        ("reward", &["high", "low", "mean"][..]),
        ("ttd_s", &["censored", "high", "low", "median"]),
        ("ttm_s", &["censored", "high", "low", "median"]),
    ] {
        let mut found = keys(&summary[field]);
        found.sort_unstable();
        assert_eq!(found, expected, "{field}");
    }
    assert_eq!(summary["ttm_s"]["censored"], 2);
}

#[test]
fn the_text_names_every_level_that_the_scenario_asks_for() {
    let text = stdout(&["run", "acv/low/pod-failure", "--model", "runbook"]);
    for expected in ["acv/low/pod-failure   runbook, 1 episodes from seed 1", "L3", "L4", "L5", "Reward", "Time to"] {
        assert!(text.contains(expected), "{expected} is missing:\n{text}");
    }
    assert!(!text.contains("L1"), "{text}");
}
