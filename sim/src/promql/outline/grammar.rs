//! The grammar of a query, without precedence and without meaning.

use super::super::tokens::Kind;
use super::numbers::{is_plain_number, seconds};
use super::{Fault, Item, Reader};

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

impl Reader<'_> {
    /// Operands joined by operators.
    pub(super) fn expression(&mut self) -> Result<(), Fault> {
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
