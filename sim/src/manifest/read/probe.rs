//! Probes as a manifest may say them.

use super::pod::port_ref;
use super::schema::{Findings, IntOrString, schema};
use crate::diagnostic::nearest;
use crate::manifest::service::PortRef;
use crate::manifest::workload::{ContainerPort, Probe, ProbeAction};
use crate::time::SimDuration;

schema! {
    struct ProbeSpec {
        http_get: Option<HttpGet>,
        tcp_socket: Option<TcpSocket>,
        exec: Option<Exec>,
        grpc: Option<Grpc>,
        initial_delay_seconds: Option<u32>,
        period_seconds: Option<u32>,
        timeout_seconds: Option<u32>,
        success_threshold: Option<u32>,
        failure_threshold: Option<u32>,
    }
    ignores { termination_grace_period_seconds, }
}

schema! {
    struct HttpGet { path: Option<String>, port: IntOrString, }
    ignores { host, http_headers, scheme, }
}

schema! {
    struct TcpSocket { port: IntOrString, }
    ignores { host, }
}

schema! {
    struct Exec { command: Option<Vec<String>>, }
    ignores {}
}

schema! {
    struct Grpc { port: IntOrString, }
    ignores { service, }
}

/// The probe `name` of the container at `container`, which has these ports. What is not written, or zero,
/// has Kubernetes' default (`pkg/apis/core/v1/defaults.go`, `SetDefaults_Probe`).
pub(super) fn probe(
    spec: ProbeSpec,
    container: &str,
    name: &str,
    ports: &[ContainerPort],
    findings: &mut Findings,
) -> Probe {
    let field = format!("{container}.{name}");
    // Without knowing all names there is no telling which is missing.
    let ports = findings.is_sound(&format!("{container}.ports")).then_some(ports);
    let or = |value: Option<u32>, default: u32| value.filter(|v| *v > 0).unwrap_or(default);
    let seconds = |n: u32| SimDuration::from_secs(u64::from(n));
    let probe = Probe {
        initial_delay: seconds(spec.initial_delay_seconds.unwrap_or(0)),
        period: seconds(or(spec.period_seconds, 10)),
        timeout: seconds(or(spec.timeout_seconds, 1)),
        success_threshold: or(spec.success_threshold, 1),
        failure_threshold: or(spec.failure_threshold, 3),
        action: action(spec, &field, ports, findings),
    };
    if probe.success_threshold != 1 && name != "readinessProbe" {
        let message = format!("one success is enough for this probe, not {}", probe.success_threshold);
        findings.error(&format!("{field}.successThreshold"), message, "write 1, or leave it out");
    }
    probe
}

fn action(spec: ProbeSpec, field: &str, ports: Option<&[ContainerPort]>, findings: &mut Findings) -> ProbeAction {
    let mut actions = Vec::new();
    let mut port = |name: &str, port| resolve(port, &format!("{field}.{name}.port"), ports, findings);
    if let Some(get) = spec.http_get {
        let path = get.path.filter(|p| !p.is_empty()).unwrap_or_else(|| "/".to_owned());
        actions.push(ProbeAction::HttpGet { path, port: port("httpGet", get.port) });
    }
    actions.extend(spec.tcp_socket.map(|s| ProbeAction::TcpSocket { port: port("tcpSocket", s.port) }));
    actions.extend(spec.grpc.map(|g| ProbeAction::Grpc { port: port("grpc", g.port) }));
    actions.extend(spec.exec.map(|e| ProbeAction::Exec { command: e.command.unwrap_or_default() }));
    if actions.len() != 1 {
        let help = "write exactly one of `httpGet`, `tcpSocket`, `exec` and `grpc`";
        findings.error(field, format!("the probe has {} actions", actions.len()), help);
    }
    actions.into_iter().next().unwrap_or(ProbeAction::Exec { command: Vec::new() })
}

/// The number of a port that may be given by the name it has in the same container.
fn resolve(port: IntOrString, field: &str, ports: Option<&[ContainerPort]>, findings: &mut Findings) -> u16 {
    let (name, ports) = match (port_ref(findings, field, port), ports) {
        (PortRef::Number(number), _) => return number,
        (PortRef::Name(_), None) => return 1,
        (PortRef::Name(name), Some(ports)) => (name, ports),
    };
    if let Some(port) = ports.iter().find(|p| p.name.as_ref() == Some(&name)) {
        return port.port;
    }
    let help = match nearest(&name, ports.iter().filter_map(|p| p.name.as_deref())) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "write the port's number, or name the port under `ports`".to_owned(),
    };
    findings.error(field, format!("the container has no port named `{name}`"), help);
    1
}
