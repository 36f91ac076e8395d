//! Reading YAML into typed values, with every mistake at once.
//!
//! Any serde type can be read: derive `Deserialize` with `deny_unknown_fields` and call [`parse`]. All that its
//! type does not accept is reported in one go, each mistake with file, line, field, what was found, what is allowed
//! and what to do ([`Diagnostic`]). What only the loader can judge, such as a
//! reference to something that does not exist, is reported through [`Located`], which remembers the
//! line of every field.
//!
//! ```text
//! text ──yaml──▶ tree of nodes with lines ──Reader (serde)──▶ T
//!                 ▲                             │ mistake
//!                 └──────── hole ◀── repair ────┘
//! ```
//!
//! Rules for types that are read:
//! - Avoid `flatten`, `untagged` and internally tagged enums (`#[serde(tag = "…")]`): serde buffers
//!   their content, so that mistakes inside get the line of the whole. Externally tagged enums and a
//!   look at the tag with [`Document::text`] before [`Document::read`] keep it.
//! - A type's own check (`TryFrom`, a visitor) says `what is wrong: what to do`; the part behind the
//!   first colon becomes the help.
//! - Texts, numbers and booleans are what `kubectl` takes them for: `on` is a boolean, and a boolean is no text
//!   until it is quoted.
//! - A field of a struct that is written without a value counts as absent, as in Kubernetes.

mod de;
mod failure;
mod repair;
mod scalar;
mod tree;
mod yaml;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use crate::diagnostic::{Diagnostic, Diagnostics, Source};

pub use tree::Place;
pub(crate) use tree::{Entry, FieldPath, Node, Segment, Value};

/// One YAML document whose form is right: nothing is known yet about its content.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub(crate) root: Node,
}

/// A value with the document that it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Located<T> {
    /// What was read.
    pub value: T,
    /// Where it was read.
    pub document: Document,
}

/// What can be read of a document in spite of its mistakes.
#[derive(Clone, Debug)]
pub struct Examined<T> {
    /// With zero, an empty text or nothing in the place of what is mistaken or missing; `None` if too much is.
    pub value: Option<T>,
    /// The document, in which [`Document::is_sound`] tells what was mistaken or missing. Its fields with a misspelt
    /// name have the name that was meant.
    pub document: Document,
    /// In the order of lines, at most 50.
    pub mistakes: Vec<Diagnostic>,
}

/// Reads a file that holds exactly one document.
///
/// # Errors
/// Every mistake in form and type, in the order of lines, at most 50.
pub fn parse<T: DeserializeOwned>(source: &Source) -> Result<Located<T>, Diagnostics> {
    document(source)?.read()
}

/// The one document of a file.
///
/// # Errors
/// Every mistake in form, or that there is not exactly one document.
pub fn document(source: &Source) -> Result<Document, Diagnostics> {
    let mut documents = documents(source)?;
    match documents.as_slice() {
        [_] => Ok(documents.remove(0)),
        [] => Err(Diagnostics(vec![
            Diagnostic::error(&source.path, 1, "", "the file is empty").help("write one YAML document into it"),
        ])),
        [_, second, ..] => Err(Diagnostics(vec![
            second.error("", "a second document begins here").help("keep one document per file: split it at `---`"),
        ])),
    }
}

/// The documents of a file, without the empty ones.
///
/// # Errors
/// Every mistake in form.
pub fn documents(source: &Source) -> Result<Vec<Document>, Diagnostics> {
    let (documents, mistakes) = scan(source);
    if mistakes.is_empty() { Ok(documents) } else { Err(Diagnostics(mistakes)) }
}

/// The documents of a file and the mistakes in its form; documents before a mistake can still be
/// checked.
pub(crate) fn scan(source: &Source) -> (Vec<Document>, Vec<Diagnostic>) {
    let (roots, mistakes) = yaml::read(source);
    (roots.into_iter().map(|root| Document { root }).collect(), mistakes)
}

