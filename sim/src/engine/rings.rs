//! Constant delays: what is scheduled later fires later, so a ring per delay is always sorted and
//! scheduling costs no comparison. Only the head of each ring competes with the others.

use std::collections::VecDeque;

use super::heap::Stamp;
use super::timers::IndexedHeap;
use crate::time::SimDuration;

/// A constant delay of one [`Queue`](super::Queue).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DelayIx(pub u32);

#[derive(Clone, Debug)]
struct Ring<E> {
    delay: SimDuration,
    pending: VecDeque<(Stamp, E)>,
}

/// The rings, and a heap of their heads.
#[derive(Clone, Debug)]
pub(super) struct Rings<E> {
    rings: Vec<Ring<E>>,
    /// The slot of a ring is its index; it is absent while the ring is empty.
    heads: IndexedHeap,
}

impl<E> Default for Rings<E> {
    fn default() -> Self {
        Self { rings: Vec::new(), heads: IndexedHeap::default() }
    }
}

impl<E: Copy> Rings<E> {
    pub(super) fn add(&mut self, delay: SimDuration) -> DelayIx {
        self.rings.push(Ring { delay, pending: VecDeque::new() });
        DelayIx(self.heads.add_slot())
    }

    #[inline]
    pub(super) fn delay(&self, delay: DelayIx) -> SimDuration {
        self.rings[delay.0 as usize].delay
    }

    #[inline]
    pub(super) fn push(&mut self, delay: DelayIx, stamp: Stamp, event: E) {
        let pending = &mut self.rings[delay.0 as usize].pending;
        debug_assert!(
            pending.back().is_none_or(|(last, _)| last.before(stamp)),
            "{delay:?} was used with an earlier `now` than before"
        );
        if pending.is_empty() {
            self.heads.set(delay.0, stamp);
        }
        pending.push_back((stamp, event));
    }

    #[inline]
    pub(super) fn first(&self) -> Stamp {
        self.heads.first()
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<E> {
        let slot = self.heads.first_slot()?;
        let pending = &mut self.rings[slot as usize].pending;
        let (_, event) = pending.pop_front()?;
        match pending.front() {
            Some(&(next, _)) => self.heads.set(slot, next),
            None => self.heads.remove(slot),
        }
        Some(event)
    }

    pub(super) fn len(&self) -> usize {
        self.rings.iter().map(|ring| ring.pending.len()).sum()
    }
}
