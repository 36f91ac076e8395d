//! The report for people, as text or Markdown.

use agents::render::Table;
use sim::score::statistics::{Concordance, Mean, Rate};

use super::differences::CORES_AT_ALL;
use super::order::Order;
use super::side::{ComponentSide, STRETCH_S, Side};
use super::{Compared, Held, Report};
use crate::commands::compare::report::median;

const LEGEND: &str = "\
What stands in front of a slash is the twin's, behind it live. Rewards with 95 % intervals; times are medians in seconds. Time
to Ready: from the change that mended it until every component under test had just the pods it wants, all Ready; the judge
looks every few seconds, and live its figures of load and CPU follow by up to half a minute.";

const STATUS: &str = "\
Objectives over time, a character for each 15 s from where the episode is scored: `.` they held at every look, `#` at none,
`+` at some, and nothing where no episode lasted as long.";

/// How many differences of one contender are shown.
const SHOWN: usize = 8;

pub(super) fn report(report: &Report, markdown: bool) -> String {
    let mut parts = vec![LEGEND.to_owned()];
    parts.extend(report.compared.iter().map(|one| self::one(one, markdown)));
    parts.push(order(&report.order));
    parts.push(held(&report.held));
    parts.extend(report.notes.iter().map(|note| format!("note: {note}")));
    parts.join("\n\n")
}

/// One scenario with one contender.
pub(super) fn one(one: &Compared, markdown: bool) -> String {
    let print = |table: &Table| if markdown { table.markdown() } else { table.text("nothing differs by 5 % or more") };
    let title = format!(
        "{}   {}, {} episodes in the twin, {} live{}",
        one.scenario,
        one.contender,
        scored(&one.twin),
        scored(&one.live),
        if one.live.summary.void > 0 { format!(" and {} void", one.live.summary.void) } else { String::new() }
    );
    let title = if markdown { format!("### {title}") } else { title };
    let over_time = [STATUS.to_owned(), status(&one.twin, "twin"), status(&one.live, "live")];
    let over_time = over_time.into_iter().chain(replicas(one)).collect::<Vec<_>>().join("\n");
    let over_time = if markdown { format!("```text\n{over_time}\n```") } else { over_time };
    let more = one.differences.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!("\nand {more} smaller ones") } else { String::new() };
    let differences = format!("{}{more}", print(&differences(one)));
    [title, print(&figures(one)), over_time, differences].join("\n\n")
}

fn scored(side: &Side) -> u32 {
    side.summary.trials.saturating_sub(side.summary.void)
}

fn figures(one: &Compared) -> Table {
    let mut table = Table::new(["WHAT", "TWIN", "LIVE"]).numbers_from(1);
    let (twin, live) = (&one.twin, &one.live);
    let mut row = |what: &str, cell: &dyn Fn(&Side) -> String| {
        let cells = [cell(twin), cell(live)];
        if cells.iter().any(|cell| !cell.is_empty()) {
            table.row(std::iter::once(what.to_owned()).chain(cells));
        }
    };
    let rate = |rate: Option<Rate>| rate.map_or(String::new(), |rate| format!("{}/{}", rate.passed, rate.of));
    row("L1", &|side| rate(side.summary.levels.l1));
    row("L2", &|side| rate(side.summary.levels.l2));
    row("L3", &|side| rate(side.summary.levels.l3));
    row("L4", &|side| rate(side.summary.levels.l4));
    row("L5", &|side| rate(side.summary.levels.l5));
    row("reward", &|side| side.summary.reward.as_ref().map_or(String::new(), reward));
    row("time to detect", &|side| median(&side.summary.ttd_s));
    row("time to mitigate", &|side| median(&side.summary.ttm_s));
    row("time to Ready", &|side| side.ready_after_s.map_or(String::new(), |seconds| format!("{seconds:.1}")));
    let components: Vec<&ComponentSide> =
        twin.components.iter().filter(|of| of.is_under_test || of.cpu >= CORES_AT_ALL).collect();
    for of in components {
        let name = &of.component;
        let find = |side: &Side| side.components.iter().find(|other| other.component == *name).cloned();
        row(&format!("CPU of {name}"), &|side| find(side).map_or(String::new(), |of| format!("{:.3}", of.cpu)));
        if of.is_under_test {
            let throttled = |of: ComponentSide| Some(format!("{:.0} %", 100.0 * of.throttled?));
            let cell = |side: &Side| find(side).and_then(throttled).unwrap_or_default();
            row(&format!("throttled of {name}"), &cell);
        }
    }
    let mut actions: Vec<&String> = twin.actions.keys().chain(live.actions.keys()).collect();
    actions.sort();
    actions.dedup();
    for action in actions {
        let times = |side: &Side| format!("{:.1}", side.actions.get(action).copied().unwrap_or(0.0));
        row(action, &times);
    }
    table
}

