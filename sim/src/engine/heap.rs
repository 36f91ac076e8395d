//! A 4-ary min-heap: wider than a binary one, so half as deep, and the four children of a node lie
//! side by side in memory.
//!
//! [`sift_up`] and [`sift_down`] move a hole instead of swapping. They serve the heap of one-shots
//! here and the indexed heap of `timers`, which wants to be told where each node came to lie.

use crate::time::SimTime;

/// The place of an event in the total order: its time, then the order of scheduling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) time: SimTime,
    pub(super) sequence: u64,
}

impl Stamp {
    /// After every event: what an empty store answers.
    pub(super) const NEVER: Self = Self { time: SimTime::NEVER, sequence: u64::MAX };

    /// Both words as one number, so that a comparison is two instructions and no branch.
    #[inline]
    fn rank(self) -> u128 {
        (u128::from(self.time.0) << 64) | u128::from(self.sequence)
    }

    #[inline]
    pub(super) fn before(self, other: Self) -> bool {
        self.rank() < other.rank()
    }

    #[inline]
    pub(super) fn min(self, other: Self) -> Self {
        if other.before(self) { other } else { self }
    }
}

/// What lies in a heap.
pub(super) trait Node: Copy {
    fn stamp(&self) -> Stamp;
}

/// Puts `node` where it belongs on the path from `hole` to the root; `placed` hears of every node
/// that moved and of its new index.
#[inline]
pub(super) fn sift_up<N: Node>(nodes: &mut [N], mut hole: usize, node: N, mut placed: impl FnMut(&N, usize)) {
    while hole > 0 {
        let parent = (hole - 1) / 4;
        if !node.stamp().before(nodes[parent].stamp()) {
            break;
        }
        nodes[hole] = nodes[parent];
        placed(&nodes[hole], hole);
        hole = parent;
    }
    nodes[hole] = node;
    placed(&node, hole);
}

/// Puts `node` where it belongs below `hole`; `placed` as for [`sift_up`].
#[inline]
pub(super) fn sift_down<N: Node>(nodes: &mut [N], mut hole: usize, node: N, mut placed: impl FnMut(&N, usize)) {
    while let Some(child) = earliest_child(nodes, hole) {
        if !nodes[child].stamp().before(node.stamp()) {
            break;
        }
        nodes[hole] = nodes[child];
        placed(&nodes[hole], hole);
        hole = child;
    }
    nodes[hole] = node;
    placed(&node, hole);
}

/// The child of `parent` that comes first.
#[inline]
fn earliest_child<N: Node>(nodes: &[N], parent: usize) -> Option<usize> {
    let first = 4 * parent + 1;
    if let Some(group) = nodes.get(first..).and_then(|rest| rest.first_chunk::<4>()) {
        let numbered = |i: usize| (group[i].stamp().rank(), first + i);
        let earlier = |a: (u128, usize), b: (u128, usize)| if b.0 < a.0 { b } else { a };
        let left = earlier(numbered(0), numbered(1));
        let right = earlier(numbered(2), numbered(3));
        return Some(earlier(left, right).1);
    }
    (first..nodes.len()).min_by_key(|&i| nodes[i].stamp().rank())
}

/// The events that fire once and cannot be taken back.
///
/// A pop leaves the root vacant instead of moving the last node there at once, since what handles
/// the event nearly always schedules another: that one then sinks from the root, and the two sifts
/// have become one.
#[derive(Clone, Debug)]
pub(super) struct OneShots<E> {
    nodes: Vec<OneShot<E>>,
    /// Whether the root holds an event that has been popped.
    vacant: bool,
}

#[derive(Clone, Copy, Debug)]
struct OneShot<E> {
    stamp: Stamp,
    event: E,
}

impl<E: Copy> Node for OneShot<E> {
    #[inline]
    fn stamp(&self) -> Stamp {
        self.stamp
    }
}

impl<E> Default for OneShots<E> {
    fn default() -> Self {
        Self { nodes: Vec::new(), vacant: false }
    }
}

impl<E: Copy> OneShots<E> {
    #[inline]
    pub(super) fn push(&mut self, stamp: Stamp, event: E) {
        let node = OneShot { stamp, event };
        if self.vacant {
            self.vacant = false;
            sift_down(&mut self.nodes, 0, node, |_, _| {});
        } else {
            self.nodes.push(node);
            let hole = self.nodes.len() - 1;
            sift_up(&mut self.nodes, hole, node, |_, _| {});
        }
    }

    /// Fills the root if it is vacant.
    #[inline]
    pub(super) fn settle(&mut self) {
        if self.vacant {
            self.vacant = false;
            if let Some(last) = self.nodes.pop()
                && !self.nodes.is_empty()
            {
                sift_down(&mut self.nodes, 0, last, |_, _| {});
            }
        }
    }

    /// The earliest stamp; [`Stamp::NEVER`] if there is none.
    #[inline]
    pub(super) fn first(&self) -> Stamp {
        let root = usize::from(self.vacant).min(self.nodes.len());
        let candidates = &self.nodes[root..];
        let candidates = candidates.iter().take(if self.vacant { 4 } else { 1 });
        candidates.fold(Stamp::NEVER, |earliest, node| earliest.min(node.stamp))
    }

    /// The earliest event, of a heap that has been settled.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<E> {
        debug_assert!(!self.vacant, "popped twice without settling");
        let first = self.nodes.first()?;
        self.vacant = true;
        Some(first.event)
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len() - usize::from(self.vacant)
    }
}
