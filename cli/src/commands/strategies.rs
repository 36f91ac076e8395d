//! `sockpit strategies`: how chat models play, as it ships.

use agents::mechanism::Mechanism;
use agents::render::Table;
use agents::strategy::Strategy;
use agents::tools::ToolForm;
use datasets::strategies;
use serde::Serialize;

use crate::arguments::StrategiesOptions;
use crate::output::{self, Failed};

/// What stands for what the command line says.
const ANY: &str = "--model";

/// What stands for the manager where the mechanism has none.
const NOBODY: &str = "none";

/// One line of the list.
#[derive(Serialize)]
struct Listed {
    name: String,
    /// None where the scenario says it.
    mechanism: Option<Mechanism>,
    tool_form: ToolForm,
    /// None where it is named on the command line.
    agent: Option<String>,
    /// The same, and none where the mechanism has no manager.
    manager: Option<String>,
    critic: bool,
    memory: bool,
    description: String,
}

pub(crate) fn run(options: &StrategiesOptions) -> Result<(), Failed> {
    let listed = list()?;
    if options.json {
        return output::json(&listed);
    }
    let mut table =
        Table::new(["STRATEGY", "MECHANISM", "TOOLS", "AGENT", "MANAGER", "CRITIC", "MEMORY", "WHAT IT IS"]);
    for strategy in listed {
        let manager = if has_manager(strategy.mechanism) { ANY } else { NOBODY };
        let end = strategy.description.find(['.', ':']).unwrap_or(strategy.description.len());
        table.row([
            strategy.name,
            strategy.mechanism.map_or("as the scenario says", Mechanism::name).to_owned(),
            strategy.tool_form.name().to_owned(),
            strategy.agent.unwrap_or_else(|| ANY.to_owned()),
            strategy.manager.unwrap_or_else(|| manager.to_owned()),
            yes(strategy.critic),
            yes(strategy.memory),
            strategy.description[..end].to_owned(),
        ]);
    }
    output::data(&table.text("no strategy ships"))
}

fn yes(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.to_owned()
}

/// Whether a group that plays so may have a manager.
fn has_manager(mechanism: Option<Mechanism>) -> bool {
    mechanism.is_none_or(|mechanism| mechanism == Mechanism::Managed)
}

fn list() -> Result<Vec<Listed>, Failed> {
    let sources = strategies::shipped().into_iter().filter_map(|name| Some((strategies::find(&name)?, name)));
    let mut listed = Vec::new();
    for (source, name) in sources {
        let strategy = Strategy::load(&source)?.value;
        let manager = strategy.manager().model.clone().filter(|_| has_manager(strategy.mechanism));
        let Strategy { mechanism, tool_form, agent, critic, memory, description, .. } = strategy;
        let (agent, critic) = (agent.model, critic.is_some());
        listed.push(Listed { name, mechanism, tool_form, agent, manager, critic, memory, description });
    }
    Ok(listed)
}
