//! `sockpit scenarios`: what ships.

use agents::render::Table;
use datasets::scenarios;
use serde::Serialize;
use sim::scenario::{Level, Scenario};

use crate::arguments::ScenariosOptions;
use crate::output::{self, Failed};

/// One line of the list.
#[derive(Serialize)]
struct Listed {
    name: String,
    suite: String,
    levels: Vec<Level>,
    agent: String,
    description: String,
}

pub(crate) fn run(options: &ScenariosOptions) -> Result<(), Failed> {
    let listed = list()?;
    if options.json {
        return output::json(&listed);
    }
    let mut table = Table::new(["SCENARIO", "LEVELS", "AGENT", "WHAT HAPPENS"]);
    for scenario in listed {
        let levels: Vec<String> = scenario.levels.iter().map(|level| format!("{level:?}")).collect();
        let description = scenario.description;
        let end = description.find(['.', ':']).unwrap_or(description.len());
        table.row([scenario.name, levels.join(" "), scenario.agent, description[..end].to_owned()]);
    }
    output::data(&table.text("no scenario ships"))
}

fn list() -> Result<Vec<Listed>, Failed> {
    let mut listed = Vec::new();
    for name in scenarios::shipped() {
        let loaded = scenarios::load(&name, &[])?;
        let Scenario { task, description, .. } = loaded.scenario.value;
        let suite = name.rsplit_once('/').map_or("", |(suite, _)| suite).to_owned();
        listed.push(Listed { name, suite, levels: task.levels, agent: task.agent, description });
    }
    listed.sort_by(|a, b| (&a.suite, &a.levels, &a.name).cmp(&(&b.suite, &b.levels, &b.name)));
    Ok(listed)
}
