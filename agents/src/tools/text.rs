//! What models write around a command or a program, taken off.

/// The text inside a code fence, or between single back-quotes, if it is wrapped so; else the text itself. Blanks around
/// it go too.
pub(super) fn unwrapped(text: &str) -> &str {
    let text = text.trim();
    if let Some(inside) = text.strip_prefix("```") {
        let inside = inside.strip_suffix("```").unwrap_or(inside);
        // The first line is the name of a language, or nothing.
        let body = match inside.split_once('\n') {
            Some((language, body)) if is_language(language) => body,
            _ => inside,
        };
        return body.trim();
    }
    match text.strip_prefix('`').and_then(|text| text.strip_suffix('`')) {
        Some(inside) if !inside.contains('`') => inside.trim(),
        _ => text,
    }
}

fn is_language(word: &str) -> bool {
    let word = word.trim();
    word.len() <= 12 && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}
