//! Worlds for the benchmarks of the twin.

use std::sync::Arc;

use agents::episode::{Cast, Forks, Log, Setup, play as play_episode};
use agents::policy::runbook;
use datasets::scenarios::{self, Loaded};
use sim::diagnostic::Source;
use sim::environment::{Environment, Query, Stage, ready};
use sim::score::{self, EpisodeScore, Judge};
use sim::time::{SimDuration, SimTime};
use sim::world::Twin;

/// A load on Sock Shop.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// For reports.
    pub name: &'static str,
    user_class: &'static str,
    shape: &'static str,
}

impl Load {
    /// The paper's moderate load on the front-end: 40 users, one GET /catalogue a second each.
    pub const MODERATE_FRONT_END: Self = Self {
        name: "40 users of GET /catalogue at front-end",
        user_class: "catalogue-list",
        shape: "{level: moderate}",
    };
    /// Upstream's nine-request loop.
    pub const FIFTY_SHOPPERS: Self = Self {
        name: "50 users of the nine-request loop",
        user_class: "shopper",
        shape: "{users: {users: 50, spawn_rate: 50}}",
    };
}

/// When the load starts: everything is Ready, and the JVMs are warm.
const LOAD_AT: u64 = 900;

/// A world under load, warm.
pub fn warm(load: Load) -> Twin {
    let text = format!(
        "apiVersion: sockpit/v1alpha1\nkind: Scenario\nname: bench\napp: {{name: sock-shop}}\n\
         workloads:\n- {{user_class: {}, target: front-end, shape: {}, start: {LOAD_AT}s}}\n\
         task: {{levels: [L3], agent: catalogue, text: none, goal: maintain, start: 0s}}\n\
         slos: {{components: [catalogue]}}\n",
        load.user_class, load.shape
    );
    let loaded = scenarios::load_source(&Source { path: "bench".into(), text }, &[])
        .unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let scenario = Arc::new(loaded.scenario.value);
    let mut world = Twin::new(&loaded.app, &scenario, 1);
    ready(world.prepare()).expect("the twin is always there");
    world.run_until(SimTime(SimDuration::from_secs(LOAD_AT + 60).0));
    if !world.all_ready() {
        let pods = ready(world.observe(&Query::ListPods { component: None }));
        panic!("not all pods are ready after a quarter of an hour: {pods:#?}");
    }
    world
}

/// Lets a world run on.
pub fn run_for(world: &mut Twin, seconds: u64) {
    world.run_until(world.now() + SimDuration::from_secs(seconds));
}

/// A scenario that ships.
pub fn scenario(name: &str) -> Loaded {
    scenarios::load(name, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// Plays one episode with the runbook and scores it, without credit.
pub fn play(loaded: &Loaded, seed: u64) -> EpisodeScore {
    let scenario = Arc::new(loaded.scenario.value.clone());
    let app = Arc::clone(&loaded.app);
    let distance = |a: &str, b: &str| app.distance(a, b);
    let judge = Judge::new(&scenario, &loaded.words, &distance);
    let setup = Setup::new(&judge, &app, None);
    let mut world = Twin::new(&app, &scenario, seed);
    let mut log = Log::new(None);
    let forks = Some(Forks::<Twin>::of_world());
    ready(play_episode(&mut world, &setup, Cast::solo(runbook()), forks, &mut log)).expect("the twin is always there");
    score::score(&judge, log.entries())
}
