//! The runtime that all processors draw from, and the timer that refills it: `struct cfs_bandwidth`
//! of `kernel/sched/fair.c`.

use super::Quota;
use super::fixed::{NANOSECOND, Work, work};
use crate::time::{SimDuration, SimTime};

/// The period of Kubernetes' CPU limits (`cpuCFSQuotaPeriod` in the kubelet's defaults).
pub const PERIOD: SimDuration = SimDuration::from_millis(100);

/// What a processor draws at a time (`sysctl_sched_cfs_bandwidth_slice`).
pub(super) const SLICE: SimDuration = SimDuration::from_millis(5);
/// What a processor keeps when its last thread sleeps (`min_cfs_rq_runtime`).
const KEPT: SimDuration = SimDuration::MILLISECOND;
/// How long returned runtime waits before frozen processors get it (`cfs_bandwidth_slack_period`).
const SLACK_DELAY: SimDuration = SimDuration::from_millis(5);
/// Nothing is handed out this shortly before a refill (`min_bandwidth_expiration`).
const NEAR_REFILL: SimDuration = SimDuration::from_millis(2);

/// Runtime not yet drawn, the period timer and the slack timer.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    quota: Work,
    runtime: Work,
    /// When the period timer fires next or, while it is stopped, when it last would have.
    period_timer: SimTime,
    runs: bool,
    /// Nobody has drawn since the last refill.
    idle: bool,
    /// When returned runtime is handed to frozen processors.
    slack_timer: SimTime,
    pub(super) nr_periods: u64,
    pub(super) nr_throttled: u64,
}

impl Pool {
    pub(super) fn new(quota: Quota, phase: SimDuration) -> Self {
        Self {
            quota: work(quota.runtime()),
            runtime: work(quota.runtime()),
            period_timer: SimTime(phase.0 % PERIOD.0),
            runs: false,
            idle: false,
            slack_timer: SimTime::NEVER,
            nr_periods: 0,
            nr_throttled: 0,
        }
    }

    /// When one of its timers fires.
    pub(super) fn due(&self) -> SimTime {
        if self.runs { self.period_timer.min(self.slack_timer) } else { self.slack_timer }
    }

    /// Fills a processor's `local` runtime up to a slice, as far as there is something
    /// (`__assign_cfs_rq_runtime`). The first draw after an idle time starts the timer again on its old
    /// grid; that does not refill (`start_cfs_bandwidth`).
    pub(super) fn draw(&mut self, now: SimTime, local: &mut Work) {
        if !self.runs {
            self.runs = true;
            if self.period_timer <= now {
                let missed = now.since(self.period_timer).0 / PERIOD.0 + 1;
                self.period_timer += PERIOD * missed;
            }
        }
        let amount = self.runtime.min(work(SLICE) - *local);
        if amount > 0 {
            self.runtime -= amount;
            *local += amount;
            self.idle = false;
        }
    }

    /// Pays a frozen processor's debt as far as there is something, and one nanosecond on top
    /// (`distribute_cfs_runtime`).
    pub(super) fn pay(&mut self, local: &mut Work) {
        let amount = self.runtime.min(NANOSECOND - *local);
        self.runtime -= amount;
        *local += amount;
    }

    /// A processor's last thread sleeps: it keeps a millisecond (`__return_cfs_rq_runtime`).
    pub(super) fn give_back(&mut self, now: SimTime, local: &mut Work, somebody_is_frozen: bool) {
        let amount = *local - work(KEPT);
        if amount > 0 {
            *local -= amount;
            self.runtime += amount;
            let is_worth_it = somebody_is_frozen && self.runtime > work(SLICE);
            if is_worth_it && self.slack_timer == SimTime::NEVER && !self.refills_within(now, SLACK_DELAY + NEAR_REFILL)
            {
                self.slack_timer = now + SLACK_DELAY;
            }
        }
    }

    /// `runtime_refresh_within`.
    fn refills_within(&self, now: SimTime, span: SimDuration) -> bool {
        self.period_timer.since(now) < span
    }

    /// Whether the slack timer fires now, and if so whether frozen processors are to be paid
    /// (`do_sched_cfs_slack_timer`).
    pub(super) fn slack_fires(&mut self, now: SimTime) -> bool {
        if self.slack_timer > now {
            return false;
        }
        self.slack_timer = SimTime::NEVER;
        !self.refills_within(now, NEAR_REFILL) && self.runtime > work(SLICE)
    }

    /// Whether the period timer fires now, and if so refills. It stops after a period in which
    /// nobody drew and nobody is frozen (`do_sched_cfs_period_timer`).
    pub(super) fn period_fires(&mut self, now: SimTime, somebody_is_frozen: bool) -> bool {
        if !self.runs || self.period_timer > now {
            return false;
        }
        self.period_timer = now + PERIOD;
        self.nr_periods += 1;
        self.runtime = (self.runtime + self.quota).min(self.quota);
        if somebody_is_frozen {
            self.nr_throttled += 1;
            self.idle = false;
        } else {
            self.runs = !self.idle;
            self.idle = true;
        }
        true
    }

    /// A new limit in place, with a full pool (`tg_set_cfs_bandwidth`).
    pub(super) fn resize(&mut self, quota: Quota) {
        self.quota = work(quota.runtime());
        self.runtime = self.quota;
    }
}
