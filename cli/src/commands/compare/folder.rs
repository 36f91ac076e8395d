//! Begins the folder of a comparison, or goes on with one ([`datasets::runs`] says what lies in it).
//!
//! What is there under another content is never mixed with what is asked for.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;
use datasets::runs::{self, Asked, RunFolder};
use datasets::scenarios::{self, Loaded};
use serde::Serialize;
use sim::diagnostic::Source;

use crate::contender::Contender;
use crate::output::{self, Failed};

/// Opens a folder for these scenarios and contenders, new or begun before.
///
/// # Errors
/// It cannot be written, or holds something else under one of their names.
pub(in crate::commands) fn open(
    path: &Path,
    scenarios: &[Loaded],
    contenders: &[Contender],
    asked: &Asked,
) -> Result<RunFolder, Failed> {
    let folder = RunFolder::new(path);
    let mut manifest = folder.manifest()?.unwrap_or_default();
    for loaded in scenarios {
        let scenario = &loaded.scenario.value;
        enter(&folder.scenario_file(&scenario.name), &scenario.name, &json(scenario)?, &mut manifest.scenarios)?;
    }
    for contender in contenders {
        let text = json(&contender.description())?;
        enter(&folder.contender_file(&contender.name), &contender.name, &text, &mut manifest.contenders)?;
    }
    manifest.version = runs::VERSION;
    manifest.ask(asked);
    write(&folder.manifest_file(), &json(&manifest)?)?;
    Ok(folder)
}

/// A scenario of a folder, as it was resolved.
///
/// # Errors
/// It is missing or broken.
pub(in crate::commands) fn scenario(folder: &RunFolder, name: &str) -> Result<Loaded, Failed> {
    let path = folder.scenario_file(name);
    Ok(scenarios::load_resolved(&Source { path: path.display().to_string(), text: read(&path)? })?)
}

/// The text of a file that a folder keeps.
///
/// # Errors
/// It cannot be read.
pub(super) fn read(path: &Path) -> Result<String, Failed> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display())).map_err(Failed::Input)
}

/// Takes one thing in, if its name does not stand for something else already.
fn enter(file: &Path, name: &str, text: &str, known: &mut BTreeMap<String, String>) -> Result<(), Failed> {
    let now = format!("{:016x}", runs::digest(text.as_bytes()));
    match known.get(name) {
        Some(before) if *before == now => return Ok(()),
        Some(_) => {
            return Err(output::usage(format!(
                "{}: {name} was another one when this comparison was begun\n  help: name another folder, or give it \
                 another name",
                file.display()
            )));
        }
        None => {}
    }
    write(file, text)?;
    known.insert(name.to_owned(), now);
    Ok(())
}

fn json(value: &impl Serialize) -> Result<String, Failed> {
    serde_json::to_string_pretty(value).context("cannot write as JSON what is compared").map_err(Failed::Run)
}

fn write(path: &Path, text: &str) -> Result<(), Failed> {
    runs::write_whole(path, text).with_context(|| format!("cannot write {}", path.display())).map_err(Failed::Run)
}
