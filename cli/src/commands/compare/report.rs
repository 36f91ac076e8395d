//! The tables of a comparison: contenders by level, then what is wrong by contender.

use agents::render::Table;
use datasets::published::{self, Published};
use sim::scenario::Level;
use sim::score::statistics::MedianTime;

use super::paper;
use super::results::Results;

const LEGEND: &str = "\
Levels in per cent with 95 % intervals, each scenario as heavy as the others (bootstrap over its trials). TTD and TTM are
median seconds to detect and to mitigate; 'never' where less than half did. False alarms: something was called wrong, or
changed, where nothing was.";

const BY_GROUP: &str = "By what is wrong: per cent passed of L3 / L4 / L5, or of the one level that a task asks for.";

const BESIDE_THE_PAPER: &str = "\
Beside the paper (arXiv 2407.14402, on a live cluster, graded by hand): per cent passed with counts, means per evaluation.";

pub(super) fn text(results: &Results, markdown: bool) -> String {
    let print = |table: &Table| if markdown { table.markdown() } else { table.text("nothing was played") };
    let published = results.is_beside_the_paper().then(published::acv).and_then(Result::ok);
    let mut parts = vec![results.title(), print(&contenders(results)), LEGEND.to_owned()];
    if let Some(published) = &published {
        parts.extend([BESIDE_THE_PAPER.to_owned(), print(&paper::table(results, published))]);
    }
    parts.extend([BY_GROUP.to_owned(), print(&groups(results, published.as_ref()))]);
    parts.join("\n\n")
}

fn contenders(results: &Results) -> Table {
    let levels: Vec<Level> = Level::ALL
        .into_iter()
        .filter(|level| (0..results.contenders.len()).any(|c| results.level(c, *level).is_some()))
        .collect();
    let mut header = vec!["CONTENDER".to_owned()];
    header.extend(levels.iter().map(|level| format!("{level:?}")));
    header.extend(["REWARD", "TTD", "TTM", "STEPS", "ROUNDS", "CHANGES", "FALSE ALARMS"].map(str::to_owned));
    let mut table = Table::new(header).numbers_from(1);
    for (contender, name) in results.contenders.iter().enumerate() {
        let mut row = vec![name.clone()];
        row.extend(levels.iter().map(|level| rate(results, contender, *level)));
        row.push(results.reward(contender).map_or(String::new(), |reward| format!("{:.0}", reward.mean)));
        row.push(median(&results.median(contender, |score| score.times.detect)));
        row.push(median(&results.median(contender, |score| score.times.mitigate)));
        row.push(format!("{:.1}", results.mean(contender, |score| f64::from(score.conduct.steps))));
        row.push(format!("{:.1}", results.mean(contender, |score| f64::from(score.conduct.rounds))));
        row.push(format!("{:.1}", results.mean(contender, |score| f64::from(score.conduct.actions))));
        let alarms = results.false_alarms(contender);
        row.push(alarms.map_or(String::new(), |alarms| format!("{} of {}", alarms.passed, alarms.of)));
        table.row(row);
    }
    table
}

fn rate(results: &Results, contender: usize, level: Level) -> String {
    let Some(rate) = results.level(contender, level) else { return String::new() };
    let percent = |share: f64| format!("{:.0}", share * 100.0);
    match (rate.low, rate.high) {
        (Some(low), Some(high)) => format!("{} ({} to {})", percent(rate.mean), percent(low), percent(high)),
        _ => percent(rate.mean),
    }
}

fn median(time: &MedianTime) -> String {
    match time.median {
        Some(seconds) => format!("{seconds:.0}"),
        None if time.censored > 0 => "never".to_owned(),
        None => String::new(),
    }
}

fn groups(results: &Results, published: Option<&Published>) -> Table {
    let mut header = vec!["WHAT".to_owned(), "SCENARIOS".to_owned()];
    header.extend(published.map(|published| published.name.clone()));
    header.extend(results.contenders.iter().cloned());
    let mut table = Table::new(header).numbers_from(1);
    for (group, scenarios) in results.groups() {
        let mut row = vec![group.to_owned(), scenarios.to_string()];
        row.extend(published.map(|p| paper::share(p.scenarios.get(&format!("acv/{group}")).copied())));
        row.extend((0..results.contenders.len()).map(|contender| {
            let shares = Level::ALL.into_iter().filter_map(|level| results.in_group(group, contender, level));
            shares.map(|share| format!("{:.0}", share * 100.0)).collect::<Vec<_>>().join(" / ")
        }));
        table.row(row);
    }
    table
}
