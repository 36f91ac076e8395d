//! How long one side took to show that something is wrong, to be Ready again, and to serve its client again.

use std::collections::BTreeMap;

use serde::Serialize;
use sim::time::SimDuration;
use sim::transition::{Change, ReplicaCounts, Transition};

use super::quantity::Quantity;
use super::record::Record;
use super::story::seconds_between;

/// More than this share of a second's requests must fail for the second to count as failed.
const TOLERATED: f64 = 0.01;
/// What every container waits for before its first start.
const STARTING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// One time of both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Time {
    pub(super) what: Quantity,
    /// The twin's plays, the shortest first: chance decides where in a probe's period a container starts, and the lab's
    /// time is one draw of it.
    pub(super) twin: Vec<Lapse>,
    pub(super) lab: Lapse,
}

impl Time {
    /// The middle one of the twin's.
    pub(super) fn middle(&self) -> &Lapse {
        &self.twin[self.twin.len() / 2]
    }

    /// The twin's time that the lab's is set against: the lab's own if it lies among those of the plays, or else the
    /// nearest of them.
    pub(super) fn nearest(&self) -> Option<f64> {
        let lab = self.lab.seconds?;
        let of_plays = || self.twin.iter().filter_map(|lapse| lapse.seconds);
        let [shortest, longest] = [of_plays().reduce(f64::min)?, of_plays().reduce(f64::max)?];
        Some(lab.clamp(shortest, longest))
    }
}

/// A time since the disturbance, in seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Lapse {
    /// Null if it did not come to it in the measured time, or cannot be told.
    pub(super) seconds: Option<f64>,
    /// What was seen then, or why there is no time.
    pub(super) why: String,
}

impl Lapse {
    fn at(seconds: f64, why: impl Into<String>) -> Self {
        Self { seconds: Some(seconds), why: why.into() }
    }

    fn never(why: impl Into<String>) -> Self {
        Self { seconds: None, why: why.into() }
    }
}

/// The times of both sides; empty if nothing was disturbed.
pub(super) fn side_by_side(twin: &[Record], lab: &Record) -> Vec<Time> {
    let Some(lab_disturbed) = lab.disturbed_at else { return Vec::new() };
    let time = |what, lapse: fn(&Record, SimDuration) -> Lapse| {
        let of_play = |play: &Record| Some(lapse(play, play.disturbed_at?));
        let mut twin: Vec<_> = twin.iter().filter_map(of_play).collect();
        twin.sort_by(|a, b| a.seconds.unwrap_or(f64::INFINITY).total_cmp(&b.seconds.unwrap_or(f64::INFINITY)));
        Time { what, twin, lab: lapse(lab, lab_disturbed) }
    };
    vec![time(Quantity::ToDetect, to_detect), time(Quantity::ToReady, to_ready), time(Quantity::ToRecover, to_recover)]
}

/// Until the first sign in the cluster's objects that something is wrong.
fn to_detect(record: &Record, disturbed_at: SimDuration) -> Lapse {
    let mut since = record.transitions.iter().filter(|t| t.at >= disturbed_at);
    let first = since.find_map(|transition| Some((transition, sign(transition)?)));
    first.map_or_else(
        || Lapse::never("no object ever looked wrong"),
        |(transition, sign)| {
            let component = transition.component.clone().unwrap_or_else(|| transition.object.to_string());
            Lapse::at(seconds_between(disturbed_at, transition.at), format!("{component}: {sign}"))
        },
    )
}

/// What is wrong, if a transition says so.
fn sign(transition: &Transition) -> Option<String> {
    match &transition.what {
        Change::NotReady => Some("a pod is not Ready".to_owned()),
        Change::Waiting { reason, .. } if !STARTING.contains(&reason.as_str()) => {
            Some(format!("a container waits: {reason}"))
        }
        Change::Terminated { how, .. } => {
            Some(format!("a container terminated: {}, exit {}", how.reason, how.exit_code))
        }
        Change::Condition { kind, status, reason }
            if status == "False" && ["Available", "Progressing"].contains(&kind.as_str()) =>
        {
            Some(format!("{kind}={status} ({reason})"))
        }
        Change::Event { severity, reason, .. } if severity == "Warning" => Some(format!("Warning event {reason}")),
        _ => None,
    }
}

