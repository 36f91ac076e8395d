//! Overlays: partial objects that change others, as Kubernetes' strategic merge patch does.
//!
//! An overlay's document names its object by kind and name (and namespace, if it is not the only one of
//! that name). Mappings are merged key by key, and `null` removes a key. Lists whose items have a name
//! (containers, environment, ports, volumes) are merged item by item, and `$patch: delete` in an item removes it;
//! other lists are replaced. A document for an object that does not exist is added.
//!
//! Nodes keep the file and line that they come from, so that mistakes are shown where they were made.

use super::read::{Identity, identity};
use crate::diagnostic::{Diagnostic, nearest};
use crate::input::{Document, Entry, Node, Value};

/// Lists whose items have an identity, with the fields that are it: the first that both items have.
const KEYED_LISTS: [(&str, &[&str]); 6] = [
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("env", &["name"]),
    ("ports", &["name", "containerPort", "port"]),
    ("volumes", &["name"]),
    ("volumeMounts", &["mountPath"]),
];

/// Applies the documents of an overlay to those of an application.
pub(super) fn apply(documents: &mut Vec<Document>, overlay: Vec<Document>) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    for patch in overlay {
        let wanted = identity(&patch);
        let written_namespace = patch.is_written("metadata.namespace");
        let matches = |found: &Identity| {
            found.kind == wanted.kind
                && found.name == wanted.name
                && (!written_namespace || found.namespace == wanted.namespace)
        };
        let mut targets = documents.iter_mut().filter(|d| matches(&identity(d)));
        match (targets.next(), targets.next()) {
            (Some(_), Some(_)) => {
                let message = format!("{} `{}` exists in several namespaces", wanted.kind, wanted.name);
                mistakes.push(patch.error("metadata.name", message).help("add `namespace` below `metadata`"));
            }
            (Some(target), None) => merge(&mut target.root, patch.root, true),
            // A typing error in the name, rather than an object of its own.
            (None, _) if wanted.kind == "Deployment" && !patch.is_written("spec.selector") => {
                mistakes.push(nothing_to_change(&patch, &wanted, documents));
            }
            (None, _) => documents.push(patch),
        }
    }
    mistakes
}

fn nothing_to_change(patch: &Document, wanted: &Identity, documents: &[Document]) -> Diagnostic {
    let names: Vec<_> = documents.iter().map(identity).filter(|i| i.kind == wanted.kind).map(|i| i.name).collect();
    let help = match nearest(&wanted.name, names.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "name a Deployment of the application, or write a whole one".to_owned(),
    };
    let message = format!("there is no Deployment `{}` that the overlay could change", wanted.name);
    patch.error("metadata.name", message).help(help)
}

/// Lays `patch` over `base`. `keep_place` for the root, whose place is the object's own.
fn merge(base: &mut Node, patch: Node, keep_place: bool) {
    match (&mut base.value, patch.value) {
        (Value::Mapping(entries), Value::Mapping(patches)) => {
            for patch in patches {
                merge_entry(entries, patch);
            }
        }
        (value, patch_value) => {
            *value = patch_value;
            if !keep_place {
                base.place = patch.place;
            }
        }
    }
}

fn merge_entry(entries: &mut Vec<Entry>, patch: Entry) {
    let Some(index) = entries.iter().position(|e| e.key == patch.key) else {
        entries.push(patch);
        return;
    };
    if patch.value.is_null() {
        entries.remove(index);
        return;
    }
    let base = &mut entries[index].value;
    let keys = KEYED_LISTS.iter().find(|(list, _)| *list == patch.key).map(|(_, keys)| *keys);
    match (keys, &mut base.value, patch.value) {
        (Some(keys), Value::Sequence(items), Node { value: Value::Sequence(patches), .. }) => {
            for item in patches {
                merge_item(items, item, keys);
            }
        }
        (_, _, value) => merge(base, value, false),
    }
}

fn merge_item(items: &mut Vec<Node>, patch: Node, keys: &[&str]) {
    let same = |item: &Node| {
        let shared = keys.iter().find_map(|key| Some((item.get(key)?.text()?, patch.get(key)?.text()?)));
        shared.is_some_and(|(a, b)| a == b)
    };
    let index = items.iter().position(same);
    let delete = patch.get("$patch").and_then(Node::text) == Some("delete");
    match index {
        Some(index) if delete => {
            items.remove(index);
        }
        Some(index) => merge(&mut items[index], patch, true),
        None => items.push(patch),
    }
}
