//! What was sent and answered since somebody looked last, for whoever judges a run while it is under way.

use std::collections::BTreeMap;

use sim::traffic::Latency;

use crate::client::Failure;

/// Requests since the last look. Those under way now and then add up: `waiting` of the look before and `sent` of this one
/// are `ok`, `failed` and `waiting` of this one.
#[derive(Clone, Debug, Default)]
pub struct Interval {
    /// Sent.
    pub sent: u64,
    /// Answered with a status below 500.
    pub ok: u64,
    /// Answered with 5xx, or not answered and given up.
    pub failed: u64,
    /// Without an answer so far, whenever they were sent.
    pub waiting: u64,
    /// Service times of those that were answered.
    pub latency: Latency,
    /// The same by the service that was asked.
    pub by_service: BTreeMap<String, Latency>,
}

impl Interval {
    pub(crate) fn begin(&mut self) {
        self.sent += 1;
        self.waiting += 1;
    }

    pub(crate) fn end(&mut self, service: &str, took: sim::time::SimDuration, outcome: Result<u16, Failure>) {
        self.waiting = self.waiting.saturating_sub(1);
        if matches!(outcome, Ok(..500)) {
            self.ok += 1;
        } else {
            self.failed += 1;
        }
        if outcome.is_ok() {
            self.latency.record(took);
            match self.by_service.get_mut(service) {
                Some(latency) => latency.record(took),
                None => self.by_service.entry(service.to_owned()).or_default().record(took),
            }
        }
    }

    /// Takes what was counted; what is under way stays so.
    pub(crate) fn take(&mut self) -> Self {
        let next = Self { waiting: self.waiting, ..Self::default() };
        std::mem::replace(self, next)
    }

    /// Adds what another run counted in the same time.
    pub fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.ok += other.ok;
        self.failed += other.failed;
        self.waiting += other.waiting;
        self.latency.merge(&other.latency);
        for (service, latency) in &other.by_service {
            self.by_service.entry(service.clone()).or_default().merge(latency);
        }
    }
}

#[cfg(test)]
mod tests {
    use sim::time::SimDuration;

    use super::*;

    #[test]
    fn intervals_follow_each_other_without_losing_a_request() {
        let (mut counted, ms) = (Interval::default(), SimDuration::from_millis);
        for _ in 0..4 {
            counted.begin();
        }
        counted.end("carts", ms(3), Ok(200));
        counted.end("carts", ms(5), Ok(503));
        let first = counted.take();
        assert_eq!((first.sent, first.ok, first.failed, first.waiting), (4, 1, 1, 2));
        assert_eq!((first.latency.count(), first.by_service["carts"].count()), (2, 2));
        counted.begin();
        counted.end("user", ms(1), Ok(404));
        counted.end("user", ms(1), Err(Failure::TimedOut));
        let mut second = counted.take();
        assert_eq!((second.sent, second.ok, second.failed, second.waiting), (1, 1, 1, 1));
        assert_eq!(first.waiting + second.sent, second.ok + second.failed + second.waiting);
        assert_eq!(second.by_service["user"].count(), 1, "what was never answered has no latency");
        second.add(&first);
        assert_eq!((second.sent, second.by_service.len(), second.latency.count()), (5, 2, 3));
    }
}
