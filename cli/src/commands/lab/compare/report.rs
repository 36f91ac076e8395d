//! The comparison as text, as Markdown and as data.

mod difference;
mod disturbance;

use agents::render::Table;
use serde::Serialize;
use sim::time::SimDuration;

use self::difference::{Difference, differences};
use self::disturbance::DisturbedAt;
use super::case::Case;
use super::live::{Live, Network};
use super::record::Record;
use super::side::{ComponentSide, RequestSide, Side};
use super::story::{self, Row};
use super::times::{self, Time};
use crate::commands::figures::{ms, percent, rate};

/// One case, both sides.
#[derive(Debug, Serialize)]
pub(super) struct Compared {
    name: String,
    description: String,
    load: String,
    /// Age of the application when the load began.
    age_s: f64,
    measured_s: f64,
    /// Why it says nothing about the twin: the machine itself was the bottleneck.
    void: Option<String>,
    /// Share of the machine's time that nobody used.
    idle: f64,
    network: Network,
    /// CPU time of the load generator for a request.
    client: SimDuration,
    twin: Side,
    lab: Side,
    /// When the first fault or action came, in seconds since the load began; null if none did.
    disturbed_s: Option<DisturbedAt>,
    /// How long each side took to show it, to be Ready again and to serve again; empty if nothing was disturbed.
    times: Vec<Time>,
    /// What happened to the objects since then; empty if nothing was disturbed.
    happened: Vec<Row>,
    differences: Vec<Difference>,
}

impl Compared {
    /// `plays` are the twin's; what happened to objects is told of the first.
    pub(super) fn new(case: &Case, live: Live, twin: Side, plays: &[Record]) -> Self {
        let (lab, lab_record) = (live.side, live.record);
        let first = plays.first().cloned().unwrap_or_default();
        let disturbed = first.disturbed_at.zip(lab_record.disturbed_at);
        let times = times::side_by_side(plays, &lab_record);
        Self {
            name: case.name.clone(),
            description: case.description.clone(),
            load: case.load.clone(),
            age_s: live.ages.load.0 as f64 / 1e9,
            measured_s: case.duration.as_secs_f64(),
            void: live.void,
            idle: live.idle,
            network: live.network,
            client: live.client,
            disturbed_s: disturbed.map(|(twin, lab)| DisturbedAt { twin: twin.as_secs_f64(), lab: lab.as_secs_f64() }),
            differences: differences(&twin, &lab, &times),
            happened: story::side_by_side(&first, &lab_record),
            times,
            twin,
            lab,
        }
    }
}

pub(super) fn text(one: &Compared) -> String {
    let mut parts = vec![head(one), requests(one).text("no requests"), components(one).text("no components")];
    match one.disturbed_s {
        Some(at) => parts.extend(disturbance::text(at, &one.times, &one.happened)),
        None => parts.extend(timeline(one)),
    }
    parts.join("\n\n")
}

fn head(one: &Compared) -> String {
    let mut lines = vec![
        format!("{}: {}", one.name, one.load),
        format!(
            "{:.0} s measured, the application {:.0} s old when the load began; the machine was {} idle",
            one.measured_s,
            one.age_s,
            percent(one.idle)
        ),
        format!(
            "a message takes {} within a node and {} between two, and the client {} of CPU for a request",
            one.network.within_node, one.network.between_nodes, one.client
        ),
    ];
    lines.extend(one.void.as_ref().map(|why| format!("VOID: {why}")));
    lines.join("\n")
}

fn beside(twin: impl Into<Option<f64>>, lab: impl Into<Option<f64>>, show: impl Fn(Option<f64>) -> String) -> String {
    let (twin, lab) = (twin.into(), lab.into());
    format!("{} / {}", show(twin), show(lab))
}

