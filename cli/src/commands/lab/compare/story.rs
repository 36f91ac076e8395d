//! What happened to the objects of both sides, side by side.
//!
//! Generated names differ from run to run, so what happened is told without them: to which component, and what. The
//! first time that something happened to a component in the twin stands beside the first time that it did in the lab,
//! the second beside the second. Warning events come again and again, so theirs is the first time and the number.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use sim::time::SimDuration;
use sim::transition::{Change, ReplicaCounts};

use super::record::Record;

/// One thing that happened, in the twin, in the lab or in both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Row {
    /// To what; of something that belongs to no component its kind and name.
    pub(super) component: String,
    pub(super) what: Happening,
    /// Null if it did not happen there.
    pub(super) twin: Option<Seen>,
    pub(super) lab: Option<Seen>,
}

/// When something was seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Seen {
    /// Seconds since the disturbance.
    pub(super) at_s: f64,
    /// How often; always 1 but for Warning events.
    pub(super) count: u32,
}

/// Something that happens to a component.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Happening {
    /// The numbers of a Deployment's pods.
    Replicas { wanted: u32, current: u32, updated: u32, ready: u32 },
    /// A Deployment's condition.
    Condition { condition: String, status: String, reason: String },
    /// A container waits.
    Waiting { container: String, reason: String },
    /// A container's process ended.
    Terminated { container: String, reason: String, exit_code: i32 },
    /// A container's restarts went up to this.
    Restarted { container: String, restarts: u32 },
    /// A Warning event.
    Warning { reason: String },
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replicas { wanted, current, updated, ready } => {
                write!(f, "pods: {ready} ready of {wanted} wanted, {current} there, {updated} up to date")
            }
            Self::Condition { condition, status, reason } => write!(f, "{condition}={status} ({reason})"),
            Self::Waiting { reason, .. } => write!(f, "container waiting: {reason}"),
            Self::Terminated { reason, exit_code, .. } => write!(f, "container terminated: {reason}, exit {exit_code}"),
            Self::Restarted { restarts, .. } => write!(f, "container restarts: {restarts}"),
            Self::Warning { reason } => write!(f, "Warning event: {reason}"),
        }
    }
}

/// Everything since the disturbance, in the lab's order; empty if there was none.
pub(super) fn side_by_side(twin: &Record, lab: &Record) -> Vec<Row> {
    let mut sides: BTreeMap<(String, Happening), [Vec<Seen>; 2]> = BTreeMap::new();
    for (side, record) in [twin, lab].into_iter().enumerate() {
        for (key, at_s) in since_disturbance(record) {
            let seen = &mut sides.entry(key.clone()).or_default()[side];
            match (&key.1, seen.first_mut()) {
                (Happening::Warning { .. }, Some(first)) => first.count += 1,
                _ => seen.push(Seen { at_s, count: 1 }),
            }
        }
    }
    let mut rows = Vec::new();
    for ((component, what), [twin, lab]) in sides {
        for nth in 0..twin.len().max(lab.len()) {
            let (component, what) = (component.clone(), what.clone());
            rows.push(Row { component, what, twin: twin.get(nth).copied(), lab: lab.get(nth).copied() });
        }
    }
    // Of what came at the same moment in the lab the twin may know which came first.
    let at =
        |row: &Row| [row.lab.or(row.twin), row.twin.or(row.lab)].map(|seen| seen.map_or(f64::MAX, |seen| seen.at_s));
    rows.sort_by(|a, b| at(a).partial_cmp(&at(b)).expect("times are numbers"));
    rows
}

/// What happened since the disturbance, and how many seconds after it.
fn since_disturbance(record: &Record) -> Vec<((String, Happening), f64)> {
    let Some(disturbed_at) = record.disturbed_at else { return Vec::new() };
    let mut replicas: BTreeMap<String, Happening> =
        record.before.iter().map(|(component, counts)| (component.clone(), Happening::from(*counts))).collect();
    let mut told = Vec::new();
    for transition in &record.transitions {
        let component = transition.component.clone().unwrap_or_else(|| transition.object.to_string());
        let Some(what) = happening(&transition.object.kind, &transition.what) else { continue };
        // What of the numbers is not told may change alone.
        if let Happening::Replicas { .. } = what
            && replicas.insert(component.clone(), what.clone()).as_ref() == Some(&what)
        {
            continue;
        }
        if transition.at >= disturbed_at {
            told.push(((component, what), seconds_between(disturbed_at, transition.at)));
        }
    }
    told
}

/// What of a transition is told; nothing of one that goes with another that is.
fn happening(kind: &str, change: &Change) -> Option<Happening> {
    let own = |text: &String| text.clone();
    Some(match change {
        // A ReplicaSet is a revision, whose name is generated.
        Change::Replicas(counts) if kind == "deployment" => (*counts).into(),
        Change::Condition { kind, status, reason } => {
            Happening::Condition { condition: own(kind), status: own(status), reason: own(reason) }
        }
        Change::Waiting { container, reason } => Happening::Waiting { container: own(container), reason: own(reason) },
        Change::Terminated { container, how } => {
            Happening::Terminated { container: own(container), reason: own(&how.reason), exit_code: how.exit_code }
        }
        Change::Restarted { container, restarts } => {
            Happening::Restarted { container: own(container), restarts: *restarts }
        }
        Change::Event { severity, reason, .. } if severity == "Warning" => Happening::Warning { reason: own(reason) },
        _ => return None,
    })
}