/// Until every Deployment has as many ready pods as it wants, and keeps them until the end.
fn to_ready(record: &Record, disturbed_at: SimDuration) -> Lapse {
    let mut now: BTreeMap<&str, ReplicaCounts> = record.before.iter().map(|(name, c)| (name.as_str(), *c)).collect();
    let lacks = |counts: &ReplicaCounts| counts.ready < counts.wanted;
    let (mut lacked, mut ready_at) = (false, SimDuration::ZERO);
    for (at, component, counts) in record.replicas() {
        let was_lacking = now.values().any(lacks);
        now.insert(component, counts);
        let is_lacking = now.values().any(lacks);
        lacked |= at >= disturbed_at && (was_lacking || is_lacking);
        if was_lacking && !is_lacking {
            ready_at = at;
        }
    }
    match now.iter().find(|(_, counts)| lacks(counts)) {
        Some((component, ReplicaCounts { ready, wanted, .. })) => {
            Lapse::never(format!("{component} has {ready} of {wanted} pods ready at the end"))
        }
        None if lacked => Lapse::at(seconds_between(disturbed_at, ready_at), "all pods are ready again"),
        None => Lapse::at(0.0, "no Deployment ever had fewer ready pods than it wants"),
    }
}

/// Until the end of the last second in which the client saw more than a few of its requests fail.
fn to_recover(record: &Record, disturbed_at: SimDuration) -> Lapse {
    let disturbed_s = disturbed_at.as_secs_f64();
    let with_requests = record.seconds.iter().filter_map(|second| Some((second.to_s, second.error_rate?)));
    let (before, since): (Vec<_>, Vec<_>) = with_requests.partition(|(to_s, _)| *to_s <= disturbed_s);
    let has_failed = |(_, error_rate): &(f64, f64)| *error_rate > TOLERATED;
    let Some(last) = since.last() else { return Lapse::never("no request was over after the disturbance") };
    if before.iter().any(has_failed) {
        return Lapse::never("requests had failed before the disturbance too");
    }
    match since.iter().rev().find(|second| has_failed(second)) {
        None => Lapse::at(0.0, "the client saw no second in which more than 1 % of its requests failed"),
        Some(failed) if failed == last => {
            Lapse::never(format!("{:.0} % of the requests failed in the last second too", failed.1 * 100.0))
        }
        Some((to_s, _)) => {
            Lapse::at(to_s - disturbed_s, "the client's last second with more than 1 % of failures ended")
        }
    }
}

#[cfg(test)]
mod tests {
    use sim::transition::Termination;

    use super::super::record::Second;
    use super::super::record::tests::{happened, replicas};
    use super::*;

    const DISTURBED: SimDuration = SimDuration::from_secs(10);

    fn of(transitions: Vec<Transition>) -> Record {
        let one = ReplicaCounts { wanted: 1, current: 1, updated: 1, ready: 1, available: 1 };
        Record { before: [("catalogue".to_owned(), one)].into(), transitions, ..Record::default() }
    }

    fn check(lapse: &Lapse, seconds: Option<f64>, why: &str) {
        let is_close = match (lapse.seconds, seconds) {
            (Some(found), Some(seconds)) => (found - seconds).abs() < 1e-9,
            (found, seconds) => found == seconds,
        };
        assert!(is_close && lapse.why.contains(why), "{lapse:?}, not {seconds:?}: {why}");
    }

    #[test]
    fn the_first_sign_is_no_ordinary_start_and_none_before_the_disturbance() {
        let waiting = |reason: &str| Change::Waiting { container: "catalogue".into(), reason: reason.into() };
        let condition = |kind: &str, status: &str| Change::Condition {
            kind: kind.into(),
            status: status.into(),
            reason: "MinimumReplicasUnavailable".into(),
        };
        let event = |severity: &str| Change::Event {
            severity: severity.into(),
            reason: "Unhealthy".into(),
            message: String::new(),
        };
        let how = Termination { reason: "OOMKilled".into(), exit_code: 137 };
        let harmless = [
            (9_999, Change::NotReady),
            (10_100, Change::Created),
            (10_200, waiting("ContainerCreating")),
            (10_300, waiting("PodInitializing")),
            (10_400, condition("Available", "True")),
            (10_500, event("Normal")),
        ];
        let signs = [
            (Change::NotReady, "catalogue: a pod is not Ready"),
            (waiting("ErrImagePull"), "a container waits: ErrImagePull"),
            (Change::Terminated { container: "catalogue".into(), how }, "OOMKilled, exit 137"),
            (condition("Available", "False"), "Available=False (MinimumReplicasUnavailable)"),
            (event("Warning"), "Warning event Unhealthy"),
        ];
        let harmless = harmless.map(|(ms, what)| happened(ms, "pod/catalogue-1", what)).to_vec();
        check(&to_detect(&of(harmless.clone()), DISTURBED), None, "no object ever looked wrong");
        for (what, why) in signs {
            let sign = happened(10_750, "pod/catalogue-1", what);
            check(&to_detect(&of([harmless.clone(), vec![sign]].concat()), DISTURBED), Some(0.75), why);
        }
    }

