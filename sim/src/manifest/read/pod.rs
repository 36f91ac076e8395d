//! Pod templates as a manifest may say them.

use std::collections::BTreeSet;

use super::container::{ContainerSpec, container};
use super::names::{check_labels, is_port_name};
use super::schema::{Findings, IntOrString, schema};
use crate::diagnostic::nearest;
use crate::manifest::meta::Labels;
use crate::manifest::service::PortRef;
use crate::manifest::workload::{Container, PodTemplate, Protocol, TaintEffect, Toleration};
use crate::time::SimDuration;

/// `DefaultTerminationGracePeriodSeconds` in `pkg/apis/core/v1/defaults.go`.
const DEFAULT_GRACE_SECONDS: u64 = 30;

schema! {
    struct TemplateSpec { metadata: Option<TemplateMetadata>, spec: PodSpec, }
    ignores {}
}

schema! {
    struct TemplateMetadata { labels: Option<Labels>, annotations: Option<Labels>, }
    ignores {
        creation_timestamp, finalizers, generate_name, generation, managed_fields, name, namespace,
        owner_references, resource_version, self_link, uid,
    }
}

schema! {
    struct PodSpec {
        containers: Vec<ContainerSpec>,
        node_selector: Option<Labels>,
        termination_grace_period_seconds: Option<u64>,
        restart_policy: Option<RestartPolicy>,
        tolerations: Option<Vec<TolerationSpec>>,
        volumes: Option<Vec<VolumeSpec>>,
    }
    ignores {
        active_deadline_seconds, affinity, automount_service_account_token, dns_config, dns_policy,
        enable_service_links, ephemeral_containers, host_aliases, host_network, host_users, hostname,
        hostname_override, image_pull_secrets, init_containers, node_name, os, overhead, preemption_policy,
        priority, priority_class_name, readiness_gates, resource_claims, resources, runtime_class_name,
        scheduler_name, scheduling_gates, security_context, service_account, service_account_name,
        share_process_namespace, subdomain, topology_spread_constraints,
        #[serde(rename = "hostIPC")] host_ipc,
        #[serde(rename = "hostPID")] host_pid,
        #[serde(rename = "setHostnameAsFQDN")] set_hostname_as_fqdn,
    }
}

schema! {
    struct VolumeSpec { name: String, }
    ignores {
        aws_elastic_block_store, azure_disk, azure_file, cephfs, cinder, config_map, csi, empty_dir, ephemeral,
        fc, flex_volume, flocker, gce_persistent_disk, git_repo, glusterfs, host_path, image, iscsi, nfs,
        persistent_volume_claim, photon_persistent_disk, portworx_volume, projected, quobyte, rbd, secret,
        storageos, vsphere_volume,
        #[serde(rename = "downwardAPI")] downward_api,
        #[serde(rename = "scaleIO")] scale_io,
    }
}

schema! {
    struct TolerationSpec {
        key: Option<String>,
        operator: Option<TolerationOperator>,
        value: Option<String>,
        effect: Option<EffectName>,
        toleration_seconds: Option<i64>,
    }
    ignores {}
}

#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Deserialize)]
pub(in crate::manifest) enum TolerationOperator {
    #[default]
    Equal,
    Exists,
}

#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize)]
pub(in crate::manifest) enum EffectName {
    NoSchedule,
    PreferNoSchedule,
    NoExecute,
}

impl From<EffectName> for TaintEffect {
    fn from(name: EffectName) -> Self {
        match name {
            EffectName::NoSchedule => Self::NoSchedule,
            EffectName::PreferNoSchedule => Self::PreferNoSchedule,
            EffectName::NoExecute => Self::NoExecute,
        }
    }
}

#[derive(Debug, PartialEq, serde::Deserialize)]
pub(in crate::manifest) enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
pub(in crate::manifest) enum ProtocolName {
    #[default]
    #[serde(rename = "TCP")]
    Tcp,
    #[serde(rename = "UDP")]
    Udp,
    #[serde(rename = "SCTP")]
    Sctp,
}

impl From<ProtocolName> for Protocol {
    fn from(name: ProtocolName) -> Self {
        match name {
            ProtocolName::Tcp => Self::Tcp,
            ProtocolName::Udp => Self::Udp,
            ProtocolName::Sctp => Self::Sctp,
        }
    }
}

/// Fields of a pod that Kubernetes acts on and the twin does not, with what that means.
const NOT_MODELLED: [(&str, &str); 7] = [
    ("initContainers", "the twin starts the containers at once"),
    ("affinity", "the twin places pods by their requests and nodeSelector"),
    ("topologySpreadConstraints", "the twin places pods by their requests and nodeSelector"),
    ("nodeName", "the twin places pods by their requests and nodeSelector"),
    ("priorityClassName", "in the twin no pod displaces another"),
    ("readinessGates", "in the twin probes alone decide readiness"),
    ("activeDeadlineSeconds", "in the twin pods live until they are deleted"),
];

/// Warns of the fields below `field` that change a real pod's behaviour, but not the twin's.
pub(super) fn warn_not_modelled(findings: &mut Findings, field: &str, names: &[(&str, &str)]) {
    for (name, consequence) in names {
        let field = format!("{field}.{name}");
        if findings.is_written(&field) {
            let help = format!("expect that {consequence}, or remove it");
            findings.warning(&field, format!("`{name}` has no effect in the twin"), help);
        }
    }
}

