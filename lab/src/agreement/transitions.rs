//! Traces as sets of transitions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Moment, RESOLUTION};
use crate::trace::Line;

/// Events in which a kubelet complains about the machine of the lab, and not about what is played: control groups of version
/// 1 in which it may not write all, paths of sockets, and volumes that it forgets before it has unmounted them.
const OF_THE_LAB: [&str; 4] = ["CgroupV1", "FailedNodeAllocatableEnforcement", "ContainerGCFailed", "FailedMount"];

/// Something that happened, for the `nth` time in its run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Transition {
    /// The field of a kind of object, or the reason of an event.
    pub(super) topic: String,
    /// The value that the field took, or the event's message.
    value: String,
    nth: u32,
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.topic)?;
        if !self.value.is_empty() {
            write!(f, " = {}", self.value)?;
        }
        if self.nth > 1 { write!(f, " (#{})", self.nth) } else { Ok(()) }
    }
}

/// The transitions of one run.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) moments: BTreeMap<Transition, Moment>,
    /// When the last command that changes something began, in milliseconds, and its number.
    last_change: (u64, usize),
    /// When each command that changes something began, by its number, in seconds.
    starts: Vec<f64>,
    /// Whether the step that goes on waits for a rollout.
    waits: bool,
    /// When fields of objects that are not pods took which value, however shortly, by topic and value.
    single: BTreeMap<(String, String), Vec<Moment>>,
    /// Objects that were there at the beginning, and nodes that have been seen.
    known: BTreeSet<String>,
}

/// By object and field: when it took which value, in milliseconds.
type Values<'l> = BTreeMap<(&'l str, &'l str), Vec<(u64, Option<&'l str>)>>;

/// The values that fields kept for longer than the resolution. A value that was there before too, with only such between that
/// did not last, is not there again.
fn lasting(lines: &[Line]) -> Values<'_> {
    let mut values = Values::new();
    let mut gone = BTreeMap::new();
    for line in lines {
        match line {
            Line::Initial { object, fields } => {
                for (field, value) in fields {
                    values.entry((object, field)).or_default().push((0, Some(value)));
                }
            }
            Line::Change { at, object, fields } => {
                for (field, value) in fields {
                    values.entry((object, field)).or_default().push((*at, value.as_deref()));
                }
            }
            Line::Gone { at, object } => {
                gone.insert(object.as_str(), *at);
            }
            _ => {}
        }
    }
    let resolution = (RESOLUTION * 1e3) as u64;
    for ((object, _), values) in &mut values {
        let ends: Vec<_> = values.iter().skip(1).map(|(at, _)| Some(*at)).chain([gone.get(object).copied()]).collect();
        let mut ends = ends.into_iter();
        values.retain(|(at, _)| ends.next().flatten().is_none_or(|end| end >= at + resolution));
        values.dedup_by_key(|(_, value)| *value);
    }
    values
}

impl Run {
    pub(super) fn of(lines: &[Line]) -> Self {
        let mut run = Self { starts: vec![0.0], ..Self::default() };
        let lasting = lasting(lines);
        for line in lines {
            run.take(line, &lasting);
        }
        run
    }

    /// The transitions by topic.
    pub(super) fn topics(&self) -> BTreeMap<&str, BTreeSet<&Transition>> {
        let mut topics: BTreeMap<&str, BTreeSet<&Transition>> = BTreeMap::new();
        for transition in self.moments.keys() {
            topics.entry(&transition.topic).or_default().insert(transition);
        }
        topics
    }

