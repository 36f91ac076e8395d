//! What the tokens of a model cost.
//!
//! Money is counted in millionths of a US dollar (`µUSD`), as integers. A price in dollars per million tokens is the same
//! number in `µUSD` per token, so that no conversion loses anything. Each call is rounded *up* to whole `µUSD`: a total is
//! never below the bill, and above it by less than 1 `µUSD` per call. Discounts (cached input, batches) are not counted.

use serde::{Deserialize, Serialize};

use crate::policy::Tokens;

/// Highest price that is believed to be one: dollars per million tokens.
pub const HIGHEST_PRICE: f64 = 1e6;

/// The price list of a model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// US dollars per million tokens read.
    pub input: f64,
    /// US dollars per million tokens written, those of hidden reasoning included.
    pub output: f64,
}

impl Price {
    /// What tokens cost, in `µUSD`, rounded up.
    pub fn of(&self, tokens: Tokens) -> u64 {
        let exact =
            u128::from(tokens.input) * micros_of(self.input) + u128::from(tokens.output) * micros_of(self.output);
        u64::try_from(exact.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

/// A price in millionths of a `µUSD` per token, so that prices such as 0.075 are exact. What is no price counts as zero.
fn micros_of(price: f64) -> u128 {
    u128::from((price.clamp(0.0, HIGHEST_PRICE) * 1e6).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_costs_its_tokens_rounded_up() {
        let check = |input, output, tokens: (u64, u64), micro_usd| {
            let tokens = Tokens { input: tokens.0, output: tokens.1 };
            assert_eq!(Price { input, output }.of(tokens), micro_usd, "{input} {output} {tokens:?}");
        };
        check(0.15, 0.60, (1_000_000, 1_000_000), 750_000);
        check(0.15, 0.60, (0, 0), 0);
        check(0.15, 0.60, (1, 0), 1);
        check(0.15, 0.60, (100, 0), 15);
        check(0.15, 0.60, (101, 0), 16);
        check(0.075, 0.0, (1_000, 5), 75);
        check(0.0, 0.0, (u64::MAX, u64::MAX), 0);
        check(-1.0, f64::NAN, (1_000, 1_000), 0);
        check(1e6, 1e6, (u64::MAX, u64::MAX), u64::MAX);
    }
}
