//! The figures that the paper has in its tables (arXiv 2407.14402, tables 3 to 6), of what was played.

use sim::scenario::Level;

use super::{Episodes, counts};
use crate::published::{Figures, Part};

/// The suite of the paper's tasks.
const SUITE: &str = "acv";

impl Episodes {
    /// Whether a scenario was played that the paper has too.
    pub fn is_beside_the_paper(&self) -> bool {
        counts::by(self.frame(), &["suite"]).find(&[("suite", SUITE)]).is_some()
    }

    /// What the paper has in its tables, of each contender: `low` for the tasks of one agent, `high` for those of a group.
    pub fn paper(&self, form: &str) -> Vec<Figures> {
        let all = counts::by(self.frame(), &["suite", "form", "contender"]);
        let parts = counts::by(self.frame(), &["suite", "form", "part", "contender"]);
        let figures = |contender: &String| {
            let keys = [("suite", SUITE), ("form", form), ("contender", contender.as_str())];
            let mut figures = Figures::default();
            if let Some(row) = all.find(&keys) {
                let levels = Level::ALL.into_iter().filter_map(|level| Some((level, all.level(level, row)?)));
                figures.levels = levels.collect();
            }
            for part in Part::ALL {
                let [suite, form, contender] = keys;
                let Some(row) = parts.find(&[suite, form, ("part", part.name()), contender]) else { continue };
                let per_evaluation = parts.share("steps", "evaluations", row);
                let steps = per_evaluation.map(|(steps, evaluations)| f64::from(steps) / f64::from(evaluations));
                figures.steps.extend(steps.map(|steps| (part, steps)));
                figures.rounds.extend(parts.mean("rounds", row).map(|rounds| (part, rounds)));
                let delegations = parts.share("right_delegations", "delegations", row);
                figures.delegation.extend(delegations.map(|share| (part, share)));
            }
            figures
        };
        self.contenders().iter().map(figures).collect()
    }
}
