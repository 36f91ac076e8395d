//! Comparisons of the twin with a real cluster: scenarios that nobody is asked anything in, with a list of actions.
//!
//! `comparisons/heavy.yaml` is a scenario; `comparisons/actions/heavy.yaml`, if there is one, a script whose
//! times count from the start of the load.

use std::fs;
use std::path::Path;

use sim::diagnostic::{Diagnostic, Diagnostics, Source, nearest};

use crate::embedded;

/// The files of a comparison.
#[derive(Clone, Debug)]
pub struct ComparisonFiles {
    /// Its name, or its file's.
    pub name: String,
    /// The load and the faults.
    pub scenario: Source,
    /// What is done meanwhile.
    pub actions: Option<Source>,
}

/// The names of the shipped comparisons, in order.
pub fn shipped() -> Vec<String> {
    let names = embedded::below("comparisons").filter_map(|file| Some(file.path.strip_suffix(".yaml")?.to_owned()));
    names.filter(|name| !name.contains('/')).collect()
}

/// The files of a shipped comparison, or a scenario file.
///
/// # Errors
/// No such comparison and no such file.
pub fn find(name: &str) -> Result<ComparisonFiles, Diagnostics> {
    let shipped_file =
        |path: &str| embedded::below("comparisons").find(|file| file.path.strip_suffix(".yaml") == Some(path));
    if let Some(scenario) = shipped_file(name) {
        let actions = shipped_file(&format!("actions/{name}"));
        return Ok(ComparisonFiles { name: name.to_owned(), scenario, actions });
    }
    let text = fs::read_to_string(name).map_err(|why| {
        let names = shipped();
        let help = match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("these ship: {}; anything else is read as a scenario file", names.join(", ")),
        };
        let message = if Path::new(name).exists() {
            format!("it cannot be read: {why}")
        } else {
            "there is no such comparison and no such file".into()
        };
        Diagnostics(vec![Diagnostic::error(name, 0, "", message).help(help)])
    })?;
    Ok(ComparisonFiles { name: name.to_owned(), scenario: Source { path: name.to_owned(), text }, actions: None })
}
