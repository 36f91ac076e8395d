//! A component described, in the order and words of `kubectl describe deployment`.

use std::fmt::Display;

use sim::environment::{ContainerView, DeploymentView, Description, PodView};
use sim::time::SimTime;

use super::{age, events_text, or_none};

pub(super) fn text(description: &Description, now: SimTime) -> String {
    let mut out = Sheet::default();
    deployment(&mut out, &description.deployment);
    out.line("ReplicaSets", "");
    for set in &description.replica_sets {
        out.line(
            &format!("  {}", set.name),
            format!(
                "revision {}, image {}, {} desired, {} current, {} ready{}",
                set.revision,
                set.image,
                set.replicas,
                set.current,
                set.ready,
                if set.change.is_empty() { String::new() } else { format!(" ({})", set.change) }
            ),
        );
    }
    out.line("Pods", "");
    for (pod, containers) in description.pods.iter().zip(&description.containers) {
        pod_lines(&mut out, pod, containers);
    }
    if let Some(service) = &description.service {
        out.line("Service", &service.name);
        out.line("  Namespace", &service.namespace);
        out.line("  Labels", service.labels.join(","));
        out.line("  Annotations", service.annotations.join(","));
        out.line("  Selector", service.selector.join(","));
        out.line("  Ports", service.ports.join(", "));
        let endpoints = service.endpoints.join(", ");
        out.line("  Endpoints", if endpoints.is_empty() { "<none>" } else { &endpoints });
    }
    if let Some(scaler) = &description.autoscaler {
        let current = scaler.current_percent.map_or("<unknown>".into(), |p| format!("{p}%"));
        out.line("Autoscaler", &scaler.name);
        out.line("  CPU", format!("{current}/{}% of the request", scaler.target_percent));
        out.line(
            "  Replicas",
            format!("min {}, max {}, desired {}", scaler.min_replicas, scaler.max_replicas, scaler.desired_replicas),
        );
        conditions(&mut out, &scaler.conditions);
    }
    out.0.push_str("Events:\n");
    out.0.push_str(&events_text(&description.events, now));
    out.0
}

fn deployment(out: &mut Sheet, d: &DeploymentView) {
    out.line("Name", &d.name);
    out.line("Revision", d.revision);
    out.line(
        "Replicas",
        format!("{} desired | {} updated | {} ready | {} available", d.replicas, d.updated, d.ready, d.available),
    );
    out.line("Strategy", &d.strategy);
    out.line("Labels", d.labels.join(","));
    out.line("Image", &d.image);
    if !d.ports.is_empty() {
        out.line("Ports", d.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(","));
    }
    out.line("Limits", format!("cpu {}, memory {}", or_none(d.cpu_limit), or_none(d.memory_limit)));
    out.line("Requests", format!("cpu {}, memory {}", or_none(d.cpu_request), or_none(d.memory_request)));
    for (name, words) in [("Command", &d.command), ("Args", &d.args)] {
        if !words.is_empty() {
            out.line(name, words.join(" "));
        }
    }
    for probe in &d.probes {
        out.line("Probe", probe);
    }
    for source in &d.env_from {
        out.line("Environment Variables from", source);
    }
    for (name, value) in &d.env {
        out.line("Environment", format!("{name}={value}"));
    }
    conditions(out, &d.conditions);
}

fn conditions(out: &mut Sheet, conditions: &[(String, String, String)]) {
    for (kind, status, reason) in conditions {
        out.line("Condition", format!("{kind} {status} {reason}"));
    }
}

fn pod_lines(out: &mut Sheet, pod: &PodView, containers: &[ContainerView]) {
    out.line(
        &format!("  {}", pod.name),
        format!(
            "{}, {}/{} ready, {} restarts, age {}, node {}",
            pod.status,
            pod.ready,
            pod.containers,
            pod.restarts,
            age(pod.age),
            or_none(pod.node.as_ref())
        ),
    );
    for c in containers {
        let last = c.last_state.as_ref().map_or(String::new(), |l| format!(", last: {l}"));
        out.line(&format!("    {}", c.name), format!("image {}, {}{last}", c.image, c.state));
    }
}

/// Lines of `Key: value`.
#[derive(Default)]
struct Sheet(String);

impl Sheet {
    fn line(&mut self, key: &str, value: impl Display) {
        let key = format!("{key}:");
        // A name that is longer than the column still stands apart from what is said of it.
        self.0.push_str(format!("{key:<13} {value}").trim_end());
        self.0.push('\n');
    }
}
