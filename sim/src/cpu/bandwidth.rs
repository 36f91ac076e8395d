//! CFS bandwidth control of one group: the pool of runtime and the timer that refills it.
//!
//! Terms and rules are those of `struct cfs_bandwidth` in the kernel's `kernel/sched/fair.c`.

use super::Quota;
use super::share::FRACTION_BITS;
use crate::time::{SimDuration, SimTime};

/// The period of Kubernetes' CPU limits (`cpuCFSQuotaPeriod` in the kubelet's defaults).
pub const PERIOD: SimDuration = SimDuration::from_millis(100);

/// The runtime pool, its period timer and the counters of `cpu.stat`.
#[derive(Clone, Debug)]
pub(super) struct Bandwidth {
    /// Runtime given at each refill, with [`FRACTION_BITS`] binary places.
    quota: i128,
    /// Runtime left; below zero it is a debt that the next refill pays first.
    pool: i128,
    /// When the period timer fires next or, while it is stopped, when it last would have.
    timer: SimTime,
    timer_runs: bool,
    /// Nobody has taken from the pool since the last refill.
    idle: bool,
    /// Since when the group is frozen.
    throttled_since: Option<SimTime>,
    nr_periods: u64,
    nr_throttled: u64,
    throttled: SimDuration,
}

impl Bandwidth {
    pub(super) fn new(quota: Quota, phase: SimDuration) -> Self {
        let quota = i128::from(quota.runtime().0) << FRACTION_BITS;
        Self {
            quota,
            pool: quota,
            timer: SimTime(phase.0 % PERIOD.0),
            timer_runs: false,
            idle: false,
            throttled_since: None,
            nr_periods: 0,
            nr_throttled: 0,
            throttled: SimDuration::ZERO,
        }
    }

    pub(super) fn is_throttled(&self) -> bool {
        self.throttled_since.is_some()
    }

    /// The next tick of the period timer.
    pub(super) fn timer_due(&self) -> SimTime {
        if self.timer_runs { self.timer } else { SimTime::NEVER }
    }

    pub(super) fn timer_runs(&self) -> bool {
        self.timer_runs
    }

    /// Runtime left, zero when spent.
    pub(super) fn left(&self) -> u128 {
        self.pool.max(0).cast_unsigned()
    }

    pub(super) fn is_spent(&self) -> bool {
        self.pool <= 0
    }

    /// The group's threads have run for `amount`.
    pub(super) fn spend(&mut self, amount: u128) {
        if amount > 0 {
            self.pool -= amount.cast_signed();
            self.idle = false;
        }
    }

    /// A burst ended between two nanoseconds: what it did not need goes back.
    pub(super) fn refund(&mut self, amount: u128) {
        self.pool += amount.cast_signed();
    }

    /// A thread became runnable: a stopped timer starts again on its old grid
    /// (`start_cfs_bandwidth`, `hrtimer_forward_now`). It does not refill.
    pub(super) fn wake(&mut self, now: SimTime) {
        if !self.timer_runs {
            self.timer_runs = true;
            if self.timer <= now {
                let missed = now.since(self.timer).0 / PERIOD.0 + 1;
                self.timer += PERIOD * missed;
            }
        }
    }

    pub(super) fn throttle(&mut self, now: SimTime) {
        if self.throttled_since.is_none() {
            self.throttled_since = Some(now);
        }
    }

    fn unthrottle(&mut self, now: SimTime) {
        if let Some(since) = self.throttled_since.take() {
            self.throttled += now.since(since);
        }
    }

    /// The period timer fires (`do_sched_cfs_period_timer`): refill, unfreeze if that pays all debt,
    /// and stop after one whole period in which nobody took anything.
    pub(super) fn tick(&mut self, now: SimTime) {
        self.nr_periods += 1;
        self.timer = now + PERIOD;
        self.pool = (self.pool + self.quota).min(self.quota);
        if self.is_throttled() {
            self.nr_throttled += 1;
            self.idle = false;
            if !self.is_spent() {
                self.unthrottle(now);
            }
        } else if self.idle {
            self.timer_runs = false;
        } else {
            self.idle = true;
        }
    }

    /// A new limit in place (`tg_set_cfs_bandwidth`): the pool is refilled and the freeze ends at once.
    pub(super) fn resize(&mut self, now: SimTime, quota: Quota) {
        self.quota = i128::from(quota.runtime().0) << FRACTION_BITS;
        self.pool = self.quota;
        self.unthrottle(now);
    }

    pub(super) fn periods(&self) -> (u64, u64) {
        (self.nr_periods, self.nr_throttled)
    }

    pub(super) fn throttled(&self, now: SimTime) -> SimDuration {
        self.throttled + self.throttled_since.map_or(SimDuration::ZERO, |since| now.since(since))
    }
}
