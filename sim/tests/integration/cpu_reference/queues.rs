//! A limited group in steps of time.

use sim::chance::{Draw, Key};
use sim::cpu::{CpuStats, Kernel, PERIOD};

use super::queue::{Queue, Thread};
use super::{CORES, MS, SLICE, STEP, TICK};

/// One group with a quota.
struct Level {
    quota: i64,
    pool: i64,
    period_timer: i64,
    timer_runs: bool,
    idle: bool,
    slack_timer: Option<i64>,
    throttled: Vec<usize>,
    nr_periods: u64,
    nr_throttled: u64,
}

/// A limited group, step by step.
pub(super) struct Queues {
    pub(super) now: i64,
    processors: Vec<Queue>,
    /// The container's, and its pod's if that has one.
    levels: Vec<Level>,
    sleepers: Vec<(usize, i64)>,
    usage: i64,
    throttled_time: i64,
    kernel: Kernel,
}

impl Queues {
    pub(super) fn new(quota: i64, phases: impl Iterator<Item = i64>, kernel: Kernel) -> Self {
        let queue = Queue { runtime: [1; 2], newly_idle: 512, ..Queue::default() };
        let level = |phase| Level {
            quota,
            pool: quota,
            period_timer: phase,
            timer_runs: false,
            idle: false,
            slack_timer: None,
            throttled: Vec::new(),
            nr_periods: 0,
            nr_throttled: 0,
        };
        Self {
            now: 0,
            processors: vec![queue; CORES],
            levels: phases.map(level).collect(),
            sleepers: Vec::new(),
            usage: 0,
            throttled_time: 0,
            kernel,
        }
    }

    /// What chance says about a tick or, of one processor, about a moment.
    fn chance(&self, of: impl IntoIterator<Item = u64>) -> Draw {
        of.into_iter().fold(self.kernel.races, Key::with).draw()
    }

    fn account(&mut self, q: usize) -> bool {
        let was_frozen = self.processors[q].frozen();
        for (l, level) in self.levels.iter_mut().enumerate() {
            let queue = &mut self.processors[q];
            if queue.throttled[l] || queue.runtime[l] > 0 {
                continue;
            }
            if !level.timer_runs {
                level.timer_runs = true;
                while level.period_timer <= self.now {
                    level.period_timer += PERIOD.0 as i64;
                }
            }
            let amount = level.pool.min(5 * MS - queue.runtime[l]);
            level.pool -= amount;
            queue.runtime[l] += amount;
            level.idle &= amount == 0;
            if queue.runtime[l] <= 0 {
                queue.throttled[l] = true;
                level.throttled.push(q);
            }
        }
        let queue = &mut self.processors[q];
        if queue.frozen() && !was_frozen {
            queue.running = false;
            queue.ran_out_of_work(0);
            self.give_back(q);
        }
        !self.processors[q].frozen()
    }

    /// Nothing is left in the queues of a processor that any level but a throttled one has.
    fn give_back(&mut self, q: usize) {
        for (l, level) in self.levels.iter_mut().enumerate() {
            let queue = &mut self.processors[q];
            let amount = queue.runtime[l] - MS;
            if queue.throttled[l] || amount <= 0 {
                continue;
            }
            queue.runtime[l] = MS;
            level.pool += amount;
            let refill_is_far = level.period_timer - self.now >= 7 * MS;
            let worth_it = !level.throttled.is_empty() && level.pool > 5 * MS;
            if worth_it && level.slack_timer.is_none() && refill_is_far {
                level.slack_timer = Some(self.now + 5 * MS);
            }
        }
    }

