//! Quantities with a unit, as Kubernetes writes them.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// Gives a quantity its text form in files: serialised by `Display`, read by its parser, and
/// described so in JSON schemas.
macro_rules! text_form {
    ($type:ident, $parse:path, $what:literal, $pattern:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($what)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        $parse(text).map_err(E::custom)
                    }
                    fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<$type, E> {
                        $parse(&n.to_string()).map_err(E::custom)
                    }
                    fn visit_f64<E: serde::de::Error>(self, n: f64) -> Result<$type, E> {
                        $parse(&n.to_string()).map_err(E::custom)
                    }
                }
                // `any`, since manifests write `cpu: 2` as well as `cpu: "2"`.
                from.deserialize_any(Text)
            }
        }
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": ["string", "number"],
                    "description": $what,
                    "pattern": $pattern,
                })
            }
        }
    };
}
pub(crate) use text_form;

/// Processor capacity in thousandths of a core (`250m` in a manifest).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millicores(pub u64);

text_form!(
    Millicores,
    parse_millicores,
    "a CPU quantity such as 0.5 or 500m",
    r"^[0-9]+(\.[0-9]*)?([numkMGTPE]|[eE][+-]?[0-9]+)?$"
);

/// Memory in bytes (`200Mi` in a manifest).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

text_form!(
    Bytes,
    parse_bytes,
    "a memory quantity such as 200Mi or 1Gi",
    r"^[0-9]+(\.[0-9]*)?([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$"
);

impl Millicores {
    /// As a number of cores.
    pub fn cores(self) -> f64 {
        self.0 as f64 / 1e3
    }
}

impl Bytes {
    /// One mebibyte.
    pub const MEBIBYTE: u64 = 1 << 20;

    /// `n` mebibytes.
    pub const fn from_mebibytes(n: u64) -> Self {
        Self(n << 20)
    }

    /// `factor` times as many, rounded down.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self((self.0 as f64 * factor) as u64)
    }

    /// As mebibytes.
    pub fn mebibytes(self) -> f64 {
        self.0 as f64 / Self::MEBIBYTE as f64
    }

    /// As gibibytes.
    pub fn gibibytes(self) -> f64 {
        self.mebibytes() / 1024.0
    }
}

macro_rules! sums {
    ($($t:ident),*) => {$(
        impl Add for $t {
            type Output = Self;
            fn add(self, o: Self) -> Self { Self(self.0.saturating_add(o.0)) }
        }
        impl AddAssign for $t {
            fn add_assign(&mut self, o: Self) { *self = *self + o; }
        }
        /// Never below zero.
        impl Sub for $t {
            type Output = Self;
            fn sub(self, o: Self) -> Self { Self(self.0.saturating_sub(o.0)) }
        }
        impl std::iter::Sum for $t {
            fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
                iter.fold(Self(0), |a, b| a + b)
            }
        }
    )*};
}
sums!(Millicores, Bytes);

/// Canonical form: `250m`, `2`.
impl fmt::Display for Millicores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1000) { write!(f, "{}", self.0 / 1000) } else { write!(f, "{}m", self.0) }
    }
}

/// Canonical form: `200Mi`, `1Gi`, `1000`.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, suffix) in [(40, "Ti"), (30, "Gi"), (20, "Mi"), (10, "Ki")] {
            if self.0 > 0 && self.0.is_multiple_of(1 << shift) {
                return write!(f, "{}{suffix}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

/// Reads a Kubernetes quantity (`k8s.io/apimachinery/pkg/api/resource`): a decimal number with a suffix or an
/// exponent. Returns it in units of `1 / scale`, rounded up; exact, since `9m` must not become 10.
fn quantity(text: &str, scale: u128) -> Option<u64> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mantissa: u128 = format!("{whole}{fraction}").parse().ok()?;
    let (factor, exponent): (u128, i32) = match suffix {
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "" => (1, 0),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        _ => (1, suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    let exponent = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let power = 10_u128.checked_pow(exponent.unsigned_abs())?;
    let scaled = mantissa.checked_mul(factor)?.checked_mul(scale)?;
    let value = if exponent < 0 { scaled.div_ceil(power) } else { scaled.checked_mul(power)? };
    u64::try_from(value).ok()
}

/// Reads a CPU quantity: `100m`, `0.5`, `2`. Rounds up to a millicore, as Kubernetes does.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_millicores(text: &str) -> Result<Millicores, String> {
    const MOST: u64 = 1_000_000_000;
    quantity(text, 1000)
        .filter(|n| *n <= MOST)
        .map(Millicores)
        .ok_or_else(|| format!("`{text}` is not a CPU quantity: write cores (0.5) or millicores (500m)"))
}

/// Reads a memory quantity: `200Mi`, `1Gi`, `128974848`.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_bytes(text: &str) -> Result<Bytes, String> {
    const MOST: u64 = 1 << 60;
    quantity(text, 1)
        .filter(|n| *n <= MOST)
        .map(Bytes)
        .ok_or_else(|| format!("`{text}` is not a memory quantity: write bytes or a suffix, such as 200Mi or 1Gi"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_as_kubernetes_does() {
        assert_eq!(parse_millicores("100m").unwrap(), Millicores(100));
        assert_eq!(parse_millicores("0.25").unwrap(), Millicores(250));
        assert_eq!(parse_millicores("2").unwrap().to_string(), "2");
        assert_eq!(parse_bytes("200Mi").unwrap(), Bytes::from_mebibytes(200));
        assert_eq!(parse_bytes("1Gi").unwrap().to_string(), "1Gi");
        assert_eq!(parse_bytes("1.5Ki").unwrap(), Bytes(1536));
        assert_eq!(parse_bytes("1e3").unwrap(), Bytes(1000));
        assert_eq!(parse_bytes("100m").unwrap(), Bytes(1), "fractions of a byte round up");
        assert_eq!(parse_millicores("100u").unwrap(), Millicores(1));
        for n in 1..3000 {
            let cores = format!("{}.{:03}", n / 1000, n % 1000);
            assert_eq!(parse_millicores(&format!("{n}m")).unwrap(), Millicores(n));
            assert_eq!(parse_millicores(&cores).unwrap(), Millicores(n), "{cores}");
        }
        let long = "9".repeat(60);
        for bad in ["", ".", "m", "-1", "1.2.3", "12Q", "1 Gi", "1e99", "1e-99", "e3", "1e", "2Ei", &long] {
            assert!(parse_bytes(bad).is_err() && parse_millicores(bad).is_err(), "{bad}");
        }
    }
}
