//! The first line in which a recorded log and its replay differ, and how to show it: lines are long, and what differs may
//! stand far behind their beginnings.

use std::fmt;

use serde::Serialize;
use serde_json::Value;
use sim::time::SimTime;

/// Characters that are shown before the first that differs.
const BEFORE: usize = 60;

/// Characters of a line that are shown in all.
const SHOWN: usize = 160;

/// Where two logs go different ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    /// Number of the event, from 1.
    pub(super) seq: u64,
    /// Line of the file, from 1; the first is the header.
    pub(super) line: u64,
    /// When it happened, in nanoseconds since the world was prepared; null if neither line says so.
    pub(super) t_ns: Option<u64>,
    /// The kind of event.
    pub(super) kind: Option<String>,
    /// What was recorded there, shortened; null behind the end of the recording.
    pub(super) recorded: Option<String>,
    /// What the replay has there, shortened; null behind its end.
    pub(super) replayed: Option<String>,
}

/// The first event in which two logs differ, the header left out; none if they do not.
pub(super) fn first(recorded: &[&str], replayed: &[String]) -> Option<Difference> {
    let line = |at: usize| (recorded.get(at).copied(), replayed.get(at).map(String::as_str));
    let at = (0..recorded.len().max(replayed.len())).find(|at| {
        let (then, now) = line(*at);
        then != now
    })?;
    let (then, now) = line(at);
    let same = match (then, now) {
        (Some(then), Some(now)) => then.chars().zip(now.chars()).take_while(|(a, b)| a == b).count(),
        _ => 0,
    };
    // What was recorded may be no JSON any more.
    let parsed = [then, now].into_iter().flatten().find_map(|line| serde_json::from_str::<Value>(line).ok());
    let field = |name: &str| parsed.as_ref().and_then(|entry| entry.get(name));
    Some(Difference {
        seq: at as u64 + 1,
        line: at as u64 + 2,
        t_ns: field("t_ns").and_then(Value::as_u64),
        kind: field("kind").and_then(Value::as_str).map(ToOwned::to_owned),
        recorded: then.map(|line| shortened(line, same)),
        replayed: now.map(|line| shortened(line, same)),
    })
}

/// A part of a line around the character that differs.
fn shortened(line: &str, same: usize) -> String {
    let length = line.chars().count();
    // As much of it as is shown, also where the difference is near its end.
    let from = same.saturating_sub(BEFORE).min(length.saturating_sub(SHOWN));
    let part: String = line.chars().skip(from).take(SHOWN).collect();
    let before = if from > 0 { "…" } else { "" };
    let after = if from + SHOWN < length { "…" } else { "" };
    format!("{before}{part}{after}")
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, line, t_ns, kind, recorded, replayed } = self;
        write!(f, "differs at event {seq} (line {line}")?;
        if let Some(t_ns) = t_ns {
            write!(f, ", at {}", SimTime(*t_ns))?;
        }
        if let Some(kind) = kind {
            write!(f, ", {kind}")?;
        }
        write!(f, ")\n  recorded: {}", recorded.as_deref().unwrap_or("nothing: the log ends before it"))?;
        write!(f, "\n  replayed: {}", replayed.as_deref().unwrap_or("nothing: the replay ends before it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differ(recorded: &[&str], replayed: &[&str]) -> Option<Difference> {
        first(recorded, &replayed.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn equal_logs_do_not_differ() {
        assert_eq!(differ(&[], &[]), None);
        assert_eq!(differ(&["a", "b"], &["a", "b"]), None);
    }

    #[test]
    fn the_first_line_that_differs_is_named_with_its_time_and_kind() {
        let first = r#"{"seq":1,"t_ns":5000000000,"kind":"truth"}"#;
        let then = r#"{"seq":2,"t_ns":10000000000,"kind":"decision","step":1}"#;
        let now = r#"{"seq":2,"t_ns":10000000000,"kind":"decision","step":2}"#;
        let difference = differ(&[first, then], &[first, now, first]).unwrap();
        assert_eq!((difference.seq, difference.line, difference.t_ns), (2, 3, Some(10_000_000_000)));
        assert_eq!(
            difference.to_string(),
            format!("differs at event 2 (line 3, at 10s, decision)\n  recorded: {then}\n  replayed: {now}")
        );
    }

    #[test]
    fn the_end_of_either_is_a_difference_and_what_is_no_json_too() {
        let line = r#"{"seq":1,"t_ns":0,"kind":"ended"}"#;
        let more = differ(&[], &[line]).unwrap();
        assert_eq!((more.recorded, more.replayed.as_deref()), (None, Some(line)));
        let less = differ(&[line], &[]).unwrap();
        assert_eq!((less.recorded.as_deref(), less.replayed), (Some(line), None));
        let damaged = differ(&["}{"], &[line]).unwrap();
        assert_eq!((damaged.recorded.as_deref(), damaged.kind.as_deref()), (Some("}{"), Some("ended")));
    }

    #[test]
    fn of_a_long_line_the_part_that_differs_is_shown() {
        let check = |line: &str, same: usize, shown: &str| assert_eq!(shortened(line, same), shown, "{line} {same}");
        check("short", 3, "short");
        let long = format!("{}äXö{}", "a".repeat(100), "b".repeat(200));
        let cut = format!("…{}äXö{}…", "a".repeat(59), "b".repeat(98));
        check(&long, 101, &cut);
        let at_the_end = format!("{}X", "a".repeat(300));
        check(&at_the_end, 300, &format!("…{}X", "a".repeat(159)));
        let at_the_start = "b".repeat(161);
        check(&at_the_start, 0, &format!("{}…", "b".repeat(160)));
    }
}
