//! Shipped scenarios, played: whoever does nothing fails it, every witness passes it, no wrong move does.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use agents::episode::{Forks, Log, Setup, play};
use agents::policy::{AutonomicAgent, Noop, Policy, TaskView, script};
use datasets::scenarios::{self, Loaded};
use sim::fault::FaultKind;
use sim::scenario::Level;
use sim::score::{EpisodeScore, Judge, score};
use sim::world::Twin;

const SEEDS: [u64; 2] = [1, 2];
/// How many of the scenarios that are made of templates; `sockpit scenario check --suite faults` plays all.
const MADE: usize = 10;

#[test]
fn shipped_scenarios_are_passed_by_their_witnesses_only() {
    for name in scenarios::sample(MADE) {
        let loaded = scenarios::load(&name, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        for seed in SEEDS {
            let idle = played(&loaded, &mut Noop, seed);
            assert_eq!(
                passes(&loaded, &idle),
                loaded.scenario.value.is_decoy(),
                "{name} by noop, seed {seed}: {:?}",
                idle.levels
            );
            for shipped in scenarios::scripts(&name).unwrap_or_else(|mistakes| panic!("{mistakes}")) {
                let score = played(&loaded, &mut script(shipped.script.clone()), seed);
                let right = passes(&loaded, &score) == shipped.is_witness();
                assert!(right, "{name} by {}, seed {seed}: {:?}", shipped.name, score.levels);
            }
        }
    }
}

/// Whether the highest level that the scenario asks for was passed.
fn passes(loaded: &Loaded, score: &EpisodeScore) -> bool {
    let levels = &loaded.scenario.value.task.levels;
    let highest = levels.iter().max().copied().unwrap_or(Level::L1);
    score.levels.get(highest).is_some_and(|outcome| outcome.passed)
}

fn played(loaded: &Loaded, policy: &mut dyn Policy<AutonomicAgent>, seed: u64) -> EpisodeScore {
    let scenario = Arc::new(loaded.scenario.value.clone());
    let distance = |a: &str, b: &str| loaded.app.distance(a, b);
    let judge = Judge::new(&scenario, &loaded.words, &distance);
    let task = TaskView {
        component: scenario.task.agent.clone(),
        text: scenario.task.text.clone(),
        goal: scenario.task.goal.clone(),
        objectives: scenario.slos.clone(),
        kinds: FaultKind::ALL.iter().map(|kind| kind.name().to_owned()).collect(),
        dashboards: std::iter::empty::<(String, String)>().collect(),
        evaluation: 0,
    };
    let setup = Setup { judge: &judge, task, credit: 0 };
    let mut twin = Twin::new(&loaded.app, &scenario, seed);
    let mut log = Log::new(None);
    ready(play(&mut twin, &setup, policy, Some(Forks::<Twin>::of_world()), &mut log))
        .unwrap_or_else(|failure| panic!("the twin does not fail: {failure}"));
    score(&judge, &log.into_entries())
}

/// The twin's futures are always ready.
pub(super) fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the twin never waits"),
    }
}
