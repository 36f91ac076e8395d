//! Containers as a manifest may say them.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{NameKind, below, check_name, is_port_name};
use super::pod::{ProtocolName, port_number, warn_not_modelled};
use super::probe::{ProbeSpec, probe};
use super::schema::{Findings, Quantity, schema};
use crate::diagnostic::nearest;
use crate::manifest::config::{ConfigKind, ConfigReference, EnvFrom};
use crate::manifest::workload::{
    Container, ContainerPort, EnvValue, EnvVar, ImagePullPolicy, ResourceList, ResourceRequirements,
};
use crate::units::{parse_bytes, parse_millicores};

schema! {
    struct ContainerSpec {
        name: String,
        image: String,
        image_pull_policy: Option<PullPolicy>,
        command: Option<Vec<String>>,
        args: Option<Vec<String>>,
        env: Option<Vec<EnvSpec>>,
        env_from: Option<Vec<EnvFromSpec>>,
        ports: Option<Vec<PortSpec>>,
        resources: Option<ResourcesSpec>,
        liveness_probe: Option<ProbeSpec>,
        readiness_probe: Option<ProbeSpec>,
        startup_probe: Option<ProbeSpec>,
        volume_mounts: Option<Vec<VolumeMount>>,
    }
    ignores {
        lifecycle, resize_policy, restart_policy, restart_policy_rules, security_context, stdin, stdin_once,
        termination_message_path, termination_message_policy, tty, volume_devices, working_dir,
    }
}

schema! {
    struct EnvSpec { name: String, value: Option<String>, value_from: Option<ValueFrom>, }
    ignores {}
}

schema! {
    struct ValueFrom {
        #[serde(rename = "configMapKeyRef")]
        config_map: Option<KeyRef>,
        #[serde(rename = "secretKeyRef")]
        secret: Option<KeyRef>,
        #[serde(rename = "fieldRef")]
        field: Option<FieldRef>,
        #[serde(rename = "resourceFieldRef")]
        resource: Option<ResourceFieldRef>,
    }
    ignores { file_key_ref, }
}

schema! {
    struct KeyRef { name: String, key: String, optional: Option<bool>, }
    ignores {}
}

schema! {
    struct EnvFromSpec {
        prefix: Option<String>,
        #[serde(rename = "configMapRef")]
        config_map: Option<ObjectRef>,
        #[serde(rename = "secretRef")]
        secret: Option<ObjectRef>,
    }
    ignores {}
}

schema! {
    struct ObjectRef { name: String, optional: Option<bool>, }
    ignores {}
}

schema! {
    struct FieldRef { field_path: String, }
    ignores { api_version, }
}

schema! {
    struct ResourceFieldRef { resource: String, }
    ignores { container_name, divisor, }
}

schema! {
    struct PortSpec { name: Option<String>, container_port: u64, protocol: Option<ProtocolName>, }
    ignores {
        host_port,
        #[serde(rename = "hostIP")] host_ip,
    }
}

schema! {
    struct ResourcesSpec {
        requests: Option<BTreeMap<String, Quantity>>,
        limits: Option<BTreeMap<String, Quantity>>,
    }
    ignores { claims, }
}

schema! {
    struct VolumeMount { name: String, }
    ignores { mount_path, mount_propagation, read_only, recursive_read_only, sub_path, sub_path_expr, }
}

#[derive(Debug, serde::Deserialize)]
pub(super) enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

/// Fields of a container that Kubernetes acts on and the twin does not.
const NOT_MODELLED: [(&str, &str); 1] = [("lifecycle", "hooks do not run in the twin")];