impl Document {
    /// Reads the document as a `T`.
    ///
    /// # Errors
    /// Every mistake, in the order of lines, at most 50.
    pub fn read<T: DeserializeOwned>(&self) -> Result<Located<T>, Diagnostics> {
        let Examined { value, document, mistakes } = self.examine();
        match value {
            Some(value) if mistakes.is_empty() && !document.root.has_hole() => Ok(Located { value, document }),
            _ => Err(Diagnostics(mistakes)),
        }
    }

    /// Reads what can be read in spite of mistakes, so that the rest can be checked in the same go.
    pub fn examine<T: DeserializeOwned>(&self) -> Examined<T> {
        let repair::Outcome { value, tree, mistakes } = repair::read(&self.root);
        Examined { value, document: Self { root: tree }, mistakes }
    }

    /// Whether a field is what was written: false if there was a mistake in it or below it.
    pub fn is_sound(&self, field: &str) -> bool {
        let path = FieldPath::parse(field);
        match self.root.find(&path) {
            Some(node) => !node.has_hole(),
            None => self.root.nearest(&path).value != Value::Hole,
        }
    }

    /// The scalar at a field, such as `metadata.name`, as written.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.root.find(&FieldPath::parse(field))?.text()
    }

    /// The texts of the mapping at a field, such as `metadata.labels`; what is no text is left out.
    pub(crate) fn texts(&self, field: &str) -> BTreeMap<String, String> {
        let entries = match self.root.find(&FieldPath::parse(field)) {
            Some(Node { value: Value::Mapping(entries), .. }) => entries.as_slice(),
            _ => &[],
        };
        let texts = entries.iter().filter_map(|e| Some((e.key.clone(), e.value.text()?.to_owned())));
        texts.collect()
    }

    /// The fields of the document itself.
    pub(crate) fn keys(&self) -> Vec<&str> {
        match &self.root.value {
            Value::Mapping(entries) => entries.iter().map(|e| e.key.as_str()).collect(),
            _ => Vec::new(),
        }
    }

    /// The nodes of the sequence `items` as documents of their own.
    pub(crate) fn items(&self) -> Option<Vec<Self>> {
        match &self.root.get("items")?.value {
            Value::Sequence(items) => Some(items.iter().map(|root| Self { root: root.clone() }).collect()),
            _ => None,
        }
    }

    /// Whether a field has a value.
    pub fn is_written(&self, field: &str) -> bool {
        self.root.find(&FieldPath::parse(field)).is_some_and(|node| !node.is_null())
    }

    /// The place of a field, such as `spec.containers[0].image`, or of the nearest field above it
    /// that is written.
    pub fn place_of(&self, field: &str) -> &Place {
        &self.root.nearest(&FieldPath::parse(field)).place
    }

    /// A mistake in a field.
    pub fn error(&self, field: &str, message: impl Into<String>) -> Diagnostic {
        let place = self.place_of(field);
        Diagnostic::error(&*place.path, place.line, field, message)
    }

    /// A finding about a field that does not keep the document from being used.
    pub fn warning(&self, field: &str, message: impl Into<String>) -> Diagnostic {
        let place = self.place_of(field);
        Diagnostic::warning(&*place.path, place.line, field, message)
    }
}

impl<T> Located<T> {
    /// The line of a field, or of the nearest field above it that is written.
    pub fn line_of(&self, field: &str) -> u32 {
        self.document.place_of(field).line
    }

    /// A mistake in a field.
    pub fn error(&self, field: &str, message: impl Into<String>) -> Diagnostic {
        self.document.error(field, message)
    }

