//! Whether two worlds order the same things in the same way.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::Mean;

/// Pairs that two rankings order, counted, and Kendall's tau-b of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Concordance {
    /// Pairs that both order in the same way.
    pub concordant: u32,
    /// Pairs that they order in opposite ways.
    pub discordant: u32,
    /// Pairs that are equal in the first alone.
    pub tied_first: u32,
    /// Pairs that are equal in the second alone.
    pub tied_second: u32,
    /// Pairs that are equal in both.
    pub tied_both: u32,
    /// From -1, all opposite, to 1, all the same; none where one of the two orders nothing.
    pub tau_b: Option<f64>,
}

impl Concordance {
    /// How many pairs there are.
    pub const fn pairs(&self) -> u32 {
        self.concordant + self.discordant + self.tied_first + self.tied_second + self.tied_both
    }
}

/// Kendall's tau-b (M. G. Kendall, Biometrika 33, 1945) from pairs of things: of each pair, what the one has more than the
/// other in the first ranking, and in the second. They need not be all pairs of the things. A pair with something that is
/// not a number is left out.
pub fn kendall_tau_b(pairs: impl IntoIterator<Item = (f64, f64)>) -> Concordance {
    let mut counts = Concordance::default();
    for (first, second) in pairs {
        let Some(signs) = first.partial_cmp(&0.0).zip(second.partial_cmp(&0.0)) else { continue };
        let counted = match signs {
            (Ordering::Equal, Ordering::Equal) => &mut counts.tied_both,
            (Ordering::Equal, _) => &mut counts.tied_first,
            (_, Ordering::Equal) => &mut counts.tied_second,
            (a, b) if a == b => &mut counts.concordant,
            _ => &mut counts.discordant,
        };
        *counted += 1;
    }
    let (same, opposite) = (f64::from(counts.concordant), f64::from(counts.discordant));
    let ordered = same + opposite;
    let spread = (ordered + f64::from(counts.tied_first)) * (ordered + f64::from(counts.tied_second));
    counts.tau_b = (spread > 0.0).then(|| (same - opposite) / spread.sqrt());
    counts
}

/// Whether the intervals of two means have nothing in common; none where one of them has no interval.
pub fn are_apart(a: &Mean, b: &Mean) -> Option<bool> {
    let (a, b) = (a.low.zip(a.high)?, b.low.zip(b.high)?);
    Some(a.1 < b.0 || b.1 < a.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All pairs of things with two figures each.
    fn of(things: &[(f64, f64)]) -> Concordance {
        let pairs =
            things.iter().enumerate().flat_map(|(i, a)| things[..i].iter().map(move |b| (a.0 - b.0, a.1 - b.1)));
        kendall_tau_b(pairs)
    }

    fn near(found: Option<f64>, expected: f64) -> bool {
        found.is_some_and(|found| (found - expected).abs() < 1e-9)
    }

    #[test]
    fn tau_without_ties_is_the_difference_of_the_counts_over_all_pairs() {
        let same = of(&[(1.0, 10.0), (2.0, 20.0), (3.0, 30.0)]);
        assert_eq!((same.concordant, same.discordant), (3, 0));
        assert!(near(same.tau_b, 1.0), "{same:?}");
        assert!(near(of(&[(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)]).tau_b, -1.0));
        // Of the six pairs of 1 2 3 4 beside 1 3 2 4 only 2 and 3 are exchanged: (5 - 1) / 6.
        let one = of(&[(1.0, 1.0), (2.0, 3.0), (3.0, 2.0), (4.0, 4.0)]);
        assert_eq!((one.concordant, one.discordant, one.pairs()), (5, 1, 6));
        assert!(near(one.tau_b, 2.0 / 3.0), "{one:?}");
    }

    #[test]
    fn ties_shorten_the_divisor() {
        // First 1 1 2 3, second 1 2 2 3. Tied in the first alone: a and b; in the second alone: b and c; the other four
        // agree. (4 - 0) / sqrt((4 + 1) * (4 + 1)).
        let ties = of(&[(1.0, 1.0), (1.0, 2.0), (2.0, 2.0), (3.0, 3.0)]);
        let expected =
            Concordance { concordant: 4, tied_first: 1, tied_second: 1, tau_b: Some(0.8), ..Concordance::default() };
        assert_eq!(ties, expected);
        // First 1 1 1, second 1 1 2: one pair is equal in both, two in the first alone, and the first orders nothing.
        let none = of(&[(1.0, 1.0), (1.0, 1.0), (1.0, 2.0)]);
        assert_eq!((none.tied_both, none.tied_first, none.tau_b), (1, 2, None));
        assert_eq!(kendall_tau_b([]), Concordance::default());
        assert_eq!(kendall_tau_b([(f64::NAN, 1.0), (1.0, 1.0)]).pairs(), 1);
    }

    #[test]
    fn intervals_are_apart_where_neither_reaches_the_other() {
        let mean = |low, high| Mean { mean: f64::midpoint(low, high), low: Some(low), high: Some(high) };
        assert_eq!(are_apart(&mean(1.0, 2.0), &mean(3.0, 4.0)), Some(true));
        assert_eq!(are_apart(&mean(3.0, 4.0), &mean(1.0, 2.0)), Some(true));
        assert_eq!(are_apart(&mean(1.0, 3.0), &mean(3.0, 4.0)), Some(false), "they touch");
        assert_eq!(are_apart(&mean(1.0, 9.0), &mean(3.0, 4.0)), Some(false));
        assert_eq!(are_apart(&Mean { mean: 1.0, low: None, high: None }, &mean(3.0, 4.0)), None);
    }
}