    #[test]
    fn the_lab_is_set_against_what_the_twin_can_do() {
        let deployment = |ms, ready| happened(ms, "deployment/catalogue", replicas(1, 1, ready));
        let play = |ready_ms: u64| Record {
            disturbed_at: Some(DISTURBED),
            ..of(vec![deployment(10_010, 0), deployment(ready_ms, 1)])
        };
        let plays = [play(20_000), play(22_500), play(21_000)];
        for (lab, nearest) in [(20_500, 10.5), (18_000, 10.0), (30_000, 12.5)] {
            let ready = side_by_side(&plays, &play(lab)).remove(1);
            assert_eq!((ready.middle().seconds, ready.nearest()), (Some(11.0), Some(nearest)), "{lab}");
        }
        let never = Record { disturbed_at: Some(DISTURBED), ..of(vec![deployment(10_010, 0)]) };
        let ready = side_by_side(&[never.clone(), play(20_000)], &never).remove(1);
        assert_eq!((ready.middle().seconds, ready.nearest()), (None, None));
    }

    #[test]
    fn ready_means_ready_until_the_end() {
        let deployment = |ms, ready| happened(ms, "deployment/catalogue", replicas(1, 1, ready));
        let changes = |changes: &[(u64, u32)]| of(changes.iter().map(|(ms, ready)| deployment(*ms, *ready)).collect());
        let ready = |all: &[(u64, u32)]| to_ready(&changes(all), DISTURBED);
        check(&ready(&[]), Some(0.0), "no Deployment ever had fewer");
        check(&ready(&[(2_000, 0), (3_000, 1)]), Some(0.0), "no Deployment ever had fewer");
        check(&ready(&[(9_000, 0), (11_000, 1)]), Some(1.0), "ready again");
        check(&ready(&[(10_010, 0), (12_500, 1), (13_000, 0), (18_000, 1)]), Some(8.0), "ready again");
        check(&ready(&[(10_010, 0), (12_500, 1), (13_000, 0)]), None, "catalogue has 0 of 1 pods ready at the end");
        let scaled = [(10_000, replicas(3, 1, 1)), (15_000, replicas(3, 3, 3))];
        let scaled = scaled.map(|(ms, what)| happened(ms, "deployment/catalogue", what));
        check(&to_ready(&of(scaled.to_vec()), DISTURBED), Some(5.0), "ready again");
    }

    #[test]
    fn recovered_is_who_does_not_fail_again() {
        let recovered = |rates: &[Option<f64>]| {
            let second =
                |(i, error_rate): (usize, &Option<f64>)| Second { to_s: i as f64 + 9.0, error_rate: *error_rate };
            to_recover(&Record { seconds: rates.iter().enumerate().map(second).collect(), ..of(Vec::new()) }, DISTURBED)
        };
        let (fine, bad, nothing) = (Some(0.01), Some(0.5), None);
        check(&recovered(&[fine, fine, fine]), Some(0.0), "saw no second");
        check(&recovered(&[fine, fine, bad, fine, bad, fine]), Some(3.0), "ended");
        check(&recovered(&[fine, fine, bad, bad]), None, "50 % of the requests failed in the last second too");
        check(&recovered(&[fine, fine, bad, nothing, nothing]), None, "in the last second too");
        check(&recovered(&[bad, fine, fine, bad, fine]), None, "before the disturbance too");
        check(&recovered(&[fine, fine, nothing]), None, "no request was over");
    }
}
