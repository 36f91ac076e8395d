//! Numbers and durations as a query writes them.

/// Is this number no duration?
pub(super) fn is_plain_number(text: &str) -> bool {
    text.starts_with("0x") || text.starts_with("0X") || text.parse::<f64>().is_ok()
}

/// The value of a number, or of a duration in seconds.
pub(super) fn seconds(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 7] = [
        ("ms", 0.001),
        ("y", 31_536_000.0),
        ("w", 604_800.0),
        ("d", 86_400.0),
        ("h", 3_600.0),
        ("m", 60.0),
        ("s", 1.0),
    ];
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u32::from_str_radix(digits, 16).ok().map(f64::from);
    }
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u32 = rest[..digits].parse().ok()?;
        let (unit, length) = UNITS.iter().find(|(unit, _)| rest[digits..].starts_with(unit))?;
        total += f64::from(count) * length;
        rest = &rest[digits + unit.len()..];
    }
    Some(total)
}
