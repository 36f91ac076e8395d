//! The tables of a comparison: contenders by level, beside the paper, by what is wrong, and pair by pair.

use agents::render::Table;
use datasets::analysis::{ContenderRow, Episodes, Overview};
use datasets::published::{self, Published, Share};
use sim::scenario::Level;
use sim::score::statistics::{Mean, MedianTime, Rate};

use super::{paired, paper};

const LEGEND: &str = "\
Levels in per cent with 95 % intervals, each scenario as heavy as the others (bootstrap over its trials). TTD and TTM are
median seconds to detect and to mitigate; 'never' where less than half did. False alarms: something was called wrong, or
changed, where nothing was.";

const BY_LEVEL: &str =
    "By level: per cent passed with 95 % intervals after Wilson, each episode as heavy as the others.";

const BY_GROUP: &str = "By what is wrong: per cent passed of L3 / L4 / L5, or of the one level that a task asks for.";

const BESIDE_THE_PAPER: &str = "\
Beside the paper (arXiv 2407.14402, on a live cluster, graded by hand): per cent passed with counts, means per evaluation.";

pub(super) fn text(episodes: &Episodes, reference: Option<&str>, wall_s: Option<f64>, markdown: bool) -> String {
    let print = |table: &Table| if markdown { table.markdown() } else { table.text("nothing was played") };
    let rows = episodes.by_contender();
    let published = episodes.is_beside_the_paper().then(published::acv).and_then(Result::ok);
    let mut parts = vec![title(&episodes.overview(), wall_s), print(&contenders(&rows)), LEGEND.to_owned()];
    parts.extend([BY_LEVEL.to_owned(), print(&levels(&rows))]);
    if let Some(published) = &published {
        parts.extend([BESIDE_THE_PAPER.to_owned(), print(&paper::table(episodes, published))]);
    }
    parts.extend([BY_GROUP.to_owned(), print(&groups(episodes, published.as_ref()))]);
    if let Some(reference) = reference {
        let differences = episodes.against(reference);
        if !differences.is_empty() {
            parts.extend([paired::legend(reference), print(&paired::table(&differences))]);
        }
    }
    parts.join("\n\n")
}

/// One line that says what was played.
fn title(overview: &Overview, wall_s: Option<f64>) -> String {
    let from = overview.first_seed.map_or(String::new(), |seed| format!(" from {seed}"));
    let took = wall_s.map_or(String::new(), |seconds| format!(" in {seconds:.0} s"));
    let missing = [(overview.void, "void"), (overview.unplayed, "unplayed")];
    let missing = missing.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!(", {n} {what}"));
    format!(
        "{} scenarios, {} contenders, {} seeds{from}: {} episodes{took}{}",
        overview.scenarios,
        overview.contenders,
        overview.seeds,
        overview.episodes,
        missing.collect::<String>()
    )
}

/// A column that only stands where somebody has a figure for it.
struct Column {
    header: &'static str,
    cell: fn(&ContenderRow) -> String,
    is_there: fn(&ContenderRow) -> bool,
}

impl Column {
    const fn always(header: &'static str, cell: fn(&ContenderRow) -> String) -> Self {
        Self { header, cell, is_there: |_| true }
    }
}

/// Everything behind the levels.
static COLUMNS: [Column; 15] = [
    Column::always("REWARD", |row| row.reward.map_or(String::new(), |reward| format!("{:.0}", reward.mean))),
    Column {
        header: "CREDIT",
        cell: |row| row.credit.map_or(String::new(), |credit| format!("{credit:+.0}")),
        is_there: |row| row.credit.is_some(),
    },
    Column::always("TTD", |row| median(&row.detect)),
    Column::always("TTM", |row| median(&row.mitigate)),
    Column::always("STEPS", |row| one_digit(row.steps)),
    Column::always("ROUNDS", |row| one_digit(row.rounds)),
    Column {
        header: "RIGHT DELEGATIONS",
        cell: |row| row.delegations.map_or(String::new(), of),
        is_there: |row| row.delegations.is_some(),
    },
    Column::always("CHANGES", |row| one_digit(row.changes)),
    Column::always("FALSE ALARMS", |row| row.false_alarms.map_or(String::new(), |a| of((a.passed, a.of)))),
    Column { header: "TOKENS IN", cell: |row| format!("{:.0}", row.tokens_in), is_there: ContenderRow::asked_a_model },
    Column {
        header: "TOKENS OUT",
        cell: |row| format!("{:.0}", row.tokens_out),
        is_there: ContenderRow::asked_a_model,
    },
    Column { header: "THINKING", cell: |row| format!("{:.0}", row.think_s), is_there: ContenderRow::asked_a_model },
    Column { header: "USD", cell: |row| format!("{:.2}", row.cost_usd), is_there: ContenderRow::asked_a_model },
    Column { header: "VOID", cell: |row| row.void.to_string(), is_there: |row| row.void > 0 },
    Column { header: "UNPLAYED", cell: |row| row.unplayed.to_string(), is_there: |row| row.unplayed > 0 },
];

