//! JSON patches (RFC 6902) from one state of an object to another.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Maps of which each entry is a field of its own, since others add entries of theirs.
const MAPS: [&str; 2] = ["labels", "annotations"];
/// What no patch changes.
const FIXED: [&str; 4] = ["apiVersion", "kind", "metadata", "status"];

/// The patch that puts an object into a state, `stored` being all that the API server has of it, and `from` and `to` what
/// users made of it. It is refused if the object has changed since it was read. Fields of the spec are replaced as a
/// whole, which the version makes safe.
pub(crate) fn patch(stored: &Value, from: &Value, to: &Value) -> Value {
    let version = &stored["metadata"]["resourceVersion"];
    let mut operations = vec![json!({ "op": "replace", "path": "/metadata/resourceVersion", "value": version })];
    for map in MAPS {
        let path = format!("/metadata/{map}");
        let (old, new) = (&from["metadata"][map], &to["metadata"][map]);
        if stored["metadata"][map].is_object() {
            entries(&path, old, new, &mut operations);
        } else if new.is_object() {
            operations.push(json!({ "op": "add", "path": path, "value": new }));
        }
    }
    for name in names(from, to).into_iter().filter(|name| !FIXED.contains(&name.as_str())) {
        let path = format!("/{}", escaped(name));
        match (from.get(name), to.get(name)) {
            (Some(old @ Value::Object(_)), Some(new @ Value::Object(_))) => entries(&path, old, new, &mut operations),
            (old, new) => entry(&path, old, new, &mut operations),
        }
    }
    Value::Array(operations)
}

/// What changes the entries of a map.
fn entries(path: &str, old: &Value, new: &Value, operations: &mut Vec<Value>) {
    for name in names(old, new) {
        entry(&format!("{path}/{}", escaped(name)), old.get(name), new.get(name), operations);
    }
}

/// What changes one entry. To add is to replace where the entry is there.
fn entry(path: &str, old: Option<&Value>, new: Option<&Value>, operations: &mut Vec<Value>) {
    match (old, new) {
        (old, Some(new)) if old != Some(new) => {
            operations.push(json!({ "op": "add", "path": path, "value": new }));
        }
        (Some(_), None) => operations.push(json!({ "op": "remove", "path": path })),
        _ => {}
    }
}

/// The names in either of two maps, in order.
fn names<'a>(old: &'a Value, new: &'a Value) -> BTreeSet<&'a String> {
    [old, new].into_iter().filter_map(Value::as_object).flat_map(Map::keys).collect()
}

/// A name as a step of a JSON pointer (RFC 6901, section 3).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_fields_of_the_spec_are_replaced_under_a_version() {
        let stored = json!({
            "metadata": { "resourceVersion": "7", "annotations": { "deployment.kubernetes.io/revision": "2", "a/b": "1" } },
        });
        let from = json!({
            "kind": "Deployment",
            "metadata": { "annotations": { "a/b": "1" } },
            "spec": { "replicas": 2, "paused": true, "template": { "x": 1 }, "same": 1 },
        });
        let to = json!({
            "kind": "Deployment",
            "metadata": { "labels": { "new": "1" }, "annotations": { "c~d": "1" } },
            "spec": { "replicas": 1, "template": { "x": 2 }, "same": 1 },
        });
        let expected = json!([
            { "op": "replace", "path": "/metadata/resourceVersion", "value": "7" },
            { "op": "add", "path": "/metadata/labels", "value": { "new": "1" } },
            { "op": "remove", "path": "/metadata/annotations/a~1b" },
            { "op": "add", "path": "/metadata/annotations/c~0d", "value": "1" },
            { "op": "remove", "path": "/spec/paused" },
            { "op": "add", "path": "/spec/replicas", "value": 1 },
            { "op": "add", "path": "/spec/template", "value": { "x": 2 } },
        ]);
        assert_eq!(patch(&stored, &from, &to), expected);
    }

    #[test]
    fn what_users_took_away_whole_leaves_what_controllers_made() {
        let stored = json!({ "metadata": { "resourceVersion": "7", "annotations": { "mine": "1", "theirs": "2" } } });
        let from = json!({ "metadata": { "annotations": { "mine": "1" } } });
        let expected = json!([
            { "op": "replace", "path": "/metadata/resourceVersion", "value": "7" },
            { "op": "remove", "path": "/metadata/annotations/mine" },
        ]);
        assert_eq!(patch(&stored, &from, &json!({ "metadata": {} })), expected);
    }
}
