//! On which processor a thread of a limited group runs.

use super::{Limited, Sleeper, bits};
use crate::cpu::fixed::Work;
use crate::cpu::lane::CONTAINER;
use crate::cpu::newly_idle::NewlyIdle;
use crate::time::SimTime;

impl Limited {
    /// The processor on which a thread starts: the one it knows if free or if no other can be seen to be, else a
    /// free one, else the one it knows (`select_idle_sibling`); for a new thread the emptiest. One that
    /// owes its competitors service has never left its queue (`DELAY_DEQUEUE`).
    pub(super) fn choose_lane(&self, sleeper: Option<Sleeper>) -> usize {
        let lanes = 0..self.lanes.len();
        let Some(Sleeper { lane, vruntime }) = sleeper else {
            let emptiest = lanes.min_by_key(|&ix| self.lanes[ix].runners.len());
            return emptiest.expect("a node has processors");
        };
        let known = lane as usize;
        if self.kernel.is_guest || self.lanes[known].is_owed(vruntime) {
            return known;
        }
        let others = (known + 1..lanes.end).chain(0..known);
        let mut candidates = std::iter::once(known).chain(others);
        candidates.find(|&ix| self.lanes[ix].is_free()).unwrap_or(known)
    }

    pub(super) fn enqueue(&mut self, ix: usize, now: SimTime, thread: u32, left: Work, slept: Option<Work>) {
        self.sync(ix, now);
        self.lanes[ix].renew_deadline(now, self.rate, &self.kernel);
        let may_run = self.account(ix, now);
        let lane = &mut self.lanes[ix];
        lane.enqueue(thread, left, slept, now, &self.kernel);
        if may_run {
            lane.reschedule(now);
        } else if lane.budgets[CONTAINER].is_throttled && lane.runners.len() == 1 {
            self.frozen.add_lane(now);
        }
        self.lane_changed(ix);
    }

    /// A processor that has nothing left to do may take a waiting thread from another: it tries the more
    /// seldom the less it was worth before (`sched_balance_newidle`).
    pub(super) fn look_for_work(&mut self, to: usize, now: SimTime) {
        let dice = self.kernel.races.with(now.0).with(to as u64).draw().below(NewlyIdle::SIDES);
        if let Some(weight) = self.lanes[to].newly_idle.tries(dice) {
            let pulled = self.pull(to, now);
            self.lanes[to].newly_idle.count(if pulled { weight } else { 0 });
        }
    }

    /// An idle processor takes a waiting thread from the busiest one, unless its caches are hot
    /// (`sysctl_sched_migration_cost`); whether it did.
    pub(super) fn pull(&mut self, to: usize, now: SimTime) -> bool {
        let running = bits(self.running).filter(|&ix| self.lanes[ix].is_running());
        let busiest = running.max_by_key(|&ix| (self.lanes[ix].runners.len(), usize::MAX - ix));
        let Some(from) = busiest.filter(|&ix| self.lanes[ix].runners.len() > 1) else {
            return false;
        };
        self.sync(from, now);
        self.sync(to, now);
        let Some((runner, lag)) = self.lanes[from].give_away(now) else {
            return false;
        };
        self.lane_changed(from);
        self.lanes[to].take_over(runner, lag, &self.kernel);
        if self.account(to, now) {
            self.lanes[to].reschedule(now);
        }
        self.lane_changed(to);
        true
    }
}
