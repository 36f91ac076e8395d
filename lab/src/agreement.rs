//! How far the twin does what Kubernetes did: recorded runs of a sequence, and the twin's, side by side.
//!
//! Terms. A *transition* is a field of an object that takes a value, an object that goes, an event that is reported, or the end
//! of a `rollout status`. Pods of one `ReplicaSet` stand for each other, so that a transition is "the second pod of `web.r2` to
//! become Ready". Its time is counted from the last command that changed something, in the twin from the same one: what comes a
//! moment after a command in one may come a moment before it in the other.
//!
//! How long kubectl and containerd took is taken over from the runs ([`durations`]). The rest is the twin's own. It has
//! chance in it as Kubernetes has (where in a probe's period a container starts, how long after a failed sync the next one
//! comes), so it plays [`PLAYS`] times with the durations of each run, and is held to as much as Kubernetes agrees with itself:
//! - a transition that is in every run must be in a play, and the plays' times must reach to within 20 % or 1 s of where the
//!   runs lie (in the twin a value of a Deployment, `ReplicaSet` or `EndpointSlice` counts however shortly it lasts);
//! - a transition that is in no run must not be in every play, if the runs agree on all that this field or reason does;
//! - where one transition comes before another in every run, by more than the runs differ in it, it does so in a play
//!   (of a value that comes more than once there, any time counts that lies where the runs have it).

mod durations;
mod transitions;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fmt, fs};

use serde::Serialize;
use sim::diagnostic::{Diagnostic, Diagnostics};

use crate::sequence::Sequence;
use crate::trace::Line;
use crate::twin;

use transitions::{Run, Transition};

/// What a time may differ by, whatever its length.
const TOLERANCE: f64 = 1.0;
/// What a time may differ by, of its length.
const SHARE: f64 = 0.2;
/// Moments closer than this are not told apart, and values that last less are no transitions: each kind of object is
/// watched by a process of its own, and a controller's requests take 5 to 20 ms each.
const RESOLUTION: f64 = 0.05;
/// How often the twin plays with the durations of each run.
const PLAYS: u64 = 3;
/// How many differences of order are told of a sequence; one wrong place shows in many of them.
const ORDERS_TOLD: usize = 20;

/// The recorded runs of one sequence.
#[derive(Clone, Debug)]
pub struct Traces {
    runs: Vec<Vec<Line>>,
}

/// How far the twin agrees with the recorded runs of a sequence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// Which sequence.
    pub sequence: String,
    /// How many transitions are in every run.
    pub transitions: usize,
    /// How many pairs of them are in the same order in every run.
    pub orders: usize,
    /// What the twin does otherwise.
    pub differences: Vec<Difference>,
}

/// Something that the twin does otherwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "difference", rename_all = "snake_case")]
pub enum Difference {
    /// The twin knows no such objects.
    Unknown {
        /// Their kind.
        kind: String,
    },
    /// It is in every run, and not in the twin's.
    Missing {
        /// What.
        transition: String,
        /// When it was in the runs, in seconds since the last change.
        recorded: Vec<f64>,
    },
    /// It is in the twin's plays only.
    Extra {
        /// What.
        transition: String,
        /// When, in seconds since the last change.
        twin: f64,
    },
    /// It is at another time.
    Time {
        /// What.
        transition: String,
        /// When it was in the runs, in seconds since the last change.
        recorded: Vec<f64>,
        /// When it was in the play that comes nearest.
        twin: f64,
    },
    /// Two are in another order.
    Order {
        /// What comes first in every run.
        first: String,
        /// What comes after it.
        then: String,
        /// By how much, in seconds.
        recorded: Vec<f64>,
        /// By how much in the play that comes nearest; below zero.
        twin: f64,
    },
}

/// One line, such as `time: pod/web.r1.p* phase = Running at 3.20 s, not 1.10 to 1.40 s`.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { kind } => write!(f, "unknown: the twin has no {kind} yet"),
            Self::Missing { transition, recorded } => write!(f, "missing: {transition} at {}", Span(recorded)),
            Self::Extra { transition, twin } => write!(f, "extra: {transition} at {twin:.2} s"),
            Self::Time { transition, recorded, twin } => {
                write!(f, "time: {transition} at {twin:.2} s, not {}", Span(recorded))
            }
            Self::Order { first, then, recorded, twin } => {
                write!(f, "order: {then} comes {:.3} s before {first}, not {} after it", -twin, Span(recorded))
            }
        }
    }
}

