//! What the levels of a limited group hand out: draws, freezes and refills.
//!
//! A level is a control group with a quota: the container's, and around it its pod's. What a lane runs is charged to
//! both, and either can freeze it.

use super::Limited;
use crate::cpu::Quota;
use crate::cpu::lane::{Budget, CONTAINER};
use crate::time::SimTime;

/// How long lanes with threads have been frozen by the container's quota, summed over lanes as its `cpu.stat` does.
#[derive(Clone, Debug)]
pub(super) struct FrozenTime {
    total: u64,
    lanes: u32,
    synced: SimTime,
}

impl FrozenTime {
    pub(super) fn new(now: SimTime) -> Self {
        Self { total: 0, lanes: 0, synced: now }
    }

    pub(super) fn total(&self, now: SimTime) -> u64 {
        self.total + u64::from(self.lanes) * now.since(self.synced).0
    }

    fn sync(&mut self, now: SimTime) {
        self.total = self.total(now);
        self.synced = now;
    }

    pub(super) fn add_lane(&mut self, now: SimTime) {
        self.sync(now);
        self.lanes += 1;
    }

    pub(super) fn remove_lane(&mut self, now: SimTime) {
        self.sync(now);
        self.lanes -= 1;
    }

    fn clear(&mut self, now: SimTime) {
        self.sync(now);
        self.lanes = 0;
    }
}

impl Limited {
    /// Draws for each level that has no runtime left, and freezes the lane if there is none; whether it may go on
    /// (`account_cfs_rq_runtime`, `throttle_cfs_rq`).
    pub(super) fn account(&mut self, ix: usize, now: SimTime) -> bool {
        let lane = &mut self.lanes[ix];
        let was_frozen = lane.is_frozen();
        for level in 0..self.levels {
            let budget = &mut lane.budgets[level];
            if budget.runtime > 0 || budget.is_throttled {
                continue;
            }
            self.pools[level].draw(now, &mut budget.runtime);
            if budget.runtime <= 0 {
                budget.is_throttled = true;
                self.throttled[level].push(ix as u32);
                if level == CONTAINER && !lane.runners.is_empty() {
                    self.frozen.add_lane(now);
                }
            }
        }
        let is_frozen = lane.is_frozen();
        if is_frozen && !was_frozen {
            lane.freeze();
            self.give_back(ix, now);
        }
        !is_frozen
    }

    /// Nothing of a lane is in its queues any more: it sleeps or, since Linux 6.18, its threads were taken out as one
    /// level froze. Levels that did not freeze give back what they have left (`return_cfs_rq_runtime`).
    pub(super) fn give_back(&mut self, ix: usize, now: SimTime) {
        for level in 0..self.levels {
            let budget = &mut self.lanes[ix].budgets[level];
            if !budget.is_throttled {
                let somebody_is_frozen = !self.throttled[level].is_empty();
                self.pools[level].give_back(now, &mut budget.runtime, somebody_is_frozen);
            }
        }
    }

    /// The timers of each level that fire now.
    pub(super) fn timers_fire(&mut self, now: SimTime) {
        for level in 0..self.levels {
            if self.pools[level].due() > now {
                continue;
            }
            if self.pools[level].slack_fires(now) {
                self.distribute(level, now);
            }
            if self.pools[level].period_fires(now, !self.throttled[level].is_empty()) {
                self.distribute(level, now);
            }
        }
    }

    /// The lanes that a level froze are paid in the order in which they froze. One that has paid its debt goes on,
    /// unless the other level holds it.
    fn distribute(&mut self, level: usize, now: SimTime) {
        let Self { kernel, pools, lanes, throttled, frozen, running, rate, .. } = self;
        throttled[level].retain(|&ix| {
            let lane = &mut lanes[ix as usize];
            let budget = &mut lane.budgets[level];
            pools[level].pay(&mut budget.runtime);
            if budget.runtime <= 0 {
                return true;
            }
            budget.is_throttled = false;
            if level == CONTAINER && !lane.runners.is_empty() {
                frozen.remove_lane(now);
            }
            if lane.is_frozen() {
                return false;
            }
            lane.thaw(now, kernel);
            if lane.is_running() {
                *running |= 1 << ix;
                lane.find_due(*rate, kernel);
            }
            false
        });
    }

    /// A new limit in place (`tg_set_cfs_bandwidth`): pools are full, lanes start over, freezes end.
    pub(super) fn refill(&mut self, now: SimTime, quota: Quota) {
        for level in 0..self.levels {
            self.pools[level].resize(quota);
            self.throttled[level].clear();
        }
        self.frozen.clear(now);
        for ix in 0..self.lanes.len() {
            self.sync(ix, now);
            let lane = &mut self.lanes[ix];
            lane.renew_deadline(now, self.rate, &self.kernel);
            let was_frozen = lane.is_frozen();
            lane.budgets[..self.levels].fill(Budget::FRESH);
            if was_frozen {
                lane.thaw(now, &self.kernel);
            }
            self.lane_changed(ix);
        }
    }
}
