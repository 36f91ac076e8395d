//! The document tree that input is read from: every node knows its file and line.

use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;

/// A line in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as named in its [`Source`](crate::diagnostic::Source).
    pub path: Arc<str>,
    /// The line, from 1.
    pub line: u32,
}

/// A value with its place. The value of a mapping entry has the place of its key, since that is
/// the line that a reader looks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Stands for something mistaken or missing that was already reported: it reads as whatever
    /// type is asked for, so that reading can go on behind it.
    Hole,
    Scalar {
        text: String,
        kind: Kind,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// What an unquoted scalar means; a quoted one is always [`Kind::Text`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Unsigned(u64),
    Negative(i64),
    Float(f64),
    Text,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: Node,
}

/// One step on the way from a document's root to a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    Key(String),
    Index(usize),
}

/// The way from a document's root to a node, such as `spec.containers[0].image`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FieldPath(pub(crate) Vec<Segment>);

impl Node {
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, Value::Scalar { kind: Kind::Null, .. })
    }

    /// The value of a mapping's key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.value),
            _ => None,
        }
    }

    /// The text of a scalar, whatever its kind.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    fn child(&self, segment: &Segment) -> Option<&Self> {
        match (segment, &self.value) {
            (Segment::Key(key), _) => self.get(key),
            (Segment::Index(i), Value::Sequence(items)) => items.get(*i),
            _ => None,
        }
    }

    /// The node at `path`.
    pub(crate) fn find(&self, path: &FieldPath) -> Option<&Self> {
        path.0.iter().try_fold(self, Self::child)
    }

    /// The node at `path`, or the nearest one above it that exists.
    pub(crate) fn nearest(&self, path: &FieldPath) -> &Self {
        let mut node = self;
        for segment in &path.0 {
            match node.child(segment) {
                Some(child) => node = child,
                None => break,
            }
        }
        node
    }

    /// As [`Node::find`].
    pub(crate) fn find_mut(&mut self, path: &[Segment]) -> Option<&mut Self> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        let child = match (first, &mut self.value) {
            (Segment::Key(key), Value::Mapping(entries)) => {
                entries.iter_mut().find(|e| e.key == *key).map(|e| &mut e.value)
            }
            (Segment::Index(i), Value::Sequence(items)) => items.get_mut(*i),
            _ => None,
        };
        child?.find_mut(rest)
    }

    /// Nested nodes, this one included.
    fn children(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        match &self.value {
            Value::Sequence(items) => Box::new(items.iter()),
            Value::Mapping(entries) => Box::new(entries.iter().map(|e| &e.value)),
            Value::Hole | Value::Scalar { .. } => Box::new(std::iter::empty()),
        }
    }

    /// Whether something in here was already reported.
    pub(crate) fn has_hole(&self) -> bool {
        self.value == Value::Hole || self.children().any(Self::has_hole)
    }

    /// Levels of nesting, this one included.
    pub(crate) fn depth(&self) -> usize {
        1 + self.children().map(Self::depth).max().unwrap_or(0)
    }

    /// The same without places, as `kubectl` would send it.
    pub(crate) fn to_json(&self) -> Json {
        match &self.value {
            Value::Hole | Value::Scalar { kind: Kind::Null, .. } => Json::Null,
            Value::Scalar { text, kind } => match kind {
                Kind::Bool(value) => Json::from(*value),
                Kind::Unsigned(value) => Json::from(*value),
                Kind::Negative(value) => Json::from(*value),
                Kind::Float(value) => Json::from(*value),
                Kind::Null | Kind::Text => Json::from(text.as_str()),
            },
            Value::Sequence(items) => items.iter().map(Self::to_json).collect(),
            Value::Mapping(entries) => entries.iter().map(|e| (e.key.clone(), e.value.to_json())).collect(),
        }
    }

    /// Nodes and bytes of text: what a copy of it costs.
    pub(crate) fn weight(&self) -> usize {
        let own = match &self.value {
            Value::Scalar { text, .. } => text.len(),
            Value::Mapping(entries) => entries.iter().map(|e| e.key.len()).sum(),
            Value::Hole | Value::Sequence(_) => 0,
        };
        1 + own + self.children().map(Self::weight).sum::<usize>()
    }
}

impl FieldPath {
    /// Reads what [`fmt::Display`] writes. Text that is no path names the document's root.
    pub(crate) fn parse(text: &str) -> Self {
        let mut segments = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            if let Some(quoted) = rest.strip_prefix("[\"") {
                let Some((key, after)) = quoted.split_once("\"]") else { break };
                segments.push(Segment::Key(key.to_owned()));
                rest = after;
            } else if let Some(bracketed) = rest.strip_prefix('[') {
                let Some((index, after)) = bracketed.split_once(']') else { break };
                let Ok(index) = index.parse() else { break };
                segments.push(Segment::Index(index));
                rest = after;
            } else {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                if end == 0 {
                    break;
                }
                segments.push(Segment::Key(rest[..end].to_owned()));
                rest = &rest[end..];
            }
        }
        Self(segments)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if key.is_empty() || key.contains(['.', '[', ' ']) => {
                    write!(f, "[\"{key}\"]")?;
                }
                Segment::Key(key) if i == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_path_prints_and_parses_back() {
        for text in
            ["spec.template.spec.containers[0].image", "metadata.labels[\"app.kubernetes.io/name\"]", "[3][1].x", ""]
        {
            assert_eq!(FieldPath::parse(text).to_string(), text);
        }
    }
}
