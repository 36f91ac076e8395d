//! The event engine: one queue of pending events and the loop that hands them to a model.
//!
//! Terms. An *event* is a small `Copy` value that a [`Model`] understands. A *one-shot* is
//! scheduled once and always fires. A *timer* is a slot with at most one pending expiry, which can
//! be set anew or cleared. A *delay* is a constant length of time after which many events fire.
//!
//! ```text
//!              schedule(at, event)        set_timer(ix, at, event)     schedule_after(ix, now, event)
//!                     │                            │                              │
//!   Queue      4-ary heap of one-shots   indexed 4-ary heap of timers    one FIFO ring per delay
//!                     └────────────────────────────┼──────────────────────────────┘
//!                                   pop_until(limit): the earliest
//! ```
//!
//! Invariants:
//! - Events fire in the order of their time, and those of equal time in the order in which they
//!   were scheduled, whichever store they lie in: all three share one sequence counter.
//! - Time never runs backwards; to schedule before the event that fired last is a bug.
//! - An event at [`SimTime::NEVER`] never fires, and so is not kept.
//! - A one-shot or a delayed event cannot be taken back. What may have to be is a timer: setting it
//!   again or clearing it removes the old expiry from the queue, so no stale event ever reaches the
//!   model. [`Queue::add_timer`] and [`Queue::remove_timer`] recycle slots, so that every request
//!   in flight can have a timer of its own.
//! - The queue is plain data in a few vectors: a clone continues exactly as the original would.
//!
//! Costs with n pending: one-shots and timers O(log n), delays O(log of the number of delays).

mod heap;
mod rings;
mod timers;

use heap::{OneShots, Stamp};
use rings::Rings;
use timers::Timers;

pub use rings::DelayIx;
pub use timers::TimerIx;

use crate::time::{SimDuration, SimTime};

/// What reacts to events: a simulated world, or a queueing model that a test compares with theory.
pub trait Model {
    /// What can happen, usually an enum of at most 16 bytes: the queue moves it around.
    type Event: Copy;

    /// Lets `event` happen at `now`; what follows from it is scheduled on `queue`.
    fn handle(&mut self, now: SimTime, event: Self::Event, queue: &mut Queue<Self::Event>);
}

/// Handles events in order up to and including those at `until`; returns how many fired.
#[inline]
pub fn run_until<M: Model>(model: &mut M, queue: &mut Queue<M::Event>, until: SimTime) -> u64 {
    let mut fired = 0;
    while let Some((now, event)) = queue.pop_until(until) {
        model.handle(now, event, queue);
        fired += 1;
    }
    fired
}

/// The pending events of one world. See the module for its three stores and their order.
#[derive(Clone, Debug)]
pub struct Queue<E> {
    one_shots: OneShots<E>,
    timers: Timers<E>,
    rings: Rings<E>,
    /// Number of schedulings so far: the order among events of equal time.
    sequence: u64,
    /// When the last event fired.
    now: SimTime,
}

impl<E: Copy> Default for Queue<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Copy> Queue<E> {
    /// An empty queue at the start of time.
    pub fn new() -> Self {
        Self {
            one_shots: OneShots::default(),
            timers: Timers::default(),
            rings: Rings::default(),
            sequence: 0,
            now: SimTime::ZERO,
        }
    }

    /// Lets `event` fire at `at`. It cannot be cancelled: use a timer for what may have to be.
    #[inline]
    pub fn schedule(&mut self, at: SimTime, event: E) {
        if let Some(stamp) = self.stamp(at) {
            self.one_shots.push(stamp, event);
        }
    }

    /// A new timer, not set.
    pub fn add_timer(&mut self) -> TimerIx {
        self.timers.add()
    }

    /// Gives the slot of `timer` back, cleared. Its index may be handed out again.
    #[inline]
    pub fn remove_timer(&mut self, timer: TimerIx) {
        self.timers.remove(timer);
    }

    /// Sets `timer` to fire `event` at `at`, in place of the expiry that it may have pending. In
    /// the order among equal times it counts as scheduled now. [`SimTime::NEVER`] clears it.
    #[inline]
    pub fn set_timer(&mut self, timer: TimerIx, at: SimTime, event: E) {
        match self.stamp(at) {
            Some(stamp) => self.timers.set(timer, stamp, event),
            None => self.timers.clear(timer),
        }
    }

    /// Takes back the pending expiry of `timer`, if it has one.
    #[inline]
    pub fn clear_timer(&mut self, timer: TimerIx) {
        self.timers.clear(timer);
    }

    /// When `timer` will fire, if it is set.
    pub fn timer_expiry(&self, timer: TimerIx) -> Option<SimTime> {
        self.timers.expiry(timer)
    }

    /// A new constant delay for [`Queue::schedule_after`].
    pub fn add_delay(&mut self, delay: SimDuration) -> DelayIx {
        self.rings.add(delay)
    }

    /// Lets `event` fire one `delay` after `now`, which must not lie before an earlier `now` of the
    /// same delay.
    #[inline]
    pub fn schedule_after(&mut self, delay: DelayIx, now: SimTime, event: E) {
        if let Some(stamp) = self.stamp(now + self.rings.delay(delay)) {
            self.rings.push(delay, stamp, event);
        }
    }

    /// Removes and returns the earliest event if it is due at `limit` or before.
    #[inline]
    pub fn pop_until(&mut self, limit: SimTime) -> Option<(SimTime, E)> {
        self.one_shots.settle();
        self.timers.settle();
        let (one_shot, timer, ring) = self.heads();
        let earliest = one_shot.min(timer).min(ring);
        if earliest.time > limit || earliest == Stamp::NEVER {
            return None;
        }
        self.now = earliest.time;
        let event = if earliest == one_shot {
            self.one_shots.pop()
        } else if earliest == timer {
            self.timers.pop()
        } else {
            self.rings.pop()
        };
        event.map(|event| (earliest.time, event))
    }

    /// When the next event is due.
    pub fn next_time(&self) -> Option<SimTime> {
        let (one_shot, timer, ring) = self.heads();
        let earliest = one_shot.min(timer).min(ring);
        (earliest != Stamp::NEVER).then_some(earliest.time)
    }

    /// Number of pending events.
    pub fn len(&self) -> usize {
        self.one_shots.len() + self.timers.len() + self.rings.len()
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The earliest stamp of each store.
    #[inline]
    fn heads(&self) -> (Stamp, Stamp, Stamp) {
        (self.one_shots.first(), self.timers.first(), self.rings.first())
    }

    /// The next place in the order, for an event at `at`.
    #[inline]
    fn stamp(&mut self, at: SimTime) -> Option<Stamp> {
        debug_assert!(at >= self.now, "scheduled at {at}, but {} has passed", self.now);
        self.sequence += 1;
        (at != SimTime::NEVER).then_some(Stamp { time: at, sequence: self.sequence })
    }
}
