//! A command line taken apart into words, as a POSIX shell would, and nothing else that a shell would do.

use super::refusal::Refusal;
use crate::tools::text::unwrapped;

/// The words of a command, and what stands on the lines behind it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) words: Vec<String>,
    /// What `-f -` reads.
    pub(super) input: Option<String>,
}

/// Takes the words of the first command that the text holds; fences, a prompt sign and comments around it are passed
/// over.
pub(super) fn read(text: &str) -> Result<Line, Refusal> {
    let text = text.replace("\r\n", "\n");
    let mut rest = unwrapped(&text);
    while !rest.is_empty() {
        rest = rest.strip_prefix("$ ").unwrap_or(rest);
        let (head, behind) = rest.split_at(end_of_command(rest)?);
        // A backslash at the end of a line carries it on.
        let words =
            shlex::split(&head.replace("\\\n", "")).ok_or(Refusal::Words { problem: "a backslash ends the line" })?;
        if !words.is_empty() {
            let input = says_something(behind).then(|| lines_of(behind).to_owned());
            return Ok(Line { words, input });
        }
        rest = behind.trim_start();
    }
    Err(Refusal::Empty)
}

/// Whether there is more than blanks and comments.
fn says_something(text: &str) -> bool {
    text.lines().map(str::trim).any(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The lines behind a command; the first one keeps its indentation.
fn lines_of(text: &str) -> &str {
    if text.trim_start().starts_with("```") { unwrapped(text) } else { text.trim_matches('\n') }
}

/// Where the first line ends that no quotes and no backslash carry on; refuses what only a shell could do before that.
fn end_of_command(text: &str) -> Result<usize, Refusal> {
    let mut quote = None;
    let mut characters = text.char_indices();
    let mut at_start_of_word = true;
    while let Some((at, character)) = characters.next() {
        let behind = &text[at + character.len_utf8()..];
        match (quote, character) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => {
                characters.next();
            }
            (None, '\'' | '"') => quote = Some(character),
            (_, '`') => return Err(COMMAND_IN_COMMAND),
            (_, '$') => expansion(behind)?,
            (Some(_), _) => {}
            (None, '\n') => return Ok(at),
            (None, '#') if at_start_of_word => return Ok(at + text[at..].find('\n').unwrap_or(text.len() - at)),
            (None, '*') if at_start_of_word && behind.starts_with('=') => {}
            (None, _) => operator(character, behind)?,
        }
        at_start_of_word = quote.is_none() && character.is_whitespace();
    }
    match quote {
        None => Ok(text.len()),
        Some('\'') => Err(Refusal::Words { problem: "a single quote is opened and never closed" }),
        Some(_) => Err(Refusal::Words { problem: "a double quote is opened and never closed" }),
    }
}

const COMMAND_IN_COMMAND: Refusal = Refusal::Shell {
    feature: "a command inside a command",
    instead: "call the inner one first, and write what it answered",
};

/// What stands behind a dollar sign outside of single quotes.
fn expansion(behind: &str) -> Result<(), Refusal> {
    match behind.chars().next() {
        Some('(') => Err(COMMAND_IN_COMMAND),
        Some(next) if !next.is_whitespace() && !"\"'".contains(next) => Err(Refusal::Shell {
            feature: "a variable",
            instead: "write its value, or put a `$` that is meant as such in single quotes",
        }),
        _ => Ok(()),
    }
}

/// A character outside of quotes that means something to a shell.
fn operator(character: char, behind: &str) -> Result<(), Refusal> {
    let doubled = behind.starts_with(character);
    let (feature, instead) = match character {
        '|' if doubled => ("`||`", "call one command at a time, and decide by its answer"),
        '|' => ("a pipe", "call kubectl alone and read its answer; `-l name=COMPONENT` and `--tail=N` make it shorter"),
        '&' if doubled => ("`&&`", "call one command at a time"),
        '&' => ("`&`", "call one command at a time; nothing runs in the background"),
        ';' => ("`;`", "call one command at a time"),
        '<' if doubled => ("a here-document", "write `kubectl apply -f -`, then a line break, then the manifest"),
        '<' => (
            "`<`",
            "write real names where a placeholder such as <pod> stands; a manifest follows `apply -f -` behind a line \
             break",
        ),
        '>' => ("`>`", "the answer comes back to you; there are no files"),
        '(' | ')' => ("`(`", "call one command at a time, or put text in single quotes"),
        '*' | '?' | '[' => {
            ("a pattern of names", "write the whole name, as `get pods` shows it, or put text in single quotes")
        }
        _ => return Ok(()),
    };
    Err(Refusal::Shell { feature, instead })
}
