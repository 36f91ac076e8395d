//! A group with a quota: one lane per processor, which all draw runtime from one pool, or, where the pod has a quota of
//! its own, from two (`bandwidth`).
//!
//! Follows `kernel/sched/fair.c` of Linux 6.18, where a lane that has spent its runtime freezes its own
//! threads while the other lanes go on with what they have drawn.

mod bandwidth;
mod placement;

use std::collections::VecDeque;

use self::bandwidth::FrozenTime;
use super::fixed::{FULL_SPEED, Work, done};
use super::lane::{Activity, CONTAINER, LEVELS, Lane};
use super::pool::Pool;
use super::{Kernel, Phases, Quota};
use crate::time::{SimDuration, SimTime};

/// Lanes of a group at most, so that one word tells which run.
const MOST_LANES: u32 = u64::BITS;

/// A thread that has run and sleeps now: where it would like to run again.
#[derive(Clone, Copy, Debug)]
struct Sleeper {
    lane: u32,
    vruntime: Work,
}

/// The lanes and the pools of a limited group.
#[derive(Clone, Debug)]
pub(super) struct Limited {
    kernel: Kernel,
    /// How many groups have a quota: the container's, or its pod's as well.
    levels: usize,
    /// By level.
    pools: [Pool; LEVELS],
    lanes: Vec<Lane>,
    /// One bit per lane in which something runs.
    running: u64,
    /// One bit per lane whose thread has just finished its burst.
    leaving: u64,
    /// By level the lanes that it froze, the one that waits longest first. One without threads can be among them: it
    /// owes.
    throttled: [Vec<u32>; LEVELS],
    /// Longest asleep first; it wakes first.
    sleepers: VecDeque<Sleeper>,
    threads: u32,
    /// Lanes that want a processor.
    contenders: u32,
    /// Speed of each running lane.
    rate: u64,
    /// CPU time of all threads up to each lane's last sync.
    usage: Work,
    frozen: FrozenTime,
    due: SimTime,
}

/// The set bits of `word`, lowest first.
fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = word.trailing_zeros();
        (word != 0).then(|| {
            word &= word - 1;
            lowest as usize
        })
    })
}

impl Limited {
    pub(super) fn new(now: SimTime, cores: u32, quota: Quota, phases: Phases, kernel: Kernel) -> Self {
        let levels = if phases.pod.is_some() { LEVELS } else { 1 };
        let pools = [phases.container, phases.pod.unwrap_or_default()];
        Self {
            kernel,
            levels,
            pools: pools.map(|phase| Pool::new(quota, phase)),
            lanes: (0..cores.min(MOST_LANES)).map(|_| Lane::new(now, levels)).collect(),
            running: 0,
            leaving: 0,
            throttled: [const { Vec::new() }; LEVELS],
            sleepers: VecDeque::new(),
            threads: 0,
            contenders: 0,
            rate: FULL_SPEED,
            usage: 0,
            frozen: FrozenTime::new(now),
            due: SimTime::NEVER,
        }
    }

    /// Runnable threads, frozen or not.
    pub(super) fn threads(&self) -> u32 {
        self.threads
    }

    /// Lanes that want a processor.
    pub(super) fn contenders(&self) -> u32 {
        self.contenders
    }

    /// Some lane with threads is frozen.
    pub(super) fn is_throttled(&self) -> bool {
        self.lanes.iter().any(|lane| lane.is_frozen() && !lane.runners.is_empty())
    }

    /// Those of the container, and in how many of them it was frozen by its own quota.
    pub(super) fn periods(&self) -> (u64, u64) {
        let pool = &self.pools[CONTAINER];
        (pool.nr_periods, pool.nr_throttled)
    }

    pub(super) fn throttled_time(&self, now: SimTime) -> SimDuration {
        SimDuration(self.frozen.total(now))
    }

    pub(super) fn due(&self) -> SimTime {
        self.due
    }

    pub(super) fn rate(&self) -> u64 {
        self.rate
    }

    /// CPU time of all threads.
    pub(super) fn usage(&self, now: SimTime) -> Work {
        let running = bits(self.running).map(|ix| &self.lanes[ix]);
        self.usage + running.map(|lane| done(lane.synced, now, self.rate).min(lane.runners[0].left)).sum::<Work>()
    }

    /// All threads with what is left of their bursts, when the group stops being limited.
    pub(super) fn dissolve(&mut self, now: SimTime) -> Vec<(u32, Work)> {
        for ix in bits(self.running) {
            self.sync(ix, now);
        }
        let runners = self.lanes.iter().flat_map(|lane| &lane.runners);
        runners.map(|runner| (runner.thread, runner.left)).collect()
    }

    /// Threads that finished their bursts before `now` and did not go on are asleep since then.
    fn settle(&mut self, now: SimTime) {
        for ix in bits(self.leaving) {
            if let Activity::Leaving(departure) = self.lanes[ix].activity
                && departure.at < now
            {
                self.leave(ix, departure.at);
            }
        }
    }

    /// The lanes get another speed.
    pub(super) fn set_rate(&mut self, now: SimTime, rate: u64) {
        self.settle(now);
        for ix in bits(self.running) {
            self.sync(ix, now);
            let lane = &mut self.lanes[ix];
            lane.renew_deadline(now, self.rate, &self.kernel);
            lane.find_due(rate, &self.kernel);
        }
        self.rate = rate;
        self.find_due();
    }

    /// A new limit in place, of the container and of its pod.
    pub(super) fn resize(&mut self, now: SimTime, quota: Quota) {
        self.settle(now);
        self.refill(now, quota);
        self.find_due();
    }

