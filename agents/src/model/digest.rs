//! Digests of conversations: what a cassette is keyed by.

use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::ChatRequest;

/// SHA-256 of a value's canonical JSON, in hexadecimal digits.
pub(super) fn of(value: &impl Serialize) -> String {
    // Requests and messages have texts and JSON in them and nothing else, so that this cannot fail.
    let value = serde_json::to_value(value).unwrap_or_default();
    hex(&Sha256::digest(canonical(&value)))
}

/// The digest of a whole request.
pub(super) fn of_request(request: &ChatRequest) -> String {
    of(request)
}

/// A number from 0 to 1, the same for the same text.
pub(super) fn fraction(text: &str) -> f64 {
    let bytes = Sha256::digest(text);
    let number = bytes.iter().take(4).fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
    f64::from(number) / f64::from(u32::MAX)
}

/// JSON without spaces, with the keys of each object in order: whether `serde_json` keeps their order is a feature that
/// any crate of a build can turn on.
fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    text.push(',');
                }
                write_canonical(item, text);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (i, (key, value)) in fields.into_iter().enumerate() {
                if i > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write_canonical(value, text);
            }
            text.push('}');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_keys_does_not_count() {
        let one: Value = serde_json::from_str(r#"{"b": [1, {"d": null, "c": "x\n"}], "a": true}"#).unwrap();
        assert_eq!(canonical(&one), r#"{"a":true,"b":[1,{"c":"x\n","d":null}]}"#);
        assert_eq!(of(&json!({})), "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
    }

    #[test]
    fn a_fraction_depends_on_the_text_alone() {
        assert!((fraction("a") - fraction("a")).abs() < f64::EPSILON);
        assert!((fraction("a") - fraction("b")).abs() > 1e-3);
        assert!((0.0..=1.0).contains(&fraction("")));
    }
}
