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

text_form!(Millicores, parse_millicores, "a CPU quantity such as 0.5 or 500m", r"^[0-9]+(\.[0-9]+)?m?$");

/// Memory in bytes (`200Mi` in a manifest).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

text_form!(Bytes, parse_bytes, "a memory quantity such as 200Mi or 1Gi", r"^[0-9]+(\.[0-9]+)?([kMGT]|[KMGT]i)?$");

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

/// Reads a Kubernetes quantity (`k8s.io/apimachinery/pkg/api/resource`): decimal number and suffix.
fn quantity(text: &str) -> Option<f64> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let factor = match &text[end..] {
        "" => 1.0,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        _ => return None,
    };
    Some(number * factor)
}

/// Reads a CPU quantity: `100m`, `0.5`, `2`. Rounds up to a millicore, as Kubernetes does.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_millicores(text: &str) -> Result<Millicores, String> {
    match quantity(text) {
        Some(v) if v <= 1e6 => Ok(Millicores((v * 1e3).ceil() as u64)),
        _ => Err(format!("`{text}` is not a CPU quantity: write cores (0.5) or millicores (500m)")),
    }
}

/// Reads a memory quantity: `200Mi`, `1Gi`, `128974848`.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_bytes(text: &str) -> Result<Bytes, String> {
    match quantity(text) {
        Some(v) if v <= 1e18 => Ok(Bytes(v.ceil() as u64)),
        _ => Err(format!("`{text}` is not a memory quantity: write bytes or a suffix, such as 200Mi or 1Gi")),
    }
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
        for bad in ["", "m", "-1", "1.2.3", "12Q", "1 Gi"] {
            assert!(parse_bytes(bad).is_err() && parse_millicores(bad).is_err(), "{bad}");
        }
    }
}
