//! The run queue of one limited group on one processor: `struct cfs_rq` of `kernel/sched/fair.c`.
//!
//! One thread runs, the others wait for their turn, which EEVDF decides: a thread is *eligible* if it
//! has had no more service than the average (its *vruntime* is not above the mean), and of the eligible
//! ones that with the earliest *deadline* runs. Looks at the clock happen at the timer tick and when
//! threads come and go, not in between, so a thread runs on past its slice and past the end of the
//! runtime until the next tick.

use super::Kernel;
use super::fixed::{NANOSECOND, Work, done, time_for, work};
use super::newly_idle::NewlyIdle;
use crate::time::{SimDuration, SimTime};

/// A thread that ran this recently is not moved (`sysctl_sched_migration_cost`).
const MIGRATION_COST: SimDuration = SimDuration::from_micros(500);

/// How many groups with a quota can lie inside each other: a container's and its pod's.
pub(super) const LEVELS: usize = 2;
/// The container's group, whose counters are the container's.
pub(super) const CONTAINER: usize = 0;

/// What the group of one level may still run on a processor: `runtime_remaining` of its `cfs_rq`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Drawn from the level's pool and not yet used; negative after an overrun.
    pub(super) runtime: Work,
    pub(super) is_throttled: bool,
}

impl Budget {
    /// It begins with a nanosecond, so a thread may run until the next tick where nothing has ever been drawn
    /// (`tg_set_cfs_bandwidth`).
    pub(super) const FRESH: Self = Self { runtime: NANOSECOND, is_throttled: false };
    /// Of a level without a quota.
    const ENDLESS: Self = Self { runtime: Work::MAX, is_throttled: false };
}

/// A runnable thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Runner {
    pub(super) thread: u32,
    /// What is left of its burst.
    pub(super) left: Work,
    pub(super) vruntime: Work,
    pub(super) deadline: Work,
    /// When it last ran.
    pub(super) ran: SimTime,
}

/// What the processor is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    /// Nothing of this group runs: no threads, or frozen ones.
    Idle,
    /// The first runner runs.
    Running,
    /// The burst of the thread that ran is done; at this very moment the same thread can still go on
    /// with another one. If it does not, it sleeps.
    Leaving(Departure),
}

/// Where a thread stands that has just finished a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Departure {
    pub(super) at: SimTime,
    vruntime: Work,
    deadline: Work,
}

/// A run queue with its shares of the runtime.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    /// In the order of their coming; while something runs it is the first.
    pub(super) runners: Vec<Runner>,
    pub(super) activity: Activity,
    /// By level.
    pub(super) budgets: [Budget; LEVELS],
    pub(super) newly_idle: NewlyIdle,
    /// Until this vruntime the running thread keeps the processor (`protect_slice`).
    protected: Work,
    /// The vruntime at which a thread starts that finds nobody here.
    base: Work,
    /// The time at which the other fields are true.
    pub(super) synced: SimTime,
    pub(super) due: SimTime,
}

