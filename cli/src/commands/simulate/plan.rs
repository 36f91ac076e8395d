//! What is simulated, from what was typed.

use std::sync::Arc;

use datasets::apps::AppFiles;
use sim::app::App;
use sim::environment::{Component, Goal, Write};
use sim::program::Programs;
use sim::scenario::{
    AppChoice, AppWords, Budget, Cluster, Node, Prices, Scenario, StartState, Task, Thinking, Trigger,
};
use sim::slo::Slos;
use sim::time::{SimDuration, SimTime};
use sim::workload::Workload;
use sim::world::SCRAPE_EVERY;

use crate::arguments::SimulateOptions;
use crate::commands::workload;
use crate::output::{self, Failed};

/// How long an app is measured.
const APP_DURATION: SimDuration = SimDuration::from_secs(600);
/// Pods are ready and the JVMs have compiled what matters after this time.
const SETTLE: SimDuration = SimDuration::from_secs(900);
const WARM_UP: SimDuration = SimDuration::from_secs(60);
/// How long a scenario is watched after the last thing that happens in it by itself.
const AFTERMATH: SimDuration = SimDuration::from_secs(300);

/// What is played, and what of it is measured.
pub(in crate::commands) struct Plan {
    /// As typed.
    pub(in crate::commands) what: String,
    pub(in crate::commands) app: Arc<App>,
    pub(in crate::commands) scenario: Arc<Scenario>,
    /// The load in words.
    pub(in crate::commands) load: String,
    /// When the load of an app starts. A scenario says itself when its loads do.
    pub(in crate::commands) settled: Option<SimTime>,
    pub(in crate::commands) measured_from: SimTime,
    pub(in crate::commands) until: SimTime,
    /// Length of the windows that are shown one by one.
    pub(in crate::commands) every: Option<SimDuration>,
    /// Whose windows are shown.
    pub(in crate::commands) focus: Vec<Component>,
    /// What is changed on the way.
    pub(in crate::commands) writes: Vec<(SimTime, Write)>,
    /// From when on it is recorded what happens to the cluster's objects.
    pub(in crate::commands) recorded_from: Option<SimTime>,
}

pub(in crate::commands) fn plan(options: &SimulateOptions) -> Result<Plan, Failed> {
    if workload::names_an_app(&options.what)? { of_app(options) } else { of_scenario(options) }
}

/// An app under one load.
fn of_app(options: &SimulateOptions) -> Result<Plan, Failed> {
    if !options.set.is_empty() {
        return Err(output::usage(
            "--set changes a scenario, and an app has none\n  help: use --level, --users, --target, --node-speed \
             and the others, or name a scenario",
        ));
    }
    let files = AppFiles::find(&options.what)?;
    let (mut app, warnings) = files.load(options.overlay.as_deref())?;
    for warning in warnings {
        output::talk(&warning.to_string());
    }
    let words = AppWords::of(&app.objects, &app.profile, files.overlays.into_keys().collect());
    let settle = options.settle.unwrap_or(SETTLE);
    let workload = workload::workload(&options.workload, app.profile.default_load.as_ref(), &words, settle)?;
    if workload::set_wait(&options.workload, &mut app.profile, workload.as_ref()) {
        app.programs = Arc::new(Programs::compile(&app.profile)?);
    }
    let focus: Vec<Component> = workload.iter().map(|w| w.target.clone()).collect();
    let workloads: Vec<Workload> = workload.into_iter().collect();
    let ramp = workloads.first().map_or(SimDuration::ZERO, |load| words.ramp(load));
    // A level that rises is measured as it rises; others are measured at their full strength.
    let warm_up = options.warm_up.unwrap_or(WARM_UP);
    let measured_from = SimTime::ZERO + settle + warm_up;
    if options.warm_up.is_none() && ramp > warm_up {
        output::talk(&format!(
            "note: the load is still rising when it is measured: it takes {ramp} to start all users; \
             measure later with --warm-up {ramp}"
        ));
    }
    Ok(Plan {
        what: options.what.clone(),
        load: workload::describe(&workloads, &words),
        settled: Some(SimTime::ZERO + settle),
        measured_from,
        until: measured_from + options.duration.unwrap_or(APP_DURATION),
        every: options.every,
        scenario: Arc::new(bare_scenario(options, focus.clone(), workloads)),
        app: Arc::new(app),
        focus,
        writes: Vec::new(),
        recorded_from: None,
    })
}

