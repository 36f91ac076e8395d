//! How the cores of a full node are shared among groups.

use super::fixed::{FRACTION_BITS, FULL_SPEED};

/// What one group asks of a full node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    /// `cpu.shares` or `cpu.weight`.
    pub(super) weight: u64,
    /// What could run now and fill a core each: threads, or the lanes of a limited group.
    pub(super) runners: u64,
    /// The answer: speed of each of them, rounded down, so that no core is given out twice.
    pub(super) rate: u64,
}

/// Max-min fair shares with caps (water-filling): a group never gets more than it has runners
/// for, and what it leaves goes to the others in proportion to their weights.
///
/// Caps are whole cores, so the rest stays a whole number and every comparison is exact.
pub(super) fn water_fill(cores: u64, claims: &mut [Claim]) {
    for claim in claims.iter_mut() {
        claim.rate = 0;
    }
    let mut left = cores;
    loop {
        let open = claims.iter().filter(|c| c.rate == 0 && c.runners > 0);
        let weights: u64 = open.map(|c| c.weight).sum();
        // Capped in this round: those whose proportional share would cover all their threads.
        let mut satisfied = 0;
        for c in claims.iter_mut().filter(|c| c.rate == 0 && c.runners > 0) {
            if u128::from(c.weight) * u128::from(left) >= u128::from(c.runners) * u128::from(weights) {
                c.rate = FULL_SPEED;
                satisfied += c.runners;
            }
        }
        if satisfied == 0 {
            for c in claims.iter_mut().filter(|c| c.rate == 0 && c.runners > 0) {
                let share = u128::from(c.weight * left) << FRACTION_BITS;
                c.rate = (share / u128::from(weights * c.runners)) as u64;
            }
            return;
        }
        left -= satisfied;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cores: u64, groups: &[(u64, u64)], cores_each: &[f64]) {
        let mut claims: Vec<Claim> =
            groups.iter().map(|&(weight, runners)| Claim { weight, runners, rate: 0 }).collect();
        water_fill(cores, &mut claims);
        for (claim, expected) in claims.iter().zip(cores_each) {
            let got = claim.rate as f64 / FULL_SPEED as f64 * claim.runners as f64;
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
