//! When something happens next in each group of a node, the earliest at hand.
//!
//! A tree of winners: the root stands at 1, the children of `at` at `2 at` and `2 at + 1`, the groups side by side below.
//! Only what lies above a group that has changed is played again, always to the root and without branches on the times, since
//! nobody could predict them.

use std::hint::select_unpredictable;

use crate::time::SimTime;

#[derive(Clone, Copy, Debug)]
struct Winner {
    due: SimTime,
    group: u32,
}

/// A moment for each group; [`SimTime::NEVER`] for those that do not exist.
#[derive(Clone, Debug)]
pub(super) struct Dues {
    /// Twice as many as the groups that there is room for, which are a power of two. The first is not used.
    winners: Vec<Winner>,
}

impl Dues {
    pub(super) fn new() -> Self {
        Self::with_room(1)
    }

    fn with_room(groups: usize) -> Self {
        let room = groups.next_power_of_two();
        let mut dues = Self { winners: vec![Winner { due: SimTime::NEVER, group: 0 }; 2 * room] };
        for group in 0..room {
            dues.winners[room + group].group = group as u32;
        }
        // Among equal ones the first wins.
        for at in (1..room).rev() {
            dues.winners[at] = dues.winners[2 * at];
        }
        dues
    }

    fn room(&self) -> usize {
        self.winners.len() / 2
    }

    /// Makes room for so many groups.
    pub(super) fn make_room(&mut self, groups: usize) {
        if groups > self.room() {
            let before = std::mem::replace(self, Self::with_room(groups));
            for group in 0..before.room() {
                self.set(group, before.of(group));
            }
        }
    }

    /// When it is due.
    pub(super) fn of(&self, group: usize) -> SimTime {
        self.winners[self.room() + group].due
    }

    pub(super) fn set(&mut self, group: usize, due: SimTime) {
        let mut at = self.room() + group;
        self.winners[at].due = due;
        while at > 1 {
            at /= 2;
            let (left, right) = (self.winners[2 * at], self.winners[2 * at + 1]);
            let is_right = right.due < left.due;
            self.winners[at] = Winner {
                due: select_unpredictable(is_right, right.due, left.due),
                group: select_unpredictable(is_right, right.group, left.group),
            };
        }
    }

    /// The earliest.
    pub(super) fn earliest(&self) -> SimTime {
        self.winners[1].due
    }

    /// The first group that is due at the earliest, and whether others are, too.
    pub(super) fn first(&self) -> (usize, bool) {
        let Winner { due, group } = self.winners[1];
        let (mut at, mut is_tied) = (self.room() + group as usize, false);
        while at > 1 {
            is_tied |= self.winners[at ^ 1].due == due;
            at /= 2;
        }
        (group as usize, is_tied)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_of_the_earliest_wins(changes in prop::collection::vec((0..11_usize, 0..6_u64), 1..60)) {
            let mut dues = Dues::new();
            let mut plain = Vec::new();
            for (group, due) in changes {
                if group >= plain.len() {
                    plain.resize(group + 1, SimTime::NEVER);
                    dues.make_room(plain.len());
                }
                plain[group] = SimTime(due);
                dues.set(group, SimTime(due));
                let earliest = *plain.iter().min().expect("there is one");
                let those: Vec<_> = (0..plain.len()).filter(|group| plain[*group] == earliest).collect();
                prop_assert_eq!(dues.earliest(), earliest);
                prop_assert_eq!(dues.first(), (those[0], those.len() > 1));
                prop_assert!((0..plain.len()).all(|group| dues.of(group) == plain[group]));
            }
        }
    }
}
