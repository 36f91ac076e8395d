//! Observations as text: what a model reads, in the shape in which `kubectl` and Prometheus print.
//!
//! The only place where observations become text, for the twin and a live cluster alike. Long
//! answers are cut to a size limit, and the cut says how much is missing.

mod describe;
pub mod group;
mod table;

use serde_json::Value;
use sim::environment::{Dependencies, EventView, NodeView, Observation, PodView, PolicyView, ReplicaSetView, Usage};
use sim::time::{SimDuration, SimTime};

use crate::policy::Reply;
pub use table::Table;

/// The most characters of one answer.
pub const MAX_ANSWER: usize = 8_000;

/// A reply as its agent reads it.
pub fn reply(reply: &Reply, now: SimTime) -> String {
    match reply {
        Reply::Seen(log @ Observation::Logs { .. }) => cut_before(observation_text(log, now), MAX_ANSWER),
        Reply::Seen(observation) => cut(observation_text(observation, now), MAX_ANSWER),
        Reply::Done(text) => text.clone(),
        Reply::Noted => "ok".into(),
        Reply::Answered(answer) => cut(group::answer(answer), MAX_ANSWER),
        // As kubectl prints the words of the API server.
        Reply::Rejected(why) if why.starts_with("Error from server") => why.clone(),
        Reply::Rejected(why) => format!("error: {why}"),
    }
}

fn observation_text(observation: &Observation, now: SimTime) -> String {
    match observation {
        Observation::Pods(pods) => pods_text(pods),
        Observation::Description(description) => describe::text(description, now),
        Observation::Logs { lines, .. } if lines.is_empty() => "(no lines)".into(),
        Observation::Logs { lines, .. } => lines.join("\n"),
        Observation::Events(events) => events_text(events, now),
        Observation::Usage(usage) => usage_text(usage),
        Observation::Nodes(nodes) => nodes_text(nodes),
        Observation::Metrics(data) => metrics_text(data),
        Observation::Dependencies(graph) => dependencies_text(graph),
        Observation::Policies(policies) => policies_text(policies),
        Observation::RolloutHistory(revisions) => history_text(revisions),
    }
}

/// Age as kubectl prints it (`k8s.io/apimachinery/pkg/util/duration`): `42s`, `3m10s`, `15m`, `2h5m`.
pub(crate) fn age(length: SimDuration) -> String {
    let seconds = length.0 / 1_000_000_000;
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 if !seconds.is_multiple_of(60) => format!("{minutes}m{}s", seconds % 60),
        120..10_800 => format!("{minutes}m"),
        10_800..28_800 if !minutes.is_multiple_of(60) => format!("{hours}h{}m", minutes % 60),
        _ => format!("{hours}h"),
    }
}

fn or_none<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "<none>".into(), |v| v.to_string())
}

