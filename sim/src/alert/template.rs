//! Templates of labels and annotations: the part of Go's `text/template` that rule files mostly use.
//!
//! Known are `{{ $labels.name }}`, `{{ $value }}`, both also as `.Labels.name` and `.Value`, texts and
//! numbers; the functions `humanize`, `humanize1024`, `humanizePercentage` and `humanizeDuration` of the
//! value, `toUpper` and `toLower` of a label, and `printf` of either with one of `%f`, `%g`, `%s` and `%v`;
//! pipelines of all that; and the markers `{{-` and `-}}`, which eat white space.

mod format;

use crate::telemetry::Labels;
use format::{fixed, general, humanized, humanized_1024, humanized_duration};

/// A text with gaps.
#[derive(Clone, Debug)]
pub(super) struct Template {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Pipeline(Operand, Vec<Function>),
}

#[derive(Clone, Debug)]
enum Operand {
    Label(String),
    Value,
    Text(String),
    Number(f64),
}

#[derive(Clone, Debug)]
enum Function {
    Humanize,
    Humanize1024,
    HumanizePercentage,
    HumanizeDuration,
    ToUpper,
    ToLower,
    /// What stands before and behind the verb.
    Printf(String, Verb, String),
}

/// A verb of `printf`, with its number of digits.
#[derive(Clone, Copy, Debug)]
enum Verb {
    Fixed(usize),
    General(Option<usize>),
    Any,
}

/// What goes through a pipeline.
enum Item {
    Number(f64),
    Text(String),
}

impl Template {
    /// Reads a template. The error says what is not supported.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        let mut trims = false;
        while let Some((before, behind)) = rest.split_once("{{") {
            let (action, after) = behind.split_once("}}").ok_or("`{{` without `}}`")?;
            let before = if trims { before.trim_start() } else { before };
            let (eats, action) = match action.strip_prefix("- ") {
                Some(action) => (true, action),
                None => (false, action),
            };
            pieces.push(Piece::Text(if eats { before.trim_end() } else { before }.to_owned()));
            let bare = action.strip_suffix(" -");
            trims = bare.is_some();
            pieces.push(pipeline(bare.unwrap_or(action).trim())?);
            rest = after;
        }
        pieces.push(Piece::Text(if trims { rest.trim_start() } else { rest }.to_owned()));
        Ok(Self { text: text.to_owned(), pieces })
    }

    /// As it was written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Fills the gaps with the labels and the value of an element.
    pub(super) fn expand(&self, labels: &Labels, value: f64) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Pipeline(operand, functions) => {
                let first = match operand {
                    Operand::Label(name) => Item::Text(labels.get(name).to_owned()),
                    Operand::Value => Item::Number(value),
                    Operand::Text(text) => Item::Text(text.clone()),
                    Operand::Number(number) => Item::Number(*number),
                };
                functions.iter().fold(first, |item, function| Item::Text(function.apply(&item))).print()
            }
        };
        self.pieces.iter().map(piece).collect()
    }
}

impl Item {
    fn print(&self) -> String {
        match self {
            Self::Number(number) => general(*number, None),
            Self::Text(text) => text.clone(),
        }
    }
}

impl Function {
    /// The types were checked when the template was read.
    fn apply(&self, item: &Item) -> String {
        let (number, text) = match item {
            Item::Number(number) => (*number, String::new()),
            Item::Text(text) => (f64::NAN, text.clone()),
        };
        match self {
            Self::Humanize => humanized(number),
            Self::Humanize1024 => humanized_1024(number),
            Self::HumanizePercentage => format!("{}%", general(number * 100.0, Some(4))),
            Self::HumanizeDuration => humanized_duration(number),
            Self::ToUpper => text.to_uppercase(),
            Self::ToLower => text.to_lowercase(),
            Self::Printf(before, verb, behind) => {
                let shown = match verb {
                    Verb::Fixed(digits) => fixed(number, *digits),
                    Verb::General(digits) => general(number, *digits),
                    Verb::Any => item.print(),
                };
                format!("{before}{shown}{behind}")
            }
        }
    }

    /// Can this be done to a number (or else a text)?
    fn takes(&self, is_number: bool) -> bool {
        match self {
            Self::ToUpper | Self::ToLower => !is_number,
            Self::Printf(_, Verb::Any, _) => true,
            _ => is_number,
        }
    }
}

fn pipeline(action: &str) -> Result<Piece, String> {
    let unsupported = || format!("`{{{{ {action} }}}}` is not supported");
    let mut operand: Option<Operand> = None;
    let mut functions: Vec<Function> = Vec::new();
    for command in commands(action).ok_or_else(unsupported)? {
        let mut words = command.as_slice();
        if let Some((function, arguments)) = function(words) {
            functions.push(function);
            words = arguments;
        }
        match (words, &operand) {
            ([], Some(_)) => {}
            ([word], None) => operand = Some(Operand::parse(word).ok_or_else(unsupported)?),
            _ => return Err(unsupported()),
        }
    }
    let operand = operand.ok_or_else(unsupported)?;
    let mut is_number = matches!(operand, Operand::Value | Operand::Number(_));
    for function in &functions {
        if !function.takes(is_number) {
            return Err(unsupported());
        }
        is_number = false;
    }
    Ok(Piece::Pipeline(operand, functions))
}

/// The words of each command of a pipeline; a quoted text is one word.
fn commands(action: &str) -> Option<Vec<Vec<String>>> {
    let mut commands = vec![Vec::new()];
    let mut rest = action.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '|' => 1,
            '"' => rest[1..].find('"')? + 2,
            _ => rest.find(|c: char| c.is_whitespace() || c == '|').unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at(length);
        match word {
            "|" => commands.push(Vec::new()),
            word => commands.last_mut()?.push(word.to_owned()),
        }
        rest = after.trim_start();
    }
    Some(commands)
}

