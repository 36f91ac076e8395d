//! Texts as `kubectl` prints them.

use crate::manifest::{EnvFrom, EnvValue, Probe, ProbeAction, Strategy};

use super::kubelet::{ContainerState, Exit};
use super::objects::{Phase, Pod};

/// The reason of a container that never ran in a pod that has ended.
pub(super) const STATUS_UNKNOWN: &str = "ContainerStatusUnknown";

/// The STATUS column of `kubectl get pods` (`pkg/printers/internalversion`, `printPod`): the reason of
/// the last container that has one, unless one runs and another has completed.
pub(super) fn pod_status(pod: &Pod) -> &'static str {
    if pod.deleted.is_some() {
        return "Terminating";
    }
    let mut status = match pod.phase {
        Phase::Pending => "Pending",
        Phase::Running => "Running",
        Phase::Succeeded => "Completed",
        Phase::Failed => pod.failed.as_ref().map_or("Error", |failed| failed.reason),
    };
    let mut is_running = false;
    for container in pod.kubelet.containers.iter().rev() {
        match &container.shown.state {
            ContainerState::Waiting(waiting) => status = waiting.reason,
            ContainerState::Terminated(exit) => status = exit.reason(),
            ContainerState::Lost => status = STATUS_UNKNOWN,
            ContainerState::Running { .. } => is_running |= container.shown.ready,
            ContainerState::Unknown => {}
        }
    }
    if status == "Completed" && is_running {
        status = if pod.ready { "Running" } else { "NotReady" };
    }
    status
}

/// The state of a container, such as `Waiting (CrashLoopBackOff)`.
pub(super) fn container_state(state: &ContainerState) -> String {
    match state {
        ContainerState::Unknown => "Waiting".to_owned(),
        ContainerState::Waiting(waiting) => format!("Waiting ({})", waiting.reason),
        ContainerState::Running { .. } => "Running".to_owned(),
        ContainerState::Terminated(exit) => terminated(exit),
        ContainerState::Lost => format!("Terminated ({STATUS_UNKNOWN}, exit code 137)"),
    }
}

/// How a process ended, such as `Terminated (Error, exit code 137)`.
pub(super) fn terminated(exit: &Exit) -> String {
    format!("Terminated ({}, exit code {})", exit.reason(), exit.code)
}

/// A probe as `kubectl describe` prints it.
pub(super) fn probe(kind: &str, probe: &Probe) -> String {
    let action = match &probe.action {
        ProbeAction::HttpGet { path, port } => format!("http-get http://:{port}{path}"),
        ProbeAction::TcpSocket { port } => format!("tcp-socket :{port}"),
        ProbeAction::Exec { command } => format!("exec [{}]", command.join(" ")),
        ProbeAction::Grpc { port } => format!("grpc <pod>:{port}"),
    };
    let seconds = |d: crate::time::SimDuration| format!("{}s", d.0 / 1_000_000_000);
    format!(
        "{kind}: {action} delay={} timeout={} period={} #success={} #failure={}",
        seconds(probe.initial_delay),
        seconds(probe.timeout),
        seconds(probe.period),
        probe.success_threshold,
        probe.failure_threshold
    )
}

/// The strategy as `kubectl describe deployment` prints it.
pub(super) fn strategy(strategy: &Strategy) -> String {
    match strategy {
        Strategy::Recreate => "Recreate".to_owned(),
        Strategy::RollingUpdate { max_surge, max_unavailable } => {
            format!("{max_unavailable} max unavailable, {max_surge} max surge")
        }
    }
}

/// The value of a variable, or where it comes from.
pub(super) fn env_value(value: &EnvValue) -> String {
    match value {
        EnvValue::Text(text) => text.clone(),
        EnvValue::Key(reference) => format!("<set to the {reference}>"),
        EnvValue::From(source) => format!("<set to the {source}>"),
    }
}

/// A source of several variables, as `kubectl describe` prints it (`describeContainerEnvFrom`).
pub(super) fn env_from(from: &EnvFrom) -> String {
    let EnvFrom { prefix, source } = from;
    let prefix = if prefix.is_empty() { String::new() } else { format!(" with prefix '{prefix}'") };
    format!("{}  {}{prefix}  Optional: {}", source.name, source.kind.name(), source.optional)
}
