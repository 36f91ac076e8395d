//! Chance by key: every random number is a function of *what it is for*, not of how many were drawn
//! before it.
//!
//! A [`Key`] names one purpose, built up from the seed of the run: component, user, request, call
//! path, operation. [`Key::draw`] opens the short sequence of random bits that belongs to the key.
//! Two policies that play the same seed therefore see the same users, demands and delays wherever
//! their worlds agree (common random numbers), and a draw added in one place shifts none elsewhere.
//!
//! ```
//! # use sim::chance::Key;
//! let demands = Key::root(7).with_str("carts").with_str("demand");
//! let request = 42;
//! let factor = demands.with(request).draw().exponential();
//! assert_eq!(factor, demands.with(request).draw().exponential());
//! ```
//!
//! Invariants:
//! - The same key gives the same numbers on every machine: integer arithmetic, IEEE operations that
//!   are exact by the standard, and `libm` for the few logarithms and exponentials.
//! - A key never depends on an address, a hash map's order or an index that another policy's actions
//!   could shift. Whoever builds a key sees to that.
//!
//! Not cryptographic.

mod exp;
mod samplers;
mod ziggurat;

use std::convert::Infallible;

use rand::TryRng;

pub(crate) use exp::exp;
pub use samplers::{Gamma, LogNormal, Weighted};

/// What a random number is for, as 64 well mixed bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u64);

/// 2^64 divided by the golden ratio: the step of `SplitMix64`.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// Odd, with as many ones as zeros: the default secret of Wang Yi's wyhash 4.
const SECRET: u64 = 0xe703_7ed1_a0b4_28db;

impl Key {
    /// The key from which a run with this seed derives all others.
    pub const fn root(seed: u64) -> Self {
        Self(mix(seed.wrapping_add(GOLDEN)))
    }

    /// The key for part `x` of this purpose: an index, a count, a kind of operation.
    ///
    /// One multiplication to 128 bits whose halves are combined, as wyhash does per word of input.
    /// [`Key::draw`] finishes the mixing.
    #[inline]
    #[must_use]
    pub const fn with(self, x: u64) -> Self {
        let product = (self.0 as u128) * ((x ^ SECRET) as u128);
        Self((product as u64) ^ ((product >> 64) as u64))
    }

    /// The key for a part that has a name; apart from those of small numbers.
    #[must_use]
    pub fn with_str(self, name: &str) -> Self {
        let mut key = self.with(!(name.len() as u64));
        for chunk in name.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            key = key.with(u64::from_le_bytes(word));
        }
        key
    }

    /// Random bits for this key, from their beginning.
    #[inline]
    pub const fn draw(self) -> Draw {
        Draw { state: self.0 }
    }
}

/// The random bits of one [`Key`]: the generator `SplitMix64` started at the key (Steele, Lea and
/// Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014). Implements rand's traits;
/// what the twin needs is here and in this module's samplers, pinned to the bit.
#[derive(Debug)]
pub struct Draw {
    state: u64,
}

impl Draw {
    /// The next 64 random bits.
    #[inline]
    pub const fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }
}

impl TryRng for Draw {
    type Error = Infallible;

    #[inline]
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.bits() >> 32) as u32)
    }

    #[inline]
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.bits())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            let word = self.bits().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

