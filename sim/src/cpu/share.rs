//! How the cores of a full node are shared among groups.

use std::hint::select_unpredictable;

use super::fixed::{FRACTION_BITS, FULL_SPEED};

/// What one group asks of its node, and gets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    /// `cpu.shares` or `cpu.weight`.
    pub(super) weight: u32,
    /// What could run now and fill a core each: threads, or the lanes of a limited group.
    pub(super) runners: u32,
    /// The answer: speed of each of them, rounded down, so that no core is given out twice. Full for a group
    /// without runners, so that whoever comes first need not be told.
    pub(super) rate: u64,
    /// The rate that the group has been told.
    pub(super) has: u64,
}

impl Claim {
    /// Of a group that does not exist.
    pub(super) const NONE: Self = Self { weight: 1, runners: 0, rate: FULL_SPEED, has: FULL_SPEED };

    fn runs(&self) -> bool {
        self.runners > 0
    }
}

/// Not decided yet.
const OPEN: u64 = 0;

/// Max-min fair shares with caps (water-filling): a group never gets more than it has runners
/// for, and what it leaves goes to the others in proportion to their weights.
///
/// Caps are whole cores, so the rest stays a whole number and every comparison is exact. A weight has 18
/// bits at most ([`super::MOST_WEIGHT`]) and a node fewer than 2^14 cores, so nothing overflows. Who is capped
/// changes from call to call, so the loops do without branches, which would be mispredicted.
pub(super) fn water_fill(cores: u32, claims: &mut [Claim]) {
    let mut weights = 0;
    for claim in claims.iter_mut() {
        claim.rate = select_unpredictable(claim.runs(), OPEN, FULL_SPEED);
        weights += u64::from(claim.weight) * u64::from(claim.runs());
    }
    let mut left = u64::from(cores);
    loop {
        // Capped in this round: those whose proportional share would cover all their threads.
        let (mut satisfied, mut their_weights) = (0, 0);
        for claim in claims.iter_mut() {
            let (weight, runners) = (u64::from(claim.weight), u64::from(claim.runners));
            let is_covered = weight * left >= runners * weights;
            let is_capped = claim.rate == OPEN && is_covered;
            claim.rate = select_unpredictable(is_capped, FULL_SPEED, claim.rate);
            satisfied += runners * u64::from(is_capped);
            their_weights += weight * u64::from(is_capped);
        }
        if satisfied == 0 {
            for claim in claims.iter_mut().filter(|claim| claim.rate == OPEN) {
                let share = (u64::from(claim.weight) * left) << FRACTION_BITS;
                claim.rate = (share / (weights * u64::from(claim.runners))).max(1);
            }
            return;
        }
        left -= satisfied;
        weights -= their_weights;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cores: u32, groups: &[(u32, u32)], cores_each: &[f64]) {
        let mut claims: Vec<Claim> =
            groups.iter().map(|&(weight, runners)| Claim { weight, runners, ..Claim::NONE }).collect();
        water_fill(cores, &mut claims);
        for (claim, expected) in claims.iter().zip(cores_each) {
            let got = claim.rate as f64 / FULL_SPEED as f64 * f64::from(claim.runners);
            assert!((got - expected).abs() < 1e-8, "{groups:?}: {claims:?}, expected {expected}");
            assert!(got <= *expected, "rounded up: {claims:?}");
        }
    }

    #[test]
    fn shares_follow_weights_up_to_what_the_threads_can_use() {
        check(2, &[(100, 2), (100, 2)], &[1.0, 1.0]);
        check(2, &[(300, 2), (100, 2)], &[1.5, 0.5]);
        check(2, &[(300, 1), (100, 2)], &[1.0, 1.0]);
        check(4, &[(1000, 1), (300, 3), (100, 9)], &[1.0, 2.25, 0.75]);
        check(4, &[(1000, 1), (1000, 1), (1, 1), (1, 2)], &[1.0, 1.0, 1.0, 1.0]);
        check(1, &[(2, 1), (2, 0), (1, 1)], &[2.0 / 3.0, 0.0, 1.0 / 3.0]);
    }
}
