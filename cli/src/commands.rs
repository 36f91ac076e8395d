//! One module per command.

pub(crate) mod calibrate;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod doctor;
pub(crate) mod faults;
mod figures;
pub(crate) mod generate;
pub(crate) mod lab;
pub(crate) mod live;
pub(crate) mod load;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod scenarios;
pub(crate) mod simulate;
pub(crate) mod strategies;
pub(crate) mod undo;
mod workload;

use datasets::scenarios::Loaded;
use sim::diagnostic::Source;
use sim::scenario::Script;

use crate::arguments::Threads;
use crate::output::{self, Failed};

impl Threads {
    /// As many threads as were asked for.
    fn pool(&self) -> Result<rayon::ThreadPool, Failed> {
        let threads = self.threads.map_or(0, usize::from);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.map_err(|why| Failed::Run(anyhow::Error::new(why).context("cannot start the threads")))
    }
}

/// Reads a list of actions from a file.
pub(crate) fn load_script(file: &str) -> Result<Script, Failed> {
    let text = std::fs::read_to_string(file).map_err(|why| {
        output::usage(format!(
            "{file}: the list of actions cannot be read: {why}\n  help: name a file of kind Script, such as those in \
             datasets/scripts"
        ))
    })?;
    Ok(Script::load(&Source { path: file.to_owned(), text })?.value)
}

/// Loads a scenario by name or path, with `--set` changes, and says what the user should know.
fn load_scenario(name: &str, set: &[String]) -> Result<Loaded, Failed> {
    let settings = set
        .iter()
        .map(|setting| {
            setting.split_once('=').ok_or_else(|| {
                output::usage(format!(
                    "--set {setting}: no value\n  help: write it as PATH=VALUE, such as fault.severity=0.3"
                ))
            })
        })
        .collect::<Result<Vec<_>, Failed>>()?;
    let loaded = datasets::scenarios::load(name, &settings)?;
    for warning in &loaded.warnings {
        output::talk(&warning.to_string());
    }
    Ok(loaded)
}
