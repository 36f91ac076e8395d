//! The CPU model of a limited group beside a slow one.
//!
//! [`Queues`] moves a limited group in steps of 0.1 ms, looks at every processor at every tick and keeps
//! nothing but what the kernel keeps.

use proptest::prelude::*;
use sim::chance::{Draw, Key};
use sim::cpu::{CpuStats, GroupConfig, GroupIx, Kernel, NodeCpu, PERIOD, Quota, ThreadIx};
use sim::time::{SimDuration, SimTime};
use sim::units::Millicores;

const STEP: i64 = 100_000;
const TICK: i64 = 4_000_000;
const CORES: usize = 3;
/// 0.7 ms times one plus the binary logarithm of three cores.
const SLICE: i64 = 1_400_000;
const MS: i64 = 1_000_000;

#[derive(Clone, Debug)]
struct Thread {
    id: u32,
    left: i64,
    vruntime: i64,
    deadline: i64,
    ran: i64,
}

#[derive(Clone, Debug, Default)]
struct Queue {
    /// The first one runs if `running`.
    threads: Vec<Thread>,
    running: bool,
    /// Finished at this moment.
    departed: Option<Thread>,
    runtime: i64,
    throttled: bool,
    protected: i64,
    base: i64,
    /// Times of running out of work, those in which looking for some helped, and the latter per 1024.
    newly_idle: u64,
    helped: u64,
    helps: u64,
}

impl Queue {
    fn ran_out_of_work(&mut self, helped: u64) {
        self.newly_idle += 1;
        self.helped += helped;
        if self.newly_idle == 1024 {
            self.helps = self.helped;
            self.newly_idle = 512;
            self.helped /= 2;
        }
    }

    fn average_at_least(&self, vruntime: i64) -> bool {
        let sum: i64 = self.threads.iter().map(|thread| thread.vruntime).sum();
        vruntime * self.threads.len() as i64 <= sum
    }

    fn average(&self) -> i64 {
        let sum: i64 = self.threads.iter().map(|thread| thread.vruntime).sum();
        if self.threads.is_empty() { self.base } else { sum.div_euclid(self.threads.len() as i64) }
    }

    fn renew(&mut self) {
        let thread = &mut self.threads[0];
        if thread.vruntime >= thread.deadline {
            thread.deadline = thread.vruntime + SLICE;
        }
    }

    fn pick(&mut self, now: i64) {
        if self.running && self.threads[0].vruntime < self.protected {
            return;
        }
        let mut best: Option<usize> = None;
        for (i, thread) in self.threads.iter().enumerate() {
            let eligible = self.average_at_least(thread.vruntime);
            let earlier = best.is_none_or(|b| {
                let other = &self.threads[b];
                let other_gives_way = b == 0 && self.running && thread.deadline == other.deadline;
                thread.deadline < other.deadline || other_gives_way
            });
            if eligible && earlier {
                best = Some(i);
            }
        }
        let best = best.expect("somebody is not above the average");
        if best == 0 && self.running {
            return;
        }
        let chosen = self.threads.remove(best);
        if self.running {
            let mut preempted = self.threads.remove(0);
            preempted.ran = now;
            self.threads.push(preempted);
        }
        self.protected = chosen.deadline;
        self.threads.insert(0, chosen);
        self.running = true;
    }
}

/// A limited group, step by step.
struct Queues {
    now: i64,
    processors: Vec<Queue>,
    quota: i64,
    pool: i64,
    period_timer: i64,
    timer_runs: bool,
    idle: bool,
    slack_timer: Option<i64>,
    throttled: Vec<usize>,
    sleepers: Vec<(usize, i64)>,
    usage: i64,
    throttled_time: i64,
    nr_periods: u64,
    nr_throttled: u64,
    kernel: Kernel,
}

impl Queues {
    fn new(quota: i64, phase: i64, kernel: Kernel) -> Self {
        let queue = Queue { runtime: 1, newly_idle: 512, ..Queue::default() };
        Self {
            now: 0,
            processors: vec![queue; CORES],
            quota,
            pool: quota,
            period_timer: phase,
            timer_runs: false,
            idle: false,
            slack_timer: None,
            throttled: Vec::new(),
            sleepers: Vec::new(),
            usage: 0,
            throttled_time: 0,
            nr_periods: 0,
            nr_throttled: 0,
            kernel,
        }
    }