fn pods_text(pods: &[PodView]) -> String {
    let mut table = Table::new(["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]);
    for p in pods {
        table.row([
            p.name.clone(),
            format!("{}/{}", p.ready, p.containers),
            p.status.clone(),
            p.restarts.to_string(),
            age(p.age),
            or_none(p.ip.as_ref()),
            or_none(p.node.as_ref()),
        ]);
    }
    table.text("No resources found.")
}

pub(crate) fn events_text(events: &[EventView], now: SimTime) -> String {
    let mut table = Table::new(["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]);
    for e in events {
        let count = if e.count > 1 { format!(" (x{})", e.count) } else { String::new() };
        table.row([
            format!("{}{count}", age(now.since(e.last_seen))),
            e.severity.clone(),
            e.reason.clone(),
            e.object.clone(),
            e.message.clone(),
        ]);
    }
    table.text("No events found.")
}

fn usage_text(usage: &[Usage]) -> String {
    let mut table = Table::new(["NAME", "CPU", "CPU REQUEST", "CPU LIMIT", "MEMORY", "MEMORY LIMIT"]);
    for u in usage {
        table.row([
            u.pod.clone(),
            format!("{}m", u.cpu.0),
            or_none(u.cpu_request.map(|c| format!("{}m", c.0))),
            or_none(u.cpu_limit.map(|c| format!("{}m", c.0))),
            format!("{:.0}Mi", u.memory.mebibytes()),
            or_none(u.memory_limit),
        ]);
    }
    table.text("error: metrics not available yet")
}

fn nodes_text(nodes: &[NodeView]) -> String {
    let mut table = Table::new([
        "NAME",
        "STATUS",
        "CPU ALLOCATABLE",
        "CPU REQUESTED",
        "CPU USED",
        "MEMORY ALLOCATABLE",
        "MEMORY REQUESTED",
        "MEMORY USED",
    ]);
    for n in nodes {
        table.row([
            n.name.clone(),
            node_status(n),
            n.allocatable_cpu.to_string(),
            n.requested_cpu.to_string(),
            or_none(n.cpu),
            format!("{:.0}Mi", n.allocatable_memory.mebibytes()),
            format!("{:.0}Mi", n.requested_memory.mebibytes()),
            or_none(n.memory.map(|m| format!("{:.0}Mi", m.mebibytes()))),
        ]);
    }
    table.text("No resources found")
}

/// As `kubectl get nodes` prints it, with what the node is short of.
fn node_status(node: &NodeView) -> String {
    let ready = if node.ready { "Ready" } else { "NotReady" };
    let cordoned = node.unschedulable.then_some("SchedulingDisabled");
    let each: Vec<_> = [ready].into_iter().chain(cordoned).chain(node.pressure.iter().map(String::as_str)).collect();
    each.join(",")
}

fn policies_text(policies: &[PolicyView]) -> String {
    let mut table = Table::new(["KIND", "NAME", "SAYS"]);
    for policy in policies {
        table.row([policy.kind.name().to_owned(), policy.name.clone(), policy.says.clone()]);
    }
    table.text("No resources found.")
}

fn history_text(revisions: &[ReplicaSetView]) -> String {
    let mut table = Table::new(["REVISION", "REPLICASET", "IMAGE", "CHANGE"]);
    for r in revisions {
        table.row([r.revision.to_string(), r.name.clone(), r.image.clone(), r.change.clone()]);
    }
    table.text("No rollout history found.")
}

fn dependencies_text(graph: &Dependencies) -> String {
    let list = |names: &[String]| {
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    format!("{0} calls: {1}\n{0} is called by: {2}", graph.component, list(&graph.calls), list(&graph.called_by))
}

/// One line per series: `{labels} value`, or for a range its points as `value @seconds`.
fn metrics_text(data: &Value) -> String {
    let empty = Vec::new();
    let result = data["result"].as_array().unwrap_or(&empty);
    match data["resultType"].as_str() {
        Some("scalar" | "string") => result.get(1).map(plain).unwrap_or_default(),
        _ if result.is_empty() => "(empty result)".into(),
        _ => result.iter().map(series_text).collect::<Vec<_>>().join("\n"),
    }
}

fn series_text(series: &Value) -> String {
    let labels = series["metric"].as_object().into_iter().flatten();
    let labels: Vec<String> = labels.map(|(name, value)| format!("{name}={value}")).collect();
    let points = match &series["values"] {
        Value::Array(points) => {
            let points = points.iter().map(|p| format!("{} @{}", plain(&p[1]), plain(&p[0])));
            points.collect::<Vec<_>>().join(" ")
        }
        _ => plain(&series["value"][1]),
    };
    format!("{{{}}} {points}", labels.join(", "))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// Cut after a whole line within `limit` characters, with a last line that says what was cut.
fn cut(text: String, limit: usize) -> String {
    if text.len() <= limit {
        return text;
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let kept = text[..end].rfind('\n').unwrap_or(end);
    let lines = text[kept..].lines().filter(|l| !l.is_empty()).count();
    format!("{}\n[cut: {} more characters in {lines} more lines; ask for less]", &text[..kept], text.len() - kept)
}

/// Cut before a whole line, so that the newest lines of a log are kept, with a first line that says what was cut.
fn cut_before(text: String, limit: usize) -> String {
    if text.len() <= limit {
        return text;
    }
    let mut start = text.len() - limit;
    while !text.is_char_boundary(start) {
        start += 1;
    }
    // From the byte before, so that a line that just fits is kept whole.
    let end_of_line = text.as_bytes()[start - 1..].iter().position(|&byte| byte == b'\n');
    let kept = end_of_line.map_or(start, |at| start + at);
    let lines = text[..kept].lines().count();
    format!("[cut: {kept} more characters in {lines} earlier lines; ask for less]\n{}", &text[kept..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_kubectl_prints_them() {
        for (seconds, text) in
            [(5, "5s"), (119, "119s"), (130, "2m10s"), (600, "10m"), (11_000, "3h3m"), (90_000, "25h")]
        {
            assert_eq!(age(SimDuration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn of_a_log_the_newest_lines_are_kept() {
        let text = (0..100).map(|i| format!("line {i}")).collect::<Vec<_>>().join("\n");
        let short = cut_before(text.clone(), 20);
        assert_eq!(short, "[cut: 774 more characters in 98 earlier lines; ask for less]\nline 98\nline 99");
        assert_eq!(cut_before(text.clone(), 10_000), text);
        assert_eq!(cut_before("é".repeat(10), 3).lines().count(), 2, "one line that is too long");
    }

    #[test]
    fn a_cut_says_what_is_missing() {
        let text = (0..100).map(|i| format!("line {i}")).collect::<Vec<_>>().join("\n");
        let short = cut(text.clone(), 50);
        assert!(
            short.len() < 120 && short.ends_with("[cut: 741 more characters in 93 more lines; ask for less]"),
            "{short}"
        );
        assert_eq!(cut(text.clone(), 10_000), text);
    }

    #[test]
    fn pods_look_like_kubectl() {
        let pods = Observation::Pods(vec![PodView {
            name: "catalogue-7d4b9c5f6-x2x4z".into(),
            component: "catalogue".into(),
            status: "CrashLoopBackOff".into(),
            ready: 0,
            containers: 1,
            restarts: 3,
            age: SimDuration::from_secs(130),
            node: Some("node-1".into()),
            ip: None,
        }]);
        insta::assert_snapshot!(reply(&Reply::Seen(pods), SimTime::ZERO), @r"
        NAME                        READY   STATUS             RESTARTS   AGE     IP       NODE
        catalogue-7d4b9c5f6-x2x4z   0/1     CrashLoopBackOff   3          2m10s   <none>   node-1
        ");
    }

    #[test]
    fn metrics_read_one_series_a_line() {
        let data = serde_json::json!({"resultType": "vector", "result": [
            {"metric": {"name": "catalogue"}, "value": [60.0, "0.25"]},
            {"metric": {"name": "carts"}, "value": [60.0, "NaN"]},
        ]});
        let text = reply(&Reply::Seen(Observation::Metrics(data)), SimTime::ZERO);
        assert_eq!(text, "{name=\"catalogue\"} 0.25\n{name=\"carts\"} NaN");
    }
}
