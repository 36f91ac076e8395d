//! Fields that mean different things in different kinds of Chaos Mesh.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::network::{PacketDelay, PacketTarget};
use crate::time::SimDuration;

/// `delay`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Delay {
    /// Of `HTTPChaos` and `IOChaos`: a time.
    Time(SimDuration),
    /// Of `NetworkChaos`: what netem does.
    Packets(PacketDelay),
}

/// `target`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Target {
    /// Of `HTTPChaos`: `Request` or `Response`.
    Message(String),
    /// Of `NetworkChaos`: the pods at the other end.
    Pods(PacketTarget),
}

/// Declares how the two are told apart: a text is the one, a mapping the other. serde's own `untagged` would lose where in
/// the file a mistake is.
macro_rules! text_or_mapping {
    ($either:ident, $expected:literal, $of_text:expr, $of_mapping:expr) => {
        impl<'de> Deserialize<'de> for $either {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Either;
                impl<'de> Visitor<'de> for Either {
                    type Value = $either;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }
                    fn visit_str<E: Error>(self, text: &str) -> Result<$either, E> {
                        Deserialize::deserialize(StrDeserializer::new(text)).map($of_text)
                    }
                    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<$either, A::Error> {
                        Deserialize::deserialize(MapAccessDeserializer::new(map)).map($of_mapping)
                    }
                }
                from.deserialize_any(Either)
            }
        }
    };
}

text_or_mapping!(Delay, "a time such as 300ms, or a latency with its jitter", Delay::Time, Delay::Packets);
text_or_mapping!(Target, "Request, Response, or pods by mode and selector", Target::Message, Target::Pods);