pub(super) fn template(template: TemplateSpec, field: &str, findings: &mut Findings) -> PodTemplate {
    let spec_field = format!("{field}.spec");
    let (labels, annotations) = match template.metadata {
        Some(metadata) => (metadata.labels.unwrap_or_default(), metadata.annotations.unwrap_or_default()),
        None => (Labels::new(), Labels::new()),
    };
    check_labels(findings, &format!("{field}.metadata.labels"), &labels);
    let spec = template.spec;
    warn_not_modelled(findings, &spec_field, &NOT_MODELLED);
    if spec.restart_policy.as_ref().is_some_and(|p| *p != RestartPolicy::Always) {
        let help = "write `Always`, or leave it out";
        findings.error(&format!("{spec_field}.restartPolicy"), "a Deployment's pods always restart", help);
    }
    let node_selector = spec.node_selector.unwrap_or_default();
    check_labels(findings, &format!("{spec_field}.nodeSelector"), &node_selector);
    let tolerations = spec.tolerations.unwrap_or_default().into_iter().enumerate();
    let tolerations =
        tolerations.map(|(i, spec)| toleration(spec, &format!("{spec_field}.tolerations[{i}]"), findings)).collect();
    let volumes: Vec<String> = spec.volumes.unwrap_or_default().into_iter().map(|v| v.name).collect();
    let grace = spec.termination_grace_period_seconds.unwrap_or(DEFAULT_GRACE_SECONDS);
    PodTemplate {
        labels,
        annotations,
        containers: containers(spec.containers, &format!("{spec_field}.containers"), &volumes, findings),
        node_selector,
        termination_grace: SimDuration::from_secs(grace.min(u64::from(u32::MAX))),
        tolerations,
    }
}

/// `ValidateTolerations` in `pkg/apis/core/validation/validation.go`.
fn toleration(spec: TolerationSpec, field: &str, findings: &mut Findings) -> Toleration {
    let operator = spec.operator.unwrap_or_default();
    let key = spec.key.filter(|key| !key.is_empty());
    let value = spec.value.filter(|value| !value.is_empty());
    if key.is_none() && operator != TolerationOperator::Exists {
        let help = "name the taint's key, or write `operator: Exists`, which puts up with every taint";
        findings.error(&format!("{field}.operator"), "without a key the operator must be `Exists`", help);
    }
    if operator == TolerationOperator::Exists && value.is_some() {
        let help = "remove the value, or write `operator: Equal`";
        findings.error(&format!("{field}.value"), "with the operator `Exists` there is no value", help);
    }
    let is_for_execution = spec.effect == Some(EffectName::NoExecute);
    if spec.toleration_seconds.is_some() && !is_for_execution {
        let help = "write `effect: NoExecute`, or remove the seconds";
        findings.error(&format!("{field}.effect"), "`tolerationSeconds` is for the effect `NoExecute`", help);
    }
    Toleration {
        key,
        value: if operator == TolerationOperator::Equal { Some(value.unwrap_or_default()) } else { None },
        effect: spec.effect.map(TaintEffect::from),
        // Below zero is at once, as zero is.
        seconds: spec.toleration_seconds.map(|seconds| u64::try_from(seconds).unwrap_or(0)),
    }
}

fn containers(specs: Vec<ContainerSpec>, field: &str, volumes: &[String], findings: &mut Findings) -> Vec<Container> {
    if specs.is_empty() {
        findings.error(field, "a pod needs a container", "add `- name: …` and `image: …`");
    }
    let volumes_known = findings.is_sound(&field.replace(".containers", ".volumes"));
    let mut names = BTreeSet::new();
    for (i, spec) in specs.iter().enumerate() {
        if !names.insert(&spec.name) {
            let help = "give each container of a pod a name of its own";
            findings.error(&format!("{field}[{i}].name"), format!("a second container is named `{}`", spec.name), help);
        }
        for (j, mount) in spec.volume_mounts.iter().flatten().enumerate() {
            if volumes_known && !volumes.contains(&mount.name) {
                let help = match nearest(&mount.name, volumes.iter().map(String::as_str)) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "declare it under `volumes`".to_owned(),
                };
                let field = format!("{field}[{i}].volumeMounts[{j}].name");
                findings.error(&field, format!("the pod has no volume `{}`", mount.name), help);
            }
        }
    }
    specs.into_iter().enumerate().map(|(i, spec)| container(spec, &format!("{field}[{i}]"), findings)).collect()
}

/// A port's number, from 1 to 65535.
pub(super) fn port_number(findings: &mut Findings, field: &str, number: u64) -> u16 {
    match u16::try_from(number) {
        Ok(port) if port > 0 => port,
        _ => {
            findings.error(field, format!("`{number}` is not a port"), "write a number from 1 to 65535");
            1
        }
    }
}

/// A port by number or by name.
pub(super) fn port_ref(findings: &mut Findings, field: &str, port: IntOrString) -> PortRef {
    match port {
        IntOrString::Int(number) => PortRef::Number(port_number(findings, field, number)),
        IntOrString::Text(name) => {
            if name.parse::<u64>().is_ok() {
                findings.error(field, format!("the text `{name}` is not a port's name"), "remove the quotes");
            } else if !is_port_name(&name) {
                let help = "write a number, or a container port's name: at most 15 lower-case letters, digits and `-`";
                findings.error(field, format!("`{name}` is not a port"), help);
            }
            PortRef::Name(name)
        }
    }
}
