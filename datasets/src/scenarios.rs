//! Scenarios: the shipped ones by name, and any file on disk.
//!
//! A scenario's name is its path: `acv/low/pod-failure` lies in `scenarios/acv/low/pod-failure.yaml`. Beside it lie
//! fixed lists of actions, in `scripts/acv/low/pod-failure/`: every `witness….yaml` passes the scenario,
//! every other one is a plausible wrong move that does not. Those below `faults/KIND/` are made of templates
//! ([`crate::suite`]), those directly in `faults/` and in `acv` are written by hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sim::app::App;
use sim::chance::Key;
use sim::diagnostic::{Diagnostic, Diagnostics, Source, nearest};
use sim::input::Located;
use sim::scenario::{AppChoice, AppFailure, AppWords, Scenario, Script};

use crate::apps::{self, AppFiles};
use crate::embedded;
use crate::suite::Origin;

/// A scenario, checked against its application.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The scenario with the lines of its file.
    pub scenario: Located<Scenario>,
    /// Its application, with the overlay that it asks for.
    pub app: Arc<App>,
    /// The words of the application.
    pub words: AppWords,
    /// What the user should know of the application's files.
    pub warnings: Vec<Diagnostic>,
}

/// A shipped list of actions for a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct ShippedScript {
    /// Its file's name without `.yaml`.
    pub name: String,
    /// What is played.
    pub script: Script,
}

impl ShippedScript {
    /// Whether it passes its scenario; the others must not.
    pub fn is_witness(&self) -> bool {
        self.name.starts_with("witness")
    }
}

/// The names of the shipped scenarios, in order.
pub fn shipped() -> Vec<String> {
    embedded::below("scenarios").filter_map(|file| Some(file.path.strip_suffix(".yaml")?.to_owned())).collect()
}

/// The shipped scenarios of a suite such as `acv` or `acv/low`, in order: those in its folder and below. None if no such
/// suite ships.
pub fn of_suite(suite: &str) -> Vec<String> {
    let prefix = format!("{}/", suite.trim_end_matches('/'));
    shipped().into_iter().filter(|name| name.starts_with(&prefix)).collect()
}

/// The shipped scenarios that are played where there is no time for all: those written by hand, and so many of those made
/// of templates, chosen by key.
pub fn sample(made: usize) -> Vec<String> {
    let origin = |name: &String| find(name).ok().and_then(|file| Origin::of(&file.text));
    let (mut of_templates, mut names): (Vec<_>, Vec<_>) =
        shipped().into_iter().partition(|name| origin(name).is_some());
    of_templates.sort_by_cached_key(|name| Key::root(1).with_str(name).draw().bits());
    names.extend(of_templates.into_iter().take(made));
    names
}

/// The text of a shipped scenario, or of a file.
///
/// # Errors
/// No such scenario and no such file.
pub fn find(name: &str) -> Result<Source, Diagnostics> {
    if let Some(file) = embedded::below("scenarios").find(|file| file.path.strip_suffix(".yaml") == Some(name)) {
        return Ok(file);
    }
    let names = shipped();
    fs::read_to_string(name).map(|text| Source { path: name.to_owned(), text }).map_err(|why| {
        let help = match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`sockpit scenarios` lists what ships; anything else is read as a file".into(),
        };
        let message = if Path::new(name).exists() {
            format!("it cannot be read: {why}")
        } else {
            "there is no such scenario and no such file".into()
        };
        Diagnostics(vec![Diagnostic::error(name, 0, "", message).help(help)])
    })
}

/// Loads a shipped scenario or a file, with changes by path such as `("fault.severity", "0.3")`.
///
/// # Errors
/// Every mistake at once.
pub fn load(name: &str, settings: &[(&str, &str)]) -> Result<Loaded, Diagnostics> {
    load_source(&find(name)?, settings)
}

/// Loads a scenario's text.
///
/// # Errors
/// Every mistake at once.
pub fn load_source(source: &Source, settings: &[(&str, &str)]) -> Result<Loaded, Diagnostics> {
    let mut found = None;
    let scenario = Scenario::load(source, settings, |choice| {
        let (app, words, warnings) = application(choice)?;
        found = Some((app, words.clone(), warnings));
        Ok(words)
    })?;
    let (app, words, warnings) = found.expect("a scenario loads only if its application did");
    Ok(Loaded { scenario, app: Arc::new(app), words, warnings })
}

