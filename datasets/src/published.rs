//! Results that others have published of the same tasks, to set beside one's own.

use std::collections::BTreeMap;

use serde::Deserialize;
use sim::diagnostic::Diagnostics;
use sim::input;
use sim::scenario::Level;

use crate::embedded;

/// So many passed of so many.
pub type Share = (u32, u32);

/// What was published of a suite.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Who played.
    pub name: String,
    /// Of the tasks of one agent.
    pub low: Figures,
    /// Of the tasks of a group.
    pub high: Figures,
    /// By scenario: whether it was passed in the end.
    pub scenarios: BTreeMap<String, Share>,
}

/// Figures over all tasks of one form. Missing ones were not published.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Figures {
    /// How often each level was passed.
    pub levels: BTreeMap<Level, Share>,
    /// Mean calls of a model per evaluation.
    pub steps: BTreeMap<Part, f64>,
    /// Mean rounds of delegation.
    pub rounds: BTreeMap<Part, f64>,
    /// Right delegations.
    pub delegation: BTreeMap<Part, Share>,
}

/// Part of the tasks of one form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Part {
    /// Tasks of the first level.
    L1,
    /// Tasks of the second level.
    L2,
    /// Faults, for which the levels 3 to 5 are scored.
    #[serde(rename = "faults")]
    Faults,
}

impl Part {
    /// All, in order.
    pub const ALL: [Self; 3] = [Self::L1, Self::L2, Self::Faults];

    /// The word in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::Faults => "faults",
        }
    }

    /// The part to which a task belongs that asks for these levels.
    pub fn of(levels: &[Level]) -> Self {
        match levels.iter().min() {
            Some(Level::L1) => Self::L1,
            Some(Level::L2) => Self::L2,
            _ => Self::Faults,
        }
    }
}

/// What was published of the suite `acv`.
///
/// # Errors
/// The file is broken.
pub fn acv() -> Result<Published, Diagnostics> {
    let source = embedded::below("published").find(|file| file.path == "acv.yaml").expect("it is embedded");
    Ok(input::parse::<Published>(&source)?.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios;

    #[test]
    fn it_is_about_scenarios_that_ship() {
        let published = acv().unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let shipped = scenarios::shipped();
        assert!(published.scenarios.keys().all(|name| shipped.contains(name)), "{:?}", published.scenarios);
        let (passed, of) = published.low.levels[&Level::L2];
        let mut sums = (0, 0);
        for (name, (p, n)) in &published.scenarios {
            let loaded = scenarios::load(name, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
            if name.starts_with("acv/low/") && loaded.scenario.value.task.levels == [Level::L2] {
                sums = (sums.0 + p, sums.1 + n);
            }
        }
        assert_eq!((passed, of), sums, "the sum over the tasks is what the paper's table says");
    }
}
