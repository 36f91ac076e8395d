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

mod numbers;

use std::collections::BTreeSet;

use numbers::{is_plain_number, seconds};

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

/// The longest duration that is accepted: 1000 years, in seconds.
const MAX_SECONDS: f64 = 1_000.0 * 365.0 * 86_400.0;

const AGGREGATIONS: [&str; 14] = [
    "sum",
    "avg",
    "min",
    "max",
    "count",
    "stddev",
    "stdvar",
    "group",
    "topk",
    "bottomk",
    "quantile",
    "count_values",
    "limitk",
    "limit_ratio",
];
const SYMBOL_OPERATORS: [&str; 12] = ["+", "-", "*", "/", "%", "^", "==", "!=", "<=", "<", ">=", ">"];
const WORD_OPERATORS: [&str; 4] = ["and", "or", "unless", "atan2"];

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

    /// Operands joined by operators.
    fn expression(&mut self) -> Result<(), Fault> {
        self.operand()?;
        while self.at_operator() {
            let operator = self.take();
            self.open(Item::Operator, operator);
            self.matching()?;
            self.operand()?;
        }
        Ok(())
    }

    fn at_operator(&self) -> bool {
        let token = self.peek();
        SYMBOL_OPERATORS.iter().any(|symbol| token.is(symbol)) || WORD_OPERATORS.iter().any(|word| token.is_word(word))
    }

    /// `bool`, `on`, `ignoring`, `group_left`, `group_right` and `fill` behind an operator.
    fn matching(&mut self) -> Result<(), Fault> {
        self.take_word(&["bool"]);
        if self.take_word(&["on", "ignoring"]) {
            self.label_list()?;
            if self.take_word(&["group_left", "group_right"]) && self.peek().is("(") {
                self.label_list()?;
            }
        }
        while self.peek_at(1).is("(") && self.take_word(&["fill", "fill_left", "fill_right"]) {
            self.expect("(")?;
            let _ = self.take_if("-") || self.take_if("+");
            self.number()?;
            self.expect(")")?;
        }
        Ok(())
    }

    fn label_list(&mut self) -> Result<(), Fault> {
        self.expect("(")?;
        while !self.take_if(")") {
            if !matches!(self.peek().kind, Kind::Word | Kind::Text) {
                return Err(self.unexpected("a label name or \")\""));
            }
            if self.peek().kind == Kind::Text {
                self.newer("unexpected string in grouping opts");
            }
            self.take();
            if !self.take_if(",") && !self.peek().is(")") {
                return Err(self.unexpected("\",\" or \")\" in grouping labels"));
            }
        }
        Ok(())
    }

    /// One operand with its signs, range and modifiers.
    fn operand(&mut self) -> Result<(), Fault> {
        let mut has_plus = false;
        while self.peek().is("+") || self.peek().is("-") {
            has_plus |= self.take().is("+");
        }
        let first = self.peek();
        if has_plus {
            self.pluses.insert(first.start);
        }
        match first.kind {
            Kind::Number => self.number()?,
            Kind::Text => {
                self.take();
                self.open(Item::Text, first);
            }
            Kind::Word => self.word()?,
            Kind::Symbol if first.text == "(" => {
                self.take();
                let place = self.open(Item::Paren, first);
                self.expression()?;
                self.expect(")")?;
                self.close(place);
            }
            Kind::Symbol if first.text == "{" => self.selector()?,
            _ => return Err(self.unexpected("an expression")),
        }
        self.postfix()
    }

    fn number(&mut self) -> Result<(), Fault> {
        let token = self.peek();
        let is_name = ["inf", "nan"].iter().any(|name| token.is_word(name));
        if token.kind != Kind::Number && !is_name {
            return Err(self.unexpected("a number"));
        }
        if !is_name && seconds(token.text).is_none() {
            return Err((token.start, format!("bad number or duration syntax: {:?}", token.text)));
        }
        if !is_name && !is_plain_number(token.text) {
            self.newer(&format!("unexpected duration {:?}", token.text));
        }
        self.take();
        self.open(Item::Number, token);
        Ok(())
    }

    /// A number by name, an aggregation, a function call or a metric name.
    fn word(&mut self) -> Result<(), Fault> {
        let first = self.peek();
        if ["inf", "nan"].iter().any(|name| first.is_word(name)) {
            return self.number();
        }
        let is_aggregation = AGGREGATIONS.iter().any(|name| first.is_word(name));
        let next = self.peek_at(1);
        if is_aggregation && (next.is("(") || next.is_word("by") || next.is_word("without")) {
            self.take();
            let place = self.open(Item::Aggregate, first);
            let grouped = self.grouping()?;
            self.arguments()?;
            if !grouped {
                self.grouping()?;
            }
            self.close(place);
            return Ok(());
        }
        if next.is("(") {
            self.take();
            let place = self.open(Item::Call, first);
            self.arguments()?;
            self.close(place);
            return Ok(());
        }
        if ["bool", "on", "ignoring", "group_left", "group_right"].iter().any(|word| first.is_word(word)) {
            return Err(self.unexpected("an expression"));
        }
        self.selector()
    }

    fn grouping(&mut self) -> Result<bool, Fault> {
        let found = self.take_word(&["by", "without"]);
        if found {
            self.label_list()?;
        }
        Ok(found)
    }

    fn arguments(&mut self) -> Result<(), Fault> {
        self.expect("(")?;
        if self.take_if(")") {
            return Ok(());
        }
        loop {
            let argument = self.open(Item::Argument, self.peek());
            self.expression()?;
            self.close(argument);
            if self.take_if(")") {
                return Ok(());
            }
            if !self.take_if(",") {
                return Err(self.unexpected("\",\" or \")\""));
            }
        }
    }

    /// A metric name, label matchers in braces, or both.
    fn selector(&mut self) -> Result<(), Fault> {
        let first = self.peek();
        let place = self.open(Item::Selector, first);
        if first.kind == Kind::Word {
            self.take();
        }
        if self.take_if("{") {
            while !self.take_if("}") {
                self.label_matcher()?;
                if !self.take_if(",") && !self.take_word(&["or"]) && !self.peek().is("}") {
                    return Err(self.unexpected("\",\" or \"}\" in label matching"));
                }
            }
        }
        self.close(place);
        Ok(())
    }

    fn label_matcher(&mut self) -> Result<(), Fault> {
        let name = self.peek();
        if !matches!(name.kind, Kind::Word | Kind::Text) {
            return Err(self.unexpected("a label name or \"}\""));
        }
        if name.kind == Kind::Text {
            self.newer("unexpected string in label matching");
        }
        self.take();
        if name.kind == Kind::Text && (self.peek().is(",") || self.peek().is("}")) {
            return Ok(()); // A quoted metric name.
        }
        if !["=", "!=", "=~", "!~"].iter().any(|operator| self.take_if(operator)) {
            return Err(self.unexpected("a label matching operator"));
        }
        if self.peek().kind != Kind::Text {
            return Err(self.unexpected("a string in label matching"));
        }
        self.take();
        Ok(())
    }

    /// `[range]`, `[range:step]`, `offset` and `@` behind an operand.
    fn postfix(&mut self) -> Result<(), Fault> {
        loop {
            if self.take_if("[") {
                self.duration()?;
                if self.take_if(":") && !self.peek().is("]") {
                    self.duration()?;
                }
                self.expect("]")?;
            } else if self.take_word(&["offset"]) {
                if self.peek().is("+") {
                    self.newer("unexpected <op:+> in offset, expected duration");
                }
                let _ = self.take_if("-") || self.take_if("+");
                self.duration()?;
            } else if self.take_if("@") {
                self.timestamp()?;
            } else {
                return Ok(());
            }
        }
    }

    fn duration(&mut self) -> Result<(), Fault> {
        let token = self.peek();
        let fault = |message: &str| Err((token.start, format!("{message}: {:?}", token.text)));
        match (token.kind, seconds(token.text)) {
            (Kind::Number, Some(seconds)) if seconds > MAX_SECONDS => fault("duration out of range"),
            (Kind::Number, Some(seconds)) if seconds < 0.001 => fault("duration must be greater than 0"),
            (Kind::Number, Some(_)) => {
                if is_plain_number(token.text) {
                    self.newer("missing unit character in duration");
                }
                self.take();
                Ok(())
            }
            (Kind::Number, None) => fault("not a valid duration string"),
            _ => Err(self.unexpected("a duration such as 5m")),
        }
    }

    fn timestamp(&mut self) -> Result<(), Fault> {
        if self.take_word(&["start", "end"]) {
            self.expect("(")?;
            self.expect(")")?;
            return Ok(());
        }
        let _ = self.take_if("-") || self.take_if("+");
        match self.peek().kind {
            Kind::Number => {
                if !is_plain_number(self.peek().text) {
                    self.newer("unexpected duration in @ modifier");
                }
                self.take();
                Ok(())
            }
            _ => Err(self.unexpected("a time in seconds, start() or end()")),
        }
    }
}