    /// A thread has a burst to do. If one of the group has finished its burst at this very moment, it is
    /// the same thread that goes on; else the one that has slept longest wakes.
    pub(super) fn start(&mut self, now: SimTime, thread: u32, left: Work) {
        self.threads += 1;
        self.settle(now);
        if let Some(ix) = bits(self.leaving).next()
            && let Activity::Leaving(departure) = self.lanes[ix].activity
        {
            let sleeper = self.sleepers.iter().rposition(|sleeper| sleeper.lane as usize == ix);
            self.sleepers.remove(sleeper.expect("a departure leaves a sleeper"));
            self.lanes[ix].carry_on(departure, thread, left);
            self.lane_changed(ix);
            self.find_due();
            return;
        }
        let sleeper = self.sleepers.pop_front();
        if let Some(sleeper) = sleeper {
            self.sync(sleeper.lane as usize, now);
        }
        let ix = self.choose_lane(sleeper);
        let slept = sleeper.filter(|sleeper| sleeper.lane as usize == ix);
        self.enqueue(ix, now, thread, left, slept.map(|sleeper| sleeper.vruntime));
        self.find_due();
    }

    /// A thread is killed.
    pub(super) fn stop(&mut self, now: SimTime, thread: u32) {
        self.settle(now);
        let place = self.lanes.iter().enumerate().find_map(|(ix, lane)| {
            let at = lane.runners.iter().position(|runner| runner.thread == thread)?;
            Some((ix, at))
        });
        let (ix, at) = place.expect("a live thread is in its group");
        self.sync(ix, now);
        self.threads -= 1;
        let lane = &mut self.lanes[ix];
        if lane.is_running() && at == 0 {
            lane.depart(now);
            self.leave(ix, now);
        } else {
            lane.runners.remove(at);
            if lane.budgets[CONTAINER].is_throttled && lane.runners.is_empty() {
                self.frozen.remove_lane(now);
            }
            self.lane_changed(ix);
        }
        self.find_due();
    }

    /// What happens at [`Self::due`]; appends the threads whose bursts are done.
    pub(super) fn advance(&mut self, now: SimTime, finished: &mut impl FnMut(u32)) {
        // Whoever has not gone on by the second call at the same moment sleeps.
        let must_leave = self.due <= now;
        self.settle(if must_leave { SimTime(now.0 + 1) } else { now });
        let due = bits(self.running).fold(0, |due, ix| due | u64::from(self.lanes[ix].due <= now) << ix);
        if due.is_power_of_two() {
            self.lane_event(due.trailing_zeros() as usize, now, finished);
        } else if due > 0 {
            let from_first = u64::MAX << self.kernel.first_to_tick(now, self.lanes.len());
            for ix in bits(due & from_first).chain(bits(due & !from_first)) {
                self.lane_event(ix, now, finished);
            }
        }
        self.timers_fire(now);
        self.find_due();
    }

    fn lane_event(&mut self, ix: usize, now: SimTime, finished: &mut impl FnMut(u32)) {
        self.sync(ix, now);
        match self.lanes[ix].activity {
            Activity::Idle => {}
            Activity::Leaving(_) => self.leave(ix, now),
            Activity::Running if self.lanes[ix].runners[0].left == 0 => {
                let (thread, vruntime) = self.lanes[ix].depart(now);
                finished(thread);
                self.threads -= 1;
                self.sleepers.push_back(Sleeper { lane: ix as u32, vruntime });
                self.lane_changed(ix);
            }
            Activity::Running => self.tick(ix, now),
        }
    }

    /// The timer tick on a busy processor (`task_tick_fair`).
    fn tick(&mut self, ix: usize, now: SimTime) {
        self.lanes[ix].renew_deadline(now, self.rate, &self.kernel);
        if self.account(ix, now) && self.lanes[ix].runners.len() > 1 {
            self.lanes[ix].reschedule(now);
            let free = self.lanes.iter().position(|lane| lane.is_free() && !lane.is_frozen());
            if let Some(free) = free {
                self.pull(free, now);
            }
        }
        self.lane_changed(ix);
    }

    /// The thread that finished its burst sleeps, and the processor looks for something else.
    fn leave(&mut self, ix: usize, now: SimTime) {
        self.lanes[ix].activity = Activity::Idle;
        if self.account(ix, now) {
            if self.lanes[ix].runners.is_empty() {
                self.give_back(ix, now);
                self.look_for_work(ix, now);
            } else {
                self.lanes[ix].reschedule(now);
            }
        }
        self.lane_changed(ix);
    }

    fn sync(&mut self, ix: usize, now: SimTime) {
        self.usage += self.lanes[ix].sync(now, self.rate);
    }

    fn lane_changed(&mut self, ix: usize) {
        let lane = &mut self.lanes[ix];
        lane.find_due(self.rate, &self.kernel);
        let is_leaving = matches!(lane.activity, Activity::Leaving(_));
        self.running = self.running & !(1 << ix) | u64::from(lane.is_running()) << ix;
        self.leaving = self.leaving & !(1 << ix) | u64::from(is_leaving) << ix;
    }

    /// When something happens next. If nobody waits for what a sleeping thread leaves, that can be
    /// cleared up whenever something else happens.
    fn find_due(&mut self) {
        let [container, pod] = &self.pools;
        let mut due = container.due().min(pod.due());
        self.contenders = 0;
        for ix in bits(self.running) {
            due = due.min(self.lanes[ix].due);
            self.contenders += 1;
        }
        let somebody_is_frozen = self.throttled.iter().any(|lanes| !lanes.is_empty());
        let somebody_waits = somebody_is_frozen || self.contenders < self.threads;
        for lane in bits(self.leaving).map(|ix| &self.lanes[ix]) {
            if let Activity::Leaving(departure) = lane.activity
                && (somebody_waits || lane.runtime() <= 0)
            {
                due = due.min(departure.at);
            }
        }
        self.due = due;
    }
}
