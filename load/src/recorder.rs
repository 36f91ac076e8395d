//! What is counted while a run is under way.

use std::collections::{BTreeMap, BTreeSet};

use sim::time::{SimDuration, SimTime};
use sim::traffic::Latency;

use crate::client::Failure;
use crate::plan::Kind;
use crate::report::{Latencies, RequestReport, WindowReport, to_ms};

/// A request that is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finished {
    /// When it should have been sent.
    pub(crate) due: SimTime,
    /// When it was.
    pub(crate) began: SimTime,
    pub(crate) ended: SimTime,
    pub(crate) outcome: Result<u16, Failure>,
}

/// Requests of one kind, of all kinds, or of a window.
#[derive(Clone, Debug, Default)]
struct Tally {
    statuses: BTreeMap<u16, u64>,
    failures: BTreeMap<Failure, u64>,
    service: Latency,
    response: Latency,
}

impl Tally {
    fn record(&mut self, finished: &Finished) {
        match finished.outcome {
            Ok(status) => {
                *self.statuses.entry(status).or_default() += 1;
                self.service.record(finished.ended.since(finished.began));
                self.response.record(finished.ended.since(finished.due));
            }
            Err(failure) => *self.failures.entry(failure).or_default() += 1,
        }
    }

    fn merge(&mut self, other: &Self) {
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (failure, count) in &other.failures {
            *self.failures.entry(*failure).or_default() += count;
        }
        self.service.merge(&other.service);
        self.response.merge(&other.response);
    }

    /// How many there are, how many of them are errors, and how many the client's own.
    fn counts(&self) -> (u64, u64, u64) {
        let of = |range: std::ops::Range<u16>| self.statuses.range(range).map(|(_, count)| count).sum::<u64>();
        let failures = self.failures.values().sum::<u64>();
        (of(0..u16::MAX) + failures, of(500..u16::MAX) + failures, of(400..500))
    }

    fn report(&self, kind: &Kind, seconds: f64) -> RequestReport {
        let (count, errors, client_errors) = self.counts();
        let service = Latencies::of(&self.service);
        RequestReport {
            request: kind.request.clone(),
            service: kind.service.clone(),
            count,
            rps: per(count as f64, seconds),
            error_rate: per(errors as f64, count as f64),
            client_error_rate: per(client_errors as f64, count as f64),
            statuses: self.statuses.clone(),
            failures: self.failures.clone(),
            mean_ms: service.mean_ms,
            p50_ms: service.p50_ms,
            p90_ms: service.p90_ms,
            p99_ms: service.p99_ms,
            max_ms: service.max_ms,
            from_due: Latencies::of(&self.response),
        }
    }
}

/// Zero if there is nothing to divide by.
fn per(part: f64, of: f64) -> f64 {
    if of > 0.0 { part / of } else { 0.0 }
}

/// Everything that is counted. What ends before the measured time is not.
#[derive(Debug)]
pub(crate) struct Recorder {
    measured_from: SimTime,
    by_kind: Vec<Tally>,
    /// Length of a window.
    every: Option<SimDuration>,
    window: Tally,
    window_from: SimTime,
    windows: Vec<WindowReport>,
    pub(crate) lateness: Latency,
    /// When each request that is under way was due.
    under_way: BTreeSet<(SimTime, u64)>,
    sent: u64,
    /// Users of closed loads now.
    pub(crate) users: u32,
    pub(crate) users_started: u64,
}

/// A request that is under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket(SimTime, u64);

impl Recorder {
    pub(crate) fn new(kinds: usize, measured_from: SimTime, every: Option<SimDuration>) -> Self {
        Self {
            measured_from,
            by_kind: vec![Tally::default(); kinds],
            every,
            window: Tally::default(),
            window_from: measured_from,
            windows: Vec::new(),
            lateness: Latency::default(),
            under_way: BTreeSet::new(),
            sent: 0,
            users: 0,
            users_started: 0,
        }
    }

    /// A timer went off.
    pub(crate) fn late(&mut self, now: SimTime, by: SimDuration) {
        if now >= self.measured_from {
            self.lateness.record(by);
        }
    }

    /// A request is sent.
    pub(crate) fn begin(&mut self, due: SimTime) -> Ticket {
        self.sent += 1;
        self.under_way.insert((due, self.sent));
        Ticket(due, self.sent)
    }

    /// A request is over.
    pub(crate) fn end(&mut self, ticket: Ticket, kind: usize, finished: &Finished) {
        self.under_way.remove(&(ticket.0, ticket.1));
        if finished.ended < self.measured_from {
            return;
        }
        self.close_windows(finished.ended);
        self.by_kind[kind].record(finished);
        if self.every.is_some() {
            self.window.record(finished);
        }
    }

    /// Closes the windows that end by `now`.
    fn close_windows(&mut self, now: SimTime) {
        let Some(every) = self.every else { return };
        while self.window_from + every <= now {
            self.close_window(self.window_from + every);
        }
    }

