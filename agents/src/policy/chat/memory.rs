//! What stays of tasks that are over: a note of what was found and done, for the tasks that follow.
//!
//! Within an episode a policy keeps its own [`Memory`]. From one episode to the next the notes are made of the log
//! ([`Past`]): of what an agent did, was answered and reported itself, and of nothing else that stands there.

use std::collections::{BTreeMap, BTreeSet};

use sim::environment::{Action, Conclusion, ManagerAction};
use sim::episode::{Entry, EpisodeEvent, MANAGER};
use sim::time::SimTime;

use super::conversation::head;
use crate::render::group;

/// How many notes are kept, the newest.
const NOTES: usize = 8;
/// How many changes of one task a note names, the newest.
const CHANGES: usize = 6;
/// The most characters of one part of a note.
const PART: usize = 240;

/// The notes of one policy.
pub(super) struct Memory {
    is_on: bool,
    /// What was handed in.
    past: String,
    notes: Vec<String>,
    /// The changes of the task at hand.
    changes: Vec<String>,
}

impl Memory {
    /// With what was handed in; none keeps nothing.
    pub(super) fn new(past: Option<String>) -> Self {
        Self { is_on: past.is_some(), past: past.unwrap_or_default(), notes: Vec::new(), changes: Vec::new() }
    }

    /// All notes, oldest first; none if there is nothing to tell.
    pub(super) fn text(&self) -> Option<String> {
        let past = Some(self.past.trim()).filter(|past| !past.is_empty());
        let notes = self.notes.iter().map(String::as_str);
        let lines: Vec<&str> = past.into_iter().chain(notes).collect();
        (self.is_on && !lines.is_empty()).then(|| lines.join("\n"))
    }

    /// A change was made or refused.
    pub(super) fn changed(&mut self, change: &str, answer: &str) {
        self.changes.push(change_with_answer(change, answer));
    }

    /// The task was ended.
    pub(super) fn ended(&mut self, now: SimTime, conclusion: &Conclusion) {
        let note = note(now, &self.changes, &group::report(conclusion));
        self.changes.clear();
        self.keep(note);
    }

    /// A new task begins: if the one before was not ended, that is noted.
    pub(super) fn abandoned(&mut self) {
        if self.changes.is_empty() {
            return;
        }
        let note = format!("- a task that was not ended; changes: {}", listed(&self.changes));
        self.changes.clear();
        self.keep(note);
    }

    fn keep(&mut self, note: String) {
        self.notes.push(note);
        let excess = self.notes.len().saturating_sub(NOTES);
        self.notes.drain(..excess);
    }
}

/// The notes that an agent (or the [`MANAGER`]) could have made of an episode, from its log: what is handed in as the
/// memory of a later episode.
pub fn remembered(entries: &[Entry], agent: &str) -> String {
    let mut memory = Memory::new(Some(String::new()));
    // A change, until its answer comes.
    let mut change: Option<(u32, String)> = None;
    for entry in entries {
        match &entry.event {
            EpisodeEvent::Decision { agent: who, step, action: Action::Write(write), .. } if who == agent => {
                change = Some((*step, serde_json::to_string(write).unwrap_or_default()));
            }
            EpisodeEvent::ManagerDecision { action: ManagerAction::Delegate(work), .. } if agent == MANAGER => {
                memory.changed(&serde_json::to_string(work).unwrap_or_default(), "");
            }
            EpisodeEvent::Answer { agent: who, step, text, .. } if who == agent => {
                if let Some((_, made)) = change.take_if(|(at, _)| *at == *step) {
                    memory.changed(&made, text);
                }
            }
            EpisodeEvent::Reported { agent: who, conclusion } if who == agent => memory.ended(entry.t_ns, conclusion),
            _ => {}
        }
    }
    memory.abandoned();
    memory.text().unwrap_or_default()
}

/// What was noted in earlier episodes, by whom: agents by their names in logs, the manager as [`MANAGER`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past(BTreeMap<String, Vec<String>>);

impl Past {
    /// What one of them noted, oldest first; empty if it noted nothing.
    pub fn of(&self, agent: &str) -> String {
        self.0.get(agent).map(|notes| notes.join("\n")).unwrap_or_default()
    }

    /// Adds what everybody noted in another episode, from its log. Of each the newest notes are kept.
    pub fn add(&mut self, entries: &[Entry]) {
        let names: BTreeSet<&str> = entries.iter().filter_map(who).collect();
        for name in names {
            let noted = remembered(entries, name);
            // Each episode has a clock of its own.
            let noted = noted.lines().map(|line| format!("- in an earlier trial, {}", line.trim_start_matches("- ")));
            let notes = self.0.entry(name.to_owned()).or_default();
            notes.extend(noted);
            let excess = notes.len().saturating_sub(NOTES);
            notes.drain(..excess);
        }
    }
}