impl Lane {
    /// An empty one; so many of its levels have a quota.
    pub(super) fn new(now: SimTime, levels: usize) -> Self {
        let mut budgets = [Budget::ENDLESS; LEVELS];
        budgets[..levels].fill(Budget::FRESH);
        Self {
            runners: Vec::new(),
            activity: Activity::Idle,
            budgets,
            newly_idle: NewlyIdle::new(),
            protected: 0,
            base: 0,
            synced: now,
            due: SimTime::NEVER,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.activity == Activity::Running
    }

    /// The processor has nothing of this group to run.
    pub(super) fn is_free(&self) -> bool {
        self.activity == Activity::Idle
    }

    /// Nothing of it may run: one level is throttled, or more.
    pub(super) fn is_frozen(&self) -> bool {
        self.budgets.iter().any(|budget| budget.is_throttled)
    }

    /// What may be used before one level has to draw.
    pub(super) fn runtime(&self) -> Work {
        self.budgets.iter().fold(Work::MAX, |least, budget| least.min(budget.runtime))
    }

    /// Brings the lane to `now`; what was used since. A burst that ends between two nanoseconds is
    /// charged exactly.
    pub(super) fn sync(&mut self, now: SimTime, rate: u64) -> Work {
        let mut used = 0;
        if self.activity == Activity::Running {
            let first = &mut self.runners[0];
            used = done(self.synced, now, rate).min(first.left);
            first.left -= used;
            first.vruntime += used;
            for budget in &mut self.budgets {
                budget.runtime -= used;
            }
        }
        self.synced = now;
        used
    }

    /// Where the average stands (`avg_vruntime`), rounded down.
    pub(super) fn average(&self) -> Work {
        if self.runners.is_empty() {
            return self.base;
        }
        let sum: Work = self.runners.iter().map(|runner| runner.vruntime).sum();
        sum.div_euclid(self.runners.len() as Work)
    }

    /// The deadline of the running thread moves on at the first tick, or other look at the clock, at
    /// which it has passed (`update_deadline`). Ticks that changed nothing else were skipped, so this
    /// finds the last one that mattered.
    pub(super) fn renew_deadline(&mut self, now: SimTime, rate: u64, kernel: &Kernel) {
        if self.activity != Activity::Running {
            return;
        }
        let first = &mut self.runners[0];
        let slice = work(kernel.slice);
        let at_last_tick = first.vruntime - done(kernel.last_tick(now), now, rate);
        let late = at_last_tick - first.deadline;
        if late >= 0 {
            let per_tick = Work::from(kernel.tick.0) * Work::from(rate);
            let ticks_per_slice = (slice + per_tick - 1) / per_tick;
            let renewals_apart = ticks_per_slice * per_tick;
            first.deadline += late % per_tick + slice;
            first.deadline += (late / per_tick) / ticks_per_slice * renewals_apart;
        }
        if first.vruntime >= first.deadline {
            first.deadline = first.vruntime + slice;
        }
    }

    /// The runner that should run now (`pick_eevdf`): the running one while it is protected, else the
    /// eligible one with the earliest deadline. Among equals somebody else than the running one, the
    /// longest in the queue.
    fn pick(&self) -> usize {
        let running = self.is_running();
        if self.runners.len() == 1 || (running && self.runners[0].vruntime < self.protected) {
            return 0;
        }
        let sum: Work = self.runners.iter().map(|runner| runner.vruntime).sum();
        let count = self.runners.len() as Work;
        let eligible = |runner: &Runner| runner.vruntime * count <= sum;
        let runners = self.runners.iter().enumerate();
        let key = |&(i, runner): &(usize, &Runner)| (runner.deadline, running && i == 0);
        let best = runners.filter(|(_, runner)| eligible(runner)).min_by_key(key);
        best.map_or(0, |(i, _)| i)
    }

    /// Gives the processor to whom it is due. There must be a runner.
    pub(super) fn reschedule(&mut self, now: SimTime) {
        let next = self.pick();
        let was_running = self.is_running();
        if was_running && next == 0 {
            return;
        }
        self.protected = self.runners[next].deadline;
        if was_running {
            let chosen = self.runners.remove(next);
            let preempted = std::mem::replace(&mut self.runners[0], chosen);
            self.runners.push(Runner { ran: now, ..preempted });
        } else if next > 0 {
            self.runners[..=next].rotate_right(1);
        }
        self.activity = Activity::Running;
    }

    /// A thread that went to sleep here at `vruntime` has had more than its due and others are still
    /// catching up.
    pub(super) fn is_owed(&self, vruntime: Work) -> bool {
        self.is_running() && vruntime > self.average()
    }

    /// Puts a thread in at the average (`place_entity`), or, if it went to sleep here with more service
    /// than its due, as much behind as it still owes, up to a limit (`update_entity_lag`).
    pub(super) fn enqueue(&mut self, thread: u32, left: Work, slept: Option<Work>, now: SimTime, kernel: &Kernel) {
        let average = self.average();
        let most = average + work(kernel.tick.max(kernel.slice * 2));
        let vruntime = slept.map_or(average, |vruntime| vruntime.clamp(average, most));
        let deadline = vruntime + work(kernel.slice);
        self.runners.push(Runner { thread, left, vruntime, deadline, ran: now });
    }

    /// The running thread is done with its burst; who it is and its vruntime.
    pub(super) fn depart(&mut self, now: SimTime) -> (u32, Work) {
        let first = self.runners.remove(0);
        let departure = Departure { at: now, vruntime: first.vruntime, deadline: first.deadline };
        self.activity = Activity::Leaving(departure);
        self.base = first.vruntime;
        (first.thread, first.vruntime)
    }

    /// The thread that has just finished goes on with another burst, as if nothing had happened.
    pub(super) fn carry_on(&mut self, departure: Departure, thread: u32, left: Work) {
        let Departure { at: ran, vruntime, deadline } = departure;
        self.runners.insert(0, Runner { thread, left, vruntime, deadline, ran });
        self.activity = Activity::Running;
    }

    /// Gives up the longest waiting thread whose caches are cold, with its vruntime beyond the average.
    pub(super) fn give_away(&mut self, now: SimTime) -> Option<(Runner, Work)> {
        let mut waiting = self.runners.iter().skip(1);
        let at = 1 + waiting.position(|runner| now.since(runner.ran) >= MIGRATION_COST)?;
        let beyond = self.runners[at].vruntime - self.average();
        Some((self.runners.remove(at), beyond))
    }

    /// Takes a thread from another processor into an empty lane.
    pub(super) fn take_over(&mut self, runner: Runner, beyond: Work, kernel: &Kernel) {
        let vruntime = self.base + beyond;
        self.runners.push(Runner { vruntime, deadline: vruntime + work(kernel.slice), ..runner });
    }

    /// Every thread stops where it is (`throttle_cfs_rq_work`).
    pub(super) fn freeze(&mut self) {
        self.activity = Activity::Idle;
        // The processor is idle now too, and nothing may be brought to a frozen lane.
        self.newly_idle.count(0);
    }

    /// No level is throttled any more: threads come back with their lag and a fresh slice (`tg_unthrottle_up`,
    /// `place_entity`).
    pub(super) fn thaw(&mut self, now: SimTime, kernel: &Kernel) {
        self.synced = now;
        for runner in &mut self.runners {
            runner.deadline = runner.vruntime + work(kernel.slice);
        }
        if !self.runners.is_empty() {
            self.reschedule(now);
        }
    }

    /// Finds out when the next thing happens: the end of the burst or the first tick that matters, which
    /// is the one that finds the runtime spent or, where threads wait, simply the next.
    pub(super) fn find_due(&mut self, rate: u64, kernel: &Kernel) {
        self.due = match self.activity {
            Activity::Idle | Activity::Leaving(_) => SimTime::NEVER,
            Activity::Running => {
                let first = &self.runners[0];
                let mut due = self.synced + time_for(first.left, rate);
                // Runtime that lasts for the whole burst need not be looked at.
                let runtime = self.runtime();
                if runtime < first.left {
                    let spent = self.synced + time_for(runtime, rate);
                    due = due.min(kernel.tick_after(self.synced, spent));
                }
                if self.runners.len() > 1 {
                    due = due.min(kernel.tick_after(self.synced, self.synced));
                }
                due
            }
        };
    }
}