/// Loads a scenario as it was once played, with all its defaults written out, such as a recording keeps it. It was checked
/// then; now only its form is, since what a default says may not be written by hand.
///
/// # Errors
/// Every mistake in its form, or in its application.
pub fn load_resolved(source: &Source) -> Result<Loaded, Diagnostics> {
    let scenario: Located<Scenario> = sim::input::parse(source)?;
    let choice = &scenario.value.app;
    let (app, words, warnings) = application(choice).map_err(|failure| match failure {
        AppFailure::Broken(mistakes) => mistakes,
        AppFailure::Unknown { known } => {
            let help = format!("it was played with an app that is here no more; there are {}", known.join(", "));
            Diagnostics(vec![scenario.error("app.name", format!("there is no app `{}`", choice.name)).help(help)])
        }
    })?;
    if let Some(overlay) = choice.overlay.as_ref().filter(|overlay| !words.overlays.contains(*overlay)) {
        let mistake = scenario.error("app.overlay", format!("there is no overlay `{overlay}`"));
        return Err(Diagnostics(vec![mistake.help("it was played with an overlay that is here no more")]));
    }
    Ok(Loaded { scenario, app: Arc::new(app), words, warnings })
}

/// The application of a scenario. With an overlay that it does not have it comes without, so that the rest of the
/// scenario is checked as well.
fn application(choice: &AppChoice) -> Result<(App, AppWords, Vec<Diagnostic>), AppFailure> {
    let is_folder = choice.name.contains('/');
    if !is_folder && !apps::shipped().contains(&choice.name) {
        return Err(AppFailure::Unknown { known: apps::shipped() });
    }
    let files = AppFiles::find(&choice.name).map_err(AppFailure::Broken)?;
    let overlay = choice.overlay.as_deref().filter(|name| files.overlays.contains_key(*name));
    let (app, warnings) = files.load(overlay).map_err(AppFailure::Broken)?;
    let words = AppWords::of(&app.objects, &app.profile, files.overlays.into_keys().collect());
    Ok((app, words, warnings))
}

/// The shipped lists of actions for a shipped scenario, in the order of their names.
///
/// # Errors
/// Every mistake in them.
pub fn scripts(scenario: &str) -> Result<Vec<ShippedScript>, Diagnostics> {
    embedded::below(&format!("scripts/{scenario}"))
        .filter_map(|file| Some((file.path.strip_suffix(".yaml")?.to_owned(), file)))
        // Those of `faults/bad-tag` lie beside the folders of what was made of the template `bad-tag`.
        .filter(|(name, _)| !name.contains('/'))
        .map(|(name, file)| Ok(ShippedScript { name, script: Script::load(&file)?.value }))
        .collect()
}

