//! Expressions with a mistake: a word of a good one dropped, doubled or replaced.

use crate::dice::Dice;

/// What a word is replaced by.
const WORDS: [&str; 23] = [
    "(", ")", "{", "}", "[", "]", ",", "=", "==", "=~", "+", "by", "on", "bool", "offset", "@", "\"a\"", "5m", "1",
    "up", "rate", "sum", "and",
];

/// A query that is mostly wrong: syntax or types. What it means is not sure, if it means anything.
pub(crate) fn faulty(dice: &mut Dice, query: &str) -> String {
    loop {
        let mut words = words(query);
        let at = dice.below(words.len());
        match dice.below(3) {
            0 => {
                words.remove(at);
            }
            1 => words.insert(at, words[at]),
            _ => words[at] = dice.pick(&WORDS),
        }
        // Prometheus 3 takes `offset - -5m` and a colon for a label, which the twin's parser does not.
        let is_sign = |word: &str| matches!(word, "+" | "-" | ":");
        if !words.windows(2).any(|pair| is_sign(pair[0]) && is_sign(pair[1])) {
            return words.join(" ");
        }
    }
}

/// The tokens of a query, roughly: names and numbers, texts, and each other character.
fn words(query: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = query.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        let length = match first {
            '"' => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            c if is_name(c) => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
            '=' | '!' | '<' | '>' if rest[1..].starts_with(['=', '~']) => 2,
            c => c.len_utf8(),
        };
        found.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    found
}