/// From the least to the most.
struct Span<'a>(&'a [f64]);

impl fmt::Display for Span<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        write!(f, "{least:.2} to {most:.2} s")
    }
}

impl Agreement {
    /// Whether nothing differs.
    pub fn is_full(&self) -> bool {
        self.differences.is_empty()
    }
}

impl Traces {
    /// Reads the recorded runs of a sequence, `NAME.1.jsonl`, `NAME.2.jsonl` and so on. None if there are fewer than two, since
    /// then nobody knows how far Kubernetes agrees with itself.
    ///
    /// # Errors
    /// A file is not a trace.
    pub fn find(folder: &Path, sequence: &str) -> Result<Option<Self>, Diagnostics> {
        let mut runs = Vec::new();
        for run in 1.. {
            let path = folder.join(format!("{sequence}.{run}.jsonl"));
            let Ok(text) = fs::read_to_string(&path) else { break };
            let lines = text.lines().enumerate().map(|(number, line)| {
                serde_json::from_str(line).map_err(|why| {
                    let place = path.display().to_string();
                    Diagnostics(vec![Diagnostic::error(&place, number as u32 + 1, "", format!("not a trace: {why}"))])
                })
            });
            runs.push(lines.collect::<Result<Vec<Line>, _>>()?);
        }
        Ok((runs.len() > 1).then_some(Self { runs }))
    }

    /// Plays the sequence in the twin and compares.
    ///
    /// # Errors
    /// The sequence's objects cannot be read.
    pub fn replay(&self, name: &str, sequence: &Sequence, seed: u64) -> Result<Agreement, Diagnostics> {
        let runs: Vec<_> = self.runs.iter().map(|lines| Run::of(lines)).collect();
        let (mut plays, mut end) = (Vec::new(), f64::INFINITY);
        for durations in self.runs.iter().map(|lines| durations::of(lines)) {
            for seed in seed..seed + PLAYS {
                let (lines, until) = twin::play(name, sequence, &durations, seed)?;
                plays.push(Run::of(&lines));
                end = end.min(until.as_secs_f64());
            }
        }
        let mut agreement = compare(name, &runs, &plays, end);
        let unknown = twin::unknown_kinds(sequence)?.into_iter().map(|kind| Difference::Unknown { kind });
        agreement.differences.extend(unknown);
        Ok(agreement)
    }
}

/// A transition with when it was in each run.
struct Held<'r> {
    transition: &'r Transition,
    recorded: Vec<Moment>,
}

impl Held<'_> {
    /// From when to when it may be, in seconds since the command after which it is.
    fn window(&self) -> (f64, f64) {
        let relative = || self.recorded.iter().map(|moment| moment.relative);
        let (least, most) = (relative().fold(f64::INFINITY, f64::min), relative().fold(f64::NEG_INFINITY, f64::max));
        (least - TOLERANCE.max(SHARE * least), most + TOLERANCE.max(SHARE * most))
    }

    /// When it is in a play, at the earliest and at the latest: what lasts, and where the runs have it, what does not too.
    fn span(&self, play: &Run) -> Option<(f64, f64)> {
        let (from, to) = self.window();
        let is_there = |moment: &&Moment| (from..=to).contains(&play.since(self.recorded[0].command, moment));
        let brief = play.of_single(self.transition).iter().filter(is_there);
        let moments = play.moments.get(self.transition).into_iter().chain(brief);
        let ends = moments.map(|moment| (moment.absolute, moment.absolute));
        ends.reduce(|(first, last), (earlier, later)| (first.min(earlier), last.max(later)))
    }
}

/// When a transition was.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Moment {
    /// Since the first step, in seconds.
    absolute: f64,
    /// Since the last command that changed something, in seconds.
    relative: f64,
    /// The number of that command.
    command: usize,
}