    /// Whether it got a thread.
    fn pull(&mut self, to: usize) -> bool {
        let mut from = None;
        for (q, queue) in self.processors.iter().enumerate() {
            let most = from.map_or(1, |f: usize| self.processors[f].threads.len());
            if queue.running && queue.threads.len() > most {
                from = Some(q);
            }
        }
        let Some(from) = from else { return false };
        let now = self.now;
        let source = &mut self.processors[from];
        let cold = (1..source.threads.len()).find(|&i| now - source.threads[i].ran >= MS / 2);
        let Some(cold) = cold else { return false };
        let beyond = source.threads[cold].vruntime - source.average();
        let mut thread = source.threads.remove(cold);
        thread.vruntime = self.processors[to].base + beyond;
        thread.deadline = thread.vruntime + SLICE;
        self.processors[to].threads.push(thread);
        if self.account(to) {
            self.processors[to].pick(now);
        }
        true
    }

    fn distribute(&mut self, l: usize) {
        for q in std::mem::take(&mut self.levels[l].throttled) {
            let (level, queue) = (&mut self.levels[l], &mut self.processors[q]);
            let amount = level.pool.min(1 - queue.runtime[l]);
            level.pool -= amount;
            queue.runtime[l] += amount;
            if queue.runtime[l] <= 0 {
                level.throttled.push(q);
                continue;
            }
            queue.throttled[l] = false;
            if !queue.frozen() {
                self.thaw(q);
            }
        }
    }

    fn thaw(&mut self, q: usize) {
        let queue = &mut self.processors[q];
        for thread in &mut queue.threads {
            thread.deadline = thread.vruntime + SLICE;
        }
        if !queue.threads.is_empty() {
            queue.pick(self.now);
        }
    }

    /// The order in which processors notice a tick.
    fn order(&self) -> Vec<usize> {
        let first = self.chance([(self.now / TICK) as u64]).below(CORES as u64) as usize;
        (0..CORES).map(|i| (i + first) % CORES).collect()
    }

    /// One step of time; the threads that finish at its end.
    pub(super) fn step(&mut self) -> Vec<u32> {
        for q in 0..CORES {
            self.leave_if_departed(q);
        }
        self.now += STEP;
        for queue in &mut self.processors {
            if queue.running {
                queue.threads[0].left -= STEP;
                queue.threads[0].vruntime += STEP;
                queue.runtime = queue.runtime.map(|runtime| runtime - STEP);
                self.usage += STEP;
            }
            if queue.throttled[0] && !queue.threads.is_empty() {
                self.throttled_time += STEP;
            }
        }
        let mut finished = Vec::new();
        for q in self.order() {
            let queue = &mut self.processors[q];
            let ticks = queue.running && self.now % TICK == 0;
            if ticks {
                queue.renew();
            }
            if queue.running && queue.threads[0].left == 0 {
                let thread = queue.threads.remove(0);
                queue.running = false;
                queue.base = thread.vruntime;
                self.sleepers.push((q, thread.vruntime));
                finished.push(thread.id);
                queue.departed = Some(thread);
            } else if ticks && self.account(q) && self.processors[q].threads.len() > 1 {
                self.processors[q].pick(self.now);
                let free = self
                    .processors
                    .iter()
                    .position(|queue| !queue.running && !queue.frozen() && queue.departed.is_none());
                if let Some(free) = free {
                    self.pull(free);
                }
            }
        }
        for l in 0..self.levels.len() {
            self.timers_fire(l);
        }
        finished
    }

    fn timers_fire(&mut self, l: usize) {
        let level = &mut self.levels[l];
        let left = level.period_timer - self.now;
        if level.slack_timer == Some(self.now) {
            level.slack_timer = None;
            if left >= 2 * MS && level.pool > 5 * MS {
                self.distribute(l);
            }
        }
        let level = &mut self.levels[l];
        if level.timer_runs && left == 0 {
            level.period_timer += PERIOD.0 as i64;
            level.nr_periods += 1;
            level.pool = level.quota.min(level.pool + level.quota);
            if level.throttled.is_empty() {
                level.timer_runs = !level.idle;
                level.idle = true;
            } else {
                level.nr_throttled += 1;
                level.idle = false;
                self.distribute(l);
            }
        }
    }