    /// A finding about a field that does not keep the document from being used.
    pub fn warning(&self, field: &str, message: impl Into<String>) -> Diagnostic {
        self.document.warning(field, message)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::time::SimDuration;
    use crate::units::{Bytes, Millicores};

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Service {
        name: String,
        replicas: u16,
        #[serde(default)]
        timeout: Option<SimDuration>,
        #[serde(default)]
        cpu: Millicores,
        #[serde(default)]
        memory: Bytes,
        #[serde(default)]
        env: BTreeMap<String, String>,
        #[serde(default)]
        steps: Vec<Step>,
        #[serde(default)]
        keep_alive: bool,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    enum Step {
        Burst(SimDuration),
        Call { service: String, path: String },
        Wait,
    }

    fn source(text: &str) -> Source {
        Source { path: "a.yaml".into(), text: text.into() }
    }

    fn read(text: &str) -> String {
        match parse::<Service>(&source(text)) {
            Ok(located) => format!("{:?}", located.value),
            Err(mistakes) => mistakes.to_string(),
        }
    }

    #[test]
    fn a_document_reads_as_its_type() {
        let text = "name: carts\nreplicas: 2\ntimeout: 1m30s\ncpu: 0.1\nmemory: 200Mi\nenv: {A: \"true\"}\n\
                    steps:\n- burst: 2ms\n- call: {service: db, path: /}\n- wait\nkeepAlive: yes\n";
        let service = parse::<Service>(&source(text)).unwrap();
        assert_eq!(
            service.value,
            Service {
                name: "carts".into(),
                replicas: 2,
                timeout: Some(SimDuration::from_secs(90)),
                cpu: Millicores(100),
                memory: Bytes::from_mebibytes(200),
                env: BTreeMap::from([("A".into(), "true".into())]),
                steps: vec![
                    Step::Burst(SimDuration::from_millis(2)),
                    Step::Call { service: "db".into(), path: "/".into() },
                    Step::Wait
                ],
                keep_alive: true,
            }
        );
        assert_eq!(service.line_of("steps[1].call.service"), 9);
        assert_eq!(service.line_of("steps[7]"), 7, "the nearest that exists");
    }

    #[test]
    fn all_mistakes_are_found_at_once() {
        insta::assert_snapshot!(read(
            "nam: 7\nreplicas: -1\ntimeout: 5\ncpu: lots\nmemory: [1]\nenv:\n  logger_flag: true\nsteps:\n- brust: 1ms\n\
             - call: {service: db, pth: /}\n- wait: 3\n- call: {service: db}\n- burst\nkeepAlive: \"true\"\nbanana: 1\n"
        ));
    }

    #[test]
    fn missing_and_empty_fields_are_named() {
        insta::assert_snapshot!(read("name:\nenv:\n"));
    }

    #[test]
    fn mistakes_of_form_are_found() {
        let answers = [
            "name: a\n  replicas: 1\n",
            "name: a\nenv:\n\tA: b\n",
            "name: [a\n",
            "name: \"a\n",
            "name: a\nreplicas: 1\nname: b\nreplicas: 2\n",
            "name: *nobody\nreplicas: 1\n",
            "{a: b}: c\n",
            "name: a\n---\nname: b\n",
            "# nothing\n",
            "just words\n",
            "<<: 3\nname: a\n",
            "name: !secret a\nreplicas: 1\n",
        ]
        .map(|text| format!("{text}--\n{}\n", read(text)));
        insta::assert_snapshot!(answers.join("\n"));
    }

    #[test]
    fn anchors_and_merge_keys_resolve() {
        let text = "env: &e {A: x, B: z}\nname: &n carts\nreplicas: 1\nsteps:\n- call: &c {service: *n, path: /a}\n\
                    - call: {<<: *c, path: /b}\n";
        let service = parse::<Service>(&source(text)).unwrap().value;
        assert_eq!(service.steps[1], Step::Call { service: "carts".into(), path: "/b".into() });
    }

    #[test]
    fn alias_bombs_and_deep_nesting_are_refused() {
        let laughs = (1..30).map(|i| format!("a{i}: &a{i} [{}]\n", format!("*a{}, ", i - 1).repeat(9)));
        let laughs = format!("a0: &a0 [x, x]\n{}", laughs.collect::<String>());
        assert!(read(&laughs).contains("aliases expand this file"), "{}", read(&laughs));
        let chain = (1..1000).map(|i| format!("a{i}: &a{i} [*a{}]\n", i - 1));
        let chain = format!("a0: &a0 [x]\n{}", chain.collect::<String>());
        assert!(read(&chain).contains("aliases expand this file"), "{}", read(&chain));
        for deep in ["[".repeat(10_000), "{a: ".repeat(10_000), "- ".repeat(10_000)] {
            assert!(read(&deep).contains("64 levels"), "{}", read(&deep));
        }
    }
}
