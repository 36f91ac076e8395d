//! Rule files in Prometheus' own format.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

use super::template::Template;
use super::{Group, Rule, Rules};
use crate::diagnostic::{Diagnostic, Diagnostics, Source};
use crate::input::{self, Document, Located};
use crate::promql::Query;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    #[serde(default)]
    groups: Vec<GroupForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupForm {
    name: Scalar,
    interval: Option<Lapse>,
    #[serde(default)]
    limit: u32,
    #[serde(default)]
    rules: Vec<RuleForm>,
}

#[expect(clippy::zero_sized_map_values, reason = "what a scalar says is taken from the document")]
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleForm {
    record: Option<Scalar>,
    alert: Option<Scalar>,
    expr: Scalar,
    #[serde(default, rename = "for")]
    hold: Lapse,
    #[serde(default)]
    keep_firing_for: Lapse,
    #[serde(default)]
    labels: BTreeMap<String, Scalar>,
    #[serde(default)]
    annotations: BTreeMap<String, Scalar>,
}

/// Any scalar: what it says is taken from the document, where it stands as it was written.
#[derive(Clone, Copy)]
struct Scalar;

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_str<E>(self, _: &str) -> Result<Scalar, E> {
                Ok(Scalar)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Scalar, E> {
                Ok(Scalar)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Scalar, E> {
                Ok(Scalar)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Scalar, E> {
                Ok(Scalar)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Scalar, E> {
                Ok(Scalar)
            }
        }
        from.deserialize_any(Any)
    }
}

/// A duration as Prometheus' configuration writes it, in milliseconds.
#[derive(Clone, Copy, Default)]
struct Lapse(i64);

impl<'de> Deserialize<'de> for Lapse {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Lapse;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as 30s, 5m or 1h30m")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Lapse, E> {
                lapse(text).map(Lapse).ok_or_else(|| {
                    E::custom(format!(
                        "`{text}` is not a duration: write one such as 30s, 5m or 1h30m, largest unit first"
                    ))
                })
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Lapse, E> {
                self.visit_str(&number.to_string())
            }
        }
        from.deserialize_any(Text)
    }
}

/// Whole numbers with units, the largest first and each at most once (`ParseDuration` in Prometheus'
/// `model/time.go`), in milliseconds.
fn lapse(text: &str) -> Option<i64> {
    const UNITS: [(&str, i64); 7] = [
        ("y", 31_536_000_000),
        ("w", 604_800_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut total: i64 = 0;
    let mut largest = 0;
    while !rest.is_empty() || text.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let unit_end = digits + rest[digits..].find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len() - digits);
        let place = largest + UNITS[largest..].iter().position(|(unit, _)| *unit == &rest[digits..unit_end])?;
        let count: i64 = rest[..digits].parse().ok()?;
        total = total.checked_add(count.checked_mul(UNITS[place].1)?)?;
        largest = place + 1;
        rest = &rest[unit_end..];
    }
    Some(total)
}

impl Rules {
    /// Reads rule files.
    ///
    /// # Errors
    /// Every mistake, file by file.
    pub fn read(sources: &[Source]) -> Result<Self, Diagnostics> {
        let mut rules = Self { groups: Vec::new() };
        let mut mistakes = Vec::new();
        for source in sources {
            match documents(source) {
                Ok(Some(file)) => rules.groups.extend(groups(&file, &mut mistakes)),
                // Prometheus takes an empty file for one without groups.
                Ok(None) => {}
                Err(Diagnostics(found)) => mistakes.extend(found),
            }
        }
        if mistakes.is_empty() { Ok(rules) } else { Err(Diagnostics(mistakes)) }
    }
}

fn documents(source: &Source) -> Result<Option<Located<FileForm>>, Diagnostics> {
    if input::documents(source)?.is_empty() {
        return Ok(None);
    }
    input::document(source)?.read().map(Some)
}

fn groups(file: &Located<FileForm>, mistakes: &mut Vec<Diagnostic>) -> Vec<Group> {
    let document = &file.document;
    let mut names = BTreeSet::new();
    let mut groups = Vec::new();
    for (number, form) in file.value.groups.iter().enumerate() {
        let path = format!("groups[{number}]");
        let name_path = format!("{path}.name");
        let Scalar = form.name;
        let name = document.text(&name_path).unwrap_or_default();
        if name.is_empty() {
            mistakes.push(document.error(&name_path, "the group has no name").help("write one"));
        } else if !names.insert(name) {
            let message = format!("`{name}` is already the name of a group of this file");
            mistakes.push(document.error(&name_path, message).help("rename one of the two"));
        }
        let rules = form.rules.iter().enumerate();
        let rules = rules.filter_map(|(at, rule)| rule.check(&format!("{path}.rules[{at}]"), document, mistakes));
        let rules = rules.collect();
        // An interval of 0 is none.
        let interval_ms = form.interval.map(|Lapse(ms)| ms).filter(|ms| *ms > 0);
        groups.push(Group { interval_ms, limit: form.limit as usize, rules });
    }
    groups
}

