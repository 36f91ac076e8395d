//! Fields of objects: what of an object changed, and how it is put back.
//!
//! ```text
//!   spec.template.spec.containers[carts].image
//!   └── names of fields ──────────┘└ an element by its name
//! ```
//!
//! Elements of lists whose elements all have names of their own (containers, variables, volumes, ports) are told by
//! them, since Kubernetes merges such lists by name and others may add elements of theirs. Any other list is one value.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A field that was changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The way to it: names of fields, and names of elements in brackets.
    pub path: Vec<String>,
    /// Its value before; none if it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// Its value after; none if it went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// The way to it as a person would write it.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.path.iter().enumerate() {
            let dot = if index == 0 || element(step).is_some() { "" } else { "." };
            write!(f, "{dot}{step}")?;
        }
        Ok(())
    }
}

/// What changed from one state of an object to another, field by field.
pub fn difference(before: &Value, after: &Value) -> Vec<Field> {
    let mut fields = Vec::new();
    compare(&mut Vec::new(), Some(before), Some(after), &mut fields);
    fields
}

/// The value of a field.
pub(crate) fn get<'a>(object: &'a Value, path: &[String]) -> Option<&'a Value> {
    let mut value = object;
    for step in path {
        value = match element(step) {
            Some(name) => value.as_array()?.iter().find(|element| element["name"] == name)?,
            None => value.get(step.as_str())?,
        };
    }
    present(Some(value))
}

/// Gives a field a value, or takes it away. An element that comes back to a list gets the place that it has in `model`,
/// as far as its neighbours are there. Says whether the field's surroundings were there.
pub(crate) fn put(object: &mut Value, path: &[String], value: Option<&Value>, model: &Value) -> bool {
    let Some((last, parents)) = path.split_last() else {
        if let Some(value) = value {
            *object = value.clone();
        }
        return value.is_some();
    };
    let Some(parent) = parent_of(object, parents) else { return value.is_none() };
    match (element(last), parent) {
        (None, Value::Object(fields)) => {
            match value {
                Some(value) => fields.insert(last.clone(), value.clone()),
                None => fields.remove(last),
            };
            true
        }
        (Some(name), Value::Array(elements)) => {
            let found = elements.iter().position(|element| element["name"] == name);
            match (found, value) {
                (Some(index), Some(value)) => elements[index] = value.clone(),
                (Some(index), None) => {
                    elements.remove(index);
                }
                (None, Some(value)) => {
                    let index = place(elements, name, get(model, parents));
                    elements.insert(index, value.clone());
                }
                (None, None) => {}
            }
            true
        }
        _ => false,
    }
}

/// What holds a field; maps that are missing on the way are made.
fn parent_of<'a>(object: &'a mut Value, parents: &[String]) -> Option<&'a mut Value> {
    let mut value = object;
    for step in parents {
        value = match element(step) {
            Some(name) => value.as_array_mut()?.iter_mut().find(|element| element["name"] == name)?,
            None => value.as_object_mut()?.entry(step.clone()).or_insert_with(|| Value::Object(serde_json::Map::new())),
        };
    }
    Some(value)
}

/// Where an element goes: behind the nearest of those that stand before it in the model.
fn place(elements: &[Value], name: &str, model: Option<&Value>) -> usize {
    let Some(model) = model.and_then(Value::as_array) else { return elements.len() };
    let before: Vec<_> = model.iter().map(|element| &element["name"]).take_while(|other| **other != name).collect();
    let behind = before.iter().rev().find_map(|other| elements.iter().position(|element| element["name"] == **other));
    behind.map_or(0, |index| index + 1)
}

fn compare(path: &mut Vec<String>, before: Option<&Value>, after: Option<&Value>, fields: &mut Vec<Field>) {
    let (before, after) = (present(before), present(after));
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                path.push(name.clone());
                compare(path, old.get(name), new.get(name), fields);
                path.pop();
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if are_merged(old, new) => {
            let added = new.iter().filter(|element| named(old, &element["name"]).is_none());
            for element in old.iter().chain(added) {
                let name = &element["name"];
                path.push(format!("[{}]", name.as_str().unwrap_or_default()));
                compare(path, named(old, name), named(new, name), fields);
                path.pop();
            }
        }
        (before, after) if before == after => {}
        (before, after) => {
            fields.push(Field { path: path.clone(), before: before.cloned(), after: after.cloned() });
        }
    }
}