    fn take(&mut self, line: &Line, lasting: &Values<'_>) {
        match line {
            Line::Trace { .. } => {}
            Line::Initial { object, .. } => {
                self.known.insert(object.clone());
            }
            Line::Step { at, step } => {
                self.waits = step.contains("rollout status");
                if !self.waits {
                    self.last_change = (*at, self.last_change.1 + 1);
                    self.starts.push(*at as f64 / 1e3);
                }
            }
            Line::Done { at, failed } => {
                let how = if failed.is_some() { "failed" } else { "done" };
                if self.waits {
                    self.add(*at, "rollout status".into(), how.into());
                } else if failed.is_some() {
                    self.add(*at, format!("command {}", self.last_change.1), how.into());
                }
            }
            // A node is first seen when it first changes.
            Line::Change { object, .. } if object.starts_with("node/") && self.known.insert(object.clone()) => {}
            Line::Change { at, object, fields } => {
                for (field, value) in fields {
                    let value = value.as_deref();
                    if !object.starts_with("pod/") {
                        let key = (topic(object, field), value.unwrap_or("none").to_owned());
                        let moment = self.moment(*at);
                        self.single.entry(key).or_default().push(moment);
                    }
                    if lasting.get(&(object, field)).is_some_and(|values| values.contains(&(*at, value))) {
                        self.change(*at, object, field, value);
                    }
                }
            }
            Line::Gone { at, object } => self.add(*at, format!("{} gone", of_any_pod(object)), String::new()),
            Line::Event { reason, .. } if OF_THE_LAB.contains(&reason.as_str()) => {}
            Line::Event { at, about, reason, message, .. } => {
                self.add(*at, format!("event {reason} of {}", of_any_pod(about)), of_any_node(&of_any_pod(message)));
            }
        }
    }

    fn change(&mut self, at: u64, object: &str, field: &str, value: Option<&str>) {
        // Where a pod goes is the scheduler's choice among equals.
        if field != "node" {
            self.add(at, topic(object, field), value.unwrap_or("none").to_owned());
        }
    }

    fn add(&mut self, at: u64, topic: String, value: String) {
        let mut transition = Transition { topic, value, nth: 1 };
        while self.moments.contains_key(&transition) {
            transition.nth += 1;
        }
        let moment = self.moment(at);
        self.moments.insert(transition, moment);
    }

    fn moment(&self, at: u64) -> Moment {
        let relative = at.saturating_sub(self.last_change.0);
        Moment { absolute: at as f64 / 1e3, relative: relative as f64 / 1e3, command: self.last_change.1 }
    }

    /// When something was, in seconds since a command, before which it may have been.
    pub(super) fn since(&self, command: usize, moment: &Moment) -> f64 {
        moment.absolute - self.starts.get(command).copied().unwrap_or(f64::INFINITY)
    }

    /// When the field of an object that is not a pod took a value, however shortly.
    pub(super) fn of_single(&self, transition: &Transition) -> &[Moment] {
        let key = (transition.topic.clone(), transition.value.clone());
        self.single.get(&key).map_or(&[], Vec::as_slice)
    }
}

fn topic(object: &str, field: &str) -> String {
    format!("{} {}", of_any_pod(object), of_any_pod(field))
}

/// `web.r1.p*` for `web.r1.p3`, and for `web.r1-x2x4z`, as a pod is called in a message about it before it is seen.
fn of_any_pod(text: &str) -> String {
    text.split_inclusive([' ', '/', '"', '_', ',']).map(word_of_any_pod).collect()
}

fn word_of_any_pod(word: &str) -> String {
    let name = word.trim_end_matches([' ', '/', '"', '_', ',']);
    let after = &word[name.len()..];
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if let Some((set, number)) = name.rsplit_once(".p")
        && is_number(number)
    {
        return format!("{set}.p*{after}");
    }
    if let Some((set, suffix)) = name.rsplit_once('-')
        && suffix.len() == 5
        && set.rsplit_once(".r").is_some_and(|(_, number)| is_number(number))
    {
        return format!("{set}.p*{after}");
    }
    word.to_owned()
}

fn of_any_node(text: &str) -> String {
    text.replace("node-1", "node-*").replace("node-2", "node-*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_of_a_replica_set_stand_for_each_other() {
        let check = |text: &str, expected: &str| assert_eq!(of_any_pod(text), expected);
        check("pod/web.r1.p3", "pod/web.r1.p*");
        check("endpoint.web.r1.p3", "endpoint.web.r1.p*");
        check("Created pod: web.r2-kdph2", "Created pod: web.r2.p*");
        check(
            "restarting failed container web in pod web.r1.p12_NAMESPACE(UID)",
            "restarting failed container web in pod web.r1.p*_NAMESPACE(UID)",
        );
        check("deployment/web", "deployment/web");
        check("status.replicas", "status.replicas");
    }
}
