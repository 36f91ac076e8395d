//! Where the operands and operators of a query are.
//!
//! `promql-parser` builds the syntax tree, but neither its nodes nor its errors say where in the text
//! they belong. An [`Outline`] adds that: it reads the same grammar without precedence and without
//! meaning, refuses the first token that does not fit, and lists the places of everything else. An
//! in-order walk of the tree meets operands and operators in the same order, so that lowering
//! ([`super::lower`]) can take the next place of the right kind for each node.
//!
//! It also keeps the parser from input that it cannot take: durations beyond what
//! `std::time::Duration` holds, and nesting that would exhaust the stack.

mod grammar;
mod numbers;

use std::collections::BTreeSet;

use super::tokens::{Kind, Token, tokenize};

/// What stands at a [`Place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Number,
    Text,
    Selector,
    /// A function and its arguments.
    Call,
    /// An aggregation, its arguments and its grouping.
    Aggregate,
    /// One argument of either.
    Argument,
    Paren,
    /// A binary operator.
    Operator,
}

/// An operand or operator and the bytes that it covers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) item: Item,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The places of a query in the order of their beginnings.
#[derive(Debug)]
pub(super) struct Outline {
    pub(super) places: Vec<Place>,
    /// Where operands begin that have a `+` in front of them, which the syntax tree does not show.
    pub(super) pluses: BTreeSet<usize>,
    /// The first thing that is in the language only since Prometheus 3, if there is any.
    pub(super) newer: Option<Fault>,
}

/// More tokens than a sensible query has, and few enough to recurse over.
const MAX_TOKENS: usize = 1_000;

/// Byte offset and message of the first thing that does not fit.
pub(super) type Fault = (usize, String);

impl Outline {
    /// Reads a whole query.
    pub(super) fn read(text: &str) -> Result<Self, Fault> {
        let tokens = tokenize(text)?;
        if tokens.len() - 1 > MAX_TOKENS {
            let fault = format!("the query has more than {MAX_TOKENS} tokens");
            return Err((tokens[MAX_TOKENS].start, fault));
        }
        let mut reader = Reader { tokens, next: 0, places: Vec::new(), pluses: BTreeSet::new(), newer: None };
        if reader.peek().kind == Kind::End {
            return Err((0, "no expression found in input".to_owned()));
        }
        reader.expression()?;
        match reader.peek().kind {
            Kind::End => Ok(Self { places: reader.places, pluses: reader.pluses, newer: reader.newer }),
            _ => Err(reader.unexpected("an operator or the end of the query")),
        }
    }
}

/// The tokens of a query, one after the other, and what was noted on the way; `grammar` says in what order they may come.
struct Reader<'a> {
    tokens: Vec<Token<'a>>,
    next: usize,
    places: Vec<Place>,
    pluses: BTreeSet<usize>,
    newer: Option<Fault>,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Token<'a> {
        self.peek_at(0)
    }

    /// The token `ahead` of the next one; the last one is never consumed.
    fn peek_at(&self, ahead: usize) -> Token<'a> {
        self.tokens[(self.next + ahead).min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Token<'a> {
        let token = self.peek();
        self.next += 1;
        token
    }

    fn take_if(&mut self, symbol: &str) -> bool {
        let found = self.peek().is(symbol);
        self.next += usize::from(found);
        found
    }

    fn take_word(&mut self, words: &[&str]) -> bool {
        let found = words.iter().any(|word| self.peek().is_word(word));
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<Token<'a>, Fault> {
        if self.peek().is(symbol) { Ok(self.take()) } else { Err(self.unexpected(&format!("{symbol:?}"))) }
    }

    fn unexpected(&self, expected: &str) -> Fault {
        let token = self.peek();
        (token.start, format!("unexpected {token}, expected {expected}"))
    }

    /// Notes that the next token is not allowed here before Prometheus 3.
    fn newer(&mut self, message: &str) {
        let token = self.peek();
        self.newer.get_or_insert_with(|| (token.start, message.to_owned()));
    }

    /// Reserves a place; `close` says where it ends.
    fn open(&mut self, item: Item, first: Token<'_>) -> usize {
        self.places.push(Place { item, start: first.start, end: first.end() });
        self.places.len() - 1
    }

    fn close(&mut self, place: usize) {
        self.places[place].end = self.tokens[self.next - 1].end();
    }
}
