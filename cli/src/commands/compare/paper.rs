//! The paper's own tables (arXiv 2407.14402, tables 3 to 6) beside the contenders: levels, steps, rounds and right
//! delegations of the tasks of one agent (low) and of a group (high).

use agents::render::Table;
use datasets::published::{Figures, Part, Published, Share};
use sim::scenario::Level;
use sim::score::EpisodeScore;

use super::results::Results;

/// The two forms of the suite, as its names begin.
const FORMS: [(&str, &str); 2] = [("low", "acv/low/"), ("high", "acv/high/")];

pub(super) fn table(results: &Results, published: &Published) -> Table {
    let mut header = vec!["FORM".to_owned(), "WHAT".to_owned(), published.name.clone()];
    header.extend(results.contenders.iter().cloned());
    let mut table = Table::new(header).numbers_from(2);
    for (form, prefix) in FORMS {
        let figures = if form == "low" { &published.low } else { &published.high };
        for row in rows(results, prefix, figures) {
            let cells = [form.to_owned(), row.what, row.published];
            table.row(cells.into_iter().chain(row.played).collect::<Vec<_>>());
        }
    }
    table
}

struct Row {
    what: String,
    published: String,
    played: Vec<String>,
}

/// The rows of one form for which anything was played.
fn rows(results: &Results, prefix: &str, figures: &Figures) -> Vec<Row> {
    let contenders = 0..results.contenders.len();
    let mut rows = Vec::new();
    for level in Level::ALL {
        rows.push(Row {
            what: format!("{level:?} passed"),
            published: share(figures.levels.get(&level).copied()),
            played: contenders.clone().map(|c| share(passed(results, prefix, c, level))).collect(),
        });
    }
    for part in Part::ALL {
        let of = |c| results.of_part(prefix, part, c);
        let mean = |c, value: fn(&EpisodeScore) -> f64| mean(of(c).map(value));
        let per_evaluation = |s: &EpisodeScore| f64::from(s.conduct.steps) / f64::from(s.conduct.evaluations.max(1));
        rows.push(Row {
            what: format!("steps, {}", name(part)),
            published: number(figures.steps.get(&part).copied()),
            played: contenders.clone().map(|c| number(mean(c, per_evaluation))).collect(),
        });
        if prefix.contains("high") {
            rows.push(Row {
                what: format!("rounds, {}", name(part)),
                published: number(figures.rounds.get(&part).copied()),
                played: contenders.clone().map(|c| number(mean(c, |s| f64::from(s.conduct.rounds)))).collect(),
            });
            rows.push(Row {
                what: format!("right delegations, {}", name(part)),
                published: share(figures.delegation.get(&part).copied()),
                played: contenders.clone().map(|c| share(delegations(of(c)))).collect(),
            });
        }
    }
    rows.retain(|row| row.played.iter().any(|cell| !cell.is_empty()));
    rows
}

fn name(part: Part) -> &'static str {
    match part {
        Part::L1 => "L1",
        Part::L2 => "L2",
        Part::Faults => "faults",
    }
}

fn passed(results: &Results, prefix: &str, contender: usize, level: Level) -> Option<Share> {
    let scores = results.of_prefix(prefix, contender);
    let outcomes: Vec<bool> = scores.filter_map(|score| Some(score.levels.get(level)?.passed)).collect();
    (!outcomes.is_empty()).then(|| (outcomes.iter().filter(|passed| **passed).count() as u32, outcomes.len() as u32))
}

fn delegations<'s>(scores: impl Iterator<Item = &'s EpisodeScore>) -> Option<Share> {
    let sum = scores
        .fold((0, 0), |(right, of), score| (right + score.conduct.right_delegations, of + score.conduct.delegations));
    (sum.1 > 0).then_some(sum)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    (n > 0.0).then_some(sum / n)
}

/// Per cent, with the counts from which they come.
pub(super) fn share(share: Option<Share>) -> String {
    share.map_or(String::new(), |(passed, of)| {
        format!("{:.0} ({passed}/{of})", 100.0 * f64::from(passed) / f64::from(of.max(1)))
    })
}

fn number(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| format!("{value:.1}"))
}
