//! What a [`Value::Hole`](crate::input::tree::Value::Hole) reads as: the smallest value of each type.

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::KeyReader;
use crate::input::failure::Failure;

/// How deep a type may nest in the place of something that is missing.
const MAX_DEPTH: usize = 32;

/// Stands in for a hole.
pub(super) const HOLE: HoleReader = HoleReader { depth: 0 };

/// Reads as whatever is asked for: the smallest value of each type.
#[derive(Clone, Copy)]
pub(super) struct HoleReader {
    depth: usize,
}

impl HoleReader {
    fn deeper(self) -> Result<Self, Failure> {
        if self.depth == MAX_DEPTH {
            return Err(Failure::custom("the type nests without end"));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

macro_rules! smallest {
    ($($method:ident => $visit:ident($value:expr);)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            visitor.$visit($value)
        }
    )*};
}

impl<'de> Deserializer<'de> for HoleReader {
    type Error = Failure;

    smallest! {
        deserialize_any => visit_u64(0);
        deserialize_bool => visit_bool(false);
        deserialize_char => visit_char('?');
        deserialize_str => visit_str("");
        deserialize_string => visit_str("");
        deserialize_identifier => visit_str("");
        deserialize_bytes => visit_bytes(&[]);
        deserialize_byte_buf => visit_bytes(&[]);
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_none()
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_seq(HoleItems { reader: self, left: 0 })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_seq(HoleItems { reader: self, left: length })
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
        visitor.visit_map(HoleFields { reader: self, fields: [].iter() })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_map(HoleFields { reader: self, fields: fields.iter() })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_enum(HoleVariant { reader: self, name: variants.first().copied().unwrap_or_default() })
    }

    forward_to_deserialize_any! { i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 }
}

struct HoleItems {
    reader: HoleReader,
    left: usize,
}

impl<'de> SeqAccess<'de> for HoleItems {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(self.reader.deeper()?).map(Some)
    }
}

/// All fields of a struct.
struct HoleFields {
    reader: HoleReader,
    fields: std::slice::Iter<'static, &'static str>,
}

impl<'de> MapAccess<'de> for HoleFields {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        self.fields.next().map(|field| seed.deserialize(KeyReader(field))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        seed.deserialize(self.reader.deeper()?)
    }
}

struct HoleVariant {
    reader: HoleReader,
    name: &'static str,
}

impl<'de> EnumAccess<'de> for HoleVariant {
    type Error = Failure;
    type Variant = HoleReader;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, HoleReader), Failure> {
        Ok((seed.deserialize(KeyReader(self.name))?, self.reader.deeper()?))
    }
}

impl<'de> VariantAccess<'de> for HoleReader {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Failure> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_struct("", fields, visitor)
    }
}
