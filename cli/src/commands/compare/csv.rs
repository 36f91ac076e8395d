//! One tidy table as CSV: a row for each scenario and contender, a column for each figure.
//!
//! What is not known is empty. Rates are in parts of one, times in seconds, rewards in points, prices in US dollars.

use datasets::analysis::ScenarioRow;
use sim::score::statistics::{Mean, MedianTime, Rate};

pub(super) fn text(rows: &[ScenarioRow]) -> String {
    let header = header().join(",");
    let lines = rows.iter().map(|row| cells(row).iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(","));
    std::iter::once(header).chain(lines).collect::<Vec<_>>().join("\n")
}

fn header() -> Vec<String> {
    let mut names: Vec<String> =
        ["scenario", "suite", "group", "part", "decoy", "contender", "seed", "trials", "scored", "void", "unplayed"]
            .map(str::to_owned)
            .into();
    for level in ["l1", "l2", "l3", "l4", "l5"] {
        names.extend(["passed", "of", "low", "high"].map(|figure| format!("{level}_{figure}")));
    }
    names.extend(["reward", "reward_low", "reward_high"].map(str::to_owned));
    for time in ["ttd_s", "ttm_s"] {
        names.extend(["median", "low", "high", "never"].map(|figure| format!("{time}_{figure}")));
    }
    let conduct = ["steps", "rounds", "changes", "delegations", "right_delegations"];
    names.extend(conduct.map(str::to_owned));
    names.extend(["tokens_in", "tokens_out", "cost_usd"].map(str::to_owned));
    names
}

fn cells(row: &ScenarioRow) -> Vec<String> {
    let summary = &row.summary;
    let mut cells = vec![
        summary.scenario.clone(),
        row.suite.clone().unwrap_or_default(),
        row.group.clone(),
        row.part.clone(),
        row.is_decoy.to_string(),
        summary.model.clone(),
        summary.seed.to_string(),
        summary.trials.to_string(),
        row.scored.to_string(),
        summary.void.to_string(),
        summary.unplayed.to_string(),
    ];
    let levels = &summary.levels;
    for rate in [levels.l1, levels.l2, levels.l3, levels.l4, levels.l5] {
        cells.extend(of_rate(rate));
    }
    cells.extend(of_mean(summary.reward));
    for time in [summary.ttd_s, summary.ttm_s] {
        cells.extend(of_time(&time));
    }
    // A mean of nothing is unknown, not zero.
    let mean = |value: f64| if row.scored > 0 { value.to_string() } else { String::new() };
    let (right, delegations) = row.delegations.unwrap_or_default();
    cells.extend([mean(summary.steps), mean(summary.rounds), shown(row.changes)]);
    cells.extend([delegations.to_string(), right.to_string()]);
    cells.extend([mean(summary.tokens_in), mean(summary.tokens_out), summary.cost_usd.to_string()]);
    cells
}

fn of_rate(rate: Option<Rate>) -> [String; 4] {
    [
        shown(rate.map(|rate| rate.passed)),
        shown(rate.map(|rate| rate.of)),
        shown(rate.map(|rate| rate.low)),
        shown(rate.map(|rate| rate.high)),
    ]
}

fn of_mean(mean: Option<Mean>) -> [String; 3] {
    [shown(mean.map(|mean| mean.mean)), shown(mean.and_then(|mean| mean.low)), shown(mean.and_then(|mean| mean.high))]
}

fn of_time(time: &MedianTime) -> [String; 4] {
    [shown(time.median), shown(time.low), shown(time.high), time.censored.to_string()]
}

fn shown(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// A cell with what would end it made harmless (RFC 4180).
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_would_end_early_are_quoted() {
        for (cell, expected) in [("plain", "plain"), ("a,b", "\"a,b\""), ("say \"a\"", "\"say \"\"a\"\"\"")] {
            assert_eq!(quoted(cell), expected);
        }
    }

    #[test]
    fn every_figure_has_its_column() {
        let summary = sim::score::summarize(
            &sim::score::Trials { scenario: "a", model: "noop", seed: 1, void: 1, unplayed: 2, wall_s: None },
            &[],
        );
        let row = ScenarioRow {
            suite: None,
            group: "a".into(),
            part: "L1".into(),
            is_decoy: false,
            scored: 0,
            changes: None,
            delegations: None,
            summary,
        };
        assert_eq!(cells(&row).len(), header().len());
        let text = text(&[row]);
        assert_eq!(
            text.lines().nth(1).unwrap().split(',').take(11).collect::<Vec<_>>().join(","),
            "a,,a,L1,false,noop,1,3,0,1,2"
        );
    }
}