pub(super) fn container(spec: ContainerSpec, field: &str, findings: &mut Findings) -> Container {
    check_name(findings, &format!("{field}.name"), &spec.name, NameKind::Label);
    warn_not_modelled(findings, field, &NOT_MODELLED);
    if spec.image.is_empty() || spec.image.contains(char::is_whitespace) {
        let help = "write `repository:tag`, such as weaveworksdemos/carts:0.4.8";
        findings.error(&format!("{field}.image"), format!("`{}` is not an image", spec.image), help);
    }
    let image_pull_policy = match spec.image_pull_policy {
        None => ImagePullPolicy::default_for(&spec.image),
        Some(PullPolicy::Always) => ImagePullPolicy::Always,
        Some(PullPolicy::IfNotPresent) => ImagePullPolicy::IfNotPresent,
        Some(PullPolicy::Never) => ImagePullPolicy::Never,
    };
    let ports = ports(spec.ports.unwrap_or_default(), &format!("{field}.ports"), findings);
    let mut read_probe =
        |spec: Option<ProbeSpec>, name: &str| spec.map(|spec| probe(spec, field, name, &ports, findings));
    let liveness_probe = read_probe(spec.liveness_probe, "livenessProbe");
    let readiness_probe = read_probe(spec.readiness_probe, "readinessProbe");
    let startup_probe = read_probe(spec.startup_probe, "startupProbe");
    Container {
        name: spec.name,
        image: spec.image,
        image_pull_policy,
        command: spec.command.unwrap_or_default(),
        args: spec.args.unwrap_or_default(),
        env: env(spec.env.unwrap_or_default(), &format!("{field}.env"), findings),
        env_from: env_from(spec.env_from.unwrap_or_default(), &format!("{field}.envFrom"), findings),
        ports,
        resources: resources(spec.resources, &format!("{field}.resources"), findings),
        liveness_probe,
        readiness_probe,
        startup_probe,
    }
}

fn env(specs: Vec<EnvSpec>, field: &str, findings: &mut Findings) -> Vec<EnvVar> {
    let mut names = BTreeSet::new();
    let mut variables = Vec::new();
    for (i, spec) in specs.into_iter().enumerate() {
        let field = format!("{field}[{i}]");
        if spec.name.is_empty() || !is_variable_name(&spec.name) {
            let help = "use letters, digits and `_`";
            findings.error(&format!("{field}.name"), format!("`{}` is not a variable's name", spec.name), help);
        }
        if !names.insert(spec.name.clone()) {
            let message = format!("`{}` is set twice: the last one holds", spec.name);
            findings.warning(&format!("{field}.name"), message, "remove one of the two");
        }
        let value = match (spec.value, spec.value_from) {
            (Some(_), Some(_)) => {
                findings.error(&field, "`value` and `valueFrom` exclude each other", "remove one of the two");
                EnvValue::Text(String::new())
            }
            (value, None) => EnvValue::Text(value.unwrap_or_default()),
            (None, Some(from)) => value_from(from, &format!("{field}.valueFrom"), findings),
        };
        variables.push(EnvVar { name: spec.name, value });
    }
    variables
}

/// Printable ASCII without `=` (`IsRelaxedEnvVarName`).
fn is_variable_name(text: &str) -> bool {
    text.chars().all(|c| (c.is_ascii_graphic() || c == ' ') && c != '=')
}

fn value_from(from: ValueFrom, field: &str, findings: &mut Findings) -> EnvValue {
    let mut sources = Vec::new();
    sources.extend(from.config_map.map(|key| EnvValue::Key(key.of(ConfigKind::ConfigMap))));
    sources.extend(from.secret.map(|key| EnvValue::Key(key.of(ConfigKind::Secret))));
    sources.extend(from.field.map(|source| EnvValue::From(source.field_path)));
    sources.extend(from.resource.map(|source| EnvValue::From(source.resource)));
    if sources.len() != 1 {
        let help = "write exactly one of `configMapKeyRef`, `secretKeyRef`, `fieldRef` and `resourceFieldRef`";
        findings.error(field, format!("{} sources for one value", sources.len()), help);
    }
    for source in &sources {
        if let EnvValue::Key(reference) = source {
            check_reference(reference, field, findings);
        }
    }
    sources.into_iter().next().unwrap_or_else(|| EnvValue::Text(String::new()))
}

fn env_from(specs: Vec<EnvFromSpec>, field: &str, findings: &mut Findings) -> Vec<EnvFrom> {
    let mut found = Vec::new();
    for (i, spec) in specs.into_iter().enumerate() {
        let field = format!("{field}[{i}]");
        let prefix = spec.prefix.unwrap_or_default();
        if !is_variable_name(&prefix) {
            let help = "use letters, digits and `_`";
            findings.error(&format!("{field}.prefix"), format!("no variable's name begins with `{prefix}`"), help);
        }
        let config_map = spec.config_map.map(|object| object.of(ConfigKind::ConfigMap));
        let sources: Vec<_> =
            config_map.into_iter().chain(spec.secret.map(|object| object.of(ConfigKind::Secret))).collect();
        if sources.len() != 1 {
            let help = "write exactly one of `configMapRef` and `secretRef`";
            findings.error(&field, format!("{} sources in one item", sources.len()), help);
        }
        for source in sources {
            check_reference(&source, &field, findings);
            found.push(EnvFrom { prefix: prefix.clone(), source });
        }
    }
    found
}

