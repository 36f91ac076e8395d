//! An episode as it enters the tables.

use std::sync::Arc;

use sim::scenario::{Level, Scenario};

use crate::published::Part;
use crate::runs::Played;

/// What tables say of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Its name.
    pub name: String,
    /// The first part of its name, such as `acv`; none of a name without parts.
    pub suite: Option<String>,
    /// `low` if one agent is asked, `high` if a group is.
    pub form: &'static str,
    /// What is wrong in it, or the paper's name of its task.
    pub group: String,
    /// To which part of the paper's tables it belongs.
    pub part: Part,
    /// Whether nothing is wrong in it.
    pub is_decoy: bool,
}

impl About {
    /// What tables say of a scenario.
    pub fn of(scenario: &Scenario) -> Self {
        Self {
            name: scenario.name.clone(),
            suite: scenario.name.split_once('/').map(|(suite, _)| suite.to_owned()),
            form: if scenario.task.group.is_empty() { "low" } else { "high" },
            group: group(scenario),
            part: Part::of(&scenario.task.levels),
            is_decoy: scenario.is_decoy(),
        }
    }
}

fn group(scenario: &Scenario) -> String {
    // The paper's tasks are told by name, in both forms.
    if let Some(name) = scenario.name.strip_prefix("acv/") {
        return name.to_owned();
    }
    if scenario.task.levels.contains(&Level::L4) {
        // Only the kind is asked for here: where the fault is does not matter.
        let causes = scenario.accepted_root_causes(|_| Some(String::new()));
        match causes.first().and_then(|cause| cause.kinds.first()) {
            Some(kind) => return kind.name().to_owned(),
            None if scenario.is_decoy() => return "nothing (decoy)".to_owned(),
            None => {}
        }
    }
    scenario.name.rsplit('/').next().unwrap_or_default().to_owned()
}

/// One scenario played once with one seed by one contender, or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// What the scenario is.
    pub about: Arc<About>,
    /// Who played.
    pub contender: String,
    /// The seed.
    pub seed: u64,
    /// What came of it.
    pub played: Played,
}

impl Episode {
    /// An episode without what no table shows: thousands are held at once.
    pub fn new(about: &Arc<About>, contender: &str, seed: u64, mut played: Played) -> Self {
        if let Played::Scored(score) = &mut played {
            score.reward = Vec::new();
            score.judgements = Vec::new();
        }
        Self { about: Arc::clone(about), contender: contender.to_owned(), seed, played }
    }
}