/// A scenario in which nothing goes wrong and nobody is asked anything.
fn bare_scenario(options: &SimulateOptions, components: Vec<Component>, workloads: Vec<Workload>) -> Scenario {
    Scenario {
        api_version: Scenario::API_VERSION.into(),
        kind: "Scenario".into(),
        name: "simulate".into(),
        description: String::new(),
        app: AppChoice { name: options.what.clone(), overlay: options.overlay.clone() },
        cluster: cluster(Cluster::default(), options),
        start: StartState::default(),
        workloads,
        faults: Vec::new(),
        root_causes: None,
        task: Task {
            levels: Vec::new(),
            agent: components.first().cloned().unwrap_or_default(),
            group: Vec::new(),
            delegations: None,
            text: String::new(),
            goal: Goal::Maintain,
            start: SimDuration::ZERO,
            trigger: Trigger::Once,
            checks: None,
        },
        slos: Slos::of(components),
        hold: SimDuration::from_secs(60),
        judging_interval: SimDuration::from_secs(5),
        budget: Budget::default(),
        thinking: Thinking::Zero,
        prices: Prices::default(),
        unsolvable: None,
    }
}

/// A scenario on its own clock.
fn of_scenario(options: &SimulateOptions) -> Result<Plan, Failed> {
    let given = [
        ("--overlay", options.overlay.is_some()),
        ("--settle", options.settle.is_some()),
        ("--warm-up", options.warm_up.is_some()),
    ];
    let mut given = given.into_iter().filter(|(_, is_given)| *is_given).map(|(flag, _)| flag);
    if let Some(flag) = given.next().or(workload::given(&options.workload)) {
        return Err(output::usage(format!(
            "{flag} is for apps: the scenario {} brings its own loads and times\n  help: change a field of it with \
             --set, such as `--set workloads[0].shape.level=heavy`",
            options.what
        )));
    }
    let loaded = crate::commands::load_scenario(&options.what, &options.set)?;
    let mut scenario = loaded.scenario.value;
    scenario.cluster = cluster(scenario.cluster, options);
    let end = match options.duration {
        Some(duration) => SimTime::ZERO + duration,
        None => last_happening(&scenario, &loaded.words) + AFTERMATH,
    };
    Ok(Plan {
        what: options.what.clone(),
        load: workload::describe(&scenario.workloads, &loaded.words),
        settled: None,
        measured_from: SimTime::ZERO,
        until: end,
        every: Some(options.every.unwrap_or(SCRAPE_EVERY)),
        focus: scenario.slos.components.clone(),
        app: loaded.app,
        scenario: Arc::new(scenario),
        writes: Vec::new(),
        recorded_from: None,
    })
}

fn last_happening(scenario: &Scenario, words: &AppWords) -> SimTime {
    let faults = scenario.faults.iter().map(|fault| fault.ends_at().unwrap_or(fault.injected_at()));
    let warm = scenario.warm_at(|load| words.ramp(load));
    faults.max().unwrap_or(SimTime::ZERO).max(warm)
}

/// The machines, with what was asked for.
fn cluster(mut cluster: Cluster, options: &SimulateOptions) -> Cluster {
    if let Some(count) = options.nodes {
        let model = cluster.nodes.first().cloned();
        let number = |n: u32| model.clone().map(|node| Node { name: format!("node-{n}"), ..node });
        cluster.nodes = (1..=count).filter_map(number).collect();
    }
    for node in &mut cluster.nodes {
        node.speed = options.node_speed.unwrap_or(node.speed);
        node.cores = options.cores.map_or(node.cores, |cores| sim::units::Millicores(u64::from(cores) * 1000));
    }
    cluster
}
