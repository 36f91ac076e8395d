//! What a cluster does over time, as a list of transitions: only what changes, under names that are the same in every
//! run.
//!
//! Names. A `ReplicaSet` is `web.r2`, the second of Deployment `web`; a pod is `web.r2.p1`, its first pod; an
//! `EndpointSlice` is `web.s1`. The order is that in which they are first seen.

mod fields;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the format.
pub(crate) const VERSION: u32 = 1;

/// One line of a trace, with its time in milliseconds since the first step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// The first line: which sequence it is, and of what.
    Trace { version: u32, sequence: String, run: u32, kubernetes: String },
    /// An object as it was when the clock started.
    Initial { object: String, fields: BTreeMap<String, String> },
    /// A step begins.
    Step { at: u64, step: String },
    /// A step is over, or failed with what it printed.
    Done { at: u64, failed: Option<String> },
    /// Fields of an object have other values, or are gone.
    Change { at: u64, object: String, fields: BTreeMap<String, Option<String>> },
    /// An object is gone.
    Gone { at: u64, object: String },
    /// An event was reported, for the `count`th time.
    Event { at: u64, about: String, reason: String, message: String, count: u64, by: String },
}

/// Watches the objects of one namespace. Its times are since any one moment.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    start: Option<Duration>,
    names: Names,
    objects: BTreeMap<String, BTreeMap<String, String>>,
    events: BTreeMap<String, u64>,
    lines: Vec<Line>,
}

impl Recorder {
    /// The clock starts.
    pub(crate) fn start(&mut self, now: Duration) {
        self.start = Some(now);
        let initial = |(object, fields): (&String, &BTreeMap<String, String>)| Line::Initial {
            object: object.clone(),
            fields: fields.clone(),
        };
        self.lines = self.objects.iter().map(initial).collect();
    }

    /// A line that is not about an object.
    pub(crate) fn note(&mut self, now: Duration, line: impl FnOnce(u64) -> Line) {
        if let Some(at) = self.since_start(now) {
            self.lines.push(line(at));
        }
    }

    /// The lines so far, in the order of time.
    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// A word of a command line with the name that Kubernetes gave in place of `{web.r1.p2}`.
    pub(crate) fn with_given_names(&self, word: &str) -> String {
        let Some((before, rest)) = word.split_once('{') else { return word.to_owned() };
        let Some((own, after)) = rest.split_once('}') else { return word.to_owned() };
        self.given_name(own).map_or_else(|| word.to_owned(), |name| format!("{before}{name}{after}"))
    }

    /// The name that Kubernetes gave to a pod such as `web.r1.p2`.
    fn given_name(&self, name: &str) -> Option<String> {
        self.names.known.iter().find(|(_, own)| *own == name).map(|(given, _)| given.clone())
    }

    fn since_start(&self, now: Duration) -> Option<u64> {
        self.start.map(|start| now.saturating_sub(start).as_millis() as u64)
    }

    /// An object was added, modified or deleted, as a watch says it.
    pub(crate) fn observe(&mut self, now: Duration, change: &str, object: &Value) {
        let kind = text(object, "/kind");
        if kind == "Event" {
            if change != "DELETED" {
                self.observe_event(now, object);
            }
            return;
        }
        let name = format!("{}/{}", kind.to_lowercase(), self.names.of(object));
        let at = self.since_start(now);
        if change == "DELETED" {
            if self.objects.remove(&name).is_some()
                && let Some(at) = at
            {
                self.lines.push(Line::Gone { at, object: name });
            }
            return;
        }
        let fields = fields::of(object, &mut self.names);
        let before = self.objects.insert(name.clone(), fields.clone()).unwrap_or_default();
        let changes = differences(&before, fields);
        if let Some(at) = at.filter(|_| !changes.is_empty()) {
            self.lines.push(Line::Change { at, object: name, fields: changes });
        }
    }

