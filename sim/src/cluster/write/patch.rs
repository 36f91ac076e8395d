//! Strategic merge patches of a Deployment, a Service or a quota, as far as the twin keeps their fields. A field that it does
//! not know is refused by its path, never passed over.

mod container;

use serde_json::{Map, Value};

use crate::environment::Rejected;
use crate::manifest::{
    Deployment, Labels, PodTemplate, PortRef, Protocol, QuotaResource, QuotaUnit, ResourceQuota, Service, ServicePort,
};
use crate::units::{parse_bytes, parse_millicores};

/// Lays a patch over a Deployment.
pub(super) fn deployment(deployment: &mut Deployment, patch: &Value) -> Result<(), Rejected> {
    for (field, value) in mapping("", patch)? {
        match field.as_str() {
            "spec" => spec(deployment, value)?,
            _ => return Err(unknown(field)),
        }
    }
    Ok(())
}

/// Lays a patch over a quota.
pub(super) fn quota(quota: &mut ResourceQuota, patch: &Value) -> Result<(), Rejected> {
    for (field, value) in mapping("", patch)? {
        if field != "spec" {
            return Err(unknown_of("ResourceQuota", field));
        }
        for (field, value) in mapping("spec", value)? {
            if field != "hard" {
                return Err(unknown_of("ResourceQuota", &format!("spec.{field}")));
            }
            for (name, value) in mapping("spec.hard", value)? {
                hard_limit(quota, name, value)?;
            }
        }
    }
    Ok(())
}

fn hard_limit(quota: &mut ResourceQuota, name: &str, value: &Value) -> Result<(), Rejected> {
    let path = format!("spec.hard.{name}");
    let resource = QuotaResource::ALL.into_iter().find(|resource| resource.name() == name);
    let resource = resource.ok_or_else(|| unknown_of("ResourceQuota", &path))?;
    if value.is_null() {
        quota.hard.remove(&resource);
        return Ok(());
    }
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let amount = match resource.unit() {
        QuotaUnit::Count => text.parse().ok(),
        QuotaUnit::Cpu => parse_millicores(&text).ok().map(|amount| amount.0),
        QuotaUnit::Memory => parse_bytes(&text).ok().map(|amount| amount.0),
    };
    quota.hard.insert(resource, amount.ok_or_else(|| wrong(&path, value))?);
    Ok(())
}

fn spec(deployment: &mut Deployment, patch: &Value) -> Result<(), Rejected> {
    for (field, value) in mapping("spec", patch)? {
        match field.as_str() {
            "replicas" => deployment.replicas = read("spec.replicas", value)?,
            "paused" => deployment.paused = read("spec.paused", value)?,
            "template" => {
                for (field, value) in mapping("spec.template", value)? {
                    match field.as_str() {
                        "spec" => pod(&mut deployment.template, value)?,
                        _ => return Err(unknown(&format!("spec.template.{field}"))),
                    }
                }
            }
            _ => return Err(unknown(&format!("spec.{field}"))),
        }
    }
    Ok(())
}

fn pod(template: &mut PodTemplate, patch: &Value) -> Result<(), Rejected> {
    const PATH: &str = "spec.template.spec";
    for (field, value) in mapping(PATH, patch)? {
        let path = format!("{PATH}.{field}");
        match field.as_str() {
            "nodeSelector" => labels(&path, &mut template.node_selector, value)?,
            "containers" => {
                for item in value.as_array().ok_or_else(|| wrong(&path, value))? {
                    container(template, &path, item)?;
                }
            }
            _ => return Err(unknown(&path)),
        }
    }
    Ok(())
}

/// Null removes all, or a key.
fn labels(path: &str, labels: &mut Labels, patch: &Value) -> Result<(), Rejected> {
    if patch.is_null() {
        labels.clear();
        return Ok(());
    }
    for (key, value) in mapping(path, patch)? {
        if value.is_null() {
            labels.remove(key);
        } else {
            labels.insert(key.clone(), read(&format!("{path}.{key}"), value)?);
        }
    }
    Ok(())
}

/// Containers are merged by their names.
fn container(template: &mut PodTemplate, path: &str, patch: &Value) -> Result<(), Rejected> {
    let name: String = read(&format!("{path}.name"), &patch["name"])?;
    let found = template.containers.iter_mut().find(|container| container.name == name);
    let container = found.ok_or_else(|| Rejected(format!("the twin adds no container by a patch, such as {name}")))?;
    for (field, value) in mapping(path, patch)? {
        container::field(container, &format!("{path}[{name}].{field}"), field, value)?;
    }
    Ok(())
}

/// Lays a patch over a Service.
pub(super) fn service(service: &mut Service, patch: &Value) -> Result<(), Rejected> {
    for (field, value) in mapping("", patch)? {
        if field != "spec" {
            return Err(unknown(field));
        }
        for (field, value) in mapping("spec", value)? {
            let path = format!("spec.{field}");
            match field.as_str() {
                "selector" => labels(&path, &mut service.selector, value)?,
                "ports" => {
                    for item in value.as_array().ok_or_else(|| wrong(&path, value))? {
                        service_port(&mut service.ports, &path, item)?;
                    }
                }
                _ => return Err(unknown(&path)),
            }
        }
    }
    Ok(())
}

/// Ports of a Service are merged by their numbers (`patchMergeKey=port` in `core/v1/types.go`).
fn service_port(ports: &mut Vec<ServicePort>, path: &str, patch: &Value) -> Result<(), Rejected> {
    let port: u16 = read(&format!("{path}.port"), &patch["port"])?;
    let path = format!("{path}[{port}]");
    if patch["$patch"] == "delete" {
        ports.retain(|known| known.port != port);
        return Ok(());
    }
    let at = ports.iter().position(|known| known.port == port).unwrap_or_else(|| {
        let (target_port, protocol) = (PortRef::Number(port), Protocol::default());
        ports.push(ServicePort { name: None, port, target_port, node_port: None, protocol });
        ports.len() - 1
    });
    for (field, value) in mapping(&path, patch)? {
        let path = format!("{path}.{field}");
        match field.as_str() {
            "port" => {}
            "name" => ports[at].name = read(&path, value)?,
            "targetPort" => {
                ports[at].target_port = match value.as_str() {
                    Some(name) => PortRef::Name(name.to_owned()),
                    None => PortRef::Number(read(&path, value)?),
                }
            }
            _ => return Err(unknown(&path)),
        }
    }
    Ok(())
}

fn mapping<'v>(path: &str, value: &'v Value) -> Result<&'v Map<String, Value>, Rejected> {
    value.as_object().ok_or_else(|| wrong(path, value))
}

fn read<T: serde::de::DeserializeOwned>(path: &str, value: &Value) -> Result<T, Rejected> {
    serde_json::from_value(value.clone()).map_err(|_| wrong(path, value))
}

fn wrong(path: &str, value: &Value) -> Rejected {
    Rejected(format!("unable to read {path}: it cannot be {value}"))
}

fn unknown(path: &str) -> Rejected {
    Rejected(format!("the twin cannot patch {path} yet"))
}

fn unknown_of(kind: &str, path: &str) -> Rejected {
    Rejected(format!("the twin cannot patch {path} of a {kind} yet"))
}
