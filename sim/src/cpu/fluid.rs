//! A group without a limit: its threads share what it gets equally at every moment.
//!
//! One number, the service that a thread present from the beginning would have attained, tells the
//! progress of all of them (virtual time).

use super::fixed::{FULL_SPEED, Work, done, time_for};
use crate::time::SimTime;

#[derive(Clone, Copy, Debug)]
struct Burst {
    /// The value of [`Fluid::attained`] at which it is done.
    finish: Work,
    thread: u32,
}

/// The threads of an unlimited group.
#[derive(Clone, Debug)]
pub(super) struct Fluid {
    attained: Work,
    usage: Work,
    synced: SimTime,
    /// Speed of each thread.
    rate: u64,
    /// By finish, latest first; equal ones in reverse order of start.
    bursts: Vec<Burst>,
}

impl Fluid {
    pub(super) fn new(now: SimTime) -> Self {
        Self { attained: 0, usage: 0, synced: now, rate: FULL_SPEED, bursts: Vec::new() }
    }

    pub(super) fn threads(&self) -> u32 {
        self.bursts.len() as u32
    }

    pub(super) fn rate(&self) -> u64 {
        self.rate
    }

    /// Threads and what is left of their bursts, when the group gets a limit.
    pub(super) fn dissolve(&mut self, now: SimTime) -> Vec<(u32, Work)> {
        self.sync(now);
        self.bursts.iter().rev().map(|burst| (burst.thread, burst.finish - self.attained)).collect()
    }

    /// CPU time of all threads.
    pub(super) fn usage(&self, now: SimTime) -> Work {
        self.usage + done(self.synced, now, self.rate) * self.bursts.len() as Work
    }

    fn sync(&mut self, now: SimTime) {
        self.usage = self.usage(now);
        if !self.bursts.is_empty() {
            self.attained += done(self.synced, now, self.rate);
        }
        self.synced = now;
    }

    pub(super) fn set_rate(&mut self, now: SimTime, rate: u64) {
        self.sync(now);
        self.rate = rate;
    }

    pub(super) fn start(&mut self, now: SimTime, thread: u32, left: Work) {
        self.sync(now);
        let finish = self.attained + left;
        let at = self.bursts.partition_point(|other| other.finish > finish);
        self.bursts.insert(at, Burst { finish, thread });
    }

    pub(super) fn stop(&mut self, now: SimTime, thread: u32) {
        self.sync(now);
        let at = self.bursts.iter().position(|burst| burst.thread == thread);
        self.bursts.remove(at.expect("a live thread is in its group"));
    }

    /// Takes out the threads whose bursts are done. A burst ends at the first nanosecond at which it is
    /// complete; the part of it that it did not need is not charged.
    pub(super) fn advance(&mut self, now: SimTime, finished: &mut impl FnMut(u32)) {
        self.sync(now);
        while let Some(burst) = self.bursts.pop_if(|burst| burst.finish <= self.attained) {
            self.usage -= self.attained - burst.finish;
            finished(burst.thread);
        }
    }

    pub(super) fn due(&self) -> SimTime {
        let first = self.bursts.last();
        first.map_or(SimTime::NEVER, |first| self.synced + time_for(first.finish - self.attained, self.rate))
    }
}
