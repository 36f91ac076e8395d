//! One module per command.

pub(crate) mod check;
pub(crate) mod run;
pub(crate) mod scenarios;
pub(crate) mod simulate;

use datasets::scenarios::Loaded;

use crate::output::{self, Failed};

/// Loads a scenario by name or path, with `--set` changes, and says what the user should know.
fn load_scenario(name: &str, set: &[String]) -> Result<Loaded, Failed> {
    let settings = set
        .iter()
        .map(|setting| {
            setting.split_once('=').ok_or_else(|| {
                output::usage(format!("--set {setting}: write it as PATH=VALUE, such as fault.severity=0.3"))
            })
        })
        .collect::<Result<Vec<_>, Failed>>()?;
    let loaded = datasets::scenarios::load(name, &settings)?;
    for warning in &loaded.warnings {
        output::talk(&warning.to_string());
    }
    Ok(loaded)
}