fn contenders(rows: &[ContenderRow]) -> Table {
    let levels: Vec<Level> =
        Level::ALL.into_iter().filter(|level| rows.iter().any(|row| row.levels[*level as usize].is_some())).collect();
    let columns: Vec<&Column> = COLUMNS.iter().filter(|column| rows.iter().any(column.is_there)).collect();
    let mut header = vec!["CONTENDER".to_owned()];
    header.extend(levels.iter().map(|level| format!("{level:?}")));
    header.extend(columns.iter().map(|column| column.header.to_owned()));
    let mut table = Table::new(header).numbers_from(1);
    for row in rows {
        let mut cells = vec![row.contender.clone()];
        cells.extend(levels.iter().map(|level| row.levels[*level as usize].map_or(String::new(), percent)));
        cells.extend(columns.iter().map(|column| (column.cell)(row)));
        table.row(cells);
    }
    table
}

/// One row for each level, with the counts of every contender.
fn levels(rows: &[ContenderRow]) -> Table {
    let header = std::iter::once("LEVEL".to_owned()).chain(rows.iter().map(|row| row.contender.clone()));
    let mut table = Table::new(header).numbers_from(1);
    for level in Level::ALL {
        let rates: Vec<Option<Rate>> = rows.iter().map(|row| row.rates[level as usize]).collect();
        if rates.iter().any(Option::is_some) {
            let cells = rates.into_iter().map(|rate| rate.map_or(String::new(), counted));
            table.row(std::iter::once(format!("{level:?}")).chain(cells));
        }
    }
    table
}

fn counted(rate: Rate) -> String {
    format!("{}/{} ({:.0} to {:.0})", rate.passed, rate.of, 100.0 * rate.low, 100.0 * rate.high)
}

/// A share in per cent with its interval.
fn percent(rate: Mean) -> String {
    let percent = |share: f64| format!("{:.0}", share * 100.0);
    match rate.low.zip(rate.high) {
        Some((low, high)) => format!("{} ({} to {})", percent(rate.mean), percent(low), percent(high)),
        None => percent(rate.mean),
    }
}

/// Seconds, `never` where nothing came in time, and nothing where there was nothing to time.
pub(in crate::commands) fn median(time: &MedianTime) -> String {
    match time.median {
        Some(seconds) => format!("{seconds:.0}"),
        None if time.censored > 0 => "never".to_owned(),
        None => String::new(),
    }
}

fn one_digit(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| format!("{value:.1}"))
}

fn of((part, of): Share) -> String {
    format!("{part} of {of}")
}

fn groups(episodes: &Episodes, published: Option<&Published>) -> Table {
    let mut header = vec!["WHAT".to_owned(), "SCENARIOS".to_owned()];
    header.extend(published.map(|published| published.name.clone()));
    header.extend(episodes.contenders().iter().cloned());
    let mut table = Table::new(header).numbers_from(1);
    for row in episodes.by_group() {
        let mut cells = vec![row.group.clone(), row.scenarios.to_string()];
        cells.extend(published.map(|p| paper::share(p.scenarios.get(&format!("acv/{}", row.group)).copied())));
        cells.extend(row.contenders.iter().map(|levels| {
            let shares = levels.iter().flatten();
            shares
                .map(|(n, of)| format!("{:.0}", 100.0 * f64::from(*n) / f64::from(*of)))
                .collect::<Vec<_>>()
                .join(" / ")
        }));
        table.row(cells);
    }
    table
}
