//! What a folder keeps, to be played once more: scenarios as they were resolved, and contenders.

use anyhow::Context;
use datasets::runs::{Manifest, RunFolder};
use datasets::scenarios::Loaded;
use sim::scenario::Thinking;

use super::folder::{read, scenario};
use crate::contender::{Contender, Description, Models};
use crate::output::{self, Failed};

/// The scenarios of a folder, in the order of their names.
pub(super) fn scenarios(folder: &RunFolder) -> Result<Vec<Loaded>, Failed> {
    let load = |name: &String| -> Result<Loaded, Failed> {
        let mut loaded = scenario(folder, name)?;
        if loaded.scenario.value.thinking == Thinking::Measured {
            output::talk(&format!(
                "note: {name} was played by a clock; here a step takes as long as its tokens do by default"
            ));
            loaded.scenario.value.thinking = Thinking::default();
        }
        Ok(loaded)
    };
    manifest(folder)?.scenarios.keys().map(load).collect()
}

/// The contenders of a folder, in the order of its tables. Policies are made of what is kept, models looked up by their
/// names.
pub(super) fn contenders(folder: &RunFolder, models: &Models) -> Result<Vec<Contender>, Failed> {
    let make = |name: &String| -> Result<Contender, Failed> {
        let path = folder.contender_file(name);
        let broken = || format!("{}: it does not say who played", path.display());
        let description: Description =
            serde_json::from_str(&read(&path)?).with_context(broken).map_err(Failed::Input)?;
        if description.asks_a_model() {
            return models.contender(name);
        }
        let (contender, _) = Contender::recorded(name, description, folder.path(), 0).map_err(Failed::Input)?;
        Ok(contender)
    };
    manifest(folder)?.contenders_in_order().iter().map(make).collect()
}

fn manifest(folder: &RunFolder) -> Result<Manifest, Failed> {
    folder.manifest()?.ok_or_else(|| {
        output::usage(format!(
            "--like {}: no comparison is kept there\n  help: name a folder that `sockpit live --to` or `sockpit compare \
             --to` has made",
            folder.path().display()
        ))
    })
}
