//! Range vectors and the functions over them.

use super::{Close, Exactness, Grammar, Same, Summable, Vector};

/// A range vector.
pub(crate) struct Range {
    pub(crate) text: String,
    exactness: Exactness,
}

/// Functions in whose outcome the last bit of a sample may decide.
const EDGY: [&str; 12] = [
    "rate",
    "increase",
    "irate",
    "delta",
    "idelta",
    "deriv",
    "resets",
    "changes",
    "stddev_over_time",
    "stdvar_over_time",
    "rate",
    "increase",
];
const SMOOTH: [&str; 7] = [
    "avg_over_time",
    "sum_over_time",
    "min_over_time",
    "max_over_time",
    "count_over_time",
    "last_over_time",
    "present_over_time",
];

impl Grammar<'_> {
    pub(crate) fn over_time(&mut self, depth: usize) -> Vector {
        match self.dice.below(12) {
            0 => {
                let (range, ahead) = (self.unpinned(|grammar| grammar.exact_range(depth - 1)), self.scalar(1));
                Vector::new(format!("predict_linear({}, {ahead})", range.text), Same)
            }
            1 => {
                let q = self.dice.pick(&["0", "0.5", "0.99", "1", "-1", "7", "NaN", "scalar(limit)"]);
                let range = self.unpinned(|grammar| grammar.range(depth - 1));
                Vector::new(format!("quantile_over_time({q}, {})", range.text), range.exactness.min(Same))
            }
            2..=7 => {
                let range = self.exact_range(depth - 1);
                Vector::new(format!("{}({})", self.dice.pick(&EDGY), range.text), Same)
            }
            _ => {
                let range = self.range(depth - 1);
                // In a sum, what was close may cancel out.
                let functions = if range.exactness == Close { &SMOOTH[2..] } else { &SMOOTH[..] };
                Vector::new(format!("{}({})", self.dice.pick(functions), range.text), range.exactness.min(Same))
            }
        }
    }

    /// Makes something without `@`: where another argument changes from step to step, Prometheus 2.42 moves
    /// a range that `@` should pin.
    pub(super) fn unpinned<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> T {
        let pins = std::mem::replace(&mut self.pins, false);
        let made = make(self);
        self.pins = pins;
        made
    }

    fn exact_range(&mut self, depth: usize) -> Range {
        let range = self.range(depth);
        if range.exactness == Close { self.of_selector() } else { range }
    }

    pub(crate) fn range(&mut self, depth: usize) -> Range {
        if depth == 0 || self.dice.percent(65) {
            return self.of_selector();
        }
        let vector = self.vector(depth);
        // A binary operation or a signed number needs brackets of its own.
        let text = format!("({})", vector.text);
        let steps = ["", "15s", "30s", "1m", "7s", "90s", "2m"];
        // Of what `@` pins as a whole, Prometheus 2.42 gives a value even where no step lies in the range, and
        // every Prometheus may miss the time where the subquery is shifted.
        let is_pinned = vector.text.contains('@');
        let range = if is_pinned { "10m".to_owned() } else { self.duration() };
        let step = self.dice.pick(&steps);
        let shift = if is_pinned { String::new() } else { self.time_shift() };
        Range { text: format!("{text}[{range}:{step}]{shift}"), exactness: vector.exactness }
    }

    fn of_selector(&mut self) -> Range {
        let metric =
            self.dice.pick(&["requests_total", "requests_total", "temperature", "odd", "latency_bucket", "up"]);
        let (matchers, range, shift) = (self.matchers(), self.duration(), self.time_shift());
        let exactness = if metric == "odd" { Same } else { Summable };
        Range { text: format!("{metric}{matchers}[{range}]{shift}"), exactness }
    }
}