/// David Stafford's variant 13 of `MurmurHash3`'s finalizer, as in `SplitMix64`: a bijection in which
/// every bit of the input changes every bit of the output with probability one half.
#[inline]
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::Rng;

    use super::*;

    /// Keys as the twin builds them: small numbers at every level.
    fn small_keys(n: u64) -> impl Iterator<Item = Key> {
        let side = n.isqrt();
        (0..side).flat_map(move |i| {
            let user = Key::root(1).with(i);
            (0..side).map(move |j| user.with(j))
        })
    }

    #[test]
    fn a_million_small_keys_are_distinct() {
        let keys: BTreeSet<_> = small_keys(1_000_000).collect();
        assert_eq!(keys.len(), 1_000_000);
        let draws: BTreeSet<_> = small_keys(1_000_000).map(|key| key.draw().bits()).collect();
        assert_eq!(draws.len(), 1_000_000);
    }

    #[test]
    fn order_and_depth_of_parts_matter() {
        let root = Key::root(0);
        let keys = [
            root,
            root.with(0),
            root.with(0).with(0),
            root.with(1),
            root.with(1).with(2),
            root.with(2).with(1),
            root.with_str(""),
            root.with_str("a"),
            root.with_str("a\0"),
            root.with_str("front-end"),
            root.with_str("front-end").with(1),
            root.with(1).with_str("front-end"),
            Key::root(1),
        ];
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
    }

    /// Flipping one bit of one part changes each bit of the first draw about half of the time.
    #[test]
    fn avalanche_is_near_one_half() {
        const TRIALS: u32 = 20_000;
        type Build = fn(u64) -> Key;
        let builds: [Build; 4] = [
            |x| Key::root(x),
            |x| Key::root(3).with(x),
            |x| Key::root(3).with(x).with(7),
            |x| Key::root(3).with(11).with(5).with(x),
        ];
        for (b, build) in builds.iter().enumerate() {
            for flipped in 0..64 {
                let mut changed = [0_u32; 64];
                for trial in 0..TRIALS {
                    let x = u64::from(trial);
                    let difference = build(x).draw().bits() ^ build(x ^ (1 << flipped)).draw().bits();
                    for (bit, count) in changed.iter_mut().enumerate() {
                        *count += (difference >> bit & 1) as u32;
                    }
                }
                // 4 * 64 * 64 proportions with a standard error of 0.35 %: 6 of them.
                for (bit, &count) in changed.iter().enumerate() {
                    let share = f64::from(count) / f64::from(TRIALS);
                    assert!((share - 0.5).abs() < 0.0213, "{b}: {flipped} -> {bit}: {share}");
                }
            }
        }
    }

    /// Pearson's chi-square of `counts` against equal shares, as standard deviations from its mean.
    fn chi_square_z(counts: &[u32]) -> f64 {
        let total: f64 = counts.iter().map(|&n| f64::from(n)).sum();
        let expected = total / counts.len() as f64;
        let sum: f64 = counts.iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
        let freedom = counts.len() as f64 - 1.0;
        (sum - freedom) / (2.0 * freedom).sqrt()
    }

    #[test]
    fn draws_of_sequential_keys_are_uniform_and_independent() {
        type Cell = fn(&[u64; 3]) -> u64;
        let cells: [(&str, Cell); 5] = [
            ("high bits", |d| d[1] >> 54),
            ("low bits", |d| d[1] & 1023),
            ("high bits of neighbours", |d| (d[0] >> 59) << 5 | d[1] >> 59),
            ("low bits of neighbours", |d| (d[0] & 31) << 5 | d[1] & 31),
            ("first and second draw", |d| (d[1] >> 59) << 5 | d[2] >> 59),
        ];
        for (name, cell) in cells {
            for seed in 0..20 {
                let mut counts = [0_u32; 1024];
                let purpose = Key::root(seed).with(3);
                for i in 0..50_000 {
                    let mut draw = purpose.with(i + 1).draw();
                    let words = [purpose.with(i).draw().bits(), draw.bits(), draw.bits()];
                    counts[cell(&words) as usize] += 1;
                }
                let z = chi_square_z(&counts);
                assert!(z.abs() < 4.5, "{name}, seed {seed}: {z}");
            }
        }
    }

    #[test]
    fn draws_are_pinned() {
        let mut draw = Key::root(42).with_str("carts").with(7).draw();
        let words = [draw.next_u64(), draw.next_u64(), u64::from(draw.next_u32())];
        assert_eq!(words, [14_283_725_917_972_042_915, 13_336_021_302_555_881_663, 1_961_872_738]);
        let mut bytes = [0; 11];
        Key::root(42).draw().fill_bytes(&mut bytes);
        assert_eq!(bytes[..8], Key::root(42).draw().bits().to_le_bytes());
    }
}
