//! Expressions made by chance: well typed, on the metrics of [`samples`](crate::samples).
//!
//! Two right implementations may differ in the last bit: Prometheus adds up in no order, and its `exp` or
//! `sin` are others. An expression whose outcome hangs on such a bit (`sum(rate(x)) == 1`) says nothing, so
//! the grammar knows how exact each of its expressions is and builds none of these.

mod faults;
mod ranges;

use crate::dice::Dice;
pub(crate) use faults::faulty;

/// How well two right implementations agree on the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exactness {
    /// To some bits of the last place.
    Close,
    /// To the bit; a sum need not.
    Same,
    /// To the bit, and so is a sum in any order: small multiples of a power of two.
    Summable,
}

use Exactness::{Close, Same, Summable};

/// An instant vector.
pub(crate) struct Vector {
    pub(crate) text: String,
    exactness: Exactness,
    /// No two elements have the same value, so that the best are the best.
    is_distinct: bool,
}

impl Vector {
    fn new(text: impl Into<String>, exactness: Exactness) -> Self {
        Self { text: text.into(), exactness, is_distinct: false }
    }
}

/// The expressions over one world.
pub(crate) struct Grammar<'a> {
    pub(crate) dice: &'a mut Dice,
    /// Where `@` points, in milliseconds.
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    /// `@` is part of the grammar; not inside what moves with the evaluation time.
    pins: bool,
}

const FUNCTIONS: [(&str, Exactness); 18] = [
    ("abs", Same),
    ("ceil", Same),
    ("floor", Same),
    ("round", Same),
    ("sgn", Same),
    ("sqrt", Same),
    ("deg", Same),
    ("rad", Same),
    ("exp", Close),
    ("ln", Close),
    ("log2", Close),
    ("log10", Close),
    ("sin", Close),
    ("cos", Close),
    ("atan", Close),
    ("tanh", Close),
    ("asinh", Close),
    ("acosh", Close),
];
const DATES: [&str; 8] =
    ["minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"];
const LABELS: [&str; 7] = ["job", "instance", "zone", "code", "route", "room", "le"];

impl<'a> Grammar<'a> {
    pub(crate) fn new(dice: &'a mut Dice, (start_ms, end_ms): (i64, i64)) -> Self {
        Self { dice, start_ms, end_ms, pins: true }
    }

    /// A whole query: mostly a vector, sometimes a scalar, a sorted vector or a range of samples.
    pub(crate) fn query(&mut self) -> String {
        match self.dice.below(20) {
            0 => self.scalar(2),
            1 => format!("sort({})", self.exact_vector(2).text),
            2 => format!("sort_desc({})", self.exact_vector(2).text),
            3 => self.range(1).text,
            _ => self.vector(3).text,
        }
    }

    /// Is the outcome in the order of its values?
    pub(crate) fn is_ranked(query: &str) -> bool {
        ["sort", "topk", "bottomk"].iter().any(|name| query.starts_with(name))
    }

    pub(crate) fn vector(&mut self, depth: usize) -> Vector {
        if depth == 0 {
            return self.selected();
        }
        match self.dice.below(24) {
            0..=2 => self.selected(),
            3..=6 => self.over_time(depth),
            7..=8 => self.mapped(depth),
            9..=12 => self.aggregated(depth),
            13..=14 => self.with_scalar(depth),
            15..=17 => self.matched(depth),
            18..=19 => self.combined(depth),
            20 => self.relabelled(depth),
            21 => self.quantile_of_histogram(depth),
            22 => self.absence(depth),
            _ => self.odds_and_ends(depth),
        }
    }

    /// A vector that is the same to the bit.
    fn exact_vector(&mut self, depth: usize) -> Vector {
        let vector = self.vector(depth);
        if vector.exactness == Close { self.selected() } else { vector }
    }

    fn selected(&mut self) -> Vector {
        let metric =
            self.dice.pick(&["temperature", "requests_total", "temperature", "odd", "limit", "latency_bucket", "up"]);
        let matchers = self.matchers();
        let time = self.time_shift();
        let exactness = if metric == "odd" { Same } else { Summable };
        Vector { is_distinct: metric == "temperature", ..Vector::new(format!("{metric}{matchers}{time}"), exactness) }
    }

