//! Numbers for people, the same in every table.

/// In place of a number that there is none of.
pub(super) fn none() -> String {
    "-".into()
}

/// Per second.
pub(super) fn rate(per_second: f64) -> String {
    if per_second >= 100.0 { format!("{per_second:.0}") } else { format!("{per_second:.2}") }
}

/// A share, 0 to 1.
pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".into(),
        percent if percent < 10.0 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}

/// Milliseconds, to three digits.
pub(super) fn ms(value: Option<f64>) -> String {
    value.map_or_else(none, |value| match value {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    })
}