    /// What chance says about a tick or, of one processor, about a moment.
    fn chance(&self, of: impl IntoIterator<Item = u64>) -> Draw {
        of.into_iter().fold(self.kernel.races, Key::with).draw()
    }

    fn account(&mut self, q: usize) -> bool {
        let queue = &mut self.processors[q];
        if queue.throttled || queue.runtime > 0 {
            return !queue.throttled;
        }
        if !self.timer_runs {
            self.timer_runs = true;
            while self.period_timer <= self.now {
                self.period_timer += PERIOD.0 as i64;
            }
        }
        let amount = self.pool.min(5 * MS - queue.runtime);
        self.pool -= amount;
        queue.runtime += amount;
        self.idle &= amount == 0;
        if queue.runtime <= 0 {
            queue.throttled = true;
            queue.running = false;
            queue.ran_out_of_work(0);
            self.throttled.push(q);
        }
        !self.processors[q].throttled
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

    fn distribute(&mut self) {
        for q in std::mem::take(&mut self.throttled) {
            let queue = &mut self.processors[q];
            let amount = self.pool.min(1 - queue.runtime);
            self.pool -= amount;
            queue.runtime += amount;
            if queue.runtime <= 0 {
                self.throttled.push(q);
                continue;
            }
            self.thaw(q);
        }
    }

    fn thaw(&mut self, q: usize) {
        let queue = &mut self.processors[q];
        queue.throttled = false;
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
    fn step(&mut self) -> Vec<u32> {
        for q in 0..CORES {
            self.leave_if_departed(q);
        }
        self.now += STEP;
        for queue in &mut self.processors {
            if queue.running {
                queue.threads[0].left -= STEP;
                queue.threads[0].vruntime += STEP;
                queue.runtime -= STEP;
                self.usage += STEP;
            }
            if queue.throttled && !queue.threads.is_empty() {
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
                    .position(|queue| !queue.running && !queue.throttled && queue.departed.is_none());
                if let Some(free) = free {
                    self.pull(free);
                }
            }
        }
        let left = self.period_timer - self.now;
        if self.slack_timer == Some(self.now) {
            self.slack_timer = None;
            if left >= 2 * MS && self.pool > 5 * MS {
                self.distribute();
            }
        }
        if self.timer_runs && left == 0 {
            self.period_timer += PERIOD.0 as i64;
            self.nr_periods += 1;
            self.pool = self.quota.min(self.pool + self.quota);
            if self.throttled.is_empty() {
                self.timer_runs = !self.idle;
                self.idle = true;
            } else {
                self.nr_throttled += 1;
                self.idle = false;
                self.distribute();
            }
        }
        finished
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
        let amount = self.processors[q].runtime - MS;
        if amount > 0 {
            self.processors[q].runtime = MS;
            self.pool += amount;
            let refill_is_far = self.period_timer - self.now >= 7 * MS;
            let worth_it = !self.throttled.is_empty() && self.pool > 5 * MS;
            if worth_it && self.slack_timer.is_none() && refill_is_far {
                self.slack_timer = Some(self.now + 5 * MS);
            }
        }
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
    fn start(&mut self, id: u32, left: i64) {
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

    fn stop(&mut self, id: u32) {
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

    fn resize(&mut self, quota: i64) {
        (self.quota, self.pool) = (quota, quota);
        self.throttled.clear();
        for q in 0..CORES {
            if self.processors[q].running {
                self.processors[q].renew();
            }
            self.processors[q].runtime = 1;
            if self.processors[q].throttled {
                self.thaw(q);
            }
        }
    }

    fn check(&self, stats: CpuStats) {
        let threads: usize = self.processors.iter().map(|queue| queue.threads.len()).sum();
        let frozen = self.processors.iter().any(|queue| queue.throttled && !queue.threads.is_empty());
        assert_eq!(stats.usage.0 as i64, self.usage, "usage at {}", self.now);
        assert_eq!(stats.throttled.0 as i64, self.throttled_time, "throttled at {}", self.now);
        assert_eq!((stats.nr_periods, stats.nr_throttled), (self.nr_periods, self.nr_throttled));
        assert_eq!((stats.runnable as usize, stats.is_throttled), (threads, frozen), "at {}", self.now);
    }
}

#[derive(Clone, Debug)]
enum Operation {
    /// A burst of so many steps.
    Start(i64),
    /// The thread that has been running longest is killed.
    Stop,
    /// So many steps pass.
    Wait(u32),
    /// A new limit in millicores.
    Resize(u64),
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        6 => (1i64..120).prop_map(Operation::Start),
        1 => Just(Operation::Stop),
        8 => (1u32..400).prop_map(Operation::Wait),
        1 => (1u64..12).prop_map(|tenths| Operation::Resize(tenths * 100)),
    ];
    prop::collection::vec(operation, 1..120)
}

/// The fast model and the slow one, side by side.
struct Pair {
    fast: NodeCpu,
    group: GroupIx,
    slow: Queues,
    live: Vec<(u32, ThreadIx)>,
    next_id: u32,
    /// Which bursts are followed by another one at once: of every so many, one.
    goes_on: u32,
}

impl Pair {
    fn new(quota: u64, phase: i64, goes_on: u32, is_guest: bool) -> Self {
        let kernel = Kernel { is_guest, ..Kernel::default_for(CORES as u32) };
        let mut fast = NodeCpu::with_kernel(CORES as u32, kernel);
        let runtime = Quota::from_limit(Millicores(quota));
        let phase = phase * STEP;
        let config = GroupConfig { quota: Some(runtime), weight: 1, phase: SimDuration(phase as u64) };
        let group = fast.add_group(SimTime::ZERO, config);
        let slow = Queues::new(runtime.runtime().0 as i64, phase, kernel);
        Self { fast, group, slow, live: Vec::new(), next_id: 0, goes_on }
    }

    fn now(&self) -> SimTime {
        SimTime(self.slow.now as u64)
    }

    fn start(&mut self, steps: i64) {
        let id = self.next_id;
        self.next_id += 1;
        let thread = self.fast.start(self.now(), self.group, SimDuration((steps * STEP) as u64), id);
        self.slow.start(id, steps * STEP);
        self.live.push((id, thread));
    }

    /// One step; whether nothing finished in it.
    fn step(&mut self) -> bool {
        let mut finished = Vec::new();
        while self.fast.next_event() <= self.now() {
            assert_eq!(self.fast.next_event(), self.now(), "an event was forgotten");
            self.fast.advance(self.now(), &mut finished);
        }
        assert!(finished.is_empty(), "what was due has been done");
        let mut expected = self.slow.step();
        let now = self.now();
        if self.fast.next_event() <= now {
            assert_eq!(self.fast.next_event(), now);
            self.fast.advance(now, &mut finished);
        }
        let mut sorted = finished.clone();
        sorted.sort_unstable();
        expected.sort_unstable();
        assert_eq!(sorted, expected, "finished at {now}");
        self.live.retain(|(id, _)| !finished.contains(id));
        if finished.len() == 1 && finished[0] % self.goes_on == 0 {
            self.start(i64::from(finished[0] % 37) + 1);
        }
        self.slow.check(self.fast.group_stats(now, self.group));
        finished.is_empty()
    }

    fn apply(&mut self, operation: &Operation) {
        // At a moment when something finished it would be a matter of definition who goes on.
        while !self.step() {}
        match *operation {
            Operation::Start(steps) if self.live.len() < 8 => self.start(steps),
            Operation::Start(_) => {}
            Operation::Stop if self.live.is_empty() => {}
            Operation::Stop => {
                let (id, thread) = self.live.remove(0);
                self.fast.stop(self.now(), thread);
                self.slow.stop(id);
            }
            Operation::Wait(steps) => (0..steps).for_each(|_| {
                self.step();
            }),
            Operation::Resize(limit) => {
                let quota = Quota::from_limit(Millicores(limit));
                self.fast.set_quota(self.now(), self.group, Some(quota), SimDuration::ZERO);
                self.slow.resize(quota.runtime().0 as i64);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn limited_groups_agree_with_the_step_by_step_model(
        quota in 1u64..12,
        phase in 0i64..1000,
        goes_on in 1u32..4,
        is_guest: bool,
        operations in operations(),
    ) {
        let mut pair = Pair::new(quota * 100, phase, goes_on, is_guest);
        for operation in &operations {
            pair.apply(operation);
            pair.slow.check(pair.fast.group_stats(pair.now(), pair.group));
        }
    }
}