    fn observe_event(&mut self, now: Duration, event: &Value) {
        let count = event.pointer("/count").and_then(Value::as_u64).unwrap_or(1);
        let before = self.events.insert(text(event, "/metadata/name").to_owned(), count);
        if before == Some(count) {
            return;
        }
        let about = event.pointer("/involvedObject").cloned().unwrap_or_default();
        let kind = text(&about, "/kind").to_lowercase();
        let name = self.names.of_reference(&kind, text(&about, "/name"));
        let by = [text(event, "/source/component"), text(event, "/reportingComponent")];
        let by = by.into_iter().find(|by| !by.is_empty()).unwrap_or_default().to_owned();
        let (message, reason) = (text(event, "/message"), text(event, "/reason").to_owned());
        // Each kind has a watch of its own, and an event may come before the `ReplicaSet` that it tells of.
        let named = message.split_once("replica set ").filter(|_| reason == "ScalingReplicaSet");
        if let Some(name) = named.and_then(|(_, rest)| rest.split(' ').next()) {
            self.names.of_reference("replicaset", name);
        }
        let message = self.names.simplify(message, text(&about, "/namespace"));
        self.note(now, |at| Line::Event { at, about: format!("{kind}/{name}"), reason, message, count, by });
    }
}

fn differences(before: &BTreeMap<String, String>, after: BTreeMap<String, String>) -> BTreeMap<String, Option<String>> {
    let gone: Vec<_> = before.keys().filter(|name| !after.contains_key(*name)).cloned().collect();
    let changed = after.into_iter().filter(|(name, value)| before.get(name) != Some(value));
    changed.map(|(name, value)| (name, Some(value))).chain(gone.into_iter().map(|name| (name, None))).collect()
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Names that Kubernetes gave, and the ones that are the same in every run.
#[derive(Debug, Default)]
struct Names {
    known: BTreeMap<String, String>,
    /// How many a parent has.
    children: BTreeMap<String, u32>,
}

impl Names {
    fn of(&mut self, object: &Value) -> String {
        let name = text(object, "/metadata/name");
        match text(object, "/kind") {
            "EndpointSlice" => {
                let service = object.pointer("/metadata/labels/kubernetes.io~1service-name");
                self.child(name, service.and_then(Value::as_str).unwrap_or_default(), 's')
            }
            kind => self.of_reference(&kind.to_lowercase(), name),
        }
    }

    /// Kubernetes names a Deployment's `ReplicaSet` `web-HASH`, and its pods `web-HASH-RANDOM`.
    fn of_reference(&mut self, kind: &str, name: &str) -> String {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        match (kind, name.rsplit_once('-')) {
            ("replicaset", Some((deployment, _))) => self.child(name, deployment, 'r'),
            ("pod", Some((replica_set, _))) if replica_set.contains('-') => {
                let parent = self.of_reference("replicaset", replica_set);
                self.child(name, &parent, 'p')
            }
            _ => name.to_owned(),
        }
    }

    fn child(&mut self, name: &str, parent: &str, letter: char) -> String {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        let count = self.children.entry(format!("{parent}.{letter}")).or_default();
        *count += 1;
        let own = format!("{parent}.{letter}{count}");
        self.known.insert(name.to_owned(), own.clone());
        own
    }

    /// A message without what differs from run to run.
    fn simplify(&mut self, message: &str, namespace: &str) -> String {
        let mut result = message.to_owned();
        // Longer names first: a pod's begins with its ReplicaSet's.
        let mut names: Vec<_> = self.known.iter().collect();
        names.sort_by_key(|(given, _)| std::cmp::Reverse(given.len()));
        for (given, own) in names {
            result = result.replace(given.as_str(), own);
        }
        if !namespace.is_empty() {
            result = result.replace(namespace, "NAMESPACE");
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | 'µ');
        let mut simple = String::new();
        let mut rest = result.as_str();
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            if end == 0 {
                simple.push(first);
                rest = &rest[first.len_utf8()..];
            } else {
                simple.push_str(stand_in_for(&rest[..end]).unwrap_or(&rest[..end]));
                rest = &rest[end..];
            }
        }
        simple
    }
}

