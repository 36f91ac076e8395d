//! serde over a document tree: [`Reader`] for nodes, [`KeyReader`] for keys, and [`HOLE`] for what was
//! already reported.

mod hole;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::failure::Failure;
use super::tree::{Entry, Kind, Node, Segment, Value};
use hole::HOLE;

/// Reads a node.
#[derive(Clone, Copy)]
pub(super) struct Reader<'t>(pub(super) &'t Node);

impl<'t> Reader<'t> {
    fn number<V: Visitor<'t>>(self, expected: &str, visitor: V) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Hole => HOLE.deserialize_any(visitor),
            Value::Scalar { text, kind: kind @ (Kind::Unsigned(_) | Kind::Negative(_) | Kind::Float(_)) } => {
                visit_scalar(text, *kind, visitor)
            }
            Value::Scalar { text, kind: Kind::Text } if text.parse::<f64>().is_ok() => {
                Err(Failure::wrong(self.0, expected, "remove the quotes"))
            }
            _ => Err(Failure::wrong(self.0, expected, format!("write {expected}"))),
        }
    }

    fn mapping<V: Visitor<'t>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Hole => HOLE.deserialize_struct("", fields, visitor),
            Value::Mapping(entries) => {
                visitor.visit_map(Mapping { entries: entries.iter(), value: None, skip_null: fields })
            }
            Value::Scalar { .. } | Value::Sequence(_) => {
                let help = if fields.is_empty() {
                    "write `key: value` lines, indented below it".to_owned()
                } else {
                    let listed = fields.iter().take(12).map(|f| format!("`{f}`")).collect::<Vec<_>>().join(", ");
                    format!("write its fields as `key: value` lines, indented below it, such as {listed}")
                };
                Err(Failure::wrong(self.0, "a mapping", help))
            }
        }
    }
}

fn visit_scalar<'t, V: Visitor<'t>>(text: &'t str, kind: Kind, visitor: V) -> Result<V::Value, Failure> {
    match kind {
        Kind::Null => visitor.visit_unit(),
        Kind::Bool(b) => visitor.visit_bool(b),
        Kind::Unsigned(n) => visitor.visit_u64(n),
        Kind::Negative(n) => visitor.visit_i64(n),
        Kind::Float(n) => visitor.visit_f64(n),
        Kind::Text => visitor.visit_borrowed_str(text),
    }
}