    fn leave_if_departed(&mut self, q: usize) {
        if self.processors[q].departed.take().is_some() {
            self.leave(q);
        }
    }

    fn leave(&mut self, q: usize) {
        if !self.account(q) {
            return;
        }
        if !self.processors[q].threads.is_empty() {
            self.processors[q].pick(self.now);
            return;
        }
        self.give_back(q);
        let helps = self.processors[q].helps + 1;
        let helped = if self.chance([self.now as u64, q as u64]).below(1024) > helps {
            0
        } else if self.pull(q) {
            (1024 + helps / 2) / helps
        } else {
            0
        };
        self.processors[q].ran_out_of_work(helped);
    }

    /// The thread that just finished goes on, or else one wakes.
    pub(super) fn start(&mut self, id: u32, left: i64) {
        let departed = self.processors.iter().position(|queue| queue.departed.is_some());
        if let Some(q) = departed {
            let queue = &mut self.processors[q];
            let before = queue.departed.take().expect("just found");
            queue.threads.insert(0, Thread { id, left, ..before });
            queue.running = true;
            let sleeper = self.sleepers.iter().rposition(|&(lane, _)| lane == q);
            self.sleepers.remove(sleeper.expect("it sleeps"));
            return;
        }
        let (q, slept) = if self.sleepers.is_empty() {
            let q = (0..CORES).min_by_key(|&q| self.processors[q].threads.len());
            (q.expect("there are processors"), None)
        } else {
            let (known, slept) = self.sleepers.remove(0);
            let owes = self.processors[known].running && slept > self.processors[known].average();
            let free = (0..CORES).map(|i| (known + i) % CORES).find(|&q| !self.processors[q].running);
            let q = if owes || self.kernel.is_guest { known } else { free.unwrap_or(known) };
            (q, (q == known).then_some(slept))
        };
        if self.processors[q].running {
            self.processors[q].renew();
        }
        let may_run = self.account(q);
        let queue = &mut self.processors[q];
        let average = queue.average();
        let vruntime = slept.map_or(average, |slept| slept.clamp(average, average + TICK));
        let deadline = vruntime + SLICE;
        queue.threads.push(Thread { id, left, vruntime, deadline, ran: self.now });
        if may_run {
            queue.pick(self.now);
        }
    }

    pub(super) fn stop(&mut self, id: u32) {
        for q in 0..CORES {
            let Some(at) = self.processors[q].threads.iter().position(|thread| thread.id == id) else {
                continue;
            };
            let queue = &mut self.processors[q];
            let thread = queue.threads.remove(at);
            if at == 0 && queue.running {
                queue.running = false;
                queue.base = thread.vruntime;
                self.leave(q);
            }
        }
    }

    pub(super) fn resize(&mut self, quota: i64) {
        for level in &mut self.levels {
            (level.quota, level.pool) = (quota, quota);
            level.throttled.clear();
        }
        for q in 0..CORES {
            let queue = &mut self.processors[q];
            if queue.running {
                queue.renew();
            }
            queue.runtime = [1; 2];
            if std::mem::take(&mut queue.throttled).contains(&true) {
                self.thaw(q);
            }
        }
    }

    pub(super) fn check(&self, stats: CpuStats) {
        let threads: usize = self.processors.iter().map(|queue| queue.threads.len()).sum();
        let frozen = self.processors.iter().any(|queue| queue.frozen() && !queue.threads.is_empty());
        assert_eq!(stats.usage.0 as i64, self.usage, "usage at {}", self.now);
        assert_eq!(stats.throttled.0 as i64, self.throttled_time, "throttled at {}", self.now);
        let container = &self.levels[0];
        assert_eq!((stats.nr_periods, stats.nr_throttled), (container.nr_periods, container.nr_throttled));
        assert_eq!((stats.runnable as usize, stats.is_throttled), (threads, frozen), "at {}", self.now);
    }
}