fn reward(reward: &Mean) -> String {
    match reward.low.zip(reward.high) {
        Some((low, high)) => format!("{:.0} ({low:.0} to {high:.0})", reward.mean),
        None => format!("{:.0}", reward.mean),
    }
}

fn status(side: &Side, world: &str) -> String {
    let mark = |green: Option<f64>| match green {
        None => ' ',
        Some(share) if share >= 1.0 => '.',
        Some(share) if share <= 0.0 => '#',
        Some(_) => '+',
    };
    format!("{world}   {}", side.green.iter().copied().map(mark).collect::<String>()).trim_end().to_owned()
}

/// Of components under test, and of those whose pods change.
fn replicas(one: &Compared) -> Vec<String> {
    let mut lines = Vec::new();
    for of in &one.twin.components {
        let live = one.live.components.iter().find(|other| other.component == of.component);
        let worlds = [("twin", Some(of)), ("live", live)];
        let shown: Vec<_> = worlds.into_iter().filter_map(|(world, side)| Some((world, changes(side?)))).collect();
        if of.is_under_test || shown.iter().any(|(_, changes)| changes.len() > 1) {
            lines.extend(shown.into_iter().map(|(world, changes)| {
                format!("{}, {world}, Ready of wanted pods: {}", of.component, changes.join(", "))
            }));
        }
    }
    lines
}

/// When the pods became others.
fn changes(side: &ComponentSide) -> Vec<String> {
    let mut changes: Vec<String> = Vec::new();
    let mut before = String::new();
    for (stretch, pods) in side.replicas.iter().enumerate() {
        let Some((wanted, ready)) = pods else { continue };
        let now = format!("{} of {}", plain(*ready), plain(*wanted));
        if now != before {
            changes.push(format!("{now} at {:.0} s", (stretch + 1) as f64 * STRETCH_S));
            before = now;
        }
    }
    changes
}

/// With a digit only where it is no whole number.
fn plain(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

fn differences(one: &Compared) -> Table {
    let mut table = Table::new(["DIFFERENCE", "TWIN", "LIVE", "SIZE"]).numbers_from(1);
    for difference in one.differences.iter().take(SHOWN) {
        let size = format!("{:.0} %", 100.0 * difference.size);
        table.row([difference.what.clone(), difference.twin.clone(), difference.live.clone(), size]);
    }
    table
}

fn order(order: &Order) -> String {
    let Order { apart, all, overlap_in_twin, overlap_live, without_interval, opposite } = order;
    let tau = |concordance: &Concordance| {
        let tau = concordance.tau_b.map_or_else(|| "not known".to_owned(), |tau| format!("{tau:.2}"));
        let Concordance { concordant, discordant, .. } = concordance;
        format!(
            "{tau} ({concordant} pairs in the same order, {discordant} in the opposite, {} in all)",
            concordance.pairs()
        )
    };
    let mut lines = vec![
        "Order of the contenders by reward, pairs within a scenario, all scenarios together: Kendall's tau-b"
            .to_owned(),
        format!("over pairs whose 95 % intervals do not overlap in either world: {}", tau(apart)),
        format!("over all pairs: {}", tau(all)),
        format!(
            "left out of the first: {overlap_in_twin} pairs overlap in the twin, {overlap_live} live; {without_interval} \
             have no interval"
        ),
    ];
    lines.extend(opposite.iter().map(|pair| format!("opposite: {pair}")));
    lines.join("\n")
}

fn held(held: &Held) -> String {
    let title = format!("{} of {} times to Ready and throttled ratios agree within 20 %", held.within, held.of);
    std::iter::once(title)
        .chain(held.beyond.iter().map(|figure| format!("beyond: {figure}")))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A figure with as many digits as say something.
pub(super) fn figure(value: f64) -> String {
    if value >= 10.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_told_where_they_change() {
        let side = ComponentSide {
            component: "carts".to_owned(),
            is_under_test: true,
            cpu: 0.1,
            throttled: None,
            replicas: vec![Some((1.0, 1.0)), Some((1.0, 1.0)), Some((1.0, 0.5)), None, Some((2.0, 2.0))],
        };
        assert_eq!(changes(&side), ["1 of 1 at 15 s", "0.5 of 1 at 45 s", "2 of 2 at 75 s"]);
        assert_eq!((figure(12.34), figure(0.123)), ("12".to_owned(), "0.12".to_owned()));
    }
}