impl KeyRef {
    fn of(self, kind: ConfigKind) -> ConfigReference {
        ConfigReference { kind, name: self.name, key: Some(self.key), optional: self.optional.unwrap_or(false) }
    }
}

impl ObjectRef {
    fn of(self, kind: ConfigKind) -> ConfigReference {
        ConfigReference { kind, name: self.name, key: None, optional: self.optional.unwrap_or(false) }
    }
}

/// Notes a reference that stands below `field` and that the API server would refuse.
fn check_reference(reference: &ConfigReference, field: &str, findings: &mut Findings) {
    let field = format!("{field}.{}.name", reference.field());
    check_name(findings, &field, &reference.name, NameKind::Subdomain);
}

fn ports(specs: Vec<PortSpec>, field: &str, findings: &mut Findings) -> Vec<ContainerPort> {
    let mut names = BTreeSet::new();
    let mut ports = Vec::new();
    for (i, spec) in specs.into_iter().enumerate() {
        let field = format!("{field}[{i}]");
        if let Some(name) = &spec.name {
            if !is_port_name(name) {
                let help = "use at most 15 lower-case letters, digits and `-`";
                findings.error(&format!("{field}.name"), format!("`{name}` is not a port's name"), help);
            } else if !names.insert(name.clone()) {
                let help = "give each port a name of its own";
                findings.error(&format!("{field}.name"), format!("a second port is named `{name}`"), help);
            }
        }
        let port = port_number(findings, &format!("{field}.containerPort"), spec.container_port);
        ports.push(ContainerPort { name: spec.name, port, protocol: spec.protocol.unwrap_or_default().into() });
    }
    ports
}

/// Limits without a request reserve what they allow (`pkg/apis/core/v1/defaults.go`, `SetDefaults_Pod`).
fn resources(spec: Option<ResourcesSpec>, field: &str, findings: &mut Findings) -> ResourceRequirements {
    let Some(spec) = spec else { return ResourceRequirements::default() };
    let limits = resource_list(spec.limits.unwrap_or_default(), &format!("{field}.limits"), findings);
    let mut requests = resource_list(spec.requests.unwrap_or_default(), &format!("{field}.requests"), findings);
    requests.cpu = requests.cpu.or(limits.cpu);
    requests.memory = requests.memory.or(limits.memory);
    let mut compare = |name: &str, request: Option<(u64, String)>, limit: Option<(u64, String)>| {
        if let (Some((request, request_text)), Some((limit, limit_text))) = (request, limit)
            && request > limit
            && findings.is_sound(&format!("{field}.limits"))
        {
            let message = format!("the request of {request_text} is above the limit of {limit_text}");
            findings.error(&format!("{field}.requests.{name}"), message, "lower the request or raise the limit");
        }
    };
    let cpu = |list: &ResourceList| list.cpu.map(|c| (c.0, c.to_string()));
    let memory = |list: &ResourceList| list.memory.map(|m| (m.0, m.to_string()));
    compare("cpu", cpu(&requests), cpu(&limits));
    compare("memory", memory(&requests), memory(&limits));
    ResourceRequirements { requests, limits }
}

fn resource_list(quantities: BTreeMap<String, Quantity>, field: &str, findings: &mut Findings) -> ResourceList {
    let mut list = ResourceList::default();
    for (name, Quantity(text)) in quantities {
        let field = below(field, &name);
        match name.as_str() {
            "cpu" => list.cpu = findings.parsed(&field, parse_millicores(&text)),
            "memory" => list.memory = findings.parsed(&field, parse_bytes(&text)),
            _ if name == "ephemeral-storage" || name.starts_with("hugepages-") || name.contains('/') => {}
            _ => {
                let help = match nearest(&name, ["cpu", "memory", "ephemeral-storage"]) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "write `cpu`, `memory` or `ephemeral-storage`".to_owned(),
                };
                findings.error(&field, format!("unknown resource `{name}`"), help);
            }
        }
    }
    list
}
