//! Text to [`Node`] trees: anchors and merge keys resolved, duplicate keys refused, size bounded.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Tag};

use super::scalar;
use super::tree::{Entry, Kind, Node, Place, Value};
use crate::diagnostic::{Diagnostic, Source};

/// Levels of nesting a document may have. A Deployment has about ten.
const MAX_DEPTH: usize = 64;

/// How much larger than its text a document may become through aliases: a guard against
/// the "billion laughs" of a few lines that expand to gigabytes.
const MAX_EXPANSION: usize = 4;

/// What any file may expand to, however small it is.
const FREE_WEIGHT: usize = 1 << 20;

/// The documents of a file that are not empty, with every mistake of form. After a mistake that the parser
/// cannot see beyond, the rest of the file is missing.
pub(super) fn read(source: &Source) -> (Vec<Node>, Vec<Diagnostic>) {
    let mut reader = Reader {
        path: source.path.as_str().into(),
        budget: source.text.len() * MAX_EXPANSION + FREE_WEIGHT,
        frames: Vec::new(),
        anchors: BTreeMap::new(),
        documents: Vec::new(),
        mistakes: Vec::new(),
    };
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.emit_unresolved_aliases = true;
    options.block_nesting_limit = MAX_DEPTH;
    options.flow_nesting_limit = MAX_DEPTH;
    for event in Parser::new_from_str_with_options(&source.text, options) {
        match event {
            Ok((event, span)) => {
                let place = reader.place(span.start.line());
                if !reader.event(event, &place) {
                    break;
                }
            }
            Err(error) => {
                reader.mistakes.push(syntax(source, &error));
                break;
            }
        }
    }
    (reader.documents, reader.mistakes)
}

/// A mistake of YAML form, which the parser cannot see beyond.
fn syntax(source: &Source, error: &ScanError) -> Diagnostic {
    let message = error.info();
    let help = if source.text.contains("{{") {
        "fill in the `{{ … }}` first: this is a template (`helm template` prints what it makes)"
    } else if message.contains("tab") {
        "indent with spaces: YAML allows no tabs there"
    } else if message.contains("nesting") || message.contains("recursion") {
        "flatten the document: 64 levels are the limit"
    } else {
        "check indentation, quotes and brackets here and on the line above"
    };
    let line = u32::try_from(error.marker().line()).unwrap_or(u32::MAX);
    Diagnostic::error(&source.path, line.max(1), "", format!("not valid YAML: {message}")).help(help)
}

struct Reader {
    path: Arc<str>,
    /// Weight that aliases may still add.
    budget: usize,
    frames: Vec<Frame>,
    anchors: BTreeMap<usize, Node>,
    documents: Vec<Node>,
    mistakes: Vec<Diagnostic>,
}

/// A collection that is not complete yet.
struct Frame {
    place: Place,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping(Mapping),
}

#[derive(Default)]
struct Mapping {
    entries: Vec<Entry>,
    /// The line of each key.
    lines: BTreeMap<String, u32>,
    /// A key whose value comes next.
    key: Option<Key>,
    /// The values of `<<` keys.
    merged: Vec<Node>,
    /// Whether a key was refused, so that what the mapping holds is not known.
    broken: bool,
}

enum Key {
    /// A text, with the place that the entry gets.
    Named(String, Place),
    /// `<<`: the value's entries become this mapping's.
    Merge,
    /// A key that stands twice: its value is dropped.
    Repeated,
    /// No text: what the mapping is meant to hold is unknown.
    Refused,
}

impl Reader {
    fn place(&self, line: usize) -> Place {
        Place { path: Arc::clone(&self.path), line: u32::try_from(line).unwrap_or(u32::MAX).max(1) }
    }

    fn mistake(&mut self, place: &Place, message: impl Into<String>, help: &str) {
        self.mistakes.push(Diagnostic::error(&*place.path, place.line, "", message).help(help));
    }