/// Compares with the twin's plays, which were watched until `end` (in seconds).
fn compare(sequence: &str, runs: &[Run], plays: &[Run], end: f64) -> Agreement {
    let held: Vec<_> = runs[0]
        .moments
        .keys()
        .filter_map(|transition| {
            let recorded = runs.iter().map(|run| run.moments.get(transition).copied()).collect::<Option<Vec<_>>>()?;
            let same = recorded.iter().all(|moment| moment.command == recorded[0].command);
            same.then_some(Held { transition, recorded })
        })
        .collect();
    let mut differences = Vec::new();
    differences.extend(held.iter().filter_map(|held| time_difference(held, plays, end)));
    differences.extend(extras(runs, plays, end));
    let (orders, wrong) = orders(&held, plays);
    differences.extend(wrong);
    Agreement { sequence: sequence.to_owned(), transitions: held.len(), orders, differences }
}

fn time_difference(held: &Held<'_>, plays: &[Run], end: f64) -> Option<Difference> {
    let transition = held.transition.to_string();
    let recorded: Vec<_> = held.recorded.iter().map(|moment| moment.relative).collect();
    let most = recorded.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (from, to) = held.window();
    let since = |play: &Run, moment: &Moment| play.since(held.recorded[0].command, moment);
    let in_time = |play: &Run| {
        let mut brief = play.of_single(held.transition).iter();
        brief.any(|moment| (from..=to).contains(&since(play, moment)))
    };
    if plays.iter().any(in_time) {
        return None;
    }
    let times = plays.iter().filter_map(|play| Some(since(play, play.moments.get(held.transition)?)));
    let times: Vec<f64> = times.collect();
    let Some(nearest) = times.iter().copied().min_by(|a, b| distance(*a, from, to).total_cmp(&distance(*b, from, to)))
    else {
        // It may still come after the end.
        let latest =
            held.recorded.iter().map(|moment| moment.absolute).fold(0.0, f64::max) + TOLERANCE.max(SHARE * most);
        return (latest < end).then_some(Difference::Missing { transition, recorded });
    };
    let reaches = times.iter().any(|time| *time >= from) && times.iter().any(|time| *time <= to);
    (!reaches).then_some(Difference::Time { transition, recorded, twin: nearest })
}

/// How far a time lies outside.
fn distance(time: f64, from: f64, to: f64) -> f64 {
    (from - time).max(time - to).max(0.0)
}

/// What the twin does in every play, and Kubernetes never, of fields and reasons on which the runs agree.
fn extras(runs: &[Run], plays: &[Run], end: f64) -> Vec<Difference> {
    let topics: Vec<BTreeMap<&str, BTreeSet<&Transition>>> = runs.iter().map(Run::topics).collect();
    let Some((first, others)) = plays.split_first() else { return Vec::new() };
    let extra = |(transition, moment): (&Transition, &Moment)| {
        let all: Vec<_> = topics.iter().map(|topics| topics.get(transition.topic.as_str())).collect();
        let agrees = all.iter().all(|one| *one == all[0]);
        let is_new = runs.iter().all(|run| !run.moments.contains_key(transition));
        let is_certain = others.iter().all(|play| play.moments.contains_key(transition));
        // In the runs it may come after the end.
        let is_late = moment.absolute + TOLERANCE.max(SHARE * moment.relative) > end;
        (agrees && is_new && is_certain && !is_late)
            .then(|| Difference::Extra { transition: transition.to_string(), twin: moment.relative })
    };
    first.moments.iter().filter_map(extra).collect()
}