/// Whether two lists are told apart by the names of their elements: all have one of their own, and those that stay are
/// in the same order.
fn are_merged(old: &[Value], new: &[Value]) -> bool {
    let (Some(before), Some(after)) = (names(old), names(new)) else { return false };
    let stayed = before.iter().filter(|name| after.contains(name));
    stayed.eq(after.iter().filter(|name| before.contains(name)))
}

/// The names of a list's elements, if all have one of their own. A list without elements has no names.
fn names(list: &[Value]) -> Option<Vec<&str>> {
    let names: Vec<&str> = list.iter().map(|element| element["name"].as_str()).collect::<Option<_>>()?;
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    (!names.is_empty() && distinct.len() == names.len()).then_some(names)
}

fn named<'a>(list: &'a [Value], name: &Value) -> Option<&'a Value> {
    list.iter().find(|element| element["name"] == *name)
}

/// A field that is null is not there.
fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null())
}

/// The name of an element in a step of a path.
fn element(step: &str) -> Option<&str> {
    step.strip_prefix('[')?.strip_suffix(']')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What changed, as `path: before -> after`; and putting each back restores the first state.
    fn check(before: &Value, after: &Value, expected: &[&str]) {
        let fields = difference(before, after);
        let text = |value: Option<&Value>| value.map_or("-".to_owned(), Value::to_string);
        let each = |f: &Field| format!("{f}: {} -> {}", text(f.before.as_ref()), text(f.after.as_ref()));
        let said: Vec<_> = fields.iter().map(each).collect();
        assert_eq!(said, expected);
        let mut restored = after.clone();
        for field in &fields {
            assert_eq!(get(&restored, &field.path), field.after.as_ref(), "{field}");
            assert!(put(&mut restored, &field.path, field.before.as_ref(), before), "{field}");
        }
        assert_eq!(&restored, before);
    }

    #[test]
    fn fields_are_found_and_put_back() {
        check(&json!({ "a": 1 }), &json!({ "a": 1 }), &[]);
        check(&json!({ "spec": { "replicas": 1 } }), &json!({ "spec": { "replicas": 2 } }), &["spec.replicas: 1 -> 2"]);
        check(&json!({ "spec": {} }), &json!({ "spec": { "on": true } }), &["spec.on: - -> true"]);
        check(&json!({ "a": { "x": "1" } }), &json!({}), &[r#"a: {"x":"1"} -> -"#]);
        check(&json!({ "ports": [80] }), &json!({ "ports": [80, 81] }), &["ports: [80] -> [80,81]"]);
    }

    #[test]
    fn elements_are_told_by_their_names() {
        let list = |elements: &[(&str, &str)]| json!({ "env": elements.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect::<Vec<_>>() });
        check(
            &list(&[("A", "1"), ("B", "1"), ("C", "1")]),
            &list(&[("B", "2"), ("X", "1")]),
            &[
                r#"env[A]: {"name":"A","value":"1"} -> -"#,
                r#"env[B].value: "1" -> "2""#,
                r#"env[C]: {"name":"C","value":"1"} -> -"#,
                r#"env[X]: - -> {"name":"X","value":"1"}"#,
            ],
        );
        // Another order is another value.
        let (one, other) = (list(&[("A", "1"), ("B", "1")]), list(&[("B", "1"), ("A", "1")]));
        let fields = difference(&one, &other);
        assert_eq!(fields.iter().map(|field| field.path.join(".")).collect::<Vec<_>>(), ["env"]);
    }

    #[test]
    fn an_element_comes_back_beside_its_neighbours() {
        let before = json!([{ "name": "A" }, { "name": "B" }, { "name": "C" }]);
        let mut now = json!([{ "name": "new" }, { "name": "A" }, { "name": "C" }]);
        assert!(put(&mut now, &["[B]".to_owned()], Some(&json!({ "name": "B" })), &before));
        assert_eq!(now, json!([{ "name": "new" }, { "name": "A" }, { "name": "B" }, { "name": "C" }]));
    }

    #[test]
    fn nothing_is_put_where_nothing_is() {
        let mut object = json!({ "containers": [] });
        let path = ["containers", "[gone]", "image"].map(str::to_owned);
        assert!(!put(&mut object, &path, Some(&json!("a:1")), &Value::Null));
        assert!(put(&mut object, &path, None, &Value::Null));
        assert_eq!(object, json!({ "containers": [] }));
    }
}