    /// Takes the next event in; false if the rest of the file cannot be read.
    fn event(&mut self, event: Event<'_>, place: &Place) -> bool {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(&text, style, tag.as_deref(), place);
                let merge = style == ScalarStyle::Plain && text == "<<";
                self.node(Node { place: place.clone(), value }, anchor, merge);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), place);
                self.begin(place, anchor, Content::Sequence(Vec::new()));
            }
            Event::MappingStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), place);
                self.begin(place, anchor, Content::Mapping(Mapping::default()));
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(id) => return self.alias(id, place),
            Event::UnresolvedAlias(name) => {
                self.mistake(
                    place,
                    format!("`*{name}` refers to no anchor above it"),
                    &format!("define it first with `&{name}`, or quote the text"),
                );
                self.node(Node { place: place.clone(), value: Value::Hole }, 0, false);
            }
            _ => {}
        }
        true
    }

    fn check_tag(&mut self, tag: Option<&Tag>, place: &Place) {
        if let Some(tag) = tag.filter(|t| t.is_custom() && !t.suffix().is_empty()) {
            self.mistake(place, format!("the tag `{}` is not known", tag.original()), "remove the tag");
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, place: &Place) -> Value {
        self.check_tag(tag, place);
        let is_text = style != ScalarStyle::Plain || tag.is_some_and(|t| t.is_yaml_core_schema_tag("str"));
        let kind = if is_text { Kind::Text } else { scalar::resolve(text) };
        Value::Scalar { text: text.to_owned(), kind }
    }

    fn begin(&mut self, place: &Place, anchor: usize, content: Content) {
        self.frames.push(Frame { place: place.clone(), anchor, content });
    }

    fn end(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        let value = match frame.content {
            Content::Sequence(items) => Value::Sequence(items),
            Content::Mapping(Mapping { broken: true, .. }) => Value::Hole,
            Content::Mapping(mapping) => Value::Mapping(self.merge(mapping)),
        };
        self.node(Node { place: frame.place, value }, frame.anchor, false);
    }

    /// Adds the entries of `<<` values: a mapping's own entries win, then earlier values.
    fn merge(&mut self, mapping: Mapping) -> Vec<Entry> {
        let Mapping { mut entries, mut lines, merged, .. } = mapping;
        for node in merged {
            match node.value {
                Value::Mapping(others) => {
                    for other in others {
                        if lines.insert(other.key.clone(), other.value.place.line).is_none() {
                            entries.push(other);
                        }
                    }
                }
                Value::Hole => {}
                Value::Scalar { .. } | Value::Sequence(_) => {
                    self.mistake(&node.place, "`<<` merges mappings only", "refer to a mapping: `<<: *name`");
                }
            }
        }
        entries
    }

    fn alias(&mut self, id: usize, place: &Place) -> bool {
        let Some(target) = self.anchors.get(&id) else {
            self.mistake(place, "an alias inside its own anchor never ends", "write the content out");
            self.node(Node { place: place.clone(), value: Value::Hole }, 0, false);
            return true;
        };
        let weight = target.weight();
        let deep = self.frames.len() + target.depth() > MAX_DEPTH;
        if deep || weight > self.budget {
            self.mistake(place, "aliases expand this file beyond all measure", "write the content out");
            return false;
        }
        self.budget -= weight;
        let copy = Node { place: place.clone(), value: target.value.clone() };
        self.node(copy, 0, false);
        true
    }

    /// Puts a complete node where it belongs: into the open collection, or it is a document.
    fn node(&mut self, node: Node, anchor: usize, merge_key: bool) {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(mut frame) = self.frames.pop() else {
            if !node.is_null() && node.value != Value::Hole {
                self.documents.push(node);
            }
            return;
        };
        match &mut frame.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping(mapping) => match mapping.key.take() {
                None => mapping.key = Some(self.key(node, merge_key, &mut mapping.lines)),
                Some(Key::Named(key, place)) => {
                    mapping.entries.push(Entry { key, value: Node { place, ..node } });
                }
                Some(Key::Merge) => match node.value {
                    Value::Sequence(items) => mapping.merged.extend(items),
                    _ => mapping.merged.push(node),
                },
                Some(Key::Repeated) => {}
                Some(Key::Refused) => mapping.broken = true,
            },
        }
        self.frames.push(frame);
    }

    fn key(&mut self, node: Node, merge_key: bool, lines: &mut BTreeMap<String, u32>) -> Key {
        if merge_key {
            return Key::Merge;
        }
        let Value::Scalar { text, .. } = node.value else {
            self.mistake(
                &node.place,
                "a key must be a text, not a mapping or a sequence",
                "write `key: value`; quote a text that begins with `{` or `[`, and fill in `{{ … }}` of templates",
            );
            return Key::Refused;
        };
        if let Some(&line) = lines.get(&text) {
            self.mistake(
                &node.place,
                format!("`{text}` is written twice: it already stands on line {line}"),
                "remove one of the two",
            );
            return Key::Repeated;
        }
        lines.insert(text.clone(), node.place.line);
        Key::Named(text, node.place)
    }
}
