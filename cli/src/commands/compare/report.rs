//! The comparison as text, as Markdown and as data.

use agents::render::Table;
use serde::Serialize;

use super::case::Case;
use super::live::Live;
use super::side::{ComponentSide, RequestSide, Side};
use crate::commands::figures::{ms, percent, rate};
use crate::commands::simulate::figures::Figures;

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
    twin: Side,
    lab: Side,
    differences: Vec<Difference>,
}

/// One figure of both sides.
#[derive(Clone, Debug, Serialize)]
struct Difference {
    what: Quantity,
    of: String,
    twin: f64,
    lab: f64,
    /// Twin over lab, less one; of a share: twin less lab.
    off: f64,
    /// How far it may be off in the median case.
    aim: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Quantity {
    Rate,
    Errors,
    Mean,
    P99,
    Cpu,
    Throttled,
    Memory,
}

impl Quantity {
    const ALL: [Self; 7] = [Self::Rate, Self::Errors, Self::Mean, Self::P99, Self::Cpu, Self::Throttled, Self::Memory];

    const fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Errors => "errors",
            Self::Mean => "mean",
            Self::P99 => "p99",
            Self::Cpu => "CPU",
            Self::Throttled => "throttled",
            Self::Memory => "memory",
        }
    }

    /// What the twin aims at.
    const fn aim(self) -> f64 {
        match self {
            Self::Rate => 0.03,
            Self::Errors | Self::Throttled => 0.05,
            Self::Mean => 0.15,
            Self::P99 => 0.3,
            Self::Cpu | Self::Memory => 0.1,
        }
    }

    const fn is_share(self) -> bool {
        matches!(self, Self::Errors | Self::Throttled)
    }

    /// Below this on both sides a ratio says nothing: a few millicores are a scrape more or less.
    const fn negligible(self) -> f64 {
        match self {
            Self::Cpu => 5.0,
            Self::Memory => 10.0,
            Self::Rate => 0.5,
            Self::Errors | Self::Mean | Self::P99 | Self::Throttled => 0.0,
        }
    }
}

impl Compared {
    pub(super) fn new(case: &Case, live: Live, twin: &Figures) -> Self {
        let began = live.ages.load.0 as f64 / 1e9;
        let twin = Side::of_twin(twin, began);
        Self {
            name: case.name.clone(),
            description: case.description.clone(),
            load: case.load.clone(),
            age_s: began,
            measured_s: case.duration.as_secs_f64(),
            void: live.void,
            idle: live.idle,
            differences: differences(&twin, &live.side),
            twin,
            lab: live.side,
        }
    }
}

fn differences(twin: &Side, lab: &Side) -> Vec<Difference> {
    let mut all = Vec::new();
    let mut note = |what: Quantity, of: &str, twin: Option<f64>, lab: Option<f64>| {
        let (Some(twin), Some(lab)) = (twin, lab) else { return };
        if twin.max(lab) < what.negligible() {
            return;
        }
        let off = if what.is_share() { twin - lab } else { twin / lab - 1.0 };
        all.push(Difference { what, of: of.to_owned(), twin, lab, off, aim: what.aim() });
    };
    for (name, lab) in &lab.requests {
        let Some(twin) = twin.requests.get(name) else { continue };
        note(Quantity::Rate, name, Some(twin.rps), Some(lab.rps));
        note(Quantity::Errors, name, Some(twin.error_rate), Some(lab.error_rate));
        note(Quantity::Mean, name, twin.mean_ms, lab.mean_ms);
        note(Quantity::P99, name, twin.p99_ms, lab.p99_ms);
    }
    for (name, lab) in &lab.components {
        let Some(twin) = twin.components.get(name) else { continue };
        note(Quantity::Cpu, name, Some(twin.cpu_m), Some(lab.cpu_m));
        if twin.throttled_ratio.max(lab.throttled_ratio) > 0.0 {
            note(Quantity::Throttled, name, Some(twin.throttled_ratio), Some(lab.throttled_ratio));
        }
        note(Quantity::Memory, name, Some(twin.memory_mib), Some(lab.memory_mib));
    }
    all
}

pub(super) fn text(one: &Compared) -> String {
    let mut parts = vec![head(one), requests(one).text("no requests"), components(one).text("no components")];
    parts.extend(timeline(one));
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

/// How many pods were ready, where that changed.
fn timeline(one: &Compared) -> Option<String> {
    let told = |side: &Side| -> Vec<String> {
        side.ready.iter().map(|(at, component, ready)| format!("{at:.0} s {component} {ready}")).collect()
    };
    let (twin, lab) = (told(&one.twin), told(&one.lab));
    (!twin.is_empty() || !lab.is_empty()).then(|| {
        let list = |changes: Vec<String>| if changes.is_empty() { "no change".into() } else { changes.join(", ") };
        format!("ready pods, since the load began\n  twin  {}\n  lab   {}", list(twin), list(lab))
    })
}

/// By quantity over all cases: how far off in the median, and where at worst.
fn verdicts(all: &[Compared]) -> Table {
    let mut table = Table::new(["QUANTITY", "FIGURES", "MEDIAN OFF", "AIM", "WORST OFF", "WHERE"]).numbers_from(1);
    for what in Quantity::ALL {
        let valid = all.iter().filter(|one| one.void.is_none());
        let figures = valid.flat_map(|one| one.differences.iter().map(move |d| (one, d)));
        let mut found: Vec<_> = figures.filter(|(_, d)| d.what == what && d.off.is_finite()).collect();
        if found.is_empty() {
            continue;
        }
        found.sort_by(|a, b| a.1.off.abs().total_cmp(&b.1.off.abs()));
        let show = |off: f64| if what.is_share() { format!("{off:+.3}") } else { format!("{:+.1} %", off * 100.0) };
        let (case, worst) = found[found.len() - 1];
        let aim = if what.is_share() { format!("{:.2}", what.aim()) } else { format!("{:.0} %", what.aim() * 100.0) };
        table.row([
            what.name().to_owned(),
            found.len().to_string(),
            show(found[found.len() / 2].1.off.abs()),
            aim,
            show(worst.off),
            format!("{}: {}", case.name, worst.of),
        ]);
    }
    table
}

pub(super) fn summary(all: &[Compared]) -> String {
    let void = all.iter().filter(|one| one.void.is_some()).count();
    format!("{} cases, {void} void\n\n{}", all.len(), verdicts(all).text("nothing to compare"))
}

/// For a README: one section a case and the summary.
pub(super) fn markdown(all: &[Compared]) -> String {
    let mut parts = vec![format!("```text\n{}\n```", summary(all))];
    parts.extend(
        all.iter().map(|one| format!("### {}\n\n{}\n\n```text\n{}\n```", one.name, one.description, text(one))),
    );
    parts.join("\n\n")
}