    fn close_window(&mut self, to: SimTime) {
        let (tally, from) = (std::mem::take(&mut self.window), std::mem::replace(&mut self.window_from, to));
        let (count, errors, _) = tally.counts();
        let since_start = |time: SimTime| time.since(SimTime::ZERO).as_secs_f64();
        self.windows.push(WindowReport {
            from_s: since_start(from),
            to_s: since_start(to),
            users: self.users,
            rps: per(count as f64, to.since(from).as_secs_f64()),
            error_rate: per(errors as f64, count as f64),
            p50_ms: tally.service.quantile(0.5).map(to_ms),
            p99_ms: tally.service.quantile(0.99).map(to_ms),
            from_due_p99_ms: tally.response.quantile(0.99).map(to_ms),
        });
    }

    /// Windows up to `now`, the last of them shorter if need be.
    pub(crate) fn windows(&mut self, now: SimTime) -> Vec<WindowReport> {
        self.close_windows(now);
        if self.every.is_some() && self.window_from < now {
            self.close_window(now);
        }
        std::mem::take(&mut self.windows)
    }

    /// All requests, and each kind of them.
    pub(crate) fn requests(&self, kinds: &[Kind], seconds: f64) -> (RequestReport, Vec<RequestReport>) {
        let mut total = Tally::default();
        for tally in &self.by_kind {
            total.merge(tally);
        }
        let all = Kind { service: "*".into(), request: "*".into() };
        let by_kind = self.by_kind.iter().zip(kinds).map(|(tally, kind)| tally.report(kind, seconds));
        (total.report(&all, seconds), by_kind.collect())
    }

    /// How many requests are under way, and when the oldest was due.
    pub(crate) fn under_way(&self) -> (u64, Option<SimTime>) {
        (self.under_way.len() as u64, self.under_way.first().map(|(due, _)| *due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> SimTime {
        SimTime(ms * 1_000_000)
    }

    fn finish(recorder: &mut Recorder, due: u64, began: u64, ended: u64, outcome: Result<u16, Failure>) {
        let ticket = recorder.begin(at(due));
        recorder.end(ticket, 0, &Finished { due: at(due), began: at(began), ended: at(ended), outcome });
    }

    /// To the three digits that a histogram has.
    fn assert_about(ms: Option<f64>, expected: f64) {
        assert!(ms.is_some_and(|ms| (ms / expected - 1.0).abs() < 1e-3), "{ms:?}, not {expected}");
    }

    fn kinds() -> [Kind; 1] {
        [Kind { service: "front-end".into(), request: "GET /".into() }]
    }

    #[test]
    fn what_ends_in_the_warm_up_is_not_measured() {
        let mut recorder = Recorder::new(1, at(1_000), None);
        finish(&mut recorder, 100, 100, 999, Ok(200));
        finish(&mut recorder, 100, 150, 1_000, Ok(200));
        recorder.late(at(999), SimDuration::from_millis(7));
        let (total, by_kind) = recorder.requests(&kinds(), 2.0);
        assert_eq!((total.count, by_kind[0].count, total.rps), (1, 1, 0.5));
        assert_eq!(recorder.lateness.count(), 0);
        assert_eq!((total.mean_ms, total.from_due.mean_ms), (Some(850.0), Some(900.0)));
    }

    #[test]
    fn errors_are_told_apart() {
        let mut recorder = Recorder::new(1, at(0), None);
        let outcomes = [Ok(200), Ok(302), Ok(404), Ok(503), Err(Failure::TimedOut), Err(Failure::TimedOut)];
        for outcome in outcomes.into_iter().chain([Err(Failure::Refused), Err(Failure::Reset)]) {
            finish(&mut recorder, 0, 0, 10, outcome);
        }
        let (total, _) = recorder.requests(&kinds(), 1.0);
        assert_eq!((total.count, total.error_rate, total.client_error_rate), (8, 5.0 / 8.0, 1.0 / 8.0));
        assert_eq!(total.statuses, BTreeMap::from([(200, 1), (302, 1), (404, 1), (503, 1)]));
        let failures = [(Failure::Refused, 1), (Failure::Reset, 1), (Failure::TimedOut, 2)];
        assert_eq!(total.failures, BTreeMap::from(failures));
        assert_about(total.max_ms, 10.0);
    }

    #[test]
    fn windows_have_no_gaps() {
        let mut recorder = Recorder::new(1, at(1_000), Some(SimDuration::SECOND));
        finish(&mut recorder, 1_000, 1_000, 1_500, Ok(200));
        recorder.users = 3;
        finish(&mut recorder, 3_900, 3_990, 4_000, Ok(500));
        let windows = recorder.windows(at(4_500));
        let figures: Vec<_> = windows.iter().map(|w| (w.from_s, w.to_s, w.users, w.rps, w.error_rate)).collect();
        let expected =
            [(1.0, 2.0, 3, 1.0, 0.0), (2.0, 3.0, 3, 0.0, 0.0), (3.0, 4.0, 3, 0.0, 0.0), (4.0, 4.5, 3, 2.0, 1.0)];
        assert_eq!(figures, expected);
        assert_about(windows[3].p99_ms, 10.0);
        assert_about(windows[3].from_due_p99_ms, 100.0);
    }

    #[test]
    fn what_never_ends_is_seen_too() {
        let mut recorder = Recorder::new(1, at(0), None);
        recorder.begin(at(50));
        recorder.begin(at(20));
        assert_eq!(recorder.under_way(), (2, Some(at(20))));
        finish(&mut recorder, 10, 10, 60, Ok(200));
        assert_eq!(recorder.under_way(), (2, Some(at(20))));
    }
}
