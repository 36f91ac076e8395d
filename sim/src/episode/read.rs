//! Reading a log back, also one whose writer was killed.

use serde::Deserialize;

use super::{Entry, Header, SCHEMA_VERSION};

/// A log that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Its first line.
    pub header: Header,
    /// All others.
    pub entries: Vec<Entry>,
    /// Whether the writer was killed within the last line. That line is dropped; what is before it is
    /// complete.
    pub truncated: bool,
}

/// Why a log cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// There is no header.
    #[error("the log is empty: not even its header was written")]
    Empty,
    /// It was written by a newer sockpit.
    #[error("line 1: schema version {found} is not known, this sockpit reads up to {SCHEMA_VERSION}: use a newer one")]
    UnknownSchema {
        /// The version in the header.
        found: u64,
    },
    /// A line is no entry.
    #[error("line {line}: {why}")]
    BadLine {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// An entry is missing or stands twice.
    #[error("line {line}: seq is {found}, expected {expected}: entries were lost or repeated")]
    Gap {
        /// The line, from 1.
        line: usize,
        /// The number found.
        found: u64,
        /// The number expected.
        expected: u64,
    },
    /// Time went back.
    #[error("line {line}: t_ns goes back from {before} to {found}")]
    Backwards {
        /// The line, from 1.
        line: usize,
        /// The time of the line before, in nanoseconds.
        before: u64,
        /// The time found, in nanoseconds.
        found: u64,
    },
}

/// What every version's header begins with.
#[derive(Deserialize)]
struct Version {
    schema: u64,
}

/// Reads a log of any known version.
///
/// A last line without its line feed that cannot be read was cut off by the death of its writer: it is
/// dropped and the rest is kept ([`Recording::truncated`]).
///
/// # Errors
/// The first line that is not what it should be.
pub fn read(text: &str) -> Result<Recording, LogError> {
    let mut lines = text.split_inclusive('\n').enumerate().map(|(i, line)| (i + 1, line));
    let header = match lines.next() {
        None => return Err(LogError::Empty),
        Some((_, first)) => match header(first) {
            Err(LogError::BadLine { .. }) if !first.ends_with('\n') => return Err(LogError::Empty),
            header => header?,
        },
    };
    let mut recording = Recording { header, entries: Vec::new(), truncated: false };
    for (line, text) in lines {
        match serde_json::from_str::<Entry>(text) {
            Ok(entry) => {
                follows(recording.entries.last(), &entry, line)?;
                recording.entries.push(entry);
            }
            Err(_) if !text.ends_with('\n') => recording.truncated = true,
            Err(why) => return Err(LogError::BadLine { line, why: why.to_string() }),
        }
    }
    Ok(recording)
}

fn header(line: &str) -> Result<Header, LogError> {
    let bad = |why: serde_json::Error| LogError::BadLine { line: 1, why: format!("no header of a log: {why}") };
    let version: Version = serde_json::from_str(line).map_err(bad)?;
    if !(1..=u64::from(SCHEMA_VERSION)).contains(&version.schema) {
        return Err(LogError::UnknownSchema { found: version.schema });
    }
    serde_json::from_str(line).map_err(bad)
}

