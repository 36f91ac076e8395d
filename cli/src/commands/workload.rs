//! The load that was asked for, for the commands that have one.

use std::path::Path;

use datasets::{apps, scenarios};
use sim::diagnostic::nearest;
use sim::profile::{DefaultLoad, Profile, UserWait};
use sim::scenario::AppWords;
use sim::time::SimDuration;
use sim::workload::{ArrivalProcess, Arrivals, RateStage, Shape, Users, Workload};

use crate::arguments::WorkloadOptions;
use crate::output::{self, Failed};

/// Whether what was typed is an app; if not, it is a scenario.
pub(super) fn names_an_app(what: &str) -> Result<bool, Failed> {
    let (apps, scenarios) = (apps::shipped(), scenarios::shipped());
    let path = Path::new(what);
    if apps.iter().any(|app| app == what) || path.is_dir() {
        return Ok(true);
    }
    if scenarios.iter().any(|scenario| scenario == what) || path.exists() {
        return Ok(false);
    }
    let near = nearest(what, apps.iter().chain(&scenarios).map(String::as_str));
    let near = near.map_or(String::new(), |near| format!("did you mean `{near}`? "));
    Err(output::usage(format!(
        "{what}: there is no such app, scenario, folder or file\n  help: {near}shipped apps: {}; \
         `sockpit scenarios` lists the shipped scenarios",
        apps.join(", ")
    )))
}

/// The first flag about the load that was given.
pub(super) fn given(options: &WorkloadOptions) -> Option<&'static str> {
    let flags = [
        ("--level", options.level.is_some()),
        ("--users", options.users.is_some()),
        ("--rate", options.rate.is_some()),
        ("--user-class", options.user_class.is_some()),
        ("--wait", options.wait.is_some()),
        ("--target", options.target.is_some()),
        ("--keep-alive", options.keep_alive.is_some()),
    ];
    flags.into_iter().find(|(_, is_given)| *is_given).map(|(flag, _)| flag)
}

/// Gives the load's users the wait that was asked for; whether there was one.
pub(super) fn set_wait(options: &WorkloadOptions, profile: &mut Profile, workload: Option<&Workload>) -> bool {
    let (Some(wait), Some(workload)) = (options.wait, workload) else { return false };
    profile.user_classes.entry(workload.user_class.clone()).and_modify(|class| class.wait = UserWait::Constant(wait));
    true
}

/// The load on an app: what was asked for, and for the rest its default. None with `--users 0`.
pub(super) fn workload(
    options: &WorkloadOptions,
    default: Option<&DefaultLoad>,
    words: &AppWords,
    start: SimDuration,
) -> Result<Option<Workload>, Failed> {
    if options.users == Some(0) {
        return Ok(None);
    }
    let need = |flag: &str, what: &str, given: Option<&String>, default: Option<&String>, known: &[&str]| {
        let Some(word) = given.or(default) else {
            return Err(output::usage(format!(
                "the app has no default load: say {what} with {flag}\n  help: use one of: {}",
                known.join(", ")
            )));
        };
        recognise(flag, what, word, known)?;
        Ok(word.clone())
    };
    let classes: Vec<&str> = words.user_classes.iter().map(String::as_str).collect();
    let services: Vec<&str> = words.services.iter().map(String::as_str).collect();
    let shape = match (options.users, options.rate) {
        (Some(users), _) => {
            Shape::Users(Users { users, spawn_rate: options.spawn_rate.unwrap_or_else(|| f64::from(users)) })
        }
        (None, Some(rate)) => Shape::Arrivals(Arrivals {
            process: ArrivalProcess::Poisson,
            stages: vec![RateStage { duration: SimDuration::SECOND, rate, ramp: false }],
        }),
        (None, None) => {
            let levels: Vec<&str> = words.levels.keys().map(String::as_str).collect();
            let flag = "--level, --users or --rate";
            Shape::Level(need(flag, "the load", options.level.as_ref(), default.map(|d| &d.level), &levels)?)
        }
    };
    let class = options.user_class.as_ref();
    let target = options.target.as_ref();
    Ok(Some(Workload {
        user_class: need("--user-class", "what users do", class, default.map(|d| &d.user_class), &classes)?,
        target: need("--target", "whom users call", target, default.map(|d| &d.target), &services)?,
        keep_alive: options.keep_alive,
        shape,
        start,
    }))
}

fn recognise(flag: &str, what: &str, word: &str, known: &[&str]) -> Result<(), Failed> {
    if known.contains(&word) {
        return Ok(());
    }
    let flag = flag.split([',', ' ']).next().unwrap_or(flag);
    let near = nearest(word, known.iter().copied()).map_or(String::new(), |near| format!("did you mean `{near}`? "));
    Err(output::usage(format!(
        "{flag} {word}: the app does not know that ({what})\n  help: {near}use one of: {}",
        known.join(", ")
    )))
}

/// Loads in words.
pub(super) fn describe(workloads: &[Workload], words: &AppWords) -> String {
    if workloads.is_empty() {
        return "no load but probes and scrapes".into();
    }
    let one = |load: &Workload| {
        let who = match &load.shape {
            Shape::Level(name) => {
                let users = words.levels.get(name).map(|l| l.users_by_target.get(&load.target).unwrap_or(&l.users));
                format!("{name}, {} users", users.copied().unwrap_or_default())
            }
            Shape::Users(users) => format!("{} users", users.users),
            Shape::Stages(stages) => format!("{} stages of users", stages.len()),
            Shape::Arrivals(arrivals) => {
                let rates: Vec<String> = arrivals.stages.iter().map(|stage| format!("{}", stage.rate)).collect();
                format!("{} arrivals/s", rates.join(", then "))
            }
            Shape::Trace(times) => format!("{} recorded arrivals", times.len()),
        };
        format!("{who} of class {} on {}", load.user_class, load.target)
    };
    workloads.iter().map(one).collect::<Vec<_>>().join("; ")
}
