//! The figures of a simulation for people.

use std::collections::BTreeMap;

use agents::render::Table;
use sim::episode::WorldEvent;
use sim::fault::FaultKind;

use super::figures::{Figures, RequestFigures, ServiceFigures, WindowFigures};
use super::plan::Plan;
use super::play::{Played, Window};
use crate::commands::figures::{ms, none, percent, rate};

/// Above this share of a node's time its pods wait for each other, and figures tell of that.
const FULL: f64 = 0.95;

/// What the reader must know before believing the figures.
pub(super) fn warnings(plan: &Plan, played: &Played) -> Vec<String> {
    let mut warnings = Vec::new();
    if !played.unready.is_empty() {
        warnings.push(format!(
            "warning: not all pods were ready when the load began: {}\n  help: settle longer with --settle, or give \
             the node more cores or memory",
            played.unready.join(", ")
        ));
    }
    for (node, busy) in plan.scenario.cluster.nodes.iter().zip(&played.nodes_busy) {
        if *busy > FULL {
            warnings.push(format!(
                "warning: node {} was full ({:.0} % busy): the figures describe the node, not the services\n  help: \
                 give it more with --cores, --nodes or --node-speed, or less load",
                node.name,
                busy * 100.0
            ));
        }
    }
    warnings
}

pub(super) fn text(plan: &Plan, figures: &Figures) -> String {
    let mut parts = vec![header(plan, figures)];
    if !figures.windows.is_empty() {
        parts.push(windows(plan, &figures.windows));
    }
    parts.push(services(figures));
    if !figures.requests.is_empty() {
        parts.push(requests(&figures.requests));
    }
    parts.join("\n\n")
}

fn header(plan: &Plan, figures: &Figures) -> String {
    let before = plan.settled.map_or_else(String::new, |settled| {
        format!(", after {settled} without and {} with load", plan.measured_from.since(settled))
    });
    let nodes = figures.nodes.iter().map(|(name, node)| {
        format!("node {name}: {} cores of speed {}, {:.0} % busy", node.cores, node.speed, node.busy * 100.0)
    });
    let mut lines = vec![
        format!("{}   {}, seed {}", figures.what, figures.load, figures.seed),
        format!(
            "{} measured{before}; simulated in {:.2} s of wall time: {} times real time, {} events and {} answered user requests per wall second",
            plan.until.since(plan.measured_from),
            figures.wall_s,
            large(figures.speedup),
            large(figures.events_per_s),
            large(figures.requests_per_wall_s),
        ),
    ];
    lines.extend(nodes);
    lines.join("\n")
}

fn services(figures: &Figures) -> String {
    let mut table = Table::new([
        "SERVICE",
        "REQ/S",
        "ERRORS",
        "MEAN",
        "P50",
        "P90",
        "P99",
        "CALLER P50",
        "CALLER P99",
        "CPU m",
        "MEM MiB",
        "THROTTLED",
        "READY",
        "PROM REQ/S",
        "PROM P99",
    ])
    .numbers_from(1);
    for (name, service) in &figures.services {
        table.row([
            name.clone(),
            rate(service.rps),
            percent(service.error_rate),
            ms(service.mean_ms),
            ms(service.p50_ms),
            ms(service.p90_ms),
            ms(service.p99_ms),
            ms(service.caller_p50_ms),
            ms(service.caller_p99_ms),
            format!("{:.1}", service.cpu_m),
            format!("{:.0}", service.memory_mib),
            percent(service.throttled_ratio),
            service.replicas_ready.to_string(),
            service.rps_all.map_or_else(none, rate),
            ms(service.p99_prometheus_ms),
        ]);
    }
    format!(
        "Services: MEAN to P99 in ms as the handler takes; CALLER as callers wait, connecting and queueing included; \
         THROTTLED of quota periods.\nPROM is what dashboards show: probes and scrapes counted, P99 estimated from \
         buckets.\n\n{}",
        table.text("the app has no Deployments")
    )
}

fn requests(requests: &[RequestFigures]) -> String {
    let mut table =
        Table::new(["REQUEST", "TO", "REQ/S", "ERRORS", "4XX", "MEAN", "P50", "P90", "P99"]).numbers_from(2);
    for request in requests {
        table.row([
            request.request.clone(),
            request.service.clone(),
            rate(request.rps),
            percent(request.error_rate),
            percent(request.client_error_rate),
            ms(request.mean_ms),
            ms(request.p50_ms),
            ms(request.p90_ms),
            ms(request.p99_ms),
        ]);
    }
    format!("Users: in ms as the load generator measures; ERRORS are 5xx and no answer.\n\n{}", table.text(""))
}

/// One row per window and component in focus.
fn windows(plan: &Plan, windows: &[WindowFigures]) -> String {
    let mut table = Table::new([
        "FROM s",
        "USERS' REQ/S",
        "ERRORS",
        "SERVICE",
        "REQ/S",
        "ERRORS",
        "P50",
        "P99",
        "CALLER P99",
        "CPU m",
        "MEM MiB",
        "THROTTLED",
        "READY",
        "WHAT HAPPENED",
    ]);
    for window in windows {
        let users: f64 = window.requests.iter().map(|r| r.rps).sum();
        let failed: f64 = window.requests.iter().map(|r| r.rps * r.error_rate).sum();
        let mut events = window.events.join(", ");
        for name in &plan.focus {
            let Some(service) = window.services.get(name) else { continue };
            table.row(window_row(window.from_s, (users, failed), name, service, std::mem::take(&mut events)));
        }
    }
    table.text("nothing to show: no component is in focus")
}

fn window_row(
    from_s: f64,
    (users, failed): (f64, f64),
    name: &str,
    service: &ServiceFigures,
    events: String,
) -> [String; 14] {
    [
        from_s.to_string(),
        rate(users),
        percent(if users > 0.0 { failed / users } else { 0.0 }),
        name.to_owned(),
        rate(service.rps),
        percent(service.error_rate),
        ms(service.p50_ms),
        ms(service.p99_ms),
        ms(service.caller_p99_ms),
        format!("{:.0}", service.cpu_m),
        format!("{:.0}", service.memory_mib),
        percent(service.throttled_ratio),
        service.replicas_ready.to_string(),
        events,
    ]
}

/// What happened to the world in a window: faults, and warnings with how often they came.
pub(super) fn events(plan: &Plan, window: &Window) -> Vec<String> {
    let mut said = Vec::new();
    let mut warnings: BTreeMap<String, u32> = BTreeMap::new();
    let name = |index: u32| {
        let fault = plan.scenario.faults.get(index as usize);
        fault.and_then(sim::fault::Fault::kind).map_or("fault", FaultKind::name)
    };
    for event in &window.journal {
        match event {
            WorldEvent::FaultBegan { index, .. } => said.push(format!("{} begins", name(*index))),
            WorldEvent::FaultEnded { index, .. } => said.push(format!("{} ends", name(*index))),
            WorldEvent::Kubernetes { severity, reason, object, .. } if severity == "Warning" => {
                *warnings.entry(format!("{reason} {object}")).or_default() += 1;
            }
            WorldEvent::Kubernetes { .. } => {}
        }
    }
    said.extend(warnings.into_iter().map(|(what, times)| match times {
        1 => what,
        _ => format!("{what} (x{times})"),
    }));
    said
}

/// A number whose first digits matter.
fn large(value: f64) -> String {
    match value {
        1e6.. => format!("{:.1} M", value / 1e6),
        1e4.. => format!("{:.0} k", value / 1e3),
        _ => format!("{value:.0}"),
    }
}
