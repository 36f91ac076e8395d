//! The queue against a list that is obviously right: a vector searched from end to end.

use proptest::prelude::*;
use sim::engine::{DelayIx, Model, Queue, TimerIx, run_until};
use sim::time::{SimDuration, SimTime};

/// What is done to both queues. Times are few and close, so that ties between the stores abound.
#[derive(Clone, Debug)]
enum Step {
    Schedule { after: u64 },
    SetTimer { timer: usize, after: u64 },
    ClearTimer { timer: usize },
    ReplaceTimer { timer: usize },
    ScheduleAfter { delay: usize },
    PopUntil { after: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..30_u64).prop_map(|after| Step::Schedule { after }),
        4 => (0..TIMERS, 0..30_u64).prop_map(|(timer, after)| Step::SetTimer { timer, after }),
        1 => (0..TIMERS).prop_map(|timer| Step::ClearTimer { timer }),
        1 => (0..TIMERS).prop_map(|timer| Step::ReplaceTimer { timer }),
        4 => (0..DELAYS.len()).prop_map(|delay| Step::ScheduleAfter { delay }),
        8 => (0..10_u64).prop_map(|after| Step::PopUntil { after }),
    ];
    prop::collection::vec(step, 0..400)
}

const TIMERS: usize = 40;
const DELAYS: [u64; 5] = [0, 1, 3, 3, 20];

/// The reference: pending events in no order; the earliest is searched for, and where times are
/// equal the one with the smallest number, which is also the event.
#[derive(Default)]
struct SlowQueue {
    pending: Vec<(u64, u32, Option<usize>)>,
}

impl SlowQueue {
    fn clear(&mut self, timer: usize) {
        self.pending.retain(|&(_, _, owner)| owner != Some(timer));
    }

    fn pop_until(&mut self, limit: u64) -> Option<(SimTime, u32)> {
        let earliest = self.pending.iter().copied().filter(|&(at, ..)| at <= limit).min()?;
        self.pending.retain(|&entry| entry != earliest);
        Some((SimTime(earliest.0), earliest.1))
    }

    fn next_time(&self) -> Option<SimTime> {
        self.pending.iter().map(|&(at, ..)| SimTime(at)).min()
    }
}

/// Both queues side by side, compared after every step.
struct Pair {
    fast: Queue<u32>,
    slow: SlowQueue,
    timers: Vec<TimerIx>,
    delays: Vec<DelayIx>,
    now: u64,
    events: u32,
}

impl Pair {
    fn new() -> Self {
        let mut fast = Queue::new();
        Self {
            timers: (0..TIMERS).map(|_| fast.add_timer()).collect(),
            delays: DELAYS.iter().map(|&d| fast.add_delay(SimDuration(d))).collect(),
            fast,
            slow: SlowQueue::default(),
            now: 0,
            events: 0,
        }
    }

    fn push_slow(&mut self, after: u64, timer: Option<usize>) -> (SimTime, u32) {
        self.events += 1;
        self.slow.pending.push((self.now + after, self.events, timer));
        (SimTime(self.now + after), self.events)
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Schedule { after } => {
                let (at, event) = self.push_slow(after, None);
                self.fast.schedule(at, event);
            }
            Step::SetTimer { timer, after } => {
                self.slow.clear(timer);
                let (at, event) = self.push_slow(after, Some(timer));
                self.fast.set_timer(self.timers[timer], at, event);
                assert_eq!(self.fast.timer_expiry(self.timers[timer]), Some(at));
            }
            Step::ClearTimer { timer } => {
                self.slow.clear(timer);
                self.fast.clear_timer(self.timers[timer]);
                assert_eq!(self.fast.timer_expiry(self.timers[timer]), None);
            }
            Step::ReplaceTimer { timer } => {
                self.slow.clear(timer);
                self.fast.remove_timer(self.timers[timer]);
                self.timers[timer] = self.fast.add_timer();
            }
            Step::ScheduleAfter { delay } => {
                let (_, event) = self.push_slow(DELAYS[delay], None);
                self.fast.schedule_after(self.delays[delay], SimTime(self.now), event);
            }
            Step::PopUntil { after } => {
                let limit = self.now + after;
                let expected = self.slow.pop_until(limit);
                assert_eq!(self.fast.pop_until(SimTime(limit)), expected);
                self.now = expected.map_or(limit, |(at, _)| at.0);
            }
        }
        assert_eq!(self.fast.len(), self.slow.pending.len());
        assert_eq!(self.fast.is_empty(), self.slow.pending.is_empty());
        assert_eq!(self.fast.next_time(), self.slow.next_time());
    }
}

