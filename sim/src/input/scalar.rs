//! What an unquoted YAML scalar means.
//!
//! `kubectl` reads YAML 1.1 (`sigs.k8s.io/yaml` over go-yaml 2, `resolve.go`), in which `yes`, `on`
//! and `0777` are not texts. The same file must mean the same thing here, so these rules hold for
//! every input file.

use super::tree::Kind;

/// The meaning of the plain scalar `text`.
pub(super) fn resolve(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => {
            return Kind::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => {
            return Kind::Bool(false);
        }
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Kind::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Kind::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Kind::Float(f64::NAN),
        _ => {}
    }
    integer(text).or_else(|| float(text)).unwrap_or(Kind::Text)
}

/// `12`, `-12`, `1_000`, `0x1f`, `0b11`, and octal as `017` and `0o17`.
fn integer(text: &str) -> Option<Kind> {
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let digits = digits.replace('_', "");
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        Some(_) if digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, &digits[..]),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match (negative, magnitude) {
        (false, n) => Some(Kind::Unsigned(n)),
        (true, 0) => Some(Kind::Unsigned(0)),
        (true, n) => 0_i64.checked_sub_unsigned(n).map(Kind::Negative),
    }
}

/// `1.5`, `.5`, `1e3`, `-2.5e-3`.
fn float(text: &str) -> Option<Kind> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let numeric = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.contains(|c: char| c.is_ascii_digit())
        && unsigned.chars().all(|c| c.is_ascii_digit() || "._eE+-".contains(c));
    if numeric { text.replace('_', "").parse().ok().map(Kind::Float) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_kubectl_reads() {
        for (text, kind) in [
            ("true", Kind::Bool(true)),
            ("on", Kind::Bool(true)),
            ("No", Kind::Bool(false)),
            ("~", Kind::Null),
            ("", Kind::Null),
            ("80", Kind::Unsigned(80)),
            ("-1", Kind::Negative(-1)),
            ("-0", Kind::Unsigned(0)),
            ("0777", Kind::Unsigned(0o777)),
            ("0x1f", Kind::Unsigned(31)),
            ("1_000", Kind::Unsigned(1000)),
            ("1.5", Kind::Float(1.5)),
            ("1e3", Kind::Float(1000.0)),
            ("18446744073709551616", Kind::Float(18_446_744_073_709_551_616.0)),
            ("0.3.5", Kind::Text),
            ("100m", Kind::Text),
            ("12:30", Kind::Text),
            ("2024-01-01", Kind::Text),
            ("-", Kind::Text),
            (".", Kind::Text),
            ("e3", Kind::Text),
            ("0x", Kind::Text),
            ("é0", Kind::Text),
            ("0é", Kind::Text),
        ] {
            assert_eq!(resolve(text), kind, "{text}");
        }
    }
}
