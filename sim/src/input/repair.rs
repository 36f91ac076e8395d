//! All mistakes of a document in one go: read, note the mistake, repair the tree, read again.
//!
//! serde stops at the first thing that a type does not accept. Here the offending node is replaced by a
//! [`Value::Hole`], which every type accepts, and reading starts over; what fails only because of a
//! hole is not reported, and makes its parent a hole. Every round reports a mistake or
//! removes a node, so it ends.

use serde::de::DeserializeOwned;

use super::de::Reader;
use super::failure::{Failure, What};
use super::tree::{Entry, Node, Segment, Value};
use crate::diagnostic::{Diagnostic, nearest};

/// A reader mends the first few; the rest would only bury them.
const MAX_MISTAKES: usize = 50;

/// What reading a document as a `T` came to.
pub(super) struct Outcome<T> {
    /// With the smallest values in the place of what is mistaken or missing, if it can be read at all.
    pub(super) value: Option<T>,
    /// The document with its holes.
    pub(super) tree: Node,
    /// In the order of lines.
    pub(super) mistakes: Vec<Diagnostic>,
}

/// Reads `document` as a `T`, and finds all the reasons why it is not one.
pub(super) fn read<T: DeserializeOwned>(document: &Node) -> Outcome<T> {
    let mut tree = document.clone();
    let mut mistakes = Vec::new();
    let value = loop {
        let failure = match T::deserialize(Reader(&tree)) {
            Ok(value) => break Some(value),
            Err(failure) => failure.at(&tree),
        };
        if !follows_from_hole(&tree, &failure) {
            mistakes.push(failure.diagnostic(&tree));
        }
        if mistakes.len() >= MAX_MISTAKES || !repair(&mut tree, &failure) {
            break None;
        }
    };
    mistakes.sort_by_key(|d| d.line);
    Outcome { value, tree, mistakes }
}

/// Whether the failure says nothing new: it happened in a hole, or a type's own check looked at one.
fn follows_from_hole(tree: &Node, failure: &Failure) -> bool {
    let node = tree.nearest(&failure.path());
    node.value == Value::Hole || (matches!(*failure.what, What::Other(_)) && node.has_hole())
}

/// Makes the tree such that the same failure cannot happen again; false if nothing is left to do.
fn repair(tree: &mut Node, failure: &Failure) -> bool {
    let path = failure.path().0;
    match &*failure.what {
        What::UnknownField { field, known } => {
            if let Some(mapping) = parent(tree, &path) {
                rename_or_remove(mapping, field, known);
                return true;
            }
        }
        What::MissingField(field) => {
            if let Some(Node { place, value: Value::Mapping(entries) }) = tree.find_mut(&path)
                && entries.iter().all(|e| e.key != *field || e.value.is_null())
            {
                entries.retain(|e| e.key != *field);
                let value = Node { place: place.clone(), value: Value::Hole };
                entries.push(Entry { key: (*field).to_owned(), value });
                return true;
            }
        }
        What::UnknownVariant { .. } | What::Wrong { .. } | What::Other(_) => {}
    }
    dig(tree, &path)
}

fn parent<'t>(tree: &'t mut Node, path: &[Segment]) -> Option<&'t mut Vec<Entry>> {
    let (_, above) = path.split_last()?;
    match tree.find_mut(above) {
        Some(Node { value: Value::Mapping(entries), .. }) => Some(entries),
        _ => None,
    }
}

/// A misspelt field most likely is the one that it resembles: then its value is checked as well, and the field
/// is not reported as missing.
fn rename_or_remove(entries: &mut Vec<Entry>, field: &str, known: &[&str]) {
    let meant = nearest(field, known.iter().copied()).filter(|m| entries.iter().all(|e| e.key != *m));
    match (meant, entries.iter_mut().find(|e| e.key == field)) {
        (Some(meant), Some(entry)) => meant.clone_into(&mut entry.key),
        _ => entries.retain(|e| e.key != field),
    }
}

/// Makes a hole of the node at `path`, or of the nearest one above it that is none yet.
fn dig(tree: &mut Node, path: &[Segment]) -> bool {
    for length in (0..=path.len()).rev() {
        if let Some(node) = tree.find_mut(&path[..length])
            && node.value != Value::Hole
        {
            node.value = Value::Hole;
            return true;
        }
    }
    false
}