/// Numbers count up without gaps and time never goes back.
fn follows(last: Option<&Entry>, next: &Entry, line: usize) -> Result<(), LogError> {
    let expected = last.map_or(1, |entry| entry.seq + 1);
    if next.seq != expected {
        return Err(LogError::Gap { line, found: next.seq, expected });
    }
    match last {
        Some(last) if next.t_ns < last.t_ns => {
            Err(LogError::Backwards { line, before: last.t_ns.0, found: next.t_ns.0 })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::episode::{EndReason, EpisodeEvent, MisstepKind, WorldEvent};
    use crate::time::SimTime;

    fn lines() -> Vec<String> {
        let header = Header {
            schema: SCHEMA_VERSION,
            scenario: "acv/low/pod-failure".into(),
            scenario_digest: "00".into(),
            seed: 7,
            policy: "noop".into(),
        };
        let fault = WorldEvent::FaultBegan { at: SimTime(5), index: 0 };
        let entries = [
            Entry { seq: 1, t_ns: SimTime(5), event: EpisodeEvent::World(fault) },
            Entry { seq: 2, t_ns: SimTime(9), event: EpisodeEvent::Ended { reason: EndReason::Completed } },
        ];
        let mut lines = vec![serde_json::to_string(&header).unwrap()];
        lines.extend(entries.iter().map(|entry| serde_json::to_string(entry).unwrap()));
        lines
    }

    fn log(lines: &[String]) -> String {
        lines.join("\n") + "\n"
    }

    #[test]
    fn what_was_written_is_read() {
        let recording = read(&log(&lines())).unwrap();
        assert_eq!(recording.header.seed, 7);
        assert_eq!(recording.entries.len(), 2);
        assert!(!recording.truncated);
    }

    #[test]
    fn the_first_version_stays_readable() {
        let text = concat!(
            r#"{"schema":1,"scenario":"s","scenario_digest":"d","seed":1,"policy":"noop"}"#,
            "\n",
            r#"{"seq":1,"t_ns":5,"kind":"world","what":"fault_began","at":5,"index":0}"#,
            "\n",
            r#"{"seq":2,"t_ns":9,"kind":"ended","reason":"step_budget"}"#,
            "\n",
        );
        let entries = read(text).unwrap().entries;
        assert_eq!(entries[1].event, EpisodeEvent::Ended { reason: EndReason::StepBudget });
    }

    /// What version 4 added is read, and the kinds that version 3 had are read as they were.
    #[test]
    fn missteps_of_the_third_and_the_fourth_version_are_read() {
        let log = |schema: u32, what: &str, reason: &str| {
            format!(
                "{{\"schema\":{schema},\"scenario\":\"s\",\"scenario_digest\":\"d\",\"seed\":1,\"policy\":\"m\"}}\n\
                 {{\"seq\":1,\"t_ns\":5,\"kind\":\"misstep\",\"agent\":\"a\",\"step\":1,\"what\":\"{what}\",\"text\":\"t\",\"think_ns\":0}}\n\
                 {{\"seq\":2,\"t_ns\":9,\"kind\":\"ended\",\"reason\":\"{reason}\"}}\n"
            )
        };
        for (schema, what, kind, reason, ended) in [
            (3, "model_failed", MisstepKind::ModelFailed, "step_budget", EndReason::StepBudget),
            (4, "declined", MisstepKind::Declined, "completed", EndReason::Completed),
            (4, "forbidden", MisstepKind::Forbidden, "time_budget", EndReason::TimeBudget),
            (4, "tokens_spent", MisstepKind::TokensSpent, "token_budget", EndReason::TokenBudget),
        ] {
            let entries = read(&log(schema, what, reason)).unwrap().entries;
            assert!(matches!(entries[0].event, EpisodeEvent::Misstep { what, .. } if what == kind), "{what}");
            assert_eq!(entries[1].event, EpisodeEvent::Ended { reason: ended });
        }
    }

    /// Killed after any byte: the complete lines are kept, and nothing is invented.
    #[test]
    fn a_killed_writer_loses_at_most_the_line_it_was_in() {
        let text = log(&lines());
        for cut in 0..text.len() {
            let complete = text[..cut].matches('\n').count();
            match read(&text[..cut]) {
                Err(LogError::Empty) => assert_eq!(complete, 0, "cut at {cut}"),
                Ok(recording) => {
                    // A line that lacks only its line feed is whole.
                    let whole = usize::from(!text[..cut].ends_with('\n') && text.as_bytes()[cut] == b'\n');
                    assert_eq!(recording.entries.len() + 1, complete + whole, "cut at {cut}");
                    assert_eq!(recording.truncated, !text[..cut].ends_with('\n') && whole == 0, "cut at {cut}");
                }
                Err(other) => panic!("cut at {cut}: {other}"),
            }
        }
    }

    #[test]
    fn what_is_no_log_is_refused_with_its_line() {
        let good = lines();
        let with = |line: usize, text: &str| {
            let mut lines = good.clone();
            lines[line - 1] = text.to_owned();
            log(&lines)
        };
        let table = [
            ("empty", String::new()),
            ("no header", with(1, "hello")),
            ("newer", with(1, r#"{"schema":99}"#)),
            ("header without a seed", with(1, r#"{"schema":1,"scenario":"s"}"#)),
            ("garbage", with(2, "}{")),
            ("unknown kind", with(2, r#"{"seq":1,"t_ns":5,"kind":"party"}"#)),
            ("blank line", with(2, "")),
            ("lost entry", with(2, &good[2])),
            ("time goes back", with(3, r#"{"seq":2,"t_ns":4,"kind":"ended","reason":"completed"}"#)),
        ];
        let report: Vec<String> =
            table.iter().map(|(name, text)| format!("{name}: {}", read(text).unwrap_err())).collect();
        insta::assert_snapshot!(report.join("\n"));
    }
}