impl RuleForm {
    fn check(&self, path: &str, document: &Document, mistakes: &mut Vec<Diagnostic>) -> Option<Rule> {
        let before = mistakes.len();
        let text = |field: &str| document.text(&format!("{path}.{field}")).unwrap_or_default();
        let mut mistake = |field: &str, message: String, help: &str| {
            mistakes.push(document.error(&format!("{path}{field}"), message).help(help));
        };
        let Scalar = self.expr;
        match (self.alert, self.record) {
            (Some(Scalar), Some(Scalar)) => {
                mistake("", "a rule has both `alert` and `record`".into(), "remove one of the two");
            }
            (None, Some(Scalar)) => {
                mistake(
                    ".record",
                    "recording rules are not supported".into(),
                    "write the expression out where it is used",
                );
            }
            (Some(Scalar), None) if !text("alert").is_empty() => {}
            _ => mistake("", "a rule has no name".into(), "write one behind `alert:`"),
        }
        let expr = Query::parse(text("expr"));
        if let Err(error) = &expr {
            mistake(".expr", format!("could not parse expression: {error}"), "correct the expression");
        }
        let mut templates = |field: &str, names: Vec<&String>| -> Vec<(String, Template)> {
            let mut read = Vec::new();
            for name in names {
                let place = format!(".{field}.{name}");
                if !is_label_name(name) || field == "labels" && name == "__name__" {
                    mistake(&place, format!("`{name}` is no name for one of the {field}"), "use letters, digits and _");
                }
                match Template::parse(text(&place[1..])) {
                    Ok(template) => read.push((name.clone(), template)),
                    Err(message) => {
                        mistake(&place, message, "use `$labels.name`, `$value` and a function of the value");
                    }
                }
            }
            read
        };
        let (labels, annotations) = (
            templates("labels", self.labels.keys().collect()),
            templates("annotations", self.annotations.keys().collect()),
        );
        let name = text("alert").to_owned();
        if mistakes.len() > before {
            return None;
        }
        Some(Rule {
            name,
            expr: expr.ok()?,
            hold_ms: self.hold.0,
            keep_firing_ms: self.keep_firing_for.0,
            labels,
            annotations,
        })
    }
}

fn is_label_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Rules, Diagnostics> {
        Rules::read(&[Source { path: "rules.yaml".into(), text: text.into() }])
    }

    #[test]
    fn durations_are_those_of_prometheus() {
        let cases = [
            ("0", Some(0)),
            ("5m", Some(300_000)),
            ("1h30m", Some(5_400_000)),
            ("1m500ms", Some(60_500)),
            ("1w", Some(604_800_000)),
            ("", None),
            ("5", None),
            ("30m1h", None),
            ("1m1m", None),
            ("1.5h", None),
            ("-1m", None),
        ];
        for (text, expected) in cases {
            assert_eq!(lapse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn files_are_read_as_written() {
        let rules = read(
            "groups:\n- name: a\n  interval: 30s\n  rules:\n  - alert: Down\n    expr: up == 0\n    for: 0\n    labels: {severity: 1}\n",
        );
        let group = rules.unwrap().groups.remove(0);
        assert_eq!((group.interval_ms, group.limit, group.rules[0].hold_ms), (Some(30_000), 0, 0));
        assert_eq!(group.rules[0].labels[0].1.text(), "1");
        assert!(read("").unwrap().groups.is_empty());
    }

    #[test]
    fn every_mistake_has_its_line_and_field() {
        let text = "groups:\n- name: a\n  rules:\n  - alert: Down\n    expr: up ==\n    labels:\n      a-b: x\n    annotations:\n      \
                    text: '{{ query \"up\" }}'\n  - record: x\n    expr: up\n  - expr: up\n- name: a\n";
        insta::assert_snapshot!(read(text).unwrap_err().to_string(), @r#"
        error: rules.yaml:5: groups[0].rules[0].expr: could not parse expression: 1:6: parse error: unexpected end of input, expected an expression
          help: correct the expression
        error: rules.yaml:7: groups[0].rules[0].labels.a-b: `a-b` is no name for one of the labels
          help: use letters, digits and _
        error: rules.yaml:9: groups[0].rules[0].annotations.text: `{{ query "up" }}` is not supported
          help: use `$labels.name`, `$value` and a function of the value
        error: rules.yaml:10: groups[0].rules[1].record: recording rules are not supported
          help: write the expression out where it is used
        error: rules.yaml:12: groups[0].rules[2]: a rule has no name
          help: write one behind `alert:`
        error: rules.yaml:13: groups[1].name: `a` is already the name of a group of this file
          help: rename one of the two
        "#);
        insta::assert_snapshot!(read("groups:\n- nam: a\n  rules:\n  - alert: a\n    for: 5\n").unwrap_err().to_string(), @r#"
        error: rules.yaml:2: groups[0].nam: unknown field `nam`
          help: did you mean `name`? Allowed here: `name`, `interval`, `limit`, `rules`
        error: rules.yaml:4: groups[0].rules[0].expr: missing field `expr`
          help: add `expr` here
        error: rules.yaml:5: groups[0].rules[0].for: `5` is not a duration
          help: write one such as 30s, 5m or 1h30m, largest unit first
        "#);
    }
}