macro_rules! numbers {
    ($expected:literal: $($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            self.number($expected, visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Hole => HOLE.deserialize_any(visitor),
            Value::Scalar { text, kind } => visit_scalar(text, *kind, visitor),
            Value::Sequence(_) => self.deserialize_seq(visitor),
            Value::Mapping(_) => self.mapping(&[], visitor),
        }
    }

    numbers! { "a whole number":
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64
    }
    numbers! { "a number": deserialize_f32 deserialize_f64 }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Hole => HOLE.deserialize_bool(visitor),
            Value::Scalar { kind: Kind::Bool(b), .. } => visitor.visit_bool(*b),
            Value::Scalar { text, .. } if matches!(text.as_str(), "true" | "false") => {
                Err(Failure::wrong(self.0, "true or false", "remove the quotes"))
            }
            _ => Err(Failure::wrong(self.0, "true or false", "write true or false")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Hole => HOLE.deserialize_str(visitor),
            Value::Scalar { text, kind: Kind::Text } => visitor.visit_borrowed_str(text),
            Value::Scalar { text, kind } if *kind != Kind::Null => {
                Err(Failure::wrong(self.0, "a text", format!("quote it: \"{text}\"")))
            }
            _ => Err(Failure::wrong(self.0, "a text", "write a text")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.0.is_null() || self.0.value == Value::Hole { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.0.is_null() || self.0.value == Value::Hole {
            visitor.visit_unit()
        } else {
            Err(Failure::wrong(self.0, "nothing", "remove the value"))
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Hole => HOLE.deserialize_seq(visitor),
            Value::Sequence(items) => visitor.visit_seq(Sequence { items: items.iter(), index: 0 }),
            _ => Err(Failure::wrong(self.0, "a sequence", "begin each item with `- `, on a line of its own")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Hole => HOLE.deserialize_tuple(length, visitor),
            _ => self.deserialize_seq(visitor),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.mapping(&[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.mapping(fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Hole => HOLE.deserialize_enum("", variants, visitor),
            Value::Scalar { text, kind } if *kind != Kind::Null => {
                visitor.visit_enum(Variant { name: text, content: None, node: self.0 })
            }
            Value::Mapping(entries) if entries.len() == 1 => {
                visitor.visit_enum(Variant { name: &entries[0].key, content: Some(&entries[0].value), node: self.0 })
            }
            _ => {
                let listed = variants.iter().map(|v| format!("`{v}`")).collect::<Vec<_>>().join(", ");
                Err(Failure::wrong(self.0, format!("one of {listed}"), "write exactly one of them"))
            }
        }
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }
}

struct Sequence<'t> {
    items: std::slice::Iter<'t, Node>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Sequence<'de> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        let Some(node) = self.items.next() else { return Ok(None) };
        let segment = Segment::Index(self.index);
        self.index += 1;
        seed.deserialize(Reader(node)).map(Some).map_err(|e| e.at(node).within(segment))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Mapping<'t> {
    entries: std::slice::Iter<'t, Entry>,
    value: Option<&'t Entry>,
    /// Fields that count as absent when they are written without a value, as in Kubernetes.
    skip_null: &'static [&'static str],
}

impl<'de> MapAccess<'de> for Mapping<'de> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        let skip = self.skip_null;
        let entry = self.entries.find(|e| !(e.value.is_null() && skip.contains(&e.key.as_str())));
        let Some(entry) = entry else { return Ok(None) };
        self.value = Some(entry);
        seed.deserialize(KeyReader(&entry.key))
            .map(Some)
            .map_err(|e| e.at(&entry.value).within(Segment::Key(entry.key.clone())))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let entry = self.value.take().expect("serde asks for a value only after its key");
        seed.deserialize(Reader(&entry.value)).map_err(|e| e.at(&entry.value).within(Segment::Key(entry.key.clone())))
    }
}

/// Reads a key: always a text in YAML's mappings, but a map may want whole numbers or variants.
struct KeyReader<'t>(&'t str);

macro_rules! numeric_keys {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            match self.0.parse() {
                Ok(n) => visitor.visit_u64(n),
                Err(_) => visitor.visit_borrowed_str(self.0),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for KeyReader<'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_borrowed_str(self.0)
    }

    numeric_keys! { deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        StrDeserializer::<Failure>::new(self.0).deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// An enum's variant: a plain name, or a mapping from the name to the content.
struct Variant<'t> {
    name: &'t str,
    content: Option<&'t Node>,
    node: &'t Node,
}

impl<'t> Variant<'t> {
    fn content(&self) -> Result<Reader<'t>, Failure> {
        self.content.map(Reader).ok_or_else(|| {
            let help = format!("write `{}:` and its content behind or below it", self.name);
            Failure::wrong(self.node, format!("`{}` with its content", self.name), help)
        })
    }

    fn locate(&self, failure: Failure) -> Failure {
        match self.content {
            Some(content) => failure.at(content).within(Segment::Key(self.name.to_owned())),
            None => failure.at(self.node),
        }
    }
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Failure> {
        match seed.deserialize(KeyReader(self.name)) {
            Ok(variant) => Ok((variant, self)),
            Err(failure) => Err(self.locate(failure)),
        }
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        match self.content {
            Some(content) if !content.is_null() => {
                let failure = Failure::wrong(content, "nothing", format!("write `{}` alone", self.name));
                Err(self.locate(failure))
            }
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Failure> {
        self.content().and_then(|content| seed.deserialize(content)).map_err(|e| self.locate(e))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        self.content().and_then(|content| content.deserialize_seq(visitor)).map_err(|e| self.locate(e))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Failure> {
        self.content().and_then(|content| content.mapping(fields, visitor)).map_err(|e| self.locate(e))
    }
}
