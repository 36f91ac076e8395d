//! The fields of a container in a strategic merge patch.

use serde_json::Value;

use super::{mapping, read, unknown, wrong};
use crate::environment::Rejected;
use crate::manifest::{Container, Probe, ProbeAction, ResourceList};
use crate::time::SimDuration;

/// Lays one field over a container.
pub(super) fn field(container: &mut Container, path: &str, field: &str, value: &Value) -> Result<(), Rejected> {
    match field {
        "image" => container.image = read(path, value)?,
        "command" => container.command = read(path, value)?,
        "args" => container.args = read(path, value)?,
        "env" => {
            for variable in value.as_array().ok_or_else(|| wrong(path, value))? {
                environment(container, path, variable)?;
            }
        }
        "resources" => {
            for (list, amounts) in mapping(path, value)? {
                let path = format!("{path}.{list}");
                match list.as_str() {
                    "limits" => resources(&mut container.resources.limits, &path, amounts)?,
                    "requests" => resources(&mut container.resources.requests, &path, amounts)?,
                    _ => return Err(unknown(&path)),
                }
            }
        }
        "livenessProbe" => probe(&mut container.liveness_probe, path, value)?,
        "readinessProbe" => probe(&mut container.readiness_probe, path, value)?,
        "startupProbe" => probe(&mut container.startup_probe, path, value)?,
        // The order in which variables stand changes nothing in the twin, which lets none refer to another.
        "name" | "$setElementOrder/env" => {}
        _ => return Err(unknown(path)),
    }
    Ok(())
}

/// Variables are merged by their names.
fn environment(container: &mut Container, path: &str, patch: &Value) -> Result<(), Rejected> {
    let name: String = read(&format!("{path}.name"), &patch["name"])?;
    let path = format!("{path}[{name}]");
    let mut text = None;
    for (field, value) in mapping(&path, patch)? {
        match field.as_str() {
            "name" => {}
            "value" => text = Some(read::<String>(&format!("{path}.value"), value)?),
            "valueFrom" if value.is_null() => {}
            "$patch" if value == "delete" => {
                container.set_env(&name, None);
                return Ok(());
            }
            _ => return Err(unknown(&format!("{path}.{field}"))),
        }
    }
    container.set_env(&name, Some(&text.unwrap_or_default()));
    Ok(())
}

/// Null removes an amount.
fn resources(list: &mut ResourceList, path: &str, patch: &Value) -> Result<(), Rejected> {
    for (name, amount) in mapping(path, patch)? {
        let path = format!("{path}.{name}");
        match name.as_str() {
            "cpu" => list.cpu = read(&path, amount)?,
            "memory" => list.memory = read(&path, amount)?,
            _ => return Err(unknown(&path)),
        }
    }
    Ok(())
}

/// Null removes a probe; fields that are not named stay, or have Kubernetes' defaults in a new one.
fn probe(probe: &mut Option<Probe>, path: &str, patch: &Value) -> Result<(), Rejected> {
    if patch.is_null() {
        *probe = None;
        return Ok(());
    }
    let fields = mapping(path, patch)?;
    let mut merged = match probe.take() {
        Some(known) => known,
        None => default_probe(path, patch)?,
    };
    for (field, value) in fields {
        let path = format!("{path}.{field}");
        let seconds = || read::<u32>(&path, value).map(|n| SimDuration::from_secs(u64::from(n)));
        match field.as_str() {
            "httpGet" | "tcpSocket" => action(&mut merged.action, &path, field, value)?,
            "initialDelaySeconds" => merged.initial_delay = seconds()?,
            "periodSeconds" => merged.period = seconds()?,
            "timeoutSeconds" => merged.timeout = seconds()?,
            "successThreshold" => merged.success_threshold = read(&path, value)?,
            "failureThreshold" => merged.failure_threshold = read(&path, value)?,
            _ => return Err(unknown(&path)),
        }
    }
    *probe = Some(merged);
    Ok(())
}

/// `SetDefaults_Probe` in `pkg/apis/core/v1/defaults.go`.
fn default_probe(path: &str, patch: &Value) -> Result<Probe, Rejected> {
    let action = match (&patch["httpGet"], &patch["tcpSocket"]) {
        (Value::Null, Value::Null) => {
            return Err(Rejected(format!("{path}: Required value: must specify a handler type")));
        }
        (Value::Null, tcp) => ProbeAction::TcpSocket { port: read(&format!("{path}.tcpSocket.port"), &tcp["port"])? },
        (http, _) => {
            let port = read(&format!("{path}.httpGet.port"), &http["port"])?;
            ProbeAction::HttpGet { path: "/".to_owned(), port }
        }
    };
    Ok(Probe {
        action,
        initial_delay: SimDuration::ZERO,
        period: SimDuration::from_secs(10),
        timeout: SimDuration::SECOND,
        success_threshold: 1,
        failure_threshold: 3,
    })
}

fn action(action: &mut ProbeAction, path: &str, kind: &str, patch: &Value) -> Result<(), Rejected> {
    for (field, value) in mapping(path, patch)? {
        let path = format!("{path}.{field}");
        match (&mut *action, kind, field.as_str()) {
            (ProbeAction::HttpGet { path: text, .. }, "httpGet", "path") => *text = read(&path, value)?,
            (ProbeAction::HttpGet { port, .. }, "httpGet", "port")
            | (ProbeAction::TcpSocket { port }, "tcpSocket", "port") => *port = read(&path, value)?,
            (ProbeAction::HttpGet { .. }, "httpGet", _) | (ProbeAction::TcpSocket { .. }, "tcpSocket", _) => {
                return Err(unknown(&path));
            }
            _ => return Err(Rejected(format!("{path}: Forbidden: may not specify more than 1 handler type"))),
        }
    }
    Ok(())
}