/// The function that a command begins with, and its other arguments.
fn function(words: &[String]) -> Option<(Function, &[String])> {
    let (name, arguments) = words.split_first()?;
    let simple = |function| Some((function, arguments));
    match name.as_str() {
        "humanize" => simple(Function::Humanize),
        "humanize1024" => simple(Function::Humanize1024),
        "humanizePercentage" => simple(Function::HumanizePercentage),
        "humanizeDuration" => simple(Function::HumanizeDuration),
        "toUpper" => simple(Function::ToUpper),
        "toLower" => simple(Function::ToLower),
        "printf" => {
            let (format, arguments) = arguments.split_first()?;
            Some((printf(quoted(format)?)?, arguments))
        }
        _ => None,
    }
}

/// A format with one verb; `%%` is a percent sign.
fn printf(format: &str) -> Option<Function> {
    // No format has this character.
    let format = format.replace("%%", "\0");
    let plain = |text: &str| text.replace('\0', "%");
    let (before, behind) = format.split_once('%')?;
    let end = behind.find(|c: char| c.is_ascii_alphabetic())?;
    let (digits, rest) = behind.split_at(end);
    let digits = match digits.strip_prefix('.') {
        Some(digits) => Some(digits.parse().ok().filter(|digits| *digits <= 20)?),
        None if digits.is_empty() => None,
        None => return None,
    };
    let (verb, behind) = rest.split_at(1);
    let verb = match (verb, digits) {
        ("f", digits) => Verb::Fixed(digits.unwrap_or(6)),
        ("g", digits) => Verb::General(digits),
        ("v" | "s", None) => Verb::Any,
        _ => return None,
    };
    (!behind.contains('%')).then(|| Function::Printf(plain(before), verb, plain(behind)))
}

fn quoted(word: &str) -> Option<&str> {
    let inner = word.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('\\')).then_some(inner)
}

impl Operand {
    fn parse(word: &str) -> Option<Self> {
        if matches!(word, "$value" | ".Value") {
            return Some(Self::Value);
        }
        let label = word.strip_prefix("$labels.").or_else(|| word.strip_prefix(".Labels."));
        if let Some(name) = label {
            let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            return is_name.then(|| Self::Label(name.to_owned()));
        }
        match quoted(word) {
            Some(text) => Some(Self::Text(text.to_owned())),
            None if word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.') => {
                word.parse().ok().map(Self::Number)
            }
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str, value: f64) -> String {
        let labels: Labels = [("__name__", "up"), ("job", "Cart")].into_iter().collect();
        Template::parse(text).map_or_else(|error| error, |template| template.expand(&labels, value))
    }

    #[test]
    fn gaps_are_filled() {
        let cases = [
            ("no gap", "no gap"),
            ("{{ $labels.job }}: {{$value}}", "Cart: 1.5"),
            ("{{.Labels.job}}{{ .Value }}", "Cart1.5"),
            ("a {{- $labels.nothing -}} b", "ab"),
            ("{{ $value | printf \"%.2f s\" | toUpper }}", "1.50 S"),
            ("{{ printf \"<%s>\" $labels.job | toLower }}", "<cart>"),
            ("{{ humanizePercentage $value }}", "150%"),
            ("{{ printf \"%%%g%%\" 2.5 }}", "%2.5%"),
            ("{{ $labels.__name__ }}", "up"),
        ];
        for (text, expected) in cases {
            assert_eq!(expand(text, 1.5), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let cases = [
            "{{ query \"up\" }}",
            "{{ if $value }}",
            "{{ $labels }}",
            "{{ printf \"%d\" $value }}",
            "{{ printf \"%.2f\" $labels.job }}",
            "{{ $labels.job | humanize }}",
            "{{ $value | toUpper }}",
            "{{ $value | $value }}",
            "{{ \"\\n\" }}",
            "{{ }}",
        ];
        for text in cases {
            assert_eq!(expand(text, 1.5), format!("`{text}` is not supported").replace("{{ }}", "{{  }}"));
        }
        assert_eq!(expand("{{ $value", 1.5), "`{{` without `}}`");
    }
}

#[cfg(test)]
mod number_tests {
    use super::format::{general, humanized, humanized_1024, humanized_duration};

    #[test]
    fn numbers_are_printed_as_go_prints_them() {
        let cases = [
            (0.0, "0"),
            (-2.5, "-2.5"),
            (123_456.7, "123456.7"),
            (1e6, "1e+06"),
            (123_456_789.0, "1.23456789e+08"),
            (1e-4, "0.0001"),
            (1.5e-5, "1.5e-05"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
        ];
        for (value, text) in cases {
            assert_eq!(general(value, None), text);
        }
        assert_eq!(
            [general(1234.56, Some(4)), general(12_345.6, Some(4)), general(99.999, Some(4))],
            ["1235", "1.235e+04", "100"]
        );
    }

    #[test]
    fn numbers_are_humanized_as_prometheus_does() {
        assert_eq!(
            [humanized(1_234_567.0), humanized(0.00321), humanized(0.0), humanized(-999.99)],
            ["1.235M", "3.21m", "0", "-1000"]
        );
        assert_eq!([humanized_1024(1_048_576.0), humanized_1024(0.5)], ["1Mi", "0.5"]);
        let durations = [90_061.0, 3_661.5, -61.0, 59.99, 0.001, 0.0].map(humanized_duration);
        assert_eq!(durations, ["1d 1h 1m 1s", "1h 1m 1s", "-1m 1s", "59.99s", "1ms", "0s"]);
    }
}
