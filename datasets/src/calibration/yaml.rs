//! Writes a value as YAML with comments, so that a file says where its numbers come from.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

/// Comments by the path of what they stand above, such as `services.carts.endpoints[0]`.
pub(super) type Comments = BTreeMap<String, Vec<String>>;

/// Words that YAML takes for something else than a text.
const NOT_PLAIN: [&str; 10] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "~"];

/// A mapping as a document. Fields without a value are left out.
pub(super) fn document(value: &Value, comments: &Comments) -> String {
    let mut text = String::new();
    block(&mut text, value, "", 0, comments);
    text
}

/// The lines of a mapping or a list that is not empty.
fn block(text: &mut String, value: &Value, path: &str, indent: usize, comments: &Comments) {
    match value {
        Value::Object(fields) => {
            // In which order JSON's fields come depends on how serde_json was built.
            let sorted: BTreeMap<&String, &Value> = fields.iter().filter(|(_, value)| !value.is_null()).collect();
            for (name, value) in sorted {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                comment(text, &path, indent, comments);
                entry(text, &format!("{}:", key(name)), value, &path, indent, comments);
            }
        }
        Value::Array(items) => {
            for (number, value) in items.iter().enumerate() {
                let path = format!("{path}[{number}]");
                comment(text, &path, indent, comments);
                entry(text, "-", value, &path, indent, comments);
            }
        }
        scalar => line(text, indent, &inline(scalar)),
    }
}

/// What stands behind a name or a dash: on its line, or below it.
fn entry(text: &mut String, mark: &str, value: &Value, path: &str, indent: usize, comments: &Comments) {
    if is_block(value) {
        line(text, indent, mark);
        block(text, value, path, indent + 2, comments);
    } else {
        line(text, indent, &format!("{mark} {}", inline(value)));
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.values().any(|value| !value.is_null()),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

/// A value on one line, as JSON writes it, which is YAML.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        scalar => scalar.to_string(),
    }
}

fn key(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        && !NOT_PLAIN.contains(&name.to_ascii_lowercase().as_str());
    if is_plain { name.to_owned() } else { Value::String(name.to_owned()).to_string() }
}

fn comment(text: &mut String, path: &str, indent: usize, comments: &Comments) {
    for comment in comments.get(path).into_iter().flatten() {
        line(text, indent, &format!("# {comment}"));
    }
}

fn line(text: &mut String, indent: usize, what: &str) {
    // A text takes whatever is written into it.
    writeln!(text, "{:indent$}{what}", "").expect("a text can be written");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn comments_stand_above_what_they_are_about() {
        let value = json!({"a": {"list": [{"x": "1: 2", "y": null}, "on", []], "empty": {}}, "yes": 1.5});
        let comments = Comments::from([("a.list[0]".to_owned(), vec!["here".to_owned()])]);
        let expected = "\
a:
  empty: {}
  list:
    # here
    -
      x: \"1: 2\"
    - \"on\"
    - []
\"yes\": 1.5
";
        let text = document(&value, &comments);
        assert_eq!(text, expected);
        let read: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(read, json!({"a": {"list": [{"x": "1: 2"}, "on", []], "empty": {}}, "yes": 1.5}));
    }
}
