//! Shipped scenarios, played: whoever does nothing fails it, every witness passes it, no wrong move does.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use agents::episode::{Cast, Forks, Log, Setup, play};
use agents::policy::Noop;
use datasets::scenarios::{self, Loaded};
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
            let idle = played(&loaded, Cast::of_agents(|_| Box::new(Noop)).under(Noop), seed);
            assert_eq!(
                passes(&loaded, &idle),
                loaded.scenario.value.is_decoy(),
                "{name} by noop, seed {seed}: {:?}",
                idle.levels
            );
            for shipped in scenarios::scripts(&name).unwrap_or_else(|mistakes| panic!("{mistakes}")) {
                let score = played(&loaded, Cast::of_script(&shipped.script), seed);
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

fn played(loaded: &Loaded, cast: Cast<'_>, seed: u64) -> EpisodeScore {
    let scenario = Arc::new(loaded.scenario.value.clone());
    let distance = |a: &str, b: &str| loaded.app.distance(a, b);
    let judge = Judge::new(&scenario, &loaded.words, &distance);
    let setup = Setup::new(&judge, &loaded.app, None);
    let mut twin = Twin::new(&loaded.app, &scenario, seed);
    let mut log = Log::new(None);
    ready(play(&mut twin, &setup, cast, Some(Forks::<Twin>::of_world()), &mut log))
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
