//! Names and labels, as the API server validates them
//! (`k8s.io/apimachinery/pkg/util/validation/validation.go`).

use super::schema::{Findings, Metadata};
use crate::manifest::meta::{Labels, ObjectMeta};

/// The kinds of names in Kubernetes.
#[derive(Clone, Copy)]
pub(in crate::manifest) enum NameKind {
    /// RFC 1123 subdomain: labels with dots between them.
    Subdomain,
    /// RFC 1123 label.
    Label,
    /// RFC 1035 label: it begins with a letter.
    LetterLabel,
}

fn is_label(text: &str) -> bool {
    let alphanumeric = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    alphanumeric(text.chars().next())
        && alphanumeric(text.chars().last())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

impl NameKind {
    fn accepts(self, name: &str) -> bool {
        match self {
            Self::Subdomain => is_subdomain(name),
            Self::Label => name.len() <= 63 && is_label(name),
            Self::LetterLabel => Self::Label.accepts(name) && name.starts_with(|c: char| c.is_ascii_lowercase()),
        }
    }

    fn rule(self) -> &'static str {
        match self {
            Self::Subdomain => "lower-case letters, digits, `-` and `.`, at most 253",
            Self::Label => "lower-case letters, digits and `-`, at most 63",
            Self::LetterLabel => "lower-case letters, digits and `-`, a letter first, at most 63",
        }
    }
}

/// Notes a name that the API server would refuse.
pub(super) fn check_name(findings: &mut Findings, field: &str, name: &str, kind: NameKind) {
    if !kind.accepts(name) {
        let help = format!("use {}, and no `-` at either end", kind.rule());
        findings.error(field, format!("`{name}` is not a valid name"), help);
    }
}

/// Letters, digits, `-`, `_` and `.`, at most 63, alphanumeric at both ends.
fn is_qualified_part(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && ends(text.chars().next())
        && ends(text.chars().last())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn is_qualified(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_qualified_part(name),
        None => is_qualified_part(key),
    }
}

fn check_keys(findings: &mut Findings, field: &str, map: &Labels) {
    for key in map.keys().filter(|k| !is_qualified(k)) {
        let help = "write `name` or `prefix/name` with letters, digits, `-`, `_` and `.`, at most 63 behind the slash";
        findings.error(&below(field, key), format!("`{key}` is not a valid key"), help);
    }
}

/// Notes labels that the API server would refuse.
pub(super) fn check_labels(findings: &mut Findings, field: &str, labels: &Labels) {
    check_keys(findings, field, labels);
    for (key, value) in labels.iter().filter(|(_, v)| !v.is_empty() && !is_qualified_part(v)) {
        let help = "use letters, digits, `-`, `_` and `.`, at most 63, a letter or digit at both ends";
        findings.error(&below(field, key), format!("`{value}` is not a valid label value"), help);
    }
}

/// The path of a key below a field.
pub(super) fn below(field: &str, key: &str) -> String {
    if key.contains(['.', '[', ' ']) { format!("{field}[\"{key}\"]") } else { format!("{field}.{key}") }
}

/// The metadata of an object in a namespace, `default` if it names none.
pub(super) fn meta(findings: &mut Findings, metadata: Metadata, kind: NameKind) -> ObjectMeta {
    check_name(findings, "metadata.name", &metadata.name, kind);
    if let Some(namespace) = &metadata.namespace {
        check_name(findings, "metadata.namespace", namespace, NameKind::Label);
    }
    let labels = metadata.labels.unwrap_or_default();
    let annotations = metadata.annotations.unwrap_or_default();
    check_labels(findings, "metadata.labels", &labels);
    check_keys(findings, "metadata.annotations", &annotations);
    let namespace = metadata.namespace.unwrap_or_else(|| "default".to_owned());
    ObjectMeta { name: metadata.name, namespace, labels, annotations }
}

/// Whether a text can name a port (`IsValidPortName`).
pub(super) fn is_port_name(name: &str) -> bool {
    name.len() <= 15 && is_label(name) && !name.contains("--") && name.contains(|c: char| c.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_as_the_api_server_does() {
        for (name, subdomain, label, letter) in [
            ("carts-db", true, true, true),
            ("2fast", true, true, false),
            ("a.b", true, false, false),
            ("Carts", false, false, false),
            ("carts_db", false, false, false),
            ("-a", false, false, false),
            ("a-", false, false, false),
            ("", false, false, false),
            (&"a".repeat(64), true, false, false),
            (&"a".repeat(254), false, false, false),
        ] {
            assert_eq!(NameKind::Subdomain.accepts(name), subdomain, "{name}");
            assert_eq!(NameKind::Label.accepts(name), label, "{name}");
            assert_eq!(NameKind::LetterLabel.accepts(name), letter, "{name}");
        }
        for (key, valid) in [
            ("app.kubernetes.io/name", true),
            ("prometheus.io.scrape", true),
            ("name", true),
            ("a/b/c", false),
            ("/name", false),
            ("na me", false),
            ("Example.com/name", false),
        ] {
            assert_eq!(is_qualified(key), valid, "{key}");
        }
        assert!(is_port_name("http") && is_port_name("http-metrics"));
        for bad in ["80", "a--b", "HTTP", "sixteen-letters1"] {
            assert!(!is_port_name(bad), "{bad}");
        }
    }
}