/// What stands for a word that differs from run to run.
fn stand_in_for(word: &str) -> Option<&'static str> {
    let hexadecimal = |w: &str| w.chars().all(|c| c.is_ascii_hexdigit());
    if word.len() == 36 && word.split('-').count() == 5 && word.split('-').all(hexadecimal) {
        return Some("UID");
    }
    if word.len() >= 32 && hexadecimal(word) {
        return Some("ID");
    }
    if word.split('.').count() == 4 && word.split('.').all(|part| part.parse::<u8>().is_ok()) {
        return Some("ADDRESS");
    }
    // A measured duration has a fraction or is in milliseconds; a configured one such as `10s` is kept.
    let unit = ["ms", "µs", "s"].iter().find_map(|unit| word.strip_suffix(unit).map(|number| (number, *unit)));
    unit.filter(|(number, unit)| number.parse::<f64>().is_ok() && (number.contains('.') || *unit != "s"))
        .map(|_| "DURATION")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn pod(name: &str, phase: &str) -> Value {
        json!({"kind": "Pod", "metadata": {"name": name}, "status": {"phase": phase}})
    }

    #[test]
    fn only_what_changes_is_a_line() {
        let mut recorder = Recorder::default();
        let start = Duration::from_secs(7);
        recorder.observe(start, "ADDED", &pod("web-5c-aaaaa", "Pending"));
        recorder.start(start);
        let later = start + Duration::from_millis(1500);
        recorder.observe(later, "MODIFIED", &pod("web-5c-aaaaa", "Pending"));
        recorder.observe(later, "MODIFIED", &pod("web-5c-aaaaa", "Running"));
        recorder.observe(later, "ADDED", &pod("web-5c-bbbbb", "Pending"));
        recorder.observe(later, "DELETED", &pod("web-5c-aaaaa", "Running"));
        let lines: Vec<_> = recorder.lines().iter().map(|line| serde_json::to_string(line).unwrap()).collect();
        assert_eq!(
            lines,
            [
                r#"{"initial":{"object":"pod/web.r1.p1","fields":{"phase":"Pending"}}}"#,
                r#"{"change":{"at":1500,"object":"pod/web.r1.p1","fields":{"phase":"Running"}}}"#,
                r#"{"change":{"at":1500,"object":"pod/web.r1.p2","fields":{"phase":"Pending"}}}"#,
                r#"{"gone":{"at":1500,"object":"pod/web.r1.p1"}}"#,
            ]
        );
        assert_eq!(recorder.given_name("web.r1.p2").as_deref(), Some("web-5c-bbbbb"));
    }

    #[test]
    fn an_event_may_name_a_replica_set_before_it_is_seen() {
        let mut recorder = Recorder::default();
        recorder.start(Duration::ZERO);
        let event = json!({"kind": "Event", "metadata": {"name": "e"}, "reason": "ScalingReplicaSet",
            "message": "Scaled up replica set web-5c from 0 to 3", "involvedObject": {"kind": "Deployment", "name": "web"}});
        recorder.observe(Duration::ZERO, "ADDED", &event);
        let line = serde_json::to_string(&recorder.lines()[0]).unwrap();
        assert!(line.contains("Scaled up replica set web.r1 from 0 to 3"), "{line}");
    }

    #[test]
    fn messages_say_nothing_that_differs_from_run_to_run() {
        let mut names = Names::default();
        names.of(&pod("web-5c-aaaaa", ""));
        let mut check = |message: &str, expected: &str| assert_eq!(names.simplify(message, "bad-tag-1"), expected);
        check("Created pod: web-5c-aaaaa", "Created pod: web.r1.p1");
        check("Scaled up replica set web-5c from 0 to 3", "Scaled up replica set web.r1 from 0 to 3");
        check("Get \"http://10.244.1.7:8080/ready\": refused", "Get \"http://ADDRESS:8080/ready\": refused");
        check("pulled in 12.3ms (1.2s including waiting)", "pulled in DURATION (DURATION including waiting)");
        check(
            "back-off 10s in web-5c-aaaaa_bad-tag-1(8b1b0f5e-3a52-4c58-9a3e-0d5c2f1f7a11)",
            "back-off 10s in web.r1.p1_NAMESPACE(UID)",
        );
    }
}
