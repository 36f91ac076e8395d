//! Circuit breakers: those that count failures in a row as `sony/gobreaker` does with its default
//! settings, and those that watch the share of failures in a window as `streadway/handy/breaker`.
//!
//! Closed, every call passes. Open, every call fails at once. After `open_for` one trial passes,
//! and its result closes the breaker or opens it again. Results of calls that were let through in
//! an earlier state do not count.

use crate::profile::{Breaker as Settings, Trips};
use crate::time::{SimDuration, SimTime};

/// Slices of a sliding window.
const SLICES: u64 = 10;

/// The state of one breaker.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    /// Failures in a row.
    failures: u32,
    /// Until when it is open; none while it is closed.
    open_until: Option<SimTime>,
    /// A trial is under way.
    is_trying: bool,
    /// It has refused a call since it opened.
    has_refused: bool,
    /// By slice of the window: number of the slice, calls, failures.
    window: [(u64, u32, u32); SLICES as usize],
}

/// Whether a call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// As if there were no breaker.
    Pass,
    /// It decides what becomes of the breaker.
    Trial,
    /// It fails at once.
    Refuse,
}

impl Breaker {
    /// Asks whether a call may be made now.
    pub fn admit(&mut self, now: SimTime) -> Admission {
        match self.open_until {
            None => Admission::Pass,
            Some(until) if now >= until && !self.is_trying => {
                self.is_trying = true;
                Admission::Trial
            }
            Some(_) => Admission::Refuse,
        }
    }

    /// Whether a call that was just refused is the first since the breaker opened.
    pub(super) fn first_refusal(&mut self) -> bool {
        !std::mem::replace(&mut self.has_refused, true)
    }

    /// A call that was let through is over.
    pub fn record(&mut self, settings: &Settings, now: SimTime, is_trial: bool, succeeded: bool) {
        if is_trial {
            *self = Self::default();
            if !succeeded {
                self.open_until = Some(now + settings.open_for);
            }
        } else if self.open_until.is_none() && self.trips(settings.trips, now, succeeded) {
            *self = Self { open_until: Some(now + settings.open_for), ..Self::default() };
        }
    }

    /// Counts a result and says whether it is one too many.
    fn trips(&mut self, trips: Trips, now: SimTime, succeeded: bool) -> bool {
        match trips {
            Trips::ConsecutiveFailures(most) => {
                self.failures = if succeeded { 0 } else { self.failures + 1 };
                self.failures > most
            }
            Trips::FailureRatio { ratio, min_calls, window } => {
                let (calls, failures) = self.count(now, window, succeeded);
                !succeeded && calls >= min_calls && f64::from(failures) > ratio * f64::from(calls)
            }
        }
    }

    /// Adds a result to the window; returns the calls and failures in it.
    fn count(&mut self, now: SimTime, window: SimDuration, succeeded: bool) -> (u32, u32) {
        let slice = now.0 / (window.0 / SLICES).max(1);
        let current = &mut self.window[(slice % SLICES) as usize];
        if current.0 != slice {
            *current = (slice, 0, 0);
        }
        current.1 += 1;
        current.2 += u32::from(!succeeded);
        let recent = self.window.iter().filter(|(number, ..)| number + SLICES > slice);
        recent.fold((0, 0), |(calls, failures), &(_, c, f)| (calls + c, failures + f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> SimTime {
        SimTime(s * 1_000_000_000)
    }

    /// Plays results (`+`, `-`) one per second and says for each second whether it passed.
    fn check(trips: Trips, results: &str, expected: &str) {
        let settings = Settings { trips, open_for: SimDuration::from_secs(3) };
        let mut breaker = Breaker::default();
        let played = results.chars().enumerate().map(|(second, result)| {
            let now = at(second as u64);
            let admission = breaker.admit(now);
            if admission != Admission::Refuse {
                breaker.record(&settings, now, admission == Admission::Trial, result == '+');
            }
            match admission {
                Admission::Pass => 'p',
                Admission::Trial => 't',
                Admission::Refuse => 'x',
            }
        });
        assert_eq!(played.collect::<String>(), expected);
    }

    #[test]
    fn opens_after_more_than_n_failures_in_a_row_and_tries_once() {
        let two = Trips::ConsecutiveFailures(2);
        check(two, "--+---++-++++", "ppppppxxtxxtp");
        check(two, "--+--+--+--+", "pppppppppppp");
    }

    #[test]
    fn opens_when_the_share_of_failures_in_the_window_is_too_high() {
        let half = Trips::FailureRatio { ratio: 0.5, min_calls: 4, window: SimDuration::from_secs(10) };
        check(half, "---+", "pppp");
        check(half, "+---++++", "ppppxxtp");
        // The failures of the beginning have left the window when the next ones come.
        check(half, "--+++++++++++--+", "pppppppppppppppp");
    }

    #[test]
    fn each_time_it_opens_it_refuses_a_first_call() {
        let settings = Settings { trips: Trips::ConsecutiveFailures(0), open_for: SimDuration::from_secs(3) };
        let mut breaker = Breaker::default();
        for opens in [0, 10] {
            breaker.record(&settings, at(opens), false, false);
            let refusals = [1, 2].map(|later| (breaker.admit(at(opens + later)), breaker.first_refusal()));
            assert_eq!(refusals, [(Admission::Refuse, true), (Admission::Refuse, false)], "{opens}");
            assert_eq!(breaker.admit(at(opens + 4)), Admission::Trial);
            breaker.record(&settings, at(opens + 5), true, true);
        }
    }

    #[test]
    fn only_one_trial_at_a_time() {
        let settings = Settings { trips: Trips::ConsecutiveFailures(0), open_for: SimDuration::from_secs(3) };
        let mut breaker = Breaker::default();
        breaker.record(&settings, at(0), false, false);
        assert_eq!(breaker.admit(at(3)), Admission::Trial);
        assert_eq!(breaker.admit(at(9)), Admission::Refuse);
        // A straggler from before the breaker opened says nothing.
        breaker.record(&settings, at(9), false, true);
        assert_eq!(breaker.admit(at(9)), Admission::Refuse);
        breaker.record(&settings, at(10), true, true);
        assert_eq!(breaker.admit(at(10)), Admission::Pass);
    }
}
