//! The tokens of a query with their places.

use std::fmt;

/// The part of speech of a token. Inside braces everything wordlike is a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A metric, label or function name or a keyword.
    Word,
    /// A number or a duration.
    Number,
    /// A quoted string.
    Text,
    /// An operator, bracket or comma.
    Symbol,
    /// The end of the query.
    End,
}

/// A piece of the query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    /// Byte offset of its first character.
    pub(super) start: usize,
}

impl Token<'_> {
    /// Byte offset behind its last character.
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Is it this symbol?
    pub(super) fn is(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }

    /// Is it this keyword? Keywords do not depend on case.
    pub(super) fn is_word(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }
}

impl fmt::Display for Token<'_> {
    /// As it is called in "unexpected …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Word => write!(f, "identifier {:?}", self.text),
            Kind::Number => write!(f, "number {:?}", self.text),
            Kind::Text => write!(f, "string {}", self.text),
            Kind::Symbol => write!(f, "{:?}", self.text),
            Kind::End => f.write_str("end of input"),
        }
    }
}

/// Longest first, so that `==` is not read as `=` twice.
const SYMBOLS: [&str; 24] = [
    "==", "=~", "!=", "!~", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "%", "^", "(", ")", "{", "}", "[", "]", ",",
    "@", ":",
];

/// Splits a query into tokens; the last one is [`Kind::End`]. Fails with the offset of the first
/// character that begins no token.
pub(super) fn tokenize(text: &str) -> Result<Vec<Token<'_>>, (usize, String)> {
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut in_range = false;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if first.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        if first == '#' {
            at += rest.find(['\n', '\r']).unwrap_or(rest.len());
            continue;
        }
        in_range = if in_range { first != ']' } else { first == '[' };
        let (kind, length) = token_at(rest, first, in_range).map_err(|message| (at, message))?;
        tokens.push(Token { kind, text: &rest[..length], start: at });
        at += length;
    }
    tokens.push(Token { kind: Kind::End, text: "", start: text.len() });
    Ok(tokens)
}

/// A colon is a letter of metric names, except between square brackets.
fn token_at(rest: &str, first: char, in_range: bool) -> Result<(Kind, usize), String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let second_is_digit = rest[first.len_utf8()..].starts_with(|c: char| c.is_ascii_digit());
    if first.is_ascii_digit() || first == '.' && second_is_digit {
        return Ok((Kind::Number, number_length(rest)));
    }
    if first.is_ascii_alphabetic() || first == '_' || first == ':' && !in_range {
        let length = rest.find(|c| !is_name(c) && c != ':').unwrap_or(rest.len());
        return Ok((Kind::Word, length));
    }
    if matches!(first, '"' | '\'' | '`') {
        return text_length(rest, first).map(|length| (Kind::Text, length));
    }
    let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
    symbol.map(|symbol| (Kind::Symbol, symbol.len())).ok_or_else(|| format!("unexpected character: {first:?}"))
}

/// The length of a number or duration: digits, letters and dots, and the sign of an exponent.
fn number_length(rest: &str) -> usize {
    let is_hex = rest.starts_with("0x") || rest.starts_with("0X");
    let mut previous = ' ';
    let end = rest.find(|c: char| {
        let is_sign = matches!(c, '+' | '-') && matches!(previous, 'e' | 'E') && !is_hex;
        previous = c;
        !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_') || is_sign)
    });
    end.unwrap_or(rest.len())
}

fn text_length(rest: &str, quote: char) -> Result<usize, String> {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = quote != '`',
            '\n' if quote != '`' => break,
            c if c == quote => return Ok(at + 1),
            _ => {}
        }
    }
    Err("unterminated quoted string".to_owned())
}