impl From<ReplicaCounts> for Happening {
    fn from(counts: ReplicaCounts) -> Self {
        let ReplicaCounts { wanted, current, updated, ready, .. } = counts;
        Self::Replicas { wanted, current, updated, ready }
    }
}

pub(super) fn seconds_between(from: SimDuration, to: SimDuration) -> f64 {
    to.as_secs_f64() - from.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use sim::transition::{Termination, Transition};

    use super::super::record::tests::{happened, replicas};
    use super::*;

    fn disturbed(seconds: u64, transitions: Vec<Transition>) -> Record {
        Record { transitions, disturbed_at: Some(SimDuration::from_secs(seconds)), ..Record::default() }
    }

    fn waiting(ms: u64, pod: &str, reason: &str) -> Transition {
        happened(ms, pod, Change::Waiting { container: "catalogue".to_owned(), reason: reason.to_owned() })
    }

    fn warning(ms: u64, pod: &str, reason: &str) -> Transition {
        let [severity, message] = ["Warning", "because"].map(str::to_owned);
        happened(ms, pod, Change::Event { severity, reason: reason.to_owned(), message })
    }

    /// What happened, as `WHAT TWIN/LAB`, each with its time and, if there are more, their number.
    fn check(twin: &Record, lab: &Record, rows: &[&str]) {
        let seen = |seen: Option<Seen>| match seen {
            None => "-".to_owned(),
            Some(Seen { at_s, count: 1 }) => format!("{at_s:.3}"),
            Some(Seen { at_s, count }) => format!("{at_s:.3} x{count}"),
        };
        let told = side_by_side(twin, lab);
        let told: Vec<_> =
            told.iter().map(|row| format!("{} {}/{}", row.what, seen(row.twin), seen(row.lab))).collect();
        assert_eq!(told, rows);
    }

    #[test]
    fn the_nth_time_stands_beside_the_nth_time_whatever_the_pods_are_called() {
        let back_off = "CrashLoopBackOff";
        let how = Termination { reason: "Error".to_owned(), exit_code: 1 };
        let ended = Change::Terminated { container: "catalogue".to_owned(), how };
        let twin = disturbed(
            30,
            vec![
                waiting(31_000, "pod/catalogue-twin", back_off),
                waiting(41_000, "pod/catalogue-twin", back_off),
                waiting(61_000, "pod/catalogue-twin", back_off),
            ],
        );
        let lab = disturbed(
            20,
            vec![
                happened(20_500, "pod/catalogue-lab", ended),
                waiting(21_250, "pod/catalogue-lab", back_off),
                waiting(31_500, "pod/catalogue-lab", back_off),
            ],
        );
        check(
            &twin,
            &lab,
            &[
                "container terminated: Error, exit 1 -/0.500",
                "container waiting: CrashLoopBackOff 1.000/1.250",
                "container waiting: CrashLoopBackOff 11.000/11.500",
                "container waiting: CrashLoopBackOff 31.000/-",
            ],
        );
    }

    #[test]
    fn warnings_are_counted_from_their_first_time() {
        let twin = disturbed(1, vec![warning(2_000, "pod/catalogue-twin", "BackOff")]);
        let lab = disturbed(
            1,
            vec![
                warning(3_000, "pod/catalogue-lab", "BackOff"),
                warning(9_000, "pod/catalogue-lab-2", "BackOff"),
                warning(9_500, "pod/catalogue-lab-2", "Failed"),
            ],
        );
        check(&twin, &lab, &["Warning event: BackOff 1.000/2.000 x2", "Warning event: Failed -/8.500"]);
    }

    #[test]
    fn replicas_are_those_of_deployments_and_told_where_they_changed() {
        let one = ReplicaCounts { wanted: 1, current: 1, updated: 1, ready: 1, available: 1 };
        let mut twin = disturbed(
            1,
            vec![
                // Before the disturbance.
                happened(500, "deployment/catalogue", replicas(2, 1, 1)),
                // Only how many are available differs from before.
                happened(
                    1_500,
                    "deployment/catalogue",
                    Change::Replicas(ReplicaCounts { wanted: 2, available: 0, ..one }),
                ),
                happened(1_600, "replicaset/catalogue-1", replicas(2, 2, 1)),
                happened(2_000, "deployment/catalogue", replicas(2, 2, 1)),
            ],
        );
        twin.before.insert("catalogue".to_owned(), one);
        let lab = Record { disturbed_at: None, ..twin.clone() };
        check(&twin, &lab, &["pods: 1 ready of 2 wanted, 2 there, 2 up to date 1.000/-"]);
    }
}