    fn matchers(&mut self) -> String {
        if self.dice.percent(55) {
            return String::new();
        }
        let matchers = [
            "job=\"cart\"",
            "job!=\"cart\"",
            "zone=\"\"",
            "zone!=\"\"",
            "instance=~\"10.*[02]:80\"",
            "instance!~\".*1:80|.*2:80\"",
            "code=~\"2..|5..\"",
            "job=~\"ca|user\"",
            "room=~\"h.*\"",
            "missing=\"\"",
            "kind=~\"a|b|x\"",
        ];
        let (first, second) = (self.dice.pick(&matchers), self.dice.pick(&matchers));
        if self.dice.percent(70) { format!("{{{first}}}") } else { format!("{{{first},{second}}}") }
    }

    /// `offset` and `@`.
    fn time_shift(&mut self) -> String {
        let offset = match self.dice.below(12) {
            0 => format!(" offset {}", self.duration()),
            1 => format!(" offset -{}", self.duration()),
            _ => String::new(),
        };
        if !self.pins {
            return offset;
        }
        let at = match self.dice.below(24) {
            0 => " @ start()".to_owned(),
            1 => " @ end()".to_owned(),
            2 => format!(" @ {}", self.dice.between(self.start_ms, self.end_ms) as f64 / 1e3),
            _ => String::new(),
        };
        if self.dice.percent(50) { at + &offset } else { offset + &at }
    }

    /// Mostly whole scrape intervals, so that ranges begin exactly at samples.
    fn duration(&mut self) -> String {
        match self.dice.below(6) {
            0 => format!("{}ms", self.dice.between(1, 400_000)),
            1 => format!("{}s", self.dice.between(1, 400)),
            2 => format!("{}m", self.dice.between(1, 15)),
            _ => format!("{}s", 15 * self.dice.between(1, 40)),
        }
    }

    fn number(&mut self) -> String {
        let odd = ["0", "1", "-1", "0.5", "2", "NaN", "Inf", "-Inf", "1e3", "0x1F", "-0", "1e-3", "60"];
        if self.dice.percent(30) {
            self.dice.pick(&odd).to_owned()
        } else {
            (self.dice.between(-400, 4_000) as f64 / 16.0).to_string()
        }
    }

    pub(crate) fn scalar(&mut self, depth: usize) -> String {
        match self.dice.below(if depth == 0 { 4 } else { 9 }) {
            0..=2 => self.number(),
            3 => "time()".to_owned(),
            4 => format!("scalar({})", self.exact_vector(depth - 1).text),
            5 => format!("-({})", self.scalar(depth - 1)),
            6 => {
                let op = self.dice.pick(&["==", "!=", "<", "<=", ">", ">="]);
                format!("({} {op} bool {})", self.scalar(depth - 1), self.scalar(depth - 1))
            }
            _ => {
                let op = self.dice.pick(&["+", "-", "*", "/", "%"]);
                format!("({} {op} {})", self.scalar(depth - 1), self.scalar(depth - 1))
            }
        }
    }

    fn mapped(&mut self, depth: usize) -> Vector {
        let vector = self.exact_vector(depth - 1);
        let text = &vector.text;
        match self.dice.below(6) {
            0 => Vector::new(format!("round({text}, {})", self.number()), Same),
            1 => Vector::new(format!("clamp({text}, {}, {})", self.scalar(0), self.scalar(0)), Same),
            2 => Vector::new(format!("clamp_min({text}, {})", self.scalar(1)), Same),
            3 => Vector::new(format!("clamp_max({text}, {})", self.scalar(1)), Same),
            _ => {
                let (name, exactness) = FUNCTIONS[self.dice.below(FUNCTIONS.len())];
                Vector::new(format!("{name}({text})"), exactness.min(vector.exactness))
            }
        }
    }

