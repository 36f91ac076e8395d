//! Chance for the generators: the same seed gives the same samples and expressions.

/// A sequence of draws (`SplitMix64`, Steele et al. 2014).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `end` without it.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// From `start` to `end` without it.
    pub(crate) fn between(&mut self, start: i64, end: i64) -> i64 {
        start + self.below((end - start) as usize) as i64
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of some.
    pub(crate) fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }

    /// Each of some with even chance, in their order.
    pub(crate) fn some<'a>(&mut self, all: &[&'a str]) -> Vec<&'a str> {
        all.iter().copied().filter(|_| self.percent(50)).collect()
    }
}