fn off(twin: Option<f64>, lab: Option<f64>) -> String {
    match (twin, lab) {
        (Some(twin), Some(lab)) if lab > 0.0 => format!("{:+.0} %", (twin / lab - 1.0) * 100.0),
        _ => String::new(),
    }
}

fn requests(one: &Compared) -> Table {
    let headers = ["REQUEST (twin / lab)", "REQ/S", "ERRORS", "MEAN ms", "", "P50 ms", "P99 ms", ""];
    let mut table = Table::new(headers).numbers_from(1);
    let nothing = RequestSide::default();
    for (name, lab) in &one.lab.requests {
        let twin = one.twin.requests.get(name).unwrap_or(&nothing);
        table.row([
            name.clone(),
            beside(twin.rps, lab.rps, |v| v.map_or_else(String::new, rate)),
            beside(twin.error_rate, lab.error_rate, |v| v.map_or_else(String::new, percent)),
            beside(twin.mean_ms, lab.mean_ms, ms),
            off(twin.mean_ms, lab.mean_ms),
            beside(twin.p50_ms, lab.p50_ms, ms),
            beside(twin.p99_ms, lab.p99_ms, ms),
            off(twin.p99_ms, lab.p99_ms),
        ]);
    }
    table
}

fn components(one: &Compared) -> Table {
    let headers = ["COMPONENT", "ALL REQ/S", "P99 ms (PROMETHEUS)", "CPU m", "", "THROTTLED", "MEMORY Mi", "", "READY"];
    let mut table = Table::new(headers).numbers_from(1);
    let nothing = ComponentSide::default();
    for (name, lab) in &one.lab.components {
        let twin = one.twin.components.get(name).unwrap_or(&nothing);
        let number = |v: Option<f64>| v.map_or_else(|| "-".into(), |v| format!("{v:.1}"));
        table.row([
            name.clone(),
            beside(twin.rps_all, lab.rps_all, |v| v.map_or_else(|| "-".into(), rate)),
            beside(twin.p99_prometheus_ms, lab.p99_prometheus_ms, ms),
            beside(twin.cpu_m, lab.cpu_m, number),
            off(Some(twin.cpu_m), Some(lab.cpu_m)),
            beside(twin.throttled_ratio, lab.throttled_ratio, |v| v.map_or_else(String::new, percent)),
            beside(twin.memory_mib, lab.memory_mib, number),
            off(Some(twin.memory_mib), Some(lab.memory_mib)),
            format!("{} / {}", twin.ready, lab.ready),
        ]);
    }
    table
}

/// How many pods were ready, where that changed though nothing was disturbed.
fn timeline(one: &Compared) -> Option<String> {
    let told = |side: &Side| -> Vec<String> {
        side.ready.iter().map(|(at, component, ready)| format!("{at:.1} s {component} {ready}")).collect()
    };
    let (twin, lab) = (told(&one.twin), told(&one.lab));
    (!twin.is_empty() || !lab.is_empty()).then(|| {
        let list = |changes: Vec<String>| if changes.is_empty() { "no change".into() } else { changes.join(", ") };
        format!("ready pods, since the load began\n  twin  {}\n  lab   {}", list(twin), list(lab))
    })
}

pub(super) fn summary(all: &[Compared]) -> String {
    let valid = || all.iter().filter(|one| one.void.is_none());
    let void = all.len() - valid().count();
    let differences: Vec<_> = valid().flat_map(|one| one.differences.iter().map(|d| (one.name.as_str(), d))).collect();
    format!("{} cases, {void} void\n\n{}", all.len(), difference::verdicts(&differences).text("nothing to compare"))
}

/// For a README: one section a case and the summary.
pub(super) fn markdown(all: &[Compared]) -> String {
    let mut parts = vec![format!("```text\n{}\n```", summary(all))];
    parts.extend(
        all.iter().map(|one| format!("### {}\n\n{}\n\n```text\n{}\n```", one.name, one.description, text(one))),
    );
    parts.join("\n\n")
}