    fn aggregated(&mut self, depth: usize) -> Vector {
        let vector = self.vector(depth - 1);
        let Vector { text, exactness, is_distinct } = &vector;
        let grouping = self.grouping();
        let aggregate = |name: &str, argument: &str| match grouping.strip_prefix('<') {
            Some(behind) => format!("{name}({argument}{text}) {behind}"),
            None => format!("{name}{grouping}({argument}{text})"),
        };
        let sum = if *exactness == Summable { Summable } else { Close };
        match self.dice.below(15) {
            0 => Vector::new(aggregate("count", ""), Summable),
            1 => Vector::new(aggregate("group", ""), Summable),
            2 | 3 => Vector::new(aggregate(self.dice.pick(&["min", "max"]), ""), *exactness),
            // In a sum, what was close may cancel out.
            4..=9 | 12.. if *exactness == Close => Vector::new(aggregate(self.dice.pick(&["min", "max"]), ""), Close),
            4 => Vector::new(aggregate("avg", ""), Close),
            5 | 6 if *exactness == Summable => Vector::new(aggregate(self.dice.pick(&["stddev", "stdvar"]), ""), Close),
            7 | 8 if *is_distinct => {
                let (name, k) =
                    (self.dice.pick(&["topk", "bottomk"]), self.dice.pick(&["1", "2", "3", "0", "1.9", "-1"]));
                Vector { is_distinct: true, ..Vector::new(aggregate(name, &format!("{k}, ")), *exactness) }
            }
            // Where the new label sorts before those of the grouping, Prometheus 2.42 loses one of them after
            // the first step.
            9 if *exactness != Close => Vector::new(aggregate("count_values", "\"zzz\", "), Summable),
            10 | 11 => {
                let q = self.dice.pick(&["0", "0.25", "0.5", "0.9", "1", "-0.1", "1.1", "NaN", "scalar(limit)"]);
                Vector::new(aggregate("quantile", &format!("{q}, ")), (*exactness).min(Same))
            }
            _ => Vector::new(aggregate("sum", ""), sum),
        }
    }

    /// In front of the argument or, with a leading `<`, behind it.
    fn grouping(&mut self) -> String {
        let side = if self.dice.percent(30) { "<" } else { "" };
        let labels = self.dice.some(&LABELS).join(", ");
        match self.dice.below(4) {
            0 => String::new(),
            1 => format!("{side} without ({labels})"),
            _ => format!("{side} by ({labels})"),
        }
    }

    fn with_scalar(&mut self, depth: usize) -> Vector {
        let vector = self.vector(depth - 1);
        let scalar = if vector.exactness == Close { "0.371".to_owned() } else { self.scalar(1) };
        let op = match vector.exactness {
            // Nothing in which the last bit decides.
            Close => self.dice.pick(&["*", "/", ">", "< bool"]),
            _ => self.dice.pick(&[
                "+", "-", "*", "/", "%", "==", "!=", ">", "<", ">=", "<=", "== bool", "> bool", "<= bool", "!= bool",
                "^", "atan2",
            ]),
        };
        let exactness = if matches!(op, "^" | "atan2") { Close } else { vector.exactness.min(Same) };
        let text = vector.text;
        let text =
            if self.dice.percent(70) { format!("({text} {op} {scalar})") } else { format!("({scalar} {op} {text})") };
        Vector::new(text, exactness)
    }

    /// Two vectors of which one comes of the other, so that some elements match.
    fn matched(&mut self, depth: usize) -> Vector {
        let (left, right) = match self.dice.below(5) {
            0 => (self.exact_vector(depth - 1), self.exact_vector(depth - 1)),
            1 => (Vector::new("requests_total", Summable), Vector::new("limit", Summable)),
            2 => (Vector::new("up", Summable), self.exact_vector(0)),
            3 => (self.exact_vector(0), Vector::new("build_info", Summable)),
            _ => {
                let metric = self.dice.pick(&["temperature", "requests_total", "odd"]);
                let (left, right) = (self.derived(metric), self.derived(metric));
                (left, right)
            }
        };
        let op = self.dice.pick(&["+", "-", "*", "/", "%", "==", "!= bool", ">", "< bool", ">=", "<=", "^", "atan2"]);
        let exactness = if matches!(op, "^" | "atan2") { Close } else { Same };
        Vector::new(format!("({} {op}{} {})", left.text, self.matching(), right.text), exactness)
    }

    fn derived(&mut self, metric: &str) -> Vector {
        let shift = self.time_shift();
        match self.dice.below(4) {
            0 => Vector::new(format!("{metric}{shift}"), Same),
            1 => Vector::new(format!("rate({metric}[{}]{shift})", self.duration()), Same),
            2 => Vector::new(format!("max without (instance) ({metric}{shift})"), Same),
            _ => Vector::new(format!("max by (job) ({metric}{shift})"), Same),
        }
    }

    fn matching(&mut self) -> String {
        let choice = match self.dice.below(6) {
            0 => return String::new(),
            1 => format!(" ignoring ({})", self.dice.some(&LABELS).join(", ")),
            2 => " on (instance)".to_owned(),
            3 => " on (job, instance)".to_owned(),
            4 => " on (job)".to_owned(),
            _ => format!(" on ({})", self.dice.some(&["job", "zone", "instance"]).join(", ")),
        };
        let included = self.dice.pick(&["", " (version)", " (version, room)", "()"]);
        match self.dice.below(5) {
            0 | 1 => format!("{choice} group_left{included}"),
            2 => format!("{choice} group_right{included}"),
            _ => choice,
        }
    }