/// The lists of actions in a folder on disk, in the order of their names; none if there is no such folder.
///
/// # Errors
/// A file that cannot be read, or every mistake in them.
pub fn scripts_in(folder: &Path) -> Result<Vec<ShippedScript>, Diagnostics> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let load = |file: &PathBuf| -> Result<ShippedScript, Diagnostics> {
        let path = file.to_string_lossy().into_owned();
        let text = fs::read_to_string(file).map_err(|why| {
            let mistake = Diagnostic::error(&path, 0, "", format!("the list of actions cannot be read: {why}"));
            Diagnostics(vec![mistake.help("make it readable, or move it away")])
        })?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(ShippedScript { name, script: Script::load(&Source { path, text })?.value })
    };
    files.iter().map(load).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::float_cmp, reason = "a number that is read is the number that was written")]

    use super::*;

    #[test]
    fn every_shipped_scenario_loads_and_lies_where_its_name_says() {
        let names = shipped();
        assert!(names.len() >= 17, "{names:?}");
        for name in names {
            let loaded = load(&name, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
            assert_eq!(loaded.scenario.value.name, name);
        }
    }

    /// Design: at least four in five have a witness, and the others say why not or what it lacks.
    #[test]
    fn shipped_scripts_load_and_most_scenarios_have_a_witness() {
        let names = shipped();
        let with_witness = names
            .iter()
            .filter(|name| {
                let scripts = scripts(name).unwrap_or_else(|mistakes| panic!("{mistakes}"));
                scripts.iter().any(ShippedScript::is_witness)
            })
            .count();
        assert!(with_witness * 5 >= names.len() * 4, "{with_witness} of {}", names.len());
        // A script that belongs to no scenario would never be played.
        for file in embedded::below("scripts") {
            let folder = file.path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
            assert!(folder.as_ref().is_some_and(|folder| names.contains(folder)), "{}", file.path);
        }
    }

    #[test]
    fn settings_change_what_is_played_and_are_checked_like_the_file() {
        let stress = load("acv/low/cpu-stress", &[("fault.severity", "0.3"), ("hold", "30s")]).unwrap();
        assert_eq!(stress.scenario.value.faults[0].severity, 0.3);
        assert_eq!(stress.scenario.value.hold, sim::time::SimDuration::from_secs(30));
        let refused =
            load("acv/low/pod-failure", &[("fault.severity", "0.3"), ("fault.sevrity", "1"), ("hold", "long")]);
        assert_eq!(
            refused.unwrap_err().to_string(),
            "error: --set fault.sevrity=1: faults[0].sevrity: unknown field `sevrity`\n  \
               help: did you mean `severity`? Allowed here: `start`, `end`, `severity`, `inject`\n\
             error: --set hold=long: hold: `long` is not a duration\n  \
               help: write a number with a unit, such as 250ms, 15s or 1m30s"
        );
        let all_or_nothing = load("acv/low/pod-failure", &[("fault.severity", "0.3")]).unwrap_err();
        assert!(all_or_nothing.to_string().contains("`pod-failure` is all or nothing"), "{all_or_nothing}");
        let nowhere = load("acv/low/pod-failure", &[("faults[3].severity", "1")]).unwrap_err();
        assert!(nowhere.to_string().contains("there is no element 3: the list has 1"), "{nowhere}");
    }

    /// What a recording keeps of a scenario is the scenario, to the last bit of its numbers.
    #[test]
    fn every_shipped_scenario_reads_back_as_it_was_resolved() {
        for name in shipped() {
            let scenario = load(&name, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}")).scenario.value;
            let text = serde_json::to_string(&scenario).unwrap();
            let source = Source { path: format!("{name}.json"), text: text.clone() };
            let again = load_resolved(&source).unwrap_or_else(|mistakes| panic!("{mistakes}")).scenario.value;
            assert!(again == scenario, "{name}: {text}");
            assert_eq!(serde_json::to_string(&again).unwrap(), text, "{name}");
        }
        let gone = serde_json::to_string(&load("acv/low/scale", &[]).unwrap().scenario.value).unwrap();
        let refused = |from: &str, to: &str| {
            let source = Source { path: "kept.json".into(), text: gone.replacen(from, to, 1) };
            load_resolved(&source).unwrap_err().to_string()
        };
        let no_app = refused("\"app\":{\"name\":\"sock-shop\"", "\"app\":{\"name\":\"sock-shp\"");
        assert!(no_app.contains("there is no app `sock-shp`"), "{no_app}");
        let no_overlay = refused("\"overlay\":\"acv\"", "\"overlay\":\"acw\"");
        assert!(no_overlay.contains("there is no overlay `acw`"), "{no_overlay}");
    }

    #[test]
    fn a_suite_is_whole_parts_of_names() {
        let low = of_suite("acv/low");
        assert!(!low.is_empty() && low.iter().all(|name| name.starts_with("acv/low/")), "{low:?}");
        assert_eq!(of_suite("acv/low/"), low);
        let all = [of_suite("acv"), of_suite("faults"), of_suite("live")].concat();
        assert_eq!(all, shipped());
        for none in ["acv/lo", "", "acv/low/pod-failure"] {
            assert!(of_suite(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn what_does_not_exist_is_named_with_a_cure() {
        assert_eq!(
            load("acv/low/pod-failur", &[]).unwrap_err().to_string(),
            "error: acv/low/pod-failur: there is no such scenario and no such file\n  help: did you mean `acv/low/pod-failure`?"
        );
        let text = find("acv/low/scale").unwrap().text;
        let broken = |from: &str, to: &str| {
            let source = Source { path: "mine.yaml".into(), text: text.replacen(from, to, 1) };
            load_source(&source, &[]).unwrap_err().to_string()
        };
        assert_eq!(
            broken("name: sock-shop", "name: sock-shp"),
            "error: mine.yaml:6: app.name: there is no app `sock-shp`\n  help: did you mean `sock-shop`?"
        );
        assert_eq!(
            broken("overlay: acv", "overlay: acw"),
            "error: mine.yaml:6: app.overlay: there is no overlay `acw`\n  help: did you mean `acv`?"
        );
    }

    /// Editors check scenarios against the published schema: it must accept what the loader accepts.
    #[test]
    fn every_shipped_scenario_follows_the_published_schema() {
        let validator = jsonschema::validator_for(&sim::scenario::json_schema()).unwrap();
        for name in shipped() {
            let value: serde_json::Value = serde_saphyr::from_str(&find(&name).unwrap().text).unwrap();
            let mistakes: Vec<String> =
                validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
            assert!(mistakes.is_empty(), "{name}: {mistakes:?}");
        }
        let typo = serde_json::json!({"apiVersion": "sockpit/v1alpha1", "kind": "Scenario", "nam": "x"});
        assert!(!validator.is_valid(&typo));
    }
}
