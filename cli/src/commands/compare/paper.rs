//! The paper's own tables (arXiv 2407.14402, tables 3 to 6) beside the contenders: levels, steps, rounds and right
//! delegations of the tasks of one agent (low) and of a group (high).

use agents::render::Table;
use datasets::analysis::Episodes;
use datasets::published::{Figures, Part, Published, Share};
use sim::scenario::Level;

pub(super) fn table(episodes: &Episodes, published: &Published) -> Table {
    let mut header = vec!["FORM".to_owned(), "WHAT".to_owned(), published.name.clone()];
    header.extend(episodes.contenders().iter().cloned());
    let mut table = Table::new(header).numbers_from(2);
    for (form, figures) in [("low", &published.low), ("high", &published.high)] {
        for row in rows(form, figures, &episodes.paper(form)) {
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

impl Row {
    /// One figure of what was published and of each contender.
    fn new(what: String, published: &Figures, played: &[Figures], cell: impl Fn(&Figures) -> String) -> Self {
        Self { what, published: cell(published), played: played.iter().map(&cell).collect() }
    }
}

/// The rows of one form for which anything was played.
fn rows(form: &str, published: &Figures, played: &[Figures]) -> Vec<Row> {
    let mut rows = Vec::new();
    for level in Level::ALL {
        let passed = |figures: &Figures| share(figures.levels.get(&level).copied());
        rows.push(Row::new(format!("{level:?} passed"), published, played, passed));
    }
    for part in Part::ALL {
        let steps = |figures: &Figures| number(figures.steps.get(&part).copied());
        rows.push(Row::new(format!("steps, {}", part.name()), published, played, steps));
        if form == "high" {
            let rounds = |figures: &Figures| number(figures.rounds.get(&part).copied());
            rows.push(Row::new(format!("rounds, {}", part.name()), published, played, rounds));
            let right = |figures: &Figures| share(figures.delegation.get(&part).copied());
            rows.push(Row::new(format!("right delegations, {}", part.name()), published, played, right));
        }
    }
    rows.retain(|row| row.played.iter().any(|cell| !cell.is_empty()));
    rows
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