    fn combined(&mut self, depth: usize) -> Vector {
        let (left, right) = (self.vector(depth - 1), self.vector(depth - 1));
        let op = self.dice.pick(&["and", "or", "unless"]);
        let choice = match self.dice.below(3) {
            0 => String::new(),
            1 => format!(" on ({})", self.dice.some(&LABELS).join(", ")),
            _ => format!(" ignoring ({})", self.dice.some(&LABELS).join(", ")),
        };
        let exactness = left.exactness.min(right.exactness);
        Vector::new(format!("({} {op}{choice} {})", left.text, right.text), exactness)
    }

    fn relabelled(&mut self, depth: usize) -> Vector {
        let vector = self.vector(depth - 1);
        let (target, source) = (self.dice.pick(&["new", "job", "instance", "__name__"]), self.dice.pick(&LABELS));
        let text = if self.dice.percent(70) {
            let patterns = ["(.*)", "(ca)(.+)", "", "10\\\\.0\\\\.0\\\\.(?P<last>.).*", "x*", ".+", "(\\\\d+).*"];
            let replacements = ["$1", "${1}_x", "$last", "$2$1", "", "fixed", "$$1", "$0"];
            let (pattern, replacement) = (self.dice.pick(&patterns), self.dice.pick(&replacements));
            format!("label_replace({}, \"{target}\", \"{replacement}\", \"{source}\", \"{pattern}\")", vector.text)
        } else {
            let sources = [&["\"-\""][..], &self.dice.some(&["\"job\"", "\"zone\"", "\"code\"", "\"room\""])].concat();
            format!("label_join({}, \"{target}\", {})", vector.text, sources.join(", "))
        };
        Vector::new(text, vector.exactness)
    }

    fn quantile_of_histogram(&mut self, _depth: usize) -> Vector {
        let q = self.dice.pick(&["0", "0.1", "0.5", "0.9", "0.99", "1", "-1", "2", "NaN", "time()", "scalar(limit)"]);
        let metric = self.dice.pick(&["latency_bucket", "size_bucket", "broken_bucket", "requests_total"]);
        let range = self.duration();
        let buckets = match self.dice.below(5) {
            0 => metric.to_owned(),
            1 => format!("rate({metric}[{range}])"),
            2 => format!("increase({metric}[{range}])"),
            3 => format!("sum by (le, job) ({metric})"),
            _ => format!("sum by (le) ({metric})"),
        };
        Vector::new(format!("histogram_quantile({q}, {buckets})"), Same)
    }

    fn absence(&mut self, depth: usize) -> Vector {
        let missing = [
            "nothing",
            "nothing{job=\"a\"}",
            "nothing{job=\"a\",job=\"b\"}",
            "nothing{job=~\"a\",zone=\"b\"}",
            "up{job=\"x\",zone!=\"b\",zone=\"c\"}",
            "{__name__=\"nothing\",a=\"b\"}",
        ];
        let text = match self.dice.below(4) {
            0 => format!("absent({})", self.vector(depth - 1).text),
            1 => format!("absent({})", self.dice.pick(&missing)),
            2 => format!("absent_over_time({}[{}])", self.dice.pick(&missing), self.duration()),
            _ => format!("absent_over_time({})", self.range(depth - 1).text),
        };
        Vector::new(text, Summable)
    }

    fn odds_and_ends(&mut self, depth: usize) -> Vector {
        match self.dice.below(6) {
            0 => Vector::new(format!("vector({})", self.scalar(depth)), Same),
            1 => {
                // Of `@` and `offset` together Prometheus forgets the offset here.
                let vector = self.unpinned(|grammar| grammar.exact_vector(depth - 1));
                Vector::new(format!("timestamp({})", vector.text), Same)
            }
            2 => Vector::new(format!("{}()", self.dice.pick(&DATES)), Same),
            3 => Vector::new(format!("{}({} * 86400)", self.dice.pick(&DATES), self.selected().text), Same),
            4 => {
                let vector = self.vector(depth - 1);
                Vector::new(format!("-({})", vector.text), vector.exactness)
            }
            _ => {
                let vector = self.vector(depth - 1);
                Vector { text: format!("({})", vector.text), ..vector }
            }
        }
    }
}
