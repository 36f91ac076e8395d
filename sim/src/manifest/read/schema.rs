//! Building blocks for what a manifest may say.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, IgnoredAny, Visitor};

use crate::diagnostic::Diagnostic;
use crate::input::{Document, Examined};
use crate::manifest::meta::Labels;

/// Declares a part of a manifest: fields that the twin reads, and fields that Kubernetes has as well but
/// that change nothing in the twin. Any other field is refused, as `kubectl` does with its
/// strict validation.
macro_rules! schema {
    (
        $(#[$attribute:meta])*
        struct $name:ident {
            $($(#[$field_attribute:meta])* $field:ident: $type:ty,)*
        }
        ignores { $($(#[$ignored_attribute:meta])* $ignored:ident,)* }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub(in crate::manifest) struct $name {
            $($(#[$field_attribute])* pub(in crate::manifest) $field: $type,)*
            $(
                #[serde(default)]
                $(#[$ignored_attribute])*
                #[expect(dead_code, reason = "it only has to be allowed")]
                $ignored: $crate::manifest::read::schema::Ignored,
            )*
        }
    };
}
pub(super) use schema;

/// A value that may be anything.
#[derive(Debug, Default)]
pub(in crate::manifest) struct Ignored;

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(from).map(|_| Self)
    }
}

/// A whole number or a text, such as a port's number or name.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum IntOrString {
    Int(u64),
    Text(String),
}

impl<'de> Deserialize<'de> for IntOrString {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = IntOrString;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number or a text")
            }
            fn visit_u64<E: Error>(self, n: u64) -> Result<IntOrString, E> {
                Ok(IntOrString::Int(n))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<IntOrString, E> {
                Ok(IntOrString::Text(text.to_owned()))
            }
        }
        from.deserialize_any(Either)
    }
}

/// A quantity as written; its unit follows from where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Quantity(pub(super) String);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as 100m, 0.5 or 200Mi")
            }
            fn visit_u64<E: Error>(self, n: u64) -> Result<Quantity, E> {
                Ok(Quantity(n.to_string()))
            }
            fn visit_f64<E: Error>(self, n: f64) -> Result<Quantity, E> {
                Ok(Quantity(n.to_string()))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Quantity, E> {
                Ok(Quantity(text.to_owned()))
            }
        }
        from.deserialize_any(Written)
    }
}

schema! {
    /// `metadata` of an object.
    struct Metadata {
        name: String,
        namespace: Option<String>,
        labels: Option<Labels>,
        annotations: Option<Labels>,
    }
    ignores {
        cluster_name,
        creation_timestamp,
        deletion_grace_period_seconds,
        deletion_timestamp,
        finalizers,
        generate_name,
        generation,
        managed_fields,
        owner_references,
        resource_version,
        self_link,
        uid,
    }
}

/// Collects what is found out about one object.
pub(in crate::manifest) struct Findings {
    document: Document,
    found: Vec<Diagnostic>,
}

impl Findings {
    pub(in crate::manifest) fn new(document: &Document) -> Self {
        Self { document: document.clone(), found: Vec::new() }
    }

    /// Reads the document as what its kind says, as far as that goes.
    pub(in crate::manifest) fn typed<T: DeserializeOwned>(&mut self) -> Option<T> {
        let Examined { value, document, mistakes } = self.document.examine();
        self.document = document;
        self.found.extend(mistakes);
        value
    }

    /// Whether the manifest has the field.
    pub(in crate::manifest) fn is_written(&self, field: &str) -> bool {
        self.document.is_written(field)
    }

    /// Whether no mistake in the field or below it was found by [`Findings::typed`].
    pub(in crate::manifest) fn is_sound(&self, field: &str) -> bool {
        self.document.is_sound(field)
    }

    /// Notes a mistake, unless the field was already found mistaken.
    pub(in crate::manifest) fn error(&mut self, field: &str, message: impl Into<String>, help: impl Into<String>) {
        if self.is_sound(field) {
            self.found.push(self.document.error(field, message).help(help));
        }
    }

    pub(in crate::manifest) fn warning(&mut self, field: &str, message: impl Into<String>, help: impl Into<String>) {
        self.found.push(self.document.warning(field, message).help(help));
    }

    /// Notes the mistake of a parser that says `what is wrong: what to do`.
    pub(in crate::manifest) fn parsed<T>(&mut self, field: &str, result: Result<T, String>) -> Option<T> {
        result
            .map_err(|text| {
                let (message, help) = text.split_once(": ").unwrap_or((&text, "correct the value"));
                self.error(field, message, help);
            })
            .ok()
    }

    pub(in crate::manifest) fn into_vec(self) -> Vec<Diagnostic> {
        self.found
    }
}