/// Who did something of which a note can be made.
fn who(entry: &Entry) -> Option<&str> {
    match &entry.event {
        EpisodeEvent::Decision { agent, .. } | EpisodeEvent::Reported { agent, .. } => Some(agent),
        EpisodeEvent::ManagerDecision { .. } => Some(MANAGER),
        _ => None,
    }
}

fn change_with_answer(change: &str, answer: &str) -> String {
    let first = answer.lines().next().unwrap_or_default();
    let change = head(change, PART).replace('\n', " ");
    if first.is_empty() { change } else { format!("{change} ({})", head(first, PART).replace('\n', " ")) }
}

fn note(now: SimTime, changes: &[String], report: &str) -> String {
    let report = head(report, PART * 2).replace('\n', " ");
    if changes.is_empty() {
        format!("- at {now}: reported {report}; changes: none")
    } else {
        format!("- at {now}: reported {report}; changes: {}", listed(changes))
    }
}

fn listed(changes: &[String]) -> String {
    let left_out = changes.len().saturating_sub(CHANGES);
    let earlier = (left_out > 0).then(|| format!("{left_out} earlier ones"));
    let newest = changes[left_out..].iter().cloned();
    earlier.into_iter().chain(newest).collect::<Vec<_>>().join(", then ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> Conclusion {
        Conclusion { healthy: true, mitigated: Some(true), ..Conclusion::default() }
    }

    #[test]
    fn what_was_done_and_found_is_noted() {
        let mut memory = Memory::new(Some("- from before\n".into()));
        memory.changed("{\"restart\":{\"component\":\"carts\"}}", "deployment.apps/carts restarted\nmore");
        memory.ended(SimTime::from_secs_f64(184.0), &healthy());
        memory.changed("{\"scale\":{}}", "error: no");
        memory.abandoned();
        insta::assert_snapshot!(memory.text().unwrap(), @r#"
        - from before
        - at 3m4s: reported healthy; it worked; changes: {"restart":{"component":"carts"}} (deployment.apps/carts restarted)
        - a task that was not ended; changes: {"scale":{}} (error: no)
        "#);
    }

    #[test]
    fn nothing_is_told_where_there_is_no_memory_or_nothing_to_tell() {
        let mut off = Memory::new(None);
        off.ended(SimTime::ZERO, &healthy());
        assert_eq!(off.text(), None);
        assert_eq!(Memory::new(Some(String::new())).text(), None);
    }

    /// Notes of two trials: each agent has its own, and what others or the judge know is in none.
    #[test]
    fn each_remembers_what_it_did_and_reported_itself() {
        let reported = |agent: &str, kind: &str| EpisodeEvent::Reported {
            agent: agent.to_owned(),
            conclusion: Conclusion {
                root_cause_component: Some(agent.to_owned()),
                root_cause_kind: Some(kind.to_owned()),
                ..Conclusion::default()
            },
        };
        let restart = Action::Write(sim::environment::Write::Restart { component: "carts".into() });
        let decided =
            EpisodeEvent::Decision { agent: "carts".into(), step: 1, action: restart, think_ns: 0, continued: false };
        let answered = EpisodeEvent::Answer {
            agent: "carts".into(),
            step: 1,
            rejected: false,
            text: "deployment.apps/carts restarted".into(),
        };
        let began = EpisodeEvent::World(sim::episode::WorldEvent::FaultBegan { at: SimTime::ZERO, index: 0 });
        let log = |events: Vec<EpisodeEvent>| -> Vec<Entry> {
            let entry = |(seq, event)| Entry { seq, t_ns: SimTime::from_secs_f64(60.0), event };
            (1..).zip(events).map(entry).collect()
        };
        let mut past = Past::default();
        assert_eq!(past.of("carts"), "");
        past.add(&log(vec![began, decided, answered, reported("carts", "cpu-stress"), reported("orders", "bad-tag")]));
        past.add(&log(vec![reported("carts", "bad-tag")]));
        assert_eq!(
            past.of("carts"),
            "- in an earlier trial, at 60s: reported not healthy; root cause: carts, cpu-stress; changes: \
             {\"restart\":{\"component\":\"carts\"}} (deployment.apps/carts restarted)\n\
             - in an earlier trial, at 60s: reported not healthy; root cause: carts, bad-tag; changes: none"
        );
        assert!(!past.of("orders").contains("carts"), "{}", past.of("orders"));
        assert_eq!(past.of(MANAGER), "");
        for _ in 0..20 {
            past.add(&log(vec![reported("carts", "leak")]));
        }
        assert_eq!(past.of("carts").lines().count(), NOTES);
        assert!(!past.of("carts").contains("bad-tag"), "the oldest are forgotten");
    }

    #[test]
    fn only_the_newest_notes_are_kept() {
        let mut memory = Memory::new(Some(String::new()));
        for second in 0..20 {
            memory.ended(SimTime::from_secs_f64(f64::from(second)), &healthy());
        }
        let text = memory.text().unwrap();
        assert_eq!(text.lines().count(), NOTES);
        assert!(text.lines().last().unwrap().starts_with("- at 19s"), "{text}");
    }
}
