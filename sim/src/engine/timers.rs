//! Timers: slots with at most one pending expiry, which can be set anew and cleared.
//!
//! Built on an *indexed* heap, which knows where in the heap each slot's node lies and so can move
//! or remove it in place. A timeout that is usually cleared before it fires lies at the bottom of
//! the heap, where both are cheap. (Measured against a flat array with a remembered minimum, per pop
//! and two settings: 28 ns against 18 with 4 slots, equal at 16, 36 against 94 with 128.)

use super::heap::{Node, Stamp, sift_down, sift_up};
use crate::time::SimTime;

/// A timer of one [`Queue`](super::Queue).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerIx(pub u32);

/// A 4-ary heap of slot numbers, at most one node for each slot.
#[derive(Clone, Debug, Default)]
pub(super) struct IndexedHeap {
    nodes: Vec<SlotNode>,
    /// By slot: index of its node, or [`ABSENT`].
    positions: Vec<u32>,
}

const ABSENT: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct SlotNode {
    stamp: Stamp,
    slot: u32,
}

impl Node for SlotNode {
    #[inline]
    fn stamp(&self) -> Stamp {
        self.stamp
    }
}

impl IndexedHeap {
    /// A new slot, absent from the heap.
    pub(super) fn add_slot(&mut self) -> u32 {
        self.positions.push(ABSENT);
        self.positions.len() as u32 - 1
    }

    /// The earliest stamp; [`Stamp::NEVER`] if there is none.
    #[inline]
    pub(super) fn first(&self) -> Stamp {
        self.nodes.first().map_or(Stamp::NEVER, |node| node.stamp)
    }

    /// The slot of the earliest stamp.
    #[inline]
    pub(super) fn first_slot(&self) -> Option<u32> {
        self.nodes.first().map(|node| node.slot)
    }

    /// The second earliest stamp; [`Stamp::NEVER`] if there is none.
    #[inline]
    fn second(&self) -> Stamp {
        let children = self.nodes.iter().skip(1).take(4);
        children.fold(Stamp::NEVER, |earliest, node| earliest.min(node.stamp))
    }

    pub(super) fn stamp(&self, slot: u32) -> Option<Stamp> {
        self.nodes.get(self.positions[slot as usize] as usize).map(|node| node.stamp)
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Gives `slot` a stamp, in place of the one it may have.
    #[inline]
    pub(super) fn set(&mut self, slot: u32, stamp: Stamp) {
        let node = SlotNode { stamp, slot };
        let position = self.positions[slot as usize];
        if position == ABSENT {
            self.nodes.push(node);
            self.place(self.nodes.len() - 1, node);
        } else {
            self.place(position as usize, node);
        }
    }

    /// Takes `slot` out of the heap, if it is there.
    #[inline]
    pub(super) fn remove(&mut self, slot: u32) {
        let position = self.positions[slot as usize];
        if position == ABSENT {
            return;
        }
        self.positions[slot as usize] = ABSENT;
        let last = self.nodes.pop().expect("a slot with a position has a node");
        if last.slot != slot {
            self.place(position as usize, last);
        }
    }

    /// Puts `node` into `hole`, or above or below it, where the order wants it.
    #[inline]
    fn place(&mut self, hole: usize, node: SlotNode) {
        let Self { nodes, positions } = self;
        let placed = |node: &SlotNode, index: usize| positions[node.slot as usize] = index as u32;
        if hole > 0 && node.stamp.before(nodes[(hole - 1) / 4].stamp) {
            sift_up(nodes, hole, node, placed);
        } else {
            sift_down(nodes, hole, node, placed);
        }
    }
}

/// The timers and what they fire.
///
/// A timer that fires stays at the root of the heap, where its stamp, before all others, keeps the heap in order: what
/// handles the event nearly always sets the same timer anew, and then it sinks from there. Taken out and put back, it
/// would cost a sift over the whole height each time.
#[derive(Clone, Debug)]
pub(super) struct Timers<E> {
    heap: IndexedHeap,
    /// The timer that fired last, as long as it is at the root without being set.
    fired: Option<u32>,
    /// By slot; read only while the slot is in the heap.
    events: Vec<Option<E>>,
    free: Vec<u32>,
}

impl<E> Default for Timers<E> {
    fn default() -> Self {
        Self { heap: IndexedHeap::default(), fired: None, events: Vec::new(), free: Vec::new() }
    }
}

impl<E: Copy> Timers<E> {
    pub(super) fn add(&mut self) -> TimerIx {
        if let Some(slot) = self.free.pop() {
            return TimerIx(slot);
        }
        self.events.push(None);
        TimerIx(self.heap.add_slot())
    }

    #[inline]
    pub(super) fn remove(&mut self, timer: TimerIx) {
        debug_assert!(!self.free.contains(&timer.0), "{timer:?} was removed twice");
        self.clear(timer);
        self.free.push(timer.0);
    }

    #[inline]
    pub(super) fn set(&mut self, timer: TimerIx, stamp: Stamp, event: E) {
        self.fired.take_if(|fired| *fired == timer.0);
        self.events[timer.0 as usize] = Some(event);
        self.heap.set(timer.0, stamp);
    }

    #[inline]
    pub(super) fn clear(&mut self, timer: TimerIx) {
        self.fired.take_if(|fired| *fired == timer.0);
        self.heap.remove(timer.0);
    }

    pub(super) fn expiry(&self, timer: TimerIx) -> Option<SimTime> {
        let stamp = self.heap.stamp(timer.0).filter(|_| self.fired != Some(timer.0));
        stamp.map(|stamp| stamp.time)
    }

    /// Takes the timer that fired last out of the heap, if it has not been set since.
    #[inline]
    pub(super) fn settle(&mut self) {
        if let Some(fired) = self.fired.take() {
            self.heap.remove(fired);
        }
    }

    #[inline]
    pub(super) fn first(&self) -> Stamp {
        if self.fired.is_some() { self.heap.second() } else { self.heap.first() }
    }

    /// The event of the earliest timer, of timers that have been settled.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<E> {
        debug_assert!(self.fired.is_none(), "popped twice without settling");
        self.fired = self.heap.first_slot();
        self.events[self.fired? as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len() - usize::from(self.fired.is_some())
    }
}
