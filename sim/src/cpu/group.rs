//! One control group: its runnable threads, how fast they run, and when something happens to them.

use super::bandwidth::Bandwidth;
use super::share::{FRACTION_BITS, FULL_SPEED};
use crate::time::{SimDuration, SimTime};

/// A runnable thread with its burst.
#[derive(Clone, Copy, Debug)]
struct Burst {
    /// The value of [`Group::attained`] at which it is done.
    finish: u128,
    thread: u32,
}

/// A control group.
///
/// Its threads always run at the same speed as each other, so one number, the service that a thread
/// present from the beginning would have attained, tells the progress of all (virtual time). It has
/// [`FRACTION_BITS`] binary places; the clock has none, so a burst ends at the first nanosecond at
/// which it is complete, and the part of the last nanosecond it did not need is not charged.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) weight: u32,
    /// Speed of each thread while not frozen; at most [`FULL_SPEED`].
    rate: u64,
    attained: u128,
    /// The time at which the other fields are true.
    synced: SimTime,
    /// By finish, latest first; equal ones in reverse order of start.
    bursts: Vec<Burst>,
    pub(super) bandwidth: Option<Bandwidth>,
    usage: u128,
    /// Thread-nanoseconds spent runnable, running or not.
    runnable: u64,
    /// When it wants to be looked at again.
    due: SimTime,
}

impl Group {
    pub(super) fn new(now: SimTime, weight: u32, bandwidth: Option<Bandwidth>) -> Self {
        Self {
            weight,
            rate: FULL_SPEED,
            attained: 0,
            synced: now,
            bursts: Vec::new(),
            bandwidth,
            usage: 0,
            runnable: 0,
            due: SimTime::NEVER,
        }
    }

    pub(super) fn due(&self) -> SimTime {
        self.due
    }

    pub(super) fn is_throttled(&self) -> bool {
        self.bandwidth.as_ref().is_some_and(Bandwidth::is_throttled)
    }

    /// Runnable threads, frozen or not.
    pub(super) fn threads(&self) -> u32 {
        self.bursts.len() as u32
    }

    /// Threads that ask for a core.
    pub(super) fn contenders(&self) -> u32 {
        if self.is_throttled() { 0 } else { self.threads() }
    }

    /// Nothing will happen to it until a thread starts.
    pub(super) fn is_dormant(&self) -> bool {
        self.bursts.is_empty() && self.bandwidth.as_ref().is_none_or(|b| !b.timer_runs())
    }

    /// The threads of the group, in no defined order.
    pub(super) fn thread_ids(&self) -> impl Iterator<Item = u32> {
        self.bursts.iter().map(|burst| burst.thread)
    }

    /// Service that each thread gets until `now` beyond what `attained` says.
    fn progress(&self, now: SimTime) -> u128 {
        if self.is_throttled() { 0 } else { u128::from(now.since(self.synced).0) * u128::from(self.rate) }
    }

    /// Usage in fixed point and runnable thread time at `now`.
    pub(super) fn totals(&self, now: SimTime) -> (u128, SimDuration) {
        let threads = self.bursts.len() as u64;
        let runnable = self.runnable + threads * now.since(self.synced).0;
        (self.usage + self.progress(now) * u128::from(threads), SimDuration(runnable))
    }

    /// Brings every field to `now`.
    pub(super) fn sync(&mut self, now: SimTime) {
        if !self.bursts.is_empty() {
            let progress = self.progress(now);
            let spent = progress * self.bursts.len() as u128;
            self.runnable += now.since(self.synced).0 * self.bursts.len() as u64;
            self.attained += progress;
            self.usage += spent;
            if let Some(bandwidth) = &mut self.bandwidth {
                bandwidth.spend(spent);
            }
        }
        self.synced = now;
    }

    /// The group must be synced before anything below; [`Self::reschedule`] must follow.
    pub(super) fn set_rate(&mut self, rate: u64) {
        self.rate = rate;
    }

    pub(super) fn rate(&self) -> u64 {
        self.rate
    }

    pub(super) fn push(&mut self, now: SimTime, work: SimDuration, thread: u32) {
        let finish = self.attained + (u128::from(work.0) << FRACTION_BITS);
        let at = self.bursts.partition_point(|other| other.finish > finish);
        self.bursts.insert(at, Burst { finish, thread });
        if let Some(bandwidth) = &mut self.bandwidth {
            bandwidth.wake(now);
            if bandwidth.is_spent() {
                bandwidth.throttle(now);
            }
        }
    }

    pub(super) fn remove(&mut self, thread: u32) {
        let at = self.bursts.iter().position(|burst| burst.thread == thread);
        self.bursts.remove(at.expect("a live thread is in its group"));
    }

    /// Takes the next thread whose burst is done.
    pub(super) fn pop_finished(&mut self) -> Option<u32> {
        let burst = *self.bursts.last().filter(|burst| burst.finish <= self.attained)?;
        self.bursts.pop();
        let unneeded = self.attained - burst.finish;
        self.usage -= unneeded;
        if let Some(bandwidth) = &mut self.bandwidth {
            bandwidth.refund(unneeded);
        }
        Some(burst.thread)
    }

    /// Refill and freeze, after the finished bursts are out.
    pub(super) fn run_bandwidth(&mut self, now: SimTime) {
        if let Some(bandwidth) = &mut self.bandwidth {
            if bandwidth.timer_due() <= now {
                bandwidth.tick(now);
            }
            if bandwidth.is_spent() && !self.bursts.is_empty() {
                bandwidth.throttle(now);
            }
        }
    }

    /// Finds out when the next thing happens. A group without contenders forgets its rate, so that
    /// it starts at full speed if the node is not full then.
    pub(super) fn reschedule(&mut self) {
        if self.contenders() == 0 {
            self.rate = FULL_SPEED;
        }
        let mut due = self.bandwidth.as_ref().map_or(SimTime::NEVER, Bandwidth::timer_due);
        if let Some(first) = self.bursts.last()
            && !self.is_throttled()
        {
            due = due.min(self.synced + time_for(first.finish - self.attained, u128::from(self.rate)));
            if let Some(bandwidth) = &self.bandwidth {
                let together = u128::from(self.rate) * self.bursts.len() as u128;
                due = due.min(self.synced + time_for(bandwidth.left(), together));
            }
        }
        self.due = due;
    }
}

/// Whole nanoseconds until `amount` is attained at `rate`, rounded up.
fn time_for(amount: u128, rate: u128) -> SimDuration {
    let ns = if rate == u128::from(FULL_SPEED) {
        (amount + (u128::from(FULL_SPEED) - 1)) >> FRACTION_BITS
    } else {
        amount.div_ceil(rate)
    };
    SimDuration(u64::try_from(ns).unwrap_or(u64::MAX))
}
