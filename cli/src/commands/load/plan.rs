//! What is sent where, from what was typed.

use datasets::apps::AppFiles;
use load::{Plan, Targets};
use sim::diagnostic::Source;
use sim::profile::Profile;
use sim::program::Programs;
use sim::scenario::AppWords;
use sim::time::SimDuration;
use sim::workload::Workload;

use crate::arguments::LoadOptions;
use crate::commands::workload;
use crate::output::{self, Failed};

/// What is sent.
pub(super) struct Planned {
    pub(super) plan: Plan,
    /// The load in words.
    pub(super) load: String,
}

pub(super) fn plan(options: &LoadOptions) -> Result<Planned, Failed> {
    let targets = targets(&options.urls)?;
    let (programs, workloads, words) = match &options.profile {
        Some(file) => of_profile(options, file)?,
        None if workload::names_an_app(&options.what)? => of_app(options)?,
        None => of_scenario(options)?,
    };
    if workloads.is_empty() {
        return Err(output::usage("there is nothing to send\n  help: ask for a load with --users, --level or --rate"));
    }
    let plan = Plan::new(&programs, &workloads, &targets, options.seed).map_err(|mistake| {
        output::usage(format!(
            "{mistake}\n  help: `--url http://…` is where the target is; say where another service is with \
             `--url SERVICE=http://…`"
        ))
    })?;
    Ok(Planned { plan, load: workload::describe(&workloads, &words) })
}

/// Where services are, as `--url` says it.
pub(in crate::commands) fn targets(urls: &[String]) -> Result<Targets, Failed> {
    let mut targets = Targets::default();
    for text in urls {
        // A URL of its own may have a `=` in it, but not before its scheme.
        let (service, url) = match text.split_once('=') {
            Some((service, url)) if !service.contains(':') => (Some(service), url),
            _ => (None, text.as_str()),
        };
        let url = url.parse().map_err(|mistake| {
            output::usage(format!("--url {text}: {mistake}\n  help: such as http://127.0.0.1:8079"))
        })?;
        let known = match service {
            Some(service) => targets.by_service.insert(service.to_owned(), url),
            None => targets.default.replace(url),
        };
        if known.is_some() {
            return Err(output::usage(format!(
                "--url {text}: a second URL for the same service\n  help: name the service of each further URL, as \
                 SERVICE=URL"
            )));
        }
    }
    Ok(targets)
}

type Loads = (Programs, Vec<Workload>, AppWords);

fn of_app(options: &LoadOptions) -> Result<Loads, Failed> {
    let files = AppFiles::find(&options.what)?;
    let (app, warnings) = files.load(None)?;
    for warning in warnings {
        output::talk(&warning.to_string());
    }
    let words = AppWords::of(&app.objects, &app.profile, Vec::new());
    one_load(options, app.profile, words)
}

fn of_profile(options: &LoadOptions, file: &str) -> Result<Loads, Failed> {
    let text = std::fs::read_to_string(file).map_err(|why| {
        output::usage(format!(
            "{file}: the profile cannot be read: {why}\n  help: name a file of kind Profile, such as \
             datasets/apps/sock-shop/profile.yaml"
        ))
    })?;
    let (profile, warnings) = Profile::load(&Source { path: file.to_owned(), text })?;
    for warning in warnings {
        output::talk(&warning.to_string());
    }
    let profile = profile.value;
    let words = AppWords {
        services: profile.services.keys().cloned().collect(),
        user_classes: profile.user_classes.keys().cloned().collect(),
        levels: profile.levels.clone(),
        ..AppWords::default()
    };
    one_load(options, profile, words)
}

fn one_load(options: &LoadOptions, mut profile: Profile, words: AppWords) -> Result<Loads, Failed> {
    let default = profile.default_load.as_ref();
    let workload = workload::workload(&options.workload, default, &words, SimDuration::ZERO)?;
    workload::set_wait(&options.workload, &mut profile, workload.as_ref());
    Ok((Programs::compile(&profile)?, workload.into_iter().collect(), words))
}

fn of_scenario(options: &LoadOptions) -> Result<Loads, Failed> {
    if let Some(flag) = workload::given(&options.workload) {
        return Err(output::usage(format!(
            "{flag} is for apps: the scenario {} brings its own loads\n  help: leave it out, or name the app",
            options.what
        )));
    }
    let loaded = crate::commands::load_scenario(&options.what, &[])?;
    let programs = Programs::compile(&loaded.app.profile)?;
    let mut workloads = loaded.scenario.value.workloads;
    // A scenario's clock begins long before its loads; here the first of them begins at once.
    let first = workloads.iter().map(|load| load.start).min().unwrap_or_default();
    for load in &mut workloads {
        load.start = load.start.saturating_sub(first);
    }
    Ok((programs, workloads, loaded.words))
}
