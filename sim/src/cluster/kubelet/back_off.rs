//! Exponential back-off of the kubelet (`client-go/util/flowcontrol/backoff.go`).

use crate::time::{SimDuration, SimTime};

/// The first wait (`containerBackOffPeriod`, `imageBackOffPeriod`).
const FIRST: SimDuration = SimDuration::from_secs(10);
/// The longest wait (`MaxContainerBackOff`, `MaxImageBackOff`). Twice as long without need of it, and
/// it begins anew.
const LONGEST: SimDuration = SimDuration::from_secs(300);

/// The wait before something is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BackOff {
    pub(super) wait: SimDuration,
    updated: SimTime,
}

impl BackOff {
    /// The wait after one more failure, which was at `failed`.
    pub(super) fn next(before: Option<Self>, failed: SimTime, now: SimTime) -> Self {
        let wait = match before.filter(|b| !b.has_expired(failed)) {
            Some(before) => (before.wait * 2).min(LONGEST),
            None => FIRST,
        };
        Self { wait, updated: now }
    }

    /// Whether it is too early to try again after a failure at `failed` (`IsInBackOffSince`).
    pub(super) fn holds_since(self, failed: SimTime, now: SimTime) -> bool {
        !self.has_expired(failed) && now.since(failed) < self.wait
    }

    /// Whether it is too early to try again after the last update (`IsInBackOffSinceUpdate`).
    pub(super) fn holds(self, now: SimTime) -> bool {
        !self.has_expired(now) && now.since(self.updated) < self.wait
    }

    fn has_expired(self, failed: SimTime) -> bool {
        failed.since(self.updated) > LONGEST * 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes_and_expire() {
        let at = |s| SimTime::ZERO + SimDuration::from_secs(s);
        let mut waits = Vec::new();
        let mut back_off = None;
        for n in 0..7 {
            let next = BackOff::next(back_off, at(n), at(n));
            waits.push(next.wait.0 / 1_000_000_000);
            back_off = Some(next);
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300]);
        let long = back_off.unwrap();
        assert!(long.holds(at(305)) && !long.holds(at(306)));
        assert!(long.holds_since(at(600), at(899)) && !long.holds_since(at(600), at(900)));
        assert_eq!(BackOff::next(back_off, at(607), at(607)).wait, FIRST);
    }
}
