//! Simulated time: integers, in nanoseconds.
//!
//! [`SimTime`] is a point (nanoseconds since the world was prepared), [`SimDuration`] a length.
//! Both are plain `u64`s, so comparison, order and arithmetic are exact and the same on every
//! machine. A world can run for 584 years before the counter ends.

use std::fmt;
use std::ops::{Add, AddAssign, Div, Mul, Rem, Sub};

use serde::{Deserialize, Serialize};

/// A point in simulated time: nanoseconds since the world was prepared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SimTime(pub u64);

/// A length of simulated time in nanoseconds. In files it is a text with its unit, such as `"15s"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimDuration(pub u64);

crate::units::text_form!(
    SimDuration,
    parse_duration,
    "a duration such as 250ms, 15s or 1m30s",
    r"^(0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h|d))+)$"
);

impl SimTime {
    /// The moment at which the world is prepared.
    pub const ZERO: Self = Self(0);
    /// Later than any event: "never".
    pub const NEVER: Self = Self(u64::MAX);

    /// The point `seconds` after the start. Negative and NaN count as zero.
    pub fn from_secs_f64(seconds: f64) -> Self {
        Self(SimDuration::from_secs_f64(seconds).0)
    }

    /// Seconds since the start.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Whole milliseconds since the start, as Prometheus stamps its samples.
    pub fn as_millis(self) -> i64 {
        (self.0 / 1_000_000) as i64
    }

    /// The last whole second before it, as the Kubernetes API keeps times (`metav1.Time`).
    #[must_use]
    pub const fn in_whole_seconds(self) -> Self {
        Self(self.0 - self.0 % SimDuration::SECOND.0)
    }

    /// How long ago `earlier` was; zero if it lies in the future.
    pub fn since(self, earlier: Self) -> SimDuration {
        SimDuration(self.0.saturating_sub(earlier.0))
    }
}

impl SimDuration {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// One millisecond.
    pub const MILLISECOND: Self = Self(1_000_000);
    /// One second.
    pub const SECOND: Self = Self(1_000_000_000);

    /// `n` whole seconds.
    pub const fn from_secs(n: u64) -> Self {
        Self(n * 1_000_000_000)
    }

    /// `n` whole milliseconds.
    pub const fn from_millis(n: u64) -> Self {
        Self(n * 1_000_000)
    }

    /// `n` whole microseconds.
    pub const fn from_micros(n: u64) -> Self {
        Self(n * 1_000)
    }

    /// Rounded to the nearest nanosecond. Negative and NaN count as zero, too large as the maximum.
    pub fn from_secs_f64(seconds: f64) -> Self {
        Self((seconds * 1e9 + 0.5) as u64)
    }

    /// Length in seconds.
    pub const fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Whole milliseconds, as Prometheus takes them.
    pub fn as_millis(self) -> i64 {
        (self.0 / 1_000_000) as i64
    }

    /// Length in milliseconds.
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Multiplied by a non-negative factor, rounded to the nearest nanosecond.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self((self.0 as f64 * factor + 0.5) as u64)
    }

    /// Shortened by `other`, at least zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add<SimDuration> for SimTime {
    type Output = Self;
    fn add(self, d: SimDuration) -> Self {
        Self(self.0.saturating_add(d.0))
    }
}

impl AddAssign<SimDuration> for SimTime {
    fn add_assign(&mut self, d: SimDuration) {
        *self = *self + d;
    }
}

impl Sub<SimDuration> for SimTime {
    type Output = Self;
    fn sub(self, d: SimDuration) -> Self {
        Self(self.0.saturating_sub(d.0))
    }
}

impl Add for SimDuration {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for SimDuration {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for SimDuration {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
}

impl Mul<u64> for SimDuration {
    type Output = Self;
    fn mul(self, n: u64) -> Self {
        Self(self.0.saturating_mul(n))
    }
}

impl Div<u64> for SimDuration {
    type Output = Self;
    fn div(self, n: u64) -> Self {
        Self(self.0 / n)
    }
}

impl Rem for SimDuration {
    type Output = Self;
    fn rem(self, other: Self) -> Self {
        Self(self.0 % other.0)
    }
}

/// Seconds with as many decimals as needed, such as `12.5s`.
impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SimDuration(self.0).fmt(f)
    }
}

/// Adapts its unit: `350us`, `12.5ms`, `1.5s`, `10m`, `1h30m`; parses back with [`parse_duration`].
impl fmt::Display for SimDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0;
        if ns == 0 {
            return f.write_str("0s");
        }
        let minute = 60_000_000_000;
        if ns.is_multiple_of(1_000_000_000) && ns >= 2 * minute {
            let (h, m, s) = (ns / (60 * minute), ns / minute % 60, ns / 1_000_000_000 % 60);
            for (n, unit) in [(h, "h"), (m, "m"), (s, "s")] {
                if n > 0 {
                    write!(f, "{n}{unit}")?;
                }
            }
            return Ok(());
        }
        let (scale, unit) = match ns {
            1_000_000_000.. => (1e9, "s"),
            1_000_000.. => (1e6, "ms"),
            1_000.. => (1e3, "us"),
            _ => (1.0, "ns"),
        };
        write!(f, "{}{unit}", ns as f64 / scale)
    }
}

/// Reads durations as Prometheus and Go write them: `15s`, `1m30s`, `250ms`, `1.5s`, `40us`.
///
/// # Errors
/// What is wrong with the text, as a sentence fragment for a [`crate::diagnostic::Diagnostic`].
pub fn parse_duration(text: &str) -> Result<SimDuration, String> {
    let bad = || format!("`{text}` is not a duration: write a number with a unit, such as 250ms, 15s or 1m30s");
    if text == "0" {
        return Ok(SimDuration::ZERO);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let number: f64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        seconds += number
            * match &rest[..end] {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3_600.0,
                "d" => 86_400.0,
                _ => return Err(bad()),
            };
        rest = &rest[end..];
    }
    if text.is_empty() || seconds > 1e9 {
        return Err(bad());
    }
    Ok(SimDuration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_and_parse_back() {
        for text in ["350us", "12.5ms", "1.5s", "90s", "10m", "1h30m", "2m5s", "0s"] {
            assert_eq!(parse_duration(text).unwrap().to_string(), text);
        }
        for bad in ["", "5", "5 s", "s", "1.2.3s", "-1s", "5x"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