/// How many orders are held, and those that the twin breaks in every play, the largest first.
fn orders(held: &[Held<'_>], plays: &[Run]) -> (usize, Vec<Difference>) {
    let (mut count, mut wrong) = (0, Vec::new());
    let spans = |held: &Held<'_>| plays.iter().map(|play| held.span(play)).collect::<Vec<_>>();
    let spans: Vec<_> = held.iter().map(spans).collect();
    for (first, first_spans) in held.iter().zip(&spans) {
        for (then, then_spans) in held.iter().zip(&spans) {
            let gaps = || first.recorded.iter().zip(&then.recorded).map(|(a, b)| b.absolute - a.absolute);
            let least = gaps().fold(f64::INFINITY, f64::min);
            let most = gaps().fold(f64::NEG_INFINITY, f64::max);
            if least <= RESOLUTION.max(most - least) {
                continue;
            }
            count += 1;
            // A play in which one of them does not come at all breaks no order.
            let gap = |play: usize| {
                first_spans[play].zip(then_spans[play]).map_or(0.0, |((earliest, _), (_, latest))| latest - earliest)
            };
            let best = (0..plays.len()).map(gap).fold(f64::NEG_INFINITY, f64::max);
            if best < -RESOLUTION {
                let [first, then] = [first, then].map(|held| held.transition.to_string());
                wrong.push(Difference::Order { first, then, recorded: gaps().collect(), twin: best });
            }
        }
    }
    wrong.sort_by(|a, b| amount(a).total_cmp(&amount(b)));
    wrong.truncate(ORDERS_TOLD);
    (count, wrong)
}

fn amount(difference: &Difference) -> f64 {
    if let Difference::Order { twin, .. } = difference { *twin } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run in which these things happen: milliseconds, field of a pod, value.
    fn run(changes: &[(u64, &str, &str)]) -> Run {
        let step = Line::Step { at: 0, step: "kubectl scale".into() };
        let change = |(at, field, value): &(u64, &str, &str)| Line::Change {
            at: *at,
            object: "pod/web.r1.p1".into(),
            fields: [((*field).to_owned(), Some((*value).to_owned()))].into(),
        };
        let lines: Vec<_> = [step].into_iter().chain(changes.iter().map(change)).collect();
        Run::of(&lines)
    }

    #[test]
    fn the_twin_is_held_to_what_the_runs_agree_on() {
        let runs = [
            run(&[(1000, "phase", "Running"), (4000, "ready", "true"), (9000, "last", "a")]),
            run(&[(1400, "phase", "Running"), (4800, "ready", "true"), (9000, "last", "b")]),
        ];
        let check = |twin: &[(u64, &str, &str)], expected: &[&str]| {
            let agreement = compare("a", &runs, &[run(twin)], 60.0);
            assert_eq!((agreement.transitions, agreement.orders), (2, 1));
            let found: Vec<_> = agreement.differences.iter().map(ToString::to_string).collect();
            assert_eq!(found, expected);
        };
        check(&[(1200, "phase", "Running"), (5700, "ready", "true"), (9000, "last", "c")], &[]);
        check(
            &[(2500, "phase", "Running"), (2600, "ready", "true")],
            &[
                "time: pod/web.r1.p* phase = Running at 2.50 s, not 1.00 to 1.40 s",
                "time: pod/web.r1.p* ready = true at 2.60 s, not 4.00 to 4.80 s",
            ],
        );
        check(&[(1200, "phase", "Running")], &["missing: pod/web.r1.p* ready = true at 4.00 to 4.80 s"]);
        check(
            &[(1200, "phase", "Running"), (4000, "ready", "true"), (7000, "ready", "false")],
            &["extra: pod/web.r1.p* ready = false at 7.00 s"],
        );
        check(
            &[(4200, "ready", "true"), (4900, "phase", "Running")],
            &[
                "time: pod/web.r1.p* phase = Running at 4.90 s, not 1.00 to 1.40 s",
                "order: pod/web.r1.p* ready = true comes 0.700 s before pod/web.r1.p* phase = Running, not 3.00 to 3.40 s after it",
            ],
        );
    }

    #[test]
    fn what_is_chance_in_the_twin_may_be_what_it_was_in_kubernetes() {
        let ready = |ms| run(&[(ms, "ready", "true")]);
        let check = |twin: &[u64], differences: usize| {
            let plays: Vec<_> = twin.iter().map(|ms| ready(*ms)).collect();
            let agreement = compare("a", &[ready(10_000), ready(10_100)], &plays, 60.0);
            assert_eq!(agreement.differences.len(), differences, "{twin:?}");
        };
        check(&[13_000, 13_100], 1);
        check(&[7_000, 13_000], 0);
        check(&[7_000, 7_500], 1);
        check(&[10_000, 30_000], 0);
    }

    #[test]
    fn what_does_not_last_is_no_transition() {
        let run = run(&[(0, "count", "1"), (1000, "count", "2"), (1020, "count", "1"), (2000, "count", "3")]);
        let found: Vec<_> = run.moments.keys().map(ToString::to_string).collect();
        assert_eq!(found, ["pod/web.r1.p* count = 1", "pod/web.r1.p* count = 3"]);
    }
}
