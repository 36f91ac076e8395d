//! Numbers as Go's `fmt` and Prometheus' template functions (`template/template.go`) print them.

/// Go's `%g`: so many significant digits, or the fewest that read back as the same number; with an exponent
/// below 1e-4 and where there are more digits before the point than that, or than six.
pub(super) fn general(value: f64, digits: Option<usize>) -> String {
    if !value.is_finite() {
        return special(value);
    }
    let digits = digits.map(|digits| digits.max(1));
    let text = match digits {
        Some(digits) => format!("{value:.*e}", digits - 1),
        None => format!("{value:e}"),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let has_point = mantissa.contains('.');
    let mantissa = if has_point { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    let large = digits.map_or(6, |digits| digits as i32);
    if exponent < -4 || exponent >= large {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    let places = mantissa.trim_start_matches('-').replace('.', "").len() as i32 - 1 - exponent;
    format!("{value:.*}", places.max(0) as usize)
}

/// Go's `%f`.
pub(super) fn fixed(value: f64, digits: usize) -> String {
    if value.is_finite() { format!("{value:.digits$}") } else { special(value) }
}

fn special(value: f64) -> String {
    let text = if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    };
    text.to_owned()
}

const LARGE: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const BINARY: [&str; 8] = ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];
const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];

/// `humanize`: four digits and a metric prefix.
pub(super) fn humanized(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return general(value, Some(4));
    }
    if value.abs() >= 1.0 { scaled_down(value, 1_000.0, &LARGE) } else { scaled_up(value, "") }
}

/// `humanize1024`: four digits and a binary prefix.
pub(super) fn humanized_1024(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        return general(value, Some(4));
    }
    scaled_down(value, 1_024.0, &BINARY)
}

fn scaled_down(mut value: f64, base: f64, prefixes: &[&str]) -> String {
    let mut prefix = "";
    for larger in prefixes {
        if value.abs() < base {
            break;
        }
        prefix = larger;
        value /= base;
    }
    format!("{}{prefix}", general(value, Some(4)))
}

fn scaled_up(mut value: f64, unit: &str) -> String {
    let mut prefix = "";
    for smaller in SMALL {
        if value.abs() >= 1.0 {
            break;
        }
        prefix = smaller;
        value *= 1_000.0;
    }
    format!("{}{prefix}{unit}", general(value, Some(4)))
}

/// `humanizeDuration`: seconds as days, hours, minutes and seconds.
pub(super) fn humanized_duration(value: f64) -> String {
    if !value.is_finite() {
        return general(value, Some(4));
    }
    if value == 0.0 {
        return format!("{}s", general(value, Some(4)));
    }
    if value.abs() < 1.0 {
        return scaled_up(value, "s");
    }
    let (sign, value) = if value < 0.0 { ("-", -value) } else { ("", value) };
    let whole = value as i64;
    let (seconds, minutes, hours, days) = (whole % 60, whole / 60 % 60, whole / 3_600 % 24, whole / 86_400);
    if days != 0 {
        format!("{sign}{days}d {hours}h {minutes}m {seconds}s")
    } else if hours != 0 {
        format!("{sign}{hours}h {minutes}m {seconds}s")
    } else if minutes != 0 {
        format!("{sign}{minutes}m {seconds}s")
    } else {
        format!("{sign}{}s", general(value, Some(4)))
    }
}
