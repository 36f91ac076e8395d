//! A key, and the texts that it must not be in.

use std::fmt;
use std::sync::Arc;

use reqwest::header::HeaderValue;

/// Shorter keys are placeholders such as `none` or `EMPTY`, and words of ordinary texts.
const SHORTEST_SECRET: usize = 8;

/// A key. It is shown nowhere, `Debug` included.
#[derive(Clone)]
pub(super) struct Secret(Arc<str>);

impl Secret {
    pub(super) fn new(key: &str) -> Self {
        Self(key.into())
    }

    /// The header that carries it; `None` if it has characters that no header can have.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// A text without the key: servers and proxies quote in their answers what they were sent.
    pub(super) fn redact(&self, text: String) -> String {
        if self.0.len() < SHORTEST_SECRET {
            return text;
        }
        // In JSON, `/` may be written as `\/`.
        let escaped = self.0.replace('/', "\\/");
        [&*self.0, &escaped].iter().fold(
            text,
            |text, key| {
                if text.contains(key) { text.replace(key, "[key]") } else { text }
            },
        )
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}
