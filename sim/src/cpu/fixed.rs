//! Speeds and amounts of CPU time as integers with 32 binary places.

use crate::time::{SimDuration, SimTime};

/// CPU time in units of 2⁻³² ns: exact sums of rate × time.
pub(super) type Work = i128;

/// Binary places of a rate and of [`Work`].
pub(super) const FRACTION_BITS: u32 = 32;

/// One thread on a core of its own.
pub(super) const FULL_SPEED: u64 = 1 << FRACTION_BITS;

/// One nanosecond of CPU time.
pub(super) const NANOSECOND: Work = 1 << FRACTION_BITS;

/// A length of CPU time at full speed.
pub(super) fn work(length: SimDuration) -> Work {
    Work::from(length.0) << FRACTION_BITS
}

/// What `rate` does in the time from `since` to `now`.
pub(super) fn done(since: SimTime, now: SimTime, rate: u64) -> Work {
    Work::from(now.since(since).0) * Work::from(rate)
}

/// Whole nanoseconds, rounded up, until `amount` is done at `rate`. None are needed for nothing.
pub(super) fn time_for(amount: Work, rate: u64) -> SimDuration {
    if amount <= 0 {
        return SimDuration::ZERO;
    }
    if rate == FULL_SPEED {
        let ns = (amount + (NANOSECOND - 1)) >> FRACTION_BITS;
        return SimDuration(u64::try_from(ns).unwrap_or(u64::MAX));
    }
    // Up to 4 s of work a division of 64 bits will do, which takes a fraction of one of 128.
    let ns = match u64::try_from(amount) {
        Ok(amount) => amount.div_ceil(rate),
        Err(_) => u64::try_from((amount as u128).div_ceil(u128::from(rate))).unwrap_or(u64::MAX),
    };
    SimDuration(ns)
}

/// Whole nanoseconds, rounded down.
pub(super) fn whole(amount: Work) -> SimDuration {
    SimDuration((amount >> FRACTION_BITS) as u64)
}
