//! How episodes end: by a report, by a budget, or void because the world failed.

use agents::episode::{self, Cast, Log};
use agents::policy::{AutonomicAgent, Deciding, Decision, Heard, Percept, Policy};
use datasets::scenarios::{self, Loaded};
use sim::environment::{Action, LogQuery, Query, Unavailable, ready};
use sim::episode::{EndReason, Entry, EpisodeEvent};
use sim::time::{SimDuration, SimTime};

use crate::play::{Episode, Player, changed, set_up, shipped, steps};
use crate::worlds::{Call, Flawed};

/// Looks around for ever.
struct Tireless;

impl Policy<AutonomicAgent> for Tireless {
    fn name(&self) -> &'static str {
        "tireless"
    }

    fn decide<'a>(&'a mut self, _: &'a Percept<Heard>) -> Deciding<'a, Action> {
        let look = Action::Observe(Query::Logs(LogQuery { of: "catalogue".into(), previous: false, tail: 1 }));
        Box::pin(std::future::ready(Decision::without_model(look)))
    }
}

fn with(settings: &[(&str, &str)]) -> Loaded {
    scenarios::load("acv/low/scale", settings).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn decisions(entries: &[Entry]) -> Vec<SimTime> {
    let decided = entries.iter().filter(|entry| matches!(entry.event, EpisodeEvent::Decision { .. }));
    decided.map(|entry| entry.t_ns).collect()
}

#[test]
fn an_episode_ends_for_the_stated_reason() {
    let report: fn() -> Player = || steps("- action: {report: {healthy: true}}\n");
    let tireless: fn() -> Player = || Box::new(Tireless);
    let table = [
        ("a report", &[][..], report, EndReason::Completed, 1),
        ("no step is left", &[("budget.steps", "4")][..], tireless, EndReason::StepBudget, 4),
        // From 120 s on one step a second; at 127 s it is over.
        ("no time is left", &[("budget.time", "127s")][..], tireless, EndReason::TimeBudget, 8),
    ];
    for (name, settings, player, reason, steps) in table {
        let loaded = with(settings);
        let episode = Episode::play(&loaded, 1, player());
        let last = episode.entries.last().unwrap();
        assert_eq!(last.event, EpisodeEvent::Ended { reason }, "{name}");
        assert_eq!(decisions(&episode.entries).len(), steps, "{name}");
        // The hold time passes all the same, and the episode is scored.
        let hold = loaded.scenario.value.hold;
        assert!(last.t_ns >= *decisions(&episode.entries).last().unwrap() + hold, "{name}");
        assert!(episode.score.levels.l1.is_some(), "{name}");
    }
}

#[test]
fn a_heartbeat_goes_on_after_an_evaluation_that_used_up_its_steps() {
    let settings = [("budget.steps", "3")];
    let loaded = scenarios::load("acv/low/pod-failure", &settings).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let episode = Episode::play(&loaded, 1, Box::new(Tireless));
    let begun = episode.entries.iter().filter(|e| matches!(e.event, EpisodeEvent::TaskStarted { .. }));
    assert_eq!(begun.count(), 3);
    assert_eq!(decisions(&episode.entries).len(), 9);
}

/// Who lets the time pass in which it would be asked again has not judged what it was to judge.
#[test]
fn waiting_out_the_later_evaluations_is_over_budget() {
    let loaded = shipped("acv/low/pod-failure");
    let waits = "- action: {declare: {healthy: false}}\n- after: 1h\n  action: {report: {healthy: false}}\n";
    let episode = Episode::play(&loaded, 1, steps(waits));
    let l3 = episode.score.levels.l3.as_ref().unwrap();
    assert!(!l3.passed && l3.why == "only 1 of 3 evaluations began before time was up", "{l3:?}");
    let last = episode.entries.last().unwrap();
    assert_eq!(last.event, EpisodeEvent::Ended { reason: EndReason::TimeBudget });
    assert_eq!(last.t_ns, loaded.scenario.value.horizon());
    assert!(episode.score.conduct.over_budget);
}

/// Whoever is done early has no shorter account than whoever is not.
#[test]
fn everybody_is_charged_for_the_same_time() {
    let loaded = shipped("acv/low/cpu-stress");
    let players: [Player; 3] = [
        Box::new(agents::policy::Noop),
        Box::new(agents::policy::runbook()),
        steps("- action: {write: {restart: {component: catalogue}}}\n- action: {report: {healthy: true}}\n"),
    ];
    for player in players {
        let episode = Episode::play(&loaded, 1, player);
        let reward = &episode.score.reward;
        let (first, last) = (reward.first().unwrap(), reward.last().unwrap());
        assert_eq!((first.from, last.to), (SimTime::from_secs_f64(120.0), loaded.scenario.value.horizon()));
        assert!(reward.is_sorted_by(|a, b| a.to == b.from), "one after the other, without gaps");
        // The branch in which nothing was done is charged in the same way: from the first write on, or from the start.
        let branch = episode.entries.iter().find_map(|entry| match &entry.event {
            EpisodeEvent::Branch(branch) => Some(branch),
            _ => None,
        });
        let written = reward.iter().position(|interval| interval.terms.actions < 0.0);
        if written.is_none() {
            assert!((branch.unwrap().played - branch.unwrap().branch).abs() < 1e-9);
        } else {
            assert!(branch.unwrap().played > branch.unwrap().branch + 300.0, "{branch:?}");
        }
    }
}

/// Also of those that are not the agent's own.
#[test]
fn the_end_state_of_every_component_that_a_check_names_is_known() {
    let goal = "goal: {scale: {replicas: 3}}";
    let checks =
        "goal: {scale: {replicas: 3}}\n  checks:\n  - created: carts\n  - replicas: {component: catalogue, equals: 3}";
    let loaded = changed("acv/low/scale", &[(goal, checks)]);
    let player = steps(
        "- action: {write: {scale: {component: catalogue, replicas: 3}}}\n- after: 60s\n  action: {report: {healthy: true}}\n",
    );
    let outcome = Episode::play(&loaded, 1, player).score.levels.l1.unwrap();
    assert!(outcome.passed && outcome.why.contains("carts exists with 1 available"), "{outcome:?}");
}

#[test]
fn the_log_is_numbered_without_gaps_and_in_order_of_time() {
    let episode = Episode::play(&shipped("acv/low/pod-failure"), 1, Box::new(agents::policy::runbook()));
    let numbers = episode.entries.iter().map(|entry| entry.seq);
    assert!(numbers.eq(1..=episode.entries.len() as u64));
    assert!(episode.entries.is_sorted_by_key(|entry| entry.t_ns));
    let rejected = episode.entries.iter().any(|e| matches!(e.event, EpisodeEvent::Answer { rejected: true, .. }));
    assert!(!rejected, "the runbook asks for nothing that cannot be done");
}

/// Plays in a world that fails at a call; without forks, as on a live cluster.
fn play_mortal(fails: Call, calls_left: u32) -> (Result<(), Unavailable>, Vec<Entry>) {
    let player = steps(
        "- action: {observe: {describe: {component: gremlins}}}\n\
         - action: {write: {scale: {component: carts, replicas: 0}}}\n\
         - action: {write: {restart: {component: catalogue}}}\n\
         - action: {report: {healthy: true}}\n",
    );
    set_up(&shipped("acv/low/cpu-stress"), None, 1, |setup, twin| {
        let mut world = Flawed::failing(twin, fails, calls_left);
        let mut log = Log::new(None);
        let played = ready(episode::play(&mut world, &setup, Cast::solo(player), None, &mut log));
        (played, log.into_entries())
    })
}

#[test]
fn a_world_that_fails_makes_the_episode_void() {
    let table = [
        (Call::Prepare, 0),
        (Call::Advance, 0),
        (Call::Advance, 60),
        (Call::Observe, 0),
        (Call::Observe, 1),
        (Call::Act, 0),
        (Call::Inject, 0),
        (Call::Truth, 0),
        (Call::Truth, 40),
    ];
    for (fails, calls_left) in table {
        let (played, entries) = play_mortal(fails, calls_left);
        assert_eq!(played, Err(Unavailable("connection refused".into())), "{fails:?} after {calls_left}");
        let ended = entries.iter().any(|entry| matches!(entry.event, EpisodeEvent::Ended { .. }));
        assert!(!ended, "{fails:?} after {calls_left}: a void log does not end");
    }
}

/// The same episode in a world that lasts: what is refused is the agent's affair, and it plays on.
#[test]
fn what_is_refused_voids_nothing() {
    let (played, entries) = play_mortal(Call::Prepare, 1);
    assert_eq!(played, Ok(()));
    let answers: Vec<(bool, &str)> = entries
        .iter()
        .filter_map(|entry| match &entry.event {
            EpisodeEvent::Answer { rejected, text, .. } => Some((*rejected, text.as_str())),
            _ => None,
        })
        .collect();
    let expected = [
        (true, "error: deployments.apps \"gremlins\" not found"),
        (true, "error: carts is not yours: you may only change catalogue"),
        (false, "deployment.apps/catalogue restarted"),
    ];
    assert_eq!(answers, expected);
    assert_eq!(entries.last().unwrap().event, EpisodeEvent::Ended { reason: EndReason::Completed });
    assert!(!entries.iter().any(|e| matches!(e.event, EpisodeEvent::Branch(_))), "there are no forks to play");
    let think = SimDuration::SECOND;
    assert_eq!(decisions(&entries)[1], decisions(&entries)[0] + think);
}
