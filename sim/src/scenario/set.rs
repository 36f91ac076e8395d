//! Changes to a scenario from outside its file: `--set fault.severity=0.3`.
//!
//! They are made in the document before it is read, so that a wrong path or value is reported as any
//! other mistake is, with the setting in the place of the file.

use crate::diagnostic::{Diagnostic, Diagnostics, Source};
use crate::input::{self, Document, Entry, FieldPath, Node, Segment, Value};

/// Lists that have a short name for their first element.
const SHORT: [(&str, &str); 3] = [("fault", "faults"), ("workload", "workloads"), ("node", "cluster.nodes")];

/// Makes all changes, in order.
///
/// # Errors
/// Every setting that has no place in the document or no value.
pub(super) fn apply(document: &mut Document, settings: &[(&str, &str)]) -> Result<(), Diagnostics> {
    let mistakes: Vec<Diagnostic> = settings
        .iter()
        .filter_map(|(path, value)| set(document, path, value).err())
        .flat_map(|found| found.0)
        .collect();
    if mistakes.is_empty() { Ok(()) } else { Err(Diagnostics(mistakes)) }
}

fn set(document: &mut Document, path: &str, value: &str) -> Result<(), Diagnostics> {
    let source = Source { path: format!("--set {path}={value}"), text: value.to_owned() };
    let mut node = input::document(&source)?.root;
    node.place.line = 0;
    let full = lengthened(path);
    let refuse =
        |message: String, help: &str| Diagnostics(vec![Diagnostic::error(&source.path, 0, &full, message).help(help)]);
    let segments = FieldPath::parse(&full).0;
    if segments.is_empty() {
        return Err(refuse("no field is named".into(), "write it as `fault.severity=0.3`"));
    }
    insert(&mut document.root, &segments, node)
        .map_err(|message| refuse(message, "name a field as in the file, such as `faults[0].severity`"))
}

/// The path with a short name at its beginning written out.
fn lengthened(path: &str) -> String {
    for (short, list) in SHORT {
        if let Some(rest) = path.strip_prefix(short)
            && (rest.is_empty() || rest.starts_with('.'))
        {
            return format!("{list}[0]{rest}");
        }
    }
    path.to_owned()
}

/// Puts `new` at `path`; mappings on the way that are not written are made.
fn insert(node: &mut Node, path: &[Segment], new: Node) -> Result<(), String> {
    let Some((first, rest)) = path.split_first() else {
        *node = new;
        return Ok(());
    };
    if node.is_null() {
        node.value = Value::Mapping(Vec::new());
    }
    match (first, &mut node.value) {
        (Segment::Index(index), Value::Sequence(items)) => {
            let length = items.len();
            match items.get_mut(*index) {
                Some(item) => insert(item, rest, new),
                None => Err(format!("there is no element {index}: the list has {length}")),
            }
        }
        (Segment::Key(key), Value::Mapping(entries)) => {
            if let Some(entry) = entries.iter_mut().find(|entry| entry.key == *key) {
                return insert(&mut entry.value, rest, new);
            }
            let mut value = Node { place: new.place.clone(), value: Value::Mapping(Vec::new()) };
            insert(&mut value, rest, new)?;
            entries.push(Entry { key: key.clone(), value });
            Ok(())
        }
        (Segment::Index(index), _) => Err(format!("there is no element {index}: it is not a list")),
        (Segment::Key(key), _) => Err(format!("there is no field `{key}`: it is not a mapping")),
    }
}
