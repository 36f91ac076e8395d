//! Namespaces and configuration objects as a manifest may say them.

use std::collections::BTreeMap;

use super::names::{NameKind, below, meta};
use super::schema::{Findings, Metadata, schema};
use crate::manifest::config::{ConfigMap, Secret};
use crate::manifest::meta::Namespace;

schema! {
    struct NamespaceFile { metadata: Metadata, }
    ignores { api_version, kind, spec, status, }
}

schema! {
    struct ConfigMapFile {
        metadata: Metadata,
        data: Option<BTreeMap<String, String>>,
    }
    ignores { api_version, kind, binary_data, immutable, }
}

schema! {
    struct SecretFile {
        metadata: Metadata,
        r#type: Option<String>,
        data: Option<BTreeMap<String, String>>,
        string_data: Option<BTreeMap<String, String>>,
    }
    ignores { api_version, kind, immutable, }
}

pub(super) fn namespace(file: NamespaceFile, findings: &mut Findings) -> Namespace {
    let mut meta = meta(findings, file.metadata, NameKind::Label);
    meta.namespace.clone_from(&meta.name);
    Namespace { meta }
}

pub(super) fn config_map(file: ConfigMapFile, findings: &mut Findings) -> ConfigMap {
    let data = file.data.unwrap_or_default();
    check_keys(findings, "data", data.keys());
    ConfigMap { meta: meta(findings, file.metadata, NameKind::Subdomain), data }
}

pub(super) fn secret(file: SecretFile, findings: &mut Findings) -> Secret {
    let (data, texts) = (file.data.unwrap_or_default(), file.string_data.unwrap_or_default());
    check_keys(findings, "data", data.keys());
    check_keys(findings, "stringData", texts.keys());
    for (key, _) in data.iter().filter(|(_, value)| !is_base64(value)) {
        let help = "encode it with `base64`, or write it under `stringData`";
        findings.error(&below("data", key), format!("the value of `{key}` is not base64"), help);
    }
    Secret {
        meta: meta(findings, file.metadata, NameKind::Subdomain),
        secret_type: file.r#type.unwrap_or_else(|| "Opaque".to_owned()),
        keys: data.into_keys().chain(texts.into_keys()).collect(),
    }
}

fn check_keys<'k>(findings: &mut Findings, field: &str, keys: impl Iterator<Item = &'k String>) {
    let valid = |key: &str| {
        !key.is_empty()
            && key.len() <= 253
            && ![".", ".."].contains(&key)
            && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    for key in keys.filter(|key| !valid(key)) {
        let help = "use letters, digits, `-`, `_` and `.`";
        findings.error(&below(field, key), format!("`{key}` is not a valid key"), help);
    }
}

/// RFC 4648 with padding, line breaks allowed, as Go's decoder takes it.
fn is_base64(text: &str) -> bool {
    let compact: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    let body = compact.trim_end_matches('=');
    compact.len().is_multiple_of(4)
        && compact.len() - body.len() <= 2
        && body.chars().all(|c| c.is_ascii_alphanumeric() || c == '+' || c == '/')
}