fn drain(queue: &mut Queue<u32>) -> Vec<(SimTime, u32)> {
    std::iter::from_fn(|| queue.pop_until(SimTime::NEVER)).collect()
}

proptest! {
    #[test]
    fn queue_agrees_with_the_slow_one(steps in steps()) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.take(step);
        }
        let mut clone = pair.fast.clone();
        let rest = drain(&mut pair.fast);
        let expected: Vec<_> = std::iter::from_fn(|| pair.slow.pop_until(u64::MAX)).collect();
        prop_assert_eq!(&rest, &expected);
        prop_assert_eq!(&drain(&mut clone), &expected);
    }

    /// A clone taken in the middle and given the same steps does the same, and neither disturbs the
    /// other.
    #[test]
    fn clone_continues_identically(before in steps(), after in steps()) {
        let mut pair = Pair::new();
        for step in &before {
            pair.take(step);
        }
        let clone = pair.fast.clone();
        let (now, timers, events) = (pair.now, pair.timers.clone(), pair.events);
        let pending = pair.slow.pending.clone();
        for step in &after {
            pair.take(step);
        }
        let mut branch = Pair {
            fast: clone,
            slow: SlowQueue { pending },
            timers,
            delays: pair.delays.clone(),
            now,
            events,
        };
        for step in &after {
            branch.take(step);
        }
        prop_assert_eq!(drain(&mut branch.fast), drain(&mut pair.fast));
    }
}

#[test]
fn equal_times_fire_as_scheduled_across_the_stores() {
    let mut queue = Queue::new();
    let (a, b) = (queue.add_timer(), queue.add_timer());
    let delay = queue.add_delay(SimDuration(5));
    let at = SimTime(5);
    queue.schedule_after(delay, SimTime::ZERO, 1);
    queue.set_timer(a, at, 0);
    queue.schedule(at, 2);
    queue.set_timer(b, at, 3);
    queue.schedule(at, 4);
    queue.set_timer(a, at, 5);
    queue.schedule_after(delay, SimTime::ZERO, 6);
    let order: Vec<_> = drain(&mut queue).into_iter().map(|(_, event)| event).collect();
    assert_eq!(order, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn never_is_not_kept() {
    let mut queue = Queue::new();
    let timer = queue.add_timer();
    let delay = queue.add_delay(SimDuration(u64::MAX));
    queue.set_timer(timer, SimTime(1), 0);
    queue.set_timer(timer, SimTime::NEVER, 0);
    queue.schedule(SimTime::NEVER, 0);
    queue.schedule_after(delay, SimTime(1), 0);
    assert!(queue.is_empty());
    assert_eq!((queue.next_time(), queue.pop_until(SimTime::NEVER)), (None, None));
}

/// Counts down, one tick per second.
struct Countdown {
    left: u32,
    last: SimTime,
}

impl Model for Countdown {
    type Event = ();

    fn handle(&mut self, now: SimTime, (): (), queue: &mut Queue<()>) {
        self.left -= 1;
        self.last = now;
        if self.left > 0 {
            queue.schedule(now + SimDuration::SECOND, ());
        }
    }
}

#[test]
fn run_until_includes_its_end() {
    let mut model = Countdown { left: 10, last: SimTime::ZERO };
    let mut queue = Queue::new();
    queue.schedule(SimTime::ZERO, ());
    let second = |n| SimTime::ZERO + SimDuration::from_secs(n);
    assert_eq!(run_until(&mut model, &mut queue, second(3)), 4);
    assert_eq!((model.left, model.last), (6, second(3)));
    assert_eq!(queue.next_time(), Some(second(4)));
    assert_eq!(run_until(&mut model, &mut queue, SimTime::NEVER), 6);
    assert_eq!((model.last, queue.len()), (second(9), 0));
}
